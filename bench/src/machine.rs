//! What the machine and the kernel say: conditions of the run, and what a process used. Reads `/proc`; what is not
//! there is `None`, not an error.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Ticks per second in `/proc/PID/stat`: 100 on every architecture, whatever the kernel's own.
const TICKS_PER_SECOND: f64 = 100.0;

/// What figures are only comparable under.
#[derive(Debug)]
pub(crate) struct Conditions {
    pub(crate) cores: usize,
    /// Processes that wanted to run in the minute before.
    pub(crate) load_before: Option<f64>,
    /// The file system that commits go to.
    pub(crate) storage: Option<String>,
    /// How this program was built.
    pub(crate) profile: &'static str,
}

pub(crate) fn conditions(scratch: &Path) -> Conditions {
    let first_number = |text: String| text.split_whitespace().next()?.parse().ok();
    Conditions {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        load_before: fs::read_to_string("/proc/loadavg").ok().and_then(first_number),
        storage: storage(scratch),
        profile: if cfg!(debug_assertions) { "dev" } else { "release" },
    }
}

/// Processor time, user and system, that a process has used so far.
pub(crate) fn cpu_time(process: u32) -> Option<Duration> {
    cpu_time_in(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The most memory a process ever had resident, in MiB.
pub(crate) fn peak_rss_mib(process: u32) -> Option<f64> {
    mib_in("VmHWM:", &fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

/// The memory a process has resident now, in MiB.
pub(crate) fn rss_mib(process: u32) -> Option<f64> {
    mib_in("VmRSS:", &fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

fn cpu_time_in(stat: &str) -> Option<Duration> {
    // The program's name, in brackets, may contain anything, brackets and spaces included.
    let (_, fields) = stat.rsplit_once(')')?;
    // utime and stime are fields 14 and 15; the first one after the name is field 3.
    let mut times = fields.split_whitespace().skip(14 - 3).map(str::parse::<u32>);
    let ticks = times.next()?.ok()?.checked_add(times.next()?.ok()?)?;
    Some(Duration::from_secs_f64(f64::from(ticks) / TICKS_PER_SECOND))
}

fn mib_in(field: &str, status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(f64::from(kib) / 1024.0)
}

fn storage(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    storage_in(&fs::read_to_string("/proc/self/mounts").ok()?, &folder)
}

fn storage_in(mounts: &str, folder: &Path) -> Option<String> {
    let mount = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        folder.starts_with(point).then(|| (point.len(), kind.to_owned()))
    };
    // The deepest mount wins, and of equals the last: it covers the others.
    mounts.lines().filter_map(mount).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_processor_time_behind_a_hostile_name() {
        let stat = "7 (a) b ) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 1 2 3";
        assert_eq!(cpu_time_in(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_time_in("7 (short) S 1"), None);
    }

    #[test]
    fn reads_memory() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n";
        assert_eq!((mib_in("VmHWM:", status), mib_in("VmRSS:", status)), (Some(2.0), Some(1.0)));
        assert_eq!(mib_in("VmHWM:", "Name:\tx\n"), None);
    }

    #[test]
    fn the_deepest_mount_names_the_storage() {
        let mounts = "a / ext4 rw 0 0\nb /tmp tmpfs rw 0 0\nc /tmp/disk xfs rw 0 0\n";
        let storage = |folder| storage_in(mounts, Path::new(folder));
        assert_eq!(storage("/tmp/x").as_deref(), Some("tmpfs"));
        assert_eq!(storage("/tmp/disk/x").as_deref(), Some("xfs"));
        assert_eq!(storage("/tmpfiles").as_deref(), Some("ext4"));
    }
}

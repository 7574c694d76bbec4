//! What the compiler's process takes from itself before it reads a byte of a file.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};

use super::protocol::Allowance;

/// Enough to give way to the host's threads, and to get some time on a machine that is busy with something else.
const NICENESS: i32 = 5;
/// Three are open; what was opened before stays. Reading about the processor takes another for a moment.
const MAX_DESCRIPTORS: u64 = 8;

/// Lowers the limits of this process, for good.
///
/// # Errors
/// When the system refuses one; never where it does not know it.
pub(super) fn restrain(allowance: &Allowance) -> io::Result<()> {
    // Not being able to be polite is no reason not to compile.
    let _ = nice(NICENESS);
    #[cfg(target_os = "linux")]
    on_linux()?;
    // No time, no space on disk for a dump; and no files at all.
    lower(Resource::Core, 0, 0)?;
    lower(Resource::Fsize, 0, 0)?;
    lower(Resource::Nofile, MAX_DESCRIPTORS, MAX_DESCRIPTORS)?;
    // A signal that tells why, then one that cannot be missed.
    lower(Resource::Cpu, allowance.cpu_seconds, allowance.cpu_seconds + 1)?;
    match lower(Resource::As, allowance.memory_bytes, allowance.memory_bytes) {
        Err(_) if cfg!(not(target_os = "linux")) => Ok(()),
        result => result,
    }
}

fn lower(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let allowed = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    setrlimit(resource, Rlimit { current: Some(current.min(allowed)), maximum: Some(maximum.min(allowed)) })?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn on_linux() -> io::Result<()> {
    // Should the machine run out of memory, this process is to go, not the host. Without /proc it is left to chance.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    // For `ps` and `top`: it was started by way of /proc.
    let _ = rustix::thread::set_name(c"hookwright-comp");
    rustix::thread::set_no_new_privs(true)?;
    // The thread that started us waits for us; if it is gone, so is the host.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

//! What was found, and whether the goals are met. Pure.

use std::fmt;
use std::time::Duration;

use crate::stats::median;

/// The dispatcher may have so much memory resident at most, whatever waits.
const MOST_RSS_MIB: f64 = 256.0;
/// What another webhook gets beside the backlog is at least this share of what it got before …
const LEAST_SPEED: f64 = 0.9;
/// … and its p99 at most so many times what it was.
const MOST_TIMES: f64 = 1.5;

/// What the other webhook got in one round.
pub(crate) struct Speed {
    pub(crate) delivered_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// How the backlog came about.
pub(crate) struct Filled {
    pub(crate) took: Duration,
    pub(crate) peak_rss_mib: f64,
    /// Of the other webhook meanwhile.
    pub(crate) p99_ms: f64,
}

pub(crate) struct Report {
    pub(crate) deliveries: u32,
    pub(crate) rounds: u32,
    pub(crate) rate: u32,
    pub(crate) storage: Option<String>,
    pub(crate) filled: Filled,
    /// Before, beside, and after it.
    pub(crate) speeds: [Vec<Speed>; 3],
    pub(crate) rss_full_mib: Option<f64>,
    /// How long an asked end took.
    pub(crate) ended: Duration,
    pub(crate) ready: Duration,
    pub(crate) ready_killed: Duration,
    /// From the receiver's return to the first delivery.
    pub(crate) probed: Duration,
    /// From the first delivery to the last.
    pub(crate) drained: Duration,
    pub(crate) rss_draining_mib: f64,
    pub(crate) p99_draining_ms: f64,
    /// Of all processes.
    pub(crate) peak_rss_mib: Option<f64>,
    pub(crate) lost: usize,
    pub(crate) refused: u32,
    pub(crate) repeated: u32,
}

impl Report {
    pub(crate) fn goals_met(&self) -> bool {
        self.is_small() && self.is_fast() && self.is_prompt() && self.is_whole()
    }

    fn is_small(&self) -> bool {
        self.peak_rss_mib.is_some_and(|peak| peak <= MOST_RSS_MIB)
    }

    fn is_fast(&self) -> bool {
        self.share() >= LEAST_SPEED
    }

    fn is_prompt(&self) -> bool {
        self.times() <= MOST_TIMES
    }

    fn is_whole(&self) -> bool {
        self.lost == 0 && self.refused == 0
    }

    fn share(&self) -> f64 {
        self.beside_to_before(|speed| speed.delivered_per_s)
    }

    fn times(&self) -> f64 {
        self.beside_to_before(|speed| speed.p99_ms)
    }

    fn beside_to_before(&self, figure: fn(&Speed) -> f64) -> f64 {
        let [before, beside, _] = &self.speeds;
        middle(beside, figure) / middle(before, figure)
    }
}

fn middle(speeds: &[Speed], figure: fn(&Speed) -> f64) -> f64 {
    median(speeds.iter().map(figure)).unwrap_or(f64::NAN)
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delivered_per_s, p50_ms, p99_ms } = self;
        write!(f, "{delivered_per_s:.0} delivered/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<24}{:>12}{:>10}{:>10}", "another webhook", "delivered/s", "p50 ms", "p99 ms")?;
        for (name, speeds) in ["before", "beside the backlog", "after it"].into_iter().zip(&self.speeds) {
            write!(f, "{name:<24}{:>12.0}", middle(speeds, |speed| speed.delivered_per_s))?;
            let (p50, p99) = (middle(speeds, |speed| speed.p50_ms), middle(speeds, |speed| speed.p99_ms));
            writeln!(f, "{p50:>10.2}{p99:>10.2}")?;
        }
        for (name, p99_ms) in
            [("while it piles up", self.filled.p99_ms), ("while it is delivered", self.p99_draining_ms)]
        {
            writeln!(f, "{name:<24}{:>12}{:>10}{p99_ms:>10.2}", "", "")?;
        }
        let deliveries = f64::from(self.deliveries);
        let seconds = |duration: &Duration| duration.as_secs_f64();
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        let storage = self.storage.as_deref().unwrap_or("unknown");
        writeln!(
            f,
            "\nmedians of {} rounds, p50 and p99 at {} events/s; {profile} build; home on {storage}",
            self.rounds, self.rate
        )?;
        let filled = seconds(&self.filled.took);
        writeln!(f, "{deliveries} piled up in {filled:.1} s ({:.0} a second)", deliveries / filled)?;
        writeln!(
            f,
            "resident: {:.0} MiB at most while they piled up, {:.0} MiB then, {:.0} MiB at most while they were delivered",
            self.filled.peak_rss_mib,
            self.rss_full_mib.unwrap_or(f64::NAN),
            self.rss_draining_mib
        )?;
        writeln!(
            f,
            "with them on disk: ended in {:.2} s and ready after {:.2} s; killed, ready after {:.2} s",
            seconds(&self.ended),
            seconds(&self.ready),
            seconds(&self.ready_killed)
        )?;
        let drained = seconds(&self.drained);
        writeln!(
            f,
            "the receiver back: first delivery after {:.1} s, the last {drained:.1} s later ({:.0} a second)",
            seconds(&self.probed),
            deliveries / drained
        )?;
        let met = |met: bool| if met { "met" } else { "NOT met" };
        let peak = self.peak_rss_mib.unwrap_or(f64::NAN);
        writeln!(f, "peak memory {peak:.0} MiB, bound {MOST_RSS_MIB:.0}: {}", met(self.is_small()))?;
        writeln!(
            f,
            "delivered beside / before = {:.2}, goal at least {LEAST_SPEED}: {}",
            self.share(),
            met(self.is_fast())
        )?;
        writeln!(f, "p99 beside / before = {:.2}, goal {MOST_TIMES}: {}", self.times(), met(self.is_prompt()))?;
        writeln!(
            f,
            "lost {}, refused {}, delivered more than once {}: {}",
            self.lost,
            self.refused,
            self.repeated,
            met(self.is_whole())
        )
    }
}

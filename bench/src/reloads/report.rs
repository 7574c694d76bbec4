//! What was found, and whether the goals are met. Pure.

use std::fmt;
use std::time::Duration;

/// Memory is flat when it grew by no more than this since the warm-up.
const MOST_GROWTH: f64 = 1.2;

pub(crate) struct Report {
    pub(crate) plugins: u32,
    pub(crate) reloads: u32,
    pub(crate) took: Duration,
    pub(crate) events: u32,
    pub(crate) refused: u32,
    pub(crate) repeated: u32,
    /// Accepted and not delivered.
    pub(crate) lost: usize,
    /// The first delivery that was not stamped by one known version.
    pub(crate) wrong: Option<String>,
    pub(crate) warm_rss_mib: Option<f64>,
    pub(crate) end_rss_mib: Option<f64>,
    pub(crate) peak_rss_mib: Option<f64>,
}

impl Report {
    pub(crate) fn goals_met(&self) -> bool {
        self.nothing_lost() && self.wrong.is_none() && self.growth().is_some_and(|growth| growth <= MOST_GROWTH)
    }

    fn nothing_lost(&self) -> bool {
        self.lost == 0 && self.refused == 0
    }

    fn growth(&self) -> Option<f64> {
        Some(self.end_rss_mib? / self.warm_rss_mib?)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let met = |met: bool| if met { "met" } else { "NOT met" };
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        let mib = |figure: Option<f64>| figure.unwrap_or(f64::NAN);
        writeln!(
            f,
            "\n{} reloads of {} plugins in {seconds:.1} s ({:.1} a second) under {} events ({:.0} a second); {profile} build",
            self.reloads,
            self.plugins,
            f64::from(self.reloads) / seconds,
            self.events,
            f64::from(self.events) / seconds,
        )?;
        writeln!(
            f,
            "lost {}, refused {}, delivered more than once {}: {}",
            self.lost,
            self.refused,
            self.repeated,
            met(self.nothing_lost())
        )?;
        let wrong = self.wrong.as_deref().unwrap_or("none");
        writeln!(f, "deliveries by a mixture or an unknown version: {wrong}: {}", met(self.wrong.is_none()))?;
        let growth = mib(self.growth());
        writeln!(
            f,
            "memory {:.0} MiB after the warm-up, {:.0} at the end (x {growth:.2}, goal {MOST_GROWTH:.1}): {}; peak {:.0} MiB",
            mib(self.warm_rss_mib),
            mib(self.end_rss_mib),
            met(growth <= MOST_GROWTH),
            mib(self.peak_rss_mib)
        )
    }
}

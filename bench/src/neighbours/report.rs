//! What was found, and whether the goal is met. Pure.

use std::fmt;

use serde_json::Value;

use crate::stats::median;

/// The third webhook's p99 may at most be so many times what it is alone.
const MOST_TIMES: f64 = 1.5;

/// One run of the dispatcher.
pub(crate) struct Measured {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) most_ms: f64,
    pub(crate) peak_rss_mib: Option<f64>,
    /// Deliveries by state at the end.
    pub(crate) counts: Value,
}

pub(crate) struct Report {
    rate: u32,
    /// Alone and beside.
    rounds: Vec<(Measured, Measured)>,
}

impl Report {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate, rounds: Vec::new() }
    }

    pub(crate) fn add(&mut self, alone: Measured, beside: Measured) {
        self.rounds.push((alone, beside));
    }

    pub(crate) fn goal_met(&self) -> bool {
        self.times().is_some_and(|times| times <= MOST_TIMES)
    }

    /// The middle of the rounds, each compared with itself.
    fn times(&self) -> Option<f64> {
        median(self.ratios())
    }

    fn ratios(&self) -> impl Iterator<Item = f64> {
        self.rounds.iter().map(|(alone, beside)| beside.p99_ms / alone.p99_ms)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<28}{:>10}{:>10}{:>10}{:>10}", "the third webhook", "p50 ms", "p99 ms", "most ms", "rss MiB")?;
        let (alone, beside): (Vec<_>, Vec<_>) = self.rounds.iter().map(|(alone, beside)| (alone, beside)).unzip();
        for (name, rounds) in [("alone", alone), ("beside hanging and slow", beside)] {
            let middle = |figure: fn(&Measured) -> f64| median(rounds.iter().map(|one| figure(one)));
            write!(f, "{name:<28}")?;
            for figure in [
                middle(|one| one.p50_ms),
                middle(|one| one.p99_ms),
                middle(|one| one.most_ms),
                rounds.iter().filter_map(|one| one.peak_rss_mib).reduce(f64::max),
            ] {
                write!(f, "{:>10.2}", figure.unwrap_or(f64::NAN))?;
            }
            writeln!(f)?;
        }
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        writeln!(f, "\n{} events/s; {} rounds; {profile} build", self.rate, self.rounds.len())?;
        if let Some((_, beside)) = self.rounds.last() {
            writeln!(f, "deliveries at the end of the last round: {}", beside.counts)?;
        }
        let (least, most) = (self.ratios().reduce(f64::min), self.ratios().reduce(f64::max));
        writeln!(
            f,
            "p99 beside / alone = {:.2} ({:.2} to {:.2}), goal {MOST_TIMES}: {}",
            self.times().unwrap_or(f64::NAN),
            least.unwrap_or(f64::NAN),
            most.unwrap_or(f64::NAN),
            if self.goal_met() { "met" } else { "NOT met" }
        )
    }
}

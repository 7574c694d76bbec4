//! What was found, and whether the goals are met. Pure.

use std::fmt;

use serde_json::Value;

use crate::stats::median;

/// The neighbours' p99 may at most be so many times what it is alone.
const MOST_TIMES: f64 = 2.0;
/// The dispatcher may have so much memory resident at most, the corpus loaded and running.
const MOST_RSS_MIB: f64 = 400.0;

/// One run of the dispatcher.
pub(crate) struct Measured {
    /// Of all events of the neighbours.
    pub(crate) p99_ms: f64,
    pub(crate) plain_p99_ms: f64,
    pub(crate) redacted_p99_ms: f64,
    pub(crate) peak_rss_mib: Option<f64>,
    /// Deliveries by state at the end.
    pub(crate) counts: Value,
}

pub(crate) struct Report {
    cases: usize,
    rate: u32,
    hostile_rate: u32,
    /// Alone and beside.
    rounds: Vec<(Measured, Measured)>,
}

impl Report {
    pub(crate) fn new(cases: usize, rate: u32, hostile_rate: u32) -> Self {
        Self { cases, rate, hostile_rate, rounds: Vec::new() }
    }

    pub(crate) fn add(&mut self, alone: Measured, beside: Measured) {
        self.rounds.push((alone, beside));
    }

    pub(crate) fn goals_met(&self) -> bool {
        self.times().is_some_and(|times| times <= MOST_TIMES) && self.peak().is_some_and(|peak| peak <= MOST_RSS_MIB)
    }

    /// The middle of the rounds, each compared with itself.
    fn times(&self) -> Option<f64> {
        median(self.rounds.iter().map(|(alone, beside)| beside.p99_ms / alone.p99_ms))
    }

    fn peak(&self) -> Option<f64> {
        self.rounds.iter().filter_map(|(_, beside)| beside.peak_rss_mib).reduce(f64::max)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<28}{:>10}{:>10}{:>10}{:>10}", "p99 ms", "all", "plain", "redacted", "rss MiB")?;
        let (alone, beside): (Vec<_>, Vec<_>) = self.rounds.iter().map(|(alone, beside)| (alone, beside)).unzip();
        for (name, rounds) in [("alone", alone), ("beside the hostile corpus", beside)] {
            let middle = |figure: fn(&Measured) -> f64| median(rounds.iter().map(|one| figure(one)));
            write!(f, "{name:<28}")?;
            for figure in [
                middle(|one| one.p99_ms),
                middle(|one| one.plain_p99_ms),
                middle(|one| one.redacted_p99_ms),
                rounds.iter().filter_map(|one| one.peak_rss_mib).reduce(f64::max),
            ] {
                write!(f, "{:>10.2}", figure.unwrap_or(f64::NAN))?;
            }
            writeln!(f)?;
        }
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        writeln!(
            f,
            "\n{} events/s for the neighbours; {} hostile webhooks, each gets {} events/s; {} rounds; {profile} build",
            self.rate,
            self.cases,
            self.hostile_rate,
            self.rounds.len()
        )?;
        if let Some((_, beside)) = self.rounds.last() {
            writeln!(f, "deliveries at the end of the last round: {}", beside.counts)?;
        }
        let met = |met: bool| if met { "met" } else { "NOT met" };
        let (times, peak) = (self.times().unwrap_or(f64::NAN), self.peak().unwrap_or(f64::NAN));
        writeln!(f, "p99 beside / alone = {times:.2}, goal {MOST_TIMES:.0}: {}", met(times <= MOST_TIMES))?;
        writeln!(f, "peak memory {peak:.0} MiB, bound {MOST_RSS_MIB:.0}: {}", met(peak <= MOST_RSS_MIB))
    }
}

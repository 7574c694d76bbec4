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

/// The same neighbours, three times.
pub(crate) struct Round {
    pub(crate) alone: Measured,
    /// As many other webhooks with as many events, and plugins that do no harm.
    pub(crate) harmless: Measured,
    pub(crate) hostile: Measured,
}

pub(crate) struct Report {
    cases: usize,
    rate: u32,
    hostile_rate: u32,
    rounds: Vec<Round>,
}

impl Report {
    pub(crate) fn new(cases: usize, rate: u32, hostile_rate: u32) -> Self {
        Self { cases, rate, hostile_rate, rounds: Vec::new() }
    }

    pub(crate) fn add(&mut self, round: Round) {
        self.rounds.push(round);
    }

    pub(crate) fn goals_met(&self) -> bool {
        self.times_alone().is_some_and(|times| times <= MOST_TIMES)
            && self.peak().is_some_and(|peak| peak <= MOST_RSS_MIB)
    }

    /// The middle of the rounds, each compared with itself.
    fn times_alone(&self) -> Option<f64> {
        median(self.rounds.iter().map(|round| round.hostile.p99_ms / round.alone.p99_ms))
    }

    fn times_harmless(&self) -> Option<f64> {
        median(self.rounds.iter().map(|round| round.hostile.p99_ms / round.harmless.p99_ms))
    }

    fn each<'a>(&'a self, of: impl Fn(&'a Round) -> &'a Measured) -> Vec<&'a Measured> {
        self.rounds.iter().map(of).collect()
    }

    fn peak(&self) -> Option<f64> {
        self.rounds.iter().filter_map(|round| round.hostile.peak_rss_mib).reduce(f64::max)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<28}{:>10}{:>10}{:>10}{:>10}", "p99 ms", "all", "plain", "redacted", "rss MiB")?;
        for (name, measured) in [
            ("alone", self.each(|round| &round.alone)),
            ("beside harmless plugins", self.each(|round| &round.harmless)),
            ("beside the hostile corpus", self.each(|round| &round.hostile)),
        ] {
            let middle = |figure: fn(&Measured) -> f64| median(measured.iter().map(|one| figure(one)));
            write!(f, "{name:<28}")?;
            for figure in [
                middle(|one| one.p99_ms),
                middle(|one| one.plain_p99_ms),
                middle(|one| one.redacted_p99_ms),
                measured.iter().filter_map(|one| one.peak_rss_mib).reduce(f64::max),
            ] {
                write!(f, "{:>10.2}", figure.unwrap_or(f64::NAN))?;
            }
            writeln!(f)?;
        }
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        writeln!(
            f,
            "\n{} events/s for the neighbours; {} webhooks beside them, each gets {} events/s; {} rounds; {profile} build",
            self.rate,
            self.cases,
            self.hostile_rate,
            self.rounds.len()
        )?;
        if let Some(round) = self.rounds.last() {
            writeln!(f, "deliveries at the end of the last round, harmless: {}", round.harmless.counts)?;
            writeln!(f, "deliveries at the end of the last round, hostile: {}", round.hostile.counts)?;
        }
        let met = |met: bool| if met { "met" } else { "NOT met" };
        let (times, peak) = (self.times_alone().unwrap_or(f64::NAN), self.peak().unwrap_or(f64::NAN));
        writeln!(f, "p99 beside the corpus / alone = {times:.2}, goal {MOST_TIMES:.0}: {}", met(times <= MOST_TIMES))?;
        // No goal: they run all the time, and the corpus does not.
        let times = self.times_harmless().unwrap_or(f64::NAN);
        writeln!(f, "p99 beside the corpus / beside harmless plugins = {times:.2}")?;
        writeln!(f, "peak memory {peak:.0} MiB, bound {MOST_RSS_MIB:.0}: {}", met(peak <= MOST_RSS_MIB))
    }
}

//! The table, and whether the goals are met. Pure.

use std::collections::BTreeMap;
use std::fmt;

use super::contestant::Kind;
use super::fresh::Cost;
use crate::stats::median;

/// A fresh instance may cost so many times what the work costs natively …
const MOST_OF_NATIVE: f64 = 6.0;
/// … and what it costs in a reused instance.
const MOST_OF_REUSED: f64 = 2.0;
const KINDS: [Kind; 5] = [Kind::Native, Kind::Reused, Kind::Fresh, Kind::QuickJsReused, Kind::QuickJsFresh];
/// In a table of their own, since their figures are of another size; named by their language.
const LANGUAGES: [(Kind, &str); 3] =
    [(Kind::Fresh, "Rust"), (Kind::JavaScript, "JavaScript"), (Kind::Python, "Python")];

/// All figures of one invocation.
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
    pub(crate) rounds: u32,
    pub(crate) millis: u32,
}

/// The figures of one payload: microseconds a call, one per round.
pub(crate) struct Row {
    bytes: usize,
    costs: BTreeMap<Kind, Cost>,
    micros: BTreeMap<Kind, Vec<f64>>,
}

impl Row {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes, costs: BTreeMap::new(), micros: BTreeMap::new() }
    }

    pub(crate) fn costs(&mut self, kind: Kind, cost: Cost) {
        self.costs.insert(kind, cost);
    }

    pub(crate) fn add(&mut self, kind: Kind, micros: f64) {
        self.micros.entry(kind).or_default().push(micros);
    }

    fn of(&self, kind: Kind) -> &[f64] {
        self.micros.get(&kind).map_or(&[], Vec::as_slice)
    }

    fn median(&self, kind: Kind) -> f64 {
        median(self.of(kind).iter().copied()).unwrap_or(f64::NAN)
    }

    /// How many times `other` a call of `kind` costs: the middle of the rounds, each compared with itself.
    fn times(&self, kind: Kind, other: Kind) -> Option<f64> {
        median(self.of(kind).iter().zip(self.of(other)).map(|(one, other)| one / other))
    }
}

impl Table {
    /// `false` also when something was not measured.
    pub(crate) fn goals_met(&self) -> bool {
        self.goals().all(|(_, _, times, most)| times.is_some_and(|times| times <= most))
    }

    fn goals(&self) -> impl Iterator<Item = (usize, Kind, Option<f64>, f64)> {
        let goals = [(Kind::Native, MOST_OF_NATIVE), (Kind::Reused, MOST_OF_REUSED)];
        self.rows
            .iter()
            .flat_map(move |row| goals.map(|(kind, most)| (row.bytes, kind, row.times(Kind::Fresh, kind), most)))
    }

    /// Plugins in several languages, if they were measured.
    fn languages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.iter().all(|row| row.costs.len() < 2) {
            return Ok(());
        }
        writeln!(f, "\n{:>8}{:>13}{:>11}{:>11}{:>11}{:>11}", "bytes", "plugin in", "µs", "of Rust", "fuel", "MiB")?;
        for row in &self.rows {
            for (kind, language) in LANGUAGES {
                let Some(cost) = row.costs.get(&kind) else { continue };
                let times = row.times(kind, Kind::Fresh).unwrap_or(f64::NAN);
                #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
                let mib = cost.memory_bytes as f64 / f64::from(1 << 20);
                let (bytes, micros) = (row.bytes, row.median(kind));
                writeln!(f, "{bytes:>8}{language:>13}{micros:>11.0}{times:>10.0}x{:>11}{mib:>11.1}", cost.fuel)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{:>8}", "bytes")?;
        for kind in KINDS {
            write!(f, "{kind:>11}")?;
        }
        writeln!(f, "{:>11}{:>11}", "fuel", "fuel/byte")?;
        for row in &self.rows {
            write!(f, "{:>8}", row.bytes)?;
            for kind in KINDS {
                write!(f, "{:>11.2}", row.median(kind))?;
            }
            let fuel = row.costs.get(&Kind::Fresh).map_or(0, |cost| cost.fuel);
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let per_byte = fuel as f64 / row.bytes as f64;
            writeln!(f, "{fuel:>11}{per_byte:>11.1}")?;
        }
        self.languages(f)?;
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        writeln!(f, "\nµs a call, median of {} rounds of {} ms each; {profile} build", self.rounds, self.millis)?;
        for (bytes, kind, times, most) in self.goals() {
            let met = if times.is_some_and(|times| times <= most) { "met" } else { "NOT met" };
            let times = times.unwrap_or(f64::NAN);
            writeln!(f, "{bytes:>6} bytes: fresh / {kind:<8} = {times:.2}, goal {most:.0}: {met}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_one_round_and_goals_need_every_size() {
        let mut row = Row::new(300);
        for (native, reused, fresh) in [(1.0, 4.0, 5.0), (10.0, 40.0, 50.0), (1.0, 1.0, 50.0)] {
            row.add(Kind::Native, native);
            row.add(Kind::Reused, reused);
            row.add(Kind::Fresh, fresh);
        }
        assert_eq!(
            (row.times(Kind::Fresh, Kind::Native), row.times(Kind::Fresh, Kind::Reused)),
            (Some(5.0), Some(1.25))
        );
        let mut table = Table { rows: vec![row], rounds: 3, millis: 1 };
        assert!(table.goals_met());
        table.rows.push(Row::new(1024));
        assert!(!table.goals_met(), "not measured is not met");
    }
}

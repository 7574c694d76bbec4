//! What the rounds say together: medians, and ratios to the relay of the same round. Pure.

use crate::machine::Conditions;
use crate::measure::{Measured, Plan};
use crate::stats::median;
use crate::system::System;

/// What `full / relay` should at least be.
pub(crate) const GOAL: f64 = 0.40;

/// Everything measured in one invocation.
pub(crate) struct Summary {
    pub(crate) plan: Plan,
    pub(crate) conditions: Conditions,
    pub(crate) systems: Vec<System>,
    pub(crate) rounds: Vec<Vec<Measured>>,
}

impl Summary {
    /// The middle of a figure over the rounds.
    pub(crate) fn median(&self, system: System, figure: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        median(self.of(system).filter_map(figure))
    }

    /// The sum of a count over the rounds.
    pub(crate) fn total(&self, system: System, count: impl Fn(&Measured) -> usize) -> usize {
        self.of(system).map(count).sum()
    }

    /// Delivered per second as a share of what the relay did in the same round.
    pub(crate) fn ratios(&self, system: System) -> Vec<f64> {
        let in_round = |round: &Vec<Measured>| {
            let rate = |wanted| round.iter().find(|one| one.system == wanted).map(|one| one.full_load.delivered_per_s);
            Some(rate(system)? / rate(System::Relay)?)
        };
        self.rounds.iter().filter_map(in_round).collect()
    }

    /// The middle of these shares.
    pub(crate) fn ratio(&self, system: System) -> Option<f64> {
        median(self.ratios(system))
    }

    /// `false` also when not both were measured.
    pub(crate) fn goal_met(&self) -> bool {
        self.ratio(System::Full).is_some_and(|ratio| ratio >= GOAL)
    }

    fn of(&self, system: System) -> impl Iterator<Item = &Measured> {
        self.rounds.iter().flatten().filter(move |one| one.system == system)
    }
}

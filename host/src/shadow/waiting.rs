//! Steps that wait for their shadow's run: first in, first out, bounded in number and bytes. Pure.

use std::collections::VecDeque;

use crate::plugin::StepSeen;

/// Steps that may wait.
pub(super) const MAX_WAITING: usize = 64;
/// Of one step of one chain: a slow candidate leaves room to the others.
pub(super) const MAX_WAITING_OF_ONE: usize = 16;
/// What waiting steps may hold in memory.
const MAX_WAITING_BYTES: usize = 16 << 20;

#[derive(Default)]
pub(super) struct Waiting {
    steps: VecDeque<StepSeen>,
    bytes: usize,
}

impl Waiting {
    /// False: there was no room.
    pub(super) fn push(&mut self, step: StepSeen) -> bool {
        let weight = step.weight();
        let of_one = self.steps.iter().filter(|other| is_same_place(other, &step)).count();
        if self.steps.len() >= MAX_WAITING
            || of_one >= MAX_WAITING_OF_ONE
            || self.bytes.saturating_add(weight) > MAX_WAITING_BYTES
        {
            return false;
        }
        self.bytes += weight;
        self.steps.push_back(step);
        true
    }

    pub(super) fn pop(&mut self) -> Option<StepSeen> {
        let step = self.steps.pop_front()?;
        self.bytes = self.bytes.saturating_sub(step.weight());
        Some(step)
    }
}

fn is_same_place(one: &StepSeen, other: &StepSeen) -> bool {
    one.index() == other.index() && one.job().webhook.id == other.job().webhook.id
}

//! The queue of a store, as far as the scheduler can tell it from a real one.

use crate::clock::Timestamp;
use crate::store::Lane;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Waiting,
    Held,
    Finished,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) lane: Lane,
    pub(super) standing: Standing,
    pub(super) due: Timestamp,
    pub(super) leased: bool,
    pub(super) fence: u64,
    pub(super) attempts: u32,
    /// How often it was answered 410.
    pub(super) gone: usize,
}

/// In the order they were appended: so are the places of an order.
#[derive(Default)]
pub(super) struct Rows(pub(super) Vec<Row>);

impl Rows {
    /// Whether a new one of this lane may be leased at once.
    pub(super) fn is_free(&self, lane: &Lane) -> bool {
        !lane.is_ordered() || !self.0.iter().any(|row| row.lane == *lane && row.standing != Standing::Finished)
    }

    pub(super) fn append(&mut self, lane: Lane, now: Timestamp, leased: bool) -> usize {
        let fence = u64::from(leased);
        self.0.push(Row { lane, standing: Standing::Waiting, due: now, leased, fence, attempts: 0, gone: 0 });
        self.0.len() - 1
    }

    /// Leases what is due, and says when there will be more.
    pub(super) fn claim(&mut self, lane: &Lane, now: Timestamp, limit: usize) -> (Vec<usize>, Option<Timestamp>) {
        let mut due: Vec<usize> = self.ready(lane).filter(|index| self.0[*index].due <= now).collect();
        due.sort_by_key(|index| (self.0[*index].due, *index));
        due.truncate(limit);
        for index in &due {
            self.0[*index].leased = true;
            self.0[*index].fence += 1;
        }
        let next = self.ready(lane).map(|index| self.0[index].due).min();
        (due, next)
    }

    /// What may be leased of a lane, due or not.
    pub(super) fn ready<'r>(&'r self, lane: &'r Lane) -> impl Iterator<Item = usize> + 'r {
        let of_lane = self.0.iter().enumerate().filter(move |(_, row)| row.lane == *lane);
        let unfinished = of_lane.filter(|(_, row)| row.standing != Standing::Finished);
        let first = if lane.is_ordered() { 1 } else { usize::MAX };
        let may_go = |row: &Row| row.standing == Standing::Waiting && !row.leased;
        unfinished.take(first).filter(move |(_, row)| may_go(row)).map(|(index, _)| index)
    }
}

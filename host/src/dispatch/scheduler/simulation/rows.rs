//! The queue of a store, as far as the scheduler can tell it from a real one.

use std::collections::BTreeMap;

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
pub(super) struct Rows {
    pub(super) all: Vec<Row>,
    /// Those that are not finished, by lane.
    unfinished: BTreeMap<Lane, Vec<usize>>,
}

impl Rows {
    /// Whether a new one of this lane may be leased at once.
    pub(super) fn is_free(&self, lane: &Lane) -> bool {
        !lane.is_ordered() || self.of(lane).is_empty()
    }

    pub(super) fn append(&mut self, lane: Lane, now: Timestamp, leased: bool) -> usize {
        let (index, fence) = (self.all.len(), u64::from(leased));
        self.unfinished.entry(lane.clone()).or_default().push(index);
        self.all.push(Row { lane, standing: Standing::Waiting, due: now, leased, fence, attempts: 0, gone: 0 });
        index
    }

    pub(super) fn finish(&mut self, index: usize) {
        let row = &mut self.all[index];
        row.standing = Standing::Finished;
        if let Some(lane) = self.unfinished.get_mut(&row.lane) {
            lane.retain(|other| *other != index);
        }
    }

    /// Leases what is due, and says when there will be more.
    pub(super) fn claim(&mut self, lane: &Lane, now: Timestamp, limit: usize) -> (Vec<usize>, Option<Timestamp>) {
        let mut due: Vec<usize> = self.ready(lane).filter(|index| self.all[*index].due <= now).collect();
        due.sort_by_key(|index| (self.all[*index].due, *index));
        due.truncate(limit);
        for index in &due {
            self.all[*index].leased = true;
            self.all[*index].fence += 1;
        }
        let next = self.ready(lane).map(|index| self.all[index].due).min();
        (due, next)
    }

    /// What may be leased of a lane, due or not.
    pub(super) fn ready(&self, lane: &Lane) -> impl Iterator<Item = usize> {
        let first = if lane.is_ordered() { 1 } else { usize::MAX };
        let may_go = |row: &Row| row.standing == Standing::Waiting && !row.leased;
        self.of(lane).iter().copied().take(first).filter(move |index| may_go(&self.all[*index]))
    }

    /// What is not finished of a lane.
    pub(super) fn of(&self, lane: &Lane) -> &[usize] {
        self.unfinished.get(lane).map_or(&[], Vec::as_slice)
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.unfinished.iter().filter(|(_, rows)| !rows.is_empty()).map(|(lane, _)| lane)
    }
}

//! When each event was posted, accepted and delivered. Everything reported about a run is reckoned from it
//! afterwards, so that measuring costs a few stores per event. Does no I/O.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

/// A moment of a run: microseconds since its start, never 0.
pub(crate) type Micros = u32;

/// One run's record, with room for a fixed number of events.
pub(crate) struct Ledger {
    start: Instant,
    next: AtomicU32,
    rows: Box<[Row]>,
    repeats: AtomicU32,
    refusals: AtomicU32,
    first_refusal: OnceLock<String>,
    first_wrong: OnceLock<String>,
}

/// 0 stands for "not yet".
#[derive(Default)]
struct Row {
    posted: AtomicU32,
    accepted: AtomicU32,
    delivered: AtomicU32,
}

/// What happened between two moments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) accepted: usize,
    /// Different events delivered; a repeat does not count again.
    pub(crate) delivered: usize,
    /// Accepted by the end of the window and not delivered by then.
    pub(crate) backlog: usize,
}

impl Ledger {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            start: Instant::now(),
            next: AtomicU32::new(0),
            rows: std::iter::repeat_with(Row::default).take(room).collect(),
            repeats: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
            first_refusal: OnceLock::new(),
            first_wrong: OnceLock::new(),
        }
    }

    pub(crate) fn now(&self) -> Micros {
        Micros::try_from(self.start.elapsed().as_micros()).unwrap_or(Micros::MAX).max(1)
    }

    /// The number of a new event; `None` when the room is used up.
    pub(crate) fn number(&self) -> Option<u32> {
        let number = self.next.fetch_add(1, Relaxed);
        self.row(number).is_some().then_some(number)
    }

    /// The number that the next event gets.
    pub(crate) fn next_number(&self) -> u32 {
        self.next.load(Relaxed)
    }

    pub(crate) fn posted(&self, number: u32, at: Micros) {
        if let Some(row) = self.row(number) {
            row.posted.store(at, Relaxed);
        }
    }

    pub(crate) fn accepted(&self, number: u32, at: Micros) {
        if let Some(row) = self.row(number) {
            row.accepted.store(at, Relaxed);
        }
    }

    /// The first delivery of an event counts.
    pub(crate) fn delivered(&self, number: u32, at: Micros) {
        let Some(row) = self.row(number) else {
            return self.wrong("a delivery carries a number that was never given out".to_owned());
        };
        if row.delivered.compare_exchange(0, at, Relaxed, Relaxed).is_err() {
            self.repeats.fetch_add(1, Relaxed);
        }
    }

    /// An answer that was no 2xx.
    pub(crate) fn refused(&self, answer: impl FnOnce() -> String) {
        self.refusals.fetch_add(1, Relaxed);
        self.first_refusal.get_or_init(answer);
    }

    /// Something that makes the figures void: the system does not do the work it is measured for.
    pub(crate) fn wrong(&self, what: String) {
        self.first_wrong.get_or_init(|| what);
    }

    pub(crate) fn repeats(&self) -> u32 {
        self.repeats.load(Relaxed)
    }

    pub(crate) fn refusals(&self) -> u32 {
        self.refusals.load(Relaxed)
    }

    pub(crate) fn first_refusal(&self) -> Option<&str> {
        self.first_refusal.get().map(String::as_str)
    }

    pub(crate) fn first_wrong(&self) -> Option<&str> {
        self.first_wrong.get().map(String::as_str)
    }

    pub(crate) fn window(&self, window: &Range<Micros>) -> Window {
        let mut sums = Window { accepted: 0, delivered: 0, backlog: 0 };
        for row in self.used() {
            let (accepted, delivered) = (row.accepted.load(Relaxed), row.delivered.load(Relaxed));
            let by_end = |at: Micros| at != 0 && at < window.end;
            sums.accepted += usize::from(window.contains(&accepted));
            sums.delivered += usize::from(window.contains(&delivered));
            sums.backlog += usize::from(by_end(accepted) && !by_end(delivered));
        }
        sums
    }

    /// Events accepted and not delivered until now.
    pub(crate) fn undelivered(&self) -> usize {
        let is_open = |row: &&Row| row.accepted.load(Relaxed) != 0 && row.delivered.load(Relaxed) == 0;
        self.used().iter().filter(is_open).count()
    }

    /// When the first and the last of the deliveries came.
    pub(crate) fn first_and_last_delivery(&self) -> Option<(Micros, Micros)> {
        let moments = || self.used().iter().map(|row| row.delivered.load(Relaxed)).filter(|at| *at != 0);
        Some((moments().min()?, moments().max()?))
    }

    /// From post to delivery, in microseconds, of the delivered ones among these events.
    pub(crate) fn latencies(&self, numbers: Range<u32>) -> Vec<Micros> {
        let rows = numbers.filter_map(|number| self.row(number));
        let spans = rows.map(|row| (row.posted.load(Relaxed), row.delivered.load(Relaxed)));
        spans
            .filter(|(_, delivered)| *delivered != 0)
            .map(|(posted, delivered)| delivered.saturating_sub(posted))
            .collect()
    }

    /// The rows of the numbers given out.
    fn used(&self) -> &[Row] {
        let next = usize::try_from(self.next_number()).unwrap_or(usize::MAX);
        self.rows.get(..next).unwrap_or(&self.rows)
    }

    fn row(&self, number: u32) -> Option<&Row> {
        self.rows.get(usize::try_from(number).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_backlog_is_no_throughput() {
        let ledger = Ledger::new(5);
        // Accepted and delivered when: before, inside and after the window 100..200, or never.
        for (accepted, delivered) in [(50, 60), (90, 150), (110, 120), (120, 210), (130, 0)] {
            let number = ledger.number().expect("room");
            ledger.accepted(number, accepted);
            if delivered != 0 {
                ledger.delivered(number, delivered);
            }
        }
        assert_eq!(ledger.window(&(100..200)), Window { accepted: 3, delivered: 2, backlog: 2 });
        assert_eq!(ledger.undelivered(), 1);
        assert_eq!(ledger.first_and_last_delivery(), Some((60, 210)));
        assert_eq!(ledger.number(), None);
    }

    #[test]
    fn the_first_delivery_counts_and_a_repeat_is_told() {
        let ledger = Ledger::new(1);
        ledger.posted(0, 100);
        ledger.delivered(0, 300);
        ledger.delivered(0, 900);
        assert_eq!((ledger.latencies(0..1), ledger.repeats()), (vec![200], 1));
        ledger.delivered(1, 1000);
        assert!(ledger.first_wrong().is_some());
    }
}

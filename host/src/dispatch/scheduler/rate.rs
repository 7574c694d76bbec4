//! At most so many starts in any span of time: the starts of the last span are remembered, one by one.

use std::collections::VecDeque;

use crate::clock::Timestamp;
use crate::webhook::RateLimit;

/// When attempts of one webhook began, as far as its rate limit asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Starts(VecDeque<Timestamp>);

impl Starts {
    /// When the next may begin: now, or later.
    pub(super) fn next(&mut self, limit: RateLimit, now: Timestamp) -> Timestamp {
        self.forget(limit, now);
        match self.waiting_for(limit) {
            None => now,
            Some(start) => start.after(limit.per),
        }
    }

    /// When the next may begin, if that is later than now. Forgets nothing.
    pub(super) fn later(&self, limit: RateLimit, now: Timestamp) -> Option<Timestamp> {
        self.waiting_for(limit).map(|start| start.min(now).after(limit.per)).filter(|next| *next > now)
    }

    pub(super) fn begin(&mut self, now: Timestamp) {
        self.0.push_back(now);
    }

    /// One that began at `start` was not made after all.
    pub(super) fn take_back(&mut self, start: Timestamp) {
        if let Some(index) = self.0.iter().rposition(|known| *known == start) {
            self.0.remove(index);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many may begin up to `until`.
    pub(super) fn free(&mut self, limit: RateLimit, now: Timestamp, until: Timestamp) -> usize {
        self.forget(limit, now);
        let count = usize::try_from(limit.count.get()).unwrap_or(usize::MAX);
        let still_there = self.0.iter().filter(|start| start.after(limit.per) > until).count();
        count.saturating_sub(still_there)
    }

    /// The start that has to be a span ago before the next one.
    fn waiting_for(&self, limit: RateLimit) -> Option<Timestamp> {
        let count = usize::try_from(limit.count.get()).unwrap_or(usize::MAX);
        self.0.len().checked_sub(count).and_then(|index| self.0.get(index)).copied()
    }

    fn forget(&mut self, limit: RateLimit, now: Timestamp) {
        // After the clock was set back, what lies ahead of it counts as now.
        for start in self.0.iter_mut().rev().take_while(|start| **start > now) {
            *start = now;
        }
        while self.0.front().is_some_and(|start| start.after(limit.per) <= now) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn limit(count: u32, ms: u64) -> RateLimit {
        RateLimit { count: count.try_into().expect("not zero"), per: Duration::from_millis(ms) }
    }

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn a_burst_then_a_span_of_rest() {
        let (mut starts, limit) = (Starts::default(), limit(2, 1000));
        assert_eq!(starts.free(limit, at(0), at(0)), 2);
        for ms in [0, 400] {
            assert_eq!(starts.next(limit, at(ms)), at(ms));
            starts.begin(at(ms));
        }
        assert_eq!(starts.next(limit, at(500)), at(1000));
        assert_eq!((starts.free(limit, at(500), at(999)), starts.free(limit, at(500), at(1000))), (0, 1));
        starts.take_back(at(0));
        assert_eq!(starts.next(limit, at(500)), at(500));
    }

    #[test]
    fn a_clock_set_back_stops_nothing_for_longer_than_a_span() {
        let (mut starts, limit) = (Starts::default(), limit(1, 1000));
        starts.begin(at(1_000_000));
        assert_eq!(starts.next(limit, at(5)), at(1005));
    }

    proptest! {
        #[test]
        fn no_span_has_more_than_the_limit(count in 1..5_u32, steps in prop::collection::vec(0..400_i64, 1..200)) {
            let (mut starts, limit) = (Starts::default(), limit(count, 1000));
            let (mut now, mut begun) = (0, Vec::new());
            for step in steps {
                now += step;
                if starts.next(limit, at(now)) == at(now) {
                    starts.begin(at(now));
                    begun.push(now);
                }
            }
            for window in begun.windows(usize::try_from(count).expect("small") + 1) {
                prop_assert!(window[window.len() - 1] - window[0] >= 1000, "{window:?}");
            }
            prop_assert!(starts.0.len() <= usize::try_from(count).expect("small"));
        }
    }
}

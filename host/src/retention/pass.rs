//! How far sweeping came: what was looked at and had to stay is not looked at again each minute, but each hour (sooner
//! where what is kept is kept for less).

use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::EventId;

/// Old unfinished work may have been finished since.
const FROM_THE_START: Duration = Duration::from_hours(1);

#[derive(Debug, Default)]
pub(super) struct Pass {
    /// All before it was looked at since `started`.
    after: Option<EventId>,
    started: Option<Timestamp>,
}

impl Pass {
    pub(super) fn begin(&mut self, now: Timestamp, age: Duration) {
        let is_recent = |started: Timestamp| started <= now && now.since(started) < FROM_THE_START.min(age);
        if !self.started.is_some_and(is_recent) {
            *self = Self { after: None, started: Some(now) };
        }
    }

    /// Where the next step begins.
    pub(super) fn position(&self) -> Option<EventId> {
        self.after
    }

    /// A step came to `next`, or through to all that was older.
    pub(super) fn came_to(&mut self, next: Option<EventId>, older_than: Timestamp) {
        self.after = Some(next.unwrap_or_else(|| EventId::first_at(older_than)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_anew_each_hour_or_when_the_clock_is_set_back() {
        let at = |minutes: i64| Timestamp::from_ms(10_000_000_000 + minutes * 60_000);
        let mut pass = Pass::default();
        for (now, from_the_start) in [(0, true), (1, false), (59, false), (60, true), (61, false), (30, true)] {
            pass.begin(at(now), Duration::MAX);
            assert_eq!(pass.position().is_none(), from_the_start, "{now}");
            pass.came_to(None, at(now));
        }
    }
}

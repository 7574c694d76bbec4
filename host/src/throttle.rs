//! Keeps what can happen many times a second, or be caused by others at will, from flooding the log.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::clock::Timestamp;

/// One line in this long, and how many were left out before it.
const INTERVAL_MS: i64 = 1_000;

/// Lets one line through per second and counts the others.
#[derive(Debug)]
pub struct Throttle {
    next_ms: AtomicI64,
    left_out: AtomicU64,
}

impl Throttle {
    pub const fn new() -> Self {
        Self { next_ms: AtomicI64::new(i64::MIN), left_out: AtomicU64::new(0) }
    }

    /// Whether a line may be written now; if so, how many were left out since the last.
    pub fn pass(&self, now: Timestamp) -> Option<u64> {
        let next = self.next_ms.load(Ordering::Relaxed);
        let due = now.as_ms() >= next;
        let later = now.as_ms().saturating_add(INTERVAL_MS);
        if due && self.next_ms.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            Some(self.left_out.swap(0, Ordering::Relaxed))
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_one_a_second_and_counts_the_rest() {
        let throttle = Throttle::new();
        let passed = [0, 10, 999, 1_000, 1_001, 5_000].map(|ms| throttle.pass(Timestamp::from_ms(ms)));
        assert_eq!(passed, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}

//! How much of a processor a thread uses. Not by the clock, which also runs while others have the processor: on a busy
//! machine every chain would seem costly.

use rustix::time::{ClockId, clock_gettime};

/// Does the work, and says how many microseconds of a processor this thread used for it.
pub(super) fn measured<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = used_micros();
    let done = work();
    (done, used_micros().saturating_sub(before))
}

fn used_micros() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    let micros = used.tv_sec.saturating_mul(1_000_000).saturating_add(used.tv_nsec / 1_000);
    u64::try_from(micros).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_no_use_of_a_processor() {
        let ((), asleep) = measured(|| std::thread::park_timeout(std::time::Duration::from_millis(50)));
        assert!(asleep < 25_000, "{asleep}");
        let ((), awake) = measured(|| {
            let began = used_micros();
            while used_micros() < began + 2_000 {}
        });
        assert!(awake >= 2_000, "{awake}");
    }
}

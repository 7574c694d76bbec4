//! How much of a processor a thread uses. Not by the clock, which also runs while others have the processor: on a busy
//! machine every chain would seem costly.

use rustix::time::{ClockId, clock_gettime};

/// Of the thread that made it.
pub(super) struct Meter {
    last: u64,
}

impl Meter {
    pub(super) fn start() -> Self {
        Self { last: used_micros() }
    }

    /// Microseconds used since it was asked last.
    pub(super) fn lap(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.last, used_micros());
        self.last.saturating_sub(before)
    }
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
        let mut meter = Meter::start();
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        assert!(meter.lap() < 25_000);
        let began = meter.last;
        while used_micros() < began + 2_000 {}
        assert!(meter.lap() >= 2_000);
    }
}

//! Waiting for a condition, with a deadline that only a broken host reaches.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Longer than anything should take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Waits for something that has no deadline of its own.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}

/// How many times longer than alone something takes on this machine right now: wall time per time on a processor.
/// For the few promises that name a time; 1 where it cannot be told.
pub fn slowdown() -> f64 {
    const SAMPLE: Duration = Duration::from_millis(100);
    let Some(start) = time_on_processor() else { return 1.0 };
    let began = Instant::now();
    while time_on_processor().is_some_and(|now| now.saturating_sub(start) < SAMPLE) {}
    began.elapsed().div_duration_f64(SAMPLE).max(1.0)
}

/// Of this thread, as Linux counts it.
fn time_on_processor() -> Option<Duration> {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(counted.split_whitespace().next()?.parse().ok()?))
}

/// Asks again and again until `condition` gives something.
pub async fn until<T, F>(what: &str, condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    until_within(PATIENCE, what, condition).await
}

/// The same with a deadline of its own, for what is slow even on an idle machine.
pub async fn until_within<T, F>(patience: Duration, what: &str, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} for {what}");
        sleep(PAUSE).await;
    }
}

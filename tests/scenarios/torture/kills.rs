//! SIGKILL at random moments.

use std::time::SystemTime;

use hookwright_tests::{Torture, optional::tell};

use super::asked;

const CYCLES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_lose_nothing() {
    let cycles = asked("HOOKWRIGHT_TORTURE_CYCLES").unwrap_or(CYCLES);
    let seed = asked("HOOKWRIGHT_TORTURE_SEED").unwrap_or_else(some_seed);
    tell(&format!("seed {seed}"));
    let report = Torture { cycles, seed }.run().await;
    tell(&report.to_string());
    report.judge();
}

/// Another one each time.
fn some_seed() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    since.as_secs() ^ (u64::from(since.subsec_nanos()) << 32)
}

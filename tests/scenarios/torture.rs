//! The promise under duress: what was answered 202 survives. `cargo xtask torture` does more of the same, and prints.

use std::env;
use std::io::Write as _;
use std::str::FromStr;
use std::time::SystemTime;

use hookwright_tests::Torture;

const CYCLES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_lose_nothing() {
    let cycles = asked("HOOKWRIGHT_TORTURE_CYCLES").unwrap_or(CYCLES);
    let seed = asked("HOOKWRIGHT_TORTURE_SEED").unwrap_or_else(some_seed);
    println!("seed {seed}");
    let report = Torture { cycles, seed }.run().await;
    say(&report);
    report.judge();
}

/// Not by `println!`, which is not shown for a test that passes.
fn say(line: &impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn asked<T: FromStr>(variable: &str) -> Option<T> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text}: not a number")))
}

/// Another one each time; a failing test prints it.
fn some_seed() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    since.as_secs() ^ (u64::from(since.subsec_nanos()) << 32)
}

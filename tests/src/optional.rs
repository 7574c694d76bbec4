//! What only some machines have.

use std::io::Write as _;

/// Says aloud that a test is not run, and why; with `CI=true` that is a failure.
pub fn not_run(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    tell(&format!("NOT RUN: {why}"));
}

/// Not by `eprintln!`, which is not shown for a test that passes.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

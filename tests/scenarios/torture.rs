//! The promise under duress: what was answered 202 survives kills, a full disk and a failing one. `cargo xtask torture`
//! does more of the same.

mod full_disk;
mod io_failures;
mod kills;
mod sync;

use std::env;
use std::str::FromStr;

/// What `cargo xtask torture` asks for.
fn asked<T: FromStr>(variable: &str) -> Option<T> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text}: not a number")))
}

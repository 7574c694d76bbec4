//! Who types a command, for the record of what it did.

use std::env;

/// The name of the account, as far as the environment tells it; else its number. Whoever opens a link of `hookwright login`
/// acts under it too.
pub(super) fn name() -> String {
    let named = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
    ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(named).unwrap_or_else(unnamed)
}

#[cfg(unix)]
fn unnamed() -> String {
    format!("user {}", rustix::process::getuid())
}

#[cfg(not(unix))]
fn unnamed() -> String {
    "somebody at the command line".to_owned()
}

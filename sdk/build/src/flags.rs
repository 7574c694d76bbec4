//! What the compiler is told about every plugin.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Holds the deepest JSON that serde_json reads, 128 levels: 64 KiB do not, 96 KiB do.
const STACK: &str = "-Clink-arg=-zstack-size=131072";
/// Little memory, and enough from the start: a fresh instance touches few pages and grows none. On top of the stack
/// and of the crate's own data, however much that is: 256 KiB in all for most.
const HEAP: &str = "-Clink-arg=--initial-heap=65536";
/// Crates that want randomness get the host's, through the SDK.
const RANDOM: &str = "--cfg=getrandom_backend=\"custom\"";

/// Flags for the compiler, separated as `CARGO_ENCODED_RUSTFLAGS` wants them. The same for every crate of a person, so
/// that crates can share what is built of their dependencies.
pub(crate) fn encoded() -> OsString {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let mut flags: Vec<OsString> = [STACK, HEAP, RANDOM].map(OsString::from).into();
    // Panic messages name files: the same names on every machine make the same digest everywhere. The crate's own are
    // relative.
    flags.extend(cargo_home.map(|home| remap(home.as_os_str(), "/cargo")));
    flags.join(OsStr::new("\x1f"))
}

fn remap(from: &OsStr, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(from);
    flag.push("=");
    flag.push(to);
    flag
}

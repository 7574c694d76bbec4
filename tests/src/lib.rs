//! The harness of the end-to-end tests: the real binary in a home folder of its own, real receivers on
//! loopback, and waiting for conditions instead of sleeping.
//!
//! `HOOKWRIGHT_BIN` names the binary, `HOOKWRIGHT_PLUGINS` the folder of built plugins, `HOOKWRIGHT_LANGUAGES` that of
//! those in other languages, `HOOKWRIGHT_VERIFIERS` that of other people's verifiers; without them the places where `cargo xtask` puts them.

pub mod browser;
pub mod cases;
pub mod host;
pub mod languages;
mod launch;
pub mod optional;
pub mod receiver;
pub mod strace;
pub mod torture;
pub mod verifiers;
pub mod wait;

pub use browser::Browser;
pub use host::{Builder, Hookwright, Posted};
pub use languages::Example;
pub use receiver::{Received, Receiver};
pub use strace::Strace;
pub use torture::Torture;
pub use verifiers::Verifiers;
pub use wait::{in_time, slowdown, until};

/// The signing secret of the tests: the one of the Standard Webhooks specification.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

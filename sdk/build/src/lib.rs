//! Builds crates that are Hookwright plugins: finds a toolchain for wasm32-unknown-unknown, and runs cargo with the
//! flags and the profile that plugins want, whatever the crate's own `Cargo.toml` says of either.
//!
//! For `hookwright plugin build` and for the project's own chores. Does not load, judge or install what it built.

mod artefact;
mod build;
mod cargo;
mod error;
mod flags;
mod toolchain;

pub use artefact::Artefact;
pub use build::{Build, Profile};
pub use cargo::cargo;
pub use error::Error;
pub use toolchain::{Installing, TARGET, Toolchain, toolchain};

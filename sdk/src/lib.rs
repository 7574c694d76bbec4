//! Write Hookwright plugins: one function from a delivery to a verdict.
//!
//! A plugin decides what happens to one event on its way to one webhook: deliver it, deliver it changed, or drop
//! it. It is ordinary Rust, tested by plain `cargo test`, and compiled to WebAssembly for the host, which runs
//! every delivery in a fresh sandbox without network, files or environment.
//!
//! ```
//! use hookwright_sdk::{Delivery, Result, Verdict, config, info, json, plugin};
//!
//! #[config]
//! #[derive(Default)]
//! #[serde(default)]
//! struct Config {
//!     /// Deliver these models only; empty: all.
//!     models: Vec<String>,
//! }
//!
//! #[plugin]
//! fn only_models(delivery: Delivery, config: Config) -> Result<Verdict> {
//!     let model = delivery.pointer("/model")?.and_then(|model| model.as_str()).unwrap_or("none");
//!     if config.models.is_empty() || config.models.iter().any(|wanted| wanted == model) {
//!         info!("{model} is wanted");
//!         return Ok(Verdict::deliver().header("X-Model", model));
//!     }
//!     Ok(Verdict::drop(format!("model {model} is not wanted")))
//! }
//!
//! # fn main() {
//! let delivery = Delivery::example("entry.create", json!({"model": "page", "entry": {"id": 1}}));
//! let config = Config { models: vec!["article".into()] };
//! assert_eq!(only_models(delivery, config), Ok(Verdict::drop("model page is not wanted")));
//! # }
//! ```
//!
//! # Where to look
//! - [`Delivery`]: what a plugin is given. [`Delivery::json`] for a payload of any shape, [`Delivery::entry_event`] and
//!   [`Delivery::media_event`] for the events of a CMS as types.
//! - [`Verdict`]: what it answers. [`Failure`]: why it could not; any error becomes one by `?`.
//! - [`macro@config`]: what a webhook may write for the plugin. [`mod@pointer`]: places of the payload, read and edited.
//! - [`mod@scan`]: JSON as it is written, for edits that leave the rest as it came.
//! - [`info!`] and the like, [`now_ms`], [`random_u64`]: all that a plugin reaches of the world.
//! - [`testing`]: the stand-ins for these in the plugin's own tests.
//!
//! # Building
//! The crate's `Cargo.toml` says `crate-type = ["cdylib"]`; `hookwright plugin build` makes the file for the `plugins/`
//! folder, and so does `cargo build --release --target wasm32-unknown-unknown`, somewhat larger and slower.
//!
//! # What it keeps
//! A payload that is parsed and written again keeps the order of its keys, integers of up to 64 bits and the value
//! of every `f64`. A payload that is not rewritten is delivered byte for byte.
//!
//! # What a run costs
//! A plugin runs in a fresh instance for every delivery, so nothing is kept from one to the next, in `static` variables
//! neither. Its allocator hands out memory from bottom to top and takes back only what was last handed out: the quickest
//! there is for an instance that lives for microseconds. A plugin that frees and allocates a lot within one run, more
//! than its memory limit in all, is better off with the standard library's: `default-features = false, features =
//! ["getrandom"]`.
//!
//! # When it panics
//! The delivery is held, never sent as it is, and `hookwright why` shows the message with file and line:
//! `panicked at src/lib.rs:13:41: called Result::unwrap() on an Err value: …`. Better to return a [`Failure`], for which
//! the webhook's `onError` says what follows. Memory over the limit is named as such. A stack that is full, by endless
//! recursion mostly, shows as `out of bounds memory access`; arithmetic overflows are found only with
//! `overflow-checks = true` in the profile. Threads, files, the network and `std::time` clocks are not there: using them
//! is an error, or a panic.
//!
//! # Random numbers for other crates
//! Crates such as `uuid`, `rand` or `ahash` ask `getrandom` for random bytes, and that asks this crate, which takes them
//! from the seeded sequence of [`random_u64`], so that the run can be repeated. Not for secrets.
//! - `getrandom` 0.3 and 0.4 have to be told so, by `--cfg getrandom_backend="custom"`. `hookwright plugin build` does;
//!   for plain cargo, `.cargo/config.toml` says
//!   ```toml
//!   [target.wasm32-unknown-unknown]
//!   rustflags = ["--cfg", 'getrandom_backend="custom"']
//!   ```
//! - `getrandom` 0.2 wants its feature: `getrandom = { version = "0.2", features = ["custom"] }`.
//! - `uuid` wants to know that it may: `features = ["v4", "rng-getrandom"]`. Features called `js` or `wasm_js` are for
//!   browsers: with them, the host refuses the file.
//!
//! A crate that brings a backend of its own switches this one off: `default-features = false, features = ["alloc"]`.
#![warn(missing_docs)]

mod bump;
mod delivery;
mod event;
mod failure;
mod getrandom;
#[cfg(target_family = "wasm")]
mod guest;
mod host;
mod manifest;
pub mod pointer;
pub mod scan;
mod schema;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod verdict;

pub use delivery::{Delivery, Webhook};
pub use event::{EntryEvent, Id, MediaEvent, MediaFile, Publication};
pub use failure::{Failure, FailureKind, Result};
/// Makes a type a plugin's config, or a part of one.
///
/// The type is read by serde and described by [`schemars`], through this crate: the plugin's own needs neither. Its JSON
/// Schema becomes part of the manifest: the host shows it, and refuses a config that does not fit before anything is
/// delivered with it. Documentation comments become descriptions.
///
/// ```
/// use hookwright_sdk::config;
///
/// #[config]
/// #[derive(Default)]
/// #[serde(default)]
/// struct Config {
///     /// What to take out.
///     remove: Vec<String>,
///     /// What becomes of the rest.
///     rest: Rest,
/// }
///
/// #[config]
/// #[derive(Default)]
/// #[serde(rename_all = "lowercase")]
/// enum Rest {
///     #[default]
///     Deliver,
///     Drop,
/// }
///
/// let schema = hookwright_sdk::testing::config_schema::<Config>();
/// assert_eq!(schema["properties"]["remove"]["description"], "What to take out.");
/// assert_eq!(schema["properties"]["rest"]["default"], "deliver");
/// assert_eq!(schema["additionalProperties"], false);
/// ```
///
/// - A webhook that writes no config gives `{}`: `#[serde(default)]`, on the type or on fields, says what is meant then,
///   and shows as `default` in the schema.
/// - Unknown fields are an error, because they are mostly misspellings. A `#[serde(flatten)]` field takes them.
/// - What serde's attributes do to reading, they do to the schema. `#[schemars(range(min = 1))]`, `length`, `regex` and
///   `extend` add what the type cannot say; serde does not check these when a test makes a config by hand.
/// - An enum of bare names is also `Serialize`.
/// - Write it above the attributes of serde and schemars: these are not known before it.
pub use hookwright_sdk_macros::config;
/// Makes a function the plugin of its crate.
///
/// The function takes a [`Delivery`] and, if it wants one, a config: any type that serde deserialises. The config
/// that a webhook writes for the plugin is read into it; a webhook that writes none gives `{}`. It returns
/// [`Result<Verdict>`](Result), and stays callable as written, so that tests need no sandbox.
///
/// The manifest says what `Cargo.toml` says; `#[plugin(name = "…", description = "…")]` say otherwise. A config that is a
/// [`macro@config`] type brings its JSON Schema along, so that the host can check configs before they are used;
/// `#[plugin(config_schema = include_str!("config.schema.json"))]` brings one written by hand.
pub use hookwright_sdk_macros::plugin;
pub use host::{Level, log, now_ms, random_u64};
/// What [`macro@config`] uses, for types that say by hand what is valid.
pub use schemars;
pub use serde;
pub use serde_json::{self, Value, json};
pub use verdict::{Changes, Dropped, Verdict};

/// What the code written by [`plugin`] uses. Not for people: it may change with any version.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::guest::{bindings, describe, transform, transformer};
    pub use crate::manifest::{Manifest, Plugin};
    pub use crate::schema::{Config, Described, Undescribed};
}

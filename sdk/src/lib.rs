//! Write Hookwright plugins: one function from a delivery to a verdict.
//!
//! A plugin decides what happens to one event on its way to one webhook: deliver it, deliver it changed, or drop
//! it. It is ordinary Rust, tested by plain `cargo test`, and compiled to WebAssembly for the host, which runs
//! every delivery in a fresh sandbox without network, files or environment.
//!
//! ```
//! use hookwright_sdk::{Delivery, Result, Verdict, info, json, plugin};
//!
//! #[derive(Default, serde::Deserialize)]
//! #[serde(default, deny_unknown_fields)]
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
//! The crate's `Cargo.toml` says `crate-type = ["cdylib"]`; `cargo build --release --target
//! wasm32-unknown-unknown` makes the file for the `plugins/` folder.
//!
//! # What it keeps
//! A payload that is parsed and written again keeps the order of its keys, integers of up to 64 bits and the value
//! of every `f64`. A payload that is not rewritten is delivered byte for byte.

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
/// - Write it above the attributes of serde and schemars.
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
pub use verdict::{Changes, Verdict};

/// What the code written by [`plugin`] uses. Not for people: it may change with any version.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::guest::{bindings, describe, transform};
    pub use crate::manifest::{Manifest, Plugin};
    pub use crate::schema::{Config, Described, Undescribed};
}

//! From the bytes of a file to a plugin that has started and described itself once.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use wasmtime::component::{Component, Linker};
use wit_component::ComponentEncoder;

use super::broken::Broken;
use super::contract::{self, PluginPre};
use super::inspect::{Kind, inspect};
use super::sandbox::{self, Sandbox};
use super::words::shown;
use super::{MAX_PLUGIN_FILE_BYTES, Manifest, run};
use crate::config::PluginLimits;
use crate::schemas::Compiled;

/// Of a manifest's name and of its version: they stand in tables.
const MAX_NAME_BYTES: usize = 64;
const MAX_DESCRIPTION_BYTES: usize = 1 << 10;
const MAX_SCHEMA_BYTES: usize = 64 << 10;
/// Messages of the tools below us are cut after this much.
const MAX_MESSAGE_BYTES: usize = 1 << 10;

/// Why a file is not a usable plugin, in words that name the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("WebAssembly cannot be set up on this machine: {0}")]
    Engine(String),
    #[error("the file has {bytes} bytes, limit {MAX_PLUGIN_FILE_BYTES}; build it in release mode and strip it")]
    FileSize { bytes: usize },
    #[error("not a WebAssembly file: it does not begin with \"\\0asm\"; build for the target wasm32-unknown-unknown")]
    NotWasm,
    #[error("cut off or damaged at byte {offset} ({message}); copy the file again")]
    Damaged { offset: u64, message: String },
    #[error("has {number} {what}, limit {limit}; build it in release mode and split it if it still has")]
    TooBig { what: &'static str, number: u64, limit: u64 },
    #[error("begins with {needed} bytes of memory, limit {allowed} (`plugins.memoryBytes`)")]
    Memory { needed: u64, allowed: u64 },
    #[error("has components inside the component; link them into one")]
    Nested,
    #[error(
        "a WebAssembly file without the plugin contract (no section `component-type`); write it with hookwright-sdk"
    )]
    NoContract,
    #[error("imports `{import}`: {fault}")]
    Import { import: String, fault: ImportFault },
    #[error("does not fit hookwright:plugin@{}: {message}", contract::VERSION)]
    Contract { message: String },
    #[error("not valid WebAssembly: {0}")]
    Invalid(String),
    #[error("the WebAssembly compiler failed on this file; please report it with the file")]
    CompilerPanicked,
    #[error("on a trial run of `describe` it {0}")]
    Describe(String),
    #[error("`describe` answered with {what} of {bytes} bytes, limit {limit}")]
    ManifestSize { what: &'static str, bytes: usize, limit: usize },
    #[error("`describe` answered without a {0}")]
    ManifestEmpty(&'static str),
    #[error("`describe` answered with a config schema that is not one: {0}")]
    ConfigSchema(String),
}

/// Why an import cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportFault {
    #[error("plugins reach nothing but {}; remove the dependency that wants it", contract::HOST_INTERFACE)]
    Unknown,
    #[error(
        "wasm-bindgen's JavaScript is not there; find who wants it with `cargo tree -i wasm-bindgen` and switch its \
         feature off (often getrandom's `js` or chrono's `wasmbind`)"
    )]
    WasmBindgen,
    #[error("WASI is not offered yet; build for the target wasm32-unknown-unknown")]
    Wasi,
    #[error(
        "made for version {version} of the contract, this host speaks {own}; build it again with the hookwright-sdk that \
         comes with this host (its `sdk/wit/plugin.wit` says {own})",
        own = contract::VERSION
    )]
    Version { version: String },
}

/// A plugin ready to run.
pub(super) struct Loaded {
    pub(super) pre: PluginPre<Sandbox>,
    pub(super) manifest: Manifest,
    pub(super) schema: Option<Compiled>,
}

/// The linker that meets the imports of every plugin.
pub(super) fn linker(engine: &wasmtime::Engine) -> Result<Linker<Sandbox>, LoadError> {
    let mut linker = Linker::new(engine);
    sandbox::link(&mut linker).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
    Ok(linker)
}

pub(super) fn load(linker: &Linker<Sandbox>, limits: &PluginLimits, wasm: &[u8]) -> Result<Loaded, LoadError> {
    if wasm.len() as u64 > MAX_PLUGIN_FILE_BYTES {
        return Err(LoadError::FileSize { bytes: wasm.len() });
    }
    let kind = inspect(wasm, limits)?;
    // Both tools are fed with bytes from outside; a fault of theirs must cost one file, not the host.
    let built = catch_unwind(AssertUnwindSafe(|| build(linker, limits, kind, wasm)));
    let pre = built.unwrap_or(Err(LoadError::CompilerPanicked))?;
    let manifest = describe(&pre, limits)?;
    let schema = config_schema(&manifest)?;
    Ok(Loaded { pre, manifest, schema })
}

fn build(
    linker: &Linker<Sandbox>,
    limits: &PluginLimits,
    kind: Kind,
    wasm: &[u8],
) -> Result<PluginPre<Sandbox>, LoadError> {
    let component = match kind {
        Kind::Module => Cow::Owned(componentise(wasm, limits)?),
        Kind::Component => Cow::Borrowed(wasm),
    };
    let component = Component::from_binary(linker.engine(), &component)
        .map_err(|error| LoadError::Invalid(with_causes(&*error)))?;
    let pre = linker.instantiate_pre(&component).map_err(|error| misfit(&*error))?;
    PluginPre::new(pre).map_err(|error| misfit(&*error))
}

/// Wraps a core module as the component that its custom section speaks of.
fn componentise(wasm: &[u8], limits: &PluginLimits) -> Result<Vec<u8>, LoadError> {
    let encode = || ComponentEncoder::default().validate(true).module(wasm)?.encode();
    let component = encode().map_err(|error| misfit(&*error))?;
    inspect(&component, limits)?;
    Ok(component)
}

fn misfit(error: &dyn std::error::Error) -> LoadError {
    LoadError::Contract { message: with_causes(error) }
}

/// An error and all its causes on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    shown(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "), MAX_MESSAGE_BYTES)
}

/// The first run ever: start function and `describe`, under the limits of any run.
fn describe(pre: &PluginPre<Sandbox>, limits: &PluginLimits) -> Result<Manifest, LoadError> {
    let answer =
        run::describe(pre, limits).outcome.map_err(|broken: Broken| LoadError::Describe(broken.to_string()))?;
    let sizes = [
        ("a name", answer.name.len(), MAX_NAME_BYTES),
        ("a version", answer.version.len(), MAX_NAME_BYTES),
        ("a description", answer.description.len(), MAX_DESCRIPTION_BYTES),
        ("a config schema", answer.config_schema.len(), MAX_SCHEMA_BYTES),
    ];
    if let Some((what, bytes, limit)) = sizes.into_iter().find(|(_, bytes, limit)| bytes > limit) {
        return Err(LoadError::ManifestSize { what, bytes, limit });
    }
    for (what, text) in [("name", &answer.name), ("version", &answer.version)] {
        if text.trim().is_empty() {
            return Err(LoadError::ManifestEmpty(what));
        }
    }
    Ok(Manifest {
        name: answer.name,
        version: answer.version,
        description: answer.description,
        config_schema: answer.config_schema,
    })
}

fn config_schema(manifest: &Manifest) -> Result<Option<Compiled>, LoadError> {
    if manifest.config_schema.is_empty() {
        return Ok(None);
    }
    let schema: Value = serde_json::from_str(&manifest.config_schema)
        .map_err(|error| LoadError::ConfigSchema(format!("it is not JSON ({error})")))?;
    Compiled::compile(&schema).map(Some).map_err(LoadError::ConfigSchema)
}

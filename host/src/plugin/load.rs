//! From the bytes of a file to a plugin that has started and described itself once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use wasmtime::Module;
use wasmtime::component::Linker;

use super::broken::Broken;
use super::compile::{Compiler, Order};
use super::contract::{self, PluginPre};
use super::direct::{self, Direct};
use super::engine::{EngineKind, Engines};
use super::inspect::{Shape, inspect};
use super::sandbox::{self, Sandbox};
use super::words::shown;
use super::{MAX_PLUGIN_FILE_BYTES, Manifest, run, wasi};
use crate::config::{LimitsByKind, RunLimits};
use crate::ids::Digest;
use crate::schemas::Compiled;

/// Of a manifest's name and of its version: they stand in tables.
const MAX_NAME_BYTES: usize = 64;
const MAX_DESCRIPTION_BYTES: usize = 1 << 10;
const MAX_SCHEMA_BYTES: usize = 64 << 10;
/// Messages of the tools below us are cut after this much.
const MAX_MESSAGE_BYTES: usize = 1 << 10;

/// What the author of a file can do that is hard to compile.
const SIMPLER: &str =
    "build it in release mode, and split its largest functions (many blocks, locals or branch tables in one)";

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
    #[error("begins with {needed} bytes of memory, limit {allowed} (`{setting}`)")]
    Memory { needed: u64, allowed: u64, setting: &'static str },
    #[error("has components with code inside the component; link them into one")]
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
    #[error("the WebAssembly compiler failed on this file: {0}; please report it with the file")]
    CompilerFailed(String),
    #[error("the process that compiles cannot be started: {0}; look at the system's limits (ulimit -u), then reload")]
    CompilerStart(String),
    #[error(
        "the process that compiles it was killed ({0}), perhaps because memory was short; `hookwright reload` tries again"
    )]
    CompilerKilled(String),
    #[error("not compiled, because the host is shutting down")]
    Stopping,
    #[error("the program file of this host was replaced by another version; restart the host")]
    AnotherVersion,
    #[error("compiling it took more than {seconds} s of processor time; {SIMPLER}")]
    CompileTime { seconds: u64 },
    #[error(
        "compiling it took more than {seconds} s by the clock; `hookwright reload` when the machine is less busy, or {SIMPLER}"
    )]
    CompileWait { seconds: u64 },
    #[error("compiling it took more than {mib} MiB of memory; {SIMPLER}")]
    CompileMemory { mib: u64 },
    #[error("compiles to more than {mib} MiB; {SIMPLER}")]
    CompiledSize { mib: u64 },
    /// What was found in the component that was made of a module, in words.
    #[error("{0}")]
    Componentised(String),
    #[error("on a trial run of `describe` it {0}")]
    Describe(String),
    #[error("`describe` answered with {what} of {bytes} bytes, limit {limit}")]
    ManifestSize { what: &'static str, bytes: usize, limit: usize },
    #[error("`describe` answered without a {0}")]
    ManifestEmpty(&'static str),
    #[error("`describe` answered with a config schema that is not one: {0}")]
    ConfigSchema(String),
}

impl LoadError {
    /// Nothing is wrong with the file: it may load at the next look.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::CompilerStart(_) | Self::Stopping)
    }
}

/// Why an import cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportFault {
    #[error("plugins reach nothing but {}; remove the dependency that wants it", contract::HOST_INTERFACE)]
    Unknown,
    #[error(
        "wasm-bindgen's JavaScript is not there; find who wants it with `cargo tree -i wasm-bindgen --target \
         wasm32-unknown-unknown` and switch its feature off (often `wasmbind` of chrono, `js` of uuid, `js` or `wasm_js` of \
         getrandom, whose backend is hookwright-sdk)"
    )]
    WasmBindgen,
    #[error(
        "plugins get WASI 0.2 (cli, clocks, io, random; empty filesystem, sockets and http), and this is not part of it; \
         remove the dependency that wants it"
    )]
    Wasi,
    #[error("WASI preview 1 (target wasm32-wasip1) is not offered; build for the target wasm32-unknown-unknown")]
    Preview1,
    #[error(
        "made for version {version} of the contract, this host speaks {own}; build it again with the hookwright-sdk that \
         comes with this host (its `sdk/wit/plugin.wit` says {own})",
        own = contract::VERSION
    )]
    Version { version: String },
    #[error("made for version {version} of the contract, this host speaks {own}; update the host", own = contract::VERSION)]
    LaterMajor { version: String },
    #[error(
        "came with version {version} of the contract, this host speaks {own}; update the host, or build the plugin without it",
        own = contract::VERSION
    )]
    Newer { version: String },
}

/// A plugin ready to run.
pub(super) struct Loaded {
    pub(super) code: Code,
    pub(super) limits: RunLimits,
    pub(super) manifest: Manifest,
    pub(super) schema: Option<Compiled>,
}

/// What is the same whatever the limits.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) kind: EngineKind,
    /// Compiled and linked; what is left to do is a fresh instance per run.
    pub(super) pre: PluginPre<Sandbox>,
    /// The shorter way for runs, where there is one.
    pub(super) direct: Option<Direct>,
    /// At the start, of all memories and tables.
    start_bytes: u64,
}

/// A linker for each kind of plugin.
pub(super) struct Linkers {
    small: Linker<Sandbox>,
    large: Linker<Sandbox>,
    /// Of small plugins: what a large one takes to run is not its shims.
    modules: wasmtime::Linker<Sandbox>,
}

impl Linkers {
    pub(super) fn new(engines: &Engines) -> Result<Self, LoadError> {
        let modules = direct::linker(&engines.small).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        Ok(Self { small: linker(&engines.small)?, large: linker(&engines.large)?, modules })
    }

    const fn of(&self, kind: EngineKind) -> &Linker<Sandbox> {
        match kind {
            EngineKind::Small => &self.small,
            EngineKind::Large => &self.large,
        }
    }
}

/// The linker that meets the imports of every plugin but for WASI.
fn linker(engine: &wasmtime::Engine) -> Result<Linker<Sandbox>, LoadError> {
    let mut linker = Linker::new(engine);
    sandbox::link(&mut linker).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
    Ok(linker)
}

pub(super) fn load(
    linkers: &Linkers,
    limits: &LimitsByKind,
    compiler: &Compiler,
    digest: Digest,
    wasm: &[u8],
) -> Result<Loaded, LoadError> {
    if wasm.len() as u64 > MAX_PLUGIN_FILE_BYTES {
        return Err(LoadError::FileSize { bytes: wasm.len() });
    }
    let inspected = inspect(wasm)?;
    let limits = limits.of(inspected.kind);
    check_start(inspected.start_bytes, &limits)?;
    let order = Order { digest, engine: inspected.kind, shape: inspected.shape, wasm };
    // What wasmtime links was made of bytes from outside; a fault of its must cost one file, not the host.
    let built = catch_unwind(AssertUnwindSafe(|| build(linkers.of(inspected.kind), compiler, &order)));
    let pre = built.unwrap_or(Err(LoadError::CompilerPanicked))?;
    let mut code = Code { kind: inspected.kind, pre, direct: None, start_bytes: inspected.start_bytes };
    let (manifest, module) = describe(&code, &limits)?;
    if (inspected.kind, inspected.shape) == (EngineKind::Small, Shape::Module) {
        let direct = || module.and_then(|module| Direct::of(&linkers.modules, &module));
        code.direct = catch_unwind(AssertUnwindSafe(direct)).unwrap_or_default();
    }
    Ok(Loaded { schema: config_schema(&manifest)?, code, limits, manifest })
}

/// What the plugin says of itself under these limits.
pub(super) fn try_out(code: Code, limits: RunLimits) -> Result<Loaded, LoadError> {
    check_start(code.start_bytes, &limits)?;
    let (manifest, _) = describe(&code, &limits)?;
    Ok(Loaded { schema: config_schema(&manifest)?, code, limits, manifest })
}

fn check_start(needed: u64, limits: &RunLimits) -> Result<(), LoadError> {
    let allowed = limits.memory_bytes.get() as u64;
    let setting = limits.memory_setting;
    if needed > allowed { Err(LoadError::Memory { needed, allowed, setting }) } else { Ok(()) }
}

fn build(linker: &Linker<Sandbox>, compiler: &Compiler, order: &Order<'_>) -> Result<PluginPre<Sandbox>, LoadError> {
    let component = compiler.component(linker.engine(), order)?;
    let linker = wasi::link(linker, &component)?;
    let pre = linker.instantiate_pre(&component).map_err(|error| misfit(&*error))?;
    PluginPre::new(pre).map_err(|error| misfit(&*error))
}

pub(super) fn misfit(error: &dyn std::error::Error) -> LoadError {
    LoadError::Contract { message: with_causes(error) }
}

/// An error and all its causes on one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    shown(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "), MAX_MESSAGE_BYTES)
}

/// The first run ever: start function and `describe`, under the limits of any run.
fn describe(code: &Code, limits: &RunLimits) -> Result<(Manifest, Option<Module>), LoadError> {
    let ran = run::describe(code, limits);
    let (answer, module) = ran.outcome.map_err(|broken: Broken| LoadError::Describe(broken.to_string()))?;
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
    let contract::Manifest { name, version, description, config_schema, .. } = answer;
    Ok((Manifest { name, version, description, config_schema }, module))
}

fn config_schema(manifest: &Manifest) -> Result<Option<Compiled>, LoadError> {
    if manifest.config_schema.is_empty() {
        return Ok(None);
    }
    let schema: Value = serde_json::from_str(&manifest.config_schema)
        .map_err(|error| LoadError::ConfigSchema(format!("it is not JSON ({error})")))?;
    Compiled::compile(&schema).map(Some).map_err(LoadError::ConfigSchema)
}

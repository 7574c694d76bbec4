//! Compiling: from a file that was looked at to a component that can be linked.
//!
//! Done by a process of its own, which may take no more time and memory than [`Allowance`] says, and remembered in
//! a cache that only this host can write. Does not judge files, and does not run them.

mod artefact;
mod cache;
mod child;
mod exceeded;
mod fingerprint;
mod plain;
mod protocol;
mod pump;
mod restrain;
mod worker;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;
use wasmtime::component::Component;

pub use self::cache::Cache;
pub use self::worker::run_if_asked;

use self::artefact::Artefact;
use self::cache::{Key, What};
use self::exceeded::Exceeded;
use self::protocol::{Allowance, Request};
use super::engine::EngineKind;
use super::inspect::Shape;
use super::load::LoadError;
use crate::config::Home;
use crate::ids::Digest;

/// Turns files into native code.
pub struct Compiler {
    place: Place,
    cache: Option<Cache>,
    /// When the host ends, it does not wait for a compiler.
    stop: CancellationToken,
}

/// Where the work is done.
enum Place {
    /// In a process of this program, started anew for each file.
    Child(PathBuf),
    /// Right here, where nothing can stop it: for programs that are not `hookwright`.
    Here,
}

/// A file to compile, and for what.
pub(super) struct Order<'a> {
    pub(super) digest: Digest,
    pub(super) engine: EngineKind,
    pub(super) shape: Shape,
    pub(super) wasm: &'a [u8],
}

impl Compiler {
    /// Compiles in processes of `program`, which is a `hookwright` of this version. Once `stop` is cancelled, it
    /// refuses, also what is under way.
    pub fn child(program: PathBuf, cache: Option<Cache>, stop: CancellationToken) -> Self {
        Self { place: Place::Child(program), cache, stop }
    }

    /// The host's: children of this program, and the cache in the home's data folder.
    pub fn of_host(home: &Home, stop: CancellationToken) -> Self {
        Self::child(child::this_program(), Cache::open(&home.data()), stop)
    }

    /// The same, but nothing is written.
    pub fn of_dry_run(home: &Home) -> Self {
        Self::child(child::this_program(), Cache::read_only(&home.data()), CancellationToken::new())
    }

    /// Children of this program, each time anew.
    pub fn without_cache(stop: CancellationToken) -> Self {
        Self::child(child::this_program(), None, stop)
    }

    /// Without limits and without a cache: for tests and benchmarks, whose program has no compiler to start.
    pub fn in_process() -> Self {
        Self { place: Place::Here, cache: None, stop: CancellationToken::new() }
    }

    /// # Errors
    /// When the file cannot be compiled for this engine, or not within its allowance.
    pub(super) fn component(&self, engine: &wasmtime::Engine, order: &Order<'_>) -> Result<Component, LoadError> {
        let key = Key { plugin: order.digest, fingerprint: fingerprint::of(engine), engine: order.engine };
        if let Some(known) = self.known(engine, &key) {
            return Ok(known);
        }
        if let Some(exceeded) = self.cache.as_ref().and_then(|cache| cache.exceeded(&key)) {
            return Err(exceeded.into());
        }
        let artefact = self.compile(engine, &key, order).inspect_err(|error| {
            if let (Some(cache), Some(exceeded)) = (&self.cache, Exceeded::of(error)) {
                cache.put_exceeded(&key, &exceeded);
            }
        })?;
        let component = artefact.component(engine).map_err(|error| LoadError::CompilerFailed(format!("{error:#}")))?;
        if let Some(cache) = &self.cache {
            cache.put_code(&key, &artefact);
        }
        Ok(component)
    }

    fn known(&self, engine: &wasmtime::Engine, key: &Key) -> Option<Component> {
        let cache = self.cache.as_ref()?;
        match cache.code(key)?.component(engine) {
            Ok(component) => Some(component),
            Err(error) => {
                cache.discard(key, What::Code, &format!("wasmtime refuses it: {error:#}"));
                None
            }
        }
    }

    fn compile(&self, engine: &wasmtime::Engine, key: &Key, order: &Order<'_>) -> Result<Artefact, LoadError> {
        let request = Request {
            fingerprint: key.fingerprint,
            engine: order.engine,
            shape: order.shape,
            allowance: Allowance::for_file(order.wasm.len()),
        };
        match &self.place {
            Place::Child(program) => child::compile(program, &request, order.wasm, &self.stop),
            Place::Here => Ok(Artefact::from_here(worker::compile_guarded(engine, &request, order.wasm)?)),
        }
    }
}

//! Loads plugins as the host would, without a host.

use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use super::layers;
use crate::config::{Home, PluginLimits, Variables, parse_server};
use crate::ids::PluginName;
use crate::plugin::{Compiler, Engine, LoadError, Plugin};

pub(crate) struct Workbench {
    engine: Engine,
    limits: PluginLimits,
}

impl Workbench {
    /// With the limits and the compile cache of a home; without one, with the usual limits.
    ///
    /// # Errors
    /// When the home's configuration cannot be read, or WebAssembly not be set up.
    pub(crate) fn open(home: Option<&Home>) -> anyhow::Result<Self> {
        let (compiler, limits) = match home {
            Some(home) => (Compiler::of_host(home, CancellationToken::new()), limits(home)?),
            None => (Compiler::without_cache(CancellationToken::new()), PluginLimits::default()),
        };
        Ok(Self { engine: Engine::new(NonZeroU32::MIN, Arc::new(compiler))?, limits })
    }

    /// # Errors
    /// When the bytes are not a plugin that the host can run.
    pub(crate) fn load(&self, name: &PluginName, wasm: &[u8]) -> Result<Arc<Plugin>, LoadError> {
        self.engine.load(name, wasm, &self.limits.of(name)).map(Arc::new)
    }
}

fn limits(home: &Home) -> anyhow::Result<PluginLimits> {
    let read = || -> Result<_, String> {
        let variables = Variables::load(home).map_err(|error| error.to_string())?;
        let environment = variables.environment().map_err(|error| error.to_string())?;
        let layers = layers::read(home, &home.server_files(&environment))?;
        parse_server(&layers, &variables).map_err(|errors| layers::in_words(&errors))
    };
    read().map(|server| server.plugins).map_err(|reason| anyhow!("the limits of plugins cannot be read: {reason}"))
}

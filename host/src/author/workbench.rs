//! Loads plugins as the host would, without a host.

use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::bail;
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigError, Home, Layer, PluginLimits, Variables, parse_server};
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
    let read = || -> Result<_, Vec<ConfigError>> {
        let variables = Variables::load(home).map_err(|error| vec![error])?;
        let environment = variables.environment().map_err(|error| vec![error])?;
        let layer = |path: &std::path::PathBuf| {
            let text = std::fs::read_to_string(path).ok()?;
            Some(Layer { file: home.display(path), text: text.into() })
        };
        let layers: Vec<Layer> = home.server_files(&environment).iter().filter_map(layer).collect();
        parse_server(&layers, &variables)
    };
    match read() {
        Ok(server) => Ok(server.plugins),
        Err(errors) => {
            let reasons: Vec<_> = errors.iter().map(ToString::to_string).collect();
            bail!("the limits of plugins cannot be read: {}", reasons.join("; "))
        }
    }
}

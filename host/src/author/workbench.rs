//! Loads plugins as the host would, without a host.

use std::num::NonZeroU32;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config::{Home, PluginLimits};
use crate::ids::PluginName;
use crate::plugin::{Compiler, Engine, LoadError, Plugin};

pub(crate) struct Workbench {
    engine: Engine,
    limits: PluginLimits,
}

impl Workbench {
    pub(crate) fn open(home: Option<&Home>) -> anyhow::Result<Self> {
        let compiler = match home {
            Some(home) => Compiler::of_host(home, CancellationToken::new()),
            None => Compiler::of_dry_run(&Home::new(".")),
        };
        Ok(Self { engine: Engine::new(NonZeroU32::MIN, Arc::new(compiler))?, limits: PluginLimits::default() })
    }

    pub(crate) fn load(&self, name: &PluginName, wasm: &[u8]) -> Result<Arc<Plugin>, LoadError> {
        self.engine.load(name, wasm, &self.limits.of(name)).map(Arc::new)
    }
}

//! Build, run, drain.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What a host is built from.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that holds `config/ schemas/ plugins/ data/ .env`.
    pub home: PathBuf,
    /// Refuse to start on last good versions: any fault in the folders is an error.
    pub strict: bool,
}

/// A host with everything opened and nothing yet served.
pub struct Host {}

/// Why a host cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {}

impl BuildError {
    /// What the process should exit with: 78 for configuration, else 1.
    pub fn exit_code(&self) -> u8 {
        match *self {}
    }
}

/// Reads the folders, opens the store, binds both listeners.
///
/// # Errors
/// When the configuration is wrong, or something cannot be opened.
#[expect(clippy::unused_async, reason = "opening the store and the listeners waits")]
pub async fn build(_options: Options) -> Result<Host, BuildError> {
    todo!()
}

impl Host {
    /// Where the public and the admin listener really are.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        todo!()
    }

    /// Serves until `shutdown` completes, then drains.
    ///
    /// # Errors
    /// When something the host cannot do without ended early, or draining took too long.
    pub async fn run_until(self, _shutdown: impl Future<Output = ()> + Send) -> Result<(), anyhow::Error> {
        todo!()
    }
}

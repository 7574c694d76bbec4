//! What is on disk, opened in the order in which one says where the next is: folders, store, keys, managed webhooks.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::home_lock::StoreLock;
use super::{BuildError, Compilers, Options};
use crate::clock;
use crate::config::{Home, Variables};
use crate::managed::{self, ManagedSet};
use crate::plugin::Compiler;
use crate::reload::{Loader, StartError, Strictness};
use crate::revision::Revision;
use crate::store::sqlite::{Options as StoreOptions, SqliteStore};
use crate::tasks;
use crate::vault::{self, Vault};

/// What is on disk, opened.
pub(super) struct Opened {
    pub(super) loader: Loader,
    pub(super) store: Arc<SqliteStore>,
    pub(super) store_lock: StoreLock,
    pub(super) vault: Vault,
}

/// The folders say where the store is, and the store has webhooks that the first revision needs.
pub(super) async fn open(home: &Home, options: &Options, stop: CancellationToken) -> Result<Opened, BuildError> {
    let strictness = if options.strict { Strictness::Strict } else { Strictness::Lenient };
    let loader = open_loader(home, strictness, options.compilers, stop).await?;
    let (store, store_lock) = open_store(home, loader.revision()).await?;
    let vault = open_vault(home)?;
    let managed = managed::open(&*store, &vault, options.drop_unreadable).await?;
    let vault = vault.save()?;
    let loader = with_managed(loader, managed, strictness).await?;
    Ok(Opened { loader, store, store_lock, vault })
}

async fn open_loader(
    home: &Home,
    strictness: Strictness,
    compilers: Compilers,
    stop: CancellationToken,
) -> Result<Loader, StartError> {
    let home = home.clone();
    // Reads files, compiles plugins, and copies what is good before anything can be answered: from the first event on,
    // a file that goes bad has a last good version, also over a crash.
    tasks::blocking(move || {
        let compiler = match compilers {
            Compilers::Children => Compiler::of_host(&home, stop),
            Compilers::Here => Compiler::in_process(),
        };
        let mut loader = Loader::open(home, compiler, strictness, clock::now())?;
        loader.keep_last_good();
        Ok(loader)
    })
    .await
}

/// The key may stand where all secrets of the configuration do.
fn open_vault(home: &Home) -> Result<Vault, BuildError> {
    // A broken `.env` is reported by whoever reads configuration; the environment still counts.
    let variables = Variables::load(home).unwrap_or_default();
    let of_process = || std::env::var(vault::KEY_VARIABLE).ok();
    let key = variables.get(vault::KEY_VARIABLE).map(str::to_owned).or_else(of_process);
    Ok(Vault::of_home(&home.data(), key.as_deref())?)
}

async fn with_managed(mut loader: Loader, managed: ManagedSet, strictness: Strictness) -> Result<Loader, StartError> {
    if managed.is_empty() {
        return Ok(loader);
    }
    tasks::blocking(move || {
        loader.start_managed(Arc::new(managed), strictness, clock::now())?;
        Ok(loader)
    })
    .await
}

async fn open_store(home: &Home, revision: &Revision) -> Result<(Arc<SqliteStore>, StoreLock), BuildError> {
    let path = home.root().join(&revision.server.store_path);
    tasks::blocking(move || {
        let lock = StoreLock::take(&path)?;
        let options = StoreOptions { exclusive: true, now: clock::now() };
        match SqliteStore::open(&path, options) {
            Ok(store) => Ok((Arc::new(store), lock)),
            Err(source) => Err(BuildError::Open { path, source }),
        }
    })
    .await
}

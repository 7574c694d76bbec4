//! Build, run, drain: one host on one home folder.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use self::descriptors::Connections;
use self::home_lock::{HomeLock, LockError, StoreLock};
use self::open::{Opened, open};
use self::tokens::TokenError;
use crate::access::{Attempts, Role, Tokens};
use crate::admin::{self, AdminState, HostInfo};
use crate::clock::{self, Timestamp};
use crate::config::{Home, IntakeLimits, Source};
use crate::dispatch::{self, Dispatcher};
use crate::http::serve::{ServeLimits, serve};
use crate::ids::{DeliveryId, Digest, SourceName};
use crate::intake::{self, Intake};
use crate::managed::{self, EditError, ManagedWebhooks};
use crate::operations::{self, Occurrence, Operations};
use crate::reload::{self, ReloadHandle, Reloading, StartError};
use crate::replay::{self, Replays};
use crate::rerun::Reruns;
use crate::retention::Retention;
use crate::revision::{Live, Revision};
use crate::shadow::Shadows;
use crate::store::sqlite::{OpenError, SqliteStore};
use crate::store::{Store as _, StoreError};
use crate::tasks::{self, OnPanic};
use crate::transform::{TransformPool, UnderWay};
use crate::vault::{Vault, VaultError};

mod descriptors;
mod home_lock;
mod open;
mod tokens;

/// After SIGTERM, requests and attempts under way have this long to finish.
const DRAIN_DEADLINE: Duration = Duration::from_secs(20);
/// So often may a host die while it works on one delivery.
const MOST_CRASHES: u32 = 3;
/// When holding and releasing after a reload failed, it is tried again after this.
const FOLLOW_PAUSE: Duration = Duration::from_secs(1);

/// What a host is built from.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that holds `config/ schemas/ plugins/ data/ .env`.
    pub home: PathBuf,
    /// Refuse to start on last good versions: any fault in the folders is an error.
    pub strict: bool,
    /// Managed webhooks whose secrets do not open with the keys at hand are deleted.
    pub drop_unreadable: bool,
    pub listening: Listening,
    pub compilers: Compilers,
}

/// Whether there are listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    AsConfigured,
    /// For a program that emits events by itself.
    Nowhere,
}

/// Where plugins are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compilers {
    /// In processes of this program, under limits: it must begin with [`crate::plugin::compile_if_asked`].
    Children,
    /// In this process, without limits of time and memory.
    Here,
}

/// What a program needs of a host that runs.
pub(crate) struct Handles {
    pub(crate) live: Live,
    pub(crate) intake: Arc<Intake>,
    pub(crate) managed: Arc<ManagedWebhooks>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) reload: ReloadHandle,
}

/// One listener, and what it serves.
type Served = (TcpListener, axum::Router, ServeLimits);

/// A host with everything opened and both listeners bound, not serving yet.
pub struct Host {
    public: Option<Served>,
    admin: Option<Served>,
    dispatcher: Dispatcher,
    operations: (Operations, operations::Told),
    intake: Arc<Intake>,
    first: Arc<Revision>,
    reloading: Reloading,
    retention: Arc<Retention>,
    managed: Arc<ManagedWebhooks>,
    tokens: Tokens,
    store: Arc<SqliteStore>,
    info: Arc<HostInfo>,
    stop: CancellationToken,
    // Last, so that database and home are locked until everything else is gone.
    locks: (StoreLock, HomeLock),
}

/// Why a host cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("failed to open the store {}", path.display())]
    Open { path: PathBuf, source: OpenError },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Managed(#[from] EditError),
    #[error("failed to open data/under-way")]
    UnderWay(#[source] io::Error),
    #[error("failed to start the transform threads")]
    Threads(#[source] io::Error),
    #[error("failed to listen on {address} ({setting} in config/server.json)")]
    Bind { address: SocketAddr, setting: &'static str, source: io::Error },
    #[error("failed to write data/run.json")]
    RunFile(#[source] io::Error),
}

impl BuildError {
    /// What the process should exit with: 78 for configuration, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start(StartError::Unusable(_) | StartError::Strict(_))
            | Self::Vault(VaultError::NoKey { .. })
            | Self::Managed(EditError::Sealed { .. }) => 78,
            _ => 1,
        }
    }
}

/// Locks the home, reads the folders, opens the store, binds both listeners, takes up unfinished work.
///
/// # Errors
/// When the configuration is wrong, another host runs on this home, or something cannot be opened.
pub async fn build(options: Options) -> Result<Host, BuildError> {
    let started = clock::now();
    let home = Home::new(options.home.clone());
    let home_lock = HomeLock::take(&home.data())?;
    let stop = CancellationToken::new();
    let Opened { loader, store, store_lock, vault } = open(&home, &options, stop.clone()).await?;
    let revision = Arc::clone(loader.revision());
    let (transform, crashed) = start_transform(&home, &store, &revision, started).await?;
    let shadows = Shadows::start().map_err(BuildError::Threads)?;
    let (public, listen) = bind(options.listening, revision.server.listen, "server.listen").await?;
    let (admin, admin_address) = bind(options.listening, revision.server.admin, "server.admin").await?;
    let info =
        Arc::new(HostInfo { environment: loader.environment().to_owned(), started, listen, admin: admin_address });

    let tokens = load_tokens(&home, &store).await?;
    let local = local_source(&home, &revision)?;
    let reloading = reload::spawn(loader, stop.clone());
    let live = Arc::clone(&reloading.live);
    let (operations, told) = Operations::new(Arc::clone(&live));
    operations.tell_crashed(&*store, crashed).await?;
    let dispatcher = Dispatcher::start_up(dispatch::Parts {
        first: Arc::clone(&revision),
        live: Arc::clone(&live),
        store: store.clone(),
        administration: store.clone(),
        transform: transform.clone(),
        shadows: shadows.clone(),
        operations: operations.clone(),
    })
    .await?;
    let intake = Arc::new(Intake::new(intake::Parts {
        live: Arc::clone(&live),
        store: store.clone(),
        administration: store.clone(),
        dispatcher: dispatcher.clone(),
        operations: operations.clone(),
        tokens: tokens.clone(),
        local,
    }));
    let managed = start_managed(&store, &reloading, vault).await?;
    let reruns = Reruns::new(home.root().to_owned(), Arc::clone(&live), store.clone(), transform);
    let retention = Arc::new(Retention::new(Arc::clone(&live), store.clone()));
    let replays = Replays::new(replay::Parts {
        live: Arc::clone(&live),
        administration: store.clone(),
        upkeep: store.clone(),
        dispatcher: dispatcher.clone(),
        stop: stop.clone(),
    });
    let admin_state = AdminState {
        live,
        administration: store.clone(),
        upkeep: store.clone(),
        registry: store.clone(),
        managed: Arc::clone(&managed),
        trials: Arc::new(Semaphore::new(admin::MOST_TRIALS)),
        uploads: Arc::new(Semaphore::new(1)),
        home: home.root().to_owned(),
        replays,
        retention: Arc::clone(&retention),
        dispatcher: dispatcher.clone(),
        reload: reloading.handle.clone(),
        intake: Arc::clone(&intake),
        reruns: Arc::new(reruns),
        shadows,
        tokens: tokens.clone(),
        attempts: Arc::new(Attempts::new("admin")),
        sessions: Arc::default(),
        info: Arc::clone(&info),
        stop: stop.clone(),
    };
    let limits = &revision.server.limits;
    let connections = Connections::provide(limits.max_connections);
    let public_router = intake::router(Arc::clone(&intake), stop.clone());
    let admin_router = admin::router(admin_state);
    let host = Host {
        public: public.map(|listener| (listener, public_router, serve_limits(limits, connections.public))),
        admin: admin.map(|listener| (listener, admin_router, serve_limits(limits, connections.admin))),
        dispatcher,
        operations: (operations, told),
        intake,
        first: revision,
        reloading,
        retention,
        managed,
        tokens,
        store,
        info,
        stop,
        locks: (store_lock, home_lock),
    };
    if options.listening == Listening::AsConfigured {
        host.locks.1.publish(host.info.listen, host.info.admin).map_err(BuildError::RunFile)?;
    }
    Ok(host)
}

impl Host {
    /// Where the public and the admin listener really are.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.info.listen, self.info.admin)
    }

    /// For asking for a reload.
    pub fn reload_handle(&self) -> ReloadHandle {
        self.reloading.handle.clone()
    }

    /// For a program around it.
    pub(crate) fn handles(&self) -> Handles {
        Handles {
            live: Arc::clone(&self.reloading.live),
            intake: Arc::clone(&self.intake),
            managed: Arc::clone(&self.managed),
            dispatcher: self.dispatcher.clone(),
            reload: self.reloading.handle.clone(),
        }
    }

    /// Serves until `shutdown` completes, then drains: no new requests, those under way finish, attempts under
    /// way finish or are given back, the store closes.
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) {
        let Self {
            public,
            admin,
            dispatcher,
            operations,
            intake,
            first,
            reloading,
            retention,
            managed,
            tokens,
            store,
            info: _,
            stop,
            locks,
        } = self;
        let public = serve_if_bound("public", public, stop.clone());
        let admin = serve_if_bound("admin", admin, stop.clone());
        let (operations, told) = operations;
        let drained = CancellationToken::new();
        let announcing = operations::run(told, intake, drained.clone());
        let announcing = tasks::spawn("operations", OnPanic::Log, announcing);
        let following = follow(dispatcher.clone(), operations, first, reloading.revisions, stop.clone());
        let following = tasks::spawn("follow", OnPanic::Abort, following);
        let sweeping = tasks::spawn("retention", OnPanic::Log, retention.run(stop.clone()));
        let retiring = tasks::spawn("retire", OnPanic::Log, managed.run(stop.clone()));
        let using = tasks::spawn("token-uses", OnPanic::Log, tokens.clone().keep_writing(stop.clone()));
        let stopping = async {
            shutdown.await;
            tracing::info!("shutting down: finishing what is under way");
            stop.cancel();
        };
        tokio::join!(public, admin, stopping);
        dispatcher.drain(DRAIN_DEADLINE / 2).await;
        // What the last deliveries came to is told too.
        drained.cancel();
        // All end by `stop` or `drained`; a panic of theirs was reported where it happened.
        let _ = tokio::join!(following, reloading.task, sweeping, retiring, announcing, using);
        tokens.write_uses().await;
        store.close().await;
        drop(locks);
    }
}

async fn serve_if_bound(name: &'static str, served: Option<Served>, stop: CancellationToken) {
    match served {
        Some((listener, router, limits)) => serve(name, listener, router, limits, stop).await,
        None => stop.cancelled().await,
    }
}

/// The threads that run chains; with what is held because hosts died of it.
async fn start_transform(
    home: &Home,
    store: &SqliteStore,
    revision: &Revision,
    now: Timestamp,
) -> Result<(TransformPool, Vec<DeliveryId>), BuildError> {
    let [threads, large_at_once] = [revision.server.plugins.threads, revision.server.plugins.large_at_once]
        .map(|count| usize::try_from(count.get()).unwrap_or(usize::MAX));
    let (under_way, crashed) = count_crashes(home, store, now).await?;
    let transform = TransformPool::start(threads, large_at_once, Some(under_way)).map_err(BuildError::Threads)?;
    Ok((transform, crashed))
}

/// What the host before this one was at when it died. Counted before anything of it is tried again. With what is held
/// for it.
async fn count_crashes(
    home: &Home,
    store: &SqliteStore,
    now: Timestamp,
) -> Result<(UnderWay, Vec<DeliveryId>), BuildError> {
    let (under_way, left) = UnderWay::open(&home.data().join("under-way")).map_err(BuildError::UnderWay)?;
    let mut held = Vec::new();
    if !left.is_empty() {
        held = store.crashed(left, MOST_CRASHES, now).await?;
        for delivery in &held {
            tracing::error!(%delivery, "the host died {MOST_CRASHES} times while its plugins ran: it is held");
        }
    }
    under_way.clear().map_err(BuildError::UnderWay)?;
    Ok((under_way, held))
}

/// The listener, if there is to be one, and its address, port included.
async fn bind(
    listening: Listening,
    address: SocketAddr,
    setting: &'static str,
) -> Result<(Option<TcpListener>, SocketAddr), BuildError> {
    if listening == Listening::Nowhere {
        return Ok((None, address));
    }
    let failed = |source| BuildError::Bind { address, setting, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((Some(listener), bound))
}

fn serve_limits(limits: &IntakeLimits, max_connections: NonZeroUsize) -> ServeLimits {
    ServeLimits { max_connections, head_timeout: limits.head_timeout, drain_timeout: DRAIN_DEADLINE / 2 }
}

async fn start_managed(
    store: &Arc<SqliteStore>,
    reloading: &Reloading,
    vault: Vault,
) -> Result<Arc<ManagedWebhooks>, EditError> {
    let (live, reload) = (Arc::clone(&reloading.live), reloading.handle.clone());
    let (administration, store) = (store.clone(), store.clone());
    ManagedWebhooks::start(managed::Parts { store, administration, live, reload, vault }).await
}

/// Those of the store, and the one in the host's own file.
async fn load_tokens(home: &Home, store: &Arc<SqliteStore>) -> Result<Tokens, BuildError> {
    let own = tokens::read_or_make(&home.data().join("admin.token"), Role::Admin)?;
    Ok(Tokens::load(Digest::of(own.as_bytes()), store.clone()).await?)
}

/// The source that stands in while the configuration names none. Made at the start or not at all: when sources
/// are taken away later, `reload` says that a restart is needed.
fn local_source(home: &Home, revision: &Revision) -> Result<Option<Source>, TokenError> {
    if !revision.server.sources.is_empty() {
        return Ok(None);
    }
    let token = tokens::read_or_make(&home.data().join("source-local.token"), Role::Source)?;
    Ok(Some(Source::plain(SourceName::local(), Digest::of(token.as_bytes()))))
}

/// Has the dispatcher hold and release what each new revision means, compared with the one it followed before.
async fn follow(
    dispatcher: Dispatcher,
    operations: Operations,
    mut followed: Arc<Revision>,
    mut revisions: watch::Receiver<Arc<Revision>>,
    stop: CancellationToken,
) {
    // One that came during start-up counts as new.
    revisions.mark_changed();
    while let Some(Ok(())) = stop.run_until_cancelled(revisions.changed()).await {
        let new = Arc::clone(&revisions.borrow_and_update());
        if Arc::ptr_eq(&followed, &new) {
            continue;
        }
        while let Err(error) = dispatcher.follow(&followed, &new).await {
            tracing::error!(%error, revision = new.number, "holding and releasing failed; trying again");
            if stop.run_until_cancelled(tokio::time::sleep(FOLLOW_PAUSE)).await.is_none() {
                return;
            }
        }
        for fault in new.faults.iter().filter(|fault| !followed.faults.contains(fault)) {
            operations.tell(Occurrence::ReloadFailed(fault.clone()));
        }
        followed = new;
    }
}

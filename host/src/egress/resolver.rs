//! Name resolution under the policy: the client connects to exactly the addresses returned here, so judging
//! them here leaves no gap between check and connect.
//!
//! A lookup blocks a thread and cannot be stopped: when its caller's deadline passes, it goes on. Each therefore keeps
//! its permits until it ends, and those of one slow name cannot take all.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use super::policy::{Policy, Refusal};
use crate::tasks;

/// Lookups at once: an eighth of the threads that the runtime has for everything that blocks.
const LOOKUPS: usize = 64;
/// Lookups of one name at once.
const LOOKUPS_PER_NAME: usize = 4;

#[derive(Clone)]
pub(super) struct PolicyResolver {
    policy: Arc<Policy>,
    names: Names,
    lookups: Arc<Lookups>,
}

/// Who knows the addresses of names. May block.
pub(super) type Names = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Why a name gives no addresses.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    /// Every address is; this is the refusal of the first.
    #[error("the name {name} resolves to an address that is not allowed: {refusal}")]
    Refused { name: String, refusal: Refusal },
    #[error("the name {name} cannot be resolved: {error}")]
    Lookup { name: String, error: io::Error },
    #[error("the name {name} has no address")]
    Nothing { name: String },
}

impl PolicyResolver {
    pub(super) fn new(policy: Arc<Policy>, names: Names) -> Self {
        Self { policy, names, lookups: Arc::default() }
    }

    /// The addresses of a name that may be connected to.
    async fn lookup(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        let (names, asked) = (Arc::clone(&self.names), name.to_owned());
        let found = self.lookups.run(name, move || names(&asked)).await;
        judged(&self.policy, name, found.map_err(|error| ResolveError::Lookup { name: name.to_owned(), error })?)
    }
}

impl Service<Name> for PolicyResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move { Ok(resolver.lookup(name.as_str()).await?.into_iter()) })
    }
}

/// Leaves out what the policy refuses; a name all of whose addresses are refused is refused.
fn judged(policy: &Policy, name: &str, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ResolveError> {
    let mut first_refusal = None;
    found.retain(|address| match policy.judge(address.ip()) {
        Ok(()) => true,
        Err(refusal) => {
            first_refusal.get_or_insert(refusal);
            false
        }
    });
    match first_refusal {
        _ if !found.is_empty() => Ok(found),
        Some(refusal) => Err(ResolveError::Refused { name: name.to_owned(), refusal }),
        None => Err(ResolveError::Nothing { name: name.to_owned() }),
    }
}

/// What the system says.
pub(super) fn system(name: &str) -> io::Result<Vec<SocketAddr>> {
    let failed = match (name, 0).to_socket_addrs() {
        Ok(found) => return Ok(found.collect()),
        Err(error) => error,
    };
    // Without a file descriptor the system says only "temporary failure", so look whether that is the reason.
    match File::open("/dev/null") {
        Err(reason) if super::is_exhausted(&reason) => Err(reason),
        _ => Err(failed),
    }
}

/// Room for lookups, in all and per name.
struct Lookups {
    all: Arc<Semaphore>,
    /// Names that are being looked up or waited for; others are dropped when the next one comes.
    per_name: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(LOOKUPS)), per_name: Mutex::default() }
    }
}

impl Lookups {
    /// Runs `ask` when there is room. Dropped meanwhile, `ask` goes on and keeps its room until it ends.
    async fn run<T, F>(&self, name: &str, ask: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> io::Result<T> + Send + 'static,
    {
        // The name's first: who waits for it takes no room from others.
        let of_name = permit(self.of(name)).await?;
        let of_all = permit(Arc::clone(&self.all)).await?;
        tasks::blocking(move || {
            let _permits = (of_name, of_all);
            ask()
        })
        .await
    }

    fn of(&self, name: &str) -> Arc<Semaphore> {
        let mut names = self.per_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return Arc::clone(known);
        }
        // Permits and those who wait for one hold the semaphore, too.
        names.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        let fresh = Arc::new(Semaphore::new(LOOKUPS_PER_NAME));
        names.insert(name.to_owned(), Arc::clone(&fresh));
        fresh
    }
}

/// Fails only if the semaphore is closed, which nobody does.
async fn permit(semaphore: Arc<Semaphore>) -> io::Result<OwnedSemaphorePermit> {
    semaphore.acquire_owned().await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_the_allowed_addresses_of_a_name_are_connected_to() {
        let judge = |found: &[&str]| {
            let found = found.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), 0)).collect();
            judged(&Policy::new(&[], "config/server.json"), "mixed.example", found)
        };
        let allowed = |found: &[&str]| {
            let allowed = judge(found).expect("one is allowed");
            allowed.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(allowed(&["1.1.1.1", "2606:4700::1111"]), ["1.1.1.1", "2606:4700::1111"]);
        assert_eq!(allowed(&["1.1.1.1", "127.0.0.1"]), ["1.1.1.1"]);
        assert_eq!(allowed(&["10.0.0.1", "169.254.169.254", "1.1.1.1"]), ["1.1.1.1"]);
        assert_eq!(allowed(&["::ffff:127.0.0.1", "2606:4700::1111", "::1"]), ["2606:4700::1111"]);
        let refused = judge(&["10.20.0.5", "::1", "169.254.169.254"]).expect_err("all are refused");
        assert!(matches!(refused, ResolveError::Refused { .. }), "{refused}");
        assert_eq!(
            refused.to_string(),
            "the name mixed.example resolves to an address that is not allowed: 10.20.0.5 is refused: private \
             (10.0.0.0/8); \"10.20.0.5/32\" under egress.allow in config/server.json opens it"
        );
        assert!(matches!(judge(&[]), Err(ResolveError::Nothing { .. })));
    }

    #[tokio::test]
    async fn abandoned_lookups_keep_their_room_and_leave_room_for_other_names() {
        let lookups = Arc::new(Lookups::default());
        let mut ends = Vec::new();
        for _ in 0..LOOKUPS_PER_NAME {
            let (started, starts) = tokio::sync::oneshot::channel();
            let (end, ended) = mpsc::channel::<()>();
            ends.push(end);
            let stuck = lookups.run("slow.example", move || {
                let _ = started.send(());
                let _ = ended.recv();
                Ok(())
            });
            // The caller's deadline passes once the lookup runs.
            tokio::select! {
                _ = stuck => panic!("does not end by itself"),
                _ = starts => {}
            }
        }
        let waiting = lookups.run("slow.example", || Ok("at last"));
        tokio::pin!(waiting);
        let early = tokio::time::timeout(Duration::from_millis(30), &mut waiting).await;
        assert!(early.is_err(), "every lookup of this name is still running");
        assert_eq!(lookups.run("quick.example", || Ok(1)).await.expect("has room"), 1);
        drop(ends);
        assert_eq!(waiting.await.expect("has room again"), "at last");
        lookups.run("another.example", || Ok(())).await.expect("has room");
        assert!(lookups.per_name.lock().unwrap().len() <= 2, "names are forgotten");
    }
}

//! The accept loop: at most so many connections, each with limits on its head, ended in order at a drain.
//!
//! Promises that a permit is taken before a connection is accepted and owned by its task, so that a panic
//! gives it back; what has no permit waits in the kernel's backlog. A connection cannot hold its permit by
//! being slow: `head_timeout` bounds the wait for a head, the idle wait between two requests included (hyper
//! starts it whenever it wants a head), `Patient` bounds writes, and [`super::body`] bounds bodies.
//! Does not bound how long a handler takes.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ::http::{Request, Version, header};
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::Peer;
use super::patient::Patient;
use super::problem::{Kind, Problem};
use super::unread;
use crate::clock;
use crate::tasks::{self, OnPanic};
use crate::throttle::Throttle;

/// A longer head is answered 431. Browsers and proxies stay below 8 KiB. (More than hyper's 100 headers are, too.)
const MAX_HEAD_BYTES: usize = 16 << 10;

/// What hyper may buffer per connection and direction; with the number of connections, what all may cost.
const MAX_BUFFER_BYTES: usize = 64 << 10;

/// How long to wait after the system could not accept (out of file descriptors or memory).
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// How one listener serves.
#[derive(Clone, Debug)]
pub struct ServeLimits {
    pub max_connections: NonZeroUsize,
    /// For a head to arrive, and for a connection to be idle between requests.
    pub head_timeout: Duration,
    /// After `stop`, for requests under way to finish.
    pub drain_timeout: Duration,
}

/// Serves until `stop`, then drains. Returns when every connection has ended; `name` tells listeners apart in the log.
pub async fn serve(
    name: &'static str,
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    stop: CancellationToken,
) {
    let max_connections = limits.max_connections.get().min(Semaphore::MAX_PERMITS);
    let door = Door {
        name,
        permits: Arc::new(Semaphore::new(max_connections)),
        full: Throttle::new(),
        failing: Throttle::new(),
        listener,
    };
    let http = builder(&limits);
    let hostless = hostless();
    let graceful = GracefulShutdown::new();
    let cut = CancellationToken::new();

    while let Some((stream, peer, permit)) = stop.run_until_cancelled(door.next()).await.flatten() {
        let (router, hostless) = (router.clone(), hostless.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let router = if names_one_host(&request) { &router } else { &hostless };
            unread::answer(router.clone(), request)
        });
        let connection = graceful.watch(http.serve_connection(TokioIo::new(Patient::new(stream)), service));
        let cut = cut.clone();
        tasks::spawn("http-connection", OnPanic::Log, async move {
            let _permit = permit;
            if let Some(Err(error)) = cut.run_until_cancelled(connection).await {
                tracing::debug!(listener = name, %error, "a connection broke");
            }
        });
    }

    let Door { permits, listener, .. } = door;
    drop(listener);
    if tokio::time::timeout(limits.drain_timeout, graceful.shutdown()).await.is_err() {
        let open = max_connections - permits.available_permits();
        tracing::warn!(listener = name, open, "connections did not finish in time and are cut");
        cut.cancel();
    }
    let all = u32::try_from(max_connections).unwrap_or(u32::MAX);
    // Never closed, so this only waits: for the last task to give its permit back.
    let _ = permits.acquire_many(all).await;
}

fn builder(limits: &ServeLimits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_BUFFER_BYTES)
        .keep_alive(true);
    http
}

/// RFC 9112, 3.2: servers on the way may have read two hosts differently.
fn names_one_host<B>(request: &Request<B>) -> bool {
    request.version() < Version::HTTP_11 || request.headers().get_all(header::HOST).iter().count() == 1
}

fn hostless() -> Router {
    Router::new().fallback(async || Problem::new(Kind::BadRequest, "An HTTP/1.1 request needs one Host header."))
}

/// Where connections come in, one permit each.
struct Door {
    name: &'static str,
    listener: TcpListener,
    permits: Arc<Semaphore>,
    /// Of the line that says that the limit is reached.
    full: Throttle,
    /// Of the line that says that the system gives no connection.
    failing: Throttle,
}

impl Door {
    /// The next connection, whom it came from, and its permit. None only if the permits are closed, which nobody does.
    async fn next(&self) -> Option<(TcpStream, Peer, OwnedSemaphorePermit)> {
        self.note_when_full();
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Fails only on a connection that is already gone; its first read will say so.
                    let _ = stream.set_nodelay(true);
                    return Some((stream, Peer(address.ip()), permit));
                }
                Err(error) if concerns_the_peer(&error) => {}
                Err(error) => {
                    if let Some(left_out) = self.failing.pass(clock::now()) {
                        tracing::error!(listener = self.name, %error, left_out, "failed to accept a connection");
                    }
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    fn note_when_full(&self) {
        if self.permits.available_permits() == 0
            && let Some(left_out) = self.full.pass(clock::now())
        {
            tracing::warn!(listener = self.name, left_out, "every connection is taken; new ones wait");
        }
    }
}

/// One connection broke while it waited; the next may be fine.
fn concerns_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests;

//! Connections to receivers, and who has them.
//!
//! An attempt owns its connection and drives it: no task of its own reads and writes for it. An attempt that ends early,
//! because its time is up or its caller gone, drops the connection with itself, and with it whatever was still to be
//! sent. Only one that was answered to the end, and has nothing left to send, is kept for the next attempt.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Extensions, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::Connection as _;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower::{Service, ServiceExt as _};

use super::metered::{Blocked, MeteredConnector};
use crate::destination::Destination;
use crate::tasks::{self, OnPanic};

/// What hyper may buffer per connection and direction; a longer head is no answer. Servers send 8 KiB or so.
pub(super) const MAX_BUFFER_BYTES: usize = 64 << 10;
/// Idle connections kept per receiver: as many as a busy webhook uses at once.
const IDLE_PER_ORIGIN: usize = 64;
/// Of all receivers together: each takes a descriptor.
const IDLE: usize = 256;
/// Shorter than the 60 s after which many servers close an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// How often those are looked for that are idle for too long, or that their peer has ended: many servers do so after 5 s.
const SWEEP: Duration = Duration::from_secs(5);

pub(super) type Connector = HttpsConnector<MeteredConnector>;

/// Those that are open, and how others are opened.
pub(super) struct Connections {
    connector: Connector,
    idle: Arc<Idle>,
}

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("no connection")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    #[error("no whole answer")]
    Http(#[from] hyper::Error),
}

/// One connection, of one attempt or idle.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// None once it has ended: dropping it tells whoever waits for an answer.
    driver: Option<Driver>,
    blocked: Blocked,
}

type Driver = http1::Connection<<Connector as Service<Uri>>::Response, Full<Bytes>>;

/// An answer whose body is still to be read. Dropped, it ends its connection.
pub(super) struct Answer {
    response: Response<Incoming>,
    connection: Box<Connection>,
    origin: Arc<str>,
    idle: Arc<Idle>,
}

impl Connections {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, idle: Arc::default() }
    }

    /// Sends the request, in origin form, and waits for the head of the answer. What an idle connection turns out not to
    /// take is sent by another: it ended before a byte was written.
    pub(super) async fn send(
        &self,
        destination: &Destination,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Answer, ExchangeError> {
        let origin = destination.origin();
        while let Some(mut connection) = self.idle.take(origin) {
            match connection.send(request).await {
                Ok(response) => return Ok(self.answer(response, connection, origin)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failed.into_error().into()),
                },
            }
        }
        let mut connection = Box::new(self.open(destination.uri().clone()).await?);
        match connection.send(request).await {
            Ok(response) => Ok(self.answer(response, connection, origin)),
            Err(failed) => Err(failed.into_error().into()),
        }
    }

    /// Ends all that are idle: what they take is needed.
    pub(super) fn let_go(&self) {
        self.idle.lock().clear();
    }

    fn answer(&self, response: Response<Incoming>, connection: Box<Connection>, origin: &Arc<str>) -> Answer {
        Answer { response, connection, origin: Arc::clone(origin), idle: Arc::clone(&self.idle) }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that opens outbound connections")]
    async fn open(&self, uri: Uri) -> Result<Connection, ExchangeError> {
        let io = self.connector.clone().oneshot(uri).await.map_err(ExchangeError::Connect)?;
        let mut extras = Extensions::new();
        io.connected().get_extras(&mut extras);
        let blocked = extras.remove().unwrap_or_default();
        let (sender, driver) = http1::Builder::new().max_buf_size(MAX_BUFFER_BYTES).handshake(io).await?;
        Ok(Connection { sender, driver: Some(driver), blocked })
    }
}

impl Connection {
    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::client::conn::TrySendError<Request<Full<Bytes>>>> {
        let answer = self.sender.try_send_request(request);
        self.drive(answer).await
    }

    /// Reads and writes until what is wanted is there.
    async fn drive<F: Future>(&mut self, wanted: F) -> F::Output {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            self.go_on(cx);
            wanted.as_mut().poll(cx)
        })
        .await
    }

    /// What a driver ends with, it has told who waits for an answer.
    fn go_on(&mut self, cx: &mut Context<'_>) {
        if self.driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(cx).is_ready()) {
            self.driver = None;
        }
    }

    /// Whether the next request may be sent. Not waited for: a receiver that has answered and takes its time to read the
    /// rest gets no other.
    fn is_free(&mut self, cx: &mut Context<'_>) -> bool {
        self.go_on(cx);
        let is_ready = matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(())));
        self.driver.is_some() && is_ready && !self.blocked.is_set()
    }

    /// Says goodbye, as far as that takes no time (TLS).
    fn hang_up(self) {
        let Self { sender, driver, blocked: _ } = self;
        drop(sender);
        let _ = driver.map(FutureExt::now_or_never);
    }
}

impl Answer {
    pub(super) const fn head(&self) -> &Response<Incoming> {
        &self.response
    }

    /// The next part of the body, if there is one.
    pub(super) async fn frame(&mut self) -> Option<hyper::Result<Frame<Bytes>>> {
        self.connection.drive(self.response.frame()).await
    }

    /// The body was read to its end: the connection may be used again.
    pub(super) async fn keep(mut self) {
        drop(self.response);
        if poll_fn(|cx| Poll::Ready(self.connection.is_free(cx))).await {
            Idle::put(&self.idle, self.origin, self.connection);
        }
    }
}

/// Connections that nobody uses.
#[derive(Default)]
struct Idle {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The newest of each origin last.
    origins: HashMap<Arc<str>, VecDeque<Kept>>,
    count: usize,
    /// Runs while there are any.
    sweeper: Option<JoinHandle<()>>,
}

struct Kept {
    since: Instant,
    connection: Box<Connection>,
}

impl Idle {
    fn take(&self, origin: &str) -> Option<Box<Connection>> {
        let kept = self.lock().take(origin)?;
        // Those below are older still, and the next sweep's.
        (kept.since.elapsed() < IDLE_TIMEOUT).then_some(kept.connection)
    }

    fn put(idle: &Arc<Self>, origin: Arc<str>, connection: Box<Connection>) {
        let mut state = idle.lock();
        let too_many = state.put(origin, Kept { since: Instant::now(), connection });
        if state.sweeper.as_ref().is_none_or(JoinHandle::is_finished) {
            state.sweeper = Some(tasks::spawn("idle connections", OnPanic::Log, sweep(Arc::downgrade(idle))));
        }
        drop(state);
        drop(too_many);
    }

    /// Consistent whenever it is let go.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, origin: &str) -> Option<Kept> {
        let kept = self.origins.get_mut(origin)?.pop_back()?;
        self.count -= 1;
        Some(kept)
    }

    /// Keeps one, and gives back the one that there is no room for: the oldest of its origin, or of the one with the most.
    fn put(&mut self, origin: Arc<str>, kept: Kept) -> Option<Kept> {
        let of_origin = self.origins.entry(origin).or_default();
        of_origin.push_back(kept);
        self.count += 1;
        let crowded = if of_origin.len() > IDLE_PER_ORIGIN {
            Some(of_origin)
        } else if self.count > IDLE {
            self.origins.values_mut().max_by_key(|kept| kept.len())
        } else {
            None
        };
        let too_many = crowded?.pop_front();
        self.count -= usize::from(too_many.is_some());
        too_many
    }

    fn clear(&mut self) {
        self.origins.clear();
        self.count = 0;
    }

    /// Takes out what was idle for too long. What its peer has ended, or where it sends what nobody asked for, is dropped.
    fn expired(&mut self, cx: &mut Context<'_>) -> Vec<Kept> {
        let mut expired = Vec::new();
        self.origins.retain(|_, kept| {
            let old = kept.partition_point(|one| one.since.elapsed() >= IDLE_TIMEOUT);
            expired.extend(kept.drain(..old));
            kept.retain_mut(|one| one.connection.is_free(cx));
            !kept.is_empty()
        });
        self.count = self.origins.values().map(VecDeque::len).sum();
        expired
    }
}

/// Runs while there are idle connections.
async fn sweep(idle: Weak<Idle>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(idle) = idle.upgrade() else { return };
        let expired = poll_fn(|cx| {
            let mut state = idle.lock();
            let expired = state.expired(cx);
            if state.count == 0 {
                // The next one that is kept starts another.
                state.sweeper = None;
            }
            Poll::Ready((expired, state.count == 0))
        });
        let (expired, is_last) = expired.await;
        drop(idle);
        for kept in expired {
            kept.connection.hang_up();
            // All at once, they would be more than a task may do in a turn, and end without a goodbye.
            tokio::task::yield_now().await;
        }
        if is_last {
            return;
        }
    }
}

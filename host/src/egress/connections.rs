//! Connections to receivers, and who has them.
//!
//! An attempt owns its connection and drives it: no task of its own reads and writes for it. An attempt that ends early,
//! because its time is up or its caller gone, drops the connection with itself, and with it whatever was still to be
//! sent. Only one that was answered to the end, and has nothing left to send, is kept for the next attempt.

use std::collections::HashMap;
use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::HttpsConnector;
use tokio::time::Instant;
use tower::{Service, ServiceExt as _};

use super::metered::MeteredConnector;
use crate::destination::Destination;
use crate::tasks::{self, OnPanic};

/// What hyper may buffer per connection and direction; a longer head is no answer. Servers send 8 KiB or so.
pub(super) const MAX_BUFFER_BYTES: usize = 64 << 10;
/// Idle connections kept per receiver: as many as a busy webhook uses at once.
const IDLE_PER_ORIGIN: usize = 64;
/// Shorter than the 60 s after which many servers close an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// How often those that are idle for too long are looked for.
const SWEEP: Duration = Duration::from_secs(15);

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

    fn answer(&self, response: Response<Incoming>, connection: Box<Connection>, origin: &Arc<str>) -> Answer {
        Answer { response, connection, origin: Arc::clone(origin), idle: Arc::clone(&self.idle) }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that opens outbound connections")]
    async fn open(&self, uri: Uri) -> Result<Connection, ExchangeError> {
        let io = self.connector.clone().oneshot(uri).await.map_err(ExchangeError::Connect)?;
        let (sender, driver) = http1::Builder::new().max_buf_size(MAX_BUFFER_BYTES).handshake(io).await?;
        Ok(Connection { sender, driver: Some(driver) })
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
        self.driver.is_some() && matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(())))
    }

    /// Says goodbye, as far as that takes no time (TLS).
    fn hang_up(self) {
        let Self { sender, driver } = self;
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

/// Connections that nobody uses, by origin, the newest last.
#[derive(Default)]
struct Idle {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    origins: HashMap<Arc<str>, Vec<Kept>>,
    is_swept: bool,
}

struct Kept {
    since: Instant,
    connection: Box<Connection>,
}

impl Idle {
    fn take(&self, origin: &str) -> Option<Box<Connection>> {
        let kept = self.lock().origins.get_mut(origin)?.pop()?;
        // Those below are older still, and the next sweep's.
        (kept.since.elapsed() < IDLE_TIMEOUT).then_some(kept.connection)
    }

    fn put(idle: &Arc<Self>, origin: Arc<str>, connection: Box<Connection>) {
        let mut state = idle.lock();
        let kept = state.origins.entry(origin).or_default();
        if kept.len() < IDLE_PER_ORIGIN {
            kept.push(Kept { since: Instant::now(), connection });
        }
        if !std::mem::replace(&mut state.is_swept, true) {
            tasks::spawn("idle connections", OnPanic::Log, sweep(Arc::downgrade(idle)));
        }
    }

    /// Takes out what was idle for too long. None: nothing is left.
    fn expired(&self) -> Option<Vec<Kept>> {
        let mut state = self.lock();
        let mut expired = Vec::new();
        state.origins.retain(|_, kept| {
            let count = kept.partition_point(|one| one.since.elapsed() >= IDLE_TIMEOUT);
            expired.extend(kept.drain(..count));
            !kept.is_empty()
        });
        if state.origins.is_empty() && expired.is_empty() {
            state.is_swept = false;
            return None;
        }
        Some(expired)
    }

    /// Consistent whenever it is let go.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs while there are idle connections.
async fn sweep(idle: Weak<Idle>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(expired) = idle.upgrade().and_then(|idle| idle.expired()) else { return };
        for kept in expired {
            kept.connection.hang_up();
        }
    }
}

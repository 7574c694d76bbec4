//! A webhook receiver on this machine: takes requests, verifies their signatures, answers, hands them on.
//!
//! For people at their desks (`listen`, `demo`). Bounded: connections, body, and what waits to be looked at.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::clock::{self, Timestamp};
use crate::signing::{self, VerifyError, VerifyingKey};
use crate::tasks::{self, OnPanic};

/// Larger bodies are answered 413.
const MAX_BODY_BYTES: usize = 8 << 20;
/// More wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 256;
/// For a head, and for a body, to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// For answers under way when the receiver ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// After an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Requests that wait to be looked at; senders wait when there are more. Bounds memory with the body limit.
const QUEUE: usize = 8;

/// What to answer and how to verify.
pub(super) struct Behaviour {
    pub(super) status: StatusCode,
    pub(super) keys: Vec<VerifyingKey>,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) at: Timestamp,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) signature: Signature,
    /// What was answered.
    pub(super) status: StatusCode,
}

/// What the receiver thinks of a request's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    Good,
    Wrong(VerifyError),
    /// None of the three headers.
    Unsigned,
    /// Signed, but some of `webhook-id`, `webhook-timestamp`, `webhook-signature` is missing.
    Incomplete,
    /// Signed, but there is no secret to verify with.
    NoSecret,
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Good => f.write_str("signature ok"),
            Self::Wrong(error) => write!(f, "signature WRONG: {error}"),
            Self::Unsigned => f.write_str("unsigned"),
            Self::Incomplete => {
                f.write_str("signature WRONG: needs webhook-id, webhook-timestamp and webhook-signature")
            }
            Self::NoSecret => f.write_str("signed, not verified: no secret known"),
        }
    }
}

impl Received {
    /// A header as text; empty when there is none.
    pub(super) fn header(&self, name: &str) -> std::borrow::Cow<'_, str> {
        self.headers.get(name).map_or("".into(), |value| String::from_utf8_lossy(value.as_bytes()))
    }
}

/// A receiver that is listening.
pub(super) struct Receiver {
    address: SocketAddr,
    received: mpsc::Receiver<Received>,
    stop: oneshot::Sender<()>,
    stopped: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// Listens on 127.0.0.1.
    ///
    /// # Errors
    /// When the port is taken.
    pub(super) async fn bind(port: u16, behaviour: Behaviour) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (sender, received) = mpsc::channel(QUEUE);
        let (stop, stopping) = oneshot::channel();
        let shared = Arc::new(Shared { behaviour, sender });
        let stopped = tasks::spawn("receiver", OnPanic::Log, accept(listener, shared, stopping));
        Ok(Self { address, received, stop, stopped })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next request. Cancellation loses none.
    pub(super) async fn next(&mut self) -> Option<Received> {
        self.received.recv().await
    }

    /// What has come and was not looked at yet.
    pub(super) fn try_next(&mut self) -> Option<Received> {
        self.received.try_recv().ok()
    }

    /// Takes no more connections and lets answers under way go out.
    pub(super) async fn finish(self) {
        let _ = self.stop.send(());
        drop(self.received);
        let _ = self.stopped.await;
    }
}

struct Shared {
    behaviour: Behaviour,
    sender: mpsc::Sender<Received>,
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopping: oneshot::Receiver<()>) {
    let connections = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = tokio::select! {
            _ = &mut stopping => break,
            permit = permits.clone().acquire_owned() => permit,
        };
        let stream = tokio::select! {
            _ = &mut stopping => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = stream else {
            // File handles are short: nothing says when that passes, so it is tried again a little later.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let connection = connections.watch(serve(stream, shared.clone()));
        tasks::spawn("receiver connection", OnPanic::Log, async move {
            let _permit = permit;
            // A sender that breaks off is its own affair.
            let _ = connection.await;
        });
    }
    let _ = timeout(DRAIN_TIMEOUT, connections.shutdown()).await;
}

fn serve(
    stream: TcpStream,
    shared: Arc<Shared>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(shared.take(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(READ_TIMEOUT);
    builder.serve_connection(TokioIo::new(stream), service)
}

impl Shared {
    async fn take(&self, request: Request<Incoming>) -> Response<Empty<Bytes>> {
        let (head, body) = request.into_parts();
        let (status, body) = match timeout(READ_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
            Ok(Ok(body)) => (self.behaviour.status, body.to_bytes()),
            Ok(Err(_)) => (StatusCode::PAYLOAD_TOO_LARGE, Bytes::new()),
            Err(_) => (StatusCode::REQUEST_TIMEOUT, Bytes::new()),
        };
        let at = clock::now();
        let received = Received {
            at,
            method: head.method,
            path: head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            signature: judge(&self.behaviour.keys, &head.headers, &body, at),
            headers: head.headers,
            body,
            status,
        };
        // Nobody looks any more: the answer stands all the same.
        let _ = self.sender.send(received).await;
        let mut response = Response::new(Empty::new());
        *response.status_mut() = status;
        response
    }
}

fn judge(keys: &[VerifyingKey], headers: &HeaderMap, body: &[u8], now: Timestamp) -> Signature {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    if !headers.contains_key("webhook-signature") {
        return Signature::Unsigned;
    }
    if keys.is_empty() {
        return Signature::NoSecret;
    }
    let [Some(id), Some(timestamp), Some(signatures)] = names.map(|name| headers.get(name)?.to_str().ok()) else {
        return Signature::Incomplete;
    };
    match signing::verify(keys, id, timestamp, signatures, body, now) {
        Ok(()) => Signature::Good,
        Err(error) => Signature::Wrong(error),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::client::Client;
    use super::*;
    use crate::signing::SigningSecret;

    fn keys(secret: &SigningSecret) -> Vec<VerifyingKey> {
        VerifyingKey::of(secret).into_iter().collect()
    }

    fn signed(secret: &SigningSecret, body: &[u8], now: Timestamp) -> HeaderMap {
        let signature = signing::sign(std::slice::from_ref(secret), "evt_1", now, body);
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", HeaderValue::from_static("evt_1"));
        headers.insert("webhook-timestamp", now.as_seconds().into());
        headers.insert("webhook-signature", signature.parse().expect("visible ASCII"));
        headers
    }

    #[test]
    fn tells_good_wrong_and_missing_signatures_apart() {
        let now = Timestamp::from_ms(1_614_265_330_000);
        let secret = SigningSecret::generate();
        let keys = keys(&secret);
        let mut headers = signed(&secret, b"{}", now);
        assert_eq!(judge(&keys, &headers, b"{}", now), Signature::Good);
        assert_eq!(judge(&keys, &headers, b"{ }", now), Signature::Wrong(VerifyError::Mismatch));
        assert_eq!(judge(&[], &headers, b"{}", now), Signature::NoSecret);
        headers.remove("webhook-id");
        assert_eq!(judge(&keys, &headers, b"{}", now), Signature::Incomplete);
        headers.remove("webhook-signature");
        assert_eq!(judge(&keys, &headers, b"{}", now), Signature::Unsigned);
    }

    #[tokio::test]
    async fn takes_a_request_and_answers_as_told() {
        let secret = SigningSecret::generate();
        let behaviour = Behaviour { status: StatusCode::IM_A_TEAPOT, keys: keys(&secret) };
        let mut receiver = Receiver::bind(0, behaviour).await.expect("binds");
        let client = Client::new(receiver.address(), None, String::new());
        let headers = signed(&secret, b"hello", clock::now());
        let answer = client.post("/hook?x=1", headers, Bytes::from_static(b"hello")).await.expect("answers");
        assert_eq!(answer.status, StatusCode::IM_A_TEAPOT);
        let request = receiver.next().await.expect("came");
        assert_eq!((request.path.as_str(), &request.body[..]), ("/hook?x=1", &b"hello"[..]));
        assert_eq!(request.signature, Signature::Good);
        receiver.finish().await;
    }
}

//! The receiver: answers 204, notes when each event came, and checks some of them, so that a system that skips
//! its work cannot look fast.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::body::{self, Kind};
use crate::ledger::Ledger;
use crate::reloads::stamps;

/// Every so many events, one is checked.
const CHECK_EVERY: u32 = 64;

/// What each delivery has to look like.
#[derive(Clone, Copy)]
pub(crate) enum Expected {
    /// Byte for byte what was posted.
    Untouched(Kind),
    /// Rewritten by the plugin, and signed.
    MaskedAndSigned,
    /// Stamped by one version of the plugin of its model, one of so many.
    Stamped { models: u32 },
    /// Whatever it is: only what arrives is of interest.
    Anything,
}

/// When it answers.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    AtOnce,
    After(Duration),
    Never,
}

/// Listens until dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start(expected: Expected, ledger: Arc<Ledger>) -> std::io::Result<Self> {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).await?, expected, Manner::AtOnce, ledger)
    }

    pub(crate) async fn with_manner(expected: Expected, manner: Manner, ledger: Arc<Ledger>) -> std::io::Result<Self> {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).await?, expected, manner, ledger)
    }

    pub(crate) fn on(
        listener: TcpListener,
        expected: Expected,
        manner: Manner,
        ledger: Arc<Ledger>,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, expected, manner, ledger));
        Ok(Self { address, _tasks: tasks })
    }
}

async fn accept(listener: TcpListener, expected: Expected, manner: Manner, ledger: Arc<Ledger>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => return ledger.wrong(format!("the receiver cannot accept: {error}")),
        };
        // Without it an answer may wait for an acknowledgement: slower, not wrong.
        let _ = stream.set_nodelay(true);
        let ledger = Arc::clone(&ledger);
        let answer = service_fn(move |request| receive(request, expected, manner, Arc::clone(&ledger)));
        connections.spawn(async move {
            // A connection that breaks loses an answer: the sender repeats, and repeats are counted.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn receive(
    request: Request<Incoming>,
    expected: Expected,
    manner: Manner,
    ledger: Arc<Ledger>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(Empty::new());
    match body.collect().await {
        Ok(body) => {
            note(&head.headers, &body.to_bytes(), expected, &ledger);
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        // The sender will not see it: its connection is broken.
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    match manner {
        Manner::AtOnce => {}
        Manner::After(pause) => tokio::time::sleep(pause).await,
        Manner::Never => std::future::pending().await,
    }
    Ok(response)
}

fn note(headers: &HeaderMap, body: &Bytes, expected: Expected, ledger: &Ledger) {
    if matches!(expected, Expected::Anything) {
        return;
    }
    let now = ledger.now();
    let Some(number) = body::sequence(body) else {
        return ledger.wrong("a delivery carries no number of ours".to_owned());
    };
    ledger.delivered(number, now);
    if let Expected::Stamped { models } = expected
        && let Some(wrong) = stamps::wrong(headers, number % models)
    {
        return ledger.wrong(format!("event {number} {wrong}"));
    }
    if !number.is_multiple_of(CHECK_EVERY) {
        return;
    }
    match expected {
        Expected::Untouched(kind) if *body != kind.body(number) => {
            ledger.wrong(format!("event {number} was not delivered byte for byte"));
        }
        Expected::MaskedAndSigned if !headers.contains_key("webhook-signature") => {
            ledger.wrong(format!("event {number} was delivered without a signature"));
        }
        Expected::MaskedAndSigned if body::is_unmasked(body) => {
            ledger.wrong(format!("event {number} was delivered without the plugin's change"));
        }
        Expected::Untouched(_) | Expected::MaskedAndSigned | Expected::Stamped { .. } | Expected::Anything => {}
    }
}

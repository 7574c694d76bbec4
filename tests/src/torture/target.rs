//! The receivers of a torture: some take everything, some fail, hang up or are slow.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::ledger::{Ledger, Webhook, event_type};
use crate::receiver::Received;

/// A webhook, and how its receiver behaves.
pub(super) struct Destination {
    pub(super) id: &'static str,
    pub(super) events: &'static [&'static str],
    /// By the plugin `redact`.
    pub(super) redacts: bool,
    mood: Mood,
}

#[derive(Clone, Copy)]
enum Mood {
    Takes,
    /// Sometimes answers 500, sometimes hangs up.
    Fails,
    /// Takes, after a while.
    Slow,
}

pub(super) const WEBHOOKS: [Destination; 4] = [
    Destination { id: "plain", events: &["*"], redacts: false, mood: Mood::Takes },
    Destination { id: "moody", events: &["*"], redacts: false, mood: Mood::Fails },
    Destination { id: "redacted", events: &["entry.*"], redacts: true, mood: Mood::Fails },
    Destination { id: "slow", events: &["entry.publish"], redacts: false, mood: Mood::Slow },
];

impl Destination {
    pub(super) fn wants(&self, kind: usize) -> bool {
        let event = event_type(kind);
        self.events.iter().any(|pattern| *pattern == event || pattern.ends_with('*'))
    }
}

/// What the receiver does with one request.
enum Act {
    Take { after: Duration },
    Fail,
    HangUp,
}

/// Runs until dropped.
pub(super) struct Target {
    address: SocketAddr,
    server: JoinHandle<()>,
}

struct Shared {
    webhook: Webhook,
    dice: Mutex<StdRng>,
    ledger: Arc<Ledger>,
}

impl Target {
    pub(super) async fn start(webhook: Webhook, seed: u64, ledger: Arc<Ledger>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { webhook, dice: Mutex::new(StdRng::seed_from_u64(seed)), ledger });
        Self { address, server: tokio::spawn(serve(listener, shared)) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&shared), request));
            // A sender that is killed is none of the receiver's business.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

/// An error hangs up.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, HangUp> {
    let (head, body) = request.into_parts();
    // Cut off by a dying sender: not a request.
    let Ok(body) = body.collect().await else { return Err(HangUp) };
    let received = Received { headers: head.headers, body: body.to_bytes() };
    let Some(number) = shared.ledger.arrived(shared.webhook, &received) else { return Err(HangUp) };
    let status = match shared.act() {
        Act::Take { after } => {
            tokio::time::sleep(after).await;
            shared.ledger.taken(shared.webhook, number);
            StatusCode::NO_CONTENT
        }
        Act::Fail => StatusCode::INTERNAL_SERVER_ERROR,
        Act::HangUp => return Err(HangUp),
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    Ok(response)
}

impl Shared {
    fn act(&self) -> Act {
        let mut dice = self.dice.lock().expect("no panic while rolling");
        match WEBHOOKS[self.webhook].mood {
            Mood::Takes => Act::Take { after: Duration::ZERO },
            Mood::Slow => Act::Take { after: Duration::from_millis(dice.random_range(20..250)) },
            Mood::Fails => match dice.random_range(0..100) {
                0..15 => Act::Fail,
                15..25 => Act::HangUp,
                _ => Act::Take { after: Duration::from_millis(dice.random_range(0..5)) },
            },
        }
    }
}

#[derive(Debug)]
struct HangUp;

impl std::fmt::Display for HangUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hung up on purpose")
    }
}

impl std::error::Error for HangUp {}

//! A receiver on loopback that keeps what came and answers as told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::SECRET;
use crate::wait::PATIENCE;

/// One request that came in.
#[derive(Clone, Debug)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text headers"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// Checks the signature with the `standardwebhooks` crate, which is not ours.
    pub fn verified(&self) -> bool {
        self.verified_with(SECRET)
    }

    /// The same with another secret than that of the tests.
    pub fn verified_with(&self, secret: &str) -> bool {
        let webhook = standardwebhooks::Webhook::new(secret).expect("a valid secret");
        webhook.verify(&self.body, &self.headers).is_ok()
    }
}

type Behaviour = Arc<dyn Fn(usize, &Received) -> (Duration, u16) + Send + Sync>;

struct Shared {
    requests: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
    behaviour: Behaviour,
}

/// Runs until dropped.
pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Answers 204 to everything.
    pub async fn start() -> Self {
        Self::answering(|_, _| 204).await
    }

    /// Answers with what `behaviour` says of the n-th request (from 0). Status 0: never answers.
    pub async fn answering(behaviour: impl Fn(usize, &Received) -> u16 + Send + Sync + 'static) -> Self {
        Self::answering_after(move |index, received| (Duration::ZERO, behaviour(index, received))).await
    }

    /// The same, each answer after a while.
    pub async fn answering_after(
        behaviour: impl Fn(usize, &Received) -> (Duration, u16) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("an address");
        let shared =
            Arc::new(Shared { requests: Mutex::default(), count: watch::channel(0).0, behaviour: Arc::new(behaviour) });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { address, shared, server }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Everything that came so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.requests.lock().expect("no panic in the receiver").clone()
    }

    /// Waits until at least `count` requests came.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut seen = self.shared.count.subscribe();
        let waited = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| *seen >= count)).await.is_ok();
        let received = self.received();
        assert!(waited, "waited {PATIENCE:?} for {count} requests, {} came", received.len());
        received
    }
}

impl Drop for Receiver {
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
            // A client that hangs up is none of the receiver's business.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        // Cut off by a dying sender: not a request.
        return Ok(Response::new(Full::default()));
    };
    let received = Received { headers: head.headers, body: body.to_bytes() };
    let (index, (after, status)) = {
        let mut requests = shared.requests.lock().expect("no panic in the receiver");
        let index = requests.len();
        let answer = (shared.behaviour)(index, &received);
        requests.push(received);
        (index, answer)
    };
    shared.count.send_replace(index + 1);
    tokio::time::sleep(after).await;
    if status == 0 {
        std::future::pending::<()>().await;
    }
    let mut response = Response::new(Full::from(format!("request {index}")));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    Ok(response)
}

//! One keep-alive HTTP/1.1 connection on plain hyper, driven by the task that uses it. No pool, no retry: a
//! generator built on a full client costs as much as the systems it measures.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// More of an answer than any system under test has to say: the status of hundreds of webhooks and plugins.
const ANSWER_BYTES: usize = 4 << 20;

/// Sends requests, one at a time.
pub(crate) struct Requests(SendRequest<Full<Bytes>>);

/// Connects, and lets `work` send until it is done.
///
/// # Errors
/// When `work` fails, or the peer ends the connection before it is done.
pub(crate) async fn connected<T, W, F>(address: SocketAddr, work: W) -> anyhow::Result<T>
where
    W: FnOnce(Requests) -> F,
    F: Future<Output = anyhow::Result<T>>,
{
    #[expect(clippy::disallowed_methods, reason = "speaks to the systems under test, which this bench started")]
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let (mut connection, mut work) = (pin!(connection), pin!(work(Requests(sender))));
    // In one task: a driver of its own would cost a hand-over between threads for every request.
    tokio::select! {
        biased;
        done = &mut work => done,
        ended = &mut connection => {
            ended.context("the connection broke")?;
            bail!("the peer closed the connection")
        }
    }
}

impl Requests {
    /// Sends one request and reads the whole answer.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
        let (head, body) = self.whole(request).await?.into_parts();
        Ok((head.status, body))
    }

    /// The same, with its head.
    pub(crate) async fn whole(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Bytes>> {
        self.0.ready().await?;
        let (head, body) = self.0.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|error| anyhow::anyhow!(error))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

//! The generator: posts events over a fixed set of connections, as fast as they are answered or at a fixed rate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::body;
use crate::client::{self, Requests};
use crate::home::TOKEN;
use crate::ledger::{Ledger, Micros};

/// What an answer may take beyond the end of the load before the run counts as hung.
const LAST_ANSWER: Duration = Duration::from_secs(15);
/// For all connections to be made before the first paced event is due.
const HEAD_START: Duration = Duration::from_millis(100);
/// So much of a refusal's body is shown.
const REFUSAL_CHARS: usize = 600;

/// Where to post, over how many connections, and where to write down what happened.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) target: SocketAddr,
    pub(crate) connections: u32,
    pub(crate) kind: body::Kind,
    pub(crate) ledger: Arc<Ledger>,
}

impl Load {
    /// Closed loop: every connection posts its next event when the last one was answered.
    pub(crate) async fn closed(&self, until: Instant) -> anyhow::Result<()> {
        let post_on = move |_, mut poster: Poster| async move {
            while Instant::now() < until {
                poster.post(None).await?;
            }
            Ok(())
        };
        self.on_all(until, post_on).await
    }

    /// Closed loop until so many were posted, or `until`. Each connection may post one more.
    pub(crate) async fn many(&self, events: u32, until: Instant) -> anyhow::Result<()> {
        let ledger = Arc::clone(&self.ledger);
        let post_on = move |_, mut poster: Poster| async move {
            while ledger.next_number() < events && Instant::now() < until {
                poster.post(None).await?;
            }
            Ok(())
        };
        self.on_all(until, post_on).await
    }

    /// Open loop: one event every `interval` until `until`, whether or not the others were answered.
    pub(crate) async fn paced(&self, interval: Duration, until: Instant) -> anyhow::Result<()> {
        let (start, connections) = (Instant::now() + HEAD_START, self.connections);
        let post_on = move |connection: u32, mut poster: Poster| async move {
            let mut due = start + interval * connection;
            while due < until {
                // A connection that is still busy when its event is due makes the event wait, and the wait counts.
                // A timer that fires late does not: it is our own lateness.
                let late = Instant::now().checked_duration_since(due);
                sleep_until(due).await;
                poster.post(late).await?;
                due += interval * connections;
            }
            Ok(())
        };
        self.on_all(until, post_on).await
    }

    /// Runs `post_on` on every connection, each in a task of its own, to their end.
    async fn on_all<W, F>(&self, until: Instant, post_on: W) -> anyhow::Result<()>
    where
        W: FnOnce(u32, Poster) -> F + Clone + Send + 'static,
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        for connection in 0..self.connections {
            let (post_on, ledger, target, kind) = (post_on.clone(), Arc::clone(&self.ledger), self.target, self.kind);
            tasks.spawn(client::connected(target, move |requests| {
                post_on(connection, Poster { requests, kind, ledger, headers: headers(target, kind) })
            }));
        }
        let all = async {
            while let Some(done) = tasks.join_next().await {
                done.context("a connection's task failed")??;
            }
            anyhow::Ok(())
        };
        timeout_at(until + LAST_ANSWER, all)
            .await
            .with_context(|| format!("no answer within {} s after the end of the load", LAST_ANSWER.as_secs()))?
    }
}

/// Posts events over one connection.
struct Poster {
    requests: Requests,
    kind: body::Kind,
    ledger: Arc<Ledger>,
    headers: HeaderMap,
}

impl Poster {
    /// Posts one event and waits for the answer. `late`: how long ago it was due.
    async fn post(&mut self, late: Option<Duration>) -> anyhow::Result<()> {
        let number =
            self.ledger.number().context("faster than the bench can record: fewer seconds, or raise its cap")?;
        let mut request = Request::new(Full::new(self.kind.body(number)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/v1/events");
        *request.headers_mut() = self.headers.clone();

        let late = late.map_or(0, |late| Micros::try_from(late.as_micros()).unwrap_or(Micros::MAX));
        self.ledger.posted(number, self.ledger.now().saturating_sub(late).max(1));
        let (status, answer) = self.requests.send(request).await?;
        if status.is_success() {
            self.ledger.accepted(number, self.ledger.now());
        } else {
            self.ledger.refused(|| refusal(status, &answer));
        }
        Ok(())
    }
}

fn refusal(status: StatusCode, answer: &Bytes) -> String {
    format!("{status} {}", String::from_utf8_lossy(answer).chars().take(REFUSAL_CHARS).collect::<String>())
}

/// What Strapi sends.
fn headers(target: SocketAddr, kind: body::Kind) -> HeaderMap {
    let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    HeaderMap::from_iter([
        (HOST, value(target.to_string())),
        (AUTHORIZATION, value(format!("Bearer {TOKEN}"))),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("x-strapi-event"), HeaderValue::from_static(kind.event_type())),
    ])
}

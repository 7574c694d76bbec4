//! `GET /v1/tail`: changes of deliveries as they happen, one JSON object a line.
//!
//! A watcher that reads too slowly misses some and is told how many, `{"missed":12}`; empty lines tell it that
//! nothing happened. Ends when the host drains, and when the watcher's token ends: nothing is told from then on.

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::header;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Admin, Who};
use crate::clock;
use crate::dispatch::Notice;

/// Often enough for a watcher, and for proxies between us, to know that we are still there.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) async fn tail(State(admin): Admin, Extension(who): Who) -> Response {
    let tokens = admin.tokens.clone();
    let may_watch = move || tokens.is_valid(who.token, clock::now());
    let lines = lines(admin.dispatcher.subscribe(), may_watch, admin.stop.clone(), HEARTBEAT);
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

struct Watch<F> {
    notices: Receiver<Notice>,
    may_go_on: F,
    heartbeat: Interval,
    stop: CancellationToken,
}

fn lines(
    notices: Receiver<Notice>,
    may_watch: impl Fn() -> bool,
    stop: CancellationToken,
    every: Duration,
) -> impl Stream<Item = Result<Bytes, serde_json::Error>> {
    let mut heartbeat = interval(every);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(Watch { notices, may_go_on: may_watch, heartbeat, stop }, async |mut watch| {
        let line = watch.next_line().await?;
        (watch.may_go_on)().then_some((line, watch))
    })
}

impl<F> Watch<F> {
    /// None when there will be no more.
    async fn next_line(&mut self) -> Option<Result<Bytes, serde_json::Error>> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            received = self.notices.recv() => match received {
                Ok(notice) => Some(line(&notice)),
                Err(RecvError::Lagged(missed)) => Some(line(&serde_json::json!({ "missed": missed }))),
                Err(RecvError::Closed) => None,
            },
            // The first comes at once, and sends the head of the answer on its way.
            _ = self.heartbeat.tick() => Some(Ok(Bytes::from_static(b"\n"))),
        }
    }
}

fn line<T: serde::Serialize>(value: &T) -> Result<Bytes, serde_json::Error> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line.into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use futures_util::{StreamExt as _, pin_mut};
    use tokio::sync::broadcast;

    use super::*;
    use crate::clock::Timestamp;
    use crate::delivery;
    use crate::ids::{DeliveryId, EventId};

    fn notice() -> Notice {
        Notice {
            at: Timestamp::from_ms(0),
            event: EventId::from_bytes([1; 16]),
            event_type: "entry.create".parse().expect("valid"),
            delivery: DeliveryId::from_bytes([2; 16]),
            webhook: "site".parse().expect("valid"),
            state: delivery::State::Delivered,
            attempts: 1,
            status: Some(204),
            micros: Some(1),
            reason: None,
            due: None,
            plugins: vec![],
        }
    }

    #[tokio::test]
    async fn nothing_is_told_once_the_token_ends() {
        let (sender, receiver) = broadcast::channel(2);
        let good = AtomicBool::new(true);
        let lines = lines(receiver, || good.load(Relaxed), CancellationToken::new(), Duration::from_hours(1));
        pin_mut!(lines);
        assert!(lines.next().await.is_some());
        good.store(false, Relaxed);
        sender.send(notice()).expect("somebody watches");
        assert!(lines.next().await.is_none());
    }

    #[tokio::test]
    async fn a_slow_watcher_is_told_what_it_missed_and_a_drain_ends_it() {
        let (sender, receiver) = broadcast::channel(2);
        let stop = CancellationToken::new();
        let lines = lines(receiver, || true, stop.clone(), Duration::from_hours(1))
            .map(|line| String::from_utf8(line.expect("serialises").to_vec()).expect("text"))
            .filter(|line| std::future::ready(line != "\n"));
        pin_mut!(lines);

        for _ in 0..5 {
            sender.send(notice()).expect("somebody watches");
        }
        assert_eq!(lines.next().await.expect("a line"), "{\"missed\":3}\n");
        let line = lines.next().await.expect("a line");
        assert!(line.contains("\"state\":\"delivered\"") && line.ends_with("}\n"), "{line}");

        stop.cancel();
        assert_eq!(lines.count().await, 0, "a drain does not wait for what is left");
    }
}

//! Posts the five events and waits until each delivery is finished.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::super::client::{Client, Lines, Problem};
use super::super::json;
use super::super::receiver::{Received, Receiver};
use crate::delivery::State;

/// As Strapi's documentation has them.
pub(super) const EVENTS: [(&str, &[u8]); 5] = [
    ("entry.create", include_bytes!("events/entry.create.json")),
    ("entry.update", include_bytes!("events/entry.update.json")),
    ("entry.delete", include_bytes!("events/entry.delete.json")),
    ("media.create", include_bytes!("events/media.create.json")),
    ("media.delete", include_bytes!("events/media.delete.json")),
];

/// For everything to be finished; on a busy machine it takes a second.
const DEADLINE: Duration = Duration::from_secs(30);

/// A notice may be missed, so states are asked for at least this often.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// All that came of it.
pub(super) struct Outcomes {
    pub(super) posted: Vec<Posted>,
    pub(super) took: Duration,
}

/// One event and its deliveries.
pub(super) struct Posted {
    pub(super) event_type: &'static str,
    pub(super) body: &'static [u8],
    pub(super) id: String,
    pub(super) deliveries: Vec<Delivery>,
}

/// One delivery.
pub(super) struct Delivery {
    pub(super) id: String,
    pub(super) webhook: String,
    /// As the host tells of it.
    pub(super) view: Value,
    /// What the receiver saw of it.
    pub(super) received: Option<Received>,
}

impl Delivery {
    pub(super) fn state(&self) -> String {
        json::text(&self.view, "/state")
    }

    fn is_finished(&self) -> bool {
        State::from_name(&self.state()).is_some_and(State::is_finished)
    }

    /// Held ones are not finished, but nothing more will happen to them by itself.
    fn is_settled(&self) -> bool {
        self.is_finished() || self.state() == "held"
    }
}

pub(super) async fn all(public: &Client, admin: &Client, receiver: &mut Receiver) -> anyhow::Result<Outcomes> {
    // Before the first post, so that no notice is missed.
    let mut notices = admin.lines("/v1/tail").await?;
    let started = Instant::now();
    let mut posted = Vec::new();
    for (event_type, body) in EVENTS {
        posted.push(post(public, event_type, body).await?);
    }
    let mut seen = HashMap::new();
    while Instant::now() < started + DEADLINE {
        if look(admin, &mut posted, &seen).await? {
            break;
        }
        // Whatever wakes this up: all states are looked at again.
        let _ = timeout(LOOK_AGAIN, something_happens(&mut notices, receiver, &mut seen)).await;
    }
    while let Some(request) = receiver.try_next() {
        remember(request, &mut seen);
    }
    let took = started.elapsed();
    for delivery in posted.iter_mut().flat_map(|posted| &mut posted.deliveries) {
        delivery.received = seen.remove(&delivery.id);
    }
    Ok(Outcomes { posted, took })
}

async fn post(public: &Client, event_type: &'static str, body: &'static [u8]) -> anyhow::Result<Posted> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-strapi-event", HeaderValue::from_static(event_type));
    let answer = public.post("/v1/events", headers, Bytes::from_static(body)).await?;
    if answer.status != StatusCode::ACCEPTED {
        anyhow::bail!("{event_type} was not accepted: {}", Problem::read(answer.status, &answer.body));
    }
    let answer: Value = serde_json::from_slice(&answer.body).context("the answer to a post is not JSON")?;
    let delivery = |one: &Value| Delivery {
        id: json::text(one, "/id"),
        webhook: json::text(one, "/webhook"),
        view: Value::Null,
        received: None,
    };
    let deliveries = json::list(&answer, "/deliveries").iter().map(delivery).collect();
    Ok(Posted { event_type, body, id: json::text(&answer, "/id"), deliveries })
}

/// Looks at every delivery that is not settled; says whether all are, and all that arrived were seen.
async fn look(admin: &Client, posted: &mut [Posted], seen: &HashMap<String, Received>) -> anyhow::Result<bool> {
    let mut all = true;
    for delivery in posted.iter_mut().flat_map(|posted| &mut posted.deliveries) {
        if !delivery.is_settled() {
            delivery.view = admin.get(&format!("/v1/deliveries/{}", delivery.id)).await?;
        }
        let arrived = delivery.state() != "delivered" || seen.contains_key(&delivery.id);
        all &= delivery.is_settled() && arrived;
    }
    Ok(all)
}

async fn something_happens(notices: &mut Lines, receiver: &mut Receiver, seen: &mut HashMap<String, Received>) {
    tokio::select! {
        notice = notices.next() => {
            // A stream that ended or broke has nothing more to say; the states are looked at all the same.
            if !matches!(notice, Ok(Some(_))) {
                std::future::pending::<()>().await;
            }
        }
        request = receiver.next() => {
            if let Some(request) = request {
                remember(request, seen);
            }
        }
    }
}

fn remember(request: Received, seen: &mut HashMap<String, Received>) {
    seen.insert(request.header("x-hookwright-delivery").into_owned(), request);
}

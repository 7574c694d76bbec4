//! A webhook tried out: one event through its real chain, and one real attempt; nothing of it is stored, retried, counted
//! or taken as a sign of the receiver's health. Neither pause, order nor limits apply.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Dispatcher, request};
use crate::clock;
use crate::delivery::{Attempt, ChainRecord, ChainVerdict, Changes, micros};
use crate::egress::Outgoing;
use crate::event::Event;
use crate::ids::DeliveryId;
use crate::plugin::{ChainJob, Handed, Handing};
use crate::revision::Revision;
use crate::transform::Closed;
use crate::webhook::Webhook;

/// Somebody waits for the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be tried.
pub struct Trial {
    /// Need not be in force.
    pub webhook: Arc<Webhook>,
    pub event: Arc<Event>,
    /// False: it ends before the request is sent.
    pub send: bool,
}

/// What it came to.
pub struct Tried {
    pub delivery: DeliveryId,
    pub chain: ChainRecord,
    /// What each plugin handed on.
    pub steps: Vec<Handed>,
    /// None: the chain does not deliver.
    pub request: Option<TriedRequest>,
    /// None: nothing was sent.
    pub attempt: Option<Attempt>,
}

/// The request that was, or would be, sent. Values of secret headers are hidden.
pub struct TriedRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: bytes::Bytes,
}

impl TriedRequest {
    /// The request that an attempt of this delivery would be, were it made now.
    pub fn unsent(
        revision: &Revision,
        webhook: &Webhook,
        event: &Event,
        changes: &Changes,
        delivery: DeliveryId,
        attempt: u32,
    ) -> Self {
        let parts = request::Parts {
            event,
            webhook,
            default_headers: &revision.server.default_headers,
            changes,
            delivery,
            attempt,
            is_test: false,
            now: clock::now(),
        };
        Self::of(webhook, &request::build(&parts))
    }

    fn of(webhook: &Webhook, outgoing: &Outgoing) -> Self {
        Self {
            method: outgoing.method.to_string(),
            url: webhook.shown_url.clone(),
            headers: request::for_the_log(&outgoing.headers),
            body: outgoing.body.clone(),
        }
    }
}

impl Dispatcher {
    /// Tries a webhook out under `revision`. Waits for the plugins, and for the receiver at most 30 s.
    ///
    /// # Errors
    /// When the host is shutting down.
    pub async fn try_out(&self, revision: &Revision, trial: Trial) -> Result<Tried, Closed> {
        let Trial { webhook, event, send } = trial;
        let delivery = DeliveryId::generate(clock::now());
        let handing = Handing::default();
        let chain = if webhook.plugins.is_empty() {
            ChainRecord::untouched()
        } else {
            let job = ChainJob {
                plugins: Arc::clone(&revision.plugins),
                webhook: Arc::clone(&webhook),
                event: Arc::clone(&event),
                delivery,
                run: 1,
                now: clock::now(),
                observer: None,
                watch: None,
                handing: Some(handing.clone()),
            };
            self.inner.transform.run(job).await?
        };
        let steps = handing.take();
        let ChainVerdict::Deliver { changes } = &chain.verdict else {
            return Ok(Tried { delivery, chain, steps, request: None, attempt: None });
        };
        let (request, attempt) = attempt(revision, &webhook, &event, changes, delivery, send).await;
        Ok(Tried { delivery, chain, steps, request: Some(request), attempt })
    }
}

async fn attempt(
    revision: &Revision,
    webhook: &Webhook,
    event: &Event,
    changes: &Changes,
    delivery: DeliveryId,
    send: bool,
) -> (TriedRequest, Option<Attempt>) {
    let started = clock::now();
    let mut outgoing = request::build(&request::Parts {
        event,
        webhook,
        default_headers: &revision.server.default_headers,
        changes,
        delivery,
        attempt: 1,
        is_test: true,
        now: started,
    });
    outgoing.deadline = outgoing.deadline.min(PATIENCE);
    let request = TriedRequest::of(webhook, &outgoing);
    let request_headers = request.headers.clone();
    if !send {
        return (request, None);
    }
    let clock_start = Instant::now();
    let result = revision.egress.send(outgoing).await;
    let micros = micros(clock_start.elapsed());
    let url = webhook.shown_url.clone();
    (request, Some(Attempt { number: 1, started, micros, url, request_headers, result }))
}

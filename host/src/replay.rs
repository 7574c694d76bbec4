//! Deliveries once more: a single one, or many in a run that can be watched and cancelled.
//!
//! Decides what goes out (as recorded, through today's plugins, or edited) and whether the webhook takes it. A replay is
//! a delivery like any other from then on: the store keeps it, dispatch sends it.

mod error;
mod many;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use self::error::{ManyError, ReplayError};
pub use self::many::{Counted, Progress, RunState, RunView, Wanted};

use self::many::Runs;
use crate::clock::Timestamp;
use crate::dispatch::Dispatcher;
use crate::event::Event;
use crate::ids::{DeliveryId, EventId, WebhookId};
use crate::intake::{self, Refusal};
use crate::revision::Live;
use crate::store::{Administration, Replay, Replayed, RunStateKind, Upkeep};

/// Replays for whoever asks. Cheap to clone.
#[derive(Clone)]
pub struct Replays {
    parts: Arc<Parts>,
    runs: Arc<Runs>,
}

/// What replays need of the host.
pub struct Parts {
    pub live: Live,
    pub administration: Arc<dyn Administration>,
    pub upkeep: Arc<dyn Upkeep>,
    pub dispatcher: Dispatcher,
    /// Cancelled when the host drains: runs end.
    pub stop: CancellationToken,
}

/// What a replay sends when nothing is edited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The recorded bytes and headers, under the same `webhook-id`. No plugin runs.
    #[default]
    Recorded,
    /// A copy of the event, through today's plugins, under an id of its own.
    Today,
}

/// What one replay sends.
#[derive(Clone, Debug)]
pub enum Content {
    As(Mode),
    /// Other bytes as the event, through today's schemas and plugins.
    Edited {
        data: Bytes,
        /// None: that of the event.
        content_type: Option<String>,
    },
}

/// A replay that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    pub id: DeliveryId,
    /// Also its `webhook-id`.
    pub event: EventId,
    pub webhook: WebhookId,
    pub replay_of: DeliveryId,
}

impl Replays {
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), runs: Arc::default() }
    }

    /// Makes a new delivery of a finished one, or of a held one unless its record is to be sent.
    ///
    /// # Errors
    /// When there is nothing to send, the edited bytes are refused, or the webhook takes no deliveries.
    pub async fn replay(&self, of: DeliveryId, content: Content, now: Timestamp) -> Result<Made, ReplayError> {
        self.parts.replay(of, content, now).await
    }
}

impl Parts {
    async fn replay(&self, of: DeliveryId, content: Content, now: Timestamp) -> Result<Made, ReplayError> {
        let view = self.administration.delivery(of).await?.ok_or(ReplayError::Absent(of))?;
        self.takes(&view.webhook)?;
        let event = match content {
            Content::As(Mode::Recorded) => None,
            Content::As(Mode::Today) => Some(self.copy(of, view.event, now).await?),
            Content::Edited { data, content_type } => {
                let event = self.copy(of, view.event, now).await?;
                Some(self.edited(event, data, content_type)?)
            }
        };
        let id = DeliveryId::generate(now);
        match self.upkeep.replay(Replay { of, id, now, event: event.map(Arc::new) }).await? {
            Replayed::Queued { event, lane } => {
                self.dispatcher.wake(&lane, now);
                Ok(Made { id, event, webhook: lane.webhook, replay_of: of })
            }
            Replayed::Refused(why) => Err(ReplayError::of(of, why)),
        }
    }

    /// Whether the webhook is there and takes deliveries.
    fn takes(&self, id: &WebhookId) -> Result<(), ReplayError> {
        let revision = self.live.load();
        let webhook = revision.webhooks.get(id).ok_or_else(|| ReplayError::NoWebhook(id.clone()))?;
        if self.dispatcher.takes_new(webhook) {
            return Ok(());
        }
        let states = self.dispatcher.run_states(id);
        let is = |kind| states.iter().any(|state| state.kind == kind);
        let remedy = if !webhook.enabled {
            format!("its file config/webhooks/{id}.json says \"enabled\": false")
        } else if is(RunStateKind::Gone) {
            format!(
                "its receiver answered 410 Gone; `hookwright webhook enable {id}` takes that back, and so does another `url`"
            )
        } else {
            {
                let by = states.iter().find(|state| state.kind == RunStateKind::Disabled);
                let by = by.map(|state| format!(" by {} since {}", state.by, state.since)).unwrap_or_default();
                format!("it was switched off{by}; `hookwright webhook enable {id}` takes that back")
            }
        };
        Err(ReplayError::Off { webhook: id.clone(), remedy })
    }

    /// The event as it came, as a new one. It was accepted once: today's schemas are not asked.
    async fn copy(&self, of: DeliveryId, event: EventId, now: Timestamp) -> Result<Event, ReplayError> {
        let event = self.administration.event(event).await?.ok_or(ReplayError::EventGone(of))?;
        Ok(Event { id: EventId::generate(now), received: now, ..event })
    }

    /// An edited event is an event like any other, but for quarantine: whoever edits is told, and edits again.
    fn edited(&self, event: Event, data: Bytes, content_type: Option<String>) -> Result<Event, ReplayError> {
        let revision = self.live.load();
        let max_bytes = revision.server.limits.max_body_bytes;
        if data.len() > max_bytes {
            return Err(Refusal::TooLarge { max_bytes }.into());
        }
        let content_type = match content_type {
            None => event.content_type.clone(),
            Some(text) => {
                let value = HeaderValue::from_str(&text).map_err(|_| Refusal::MediaType { found: None })?;
                intake::json_type(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))?.into()
            }
        };
        let mut event = Event { content_type, data, ..event };
        (event.event_type, _) = intake::judge_again(&revision, &event)?;
        for (_, value) in event.headers.iter_mut().filter(|(name, _)| name == "x-strapi-event") {
            event.event_type.as_str().clone_into(value);
        }
        Ok(event)
    }
}

//! A delivery: its states, its attempts, and what the plugin chain made of it.

mod chain;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::chain::{Binding, ChainRecord, ChainVerdict, Changes, Conditions, LogLine, PluginRun, RunVerdict};
use crate::clock::Timestamp;
use crate::ids::{DeliveryId, EventId, PluginName, WebhookId};

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not tried yet.
    Pending,
    /// Tried; next at a known time.
    Retrying,
    /// Waits for a person, a plugin, an enabled webhook.
    Held,
    Delivered,
    /// A plugin said no.
    Dropped,
    /// Debounced into another delivery.
    Superseded,
    /// Dead letter.
    Failed,
}

impl State {
    /// Finished deliveries are in history and never change again.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Delivered | Self::Dropped | Self::Superseded | Self::Failed)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Retrying, Self::Held, Self::Delivered, Self::Dropped, Self::Superseded, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a held delivery waits for. A fix releases only what it fixed, so each cause names its thing.
///
/// Written as text in the store and the API: `webhook-disabled`, `plugin:redact@1f0c66a2b7d4`, …
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeldCause {
    /// The webhook is switched off.
    WebhookDisabled,
    /// The webhook's file or row is gone.
    WebhookRemoved,
    /// The receiver answered 410 Gone; enabling the webhook clears it, or a changed URL.
    WebhookGone,
    /// Out of attempts, first in its order, and its webhook says that those behind wait (`onStuck.failed: block`).
    Stuck,
    /// The host died too often while it was worked on; a person looks into it.
    Crashed,
    /// This plugin is missing, broken, trapped, over its limits, or failed under `onError: hold`. The binding
    /// names its version, config and `onError`: when one of them changes, the delivery gets another run.
    Plugin { name: PluginName, binding: Box<str> },
}

impl fmt::Display for HeldCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WebhookDisabled => f.write_str("webhook-disabled"),
            Self::WebhookRemoved => f.write_str("webhook-removed"),
            Self::WebhookGone => f.write_str("webhook-gone"),
            Self::Stuck => f.write_str("stuck"),
            Self::Crashed => f.write_str("crashed"),
            Self::Plugin { name, binding } => write!(f, "plugin:{name}@{binding}"),
        }
    }
}

impl FromStr for HeldCause {
    type Err = crate::ids::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "webhook-disabled" => Ok(Self::WebhookDisabled),
            "webhook-removed" => Ok(Self::WebhookRemoved),
            "webhook-gone" => Ok(Self::WebhookGone),
            "stuck" => Ok(Self::Stuck),
            "crashed" => Ok(Self::Crashed),
            _ => match text.strip_prefix("plugin:").and_then(|rest| rest.split_once('@')) {
                Some((name, binding)) => Ok(Self::Plugin { name: name.parse()?, binding: binding.into() }),
                None => Err(crate::ids::NameError::Shape {
                    expected: "a cause such as webhook-disabled or plugin:redact@1f0c66a2b7d4",
                }),
            },
        }
    }
}

impl Serialize for HeldCause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for HeldCause {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeldCause".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "`webhook-disabled`, `webhook-removed`, `webhook-gone`, `stuck`, `crashed`, or \
                            `plugin:<name>@<binding>`.",
        })
    }
}

/// One HTTP try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    pub started: Timestamp,
    pub micros: u64,
    pub url: String,
    /// As sent; values of secret headers are replaced by `…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_headers: Vec<(String, String)>,
    pub result: AttemptResult,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum AttemptResult {
    /// The receiver answered, whatever the status.
    Answered(Response),
    /// No whole answer came.
    Error { kind: SendErrorKind, message: String },
}

/// What came back, capped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    pub status: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The first [`crate::egress::RESPONSE_CAPTURE_BYTES`], as text (invalid UTF-8 replaced).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    #[serde(default, skip_serializing_if = "is_false")]
    pub body_cut: bool,
}

/// Why no whole answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SendErrorKind {
    /// The address policy said no; nothing was sent.
    Refused,
    Dns,
    Connect,
    Tls,
    Timeout,
    /// Connected, then broken off or not HTTP.
    Broken,
    /// The host has no file descriptor left; nothing was sent, and the receiver has no part in it.
    Exhausted,
}

impl AttemptResult {
    /// Whether the receiver took it.
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Answered(Response { status: 200..=299, .. }))
    }
}

/// How an attempt went, without what was sent and what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptHead {
    pub started: Timestamp,
    pub micros: u64,
    /// None: no whole answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<SendErrorKind>,
    /// The receiver took it.
    pub good: bool,
}

impl AttemptHead {
    pub const fn of(attempt: &Attempt) -> Self {
        let (status, error) = match &attempt.result {
            AttemptResult::Answered(response) => (Some(response.status), None),
            AttemptResult::Error { kind, .. } => (None, Some(*kind)),
        };
        Self { started: attempt.started, micros: attempt.micros, status, error, good: attempt.result.is_good() }
    }
}

/// A delivery as people and programs look at it, finished or not.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryView {
    pub id: DeliveryId,
    pub event: EventId,
    pub webhook: WebhookId,
    pub state: State,
    pub created: Timestamp,
    /// Time of the last change.
    pub changed: Timestamp,
    /// When the next attempt is due; of unfinished deliveries only.
    pub due: Option<Timestamp>,
    pub attempts: u32,
    pub runs: u32,
    /// Why it is held, failed or dropped.
    pub reason: Option<String>,
    pub held_for: Option<HeldCause>,
    pub chain: Option<ChainRecord>,
    /// What it gathered or is gathering, if it is debounced.
    pub window: Option<Window>,
    /// The delivery it repeats.
    pub replay_of: Option<DeliveryId>,
}

/// The events that a debounced delivery stands for. Its own event is one of them: the newest, or the one that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// How many came.
    pub count: u64,
    /// The newest of them, newest first; at most [`crate::store::WINDOW_MEMBERS`].
    pub members: Vec<EventId>,
    /// When it takes no more unless another comes before; none: it takes no more.
    pub closes: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// How the reason of a delivery begins that somebody gave up. No other reason of one that failed does.
pub const DISCARDED_BY: &str = "discarded by ";

/// What happens to a delivery after a run or an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    Delivered,
    Dropped {
        reason: String,
    },
    Failed {
        reason: String,
    },
    Held {
        cause: HeldCause,
        reason: String,
    },
    /// Another attempt, or another run of the chain, at this time.
    RetryAt {
        due: Timestamp,
        reason: String,
    },
    /// Given back untouched: nothing was tried.
    Released {
        due: Timestamp,
    },
}

impl Next {
    pub const fn state(&self) -> Option<State> {
        match self {
            Self::Delivered => Some(State::Delivered),
            Self::Dropped { .. } => Some(State::Dropped),
            Self::Failed { .. } => Some(State::Failed),
            Self::Held { .. } => Some(State::Held),
            Self::RetryAt { .. } => Some(State::Retrying),
            Self::Released { .. } => None,
        }
    }
}

/// How long a wall-clock span was, in whole microseconds.
pub fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_and_states_read_back() {
        for text in
            ["webhook-disabled", "webhook-removed", "webhook-gone", "stuck", "crashed", "plugin:redact@1f0c66a2b7d4"]
        {
            assert_eq!(text.parse::<HeldCause>().expect(text).to_string(), text);
        }
        assert!("plugin:../x@1".parse::<HeldCause>().is_err());
        assert_eq!(State::from_name("held"), Some(State::Held));
    }

    #[test]
    fn what_is_empty_takes_no_room() {
        let response = Response { status: 204, headers: vec![], body: String::new(), body_cut: false };
        assert_eq!(serde_json::to_string(&response).expect("serialises"), r#"{"status":204}"#);
    }
}

//! A webhook: a destination and its rules, ready to use. Made by `config` from its definition, checked when made.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::destination::Destination;
use crate::ids::{Digest, EventType, PluginName, WebhookId};
use crate::managed::definition::Definition;
use crate::pattern::EventPattern;
use crate::pointer::Pointer;
use crate::schemas::Compiled;
use crate::signing::{ExtraSignature, SigningSecret};
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;

/// A destination and its rules. Its `Debug` shows nothing that may hold a secret.
#[derive(PartialEq)]
pub struct Webhook {
    pub id: WebhookId,
    pub name: String,
    /// `http` or `https`, without user name, password or fragment.
    pub url: Arc<Destination>,
    /// The URL as people, logs and the API may see it: what may hold a secret is left out.
    pub shown_url: String,
    /// `POST`, `PUT` or `PATCH`.
    pub method: Method,
    /// What the file says; run state (410, pause) is kept by `dispatch`.
    pub enabled: bool,
    pub labels: BTreeMap<String, String>,
    pub events: Vec<EventPattern>,
    pub filter: Option<Filter>,
    /// The webhook's own headers; default headers are in the server's configuration.
    pub headers: Headers,
    pub plugins: Vec<PluginUse>,
    /// Spans connect, TLS, head and body of one attempt.
    pub timeout: Duration,
    /// Waits between attempts: empty means one attempt, *n* waits mean *n* + 1 attempts.
    pub retry_schedule: Vec<Duration>,
    /// A receiver that took nothing for this long has its webhook switched off. None: never.
    pub disable_after: Option<Duration>,
    /// Attempts under way at once.
    pub concurrency: NonZeroU32,
    pub rate_limit: Option<RateLimit>,
    /// None: each delivery goes out as soon as it can.
    pub order: Option<Order>,
    /// Never with `order`.
    pub debounce: Option<DebounceRule>,
    /// Each adds one signature; none: the webhook is sent unsigned.
    pub signing_secrets: Vec<SigningSecret>,
    /// Signatures in headers of other names, for receivers that come from another sender.
    pub extra_signatures: Vec<ExtraSignature>,
    pub origin: Origin,
}

/// Where a webhook's definition is.
#[derive(Clone, PartialEq)]
pub enum Origin {
    /// In files: what they say, without what may be a secret.
    File(Arc<Value>),
    /// In the store.
    Managed(Arc<Managed>),
}

/// A definition that is managed over the API.
#[derive(Clone, PartialEq)]
pub struct Managed {
    pub id: WebhookId,
    pub definition: Definition,
    /// Counts its changes.
    pub version: i64,
    pub created: Timestamp,
    pub changed: Timestamp,
    /// Which signing secrets go when, by their id.
    pub retiring: BTreeMap<String, Timestamp>,
}

/// Retries when a webhook writes none: Standard Webhooks' recommendation, ten attempts over three days.
pub const DEFAULT_RETRY_SCHEDULE: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// How long a receiver may take nothing when a webhook writes nothing about it.
pub const DEFAULT_DISABLE_AFTER: Duration = Duration::from_hours(5 * 24);

/// At most so many attempts begin in any span of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub count: NonZeroU32,
    pub per: Duration,
}

/// What belongs together: all events of a webhook, or those with the same value at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    Webhook,
    Value(Pointer),
}

impl Grouping {
    /// The group of an event; none if nothing that can name one stands at the place. Never empty.
    pub fn key(&self, body: &Value) -> Option<Arc<str>> {
        let value = match self {
            Self::Webhook => return Some("*".into()),
            Self::Value(pointer) => pointer.find(body)?,
        };
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        if text.len() > LONGEST_KEY_BYTES {
            return Some(format!("#{}", Digest::of(text.as_bytes())).into());
        }
        Some(format!("={text}").into())
    }
}

/// A longer value is known by its digest.
const LONGEST_KEY_BYTES: usize = 128;

/// In which order deliveries are sent: within each group one after the other, as their events were accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub by: Grouping,
    /// What those behind a delivery do that failed: they wait for it only if it is held instead.
    pub failed: Stuck,
    /// What those behind a held delivery do.
    pub held: Stuck,
}

/// What becomes of an order whose first delivery does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// Those behind it go on.
    Continue,
    /// Those behind it wait.
    Block,
}

/// Gathers the events of a group until none came for a while, and sends the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebounceRule {
    pub key: Grouping,
    /// Quiet time after the last event.
    pub window: Duration,
    /// After the first event.
    pub max_wait: Duration,
}

/// Header values in the order written; a name stands once, whatever its case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    /// Sets `name`, replacing a value it had.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(slot) => slot.1 = value,
            None => self.0.push((name, value)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

/// A plugin of a chain, with what the webhook says about it. Its `Debug` does not show the config.
#[derive(Clone, PartialEq)]
pub struct PluginUse {
    pub plugin: PluginName,
    /// JSON text, `{}` when none is written.
    pub config: Arc<str>,
    pub on_error: OnError,
    /// Runs beside this one, over the same events, and is compared with it: nothing of it is sent.
    pub shadow: Option<Shadow>,
}

/// A candidate for the place of a plugin in a chain.
#[derive(Clone, PartialEq)]
pub struct Shadow {
    pub plugin: PluginName,
    /// JSON text; that of the live plugin when none is written.
    pub config: Arc<str>,
}

/// What a failure returned by a plugin means. Never applies to a trap, a broken limit or an absent plugin: those hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    #[default]
    Hold,
    Fail,
    Drop,
    /// Go on without this plugin's changes.
    Skip,
}

impl OnError {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Which events of a matching type a webhook wants.
#[derive(Debug, PartialEq)]
pub enum Filter {
    /// Every pointer is present and equal to one of its values.
    Values(Vec<(Pointer, Vec<Value>)>),
    /// The body satisfies a JSON Schema.
    Schema(Compiled),
}

impl Filter {
    /// `None` when the body passes, else what stopped it, in words.
    pub fn objection(&self, body: &Value) -> Option<String> {
        match self {
            Self::Values(rules) => rules.iter().find_map(|(pointer, wanted)| {
                let wanted_text = || wanted.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
                match pointer.find(body) {
                    None => Some(format!("{pointer} is absent (wanted {})", wanted_text())),
                    Some(found) if wanted.contains(found) => None,
                    Some(found) => {
                        Some(format!("{pointer} is {} (wanted {})", crate::schemas::shortened(found), wanted_text()))
                    }
                }
            }),
            Self::Schema(schema) => {
                schema.violations(body).first().map(|first| format!("{}: {}", first.pointer, first.message))
            }
        }
    }
}

impl Webhook {
    /// Whether an event of this type and body is for this webhook, were it enabled.
    pub fn wants(&self, event_type: &EventType, body: &Value) -> bool {
        self.wants_type(event_type) && self.filter.as_ref().is_none_or(|filter| filter.objection(body).is_none())
    }

    /// Its definition as people may see it.
    pub fn shown(&self) -> Value {
        match &self.origin {
            Origin::File(written) => Value::clone(written),
            Origin::Managed(managed) => managed.definition.shown(),
        }
    }

    pub fn managed(&self) -> Option<&Arc<Managed>> {
        match &self.origin {
            Origin::File(_) => None,
            Origin::Managed(managed) => Some(managed),
        }
    }

    pub fn wants_type(&self, event_type: &EventType) -> bool {
        self.events.iter().any(|pattern| pattern.matches(event_type))
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self::File(Arc::default())
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, shown_url, enabled, events, plugins, .. } = self;
        f.debug_struct("Webhook")
            .field("id", id)
            .field("shown_url", shown_url)
            .field("enabled", enabled)
            .field("events", events)
            .field("plugins", plugins)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PluginUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, on_error, shadow, config: _ } = self;
        let shadow = shadow.as_ref().map(|shadow| &shadow.plugin);
        f.debug_struct("PluginUse")
            .field("plugin", plugin)
            .field("on_error", on_error)
            .field("shadow", &shadow)
            .finish_non_exhaustive()
    }
}

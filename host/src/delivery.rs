//! A delivery: its states, its attempts, and what the plugin chain made of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{DeliveryId, Digest, EventId, PluginName, WebhookId};
use crate::webhook::OnError;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// The receiver answered 410 Gone; a changed URL clears it.
    WebhookGone,
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

/// What the chain changed. All empty: the event goes out byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Changes {
    /// The rewritten payload. Stored beside the record, not in its JSON.
    #[serde(skip)]
    pub data: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Checked by the plugin room: valid names in lower case, valid values, none that the host owns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_headers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<(String, String)>,
}

/// What the chain as a whole decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum ChainVerdict {
    Deliver {
        changes: Changes,
    },
    Drop {
        plugin: PluginName,
        reason: String,
    },
    Hold {
        plugin: PluginName,
        reason: String,
    },
    Fail {
        plugin: PluginName,
        reason: String,
    },
    /// A retryable failure: run the chain again after this long.
    #[serde(rename_all = "camelCase")]
    Again {
        plugin: PluginName,
        reason: String,
        after_ms: u64,
    },
}

/// A run of the whole chain over one delivery: the decision and the evidence.
///
/// Written with every delivery, so what is empty, false or absent takes no room; the same below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainRecord {
    #[serde(flatten)]
    pub verdict: ChainVerdict,
    /// One per plugin that ran, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<PluginRun>,
    /// What a repetition needs beside the event; none: no plugin ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
}

/// What a chain was run with, apart from what each plugin was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// 1 for the first run over this delivery.
    pub run: u32,
    /// What the plugins' clock said.
    pub now: Timestamp,
    /// Tells other names and labels of the webhook from these.
    pub webhook: String,
}

impl ChainRecord {
    /// No plugins: deliver byte for byte.
    pub fn untouched() -> Self {
        Self { verdict: ChainVerdict::Deliver { changes: Changes::default() }, runs: Vec::new(), conditions: None }
    }

    /// The rewritten payload, if there is one.
    pub fn data(&self) -> Option<&Bytes> {
        match &self.verdict {
            ChainVerdict::Deliver { changes } => changes.data.as_ref(),
            _ => None,
        }
    }
}

/// Evidence of one plugin's run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginRun {
    pub plugin: PluginName,
    /// Absent when the plugin was not there to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// As the manifest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub verdict: RunVerdict,
    /// What was done, or the reason, in words: `delivered unchanged`, `rewrote payload (312 → 298 bytes)`,
    /// `dropped: …`, `failed: … [missing-field]`, `panicked: …`.
    pub summary: String,
    /// Of a failure that the plugin returned, if its author gave it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Where it broke off, innermost function first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogLine>,
    /// Log lines or bytes that were over the limit and are not in `logs`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub logs_cut: bool,
    pub fuel: u64,
    pub memory_bytes: u64,
    pub micros: u64,
    /// What it was run with; absent when it was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
}

/// How a plugin's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunVerdict {
    Delivered,
    Dropped,
    /// It returned a failure.
    Failed,
    /// It trapped, went over a limit or broke the contract.
    Broke,
    /// It was not there to run.
    Absent,
    /// It was not run any more, because it kept breaking.
    Stopped,
}

impl RunVerdict {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
            Self::Broke => "broke",
            Self::Absent => "absent",
            Self::Stopped => "stopped",
        }
    }
}

/// What a plugin was run with, apart from its version: enough to tell whether a repetition would be run with the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The limit, without what a payload adds to it.
    pub fuel: u64,
    /// The limit.
    pub memory_bytes: u64,
    #[serde(default, skip_serializing_if = "OnError::is_default")]
    pub on_error: OnError,
    /// Tells other configs from this one, which is not kept because it may hold secrets; none: `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A line a plugin logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// `trace`, `debug`, `info`, `warn`, `error`, `critical`.
    pub level: String,
    pub message: String,
}

/// One HTTP try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum AttemptResult {
    /// The receiver answered, whatever the status.
    Answered(Response),
    /// No whole answer came.
    Error { kind: SendErrorKind, message: String },
}

/// What came back, capped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

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
impl PluginRun {
    /// A run that delivered.
    pub(crate) fn example(plugin: &str) -> Self {
        Self {
            plugin: plugin.parse().expect("a name"),
            digest: None,
            version: None,
            verdict: RunVerdict::Delivered,
            summary: String::new(),
            code: None,
            backtrace: Vec::new(),
            logs: Vec::new(),
            logs_cut: false,
            fuel: 1,
            memory_bytes: 1,
            micros: 1,
            binding: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_and_states_read_back() {
        for text in ["webhook-disabled", "webhook-removed", "webhook-gone", "plugin:redact@1f0c66a2b7d4"] {
            assert_eq!(text.parse::<HeldCause>().expect(text).to_string(), text);
        }
        assert!("plugin:../x@1".parse::<HeldCause>().is_err());
        assert_eq!(State::from_name("held"), Some(State::Held));
    }

    #[test]
    fn a_chain_record_reads_back() {
        let record = ChainRecord {
            verdict: ChainVerdict::Again { plugin: "p".parse().expect("name"), reason: "busy".into(), after_ms: 5 },
            runs: vec![],
            conditions: Some(Conditions { run: 2, now: Timestamp::from_ms(5), webhook: "ba7816bf8f01".into() }),
        };
        let text = serde_json::to_string(&record).expect("serialises");
        assert_eq!(
            text,
            r#"{"verdict":"again","plugin":"p","reason":"busy","afterMs":5,"conditions":{"run":2,"now":"1970-01-01T00:00:00.005Z","webhook":"ba7816bf8f01"}}"#
        );
        assert_eq!(serde_json::from_str::<ChainRecord>(&text).expect("reads"), record);
    }

    #[test]
    fn what_is_empty_takes_no_room() {
        let run = PluginRun { summary: "delivered unchanged".into(), ..PluginRun::example("redact") };
        let text = serde_json::to_string(&run).expect("serialises");
        assert_eq!(
            text,
            r#"{"plugin":"redact","verdict":"delivered","summary":"delivered unchanged","fuel":1,"memoryBytes":1,"micros":1}"#
        );
        assert_eq!(serde_json::from_str::<PluginRun>(&text).expect("reads"), run);
        let untouched = ChainRecord::untouched();
        let text = serde_json::to_string(&untouched).expect("serialises");
        assert_eq!(text, r#"{"verdict":"deliver","changes":{}}"#);
        assert_eq!(serde_json::from_str::<ChainRecord>(&text).expect("reads"), untouched);
        let response = Response { status: 204, headers: vec![], body: String::new(), body_cut: false };
        assert_eq!(serde_json::to_string(&response).expect("serialises"), r#"{"status":204}"#);
    }
}

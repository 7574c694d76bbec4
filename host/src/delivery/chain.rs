//! What the plugin chain made of a delivery: the decision, and the evidence of each plugin's run.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;
use crate::clock::Timestamp;
use crate::ids::{Digest, PluginName};
use crate::webhook::OnError;

/// What the chain changed. All empty: the event goes out byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

impl ChainVerdict {
    /// `deliver`, `drop by redact: …`.
    pub fn in_words(&self) -> String {
        match self {
            Self::Deliver { .. } => "deliver".to_owned(),
            Self::Drop { plugin, reason } => format!("drop by {plugin}: {reason}"),
            Self::Hold { plugin, reason } => format!("hold by {plugin}: {reason}"),
            Self::Fail { plugin, reason } => format!("fail by {plugin}: {reason}"),
            Self::Again { plugin, reason, after_ms } => format!("again after {after_ms} ms by {plugin}: {reason}"),
        }
    }
}

/// A run of the whole chain over one delivery: the decision and the evidence.
///
/// Written with every delivery, so what is empty, false or absent takes no room; the same below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Of a drop or a failure, if its author gave it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Of a drop or a failure; those of a delivery are among its changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<(String, String)>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// A line a plugin logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// `trace`, `debug`, `info`, `warn`, `error`, `critical`.
    pub level: String,
    pub message: String,
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
            annotations: Vec::new(),
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
    }
}

//! What a repetition did otherwise than the record says. Time is not compared: it is the machine's. Pure.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::carries_credentials;
use crate::delivery::{ChainRecord, ChainVerdict, Changes, PluginRun};
use crate::ids::Digest;

/// Of a text, or of a payload around its first difference.
const SHOWN_CHARS: usize = 200;
/// Of a payload before its first difference.
const BEFORE_BYTES: usize = 20;

/// One thing that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// `verdict`, `payload`, `headers`, …, `fuel of plugin redact`.
    pub what: String,
    pub recorded: String,
    pub now: String,
}

pub(super) fn differences(recorded: &ChainRecord, now: &ChainRecord) -> Vec<Difference> {
    let mut found = Found::default();
    found.text("verdict", recorded.verdict.in_words(), now.verdict.in_words());
    found.payload(recorded.data(), now.data());
    let unchanged = Changes::default();
    let (then, today) = (changes(recorded, &unchanged), changes(now, &unchanged));
    found.text("content type", format!("{:?}", then.content_type), format!("{:?}", today.content_type));
    found.headers(then, today);
    found.text("annotations", format!("{:?}", then.annotations), format!("{:?}", today.annotations));
    found.text("plugins that ran", names(recorded), names(now));
    for (then, today) in recorded.runs.iter().zip(&now.runs).filter(|(then, today)| then.plugin == today.plugin) {
        found.run(then, today);
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn text(&mut self, what: impl Into<String>, recorded: impl AsRef<str>, now: impl AsRef<str>) {
        let (recorded, now) = (recorded.as_ref(), now.as_ref());
        if recorded != now {
            // What both begin with tells nothing, and may be all that could be shown.
            let same = recorded.chars().zip(now.chars()).take_while(|(one, other)| one == other).count();
            let skip = if same > SHOWN_CHARS / 2 { same - SHOWN_CHARS / 4 } else { 0 };
            self.0.push(Difference { what: what.into(), recorded: excerpt(recorded, skip), now: excerpt(now, skip) });
        }
    }

    fn payload(&mut self, recorded: Option<&Bytes>, now: Option<&Bytes>) {
        if recorded == now {
            return;
        }
        let bytes = |data: Option<&Bytes>| data.cloned().unwrap_or_default();
        let at = bytes(recorded).iter().zip(bytes(now).iter()).take_while(|(one, other)| one == other).count();
        let shown = |data: Option<&Bytes>| match data {
            None => "as it came in".to_owned(),
            Some(data) => {
                let around = data.get(at.saturating_sub(BEFORE_BYTES)..).unwrap_or_default();
                let around = String::from_utf8_lossy(around.get(..SHOWN_CHARS).unwrap_or(around));
                format!("{} bytes, SHA-256 {}; from byte {at}: …{around}", data.len(), Digest::of(data).short())
            }
        };
        self.0.push(Difference { what: "payload".to_owned(), recorded: shown(recorded), now: shown(now) });
    }

    /// Compared as they are, shown without what looks like a secret.
    fn headers(&mut self, recorded: &Changes, now: &Changes) {
        if (&recorded.set_headers, &recorded.remove_headers) != (&now.set_headers, &now.remove_headers) {
            let (recorded, now) = (excerpt(&headers(recorded), 0), excerpt(&headers(now), 0));
            self.0.push(Difference { what: "headers".to_owned(), recorded, now });
        }
    }

    fn run(&mut self, recorded: &PluginRun, now: &PluginRun) {
        let of = |what: &str| format!("{what} of plugin {}", now.plugin);
        self.text(of("outcome"), outcome(recorded), outcome(now));
        self.text(of("logs"), logs(recorded), logs(now));
        self.text(of("fuel"), recorded.fuel.to_string(), now.fuel.to_string());
        self.text(of("memory"), recorded.memory_bytes.to_string(), now.memory_bytes.to_string());
        self.text(of("backtrace"), recorded.backtrace.join(" ← "), now.backtrace.join(" ← "));
    }
}

fn changes<'a>(record: &'a ChainRecord, unchanged: &'a Changes) -> &'a Changes {
    match &record.verdict {
        ChainVerdict::Deliver { changes } => changes,
        _ => unchanged,
    }
}

fn headers(changes: &Changes) -> String {
    let set = changes.set_headers.iter().map(|(name, value)| {
        let shown = if carries_credentials(name, value) { "…" } else { value };
        format!("{name}: {shown}")
    });
    let removed = changes.remove_headers.iter().map(|name| format!("-{name}"));
    set.chain(removed).collect::<Vec<_>>().join(", ")
}

fn names(record: &ChainRecord) -> String {
    record.runs.iter().map(|run| run.plugin.as_str()).collect::<Vec<_>>().join(" → ")
}

fn outcome(run: &PluginRun) -> String {
    format!("{} ({})", run.summary, run.verdict.as_str())
}

fn logs(run: &PluginRun) -> String {
    let lines = run.logs.iter().map(|line| format!("{}: {}", line.level, line.message));
    let cut = run.logs_cut.then(|| "(more was cut)".to_owned());
    lines.chain(cut).collect::<Vec<_>>().join("\n")
}

fn excerpt(text: &str, skip: usize) -> String {
    let shown: String = text.chars().skip(skip).take(SHOWN_CHARS).collect();
    let (before, after) =
        (if skip > 0 { "…" } else { "" }, if text.chars().count() > skip + SHOWN_CHARS { "…" } else { "" });
    format!("{before}{shown}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::LogLine;

    fn record(data: &'static str, secret: &str) -> ChainRecord {
        let line = LogLine { level: "info".into(), message: "kept 3".into() };
        let changes = Changes {
            data: Some(Bytes::from_static(data.as_bytes())),
            set_headers: vec![("x-api-key".into(), secret.into())],
            ..Changes::default()
        };
        let runs = vec![PluginRun { logs: vec![line], ..PluginRun::example("redact") }];
        ChainRecord { verdict: ChainVerdict::Deliver { changes }, runs, conditions: None }
    }

    #[test]
    fn only_time_may_differ() {
        let (one, mut other) = (record("{}", "hunter2"), record("{}", "hunter2"));
        other.runs[0].micros = 99;
        assert_eq!(differences(&one, &other), []);
    }

    #[test]
    fn each_difference_is_shown_where_it_begins_and_without_secrets() {
        let one = record(r#"{"title":"Hello, world","n":1}"#, "hunter2");
        let mut other = record(r#"{"title":"Hello, World","n":1}"#, "hunter3");
        other.runs[0].fuel = 2;
        other.runs[0].logs[0].message = format!("kept 3{}", "é".repeat(5_000));
        let found = differences(&one, &other);
        assert_eq!(
            found.iter().map(|difference| difference.what.as_str()).collect::<Vec<_>>(),
            ["payload", "headers", "logs of plugin redact", "fuel of plugin redact"]
        );
        assert!(found[0].now.ends_with(r#"from byte 17: …{"title":"Hello, World","n":1}"#), "{}", found[0].now);
        let text = serde_json::to_string(&found).expect("serialises");
        assert!(!text.contains("hunter") && text.len() < 2_000, "{text}");
        let dropped = ChainVerdict::Drop { plugin: "redact".parse().expect("a name"), reason: "no".into() };
        let found = differences(&one, &ChainRecord { verdict: dropped, ..one.clone() });
        assert_eq!((found[0].recorded.as_str(), found[0].now.as_str()), ("deliver", "drop by redact: no"));
        assert_eq!(found[1].now, "as it came in");
    }
}

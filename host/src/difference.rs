//! What two outcomes of a chain over one event do differently, as its receiver would see it: verdict, payload, content
//! type, headers. Pure.
//!
//! Says nothing of time, fuel, logs and annotations: none of them is sent. Bounded, whatever the outcomes hold, and
//! without the values of headers that look like secrets.

mod payload;

use std::collections::BTreeMap;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use self::payload::PayloadDifference;
use crate::config::carries_credentials;
use crate::delivery::{ChainRecord, ChainVerdict, Changes, RunVerdict};
use crate::event::Event;

/// Of one text that is shown.
const SHOWN_CHARS: usize = 120;
/// Headers listed of one difference.
const MAX_HEADERS: usize = 20;

/// One outcome, as far as it is compared.
pub struct Outcome<'a> {
    /// In words.
    verdict: String,
    /// None: nothing would be sent.
    sent: Option<Sent<'a>>,
}

struct Sent<'a> {
    payload: &'a Bytes,
    content_type: &'a str,
    headers: Headers<'a>,
}

/// What plugins did with headers, by name.
type Headers<'a> = BTreeMap<&'a str, Done<'a>>;

#[derive(Clone, Copy, PartialEq)]
enum Done<'a> {
    SetTo(&'a str),
    Removed,
}

/// What differs. What does not is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<BeforeAfter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<PayloadDifference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<BeforeAfter>,
    /// The first of them, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<HeaderDifference>,
}

/// A difference as people read it, line by line.
pub enum Line {
    /// What those that follow are about.
    About(String),
    Before(String),
    After(String),
}

/// Both in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct BeforeAfter {
    before: String,
    after: String,
}

/// What is done with one header: `set to …`, `removed`, `untouched`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct HeaderDifference {
    name: String,
    #[serde(flatten)]
    done: BeforeAfter,
}

/// What a difference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    Verdict,
    Payload,
    /// The content type among them.
    Headers,
}

/// How many differences are about what; one may be about several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KindCounts {
    pub verdict: u64,
    pub payload: u64,
    pub headers: u64,
}

impl KindCounts {
    pub fn add(&mut self, difference: &Difference) {
        for kind in difference.kinds() {
            match kind {
                Kind::Verdict => self.verdict += 1,
                Kind::Payload => self.payload += 1,
                Kind::Headers => self.headers += 1,
            }
        }
    }
}

impl<'a> Outcome<'a> {
    /// Of a whole chain.
    pub fn of_chain(record: &'a ChainRecord, event: &'a Event) -> Self {
        Self::new(record.verdict.in_words(), record, event)
    }

    /// Of one step, whichever plugin it was run with: plugins are not named.
    pub fn of_step(record: &'a ChainRecord, event: &'a Event) -> Self {
        let words = match record.runs.last() {
            Some(run) if run.verdict != RunVerdict::Delivered => run.summary.clone(),
            _ => "deliver".to_owned(),
        };
        Self::new(words, record, event)
    }

    fn new(verdict: String, record: &'a ChainRecord, event: &'a Event) -> Self {
        let sent = match &record.verdict {
            ChainVerdict::Deliver { changes } => Some(Sent::of(changes, event)),
            _ => None,
        };
        Self { verdict, sent }
    }
}

impl<'a> Sent<'a> {
    fn of(changes: &'a Changes, event: &'a Event) -> Self {
        let set = changes.set_headers.iter().map(|(name, value)| (name.as_str(), Done::SetTo(value)));
        let removed = changes.remove_headers.iter().map(|name| (name.as_str(), Done::Removed));
        Self {
            payload: changes.data.as_ref().unwrap_or(&event.data),
            content_type: changes.content_type.as_deref().unwrap_or(&event.content_type),
            headers: set.chain(removed).collect(),
        }
    }
}

impl Difference {
    /// All of it, in lines.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut pair = |about: &str, pair: Option<&BeforeAfter>| {
            if let Some(BeforeAfter { before, after }) = pair {
                let about = Line::About(about.to_owned());
                lines.extend([about, Line::Before(before.clone()), Line::After(after.clone())]);
            }
        };
        pair("verdict", self.verdict.as_ref());
        pair("content type", self.content_type.as_ref());
        for HeaderDifference { name, done } in &self.headers {
            pair(&format!("header {name}"), Some(done));
        }
        if let Some(payload) = &self.payload {
            lines.extend(payload.lines());
        }
        lines
    }

    /// None: they are the same.
    pub fn between(before: &Outcome<'_>, after: &Outcome<'_>) -> Option<Self> {
        let mut found = Self { verdict: BeforeAfter::of(&before.verdict, &after.verdict), ..Self::default() };
        if let (Some(before), Some(after)) = (&before.sent, &after.sent) {
            found.payload = PayloadDifference::between(before.payload, after.payload);
            found.content_type = BeforeAfter::of(before.content_type, after.content_type);
            found.headers = headers(&before.headers, &after.headers);
        }
        (found != Self::default()).then_some(found)
    }

    /// One of what happens at all, in words.
    pub fn of_verdict(before: &str, after: &str) -> Self {
        Self { verdict: Some(BeforeAfter::shown(before, after)), ..Self::default() }
    }

    /// What it is about.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        let headers = self.content_type.is_some() || !self.headers.is_empty();
        let kinds = [
            (Kind::Verdict, self.verdict.is_some()),
            (Kind::Payload, self.payload.is_some()),
            (Kind::Headers, headers),
        ];
        kinds.into_iter().filter(|(_, differs)| *differs).map(|(kind, _)| kind)
    }
}

impl BeforeAfter {
    /// None: they are the same.
    fn of(before: &str, after: &str) -> Option<Self> {
        (before != after).then(|| Self::shown(before, after))
    }

    /// As much of two texts as shows where they part.
    fn shown(before: &str, after: &str) -> Self {
        // What both begin with tells nothing, and may be all that could be shown.
        let same = before.chars().zip(after.chars()).take_while(|(one, other)| one == other).count();
        let skip = if same > SHOWN_CHARS / 2 { same - SHOWN_CHARS / 4 } else { 0 };
        Self { before: excerpt(before, skip), after: excerpt(after, skip) }
    }
}

fn excerpt(text: &str, skip: usize) -> String {
    let mut rest = text.chars().skip(skip);
    let shown: String = rest.by_ref().take(SHOWN_CHARS).collect();
    let (before, after) = (if skip > 0 { "…" } else { "" }, if rest.next().is_some() { "…" } else { "" });
    format!("{before}{shown}{after}")
}

fn headers(before: &Headers<'_>, after: &Headers<'_>) -> Vec<HeaderDifference> {
    let added = after.keys().filter(|name| !before.contains_key(**name));
    let names = before.keys().chain(added).filter(|name| before.get(**name) != after.get(**name));
    let one = |name: &&str| {
        let side = |headers: &Headers<'_>| in_words(name, headers.get(*name).copied());
        let (before, after) = (side(before), side(after));
        HeaderDifference { name: excerpt(name, 0), done: BeforeAfter::shown(&before, &after) }
    };
    let mut found: Vec<_> = names.map(one).collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found.truncate(MAX_HEADERS);
    found
}

fn in_words(name: &str, header: Option<Done<'_>>) -> String {
    match header {
        None => "untouched".to_owned(),
        Some(Done::Removed) => "removed".to_owned(),
        Some(Done::SetTo(value)) if carries_credentials(name, value) => "set to …".to_owned(),
        Some(Done::SetTo(value)) => format!("set to {value}"),
    }
}

#[cfg(test)]
mod tests;

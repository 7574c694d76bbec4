//! An event in a few words, for people who read chats.

use hookwright_sdk::{Delivery, Value};

use crate::{cut, shown};

/// Members that mostly name the thing they belong to, best first. Nothing private is among them.
const NAMES: [&str; 12] = [
    "title",
    "name",
    "headline",
    "heading",
    "label",
    "subject",
    "displayName",
    "display_name",
    "fullName",
    "full_name",
    "question",
    "slug",
];

/// Nobody reads longer ones in a chat.
const MAX_NAME: usize = 300;

/// An event in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// `Article published`; the type itself where nothing better is known.
    pub what: String,
    /// What it is called, if it is called anything; not longer than a line or two.
    pub name: Option<String>,
    pub locale: Option<String>,
    pub tone: Tone,
}

/// Whether it is good news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Plain,
    Careful,
    Bad,
}

impl Summary {
    pub fn of(delivery: &Delivery, body: &Value) -> Self {
        let (kind, action) = delivery.event_type.split_once('.').unwrap_or((&delivery.event_type, ""));
        let model = model(body);
        let (what, tone) = match (kind, action) {
            ("entry", action) => match past(action) {
                Some((done, tone)) => (format!("{model} {done}"), tone),
                None => return Self::unknown(delivery, body),
            },
            ("media", "create") => ("File uploaded".into(), Tone::Good),
            ("media", action) => match past(action) {
                Some((done, tone)) => (format!("File {done}"), tone),
                None => return Self::unknown(delivery, body),
            },
            ("releases", "publish") if failed(body) => ("Release failed".into(), Tone::Bad),
            ("releases", "publish") => ("Release published".into(), Tone::Good),
            ("review-workflows", "updateEntryStage") => (stage(&model, body), Tone::Plain),
            ("trigger-test", "") => ("Test event".into(), Tone::Plain),
            _ => return Self::unknown(delivery, body),
        };
        let subject = subject(body);
        let name = subject.and_then(name).or_else(|| error(body));
        Self { what, name, locale: subject.and_then(|subject| text(subject, "locale")), tone }
    }

    fn unknown(delivery: &Delivery, body: &Value) -> Self {
        let subject = subject(body);
        Self {
            what: delivery.event_type.clone(),
            name: subject.and_then(name),
            locale: subject.and_then(|subject| text(subject, "locale")),
            tone: Tone::Plain,
        }
    }
}

fn past(action: &str) -> Option<(&'static str, Tone)> {
    Some(match action {
        "create" => ("created", Tone::Good),
        "update" => ("updated", Tone::Plain),
        "delete" => ("deleted", Tone::Bad),
        "publish" => ("published", Tone::Good),
        "unpublish" => ("unpublished", Tone::Careful),
        "draft-discard" => ("draft discarded", Tone::Careful),
        _ => return None,
    })
}

/// `blog-post` as `Blog post`.
fn model(body: &Value) -> String {
    let mut model = text(body, "model").unwrap_or_else(|| "entry".into()).replace(['-', '_'], " ");
    // Strapi's names are ASCII, and the tables for the rest would be larger than this plugin.
    if let Some(first) = model.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    model
}

fn stage(model: &str, body: &Value) -> String {
    match body.pointer("/workflow/stages/to/name").and_then(line) {
        Some(stage) => format!("{model} moved to {stage}"),
        None => format!("Review stage of {} changed", model.to_ascii_lowercase()),
    }
}

/// What the event is about.
fn subject(body: &Value) -> Option<&Value> {
    ["entry", "media", "release", "entity"]
        .into_iter()
        .find_map(|member| body.get(member).filter(|value| value.is_object()))
}

fn name(subject: &Value) -> Option<String> {
    let number = || subject.get("id").and_then(line).map(|id| format!("#{id}"));
    NAMES.into_iter().find_map(|member| text(subject, member)).or_else(|| text(subject, "documentId")).or_else(number)
}

/// A release that failed has an error instead of a release.
fn failed(body: &Value) -> bool {
    body.get("error").is_some_and(|error| !error.is_null())
}

fn error(body: &Value) -> Option<String> {
    body.pointer("/error/message").and_then(line)
}

fn text(value: &Value, member: &str) -> Option<String> {
    value.get(member).filter(|value| value.is_string()).and_then(line)
}

/// A value on one line.
fn line(value: &Value) -> Option<String> {
    let text = shown(value)?;
    Some(cut(&text, MAX_NAME).split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use hookwright_sdk::json;

    use super::*;

    #[test]
    fn every_kind_of_event_has_its_words() {
        for (event_type, body, what, name) in [
            (
                "entry.publish",
                json!({"model": "blog-post", "entry": {"title": "Zürich"}}),
                "Blog post published",
                Some("Zürich"),
            ),
            ("entry.delete", json!({"entry": {"id": 3, "title": " "}}), "Entry deleted", Some("#3")),
            ("entry.archive", json!({"entry": {"documentId": "x"}}), "entry.archive", Some("x")),
            ("media.create", json!({"media": {"name": "dot.png"}}), "File uploaded", Some("dot.png")),
            ("media.delete", json!({"media": null}), "File deleted", None),
            ("releases.publish", json!({"release": {"name": "Autumn"}}), "Release published", Some("Autumn")),
            ("releases.publish", json!({"error": {"message": "no"}}), "Release failed", Some("no")),
            (
                "review-workflows.updateEntryStage",
                json!({"model": "page", "entity": {"id": 2}, "workflow": {"stages": {"to": {"name": "Done"}}}}),
                "Page moved to Done",
                Some("#2"),
            ),
            ("trigger-test", json!({}), "Test event", None),
            ("order.paid", json!([1]), "order.paid", None),
        ] {
            let summary = Summary::of(&Delivery::example(event_type, json!({})), &body);
            assert_eq!((summary.what.as_str(), summary.name.as_deref()), (what, name), "{event_type} {body}");
        }
    }
}

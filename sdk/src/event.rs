//! The events of a CMS as types: what Strapi 3, 4 and 5 send, with little required and nothing lost.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Delivery, Failure, Result};

mod media;

pub use media::{MediaEvent, MediaFile};

/// An event about an entry: `entry.create`, `entry.publish`, … What [`Delivery::entry_event`] reads.
///
/// `T` is the entry as the plugin wants to see it: a type of its own with the fields that it needs, or [`Value`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EntryEvent<T = Value> {
    /// `entry.create`, …: the payload's word, else the delivery's event type.
    pub event: String,
    /// When the CMS sent it, as it wrote it: `createdAt`, in version 3 `created_at`.
    pub created_at: Option<String>,
    /// The content type's short name: `article`.
    pub model: Option<String>,
    /// The content type's full name, since version 4: `api::article.article`. Not on every event of version 4.
    pub uid: Option<String>,
    /// The entry's `id`. In version 5 it changes when the entry is published: [`document_id`](Self::document_id) stays.
    pub id: Option<Id>,
    /// The entry's `documentId`, since version 5.
    pub document_id: Option<String>,
    /// The entry's `locale`, where content is translated.
    pub locale: Option<String>,
    /// What the entry's `publishedAt` says.
    pub publication: Publication,
    /// `/entry`; `/entity` in events of the review workflow.
    pub entry: T,
    /// All other members of the payload.
    pub extra: Map<String, Value>,
}

/// Whether an entry is public.
/// ```
/// # use hookwright_sdk::{Delivery, Publication, Value, json};
/// let draft = Delivery::example("entry.update", json!({"entry": {"id": 1, "publishedAt": null}}));
/// assert_eq!(draft.entry_event::<Value>()?.publication, Publication::Draft);
/// # Ok::<(), hookwright_sdk::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// The content type knows no drafts: there is no `publishedAt`.
    Always,
    /// `publishedAt` is null.
    Draft,
    /// Since when, as the CMS wrote it.
    Since(String),
}

/// The `id` of an entry or a file: a number mostly, a text in some databases. Also for the fields of a plugin's own types.
/// ```
/// # use hookwright_sdk::{Id, json, serde_json};
/// let ids: Vec<Id> = serde_json::from_value(json!([7, "5f0c"]))?;
/// assert_eq!(ids, [Id::Number(7), Id::Text("5f0c".into())]);
/// assert_eq!(ids[0].to_string(), "7");
/// # Ok::<(), hookwright_sdk::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// As SQL databases have them.
    Number(u64),
    /// As MongoDB has them.
    Text(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Delivery {
    /// The payload as an event about an entry. `T` is the entry with the fields that the plugin needs.
    ///
    /// # Errors
    /// Permanent, when the payload is not JSON, has no object at `/entry`, or one that does not fit `T`.
    /// ```
    /// use hookwright_sdk::{Delivery, Publication, json, serde};
    ///
    /// #[derive(Debug, serde::Deserialize)]
    /// #[serde(crate = "hookwright_sdk::serde")]
    /// struct Article {
    ///     title: String,
    /// }
    ///
    /// let delivery = Delivery::example("entry.update", json!({
    ///     "event": "entry.update", "createdAt": "2026-11-23T20:41:15.549Z", "model": "article",
    ///     "entry": {"id": 7, "documentId": "o18y", "title": "Paris", "publishedAt": null},
    /// }));
    /// let event = delivery.entry_event::<Article>()?;
    /// assert_eq!(event.entry.title, "Paris");
    /// assert_eq!((event.id.unwrap().to_string(), event.publication), ("7".into(), Publication::Draft));
    ///
    /// let untitled = Delivery::example("entry.update", json!({"entry": {"id": 7}}));
    /// let failure = untitled.entry_event::<Article>().unwrap_err();
    /// assert_eq!(failure.message, "payload: /entry: missing field `title`");
    /// # Ok::<(), hookwright_sdk::Failure>(())
    /// ```
    pub fn entry_event<T: DeserializeOwned>(&self) -> Result<EntryEvent<T>> {
        let mut envelope = Envelope::read(self, &["entry", "entity"])?;
        let entry = envelope.subject;
        Ok(EntryEvent {
            event: envelope.event,
            created_at: envelope.created_at,
            model: take_text(&mut envelope.extra, "model"),
            uid: take_text(&mut envelope.extra, "uid"),
            id: entry.get("id").and_then(|id| Id::deserialize(id).ok()),
            document_id: text_at(entry, "documentId"),
            locale: text_at(entry, "locale"),
            publication: Publication::of(entry),
            entry: subject(envelope.name, entry)?,
            extra: envelope.extra,
        })
    }
}

impl Publication {
    fn of(entry: &Value) -> Self {
        match entry.get("publishedAt").or_else(|| entry.get("published_at")) {
            None => Self::Always,
            Some(Value::String(since)) => Self::Since(since.clone()),
            Some(Value::Null) => Self::Draft,
            Some(other) => Self::Since(other.to_string()),
        }
    }
}

/// What the events have in common.
struct Envelope<'d> {
    event: String,
    created_at: Option<String>,
    /// Where the subject stands.
    name: &'static str,
    subject: &'d Value,
    extra: Map<String, Value>,
}

impl<'d> Envelope<'d> {
    fn read(delivery: &'d Delivery, names: &'static [&'static str]) -> Result<Self> {
        let body = delivery.json()?;
        let found = names.iter().find_map(|name| Some((*name, body.get(name).filter(|subject| subject.is_object())?)));
        let (name, subject) =
            found.ok_or_else(|| Failure::permanent(format!("payload: there is no object at /{}", names[0])))?;
        let members = body.as_object().into_iter().flatten().filter(|(key, _)| *key != name);
        let mut extra: Map<_, _> = members.map(|(key, value)| (key.clone(), value.clone())).collect();
        let event = take_text(&mut extra, "event").unwrap_or_else(|| delivery.event_type.clone());
        let created_at = take_text(&mut extra, "createdAt").or_else(|| take_text(&mut extra, "created_at"));
        Ok(Self { event, created_at, name, subject, extra })
    }
}

/// The entry or file as the plugin wants to see it.
fn subject<T: DeserializeOwned>(name: &str, value: &Value) -> Result<T> {
    T::deserialize(value).map_err(|error| Failure::from(error).context(format_args!("payload: /{name}")))
}

/// Takes a member out, if it is a text.
fn take_text(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    let text = members.get(name)?.as_str()?.to_owned();
    members.shift_remove(name);
    Some(text)
}

fn text_at(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_kept_and_what_is_odd_does_not_hurt() {
        let body = json!({"event": 7, "model": "page", "entry": {"id": "5f0c", "published_at": "2020"}, "uid": null, "x": [1]});
        let event = Delivery::example("entry.create", body).entry_event::<Value>().unwrap();
        assert_eq!(
            (event.event.as_str(), event.model.as_deref(), event.created_at),
            ("entry.create", Some("page"), None)
        );
        assert_eq!((event.id, event.publication), (Some(Id::Text("5f0c".into())), Publication::Since("2020".into())));
        assert_eq!(event.extra, *json!({"event": 7, "uid": null, "x": [1]}).as_object().unwrap());
        let body = json!({"entity": {"id": -1.5, "locale": "fr"}});
        let event = Delivery::example("review-workflows.updateEntryStage", body).entry_event::<Value>().unwrap();
        assert_eq!((event.id, event.publication, event.locale.as_deref()), (None, Publication::Always, Some("fr")));
    }

    #[test]
    fn an_event_about_nothing_is_a_permanent_failure() {
        for body in [json!({}), json!({"entry": null}), json!({"entry": []}), json!([]), json!(1)] {
            let failure = Delivery::example("entry.create", body).entry_event::<Value>().unwrap_err();
            assert_eq!(failure, Failure::permanent("payload: there is no object at /entry"));
        }
    }
}

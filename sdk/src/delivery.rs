//! What a plugin is given: one event on its way to one webhook.

use std::cell::OnceCell;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Failure, Result};

mod example;

/// One event on its way to one webhook.
/// ```
/// use hookwright_sdk::{Delivery, Result, Verdict, json};
///
/// fn by_team(delivery: Delivery) -> Result<Verdict> {
///     Ok(match delivery.webhook.label("team") {
///         Some(team) => Verdict::deliver().header("X-Team", team),
///         None => Verdict::drop(format!("{} has no team", delivery.webhook.name)),
///     })
/// }
///
/// let mut delivery = Delivery::example("entry.create", json!({}));
/// assert_eq!(by_team(delivery.clone())?, Verdict::drop("Example has no team"));
/// delivery.webhook.labels.push(("team".into(), "web".into()));
/// assert_eq!(by_team(delivery)?, Verdict::deliver().header("X-Team", "web"));
/// # Ok::<(), hookwright_sdk::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// `evt_…`, the same for every webhook.
    pub event_id: String,
    /// `dlv_…`, this event for this webhook.
    pub delivery_id: String,
    /// `entry.create`, `media.update`, …
    pub event_type: String,
    /// Name of the source that posted the event.
    pub source: String,
    /// When the event was accepted, in milliseconds since 1970.
    pub received_ms: u64,
    /// 1 for the first run of the chain over this delivery; one more after each retryable failure, and after each
    /// time that the delivery was held for a plugin.
    pub run: u32,
    /// The webhook that it is for.
    pub webhook: Webhook,
    /// Context outside the payload, by lower-case name: `traceparent`, `tracestate`, and the attributes of a CloudEvent
    /// (`id`, `source`, `type`, `subject`, `time`, extensions), whose payload is its data.
    pub attributes: Vec<(String, String)>,
    /// Incoming headers; names in lower case; never credentials.
    pub headers: Vec<(String, String)>,
    /// Of the payload: `application/json`, mostly.
    pub content_type: String,
    pub(crate) data: Vec<u8>,
    pub(crate) config: String,
    /// `data` parsed, once somebody asked.
    pub(crate) json: OnceCell<Value>,
}

/// The webhook that a delivery is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Webhook {
    /// The name of its file, or what it was created as: `site-build`.
    pub id: String,
    /// For people: `Site build`.
    pub name: String,
    /// What it was labelled with, names and values.
    pub labels: Vec<(String, String)>,
}

impl Webhook {
    /// The value of the label of this name.
    /// ```
    /// # use hookwright_sdk::{Delivery, json};
    /// let mut delivery = Delivery::example("entry.create", json!({}));
    /// delivery.webhook.labels.push(("team".into(), "web".into()));
    /// assert_eq!(delivery.webhook.label("team"), Some("web"));
    /// ```
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Delivery {
    /// The payload, as it came in or as the previous plugin of the chain left it.
    /// ```
    /// # use hookwright_sdk::{Delivery, json};
    /// let delivery = Delivery::example("entry.create", json!({"model": "page"}));
    /// assert_eq!(delivery.data(), br#"{"model":"page"}"#);
    /// ```
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The payload as text.
    ///
    /// # Errors
    /// Permanent, when it is not UTF-8.
    /// ```
    /// # use hookwright_sdk::{Delivery, Value};
    /// let delivery = Delivery::example("note", Value::Null).with_data("plain text");
    /// assert_eq!(delivery.text()?, "plain text");
    /// # Ok::<(), hookwright_sdk::Failure>(())
    /// ```
    pub fn text(&self) -> Result<&str> {
        str::from_utf8(&self.data).map_err(unreadable)
    }

    /// The payload as JSON, parsed once.
    ///
    /// # Errors
    /// Permanent, when it is not JSON.
    /// ```
    /// # use hookwright_sdk::{Delivery, json};
    /// let delivery = Delivery::example("entry.create", json!({"model": "page"}));
    /// assert_eq!(delivery.json()?["model"], "page");
    /// let failure = delivery.with_data("nope").json().unwrap_err();
    /// assert_eq!(failure.message, "payload: expected ident at line 1 column 2");
    /// # Ok::<(), hookwright_sdk::Failure>(())
    /// ```
    pub fn json(&self) -> Result<&Value> {
        if self.json.get().is_none() {
            let value = self.text()?.parse().map_err(unreadable)?;
            return Ok(self.json.get_or_init(|| value));
        }
        Ok(self.json.get_or_init(Value::default))
    }

    /// The payload as JSON to edit, without a copy of what [`json`](Self::json) parsed.
    ///
    /// # Errors
    /// Permanent, when it is not JSON.
    /// ```
    /// # use hookwright_sdk::{Delivery, Result, Verdict, json};
    /// fn mark(delivery: Delivery) -> Result<Verdict> {
    ///     let mut body = delivery.into_json()?;
    ///     body["seen"] = json!(true);
    ///     Ok(Verdict::deliver().json(&body))
    /// }
    /// let verdict = mark(Delivery::example("entry.create", json!({"model": "page"})))?;
    /// assert_eq!(verdict, Verdict::deliver().data(r#"{"model":"page","seen":true}"#));
    /// # Ok::<(), hookwright_sdk::Failure>(())
    /// ```
    pub fn into_json(self) -> Result<Value> {
        self.json()?;
        Ok(self.json.into_inner().unwrap_or_default())
    }

    /// The payload as a type of the plugin's own.
    ///
    /// # Errors
    /// Permanent, when it is not JSON, or JSON of another shape.
    /// ```
    /// # use hookwright_sdk::{Delivery, json};
    /// let delivery = Delivery::example("numbers", json!([1, 2]));
    /// assert_eq!(delivery.parse::<Vec<u8>>()?, [1, 2]);
    /// # Ok::<(), hookwright_sdk::Failure>(())
    /// ```
    ///
    /// For the events of a CMS see [`entry_event`](Self::entry_event) and [`media_event`](Self::media_event).
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.text()?).map_err(unreadable)
    }

    /// What stands at a JSON Pointer of the payload, if anything does.
    ///
    /// # Errors
    /// Permanent, when the payload is not JSON.
    /// ```
    /// # use hookwright_sdk::{Delivery, json};
    /// let delivery = Delivery::example("entry.create", json!({"entry": {"tags": ["new"]}}));
    /// assert_eq!(delivery.pointer("/entry/tags/0")?, Some(&json!("new")));
    /// # Ok::<(), hookwright_sdk::Failure>(())
    /// ```
    pub fn pointer(&self, pointer: impl AsRef<str>) -> Result<Option<&Value>> {
        Ok(self.json()?.pointer(pointer.as_ref()))
    }

    /// The entry that the event is about: `/entry`, unless absent or null.
    ///
    /// # Errors
    /// Permanent, when the payload is not JSON.
    /// ```
    /// # use hookwright_sdk::{Delivery, json};
    /// let delivery = Delivery::example("entry.create", json!({"entry": {"id": 7}}));
    /// assert_eq!(delivery.entry()?, Some(&json!({"id": 7})));
    /// # Ok::<(), hookwright_sdk::Failure>(())
    /// ```
    pub fn entry(&self) -> Result<Option<&Value>> {
        Ok(self.json()?.get("entry").filter(|entry| !entry.is_null()))
    }

    /// The first incoming header of this name, in any case.
    /// ```
    /// # use hookwright_sdk::{Delivery, json};
    /// let delivery = Delivery::example("entry.create", json!({})).with_header("X-Strapi-Event", "entry.create");
    /// assert_eq!(delivery.header("x-strapi-event"), Some("entry.create"));
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The context attribute of this name, `traceparent` for instance.
    /// ```
    /// # use hookwright_sdk::{Delivery, json};
    /// let delivery = Delivery::example("entry.create", json!({})).with_attribute("traceparent", "00-1-2-01");
    /// assert_eq!(delivery.attribute("traceparent"), Some("00-1-2-01"));
    /// ```
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the event is of this type: `entry.publish`, or `entry.*` for all of a kind.
    /// ```
    /// # use hookwright_sdk::{Delivery, json};
    /// let delivery = Delivery::example("entry.publish", json!({}));
    /// assert!(delivery.is("entry.publish") && delivery.is("entry.*") && !delivery.is("entry"));
    /// ```
    pub fn is(&self, event_type: &str) -> bool {
        match event_type.strip_suffix('*') {
            Some(start) => self.event_type.starts_with(start),
            None => self.event_type == event_type,
        }
    }

    /// What the webhook writes for this plugin. A function with two arguments gets it by itself.
    ///
    /// # Errors
    /// Permanent, when it does not fit `T`.
    /// ```
    /// # use hookwright_sdk::{Delivery, config, json};
    /// #[config]
    /// struct Config {
    ///     keep: u8,
    /// }
    /// let delivery = Delivery::example("entry.create", json!({})).with_config(json!({"keep": 3}));
    /// assert_eq!(delivery.config::<Config>()?.keep, 3);
    /// # Ok::<(), hookwright_sdk::Failure>(())
    /// ```
    pub fn config<T: DeserializeOwned>(&self) -> Result<T> {
        // Not read into `T` at once: that would put a second parser into the plugin.
        self.config
            .parse::<Value>()
            .and_then(T::deserialize)
            .map_err(|error| Failure::from(error).context(format_args!("plugin config of webhook {}", self.webhook.id)))
    }
}

fn unreadable(error: impl std::error::Error) -> Failure {
    Failure::from(error).context("payload")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn helpers_find_what_is_there() {
        let delivery =
            Delivery::example("entry.create", json!({"entry": {"id": 7}})).with_header("X-Strapi-Event", "e");
        let delivery = delivery.with_attribute("traceparent", "00-1-2-3").with_run(2);
        assert_eq!((delivery.attribute("traceparent"), delivery.run), (Some("00-1-2-3"), 2));
        assert_eq!(delivery.entry(), Ok(Some(&json!({"id": 7}))));
        assert_eq!(delivery.pointer("/entry/id"), Ok(Some(&json!(7))));
        assert_eq!(delivery.pointer("/entry/none"), Ok(None));
        assert_eq!(delivery.header("x-strapi-EVENT"), Some("e"));
        assert!(delivery.is("entry.create") && delivery.is("entry.*") && delivery.is("*"));
        assert!(!delivery.is("entry") && !delivery.is("media.*"));
        assert_eq!(delivery.into_json(), Ok(json!({"entry": {"id": 7}})));
    }

    #[test]
    fn a_payload_that_is_not_json_is_a_permanent_failure() {
        let delivery = Delivery::example("entry.create", json!({})).with_data("nope");
        let failure = delivery.json().unwrap_err();
        assert_eq!(failure, Failure::permanent("payload: expected ident at line 1 column 2"));
        let failure = delivery.with_data([b'"', 0xff]).json().unwrap_err();
        assert_eq!(failure.message, "payload: invalid utf-8 sequence of 1 bytes from index 1");
    }

    #[test]
    fn config_errors_name_the_webhook_and_the_reason() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Config {
            limit: u8,
        }
        let delivery = Delivery::example("entry.create", json!({})).with_config(json!({"limit": 3}));
        assert_eq!(delivery.config(), Ok(Config { limit: 3 }));
        let failure = delivery.with_config(json!({"limit": 300})).config::<Config>().unwrap_err();
        assert_eq!(
            failure,
            Failure::permanent("plugin config of webhook example: invalid value: integer `300`, expected u8")
        );
    }
}

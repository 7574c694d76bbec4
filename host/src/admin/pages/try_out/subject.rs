//! Which event is tried: a sample, one that was accepted once, or what was written.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::sent::Sent;
use crate::admin::AdminState;
use crate::admin::trials::{TestBody, USUAL_SAMPLE};
use crate::event::Event;
use crate::http::problem::{Kind, Problem};
use crate::ids::{EventId, EventType};
use crate::revision::Revision;
use crate::webhook::Webhook;

/// Larger ones are not changed in a form.
const MOST_EDITED_BYTES: usize = 256 << 10;

/// The event as the form carries it.
pub(super) struct Subject {
    /// The id of the past event that was taken, as it was written; empty: none.
    pub(super) event: String,
    pub(super) event_type: String,
    /// None: it is tried as it is.
    pub(super) text: Option<String>,
}

/// What is wrong with a field; with an empty name, with all.
pub(super) struct Wrong {
    pub(super) field: &'static str,
    pub(super) message: String,
}

/// What was picked, or what there is to begin with.
pub(super) async fn picked(
    admin: &AdminState,
    revision: &Revision,
    webhook: &Webhook,
    picked: &BTreeMap<String, String>,
) -> Result<(Subject, Vec<Wrong>), Problem> {
    let filled = |name: &str| picked.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    if let Some(id) = filled("id").or_else(|| filled("event")) {
        let message = match id.parse::<EventId>() {
            Ok(id) => match admin.administration.event(id).await? {
                Some(event) => return Ok((Subject::of(&event), Vec::new())),
                None => format!("There is no event {id}."),
            },
            Err(error) => format!("{error}."),
        };
        return Ok((Subject::sample(revision, webhook, None), vec![Wrong { field: "id", message }]));
    }
    Ok((Subject::sample(revision, webhook, filled("sample")), Vec::new()))
}

/// Why nothing was tried.
pub(super) enum Refused {
    /// It stands beside a field.
    Field(Wrong),
    All(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let field = match problem.kind() {
            Kind::Unfit => "type",
            Kind::NotAnEvent | Kind::UnknownEvent => "data",
            Kind::TooManyRuns => "",
            _ => return Self::All(problem),
        };
        Self::Field(Wrong { field, message: problem.detail().to_owned() })
    }
}

impl Subject {
    fn of(event: &Event) -> Self {
        Self { event: event.id.to_string(), event_type: event.event_type.to_string(), text: editable(event) }
    }

    /// The one that was asked for, or the first that the webhook would want.
    fn sample(revision: &Revision, webhook: &Webhook, wanted: Option<&str>) -> Self {
        let schemas = &revision.schemas;
        let is_wanted = |name: &&str| name.parse().is_ok_and(|event_type: EventType| webhook.wants_type(&event_type));
        let mut all = schemas.event_types().filter(|name| schemas.example(name).is_some());
        let name = wanted.or_else(|| all.find(is_wanted)).unwrap_or(USUAL_SAMPLE);
        let text = schemas.example(name).map(|example| format!("{example:#}")).unwrap_or_default();
        Self { event: String::new(), event_type: name.to_owned(), text: Some(text) }
    }

    pub(super) fn sent(sent: &Sent) -> Self {
        Self {
            event: sent.text("event").trim().to_owned(),
            event_type: sent.text("type").trim().to_owned(),
            text: sent.get("data").map(str::to_owned),
        }
    }

    pub(super) fn is_sample(&self, name: &str) -> bool {
        self.event.is_empty() && self.event_type == name
    }

    /// As the API takes it. A past event that was not changed is tried with all that came with it.
    pub(super) async fn asked(&self, admin: &AdminState, revision: &Revision, send: bool) -> Result<TestBody, Refused> {
        let wrong = |field, message: String| Err(Refused::Field(Wrong { field, message }));
        let event = match self.event.parse::<EventId>() {
            Ok(id) => admin.administration.event(id).await.map_err(Problem::from)?,
            Err(_) => None,
        };
        let asked = TestBody { send: Some(send), ..TestBody::default() };
        if let Some(event) = event.filter(|event| self.is_unchanged(event)) {
            return Ok(TestBody { event: Some(event.id), ..asked });
        }
        let Some(text) = &self.text else {
            return wrong("", "This event is gone. Pick another.".to_owned());
        };
        let most = revision.server.limits.max_body_bytes;
        if text.len() > most {
            return wrong("data", format!("The body has {} bytes; at most {most} are taken.", text.len()));
        }
        let data: Value = match serde_json::from_str(text) {
            Ok(data) => data,
            Err(error) => return wrong("data", format!("The body is not JSON: {error}.")),
        };
        let event_type = match self.event_type.as_str() {
            "" => None,
            name => match name.parse::<EventType>() {
                Ok(event_type) => Some(event_type),
                Err(error) => return wrong("type", format!("{error}.")),
            },
        };
        Ok(TestBody { data: Some(data), event_type, ..asked })
    }

    fn is_unchanged(&self, event: &Event) -> bool {
        let of_event = Self::of(event);
        self.text.is_none() || (self.text == of_event.text && self.event_type == of_event.event_type)
    }
}

/// Its body as it stands in the form; none: it cannot stand there and come back the same.
fn editable(event: &Event) -> Option<String> {
    let text = std::str::from_utf8(&event.data).ok().filter(|text| text.len() <= MOST_EDITED_BYTES)?;
    let value: Value = serde_json::from_str(text).ok()?;
    Some(format!("{value:#}"))
}

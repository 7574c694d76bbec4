//! Which events are listed: the filters, as they stand in the address and in the form.

use http::Uri;
use maud::{Markup, html};

use super::super::parts::inert;
use crate::clock::Timestamp;
use crate::ids::{EventId, SourceName};
use crate::pattern::EventPattern;
use crate::store::EventFilter;

const FIELDS: [&str; 4] = ["type", "source", "since", "until"];

/// What the address says, as it was written.
pub(super) struct Wanted {
    said: Vec<(String, String)>,
}

/// What is wrong, by field.
type Wrong = Vec<(&'static str, String)>;

impl Wanted {
    pub(super) fn of(uri: &Uri) -> Self {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
        Self { said: pairs.filter(|(_, value)| !value.trim().is_empty()).collect() }
    }

    pub(super) fn is_anything(&self) -> bool {
        FIELDS.iter().any(|field| self.get(field).is_some())
    }

    pub(super) fn filter(&self) -> (EventFilter, Option<EventId>, Wrong) {
        let mut wrong = Wrong::new();
        let mut keep = |field, error: String| wrong.push((field, format!("{error}.")));
        let event_type = self
            .get("type")
            .and_then(|text| text.parse::<EventPattern>().map_err(|error| keep("type", error.to_string())).ok());
        let source = self
            .get("source")
            .and_then(|text| text.parse::<SourceName>().map_err(|error| keep("source", error.to_string())).ok());
        let mut at = |field| {
            let text = self.get(field)?;
            let read = moment(text);
            if read.is_none() {
                keep(field, "expected a date and a time in UTC, such as 2026-11-29T08:30".to_owned());
            }
            read
        };
        let (since, until) = (at("since"), at("until"));
        let before = self.get("before").and_then(|id| id.parse().ok());
        (EventFilter { event_type, source, since, until }, before, wrong)
    }

    /// The same filters, from `before` on.
    pub(super) fn query(&self, before: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for field in FIELDS {
            if let Some(value) = self.get(field) {
                query.append_pair(field, value);
            }
        }
        if let Some(before) = before {
            query.append_pair("before", before);
        }
        query.finish()
    }

    pub(super) fn form(&self, sources: &[SourceName], wrong: &Wrong) -> Markup {
        let text = |field: &str| self.get(field).unwrap_or_default();
        let said = |field: &str| wrong.iter().find(|(name, _)| *name == field).map(|(_, error)| error.as_str());
        let invalid = |field: &str| said(field).map(|_| "true");
        html! {
            form.filters method="get" action="/events" {
                div {
                    label for="type" { "Type" }
                    input #type name="type" value=(text("type")) placeholder="entry.*" spellcheck="false" autocomplete="off"
                        aria-invalid=[invalid("type")] aria-describedby=[said("type").map(|_| "wrong")];
                }
                div {
                    label for="source" { "Source" }
                    select #source name="source" {
                        option value="" { "all" }
                        @for source in sources {
                            option value=(source) selected[text("source") == source.as_str()] { (source) }
                        }
                        @if self.get("source").is_some() && sources.iter().all(|source| source.as_str() != text("source")) {
                            option value=(text("source")) selected { (inert(text("source"))) }
                        }
                    }
                }
                @for (field, label) in [("since", "Since (UTC)"), ("until", "Until (UTC)")] {
                    div {
                        label for=(field) { (label) }
                        input id=(field) type="datetime-local" step="1" name=(field) value=[self.get(field).filter(|text| moment(text).is_some()).map(|text| text.trim_end_matches('Z'))]
                            aria-invalid=[invalid(field)] aria-describedby=[said(field).map(|_| "wrong")];
                    }
                }
                button type="submit" { "Show" }
                @if self.is_anything() { a href="/events" { "All" } }
            }
            @if !wrong.is_empty() {
                div.told.bad role="alert" id="wrong" {
                    @for (field, error) in wrong { p { (field) ": " (inert(error)) } }
                }
            }
        }
    }

    fn get(&self, field: &str) -> Option<&str> {
        self.said.iter().find(|(name, _)| name == field).map(|(_, value)| value.trim())
    }
}

/// As browsers write it (in UTC here), or whole.
fn moment(text: &str) -> Option<Timestamp> {
    [text.to_owned(), format!("{text}Z"), format!("{text}:00Z")].iter().find_map(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(uri: &str) -> Wanted {
        Wanted::of(&uri.parse().expect("a uri"))
    }

    #[test]
    fn times_are_taken_as_browsers_write_them() {
        let exact = moment("2026-11-29T08:30:00Z");
        assert!(exact.is_some());
        assert_eq!(moment("2026-11-29T08:30"), exact);
        assert_eq!(moment("2026-11-29T08:30:00"), exact);
        assert_eq!(moment("yesterday"), None);
    }

    #[test]
    fn what_is_wrong_is_said_and_what_was_said_goes_on() {
        let (_, before, wrong) = wanted("/events?type=&since=x&source=cms&before=evt_x").filter();
        assert!(before.is_none());
        assert_eq!(wrong.iter().map(|(field, _)| *field).collect::<Vec<_>>(), ["since"]);
        let all = wanted("/events?type=entry.*&source=&page=9");
        assert_eq!(all.query(Some("evt_1")), "type=entry.*&before=evt_1");
        assert!(all.is_anything() && !wanted("/events?before=x").is_anything());
    }
}

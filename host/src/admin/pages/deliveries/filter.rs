//! Which deliveries a page shows: read out of its address, written back into links and the form. What is wrong is told beside
//! its field; it is no error of the page.

use std::fmt::Display;
use std::str::FromStr;

use http::Uri;
use maud::{Markup, html};
use url::form_urlencoded::{Serializer, parse};

use crate::admin::AdminState;
use crate::admin::deliveries::NONE_IS_SUPERSEDED;
use crate::delivery::State;
use crate::ids::{DeliveryId, WebhookId};
use crate::store::DeliveryFilter;
use crate::when::When;

/// Fields, as the API names them.
const FIELDS: [&str; 5] = ["webhook", "state", "eventType", "since", "until"];

/// States a delivery can be in.
const STATES: [State; 6] =
    [State::Pending, State::Retrying, State::Held, State::Delivered, State::Dropped, State::Failed];

/// What an address asks for.
pub(in crate::admin::pages) struct Asked {
    /// As it was typed.
    typed: [String; 5],
    wrong: [Option<String>; 5],
    filter: DeliveryFilter,
    before: Option<DeliveryId>,
}

impl Asked {
    pub(in crate::admin::pages) fn of(uri: &Uri) -> Self {
        let pairs: Vec<_> = parse(uri.query().unwrap_or_default().as_bytes()).collect();
        let text = |name: &str| pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim());
        let typed = FIELDS.map(|name| text(name).to_owned());
        let mut wrong = [const { None }; 5];
        let [webhook, state, event_type, since, until] = &typed;
        let filter = DeliveryFilter {
            webhook: read(webhook, &mut wrong[0]),
            state: read(state, &mut wrong[1]).map(|Known(state)| state),
            event_type: read(event_type, &mut wrong[2]),
            since: read(since, &mut wrong[3]).map(|When(time)| time),
            until: read(until, &mut wrong[4]).map(|When(time)| time),
        };
        // Written by links of ours only: what is no id is the newest.
        Self { before: text("before").parse().ok(), filter, wrong, typed }
    }

    /// None: something is wrong.
    pub(in crate::admin::pages) fn filter(&self) -> Option<&DeliveryFilter> {
        self.wrong.iter().all(Option::is_none).then_some(&self.filter)
    }

    pub(in crate::admin::pages) fn before(&self) -> Option<DeliveryId> {
        self.before
    }

    /// As it was typed.
    pub(in crate::admin::pages) fn webhook(&self) -> &str {
        &self.typed[0]
    }

    pub(in crate::admin::pages) fn wrong_webhook(&self) -> Option<&str> {
        self.wrong[0].as_deref()
    }

    /// Nothing is left out.
    pub(super) fn is_all(&self) -> bool {
        self.typed.iter().all(String::is_empty) && self.before.is_none()
    }

    /// What `/live` is to tell of.
    pub(in crate::admin::pages) fn about(&self) -> String {
        self.filter.webhook.as_ref().map(|webhook| format!("webhook={webhook}")).unwrap_or_default()
    }

    /// The same filter, from `before` on.
    pub(in crate::admin::pages) fn address(&self, path: &str, before: Option<DeliveryId>) -> String {
        let mut query = Serializer::new(String::new());
        for (name, typed) in FIELDS.iter().zip(&self.typed).filter(|(_, typed)| !typed.is_empty()) {
            query.append_pair(name, typed);
        }
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    pub(super) fn form(&self, admin: &AdminState, path: &str) -> Markup {
        let [webhook, state, event_type, since, until] = &self.typed;
        let [of_webhook, of_state, of_type, of_since, of_until] =
            [0, 1, 2, 3, 4].map(|index: usize| self.wrong[index].as_deref());
        html! {
            form.filters method="get" action=(path) role="search" aria-label="Filter" {
                div { (webhooks_field(admin, webhook, of_webhook, "Any webhook", true)) }
                div {
                    label for="state" { "State" }
                    select #state name="state" data-submit aria-invalid=[invalid(of_state)] aria-describedby=[error_of("state", of_state)] {
                        option value="" { "Any state" }
                        @for known in STATES {
                            option value=(known) selected[known.as_str() == state] { (known) }
                        }
                        @if of_state.is_some() { option value=(state) selected { (state) } }
                    }
                    (error("state", of_state))
                }
                (text("eventType", "Event type", event_type, "entry.*", of_type))
                (text("since", "Since", since, "2h, 03:00, 2026-11-23", of_since))
                (text("until", "Until", until, "2h, 03:00, 2026-11-23", of_until))
                div.actions {
                    button type="submit" { "Show" }
                    @if !self.is_all() { a.button href=(path) { "Show all" } }
                }
            }
        }
    }
}

/// The choice of a webhook: those in force, and the one that is chosen, should it be gone. A filter is sent once one is
/// chosen.
pub(in crate::admin::pages) fn webhooks_field(
    admin: &AdminState,
    chosen: &str,
    wrong: Option<&str>,
    none: &str,
    is_filter: bool,
) -> Markup {
    let revision = admin.live.load();
    let is_known = chosen.parse::<WebhookId>().is_ok_and(|id| revision.webhooks.contains_key(&id));
    html! {
        label for="webhook" { "Webhook" }
        select #webhook name="webhook" data-submit[is_filter] aria-invalid=[invalid(wrong)] aria-describedby=[error_of("webhook", wrong)] {
            option value="" { (none) }
            @for (id, webhook) in &revision.webhooks {
                option value=(id) selected[id.as_str() == chosen] {
                    (webhook.name)
                    @if webhook.name != id.as_str() { " (" (id) ")" }
                }
            }
            @if !is_known && !chosen.is_empty() { option value=(chosen) selected { (chosen) " (gone)" } }
        }
        (error("webhook", wrong))
    }
}

fn text(name: &str, label: &str, typed: &str, such_as: &str, wrong: Option<&str>) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            input id=(name) name=(name) value=(typed) placeholder=(such_as) size="16" spellcheck="false" autocapitalize="off"
                aria-invalid=[invalid(wrong)] aria-describedby=[error_of(name, wrong)];
            (error(name, wrong))
        }
    }
}

fn invalid(wrong: Option<&str>) -> Option<&'static str> {
    wrong.is_some().then_some("true")
}

fn error_of(name: &str, wrong: Option<&str>) -> Option<String> {
    wrong.is_some().then(|| format!("{name}-error"))
}

fn error(name: &str, wrong: Option<&str>) -> Markup {
    html! { @if let Some(wrong) = wrong { p.error id={ (name) "-error" } { (wrong) } } }
}

/// Nothing typed asks for nothing.
fn read<T: FromStr<Err: Display>>(typed: &str, wrong: &mut Option<String>) -> Option<T> {
    if typed.is_empty() {
        return None;
    }
    match typed.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            *wrong = Some(sentence(&error));
            None
        }
    }
}

/// An error as it stands beside a field.
pub(in crate::admin::pages) fn sentence(error: &impl Display) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", chars.as_str())
}

/// A state that a delivery can be in.
struct Known(State);

impl FromStr for Known {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match State::from_name(text) {
            Some(State::Superseded) => Err(NONE_IS_SUPERSEDED.trim_end_matches('.')),
            Some(state) => Ok(Self(state)),
            None => Err("There is no such state"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked::of(&format!("/deliveries?{query}").parse().expect("an address"))
    }

    #[test]
    fn an_address_is_read_and_written_back() {
        let before = DeliveryId::from_bytes([1; 16]);
        let asked = asked(&format!("webhook=site&state=failed&eventType=entry.*&since=2h&until=&x=1&before={before}"));
        let filter = asked.filter().expect("all is right");
        assert_eq!(filter.webhook.as_ref().map(WebhookId::as_str), Some("site"));
        assert_eq!((filter.state, filter.since.is_some(), filter.until), (Some(State::Failed), true, None));
        assert_eq!(asked.before(), Some(before));
        assert_eq!(asked.address("/x", None), "/x?webhook=site&state=failed&eventType=entry.*&since=2h");
        assert_eq!(self::asked("").address("/x", None), "/x");
    }

    #[test]
    fn what_is_wrong_is_told_of_its_field() {
        for (query, field) in [
            ("webhook=../x", 0),
            ("state=superseded", 1),
            ("state=lost", 1),
            ("eventType=a%20b", 2),
            ("since=yesterday", 3),
            ("until=25:00", 4),
        ] {
            let asked = asked(query);
            assert!(asked.filter().is_none(), "{query}");
            let wrong: Vec<_> = (0..5).filter(|index| asked.wrong[*index].is_some()).collect();
            assert_eq!(wrong, [field], "{query}");
        }
    }
}

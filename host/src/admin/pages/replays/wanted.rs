//! Which deliveries are to be replayed: read out of a form or an address, with what is wrong beside its field.

use std::fmt::Display;
use std::str::FromStr;

use http::Uri;
use maud::{Markup, html};
use url::form_urlencoded::{Serializer, parse};

use crate::admin::pages::deliveries::sentence;
use crate::admin::pages::sent::Sent;
use crate::delivery::State;
use crate::replay::{Mode, Wanted};
use crate::when::When;

/// States whose deliveries can be replayed.
pub(super) const STATES: [State; 4] = [State::Failed, State::Delivered, State::Dropped, State::Held];

/// As it was typed.
#[derive(Default)]
pub(super) struct Draft {
    typed: Vec<(String, String)>,
    wrong: Vec<(&'static str, String)>,
    wanted: Option<Wanted>,
}

impl Draft {
    /// To begin with: nothing is wrong yet.
    pub(super) fn of_address(uri: &Uri) -> Self {
        let mut typed: Vec<_> = parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        if !typed.iter().any(|(name, _)| name == "mode") {
            typed.push(("mode".to_owned(), "recorded".to_owned()));
        }
        Self { typed, ..Self::default() }
    }

    pub(super) fn of_form(sent: &Sent) -> Self {
        let typed = sent.fields().map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        let mut draft = Self { typed, ..Self::default() };
        draft.wanted = draft.read();
        draft
    }

    fn read(&mut self) -> Option<Wanted> {
        let webhook = self.field("webhook");
        if self.text("webhook").is_empty() {
            self.wrong.push(("webhook", "Choose one.".to_owned()));
        }
        let state = State::from_name(self.text("state")).unwrap_or(State::Failed);
        let mode = if self.text("mode") == "today" { Mode::Today } else { Mode::Recorded };
        let again = self.is_set("again");
        let event_type = self.field("eventType");
        let since = self.field("since").map(|When(time)| time);
        let until = self.field("until").map(|When(time)| time);
        let webhook = webhook.filter(|_| self.wrong.is_empty())?;
        Some(Wanted { webhook, state, since, until, event_type, mode, again })
    }

    fn field<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        let text = self.text(name);
        if text.is_empty() {
            return None;
        }
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong.push((name, sentence(&error)));
                None
            }
        }
    }

    /// None: something is wrong.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        self.wanted.clone()
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.typed.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    pub(super) fn wrong(&self, name: &str) -> Option<&str> {
        self.wrong.iter().find(|(known, _)| *known == name).map(|(_, wrong)| wrong.as_str())
    }

    pub(super) fn input(&self, name: &str, label: &str, such_as: &str) -> Markup {
        let wrong = self.wrong(name);
        html! {
            div {
                label for=(name) { (label) }
                input id=(name) name=(name) value=(self.text(name)) placeholder=(such_as) size="16" spellcheck="false" autocapitalize="off"
                    aria-invalid=[wrong.map(|_| "true")] aria-describedby=[wrong.map(|_| format!("{name}-error"))];
                @if let Some(wrong) = wrong { p.error id={ (name) "-error" } { (wrong) } }
            }
        }
    }
}

/// To be sent once more: the times as they were counted, not as they were typed.
pub(super) fn fields(wanted: &Wanted) -> Vec<(&'static str, String)> {
    let Wanted { webhook, state, since, until, event_type, mode, again } = wanted;
    let mode = match mode {
        Mode::Recorded => "recorded",
        Mode::Today => "today",
    };
    let fields = [
        ("webhook", Some(webhook.to_string())),
        ("state", Some(state.to_string())),
        ("since", since.map(|time| time.to_string())),
        ("until", until.map(|time| time.to_string())),
        ("eventType", event_type.as_ref().map(ToString::to_string)),
        ("mode", Some(mode.to_owned())),
        ("again", again.then(|| "yes".to_owned())),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Of the form that says the same.
pub(super) fn address(wanted: &Wanted) -> String {
    let query = Serializer::new(String::new()).extend_pairs(fields(wanted)).finish();
    format!("/replays?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_what_is_begun() {
        let draft = Draft::of_form(&Sent::of(&[
            ("webhook", "site"),
            ("state", "dropped"),
            ("mode", "today"),
            ("eventType", "entry.*"),
            ("since", "2026-11-23"),
            ("until", ""),
            ("again", "yes"),
        ]));
        let wanted = draft.wanted().expect("all is right");
        assert_eq!((wanted.state, wanted.mode, wanted.again, wanted.until), (State::Dropped, Mode::Today, true, None));
        let pairs: Vec<_> = fields(&wanted);
        let again = Draft::of_form(&Sent::of(&pairs.iter().map(|(n, v)| (*n, v.as_str())).collect::<Vec<_>>()));
        assert_eq!(fields(&again.wanted().expect("the same")), pairs);
        assert!(address(&wanted).contains("since=2026-11-23T00%3A00%3A00.000Z"));
    }

    #[test]
    fn what_is_wrong_is_told_of_its_field() {
        let draft = Draft::of_form(&Sent::of(&[("since", "soon"), ("eventType", "a b")]));
        assert!(draft.wanted().is_none());
        for name in ["webhook", "since", "eventType"] {
            assert!(draft.wrong(name).is_some(), "{name}");
        }
        assert_eq!((draft.text("since"), draft.wrong("until")), ("soon", None));
    }
}

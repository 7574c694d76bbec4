//! What the form of a webhook is made of: labels, hints, and errors beside what they are about.

use std::cell::Cell;

use maud::{Markup, html};

use crate::schemas::Violation;

/// What is wrong, by place in the definition; each is shown once.
pub(super) struct Errors(Vec<(Violation, Cell<bool>)>);

/// What is said of a field.
pub(super) struct Said {
    pub(super) invalid: Option<&'static str>,
    pub(super) described: Option<String>,
    /// To stand below it.
    pub(super) below: Markup,
}

/// What is missing is told of what it is missing in; here it has a place of its own.
fn placed(violation: Violation) -> Violation {
    match violation.message.split_once(" is missing") {
        Some(("events", _)) if violation.pointer.is_empty() => Violation {
            pointer: "/events".to_owned(),
            message: "Choose an event, or write a pattern below.".to_owned(),
            ..violation
        },
        Some(("url", _)) if violation.pointer.is_empty() => Violation { pointer: "/url".to_owned(), ..violation },
        _ => violation,
    }
}

impl Errors {
    pub(super) fn new(found: Vec<Violation>) -> Self {
        Self(found.into_iter().map(|violation| (placed(violation), Cell::new(false))).collect())
    }

    /// Those at these places and below them.
    pub(super) fn at(&self, places: &[&str]) -> Vec<&Violation> {
        let is_below = |pointer: &str, place: &&str| {
            pointer.strip_prefix(*place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut found = Vec::new();
        for (violation, is_shown) in &self.0 {
            if !is_shown.get() && places.iter().any(|place| is_below(&violation.pointer, place)) {
                is_shown.set(true);
                found.push(violation);
            }
        }
        found
    }

    /// Whether there are some that were not shown.
    pub(super) fn has(&self, prefixes: &[&str]) -> bool {
        let is_there = |(found, is_shown): &(Violation, Cell<bool>)| {
            !is_shown.get() && prefixes.iter().any(|prefix| found.pointer.starts_with(prefix))
        };
        self.0.iter().any(is_there)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that no field has shown.
    pub(super) fn left(&self) -> Vec<&Violation> {
        self.0.iter().filter(|(_, is_shown)| !is_shown.get()).map(|(violation, _)| violation).collect()
    }

    /// Hint and errors of the field `id`.
    pub(super) fn say(&self, id: &str, hint: &str, places: &[&str]) -> Said {
        let found = self.at(places);
        let below = html! {
            @if !hint.is_empty() { p.hint id={ (id) "-hint" } { (hint) } }
            @if !found.is_empty() {
                div id={ (id) "-error" } { @for violation in &found { p.error { (sentence(&violation.message)) } } }
            }
        };
        let ids = [("hint", !hint.is_empty()), ("error", !found.is_empty())];
        let described: Vec<_> = ids.iter().filter(|(_, is)| *is).map(|(what, _)| format!("{id}-{what}")).collect();
        Said {
            invalid: (!found.is_empty()).then_some("true"),
            described: (!described.is_empty()).then(|| described.join(" ")),
            below,
        }
    }
}

/// As people read it.
pub(super) fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), chars.as_str()))
}

/// What is asked for on one line.
#[derive(Clone, Copy, Default)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) label: &'a str,
    pub(super) hint: &'a str,
    pub(super) value: &'a str,
    pub(super) placeholder: &'a str,
    /// In the definition.
    pub(super) place: &'a str,
}

pub(super) fn line(errors: &Errors, asked: Line<'_>) -> Markup {
    let Line { name, label, hint, value, placeholder, place } = asked;
    let said = errors.say(name, hint, &[place]);
    html! {
        div.field {
            label for=(name) { (label) }
            input type="text" id=(name) name=(name) value=(value) placeholder=[Some(placeholder).filter(|text| !text.is_empty())]
                autocomplete="off" spellcheck="false" aria-invalid=[said.invalid] aria-describedby=[said.described];
            (said.below)
        }
    }
}

/// What is asked for on several lines.
pub(super) fn area(errors: &Errors, asked: Line<'_>, places: &[&str]) -> Markup {
    let Line { name, label, hint, value, placeholder, .. } = asked;
    let said = errors.say(name, hint, places);
    html! {
        div.field {
            label for=(name) { (label) }
            (text_area(name, name, value, placeholder, &said))
            (said.below)
        }
    }
}

pub(super) fn text_area(id: &str, name: &str, value: &str, placeholder: &str, said: &Said) -> Markup {
    let rows = value.lines().count().clamp(3, 24);
    html! {
        textarea id=(id) name=(name) rows=(rows) placeholder=[Some(placeholder).filter(|text| !text.is_empty())] spellcheck="false"
            aria-invalid=[said.invalid] aria-describedby=[said.described.as_deref()] {
            // Browsers take the first line break away.
            "\n" (value)
        }
    }
}

/// A choice of texts with what they say.
pub(super) fn choice(errors: &Errors, asked: Line<'_>, choices: &[(&str, &str)]) -> Markup {
    let Line { name, label, hint, value, place, .. } = asked;
    let said = errors.say(name, hint, &[place]);
    html! {
        div.field {
            label for=(name) { (label) }
            select id=(name) name=(name) aria-invalid=[said.invalid] aria-describedby=[said.described] {
                @for (choice, says) in choices { option value=(choice) selected[*choice == value] { (says) } }
                @if !choices.iter().any(|(choice, _)| *choice == value) { option value=(value) selected { (value) } }
            }
            (said.below)
        }
    }
}

/// A button that changes the form, not the webhook. With a script only the form is loaded anew.
pub(super) fn step(action: &str, what: &str, label: &str, name: &str) -> Markup {
    let id = what.replace(':', "-");
    html! {
        button id=(id) type="submit" name="do" value=(what) formnovalidate aria-label=(name)
            hx-post=(action) hx-target="#form" hx-select="#form" hx-swap="outerHTML" { (label) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_shown_once_where_it_belongs() {
        let found = ["/url", "/plugins/1/config/a", "/plugins/10", "/odd"];
        let violation = |pointer: &str| Violation {
            pointer: pointer.to_owned(),
            keyword: String::new(),
            message: format!("expected {pointer}"),
        };
        let errors = Errors::new(found.iter().map(|pointer| violation(pointer)).collect());
        assert!(errors.has(&["/plugins"]) && !errors.has(&["/retry"]));
        assert_eq!(errors.at(&["/plugins/1"]).len(), 1);
        let said = errors.say("url", "Where to.", &["/url"]);
        assert_eq!(said.described.as_deref(), Some("url-hint url-error"));
        assert!(said.below.into_string().contains("Expected /url"));
        let left: Vec<_> = errors.left().into_iter().map(|violation| violation.pointer.as_str()).collect();
        assert_eq!(left, ["/plugins/10", "/odd"]);
    }
}

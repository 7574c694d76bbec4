//! A text with places in it.

use std::borrow::Cow;
use std::fmt;

use hookwright_sdk::{Delivery, Value, config};

use crate::{cut, shown};

/// A text with placeholders: {/entry/title} stands for what is at that JSON Pointer of the payload, {/a|/b|text} for the
/// first of several that is there, {type}, {id}, {source} and {webhook} for the event's; {{ and }} for braces
#[config]
#[derive(Clone, Debug, PartialEq, Eq)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Template {
    written: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The first that is there counts.
    Choice(Vec<Source>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Place(String),
    Event(Word),
    Text(String),
}

/// What is known of the event besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Type,
    Id,
    Source,
    Webhook,
}

/// A template with its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    pub text: String,
    /// Whether something stood at every placeholder.
    pub complete: bool,
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = written.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                text.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(format!("a }} without {{ in {written}; write }}}} for a brace"));
            }
            let Some((inside, after)) = rest.split_once('}') else {
                return Err(format!("a {{ without }} in {written}; write {{{{ for a brace"));
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Choice(choice(inside)?));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { written, parts })
    }
}

fn choice(inside: &str) -> Result<Vec<Source>, String> {
    let source = |(index, text): (usize, &str)| match (Word::named(text), text.starts_with('/')) {
        (Some(word), _) => Ok(Source::Event(word)),
        (None, true) if hookwright_sdk::pointer::is_pointer(text) => Ok(Source::Place(text.to_owned())),
        (None, false) if index > 0 => Ok(Source::Text(text.to_owned())),
        _ => {
            Err(format!("{{{inside}}} is not a JSON Pointer such as {{/entry/title}}, nor type, id, source or webhook"))
        }
    };
    inside.split('|').enumerate().map(source).collect()
}

impl Template {
    /// The text before the first placeholder.
    pub fn start(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The text with the values of `document`, each of them cut to `max` [`units`](crate::units) and then escaped. What the
    /// template itself says is neither.
    pub fn fill(&self, delivery: &Delivery, document: &Value, max: usize, escape: impl Fn(&str) -> String) -> Filled {
        let mut filled = Filled { text: String::new(), complete: true };
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.text.push_str(text),
                Part::Choice(sources) => match sources.iter().find_map(|source| source.text(delivery, document)) {
                    Some(value) => filled.text.push_str(&escape(&cut(&value, max))),
                    None => filled.complete = false,
                },
            }
        }
        filled
    }
}

impl Source {
    fn text<'v>(&'v self, delivery: &'v Delivery, document: &'v Value) -> Option<Cow<'v, str>> {
        match self {
            Self::Place(place) => shown(document.pointer(place)?),
            Self::Event(word) => Some(word.of(delivery).into()),
            Self::Text(text) => Some(text.into()),
        }
    }
}

impl Word {
    fn named(text: &str) -> Option<Self> {
        Some(match text {
            "type" => Self::Type,
            "id" => Self::Id,
            "source" => Self::Source,
            "webhook" => Self::Webhook,
            _ => return None,
        })
    }

    fn of(self, delivery: &Delivery) -> &str {
        match self {
            Self::Type => &delivery.event_type,
            Self::Id => &delivery.event_id,
            Self::Source => &delivery.source,
            Self::Webhook => &delivery.webhook.id,
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use hookwright_sdk::json;

    use super::*;

    fn filled(template: &str) -> Filled {
        let body = json!({"entry": {"title": "<Paris>", "n": 1.50, "on": true, "none": null, "empty": " ", "tags": ["a"], "long": "<".repeat(21)}});
        let delivery = Delivery::example("entry.create", json!({}));
        let template = Template::try_from(template.to_owned()).unwrap();
        template.fill(&delivery, &body, 20, |text| text.replace('<', "&lt;"))
    }

    #[test]
    fn placeholders_are_filled_and_escaped() {
        for (template, text) in [
            ("<{/entry/title}> of {source}, {type}", "<&lt;Paris>> of example, entry.create"),
            ("{/entry/n} {/entry/on} {/entry/tags}", "1.5 true [\"a\"]"),
            ("{/entry/none|/entry/empty|/entry/title}", "&lt;Paris>"),
            ("{/entry/none|nobody}{{}}", "nobody{}"),
            ("{/entry/long}!", &format!("{}…!", "&lt;".repeat(19))),
            ("", ""),
        ] {
            assert_eq!(filled(template), Filled { text: text.into(), complete: true }, "{template}");
        }
        assert_eq!(filled("a {/entry/none}."), Filled { text: "a .".into(), complete: false });
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (template, reason) in [
            ("{entry.title}", "{entry.title} is not a JSON Pointer such as {/entry/title}"),
            ("{}", "{} is not a JSON Pointer"),
            ("{/a~b}", "{/a~b} is not a JSON Pointer"),
            ("{/a", "a { without }"),
            ("a}", "a } without {"),
        ] {
            let error = Template::try_from(template.to_owned()).unwrap_err();
            assert!(error.starts_with(reason), "{template}: {error}");
        }
    }
}

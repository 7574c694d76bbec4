//! The attributes of an event.

use hookwright_sdk::{Delivery, Failure, Result, Value};
use hookwright_words::{Ordered, Template, percent_encoded_but, rfc3339};

use crate::Config;

/// Names and values, in the order they are written in.
pub(crate) struct Attributes(Vec<(String, String)>);

/// Names that an extension cannot have.
const TAKEN: [&str; 10] =
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "database64"];
/// The specification's own advice for names.
const MAX_NAME_BYTES: usize = 20;
/// Longer texts belong into data; headers of receivers end at 8 KiB or so.
const MAX_VALUE: usize = 1000;

impl Attributes {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

pub(crate) fn of(delivery: &Delivery, config: &Config) -> Result<Attributes> {
    // What is no JSON has no places; whether that matters, the payload's content type says.
    let event = delivery.json().unwrap_or(&Value::Null);
    let filled = |template: &Template, escape: fn(&str) -> String| {
        let filled = template.fill(delivery, event, MAX_VALUE, escape);
        (filled.complete && !filled.text.is_empty())
            .then(|| hookwright_words::cut(&filled.text, MAX_VALUE).into_owned())
    };
    let source = match &config.source {
        Some(template) => filled(template, percent_encoded)
            .ok_or_else(|| Failure::permanent("source: nothing stands where it looks").with_code("bad-source"))?,
        None => format!("/{}", percent_encoded(&delivery.source)),
    };
    let prefix = if delivery.is("hookwright.*") { "" } else { config.type_prefix.as_str() };
    let subject = match &config.subject {
        Some(template) => filled(template, str::to_owned),
        None => subject(event),
    };
    let mut attributes = vec![
        ("specversion".into(), "1.0".into()),
        ("id".into(), delivery.event_id.clone()),
        ("source".into(), source),
        ("type".into(), format!("{prefix}{}", delivery.event_type)),
    ];
    attributes.extend(subject.map(|subject| ("subject".into(), subject)));
    attributes.push(("time".into(), time(delivery, event)));
    let traced = ["traceparent", "tracestate"].into_iter().filter_map(|name| Some((name, delivery.attribute(name)?)));
    attributes.extend(traced.map(|(name, value)| (name.to_owned(), value.to_owned())));
    add_extensions(&mut attributes, &config.extensions, |template| filled(template, str::to_owned))?;
    Ok(Attributes(attributes))
}

fn add_extensions(
    attributes: &mut Vec<(String, String)>,
    extensions: &Ordered<Template>,
    filled: impl Fn(&Template) -> Option<String>,
) -> Result<()> {
    for (name, template) in extensions.iter() {
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !plain || !(1..=MAX_NAME_BYTES).contains(&name.len()) || TAKEN.contains(&name) {
            let message = format!(
                "extension {name:?}: 1 to {MAX_NAME_BYTES} lower-case letters and digits, no name of CloudEvents' own"
            );
            return Err(Failure::permanent(message).with_code("bad-config"));
        }
        if let Some(value) = filled(template) {
            attributes.retain(|(known, _)| known != name);
            attributes.push((name.to_owned(), value));
        }
    }
    Ok(())
}

/// `article/o18yp…`: what it is, and which one.
fn subject(event: &Value) -> Option<String> {
    let (kind, subject) = ["entry", "media", "release", "entity"]
        .into_iter()
        .find_map(|kind| event.get(kind).filter(|subject| subject.is_object()).map(|subject| (kind, subject)))?;
    let id = ["documentId", "id"].into_iter().find_map(|name| match subject.get(name)? {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    })?;
    let model = event.get("model").and_then(Value::as_str).unwrap_or(kind);
    Some(hookwright_words::cut(&format!("{model}/{id}"), MAX_VALUE).into_owned())
}

/// When the CMS says it was, if that is a time.
fn time(delivery: &Delivery, event: &Value) -> String {
    let said = ["createdAt", "created_at"].into_iter().find_map(|name| event.get(name)?.as_str());
    said.filter(|text| is_time(text)).map_or_else(|| rfc3339(delivery.received_ms), str::to_owned)
}

/// RFC 3339 by its form: dates that do not exist are the receiver's to find.
fn is_time(text: &str) -> bool {
    let fits = |text: &str, form: &str| {
        text.len() == form.len()
            && text
                .bytes()
                .zip(form.bytes())
                .all(|(byte, form)| if form == b'0' { byte.is_ascii_digit() } else { byte == form })
    };
    let Some((start, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else { return false };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    fits(start, "0000-00-00T00:00:00") && (zone == "Z" || fits(zone, "+00:00") || fits(zone, "-00:00"))
}

/// As a segment of a URI.
fn percent_encoded(text: &str) -> String {
    percent_encoded_but(text, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// As the HTTP binding wants values in headers.
pub(crate) fn header_value(text: &str) -> String {
    percent_encoded_but(text, |byte| byte.is_ascii_graphic() && !b"\"%".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_known_by_their_form() {
        for time in ["2026-11-23T20:41:15Z", "2026-11-23T20:41:15.196Z", "2026-11-23T20:41:15.1+01:00"] {
            assert!(is_time(time), "{time}");
        }
        for other in [
            "",
            "x",
            "2026-11-23",
            "2026-11-23T20:41:15",
            "2026-11-23T20:41:15.Z",
            "2026-11-23T20:41:1éZ",
            "2026-11-23 20:41:15Z",
        ] {
            assert!(!is_time(other), "{other}");
        }
    }
}

//! A payload of your own, made from values of the event.
//!
//! ```json
//! {"fields": {
//!    "title": "/entry/title",
//!    "slug": {"pointer": ["/entry/slug", "/entry/documentId"], "default": "none"},
//!    "/seo/heading": {"template": "{/entry/title} ({type})"},
//!    "tags": {"pointer": "/entry/tags", "each": "/name"},
//!    "kind": {"value": "article"}},
//!  "required": ["/title"]}
//! ```
//! Each field is a name, or a JSON Pointer into the new payload; `""` is all of it: `{"fields": {"": "/entry"}}` sends the
//! entry alone. Fields come in the order they are written in; what is not there is left out.
//!
//! Where something of `required` is missing or null, the event fails with the code `missing-field`, or is dropped, as
//! `missing` says. Two fields of which one stands within the other's text or number fail with `no-place`. Without fields
//! the payload stays as it is.

use hookwright_sdk::pointer::Pointer;
use hookwright_sdk::{Delivery, Failure, Result, Value, Verdict, config, json, plugin, pointer};
use hookwright_words::{Ordered, Rule, body, deliver};

#[config]
#[derive(Default)]
#[serde(default)]
struct Config {
    /// The new payload: names or JSON Pointers into it, and where their values come from
    fields: Ordered<Rule>,
    /// JSON Pointers into the new payload at which something must stand
    required: Vec<Pointer>,
    /// What becomes of an event that lacks something required
    missing: Missing,
}

#[config]
#[derive(Default)]
#[serde(rename_all = "lowercase")]
enum Missing {
    #[default]
    Fail,
    Drop,
}

#[plugin]
fn pick(delivery: Delivery, config: Config) -> Result<Verdict> {
    if config.fields.is_empty() {
        return Ok(Verdict::deliver());
    }
    let source = body(&delivery)?;
    let mut picked = json!({});
    for (name, rule) in config.fields.iter() {
        let Some(value) = rule.value(&delivery, source) else { continue };
        let place = place_of(name)?;
        pointer::set(&mut picked, &place, value)
            .map_err(|error| Failure::from(error).context("fields").with_code("no-place"))?;
    }
    let lacks = |place: &&Pointer| place.get(&picked).is_none_or(Value::is_null);
    Ok(match (config.required.iter().find(lacks), config.missing) {
        (None, _) => deliver(&delivery, &picked),
        (Some(place), Missing::Drop) => Verdict::drop(missing(place, &config.fields, &delivery)),
        (Some(place), Missing::Fail) => {
            return Err(Failure::permanent(missing(place, &config.fields, &delivery)).with_code("missing-field"));
        }
    })
}

/// The pointer that a name stands for.
fn place_of(name: &str) -> Result<String> {
    if !name.is_empty() && !name.starts_with('/') {
        return Ok(format!("/{}", pointer::escape(name)));
    }
    if !pointer::is_pointer(name) {
        let message = format!("fields: {name} is neither a name nor a JSON Pointer such as /seo/title");
        return Err(Failure::permanent(message).with_code("bad-config"));
    }
    Ok(name.to_owned())
}

fn missing(place: &Pointer, fields: &Ordered<Rule>, delivery: &Delivery) -> String {
    let place = place.as_str();
    let rule = fields.iter().find(|(name, _)| place_of(name).is_ok_and(|name| name == place));
    let from = rule.map(|(_, rule)| format!(": nothing at {}", rule.told())).unwrap_or_default();
    format!("{place} is missing from {}{from}", delivery.event_type)
}

#[cfg(test)]
mod tests {
    use hookwright_bundled::{answer, on_any_json, on_its_fixtures, on_real_bodies, rewritten};

    use super::*;

    #[test]
    fn real_bodies() {
        let config = json!({"fields": {
            "kind": {"value": "content"}, "event": "/event", "at": ["/createdAt", "/created_at"],
            "name": ["/entry/full_name", "/media/name"], "/place/city": "/entry/city", "/place/zip": "/entry/postal_code",
            "line": {"template": "{/entry/city|/media/name|nowhere} by {source}"},
            "sizes": {"pointer": "/media/formats/thumbnail", "default": {}}}, "required": ["/name"], "missing": "drop"});
        insta::assert_snapshot!(on_real_bodies(pick, &config));
    }

    #[test]
    fn fixtures() {
        on_its_fixtures(pick, env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn any_json() {
        on_any_json(
            pick,
            &[json!({"fields": {"": "/entry", "/title": "/entry/title", "a~/b": "", "/list/0": "/entry/id"}})],
        );
        on_any_json(pick, &[json!({"fields": {"t": "/entry/title"}, "required": ["/t"]})]);
    }

    #[test]
    fn fields_are_names_or_places() {
        let body = json!({"entry": {"title": "Paris", "a/b~": 1}});
        let picked = |config: &Value| rewritten(pick, "entry.create", &body, config).to_string();
        assert_eq!(
            picked(&json!({"fields": {"z": "/entry/title", "a/b~": "/entry/a~1b~0"}})),
            r#"{"z":"Paris","a/b~":1}"#
        );
        assert_eq!(
            picked(&json!({"fields": {"": "/entry", "/seo/title": {"value": 1}, "none": "/none"}})),
            r#"{"title":"Paris","a/b~":1,"seo":{"title":1}}"#
        );
        assert_eq!(picked(&json!({"fields": {"none": "/none"}})), "{}");
    }

    #[test]
    fn what_is_missing_or_has_no_place_is_named() {
        let failed = |config: Value| {
            let delivery = Delivery::example("entry.create", json!({"entry": {"title": "Paris", "slug": null}}));
            answer(pick, delivery, &config).unwrap_err().to_string()
        };
        assert_eq!(
            failed(json!({"fields": {"slug": ["/entry/slug", "/entry/uid"]}, "required": ["/slug"]})),
            "/slug is missing from entry.create: nothing at /entry/slug or /entry/uid [missing-field]"
        );
        assert_eq!(
            failed(json!({"fields": {"a": {"value": 1}}, "required": ["/a/b"]})),
            "/a/b is missing from entry.create [missing-field]"
        );
        assert_eq!(
            failed(json!({"fields": {"t": "/entry/title", "/t/x": "/entry/title"}})),
            "fields: nothing can be put at /t/x: on the way is a string, a number or a boolean [no-place]"
        );
        assert!(failed(json!({"fields": {"/a~b": "/entry/title"}})).ends_with("such as /seo/title [bad-config]"));
    }
}

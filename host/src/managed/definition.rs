//! The definition of a managed webhook: what people write and read, and what is kept. Pure.
//!
//! Kept in the form of a webhook's file, every secret as a reference `${s1}` to a text beside it, so that it is read by
//! the code that reads files. A `${` that people write is no reference: it is escaped. Shown, a secret is
//! `{"$secret": true, "id": "s1"}`; who sends that back means "as it is". `{"$secret": "text"}` sets one anywhere;
//! signing secrets and headers with credentials are secrets also when they are sent as plain texts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::config::{carries_credentials, names_a_secret};
use crate::pointer;
use crate::schemas::Violation;

/// Marks a secret in what people send and see.
pub(crate) const SECRET: &str = "$secret";

/// More secrets of the same purpose do not fit into a definition.
const MOST_SECRETS: usize = 100_000;

/// A definition nested deeper is refused.
const MAX_DEPTH: usize = 64;

/// A definition and its secrets. Its `Debug` shows no secret.
#[derive(Clone, Default, PartialEq)]
pub struct Definition {
    /// In the form of a file, with references into `secrets` and no others.
    written: Value,
    secrets: BTreeMap<String, String>,
}

/// A definition for a file, and which variables it needs.
#[derive(Debug, PartialEq)]
pub struct Exported {
    pub file: Value,
    /// Their values are shown to nobody: they must be known elsewhere.
    pub variables: Vec<String>,
}

impl Definition {
    /// From what was kept.
    pub fn kept(written: Value, secrets: BTreeMap<String, String>) -> Self {
        Self { written, secrets }
    }

    /// From what somebody sent; `known` is what is to be replaced, whose secrets may be kept.
    ///
    /// # Errors
    /// What is wrong with it as such. Whether it makes a webhook is not looked at.
    pub fn sent(draft: &Value, known: Option<&Self>) -> Result<Self, Vec<Violation>> {
        let mut taking = Taking { known, secrets: BTreeMap::new(), next: 1, violations: Vec::new() };
        if let Some(known) = known {
            let numbers = known.secrets.keys().filter_map(|id| id.strip_prefix('s')?.parse::<u64>().ok());
            taking.next = numbers.max().unwrap_or(0) + 1;
        }
        let written = if draft.is_object() {
            taking.take(draft, "", 0)
        } else {
            taking.refuse("", "type", "expected an object, { … }".to_owned())
        };
        let Taking { secrets, violations, .. } = taking;
        if violations.is_empty() { Ok(Self { written, secrets }) } else { Err(violations) }
    }

    pub fn written(&self) -> &Value {
        &self.written
    }

    pub fn secrets(&self) -> &BTreeMap<String, String> {
        &self.secrets
    }

    /// As people may see it.
    pub fn shown(&self) -> Value {
        map_texts(&self.written, &|text| match reference(text) {
            Some(id) => json!({ SECRET: true, "id": id }),
            None => text.replace("$${", "${").into(),
        })
    }

    /// As a file of `config/webhooks/`, its secrets in variables whose names begin with `prefix`.
    pub fn exported(&self, id: &str) -> Exported {
        let digit = id.starts_with(|c: char| c.is_ascii_digit());
        let prefix: String = if digit { "W_" } else { "" }
            .chars()
            .chain(id.chars())
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        let places = self.places();
        let mut names = BTreeMap::new();
        for (place, secret) in &places {
            let base = format!("{prefix}_{}", purpose(place));
            let taken = |name: &String| names.values().any(|known| known == name);
            let name = std::iter::once(base.clone())
                .chain((2..=MOST_SECRETS).map(|n| format!("{base}_{n}")))
                .find(|n| !taken(n));
            names.insert(secret.clone(), name.unwrap_or(base));
        }
        let file = map_texts(&self.written, &|text| match reference(text).and_then(|id| names.get(id)) {
            Some(name) => format!("${{ process.env.{name} }}").into(),
            None => text.into(),
        });
        Exported { file, variables: names.into_values().collect() }
    }

    /// Puts a signing secret before the others.
    #[must_use]
    pub fn with_signing_secret(&self, text: String) -> (Self, String) {
        let numbers = self.secrets.keys().filter_map(|id| id.strip_prefix('s')?.parse::<u64>().ok());
        let id = format!("s{}", numbers.max().unwrap_or(0) + 1);
        let mut new = self.clone();
        new.secrets.insert(id.clone(), text);
        let reference = Value::from(format!("${{{id}}}"));
        if let Some(written) = new.written.as_object_mut() {
            let signing = written.entry("signing").or_insert_with(|| Value::Object(Map::new()));
            if !signing.is_object() {
                *signing = Value::Object(Map::new());
            }
            if let Some(signing) = signing.as_object_mut() {
                match signing.get_mut("secrets").and_then(Value::as_array_mut) {
                    Some(secrets) => secrets.insert(0, reference),
                    None => drop(signing.insert("secrets".to_owned(), json!([reference]))),
                }
            }
        }
        (new, id)
    }

    /// The ids of its signing secrets, in their order.
    pub fn signing_secrets(&self) -> Vec<String> {
        let secrets = self.written.pointer("/signing/secrets").and_then(Value::as_array);
        let ids = secrets.into_iter().flatten().filter_map(|secret| reference(secret.as_str()?));
        ids.map(str::to_owned).collect()
    }

    /// Without these of its signing secrets.
    #[must_use]
    pub fn without_signing_secrets(&self, ids: &[String]) -> Self {
        let mut new = self.clone();
        new.secrets.retain(|id, _| !ids.contains(id));
        if let Some(secrets) = new.written.pointer_mut("/signing/secrets").and_then(Value::as_array_mut) {
            secrets.retain(|secret| {
                secret.as_str().and_then(reference).is_none_or(|id| !ids.iter().any(|gone| gone == id))
            });
        }
        new
    }

    /// Whether somebody who may not handle secrets may make `new` of this: each secret stays where it is, beside what
    /// decides where it goes to; and it is signed as before.
    pub(super) fn guards_secrets_in(&self, new: &Self) -> bool {
        let is_kept = |(id, text): (&String, &String)| self.secrets.get(id) == Some(text);
        let signing = |of: &Self| of.written.get("signing").filter(|signing| !signing.is_null()).cloned();
        let known = self.parts_with_secrets();
        new.secrets.iter().all(is_kept)
            && signing(self) == signing(new)
            && new.parts_with_secrets().iter().all(|part| known.contains(part))
            && (new.secrets.is_empty() || self.written.get("url") == new.written.get("url"))
    }

    /// Headers and plugins that hold secrets, each as a whole.
    fn parts_with_secrets(&self) -> Vec<(String, Value)> {
        let headers = self.written.get("headers").and_then(Value::as_object).into_iter().flatten();
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let plugins = self.written.get("plugins").and_then(Value::as_array).into_iter().flatten();
        let plugins = plugins.map(|used| ("plugins".to_owned(), used.clone()));
        headers.chain(plugins).filter(|(_, part)| holds_reference(part)).collect()
    }

    /// Where each secret stands.
    fn places(&self) -> Vec<(String, String)> {
        let (mut places, mut open) = (Vec::new(), vec![(String::new(), &self.written)]);
        while let Some((place, value)) = open.pop() {
            match value {
                Value::String(text) => places.extend(reference(text).map(|id| (place, id.to_owned()))),
                Value::Array(items) => {
                    open.extend(items.iter().enumerate().map(|(at, item)| (format!("{place}/{at}"), item)));
                }
                Value::Object(members) => {
                    open.extend(members.iter().map(|(key, member)| (pointer::child(&place, key), member)));
                }
                _ => {}
            }
        }
        places.sort();
        places
    }
}

/// What somebody sent, being taken in.
struct Taking<'a> {
    known: Option<&'a Definition>,
    secrets: BTreeMap<String, String>,
    next: u64,
    violations: Vec<Violation>,
}

impl Taking<'_> {
    fn take(&mut self, value: &Value, place: &str, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return self.refuse(place, "maxDepth", format!("expected at most {MAX_DEPTH} levels"));
        }
        match value {
            Value::Object(members) if members.contains_key(SECRET) && may_be_secret(place) => {
                self.take_secret(members, place)
            }
            Value::Object(members) if members.contains_key(SECRET) => {
                let message = "expected what everybody may see: a secret may stand in url, headers, signing and the configs of \
                               plugins";
                self.refuse(place, "secret", message.to_owned())
            }
            Value::String(text) if is_secret_place(place, text) => self.keep(text),
            Value::String(text) => text.replace("${", "$${").into(),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(at, item)| self.take(item, &format!("{place}/{at}"), depth + 1)).collect()
            }
            Value::Object(members) => {
                let members = members.iter();
                let taken = members
                    .map(|(key, member)| (key.clone(), self.take(member, &pointer::child(place, key), depth + 1)));
                Value::Object(taken.collect())
            }
            plain => plain.clone(),
        }
    }

    fn take_secret(&mut self, members: &Map<String, Value>, place: &str) -> Value {
        if let Some(other) = members.keys().find(|key| *key != SECRET && *key != "id") {
            return self.refuse(place, "additionalProperties", format!("expected only {SECRET} and id, found {other}"));
        }
        match (members.get(SECRET), members.get("id")) {
            (Some(Value::String(text)), _) => self.keep(text),
            (Some(Value::Bool(true)), id) => self.keep_known(id.and_then(Value::as_str), place),
            _ => self.refuse(place, "type", format!("expected {{\"{SECRET}\": \"the text\"}}, or true to keep it")),
        }
    }

    fn keep(&mut self, text: &str) -> Value {
        let id = format!("s{}", self.next);
        self.next += 1;
        self.secrets.insert(id.clone(), text.to_owned());
        format!("${{{id}}}").into()
    }

    /// By its id, else by its place.
    fn keep_known(&mut self, id: Option<&str>, place: &str) -> Value {
        let known = self.known.and_then(|known| {
            let id = match id {
                Some(id) => id.to_owned(),
                None => known.places().into_iter().find(|(known, _)| known == place)?.1,
            };
            Some((id.clone(), known.secrets.get(&id)?.clone()))
        });
        let Some((id, text)) = known else {
            let message = format!("there is no secret here to keep; send {{\"{SECRET}\": \"the text\"}}");
            return self.refuse(place, "secret", message);
        };
        self.secrets.insert(id.clone(), text);
        format!("${{{id}}}").into()
    }

    fn refuse(&mut self, place: &str, keyword: &str, message: String) -> Value {
        if self.violations.len() < 100 {
            self.violations.push(Violation { pointer: place.to_owned(), keyword: keyword.to_owned(), message });
        }
        Value::Null
    }
}

/// Where secrets are not shown by what is made of the definition.
fn may_be_secret(place: &str) -> bool {
    let steps: Vec<&str> = place.split('/').skip(1).collect();
    match steps.as_slice() {
        ["url"] | ["headers", _] | ["signing", "secrets", _] | ["signing", "extra", _, "secret"] => true,
        ["plugins", _, "config", rest @ ..] | ["plugins", _, "shadow", "config", rest @ ..] => !rest.is_empty(),
        _ => false,
    }
}

/// Whether a text is a secret although nobody said so.
fn is_secret_place(place: &str, text: &str) -> bool {
    let mut steps = place.split('/').skip(1);
    match (steps.next(), steps.next(), steps.next(), steps.next()) {
        (Some("headers"), Some(name), None, None) => carries_credentials(&name.to_ascii_lowercase(), text),
        (Some("url"), None, ..) => text.contains(['?', '@']),
        (Some("plugins"), Some(_), Some("config" | "shadow"), Some(_)) => {
            place.rsplit('/').next().is_some_and(names_a_secret)
        }
        (Some("signing"), Some("secrets"), Some(_), None)
        | (Some("signing"), Some("extra"), Some(_), Some("secret")) => true,
        _ => false,
    }
}

/// The id, if the whole text refers to a secret.
fn reference(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}')
}

fn holds_reference(value: &Value) -> bool {
    match value {
        Value::String(text) => reference(text).is_some(),
        Value::Array(items) => items.iter().any(holds_reference),
        Value::Object(members) => members.values().any(holds_reference),
        _ => false,
    }
}

/// What a secret is for, as part of the name of a variable.
fn purpose(place: &str) -> String {
    let mut steps = place.split('/').skip(1);
    let words = match (steps.next(), steps.next()) {
        (Some("url"), _) => "URL".to_owned(),
        (Some("headers"), Some(name)) => name.to_owned(),
        _ => "SECRET".to_owned(),
    };
    words.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn map_texts(value: &Value, map: &impl Fn(&str) -> Value) -> Value {
    match value {
        Value::String(text) => map(text),
        Value::Array(items) => items.iter().map(|item| map_texts(item, map)).collect(),
        Value::Object(members) => {
            members.iter().map(|(key, member)| (key.clone(), map_texts(member, map))).collect::<Map<_, _>>().into()
        }
        plain => plain.clone(),
    }
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Definition({})", self.written)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(draft: &Value) -> Definition {
        Definition::sent(draft, None).expect("a definition")
    }

    fn full() -> Value {
        json!({
            "url": {"$secret": "https://hooks.example/T0/B0/x"},
            "headers": {"Authorization": "Bearer hunter2", "X-Site": "main ${HOME}", "X-Hidden": {"$secret": "psst"}},
            "plugins": [{"plugin": "p", "config": {"place": {"$secret": "deep"}, "more": [{"apiToken": "named"}]}}],
            "signing": {"secrets": ["whsec_a", "whsec_b"], "extra": [{"header": "X-Sig", "secret": "old"}]},
        })
    }

    #[test]
    fn secrets_are_kept_apart_and_shown_as_such() {
        let definition = sent(&full());
        let secrets: Vec<_> = definition.secrets().values().map(String::as_str).collect();
        assert_eq!(secrets.len(), 8);
        let (written, shown) = (definition.written().to_string(), definition.shown().to_string());
        for text in secrets {
            assert!(!written.contains(text) && !shown.contains(text), "{text}");
        }
        assert_eq!(definition.shown()["headers"]["X-Site"], "main ${HOME}");
        assert_eq!(definition.written()["headers"]["X-Site"], "main $${HOME}");
    }

    #[test]
    fn what_is_shown_can_be_sent_back() {
        let known = sent(&full());
        let same = Definition::sent(&known.shown(), Some(&known)).expect("fits");
        assert_eq!(same, known);
        let mut changed = known.shown();
        changed["headers"]["X-Hidden"] = json!({"$secret": "new", "id": "s3"});
        changed["signing"]["secrets"] = json!([changed["signing"]["secrets"][1]]);
        let new = Definition::sent(&changed, Some(&known)).expect("fits");
        let mut texts: Vec<_> = new.secrets().values().map(String::as_str).collect();
        texts.sort_unstable();
        let kept = ["Bearer hunter2", "deep", "https://hooks.example/T0/B0/x", "named", "new", "old", "whsec_b"];
        assert_eq!(texts, kept);
    }

    #[test]
    fn a_secret_that_is_not_there_cannot_be_kept() {
        for (draft, place) in [
            (json!({"url": {"$secret": true}}), "/url"),
            (json!({"url": {"$secret": true, "id": "s9"}}), "/url"),
            (json!({"headers": {"a/b": {"$secret": 1}}}), "/headers/a~1b"),
            (json!({"url": {"$secret": "x", "and": 1}}), "/url"),
            (json!([]), ""),
        ] {
            let violations = Definition::sent(&draft, None).expect_err("refused");
            assert_eq!(violations.iter().map(|one| one.pointer.as_str()).collect::<Vec<_>>(), [place], "{draft}");
        }
    }

    #[test]
    fn secrets_stand_only_where_they_are_not_shown() {
        for (member, place) in [("name", "/name"), ("events", "/events"), ("labels", "/labels"), ("filter", "/filter")]
        {
            let violations = Definition::sent(&json!({ member: { "$secret": "x" } }), None).expect_err(member);
            assert_eq!(violations[0].pointer, place);
        }
        let known = sent(&full());
        let guarded = |change: &dyn Fn(&mut Value)| {
            let mut draft = known.shown();
            change(&mut draft);
            known.guards_secrets_in(&Definition::sent(&draft, Some(&known)).expect("a definition"))
        };
        assert!(guarded(&|draft| draft["headers"]["X-Site"] = json!("other")));
        assert!(guarded(&|draft| draft["headers"]["X-Hidden"] = Value::Null), "it may be taken away");
        assert!(!guarded(&|draft| draft["headers"]["X-Shown"] = draft["headers"]["X-Hidden"].clone()));
        assert!(!guarded(&|draft| draft["url"] = json!("https://elsewhere.example/")));
        assert!(!guarded(&|draft| draft["plugins"][0]["plugin"] = json!("other")));
        assert!(!guarded(&|draft| draft["signing"]["secrets"] = json!([])));
        assert!(!guarded(&|draft| draft["headers"]["X-New"] = json!({ "$secret": "new" })));
    }

    #[test]
    fn signing_secrets_come_and_go() {
        let (definition, id) = sent(&json!({"url": "https://a.example/"})).with_signing_secret("one".into());
        let (definition, newer) = definition.with_signing_secret("two".into());
        assert_eq!(definition.signing_secrets(), [newer.clone(), id.clone()]);
        let left = definition.without_signing_secrets(&[id]);
        assert_eq!((left.signing_secrets(), left.secrets().len()), (vec![newer], 1));
    }

    #[test]
    fn an_export_is_a_file_whose_secrets_are_variables() {
        let Exported { file, variables } = sent(&full()).exported("site-build");
        insta::assert_snapshot!(format!("{file:#}\n{}", variables.join(" ")), @r#"
        {
          "url": "${ process.env.SITE_BUILD_URL }",
          "headers": {
            "Authorization": "${ process.env.SITE_BUILD_AUTHORIZATION }",
            "X-Site": "main $${HOME}",
            "X-Hidden": "${ process.env.SITE_BUILD_X_HIDDEN }"
          },
          "plugins": [
            {
              "plugin": "p",
              "config": {
                "place": "${ process.env.SITE_BUILD_SECRET_2 }",
                "more": [
                  {
                    "apiToken": "${ process.env.SITE_BUILD_SECRET }"
                  }
                ]
              }
            }
          ],
          "signing": {
            "secrets": [
              "${ process.env.SITE_BUILD_SECRET_4 }",
              "${ process.env.SITE_BUILD_SECRET_5 }"
            ],
            "extra": [
              {
                "header": "X-Sig",
                "secret": "${ process.env.SITE_BUILD_SECRET_3 }"
              }
            ]
          }
        }
        SITE_BUILD_URL SITE_BUILD_AUTHORIZATION SITE_BUILD_X_HIDDEN SITE_BUILD_SECRET_2 SITE_BUILD_SECRET SITE_BUILD_SECRET_4 SITE_BUILD_SECRET_5 SITE_BUILD_SECRET_3
        "#);
    }

    fn draft() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof!["[a${}s1]{0,8}".prop_map(Value::from), any::<i8>().prop_map(Value::from)];
        let tree = leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a~/$]{1,2}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
            ]
        });
        prop::collection::btree_map("[ab]", tree, 0..4).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        /// Whatever looks like a reference and is none stays what it is.
        #[test]
        fn texts_without_secrets_are_shown_as_they_were_sent(draft in draft()) {
            let definition = sent(&draft);
            prop_assert!(definition.secrets().is_empty());
            prop_assert_eq!(definition.shown(), draft);
        }
    }
}

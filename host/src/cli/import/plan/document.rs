//! One webhook's file: what was found, in our words, as far as a host takes it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Found, Variable, variable};
use crate::config::{self, ConfigError, Layer, Variables, carries_credentials};
use crate::ids::WebhookId;
use crate::pattern::EventPattern;
use crate::signing::SigningSecret;

/// The text of a file, and what it needs.
pub(super) struct Document {
    pub(super) text: String,
    /// To be added to `.env`.
    pub(super) variables: Vec<Variable>,
    pub(super) notes: Vec<String>,
}

/// What a host objects to is left out so often; each time there is less of it.
const MOST_REPAIRS: usize = 100;
/// Characters of a name that a file may have.
const NAME_CHARS: usize = 200;

impl Document {
    /// # Errors
    /// Why no file can be made of it, in words.
    pub(super) fn of(found: &Found, id: &WebhookId, known: &Variables, planned: &[Variable]) -> Result<Self, String> {
        let mut making = Making { id, known, planned, needed: Vec::new(), notes: Vec::new() };
        let mut body = making.body(found)?;
        for _ in 0..MOST_REPAIRS {
            let text = text(&body);
            let Some(error) = making.objection(&text) else {
                let Making { needed, notes, .. } = making;
                // What was left out needs no variable.
                let is_named = |name: &str| text.contains(&format!("${{{name}}}"));
                let added = needed.into_iter().filter(|(variable, is_new)| *is_new && is_named(&variable.name));
                let variables = added.map(|(variable, _)| variable).collect();
                return Ok(Self { text, variables, notes });
            };
            if !leave_out(&mut body, &error.pointer) {
                return Err(format!("{} {}", error.pointer, error.message));
            }
            making.notes.push(format!("{} is left out: {}", error.pointer, error.message));
        }
        Err("too much of it cannot be taken".to_owned())
    }
}

fn text(body: &Map<String, Value>) -> String {
    // Printing a map of texts and numbers does not fail.
    serde_json::to_string_pretty(body).unwrap_or_default() + "\n"
}

struct Making<'m> {
    id: &'m WebhookId,
    known: &'m Variables,
    planned: &'m [Variable],
    /// With whether it is to be added.
    needed: Vec<(Variable, bool)>,
    notes: Vec<String>,
}

impl Making<'_> {
    fn body(&mut self, found: &Found) -> Result<Map<String, Value>, String> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        let name: String = found.name.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
        if !name.trim().is_empty() {
            put("name", literal(name.trim()).into());
        }
        let (url, user) = self.url(&found.url)?;
        put("url", url.into());
        if !found.enabled {
            put("enabled", false.into());
        }
        if !found.labels.is_empty() {
            let labels = found.labels.iter().map(|(name, text)| (name.clone(), Value::from(literal(text))));
            put("labels", Value::Object(labels.collect()));
        }
        put("events", self.events(&found.events).into());
        let headers = self.headers(found, user)?;
        if !headers.is_empty() {
            put("headers", Value::Object(headers));
        }
        if let Some(secret) = &found.signing_secret {
            match secret.parse::<SigningSecret>() {
                Ok(_) => drop(put("signing", json!({ "secrets": [self.secret("SECRET", secret)?] }))),
                Err(error) => self.notes.push(format!("its signing secret is left out: {error}")),
            }
        }
        if let Some(count) = found.per_second {
            put("rateLimit", format!("{count}/s").into());
        }
        Ok(body)
    }

    /// As it may be written, and a user name with its password, which belong elsewhere.
    fn url(&mut self, text: &str) -> Result<(String, Option<String>), String> {
        let mut url = Url::parse(text).map_err(|_| "its URL is none".to_owned())?;
        let user = (!url.username().is_empty() || url.password().is_some()).then(|| {
            let decoded = |text: &str| percent_decoded(text);
            format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()))
        });
        if user.is_some() && (url.set_username("").is_err() || url.set_password(None).is_err()) {
            return Err("its URL has a user name where none can be".to_owned());
        }
        if url.fragment().is_some() {
            url.set_fragment(None);
            self.notes.push("what stands after # in its URL was never sent, and is left out".to_owned());
        }
        let has_secret = url.query_pairs().any(|(name, value)| carries_credentials(&name.to_lowercase(), &value));
        let written = if has_secret {
            self.notes.push("its URL has a secret in its query, so all of it is in .env".to_owned());
            self.secret("URL", url.as_str())?
        } else {
            literal(url.as_str())
        };
        Ok((written, user))
    }

    fn events(&mut self, events: &[String]) -> Vec<String> {
        let mut taken: Vec<String> = Vec::new();
        for event in events {
            match event.parse::<EventPattern>() {
                Ok(_) if taken.contains(event) => {}
                Ok(_) => taken.push(event.clone()),
                Err(_) => self.notes.push(format!("{event:?} is no type of an event here, and is left out")),
            }
        }
        taken
    }

    fn headers(&mut self, found: &Found, user: Option<String>) -> Result<Map<String, Value>, String> {
        let mut headers = Map::new();
        for (name, value) in &found.headers {
            // Names differ by more than their case here; the last one was sent.
            headers.retain(|known: &String, _| !known.eq_ignore_ascii_case(name));
            let is_secret = carries_credentials(&name.to_lowercase(), value);
            let written = if is_secret && !value.is_empty() { self.secret(name, value)? } else { literal(value) };
            headers.insert(name.clone(), written.into());
        }
        let Some(user) = user else { return Ok(headers) };
        if headers.keys().any(|name| name.eq_ignore_ascii_case("authorization")) {
            self.notes
                .push("user name and password of its URL are left out: its Authorization header is sent".to_owned());
        } else {
            let value = format!("Basic {}", STANDARD.encode(user));
            headers.insert("Authorization".to_owned(), self.secret("Authorization", &value)?.into());
            self.notes.push("user name and password of its URL are an Authorization header now".to_owned());
        }
        Ok(headers)
    }

    /// A reference to a variable that holds it.
    fn secret(&mut self, what: &str, value: &str) -> Result<String, String> {
        let upper = |text: &str| -> String {
            text.chars()
                .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
                .take(64)
                .collect()
        };
        let name = format!("{}_{}", upper(self.id.as_str()), upper(what));
        let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("W_{name}") } else { name };
        let planned: Vec<_> =
            self.planned.iter().cloned().chain(self.needed.iter().map(|(variable, _)| variable.clone())).collect();
        let found = variable(&name, value, self.known, &planned);
        let (variable, is_new) = found.ok_or_else(|| format!("the value of its {what} cannot be written into .env"))?;
        let reference = format!("${{{}}}", variable.name);
        self.needed.push((variable, is_new));
        Ok(reference)
    }

    /// The first thing that a host would object to.
    fn objection(&self, text: &str) -> Option<ConfigError> {
        let pairs = self.needed.iter().map(|(variable, _)| (&*variable.name, &*variable.value));
        let layer = Layer { file: "config/webhooks".to_owned(), text: Arc::from(text) };
        let read = config::parse_webhook(self.id.clone(), &[layer], &Variables::from_pairs(pairs));
        read.err().and_then(|errors| errors.into_iter().next())
    }
}

/// A text that stands for itself.
fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

fn percent_decoded(text: &str) -> String {
    // A form decodes `+` too, which stands for itself here.
    let encoded = text.replace('+', "%2B");
    url::form_urlencoded::parse(encoded.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}

/// Takes out what stands at a place, or what that is part of. False: the file needs it.
fn leave_out(body: &mut Map<String, Value>, pointer: &str) -> bool {
    let mut steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
    let (Some(first), second) = (steps.next(), steps.next()) else { return false };
    if matches!(&*first, "url" | "events") && second.is_none() {
        return false;
    }
    match (body.get_mut(&first), second) {
        (Some(Value::Object(inner)), Some(key)) if inner.contains_key(&key) => inner.remove(&key).is_some(),
        (Some(Value::Array(inner)), Some(key)) => match key.parse::<usize>() {
            Ok(index) if index < inner.len() => {
                inner.remove(index);
                true
            }
            _ => false,
        },
        (Some(_), _) => body.remove(&first).is_some(),
        (None, _) => false,
    }
}

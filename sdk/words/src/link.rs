//! Where somebody can look at what an event is about.

use std::fmt::Write as _;

use hookwright_sdk::{Delivery, Value, config};

use crate::Template;

/// Browsers and chats take no longer ones.
const MAX_LINK_BYTES: usize = 2048;

/// A URL with placeholders such as {/entry/documentId}; there is no link without one of its values, nor to what was deleted
#[config]
#[derive(Clone, Debug, PartialEq, Eq)]
#[serde(try_from = "Template")]
#[schemars(with = "String", extend("pattern" = "^https?://"))]
pub struct Link(Template);

impl TryFrom<Template> for Link {
    type Error = String;

    fn try_from(template: Template) -> Result<Self, String> {
        let start = template.start();
        // A value must not choose the host.
        let host = start.strip_prefix("https://").or_else(|| start.strip_prefix("http://"));
        if host.is_some_and(|host| host.len() > 1 && host.contains('/'))
            || (host.is_some() && start == template.to_string())
        {
            Ok(Self(template))
        } else {
            Err(format!("{template} does not start with a whole host such as https://cms.example/"))
        }
    }
}

impl Link {
    /// The link, if there is a value for each placeholder, it is not too long, and there is something to see.
    pub fn to(&self, delivery: &Delivery, document: &Value) -> Option<String> {
        if delivery.event_type.ends_with(".delete") {
            return None;
        }
        let filled = self.0.fill(delivery, document, MAX_LINK_BYTES, percent_encoded);
        let text: String = filled.text.chars().map(harmless).collect();
        (filled.complete && text.len() <= MAX_LINK_BYTES).then_some(text)
    }
}

/// Characters that end a link in Slack's or Discord's markup, should the template have them.
fn harmless(character: char) -> String {
    match character {
        '|' | '<' | '>' | ' ' | '(' | ')' | '"' => percent_encoded(character.encode_utf8(&mut [0; 4])),
        other => other.to_string(),
    }
}

/// All but what a path segment may have anywhere, and `:`, which the names of content types have.
fn percent_encoded(text: &str) -> String {
    percent_encoded_but(text, |byte| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte))
}

/// The text with every byte that is not plain written as `%…`.
pub fn percent_encoded_but(text: &str, is_plain: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use hookwright_sdk::{json, serde_json};

    use super::*;

    fn link(template: &str) -> Result<Option<String>, String> {
        let body = json!({"uid": "api::address.address", "entry": {"documentId": "o18", "evil": "../a?b#c|d>é", "none": null}});
        let link: Link = serde_json::from_value(json!(template)).map_err(|error| error.to_string())?;
        Ok(link.to(&Delivery::example("entry.create", json!({})), &body))
    }

    #[test]
    fn values_stay_within_their_segment() {
        let found = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(
            link("https://a/x/{/uid}/{/entry/documentId}?b=1&c"),
            found("https://a/x/api::address.address/o18?b=1&c")
        );
        assert_eq!(link("https://a/{/entry/evil}"), found("https://a/..%2Fa%3Fb%23c%7Cd%3E%C3%A9"));
        assert_eq!(link("https://a/b|c>"), found("https://a/b%7Cc%3E"));
        assert_eq!(link("https://a/{/entry/none}"), Ok(None));
    }

    #[test]
    fn the_host_is_not_for_values_to_choose() {
        for template in ["/x", "javascript:{/uid}", "https://{/uid}", "https://cms.{/uid}/", "ftp://a/"] {
            assert!(link(template).unwrap_err().contains("does not start with a whole host"), "{template}");
        }
        assert_eq!(link("https://cms.example"), Ok(Some("https://cms.example".into())));
    }
}

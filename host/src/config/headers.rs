//! Headers as configuration writes them: which names are allowed, which values are secrets, which names look
//! like slips.

use std::fmt;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::Layer;
use super::near::nearest;
use super::node::{Node, parse_layer};
use super::overlay::Merged;
use crate::pointer::child;
use crate::webhook::Headers;

/// Where header names are keys, in `server.json` and in a webhook's file.
pub(super) const HEADER_MAPS: [&str; 2] = ["/webhooks/defaultHeaders", "/headers"];

/// More headers than any receiver takes.
const MAX_HEADERS: usize = 64;

/// Framing, routing and hop-by-hop headers: the host writes them or nobody does.
const HOST_OWNED: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Families the host writes on every delivery.
const HOST_OWNED_PREFIXES: [&str; 2] = ["webhook-", "x-hookwright-"];

/// Request headers people write in webhooks, as documentation spells them.
const WELL_KNOWN: [&str; 17] = [
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Content-Encoding",
    "Content-Language",
    "Content-Type",
    "Cookie",
    "Idempotency-Key",
    "Origin",
    "Referer",
    "traceparent",
    "User-Agent",
    "X-Api-Key",
    "X-Forwarded-For",
    "X-Request-Id",
];

/// What the names of headers with credentials contain.
const CREDENTIAL_WORDS: [&str; 8] = ["auth", "cookie", "credential", "key", "pass", "secret", "signature", "token"];

/// Something that works as written and was likely not meant so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub file: String,
    /// JSON Pointer; empty: the file as a whole.
    pub pointer: String,
    pub message: String,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, pointer, message } = self;
        if pointer.is_empty() { write!(f, "{file}: {message}") } else { write!(f, "{file} at {pointer}: {message}") }
    }
}

/// Names of headers that people write in webhooks.
pub fn well_known_headers() -> &'static [&'static str] {
    &WELL_KNOWN
}

/// Whether a member of a plugin's config looks as if it held a secret.
pub fn names_a_secret(member: &str) -> bool {
    const WORDS: [&str; 7] = ["apikey", "credential", "passphrase", "password", "privatekey", "secret", "token"];
    let plain: String = member.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    WORDS.iter().any(|word| plain.contains(word)) || plain == "authorization"
}

/// The well-known header that a name was likely meant to be.
pub fn likely_misspelling(name: &str) -> Option<&'static str> {
    let known = WELL_KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name));
    if known { None } else { nearest(name, WELL_KNOWN) }
}

/// Whether a header looks as if it held a secret. `name` in lower case.
pub fn carries_credentials(name: &str, value: &str) -> bool {
    let scheme = value.split(' ').next().unwrap_or_default();
    CREDENTIAL_WORDS.iter().any(|word| name.contains(word))
        || ["basic", "bearer"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Header names of one configuration, server's or webhook's, that look misspelled. They are kept and sent.
pub fn header_hints(layers: &[Layer]) -> Vec<Hint> {
    let documents: Vec<_> = layers.iter().filter_map(|layer| Some((&layer.file, parse_layer(layer).ok()?))).collect();
    let (files, documents): (Vec<_>, Vec<_>) = documents.into_iter().unzip();
    let merged = Merged::new(documents, &HEADER_MAPS);
    let mut hints = Vec::new();
    for map in HEADER_MAPS {
        let names = merged.value().pointer(map).and_then(Value::as_object).into_iter().flat_map(|map| map.keys());
        for (name, meant) in names.filter_map(|name| Some((name, likely_misspelling(name)?))) {
            let pointer = child(map, name);
            let file = files.get(merged.origin(&pointer)).map(ToString::to_string).unwrap_or_default();
            hints.push(Hint { file, pointer, message: format!("did you mean {meant}? It is sent as written") });
        }
    }
    hints
}

/// Reads an object of headers. `null` takes one back that the base wrote.
pub(super) fn read(node: &Node<'_>) -> Headers {
    let mut headers = Headers::default();
    for (count, (name, place)) in node.entries().filter(|(_, place)| !place.is_null()).enumerate() {
        if count == MAX_HEADERS {
            node.refuse(format_args!("expected at most {MAX_HEADERS} headers"));
            break;
        }
        let place = place.secret();
        let (Some(name), Some(value)) = (read_name(name, &place), place.text()) else { continue };
        if headers.iter().any(|(known, _)| *known == name) {
            place.refuse_missing(format_args!("expected once: {name} is written twice, in another case"));
            continue;
        }
        match HeaderValue::from_str(&value.text) {
            Ok(mut parsed) => {
                parsed.set_sensitive(value.filled || carries_credentials(name.as_str(), &value.text));
                headers.set(name, parsed);
            }
            Err(_) => place.refuse("expected visible ASCII characters, spaces and tabs; no line breaks"),
        }
    }
    headers
}

pub(super) fn read_name(text: &str, place: &Node<'_>) -> Option<HeaderName> {
    let Ok(name) = text.parse::<HeaderName>() else {
        place.refuse_missing("expected the name of a header, such as X-Site: letters, digits and '-'");
        return None;
    };
    let owned = HOST_OWNED.contains(&name.as_str())
        || HOST_OWNED_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
    if owned {
        place.refuse_missing("the dispatcher writes this header itself; leave it out");
        return None;
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_out_likely_slips() {
        for (name, meant) in [
            ("Authroization", Some("Authorization")),
            ("Authorisation", Some("Authorization")),
            ("contenttype", Some("Content-Type")),
            ("User_Agent", Some("User-Agent")),
            ("Authorization", None),
            ("content-type", None),
            ("X-Site", None),
            ("Digest", None),
        ] {
            assert_eq!(likely_misspelling(name), meant, "{name}");
        }
    }

    #[test]
    fn hints_name_the_file_that_wrote_it() {
        let layer = |file: &str, text: &str| Layer { file: file.to_owned(), text: text.into() };
        let server = [
            layer("config/server.json", r#"{"webhooks": {"defaultHeaders": {"Acccept": "*/*"}}}"#),
            layer("overlay.json", r#"{"webhooks": {"defaultHeaders": {"Authroization": "Bearer x"}}}"#),
        ];
        let hints: Vec<_> = header_hints(&server).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(hints.join("\n"), @"
        config/server.json at /webhooks/defaultHeaders/Acccept: did you mean Accept? It is sent as written
        overlay.json at /webhooks/defaultHeaders/Authroization: did you mean Authorization? It is sent as written
        ");
        let webhook = [layer("config/webhooks/a.json", r#"{"headers": {"X-Api-Kye": "1"}}"#)];
        assert_eq!(header_hints(&webhook)[0].pointer, "/headers/X-Api-Kye");
    }
}

//! `sources` of `server.json`: who may post, with which token, and how the events of each are read.

use std::collections::BTreeMap;

use http::HeaderName;

use super::headers::read_name;
use super::node::{Fields, Keys, Node};
use crate::event::PASSED_HEADERS;
use crate::ids::{Digest, EventType, SourceName};
use crate::pointer::Pointer;

const SOURCE: Keys = Keys { known: &["name", "token", "tokenHeader", "type", "idempotency"], later: &[] };
const TYPE: Keys = Keys { known: &["header", "pointer", "value", "prefix"], later: &[] };
const IDEMPOTENCY: Keys = Keys { known: &["header"], later: &[] };

const MAX_SOURCES: usize = 100;
/// Short tokens can be guessed.
const MIN_TOKEN_CHARS: usize = 16;
/// It has to fit into a header.
const MAX_TOKEN_CHARS: usize = 512;
/// More places than any event needs to be told from others.
const MAX_POINTERS: usize = 16;

/// A producer that may post events.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub name: SourceName,
    /// SHA-256 of its token.
    pub token: Digest,
    /// `tokenHeader`: what carries the token; none: `Authorization: Bearer`.
    pub token_header: Option<HeaderName>,
    /// `type`; none: bodies are in Strapi's shape.
    pub event_type: Option<TypeRule>,
    /// `idempotency`; none: only what senders say by `Idempotency-Key`.
    pub idempotency: Option<IdempotencyRule>,
}

/// Where the event type of a body that is not in Strapi's shape is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeRule {
    pub place: TypePlace,
    /// Goes before what is found there.
    pub prefix: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypePlace {
    Header(HeaderName),
    Pointer(Pointer),
    /// All events are of this type.
    Value(EventType),
}

/// What tells one event of a source from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdempotencyRule {
    Header(HeaderName),
    /// Places in the body, and the event's type.
    Pointers(Vec<Pointer>),
}

impl Source {
    /// One that sends its token as `Authorization: Bearer`, and bodies in Strapi's shape or CloudEvents.
    pub fn plain(name: SourceName, token: Digest) -> Self {
        Self { name, token, token_header: None, event_type: None, idempotency: None }
    }

    /// The header that says the type, if one does. It is kept and goes out again, as Strapi's does.
    pub fn type_header(&self) -> Option<&HeaderName> {
        match &self.event_type.as_ref()?.place {
            TypePlace::Header(name) => Some(name),
            TypePlace::Pointer(_) | TypePlace::Value(_) => None,
        }
    }

    /// The header that says the idempotency key, if one does.
    pub fn idempotency_header(&self) -> Option<&HeaderName> {
        match self.idempotency.as_ref()? {
            IdempotencyRule::Header(name) => Some(name),
            IdempotencyRule::Pointers(_) => None,
        }
    }
}

pub(super) fn read(node: &Node<'_>) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    let mut tokens: BTreeMap<Digest, SourceName> = BTreeMap::new();
    for item in node.items(MAX_SOURCES) {
        let Some(fields) = item.fields(&SOURCE) else { continue };
        let name = fields.require("name", "the name of the source, such as strapi");
        let token = fields.require("token", "the token it sends, such as ${ process.env.STRAPI_TOKEN }");
        let name = name.and_then(|node| node.parse::<SourceName>().map(|name| (node, name)));
        let token = token.map(Node::secret).and_then(|node| read_token(&node).map(|token| (node, token)));
        let token_header = fields.get("tokenHeader").and_then(|node| read_token_header(&node));
        let event_type = fields.get("type").and_then(|node| read_type(&node, token_header.as_ref()));
        let idempotency = fields.get("idempotency").and_then(|node| read_idempotency(&node, token_header.as_ref()));
        let (Some((name_node, name)), Some((token_node, token))) = (name, token) else { continue };
        if name == SourceName::hookwright() {
            name_node.refuse("expected another name: the host's own events come from hookwright");
        }
        if sources.iter().any(|other| other.name == name) {
            name_node.refuse("expected a name that no other source has");
        }
        if let Some(other) = tokens.insert(token, name.clone()) {
            token_node.refuse(format_args!("expected a token of its own: source {other} has the same"));
        }
        sources.push(Source { name, token, token_header, event_type, idempotency });
    }
    sources
}

fn read_token(node: &Node<'_>) -> Option<Digest> {
    let token = node.text()?.text;
    let fits = (MIN_TOKEN_CHARS..=MAX_TOKEN_CHARS).contains(&token.len());
    if fits && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(Digest::of(token.as_bytes()));
    }
    node.refuse(format_args!(
        "expected a token of {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS} visible ASCII characters without spaces \
         (`openssl rand -hex 32` makes one)"
    ));
    None
}

fn read_token_header(node: &Node<'_>) -> Option<HeaderName> {
    let name = read_header(node)?;
    if name == http::header::AUTHORIZATION {
        node.refuse("Authorization is where a token is looked for without this setting; leave it out");
        return None;
    }
    if PASSED_HEADERS.contains(&name.as_str()) {
        node.refuse("expected another header: this one is sent on with every delivery");
        return None;
    }
    Some(name)
}

fn read_type(node: &Node<'_>, token_header: Option<&HeaderName>) -> Option<TypeRule> {
    let fields = node.fields(&TYPE)?;
    let header = fields.get("header").map(|node| read_open_header(&node, token_header).map(TypePlace::Header));
    let pointer = fields.get("pointer").map(|node| node.parse().map(TypePlace::Pointer));
    let value = fields.get("value").map(|node| read_value(&node).map(TypePlace::Value));
    let mut written = [header, pointer, value].into_iter().flatten();
    let (Some(place), None) = (written.next(), written.next()) else {
        node.refuse_missing(
            "expected exactly one of header, pointer and value, such as { \"header\": \"X-Contentful-Topic\" }",
        );
        return None;
    };
    let prefix = read_prefix(&fields);
    Some(TypeRule { place: place?, prefix: prefix.unwrap_or_default() })
}

/// A header that is stored: nothing secret.
fn read_open_header(node: &Node<'_>, token_header: Option<&HeaderName>) -> Option<HeaderName> {
    let name = read_header(node)?;
    if name == http::header::AUTHORIZATION || Some(&name) == token_header {
        node.refuse("expected another header: this one carries the token");
        return None;
    }
    Some(name)
}

fn read_header(node: &Node<'_>) -> Option<HeaderName> {
    let name = read_name(&node.text_of("the name of a header, such as X-Contentful-Topic")?.text, node)?;
    if name == http::header::CONTENT_TYPE || name == http::header::COOKIE || name.as_str().starts_with("ce-") {
        node.refuse("expected a header of the source's own: this one has a meaning already");
        return None;
    }
    Some(name)
}

fn read_value(node: &Node<'_>) -> Option<EventType> {
    let event_type: EventType = node.parse()?;
    if event_type.is_operational() {
        node.refuse("expected another type: hookwright.* are the host's own");
        return None;
    }
    Some(event_type)
}

fn read_prefix(fields: &Fields<'_>) -> Option<String> {
    let node = fields.get("prefix")?;
    if fields.get("value").is_some() {
        node.refuse("goes with header or pointer; write it into value");
        return None;
    }
    let prefix = node.text()?.text;
    match prefix.parse::<EventType>() {
        Ok(start) if start.is_operational() => node.refuse("expected another prefix: hookwright.* are the host's own"),
        Ok(_) => return Some(prefix),
        Err(_) => node.refuse("expected the start of an event type, such as \"sanity.\""),
    }
    None
}

fn read_idempotency(node: &Node<'_>, token_header: Option<&HeaderName>) -> Option<IdempotencyRule> {
    if node.is_object() {
        let header = node.fields(&IDEMPOTENCY)?.require("header", "the name of a header, such as X-Request-Id")?;
        return read_open_header(&header, token_header).map(IdempotencyRule::Header);
    }
    if !node.is_list() || node.is_empty_list() {
        node.refuse(
            "expected a list of JSON Pointers, such as [\"/sys/id\", \"/sys/version\"], or { \"header\": NAME }",
        );
        return None;
    }
    let pointers: Vec<_> = node.items(MAX_POINTERS).iter().map(Node::parse::<Pointer>).collect();
    pointers.into_iter().collect::<Option<_>>().map(IdempotencyRule::Pointers)
}

#[cfg(test)]
mod tests {
    use super::super::{Layer, Variables, parse_server};
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn read_one(settings: &str) -> Result<Source, String> {
        let text = format!(r#"{{"sources": [{{"name": "cms", "token": "{TOKEN}", {settings}}}]}}"#);
        let layer = Layer { file: "config/server.json".into(), text: text.into() };
        let read = parse_server(&[layer], &Variables::default());
        read.map(|config| config.sources[0].clone())
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn reads_where_type_token_and_key_are() {
        let source = read_one(
            r#""tokenHeader": "X-Token", "type": {"header": "X-Topic", "prefix": "cms."}, "idempotency": {"header": "X-Id"}"#,
        )
        .expect("valid");
        assert_eq!(source.token_header.as_ref().map(HeaderName::as_str), Some("x-token"));
        assert_eq!(source.type_header().map(HeaderName::as_str), Some("x-topic"));
        assert_eq!(source.event_type.expect("a rule").prefix, "cms.");
        let source = read_one(r#""type": {"pointer": "/event"}, "idempotency": ["/id", "/version"]"#).expect("valid");
        assert_eq!(
            source.event_type.map(|rule| rule.place),
            Some(TypePlace::Pointer("/event".parse().expect("valid")))
        );
        assert!(matches!(source.idempotency, Some(IdempotencyRule::Pointers(pointers)) if pointers.len() == 2));
        let source = read_one(r#""type": {"value": "ghost.post.published"}"#).expect("valid");
        let value = "ghost.post.published".parse().expect("valid");
        assert_eq!(source.event_type.map(|rule| rule.place), Some(TypePlace::Value(value)));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_remedy() {
        let wrong = [
            r#""type": "X-Topic""#,
            r#""type": {}"#,
            r#""type": {"header": "X-Topic", "value": "a"}"#,
            r#""type": {"hedaer": "X-Topic"}"#,
            r#""type": {"header": "X Topic"}"#,
            r#""type": {"header": "Authorization"}"#,
            r#""type": {"header": "Content-Type"}"#,
            r#""type": {"header": "X-Token"}, "tokenHeader": "x-token""#,
            r#""type": {"pointer": "event"}"#,
            r#""type": {"value": "a b"}"#,
            r#""type": {"value": "hookwright.delivery.failed"}"#,
            r#""type": {"value": "a", "prefix": "b."}"#,
            r#""type": {"pointer": "/event", "prefix": "hookwright."}"#,
            r#""type": {"pointer": "/event", "prefix": " "}"#,
            r#""tokenHeader": "Authorization""#,
            r#""tokenHeader": "Host""#,
            r#""tokenHeader": "traceparent""#,
            r#""idempotency": []"#,
            r#""idempotency": "/id""#,
            r#""idempotency": ["id"]"#,
            r#""idempotency": {"header": "ce-id"}"#,
            r#""idempotency": {"header": "Authorization"}"#,
        ];
        let told: Vec<_> = wrong.iter().map(|settings| read_one(settings).expect_err(settings)).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        config/server.json at /sources/0/type: expected an object, { … }; written: "X-Topic"
        config/server.json at /sources/0/type: expected exactly one of header, pointer and value, such as { "header": "X-Contentful-Topic" }
        config/server.json at /sources/0/type: expected exactly one of header, pointer and value, such as { "header": "X-Contentful-Topic" }
        config/server.json at /sources/0/type/hedaer: unknown key, did you mean header? Allowed: header, pointer, value, prefix
        config/server.json at /sources/0/type: expected exactly one of header, pointer and value, such as { "header": "X-Contentful-Topic" }
        config/server.json at /sources/0/type/header: expected the name of a header, such as X-Site: letters, digits and '-'
        config/server.json at /sources/0/type/header: expected another header: this one carries the token; written: "Authorization"
        config/server.json at /sources/0/type/header: expected a header of the source's own: this one has a meaning already; written: "Content-Type"
        config/server.json at /sources/0/type/header: expected another header: this one carries the token; written: "X-Token"
        config/server.json at /sources/0/type/pointer: expected a JSON Pointer such as /entry/id: empty or starting with '/', '~' written ~0 and '/' in a name ~1; written: "event"
        config/server.json at /sources/0/type/value: expected an event type: 1 to 128 letters, digits, '.', '_', ':', '/' or '-', starting with a letter or digit; written: "a b"
        config/server.json at /sources/0/type/value: expected another type: hookwright.* are the host's own; written: "hookwright.delivery.failed"
        config/server.json at /sources/0/type/prefix: goes with header or pointer; write it into value; written: "b."
        config/server.json at /sources/0/type/prefix: expected another prefix: hookwright.* are the host's own; written: "hookwright."
        config/server.json at /sources/0/type/prefix: expected the start of an event type, such as "sanity."; written: " "
        config/server.json at /sources/0/tokenHeader: Authorization is where a token is looked for without this setting; leave it out; written: "Authorization"
        config/server.json at /sources/0/tokenHeader: the dispatcher writes this header itself; leave it out
        config/server.json at /sources/0/tokenHeader: expected another header: this one is sent on with every delivery; written: "traceparent"
        config/server.json at /sources/0/idempotency: expected a list of JSON Pointers, such as ["/sys/id", "/sys/version"], or { "header": NAME }; written: a list
        config/server.json at /sources/0/idempotency: expected a list of JSON Pointers, such as ["/sys/id", "/sys/version"], or { "header": NAME }; written: "/id"
        config/server.json at /sources/0/idempotency/0: expected a JSON Pointer such as /entry/id: empty or starting with '/', '~' written ~0 and '/' in a name ~1; written: "id"
        config/server.json at /sources/0/idempotency/header: expected a header of the source's own: this one has a meaning already; written: "ce-id"
        config/server.json at /sources/0/idempotency/header: expected another header: this one carries the token; written: "Authorization"
        "#);
    }
}

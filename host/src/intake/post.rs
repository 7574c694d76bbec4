//! `POST /v1/events`: from a request to a candidate, from its fate to an answer.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};
use tokio::sync::OwnedSemaphorePermit;

use super::message::Envelope;
use super::{BODIES_IN_FLIGHT_BYTES, Candidate, Intake, Receipt, Refusal, token};
use crate::access::{Blocked, Posts};
use crate::clock;
use crate::cloudevent::HEADER_PREFIX;
use crate::config::{IntakeLimits, Source};
use crate::event::PASSED_HEADERS;
use crate::http::Peer;
use crate::http::body::{self, BodyLimits};
use crate::http::problem::Problem;
use crate::ids::Digest;
use crate::revision::Revision;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// A content type has two words and a charset; a longer one is nonsense.
const MAX_CONTENT_TYPE_BYTES: usize = 127;

/// By these a CloudEvent in binary mode is known, or what was meant to be one.
const CLOUDEVENT_HEADERS: [&str; 2] = ["ce-specversion", "ce-type"];

/// A passed header with a longer value is left out: it travels with every delivery and is not in the body's limit.
const MAX_PASSED_HEADER_BYTES: usize = 4 << 10;

pub(super) async fn post_event(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    match intake.receive(request).await {
        Ok(receipt) => (StatusCode::ACCEPTED, Json(receipt)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

impl Intake {
    async fn receive(self: &Arc<Self>, request: Request) -> Result<Receipt, Problem> {
        let candidate = self.candidate(request).await;
        // An event is received when its last byte is here.
        let now = clock::now();
        let refused = |refusal: Refusal| {
            self.tally.note(&refusal, now);
            Problem::from(&refusal)
        };
        let candidate = candidate.map_err(refused)?;
        // What is in force now: the body may have taken its time.
        let revision = self.parts.live.load_full();
        match self.judge(&revision, &candidate) {
            Ok(events) => {
                self.take_turn(&events).await;
                let is_batch = candidate.is_batch();
                let accepted = self.commit(candidate.into_batch(events), now).await.map_err(refused)?;
                Ok(Receipt::of(is_batch, accepted))
            }
            Err(refusal) => {
                let kept_for = refusal.is_kept().then(|| refusal.to_string());
                let problem = refused(refusal);
                Err(match kept_for {
                    Some(reason) => self.keep(candidate, problem, reason, now).await,
                    None => problem,
                })
            }
        }
    }

    /// Checks what costs little before what costs more; the body is read last.
    async fn candidate(&self, request: Request) -> Result<Candidate, Refusal> {
        let (head, body) = request.into_parts();
        let revision = self.parts.live.load_full();
        let posts = self.authenticated(&head, &revision)?;
        // A source that only tokens name has the usual settings.
        let usual = || Source::plain(posts.source.clone(), Digest::from_bytes([0; 32]));
        let configured = self.sources(&revision).iter().find(|source| source.name == posts.source);
        let source = configured.map_or_else(|| Cow::Owned(usual()), Cow::Borrowed);
        let headers = kept_headers(&head.headers, &source);
        let content_type: Arc<str> = content_type(&head.headers, &headers)?.into();
        let envelope = Envelope::of(&content_type, &headers);
        let idempotency_key = idempotency_key(&head.headers, envelope, &source)?.map(Into::into);
        drop(source);
        let limits = revision.server.limits;
        drop(revision);
        let mut room = self.room_for(&body, &limits)?;
        let limits = BodyLimits { max_bytes: limits.max_body_bytes, timeout: limits.body_timeout };
        let data = body::read(body, limits).await?;
        // One that was not announced had room for the most that it might be.
        drop(room.split(room.num_permits().saturating_sub(data.len())));
        let Posts { source, events: only } = posts;
        Ok(Candidate { source, only, content_type, headers, data, idempotency_key, room: Some(room) })
    }

    /// Who posts. The token is judged before its peer is: whoever shares a proxy with a CMS cannot lock it out.
    fn authenticated(&self, head: &http::request::Parts, revision: &Revision) -> Result<Posts, Refusal> {
        let now = clock::now();
        let found = token::authenticate(&head.headers, self.sources(revision), &self.parts.tokens, now);
        found.inspect(|posts| self.note_use(&posts.source, now)).map_err(|refusal| {
            if !refusal.is_wrong_token() {
                return refusal;
            }
            let peer = Peer::address(&head.extensions);
            match self.attempts.check(peer, now) {
                Ok(()) => {
                    self.attempts.note(peer, now);
                    refusal
                }
                Err(Blocked { wait }) => Refusal::TooManyAttempts { wait },
            }
        })
    }

    /// Room for what is announced, or for the most that is allowed. Not waited for: the sender is told to come back.
    fn room_for(&self, body: &Body, limits: &IntakeLimits) -> Result<OwnedSemaphorePermit, Refusal> {
        let max_bytes = limits.max_body_bytes;
        let bytes = match body::announced_bytes(body).map(usize::try_from) {
            Some(Ok(announced)) if announced <= max_bytes => announced,
            Some(_) => return Err(Refusal::TooLarge { max_bytes }),
            None => max_bytes,
        };
        let permits = u32::try_from(bytes.min(BODIES_IN_FLIGHT_BYTES)).unwrap_or(u32::MAX);
        Arc::clone(&self.room).try_acquire_many_owned(permits).map_err(|_| Refusal::Overloaded)
    }
}

/// The content type. The data of a CloudEvent in binary mode, which `kept` headers tell, may be JSON of any family, and
/// is JSON if nothing is said.
fn content_type<'h>(headers: &'h HeaderMap, kept: &[(String, String)]) -> Result<&'h str, Refusal> {
    if !kept.iter().any(|(name, _)| name.starts_with(HEADER_PREFIX)) {
        return json_type(headers);
    }
    if headers.contains_key(header::CONTENT_TYPE) {
        checked_type(headers, is_json_of_any_family)
    } else {
        unpacked(headers, "application/json")
    }
}

/// The content type, if it is JSON in UTF-8.
pub(crate) fn json_type(headers: &HeaderMap) -> Result<&str, Refusal> {
    checked_type(headers, |text| is_utf8_json(text, |family| family.eq_ignore_ascii_case("application")))
}

fn checked_type(headers: &HeaderMap, is_taken: impl FnOnce(&str) -> bool) -> Result<&str, Refusal> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let text = text.filter(|text| text.len() <= MAX_CONTENT_TYPE_BYTES).ok_or(Refusal::MediaType { found: None })?;
    let text = unpacked(headers, text)?;
    if is_taken(text) { Ok(text) } else { Err(Refusal::MediaType { found: Some(text.to_owned()) }) }
}

/// The content type of a body that is not packed.
fn unpacked<'h>(headers: &HeaderMap, content_type: &'h str) -> Result<&'h str, Refusal> {
    match content_coding(headers) {
        Some(coding) => Err(Refusal::MediaType { found: Some(format!("{content_type} encoded as {coding}")) }),
        None => Ok(content_type),
    }
}

/// How the body is packed, if it is. Not unpacked: what is delivered are the bytes that came.
fn content_coding(headers: &HeaderMap) -> Option<&str> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or_default());
    let unshowable = |coding: &str| coding.is_empty() || coding.len() > MAX_CONTENT_TYPE_BYTES;
    codings
        .map(|coding| if unshowable(coding) { "something else" } else { coding })
        .find(|coding| !coding.eq_ignore_ascii_case("identity"))
}

/// Whether this is JSON in UTF-8 as CloudEvents see it: `*/json` or `*/*+json`.
pub(super) fn is_json_of_any_family(content_type: &str) -> bool {
    content_type.len() <= MAX_CONTENT_TYPE_BYTES && is_utf8_json(content_type, |family| !family.is_empty())
}

fn is_utf8_json(content_type: &str, of_family: impl FnOnce(&str) -> bool) -> bool {
    let mut parts = content_type.split(';').map(str::trim_ascii);
    let Some((family, subtype)) = parts.next().and_then(|essence| essence.split_once('/')) else { return false };
    let suffix = subtype.rsplit_once('+').map_or(subtype, |(_, suffix)| suffix);
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    of_family(family) && suffix.eq_ignore_ascii_case("json") && is_utf8
}

/// The sender's own word first, then the header that its source is known to send. The events of a batch have keys of
/// their own: one for all of them would say nothing.
fn idempotency_key<'h>(
    headers: &'h HeaderMap,
    envelope: Envelope,
    source: &Source,
) -> Result<Option<&'h str>, Refusal> {
    let names = [Some(&IDEMPOTENCY_KEY), source.idempotency_header()];
    let sent = names.into_iter().flatten().find_map(|name| Some((name, headers.get(name)?)));
    let Some((name, value)) = sent else { return Ok(None) };
    if envelope == Envelope::Batch {
        return Err(Refusal::KeyOfBatch);
    }
    let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if visible && (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len()) => Ok(Some(key)),
        _ => Err(Refusal::BadIdempotencyKey { header: name.clone() }),
    }
}

/// Headers that go out again, the one that says the type of this source's events among them; and the context of a
/// CloudEvent in binary mode, until it is read.
fn kept_headers(headers: &HeaderMap, source: &Source) -> Vec<(String, String)> {
    let passed = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        (value.len() <= MAX_PASSED_HEADER_BYTES).then(|| (name.to_owned(), value.to_owned()))
    };
    let of_source = source.type_header().map(HeaderName::as_str).filter(|name| !PASSED_HEADERS.contains(name));
    let mut kept: Vec<_> = PASSED_HEADERS.into_iter().chain(of_source).filter_map(passed).collect();
    if CLOUDEVENT_HEADERS.iter().any(|name| headers.contains_key(*name)) {
        let context = headers.iter().filter(|(name, _)| name.as_str().starts_with(HEADER_PREFIX));
        kept.extend(
            context.map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            }),
        );
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{IdempotencyRule, TypePlace, TypeRule};
    use crate::ids::Digest;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect(value))])
    }

    fn strapi() -> Source {
        Source::plain("strapi".parse().expect("valid"), Digest::of(b"token"))
    }

    #[test]
    fn the_data_of_a_cloudevent_is_json_of_any_family_or_of_no_name() {
        let kept = [("ce-type".to_owned(), "a".to_owned())];
        for (sent, taken) in [("text/json", true), ("a/b+json", true), ("text/plain", false), ("/json", false)] {
            assert_eq!(content_type(&headers(header::CONTENT_TYPE, sent), &kept).is_ok(), taken, "{sent}");
        }
        assert_eq!(content_type(&HeaderMap::new(), &kept).expect("as JSON"), "application/json");
        let packed = headers(header::CONTENT_ENCODING, "gzip");
        assert!(content_type(&packed, &kept).is_err());
        assert!(content_type(&HeaderMap::new(), &[]).is_err());
    }

    #[test]
    fn json_by_any_name_is_taken() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\";v=1",
            "application/vnd.strapi+json",
        ] {
            assert_eq!(json_type(&headers(header::CONTENT_TYPE, good)).expect(good), good);
        }
        for bad in ["text/json", "application/jsonp", "application/", "application/json; charset=latin1", "json", ""] {
            assert!(json_type(&headers(header::CONTENT_TYPE, bad)).is_err(), "{bad}");
        }
        assert!(json_type(&HeaderMap::new()).is_err());
        for (coding, is_taken) in [("identity", true), ("gzip", false), ("identity, br", false), ("", false)] {
            let mut packed = headers(header::CONTENT_TYPE, "application/json");
            packed.insert(header::CONTENT_ENCODING, coding.parse().expect(coding));
            assert_eq!(json_type(&packed).is_ok(), is_taken, "{coding}");
        }
    }

    #[test]
    fn an_idempotency_key_is_visible_and_short() {
        let key = |text: &str| {
            let sent = headers(IDEMPOTENCY_KEY, text);
            idempotency_key(&sent, Envelope::Plain, &strapi()).map(|key| key.map(str::to_owned))
        };
        assert_eq!(key("a-1").expect("good"), Some("a-1".into()));
        assert_eq!(key(&"k".repeat(255)).expect("good").map(|key| key.len()), Some(255));
        for bad in ["", "a b", "ü", &"k".repeat(256)] {
            assert!(key(bad).is_err(), "{bad}");
        }
        let none = HeaderMap::new();
        assert_eq!(idempotency_key(&none, Envelope::Plain, &strapi()).expect("absent is fine"), None);
        let sent = headers(IDEMPOTENCY_KEY, "a-1");
        assert!(matches!(idempotency_key(&sent, Envelope::Batch, &strapi()), Err(Refusal::KeyOfBatch)));
    }

    #[test]
    fn a_source_may_send_its_key_in_a_header_of_its_own() {
        let rule = IdempotencyRule::Header("X-Request-Id".parse().expect("valid"));
        let source = Source { idempotency: Some(rule), ..strapi() };
        let mut sent = headers("x-request-id".parse().expect("valid"), "7");
        assert_eq!(idempotency_key(&sent, Envelope::Plain, &source).expect("good"), Some("7"));
        assert_eq!(idempotency_key(&sent, Envelope::Plain, &strapi()).expect("good"), None);
        sent.insert(IDEMPOTENCY_KEY, "8".parse().expect("valid"));
        assert_eq!(idempotency_key(&sent, Envelope::Plain, &source).expect("good"), Some("8"));
    }

    #[test]
    fn only_listed_headers_of_a_sane_size_are_passed_on() {
        let mut sent = headers("x-strapi-event".parse().expect("valid"), "entry.create");
        sent.insert(header::AUTHORIZATION, "Bearer x".parse().expect("valid"));
        sent.insert("tracestate", "k".repeat(MAX_PASSED_HEADER_BYTES + 1).parse().expect("valid"));
        sent.insert("x-topic", "Entry.publish".parse().expect("valid"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let strapis = pair("x-strapi-event", "entry.create");
        assert_eq!(kept_headers(&sent, &strapi()), std::slice::from_ref(&strapis));
        let topic = TypePlace::Header("X-Topic".parse().expect("valid"));
        let rule = TypeRule { place: topic, prefix: String::new() };
        let source = Source { event_type: Some(rule), ..strapi() };
        assert_eq!(kept_headers(&sent, &source), [strapis, pair("x-topic", "Entry.publish")]);
        sent.insert("ce-id", "7".parse().expect("valid"));
        assert_eq!(kept_headers(&sent, &strapi()).len(), 1, "an id alone is no CloudEvent");
        sent.insert("ce-type", "a".parse().expect("valid"));
        assert_eq!(kept_headers(&sent, &strapi())[1..].len(), 2);
    }
}

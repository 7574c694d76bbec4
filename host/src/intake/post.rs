//! `POST /v1/events`: from a request to a candidate, from its fate to an answer.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};
use tokio::sync::OwnedSemaphorePermit;

use super::{Accepted, BODIES_IN_FLIGHT_BYTES, Candidate, Intake, Refusal, token};
use crate::access::{Blocked, Posts};
use crate::clock;
use crate::config::IntakeLimits;
use crate::event::PASSED_HEADERS;
use crate::http::Peer;
use crate::http::body::{self, BodyLimits};
use crate::http::problem::Problem;
use crate::revision::Revision;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// A content type has two words and a charset; a longer one is nonsense.
const MAX_CONTENT_TYPE_BYTES: usize = 127;

/// A passed header with a longer value is left out: it travels with every delivery and is not in the body's limit.
const MAX_PASSED_HEADER_BYTES: usize = 4 << 10;

pub(super) async fn post_event(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    match intake.receive(request).await {
        Ok(accepted) => (StatusCode::ACCEPTED, Json(accepted)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

impl Intake {
    async fn receive(self: &Arc<Self>, request: Request) -> Result<Accepted, Problem> {
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
            Ok(judged) => self.commit(candidate, judged, now).await.map_err(refused),
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
        let content_type = json_type(&head.headers)?.into();
        let idempotency_key = idempotency_key(&head.headers)?.map(Into::into);
        let headers = passed_headers(&head.headers);
        let limits = revision.server.limits;
        drop(revision);
        let room = self.room_for(&body, &limits)?;
        let limits = BodyLimits { max_bytes: limits.max_body_bytes, timeout: limits.body_timeout };
        let data = body::read(body, limits).await?;
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

/// The content type, if it is JSON in UTF-8.
pub(crate) fn json_type(headers: &HeaderMap) -> Result<&str, Refusal> {
    let unusable = |found: Option<&str>| Refusal::MediaType { found: found.map(str::to_owned) };
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let text = text.filter(|text| text.len() <= MAX_CONTENT_TYPE_BYTES).ok_or_else(|| unusable(None))?;
    let mut parts = text.split(';').map(str::trim_ascii);
    let is_json = parts.next().is_some_and(is_json);
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if let Some(coding) = content_coding(headers) {
        return Err(unusable(Some(&format!("{text} encoded as {coding}"))));
    }
    if is_json && is_utf8 { Ok(text) } else { Err(unusable(Some(text))) }
}

/// How the body is packed, if it is. Not unpacked: what is delivered are the bytes that came.
fn content_coding(headers: &HeaderMap) -> Option<&str> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or_default());
    let unshowable = |coding: &str| coding.is_empty() || coding.len() > MAX_CONTENT_TYPE_BYTES;
    codings
        .map(|coding| if unshowable(coding) { "something else" } else { coding })
        .find(|coding| !coding.eq_ignore_ascii_case("identity"))
}

fn is_json(media_type: &str) -> bool {
    let Some((family, subtype)) = media_type.split_once('/') else { return false };
    let suffix = subtype.rsplit_once('+').map_or(subtype, |(_, suffix)| suffix);
    family.eq_ignore_ascii_case("application") && suffix.eq_ignore_ascii_case("json")
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if visible && (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len()) => Ok(Some(key)),
        _ => Err(Refusal::BadIdempotencyKey),
    }
}

fn passed_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let passed = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        (value.len() <= MAX_PASSED_HEADER_BYTES).then(|| (name.to_owned(), value.to_owned()))
    };
    PASSED_HEADERS.into_iter().filter_map(passed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect(value))])
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
        let key = |text: &str| idempotency_key(&headers(IDEMPOTENCY_KEY, text)).map(|key| key.map(str::to_owned));
        assert_eq!(key("a-1").expect("good"), Some("a-1".into()));
        assert_eq!(key(&"k".repeat(255)).expect("good").map(|key| key.len()), Some(255));
        for bad in ["", "a b", "ü", &"k".repeat(256)] {
            assert!(key(bad).is_err(), "{bad}");
        }
        assert_eq!(idempotency_key(&HeaderMap::new()).expect("absent is fine"), None);
    }

    #[test]
    fn only_listed_headers_of_a_sane_size_are_passed_on() {
        let mut sent = headers("x-strapi-event".parse().expect("valid"), "entry.create");
        sent.insert(header::AUTHORIZATION, "Bearer x".parse().expect("valid"));
        sent.insert("tracestate", "k".repeat(MAX_PASSED_HEADER_BYTES + 1).parse().expect("valid"));
        assert_eq!(passed_headers(&sent), [("x-strapi-event".to_owned(), "entry.create".to_owned())]);
    }
}

//! What callers write into paths and queries, checked.

use std::str::FromStr;

use axum::extract::{Query, Request};
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};

use super::AdminState;
use crate::http::body::{self, BodyError};
use crate::http::problem::{Kind, Problem};
use crate::ids::NameError;
use crate::pattern::{EventPattern, PatternError};

/// Entries of a list when the caller does not say.
const DEFAULT_LIMIT: usize = 50;

/// The most a caller may ask for at once.
const MAX_LIMIT: usize = 200;

/// A part of a list: the newest `limit` of what is older than `before`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Page<Id> {
    pub(super) before: Option<Id>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

impl<Id> Page<Id> {
    pub(super) fn new(before: Option<Id>, limit: Option<usize>) -> Self {
        Self { before, limit }
    }

    /// How many entries were asked for.
    ///
    /// # Errors
    /// A problem, when that is none or too many.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if (1..=MAX_LIMIT).contains(&limit) {
            return Ok(limit);
        }
        Err(Problem::new(Kind::BadRequest, format!("`limit` must be 1 to {MAX_LIMIT}, is {limit}."))
            .with("field", "limit"))
    }
}

/// Names, times and numbers.
pub(super) const SMALL_BODY_BYTES: usize = 64 << 10;

/// What a body may take here.
#[derive(Clone, Copy)]
pub(super) struct BodyLimits(body::BodyLimits);

impl BodyLimits {
    /// As long as the public listener waits, and at most so large.
    pub(super) fn of(admin: &AdminState, max_bytes: usize) -> Self {
        Self(body::BodyLimits { max_bytes, timeout: admin.live.load().server.limits.body_timeout })
    }
}

/// Reads the body of a request as JSON. None at all is `{}`.
pub(super) async fn body<T: DeserializeOwned>(request: Request, limits: BodyLimits) -> Result<T, Problem> {
    let bytes = body::read(request.into_body(), limits.0).await.map_err(|error| unread(&error))?;
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    // A list would be taken as the members in their order.
    if text.trim_ascii_start().first().is_some_and(|first| *first == b'[') {
        return Err(Problem::new(Kind::BadRequest, "What was sent does not fit: expected an object, found a list."));
    }
    serde_json::from_slice(text).map_err(|error| {
        let kind = if error.is_data() { Kind::BadRequest } else { Kind::MalformedJson };
        Problem::new(kind, format!("What was sent does not fit: {error}."))
    })
}

/// Why a body could not be read.
pub(super) fn unread(error: &BodyError) -> Problem {
    let kind = match error {
        BodyError::TooLarge { .. } => Kind::BodyTooLarge,
        BodyError::TooSlow { .. } => Kind::BodyTooSlow,
        BodyError::Broken(_) => Kind::BadRequest,
    };
    Problem::new(kind, format!("What was sent cannot be taken: {error}."))
}

/// Reads the query of an address.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    match Query::try_from_uri(uri) {
        Ok(Query(value)) => Ok(value),
        Err(rejection) => Err(Problem::new(Kind::BadRequest, format!("{}.", rejection.body_text()))),
    }
}

/// An event pattern out of a query or a body.
///
/// # Errors
/// A problem, when it is no event pattern.
pub(super) fn pattern(field: &str, text: Option<String>) -> Result<Option<EventPattern>, Problem> {
    let wrong = |error: PatternError| {
        Problem::new(Kind::BadRequest, format!("`{field}`: {error}.")).with("field", field.to_owned())
    };
    text.map(|text| text.parse()).transpose().map_err(wrong)
}

/// Reads an id out of a path.
pub(super) fn id<T: FromStr<Err = NameError>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(Problem::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::EventId;

    fn page(text: &str) -> Result<(Option<EventId>, usize), Problem> {
        let page: Page<EventId> = query(&text.parse().expect("a uri"))?;
        Ok((page.before, page.limit()?))
    }

    #[test]
    fn pages_have_a_default_and_a_limit() {
        let id = EventId::from_bytes([1; 16]);
        assert_eq!(page("/v1/events"), Ok((None, 50)));
        assert_eq!(page(&format!("/v1/events?limit=200&before={id}")), Ok((Some(id), 200)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("/?limit=0", "`limit` must be 1 to 200, is 0."),
            ("/?limit=201", "`limit` must be 1 to 200, is 201."),
            ("/?limit=x", "limit"),
            ("/?before=evt_x", "before: expected an event id such as evt_01"),
            ("/?befor=x", "unknown field `befor`"),
        ] {
            let problem = page(text).expect_err(text);
            assert!(problem.detail().contains(named), "{text}: {}", problem.detail());
        }
    }
}

//! Problem documents, RFC 9457: how every refusal looks.
//!
//! `detail` is a sentence for a person who sees nothing else (Strapi shows the body to its admin); members
//! such as `errors` or `line` are for programs. What only the log may keep never gets here.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize as _, Serialize};
use serde_json::{Map, Value};

use crate::schemas::Violation;

/// What kind of problem it is. Stable: programs tell problems apart by the `type` that comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    BadRequest,
    MalformedJson,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    BodyTooSlow,
    IdempotencyConflict,
    NotRepeatable,
    NotReplayable,
    ManagedByFile,
    Exists,
    WrongState,
    WebhookOff,
    TooManyRuns,
    TooMany,
    PreconditionFailed,
    PreconditionRequired,
    InvalidDefinition,
    Unfit,
    TooManyAttempts,
    TypeNotAllowed,
    BodyTooLarge,
    UnsupportedMediaType,
    NotAnEvent,
    UnknownEvent,
    SchemaViolation,
    Overloaded,
    StoreUnavailable,
    ShuttingDown,
}

impl Kind {
    pub fn status(self) -> StatusCode {
        self.facts().0
    }

    pub fn title(self) -> &'static str {
        self.facts().2
    }

    /// Status, last part of the type, title.
    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => (StatusCode::BAD_REQUEST, "bad-request", "The request cannot be understood"),
            Self::MalformedJson => (StatusCode::BAD_REQUEST, "malformed-json", "The body is not JSON"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "A valid token is needed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The token's role is not enough"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is nothing here"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "This method is not taken here")
            }
            Self::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "body-too-slow", "The body took too long"),
            Self::IdempotencyConflict => {
                (StatusCode::CONFLICT, "idempotency-conflict", "This idempotency key was used for other bytes")
            }
            Self::NotRepeatable => (StatusCode::CONFLICT, "not-repeatable", "The run cannot be repeated"),
            Self::NotReplayable => (StatusCode::CONFLICT, "not-replayable", "The delivery cannot be replayed"),
            Self::ManagedByFile => (StatusCode::CONFLICT, "managed-by-file", "A file has the last word here"),
            Self::Exists => (StatusCode::CONFLICT, "exists", "There is one already"),
            Self::WrongState => (StatusCode::CONFLICT, "wrong-state", "The delivery is in another state"),
            Self::WebhookOff => (StatusCode::CONFLICT, "webhook-off", "The webhook takes no deliveries"),
            Self::TooManyRuns => (StatusCode::TOO_MANY_REQUESTS, "too-many-runs", "Too many runs are under way"),
            Self::TooMany => (StatusCode::CONFLICT, "too-many", "There are as many as there may be"),
            Self::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, "precondition-failed", "It was changed by somebody else")
            }
            Self::PreconditionRequired => {
                (StatusCode::PRECONDITION_REQUIRED, "precondition-required", "Say which version is to be changed")
            }
            Self::InvalidDefinition => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-definition", "The definition does not work")
            }
            Self::Unfit => (StatusCode::UNPROCESSABLE_ENTITY, "unfit", "What was sent does not fit together"),
            Self::TooManyAttempts => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", "Too many wrong tokens were sent")
            }
            Self::TypeNotAllowed => {
                (StatusCode::FORBIDDEN, "type-not-allowed", "The token is not for events of this type")
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "This content type is not taken")
            }
            Self::NotAnEvent => (StatusCode::UNPROCESSABLE_ENTITY, "not-an-event", "The body is not an event"),
            Self::UnknownEvent => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unknown-event", "There is no schema for this event type")
            }
            Self::SchemaViolation => {
                (StatusCode::UNPROCESSABLE_ENTITY, "schema-violation", "The event does not fit its schema")
            }
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too much at once"),
            Self::StoreUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "The store cannot take this now")
            }
            Self::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting-down", "The host is shutting down"),
        }
    }
}

/// One refusal as its receiver sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// Relative to the listener it came from.
    #[serde(rename = "type")]
    type_uri: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(flatten)]
    members: Map<String, Value>,
    #[serde(skip)]
    kind: Kind,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, slug, title) = kind.facts();
        Self {
            type_uri: format!("/problems/{slug}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            members: Map::new(),
            kind,
            retry_after: None,
        }
    }

    /// Says when to come back.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds a member for programs.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds a member whose value is read as text.
    #[must_use]
    pub fn with_text(self, member: &str, value: &impl Display) -> Self {
        self.with(member, value.to_string())
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn title(&self) -> &'static str {
        self.title
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Which field of what was sent is wrong, if one is.
    pub fn field(&self) -> Option<&str> {
        self.members.get("field")?.as_str()
    }

    /// What is wrong with a document that was sent, by place.
    pub fn violations(&self) -> Vec<Violation> {
        let errors = self.members.get("errors").and_then(Value::as_array).into_iter().flatten();
        errors.filter_map(|error| Violation::deserialize(error).ok()).collect()
    }

    /// The document.
    pub fn to_json(&self) -> String {
        // Texts and JSON values always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Rounded up: never too early.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.to_json().into());
        let (status, ..) = self.kind.facts();
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // All of these pass quickly or not at all: one second spreads retries without losing time.
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        // For pages, which show the same otherwise.
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_beside_the_standard_ones() {
        let problem = Problem::new(Kind::MalformedJson, "Expected a value.").with("line", 3).with("column", 7);
        insta::assert_json_snapshot!(problem, @r#"
        {
          "type": "/problems/malformed-json",
          "title": "The body is not JSON",
          "status": 400,
          "detail": "Expected a value.",
          "line": 3,
          "column": 7
        }
        "#);
    }

    #[test]
    fn headers_say_when_to_come_back_and_how_to_log_in() {
        let response = Problem::new(Kind::Overloaded, "Full.").into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let response = Problem::new(Kind::Unauthorized, "Who?").into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}

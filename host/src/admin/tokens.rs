//! `/v1/tokens`: made, looked at, revoked. The text of one is in the answer that makes it, and nowhere else.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminState, Who, params};
use crate::access::{NewToken, Posts, Principal, Role, Token, TokenState};
use crate::clock::{self, Timestamp};
use crate::duration;
use crate::http::problem::{Kind, Problem};
use crate::ids::{SourceName, TokenId, TokenName};
use crate::pattern::EventPattern;
use crate::store::RunState;

/// As many as anybody can read.
const MOST_PATTERNS: usize = 50;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenView {
    pub(super) id: TokenId,
    pub(super) name: TokenName,
    pub(super) role: Role,
    pub(super) state: TokenState,
    /// What it posts as, and the types it is limited to (none: all), if it is a source's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<SourceName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) events: Option<Vec<String>>,
    pub(super) created: Timestamp,
    pub(super) created_by: String,
    pub(super) expires: Option<Timestamp>,
    pub(super) last_used: Option<Timestamp>,
    pub(super) revoked: Option<Timestamp>,
}

impl TokenView {
    fn of(token: Token, now: Timestamp) -> Self {
        let state = token.state(now);
        let Token { id, name, role, digest: _, created, created_by, expires, last_used, revoked, posts } = token;
        let (source, events) = posts.map(|posts| (posts.source, texts(&posts.events))).unzip();
        Self { id, name, role, state, source, events, created, created_by, expires, last_used, revoked }
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct TokenList {
    /// Newest first.
    tokens: Vec<TokenView>,
}

pub(super) async fn list(State(admin): Admin) -> Json<TokenList> {
    Json(TokenList { tokens: all(&admin, clock::now()) })
}

/// Newest first.
pub(super) fn all(admin: &AdminState, now: Timestamp) -> Vec<TokenView> {
    admin.tokens.list(now).into_iter().rev().map(|token| TokenView::of(token, now)).collect()
}

pub(super) async fn one(State(admin): Admin, Path(id): Path<String>) -> Result<Json<TokenView>, Problem> {
    let (id, now) = (params::id(&id)?, clock::now());
    let absent = || Problem::new(Kind::NotFound, format!("There is no token {id}."));
    Ok(Json(TokenView::of(admin.tokens.get(id, now).ok_or_else(absent)?, now)))
}

/// What a token is to be.
// Texts, so that what is wrong with one can be said of it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewToken")]
pub(super) struct Wanted {
    #[schemars(required, with = "TokenName")]
    pub(super) name: Option<String>,
    #[schemars(required, with = "Role")]
    pub(super) role: Option<String>,
    /// `"90d"` from now, or when.
    pub(super) expires: Option<String>,
    /// Of the role `source` only, and always of that.
    #[schemars(with = "Option<SourceName>")]
    pub(super) source: Option<String>,
    /// Of the role `source` only: the types it is for; none: all.
    pub(super) events: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct MadeToken {
    #[serde(flatten)]
    pub(super) view: TokenView,
    /// Shown this once.
    pub(super) token: String,
}

pub(super) async fn create(
    State(admin): Admin,
    axum::Extension(who): Who,
    request: Request,
) -> Result<Response, Problem> {
    let limits = params::BodyLimits::of(&admin, params::SMALL_BODY_BYTES);
    let wanted: Wanted = params::body(request, limits).await?;
    let made = made(&admin, wanted, who).await?;
    let headers =
        [(header::LOCATION, format!("/v1/tokens/{}", made.view.id)), (header::CACHE_CONTROL, "no-store".into())];
    Ok((StatusCode::CREATED, headers, Json(made)).into_response())
}

pub(super) async fn made(admin: &AdminState, wanted: Wanted, who: Principal) -> Result<MadeToken, Problem> {
    let now = clock::now();
    let (token, text) = admin.tokens.create(wanted.checked(now)?, who, now).await?;
    Ok(MadeToken { view: TokenView::of(token, now), token: text })
}

/// It stays in the list for a while, and opens nothing. Repeating it changes nothing.
pub(super) async fn revoke(
    State(admin): Admin,
    axum::Extension(who): Who,
    Path(id): Path<String>,
) -> Result<Json<TokenView>, Problem> {
    let now = clock::now();
    let revoked = admin.tokens.revoke(params::id(&id)?, who, now).await?;
    Ok(Json(TokenView::of(revoked, now)))
}

impl Wanted {
    fn checked(self, now: Timestamp) -> Result<NewToken, Problem> {
        let Self { name, role, expires, source, events } = self;
        let name = name.ok_or_else(|| wrong("name", "is missing: what people call the token, such as grafana"))?;
        if name.to_ascii_lowercase().starts_with(RunState::HOST) {
            return Err(wrong("name", "must not begin with hookwright: that is how the host names itself in records"));
        }
        let name = name.parse().map_err(|error| unfit("name", error))?;
        let role = role.ok_or_else(|| wrong("role", "is missing: viewer, operator, admin or source"))?;
        let role: Role = role.parse().map_err(|error| unfit("role", error))?;
        let expires = expires.map(|text| expiry(&text, now)).transpose()?;
        let posts = match (role, source) {
            (Role::Source, Some(source)) => Some(Posts { source: named(&source)?, events: patterns(events)? }),
            (Role::Source, None) => {
                return Err(wrong("source", "is missing: the source that a token of the role source posts as"));
            }
            (_, Some(_)) => return Err(wrong("source", "is only for the role source")),
            (_, None) if events.is_some() => return Err(wrong("events", "is only for the role source")),
            (_, None) => None,
        };
        Ok(NewToken { name, role, expires, posts })
    }
}

fn named(source: &str) -> Result<SourceName, Problem> {
    let name: SourceName = source.parse().map_err(|error| unfit("source", error))?;
    if name == SourceName::hookwright() {
        return Err(wrong("source", "must be another name: the host's own events come from hookwright"));
    }
    Ok(name)
}

fn patterns(events: Option<Vec<String>>) -> Result<Vec<EventPattern>, Problem> {
    let events = events.unwrap_or_default();
    if events.len() > MOST_PATTERNS {
        return Err(wrong("events", format_args!("has more than {MOST_PATTERNS} patterns")));
    }
    let read = |text: &String| text.parse().map_err(|error| unfit("events", format_args!("{error}, not {text:?}")));
    events.iter().map(read).collect()
}

fn expiry(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let after = duration::parse(text).map(|after| now.after(after));
    let time = after.or_else(|_| text.parse()).map_err(|_| {
        unfit("expires", "expected how long it is good, such as 90d, or until when, such as 2027-01-01T00:00:00Z")
    })?;
    if time > now { Ok(time) } else { Err(wrong("expires", format_args!("must be in the future, and {time} is not"))) }
}

fn unfit(field: &str, why: impl std::fmt::Display) -> Problem {
    wrong(field, format_args!("does not fit: {why}"))
}

fn wrong(field: &str, what: impl std::fmt::Display) -> Problem {
    Problem::new(Kind::Unfit, format!("`{field}` {what}.")).with("field", field)
}

pub(super) fn texts(patterns: &[EventPattern]) -> Vec<String> {
    patterns.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

    fn read(text: &str) -> Result<NewToken, Problem> {
        serde_json::from_str::<Wanted>(text).expect(text).checked(NOW)
    }

    #[test]
    fn a_token_is_what_was_asked_for() {
        let viewer = read(r#"{"name":"grafana","role":"viewer","expires":"90d"}"#).unwrap();
        assert_eq!((viewer.role, viewer.posts), (Role::Viewer, None));
        assert_eq!(viewer.expires.unwrap().since(NOW).as_secs(), 90 * 86_400);
        let text =
            r#"{"name":"s","role":"source","source":"shop","events":["entry.*"],"expires":"2099-01-01T00:00:00Z"}"#;
        let source = read(text).unwrap();
        assert_eq!(source.expires.unwrap().to_string(), "2099-01-01T00:00:00.000Z");
        let posts = source.posts.unwrap();
        assert_eq!((posts.source.as_str(), texts(&posts.events)), ("shop", vec!["entry.*".to_owned()]));
    }

    #[test]
    fn what_is_wrong_names_its_field() {
        let told = [
            r"{}",
            r#"{"name":"a b"}"#,
            r#"{"name":"a"}"#,
            r#"{"name":"a","role":"root"}"#,
            r#"{"name":"a","role":"viewer","expires":"soon"}"#,
            r#"{"name":"a","role":"viewer","expires":"2001-01-01T00:00:00Z"}"#,
            r#"{"name":"a","role":"viewer","source":"shop"}"#,
            r#"{"name":"a","role":"viewer","events":[]}"#,
            r#"{"name":"a","role":"source"}"#,
            r#"{"name":"a","role":"source","source":"hookwright"}"#,
            r#"{"name":"a","role":"source","source":"shop","events":["*.x"]}"#,
        ]
        .map(|text| read(text).map(drop).expect_err(text).detail().to_owned());
        insta::assert_snapshot!(told.join("\n"), @r#"
        `name` is missing: what people call the token, such as grafana.
        `name` does not fit: expected a name of 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit.
        `role` is missing: viewer, operator, admin or source.
        `role` does not fit: expected a role: viewer, operator, admin or source.
        `expires` does not fit: expected how long it is good, such as 90d, or until when, such as 2027-01-01T00:00:00Z.
        `expires` must be in the future, and 2001-01-01T00:00:00.000Z is not.
        `source` is only for the role source.
        `events` is only for the role source.
        `source` is missing: the source that a token of the role source posts as.
        `source` must be another name: the host's own events come from hookwright.
        `events` does not fit: expected an event pattern: *, a prefix such as entry.*, or a type such as entry.create, not "*.x".
        "#);
    }
}

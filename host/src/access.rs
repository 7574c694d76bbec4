//! Who may do what: the roles of tokens, and who is behind a request.
//!
//! [`Tokens`] knows the tokens that were made here and whose they are, [`Sessions`] who is signed in to the pages,
//! [`Attempts`] who guesses too often. None speaks HTTP: the listeners ask them and say what comes of it.

mod attempts;
mod sessions;
mod token;
mod tokens;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use attempts::{Attempts, Blocked};
pub use sessions::{SESSION_LIFETIME, Session, Sessions, Told};
pub(crate) use token::generate;
pub use token::{Posts, Token, TokenState};
#[cfg(test)]
pub(crate) use tokens::tests::fresh as fresh_tokens;
pub use tokens::{CreateError, Found, MOST_TOKENS, NewToken, Refused, RevokeError, Tokens};

use crate::ids::TokenId;
use crate::store::RunState;

/// What a token is good for, from least to most. Each may do what the one before it may, but `source`, which only posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Posts events to the public listener; nothing else.
    Source,
    /// Looks.
    Viewer,
    /// Changes everything but secrets and tokens.
    Operator,
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Source, Self::Viewer, Self::Operator, Self::Admin];

    /// Whether it may use what needs `needed` on the admin listener.
    pub fn may(self, needed: Self) -> bool {
        self != Self::Source && self >= needed
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Why a text is not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a role: viewer, operator, admin or source")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(RoleError)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// As the record of changes names it.
    pub name: String,
    pub role: Role,
    /// It holds the token of the host's own file: whoever can read that file may say who he is.
    pub is_local: bool,
    /// Its token, if that was made over the API.
    pub token: Option<TokenId>,
}

impl Principal {
    /// The host itself.
    pub fn host() -> Self {
        Self { name: RunState::HOST.to_owned(), role: Role::Admin, is_local: false, token: None }
    }

    /// Whoever holds the token in `data/admin.token`.
    pub fn local() -> Self {
        Self { name: "data/admin.token".to_owned(), role: Role::Admin, is_local: true, token: None }
    }

    /// Whoever asks, as the record names him: what he says of himself counts only from [`Principal::local`].
    pub fn known_as(&self, said: Option<&str>) -> String {
        said.filter(|_| self.is_local).and_then(shown).unwrap_or_else(|| self.name.clone())
    }
}

/// A name longer than this is cut.
const MOST_NAME_CHARS: usize = 64;

/// A name as somebody typed it, fit for a record; none if nothing is left of it.
fn shown(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|c| !c.is_control()).take(MOST_NAME_CHARS).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_the_one_before_it_may_and_a_source_nothing() {
        use Role::{Admin, Operator, Source, Viewer};
        let may = |role: Role| [Viewer, Operator, Admin].map(|needed| role.may(needed));
        assert_eq!(may(Source), [false; 3]);
        assert_eq!(may(Viewer), [true, false, false]);
        assert_eq!(may(Operator), [true, true, false]);
        assert_eq!(may(Admin), [true; 3]);
    }

    #[test]
    fn only_whoever_reads_the_hosts_file_says_who_he_is() {
        let local = Principal::local();
        assert_eq!(local.known_as(Some(" \u{1b}ana\n")), "ana");
        assert_eq!(local.known_as(Some(&"x".repeat(500))).len(), MOST_NAME_CHARS);
        assert_eq!((local.known_as(Some(" ")), local.known_as(None)), (local.name.clone(), local.name.clone()));
        let other = Principal { name: "ci".to_owned(), is_local: false, ..local };
        assert_eq!(other.known_as(Some("ana")), "ci");
    }
}

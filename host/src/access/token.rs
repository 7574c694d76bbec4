//! One token as it is kept: whose it is, what it is good for, and its digest, from which nobody gets it back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Principal, Role};
use crate::clock::Timestamp;
use crate::ids::{Digest, EventType, SourceName, TokenId, TokenName};
use crate::pattern::EventPattern;

/// A token that was made over the API.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub id: TokenId,
    pub name: TokenName,
    pub role: Role,
    pub digest: Digest,
    pub created: Timestamp,
    pub created_by: String,
    /// None: it does not end by itself.
    pub expires: Option<Timestamp>,
    pub last_used: Option<Timestamp>,
    pub revoked: Option<Timestamp>,
    /// Of the role [`Role::Source`] only: what it posts.
    pub posts: Option<Posts>,
}

/// What a source's token posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posts {
    pub source: SourceName,
    /// Empty: whatever it likes.
    pub events: Vec<EventPattern>,
}

impl Posts {
    /// As much as it likes, as this source.
    pub fn freely(source: SourceName) -> Self {
        Self { source, events: Vec::new() }
    }

    pub fn may_post(&self, event_type: &EventType) -> bool {
        self.events.is_empty() || self.events.iter().any(|pattern| pattern.matches(event_type))
    }
}

/// Whether a token opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    Valid,
    Expired,
    Revoked,
}

impl Token {
    pub fn state(&self, now: Timestamp) -> TokenState {
        match (self.revoked, self.expires) {
            (Some(_), _) => TokenState::Revoked,
            (None, Some(expires)) if expires <= now => TokenState::Expired,
            _ => TokenState::Valid,
        }
    }

    /// Since when it opens nothing any more.
    pub fn ended(&self, now: Timestamp) -> Option<Timestamp> {
        self.revoked.into_iter().chain(self.expires.filter(|expires| *expires <= now)).min()
    }

    pub fn principal(&self) -> Principal {
        Principal { name: self.name.to_string(), role: self.role, is_local: false, token: Some(self.id) }
    }
}

/// A fresh token of 256 random bits. Its beginning tells people, and scanners for secrets, what it is.
pub(crate) fn generate(role: Role) -> String {
    let prefix = match role {
        Role::Source => "hws_",
        Role::Viewer => "hwv_",
        Role::Operator => "hwo_",
        Role::Admin => "hwa_",
    };
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_source_posts_what_its_patterns_match() {
        let posts = |events: &[&str]| Posts {
            source: "shop".parse().unwrap(),
            events: events.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let may = |events: &[&str], event_type: &str| posts(events).may_post(&event_type.parse().unwrap());
        assert!(may(&[], "entry.create") && may(&[], "trigger-test"));
        assert!(may(&["entry.*", "media.create"], "media.create"));
        assert!(!may(&["entry.*", "media.create"], "media.delete"));
        assert!(!may(&["*"], "trigger-test"), "as everywhere, it wants to be named");
    }
}

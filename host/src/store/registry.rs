//! What people made and changed: the record of changes, tokens, webhooks that are not in files.

use serde_json::Value;

use crate::access::{Principal, Token};
use crate::clock::Timestamp;
use crate::ids::TokenId;
use crate::store::Answer;

/// Changes that are remembered: the newest. Old ones go as new ones come.
pub const CHANGES_KEPT: i64 = 100_000;

/// Whatever people make and change, each change in one commit with its record.
pub trait Registry: Send + Sync + 'static {
    /// Keeps the record of a change that is kept elsewhere, or nowhere.
    fn record(&self, change: Change) -> Answer<'_, ()>;

    /// Those that fit, newest first, those with a number below `before` only.
    fn changes(&self, filter: ChangeFilter, before: Option<i64>, limit: usize) -> Answer<'_, Vec<Recorded>>;

    /// All of them, oldest first. Their number is bounded by whoever creates them.
    fn tokens(&self) -> Answer<'_, Vec<Token>>;

    /// Keeps a token, and forgets these.
    fn create_token(&self, token: Token, forgotten: Vec<TokenId>, change: Change) -> Answer<'_, ()>;

    fn revoke_token(&self, id: TokenId, at: Timestamp, change: Change) -> Answer<'_, ()>;

    /// When tokens were last used.
    fn tokens_used(&self, uses: Vec<(TokenId, Timestamp)>) -> Answer<'_, ()>;
}

/// Which changes to list.
#[derive(Clone, Debug, Default)]
pub struct ChangeFilter {
    pub subject: Option<String>,
    pub action: Option<String>,
}

/// Who changed what, when, from what to what. Holds no secret: whoever makes one leaves them out.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub at: Timestamp,
    pub who: String,
    /// Such as `webhook.update`.
    pub action: String,
    /// What was changed, such as a webhook's id.
    pub subject: String,
    /// None: it was not there, or there is nothing to compare.
    pub from: Option<Value>,
    pub to: Option<Value>,
}

/// A change with its number: later ones have higher numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub number: i64,
    pub change: Change,
}

impl Change {
    /// By this caller, with nothing to compare yet.
    pub fn by(principal: &Principal, action: &str, subject: impl Into<String>, at: Timestamp) -> Self {
        Self {
            at,
            who: principal.name.clone(),
            action: action.to_owned(),
            subject: subject.into(),
            from: None,
            to: None,
        }
    }

    /// The same, with what there is to compare.
    #[must_use]
    pub fn between(self, from: impl Into<Option<Value>>, to: impl Into<Option<Value>>) -> Self {
        Self { from: from.into(), to: to.into(), ..self }
    }
}

//! The tokens in force, in memory, for both listeners to read: no question to the store stands before a request.
//!
//! What is created or revoked is on disk before it is answered, and in force from then on. The last use of each is kept
//! here, and written now and then by [`Tokens::keep_writing`]; a crash loses a minute of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{Posts, Principal, Role, Token, TokenState, token};
use crate::clock::Timestamp;
use crate::ids::{Digest, TokenId, TokenName};
use crate::store::{Change, Registry, StoreError};
use crate::tasks::{self, OnPanic};

/// All of them are compared with each token that is presented, and held in memory.
pub const MOST_TOKENS: usize = 1_000;
/// What opens nothing any more can be looked at for so long.
const KEPT_ENDED: Duration = Duration::from_hours(30 * 24);
/// From one writing of last uses to the next.
const USE_PERIOD: Duration = Duration::from_mins(1);

/// A handle; clones are the same tokens.
#[derive(Clone)]
pub struct Tokens {
    shared: Arc<Shared>,
}

struct Shared {
    /// SHA-256 of the token in the host's own file.
    own: Digest,
    known: ArcSwap<Vec<Arc<Known>>>,
    registry: Arc<dyn Registry>,
    /// Held while the store and then `known` change, so that both change in the same order.
    changing: Mutex<()>,
}

struct Known {
    token: Token,
    used: AtomicI64,
    /// The last use that is on disk.
    written: AtomicI64,
}

/// Not used yet.
const NEVER: i64 = i64::MIN;

/// Whose a presented token is.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub principal: Principal,
    /// What it posts, if it is a source's.
    pub posts: Option<Posts>,
}

/// Why a presented token opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("it is not known here")]
    Unknown,
    #[error("token {name} expired {at}")]
    Expired { name: TokenName, at: Timestamp },
    #[error("token {name} was revoked {at}")]
    Revoked { name: TokenName, at: Timestamp },
}

/// What a token is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub name: TokenName,
    pub role: Role,
    pub expires: Option<Timestamp>,
    pub posts: Option<Posts>,
}

/// Why a token was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("token {1} is called {0} already: choose another name, or revoke that one first")]
    NameTaken(TokenName, TokenId),
    #[error("there are {MOST_TOKENS} tokens already; revoke some first")]
    Full,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a token was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    #[error("there is no token {0}")]
    Absent(TokenId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokens {
    /// Reads what the store has. `own` is the digest of the token in the host's own file.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(own: Digest, registry: Arc<dyn Registry>) -> Result<Self, StoreError> {
        let known = registry.tokens().await?.into_iter().map(Known::new).collect();
        let shared = Shared { own, known: ArcSwap::from_pointee(known), registry, changing: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whose `presented` is.
    ///
    /// Digests are compared, each in constant time and always all of them: the time says neither how much of a
    /// token fits nor whose it is.
    ///
    /// # Errors
    /// When it opens nothing: it is not known here, or not good any more.
    pub fn find(&self, presented: &str, now: Timestamp) -> Result<Found, Refused> {
        let digest = Digest::of(presented.as_bytes());
        let known = self.shared.known.load();
        let is_own = digest.as_bytes().ct_eq(self.shared.own.as_bytes());
        let found = known.iter().zip(1_u64..).fold(0, |found, (one, number)| {
            let fits: Choice = digest.as_bytes().ct_eq(one.token.digest.as_bytes());
            u64::conditional_select(&found, &number, fits)
        });
        if bool::from(is_own) {
            return Ok(Found { principal: Principal::local(), posts: None });
        }
        let found = found.checked_sub(1).and_then(|index| known.get(usize::try_from(index).ok()?));
        let one = found.ok_or(Refused::Unknown)?;
        let name = one.token.name.clone();
        match one.token.state(now) {
            TokenState::Revoked => Err(Refused::Revoked { name, at: one.token.revoked.unwrap_or(now) }),
            TokenState::Expired => Err(Refused::Expired { name, at: one.token.expires.unwrap_or(now) }),
            TokenState::Valid => {
                one.used.fetch_max(now.as_ms(), Ordering::Relaxed);
                Ok(Found { principal: one.token.principal(), posts: one.token.posts.clone() })
            }
        }
    }

    /// Whether this token is still good: for answers that take long. The host's own is.
    pub fn is_valid(&self, token: Option<TokenId>, now: Timestamp) -> bool {
        token.is_none_or(|id| self.get(id, now).is_some_and(|token| token.state(now) == TokenState::Valid))
    }

    /// All that can be looked at, oldest first, with their last use.
    pub fn list(&self, now: Timestamp) -> Vec<Token> {
        let known = self.shared.known.load();
        known.iter().map(|one| one.view()).filter(|token| !is_forgotten(token, now)).collect()
    }

    pub fn get(&self, id: TokenId, now: Timestamp) -> Option<Token> {
        let known = self.shared.known.load();
        let found = known.iter().find(|one| one.token.id == id)?;
        Some(found.view()).filter(|token| !is_forgotten(token, now))
    }

    /// Makes a token. Returns it with its text, which is kept nowhere.
    ///
    /// # Errors
    /// When there is no room, its name is taken, or the store does not take it.
    pub async fn create(&self, new: NewToken, by: Principal, now: Timestamp) -> Result<(Token, String), CreateError> {
        let tokens = self.clone();
        let create = async move { tokens.create_now(new, &by, now).await };
        tasks::see_through("token-create", OnPanic::Log, create).await
    }

    async fn create_now(&self, new: NewToken, by: &Principal, now: Timestamp) -> Result<(Token, String), CreateError> {
        let _changing = self.shared.changing.lock().await;
        let known = self.shared.known.load_full();
        let namesake = known.iter().find(|one| one.token.name == new.name && one.token.state(now) == TokenState::Valid);
        if let Some(namesake) = namesake {
            return Err(CreateError::NameTaken(new.name, namesake.token.id));
        }
        let (mut kept, forgotten) = make_room(&known, now)?;
        let text = token::generate(new.role);
        let NewToken { name, role, expires, posts } = new;
        let made = Token {
            id: TokenId::generate(now),
            name,
            role,
            digest: Digest::of(text.as_bytes()),
            created: now,
            created_by: by.name.clone(),
            expires,
            last_used: None,
            revoked: None,
            posts,
        };
        let mut change = Change::by(by, "token.create", made.id.to_string(), now);
        change.to = Some(described(&made));
        self.shared.registry.create_token(made.clone(), forgotten, change).await?;
        kept.push(Known::new(made.clone()));
        self.shared.known.store(Arc::new(kept));
        Ok((made, text))
    }

    /// From when this returns, the token opens nothing. One that was revoked before stays as it is.
    ///
    /// # Errors
    /// When it is not there, or the store does not take it.
    pub async fn revoke(&self, id: TokenId, by: Principal, now: Timestamp) -> Result<Token, RevokeError> {
        let tokens = self.clone();
        // Also when whoever asked hangs up: what is revoked on disk is revoked in memory.
        let revoke = async move { tokens.revoke_now(id, &by, now).await };
        tasks::see_through("token-revoke", OnPanic::Log, revoke).await
    }

    async fn revoke_now(&self, id: TokenId, by: &Principal, now: Timestamp) -> Result<Token, RevokeError> {
        let _changing = self.shared.changing.lock().await;
        let mut token = self.get(id, now).ok_or(RevokeError::Absent(id))?;
        if token.revoked.is_some() {
            return Ok(token);
        }
        let mut change = Change::by(by, "token.revoke", id.to_string(), now);
        change.from = Some(described(&token));
        self.shared.registry.revoke_token(id, now, change).await?;
        token.revoked = Some(now);
        let known = self.shared.known.load_full();
        let with_it = known.iter().map(|one| if one.token.id == id { one.revoked(now) } else { Arc::clone(one) });
        self.shared.known.store(Arc::new(with_it.collect()));
        Ok(token)
    }

    /// Writes last uses once a minute until `stop`.
    pub async fn keep_writing(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(USE_PERIOD)).await.is_some() {
            self.write_uses().await;
        }
    }

    /// Writes the last uses that are not on disk. One that fails is written with the next.
    pub async fn write_uses(&self) {
        let known = self.shared.known.load_full();
        let fresh: Vec<_> = known.iter().filter_map(|one| one.unwritten().map(|used| (one, used))).collect();
        if fresh.is_empty() {
            return;
        }
        let uses = fresh.iter().map(|(one, used)| (one.token.id, *used)).collect();
        match self.shared.registry.tokens_used(uses).await {
            Ok(()) => fresh.iter().for_each(|(one, used)| one.written.store(used.as_ms(), Ordering::Relaxed)),
            Err(error) => tracing::warn!(%error, "failed to write when tokens were last used"),
        }
    }
}

impl Known {
    fn new(token: Token) -> Arc<Self> {
        let used = token.last_used.map_or(NEVER, Timestamp::as_ms);
        Arc::new(Self { token, used: used.into(), written: used.into() })
    }

    fn revoked(&self, at: Timestamp) -> Arc<Self> {
        let token = Token { revoked: Some(at), ..self.token.clone() };
        let [used, written] = [&self.used, &self.written].map(|time| time.load(Ordering::Relaxed).into());
        Arc::new(Self { token, used, written })
    }

    fn last_used(&self) -> Option<Timestamp> {
        Some(self.used.load(Ordering::Relaxed)).filter(|used| *used != NEVER).map(Timestamp::from_ms)
    }

    fn unwritten(&self) -> Option<Timestamp> {
        self.last_used().filter(|used| used.as_ms() != self.written.load(Ordering::Relaxed))
    }

    fn view(&self) -> Token {
        Token { last_used: self.last_used(), ..self.token.clone() }
    }
}

fn is_forgotten(token: &Token, now: Timestamp) -> bool {
    token.ended(now).is_some_and(|ended| now.since(ended) > KEPT_ENDED)
}

/// What stays when one more is to come, and what goes for it: what ended long ago, then whatever ended first.
fn make_room(known: &[Arc<Known>], now: Timestamp) -> Result<(Vec<Arc<Known>>, Vec<TokenId>), CreateError> {
    let mut ended: Vec<_> = known.iter().filter_map(|one| Some((one.token.ended(now)?, one.token.id))).collect();
    ended.sort_unstable();
    let too_many = (known.len() + 1).saturating_sub(MOST_TOKENS);
    if too_many > ended.len() {
        return Err(CreateError::Full);
    }
    let old = ended.iter().take_while(|(ended, _)| now.since(*ended) > KEPT_ENDED).count();
    let forgotten: Vec<_> = ended.iter().take(old.max(too_many)).map(|(_, id)| *id).collect();
    let kept = known.iter().filter(|one| !forgotten.contains(&one.token.id)).cloned().collect();
    Ok((kept, forgotten))
}

/// A token for the record of changes.
fn described(token: &Token) -> Value {
    let Token { name, role, expires, posts, .. } = token;
    let mut value = json!({ "name": name, "role": role, "expires": expires });
    if let (Some(Posts { source, events }), Some(members)) = (posts, value.as_object_mut()) {
        members.insert("source".to_owned(), json!(source));
        members.insert("events".to_owned(), events.iter().map(ToString::to_string).collect());
    }
    value
}

#[cfg(test)]
pub(super) mod tests;

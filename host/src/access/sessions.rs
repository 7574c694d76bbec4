//! Who is signed in to the pages: one-time links, the sessions they begin, and what each session is told next.
//!
//! Of a link and of a session only the digest is kept, in memory: a restart signs everybody out. Both are bounded
//! for each token; when there is no room, its oldest goes. Does not speak HTTP, and does not know whether a principal's token is still good:
//! whoever asks looks.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use super::Principal;
use crate::clock::Timestamp;
use crate::ids::Digest;

/// A link that was not followed by then opens nothing.
const LINK_LIFETIME: Duration = Duration::from_mins(10);
/// A session ends so long after it began, whatever was done with it.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(12);
/// Of one token, so that nobody can push out others. There are a thousand tokens at most.
const MOST_OF_ONE: usize = 20;
/// Waiting to be said in one session.
const MOST_TOLD: usize = 20;

/// Links and sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Oldest first.
    links: VecDeque<Entry>,
    sessions: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    digest: Digest,
    principal: Principal,
    ends: Timestamp,
    /// To be shown on the page of each path, oldest first.
    told: Vec<(String, Told)>,
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    pub principal: Principal,
    pub ends: Timestamp,
    /// To be sent back with whatever changes something.
    pub csrf: String,
    digest: Digest,
}

/// What a page says at its top, once: what became of what was done on the page before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub is_bad: bool,
    pub text: String,
    /// A secret that is shown once.
    pub secret: Option<String>,
}

impl Told {
    pub fn good(text: impl Into<String>) -> Self {
        Self { is_bad: false, text: text.into(), secret: None }
    }

    pub fn bad(text: impl Into<String>) -> Self {
        Self { is_bad: true, text: text.into(), secret: None }
    }

    /// With a secret beside it, shown this once.
    #[must_use]
    pub fn with_secret(self, secret: Option<String>) -> Self {
        Self { secret, ..self }
    }
}

impl Sessions {
    /// A code that begins one session of this principal.
    pub fn link(&self, principal: Principal, now: Timestamp) -> (String, Timestamp) {
        let code = fresh();
        let ends = now.after(LINK_LIFETIME);
        let entry = Entry { digest: Digest::of(code.as_bytes()), principal, ends, told: Vec::new() };
        push(&mut self.lock().links, entry, now);
        (code, ends)
    }

    /// Whom a code would sign in.
    pub fn linked(&self, code: &str, now: Timestamp) -> Option<Principal> {
        let inner = self.lock();
        inner.links.get(find(&inner.links, code, now)?).map(|link| link.principal.clone())
    }

    /// Uses a code up.
    pub fn redeem(&self, code: &str, now: Timestamp) -> Option<Principal> {
        let mut inner = self.lock();
        let index = find(&inner.links, code, now)?;
        inner.links.remove(index).map(|link| link.principal)
    }

    /// Begins a session; what is returned is for its holder's cookie alone.
    pub fn begin(&self, principal: Principal, now: Timestamp) -> String {
        let cookie = fresh();
        let ends = now.after(SESSION_LIFETIME);
        let entry = Entry { digest: Digest::of(cookie.as_bytes()), principal, ends, told: Vec::new() };
        push(&mut self.lock().sessions, entry, now);
        cookie
    }

    pub fn find(&self, cookie: &str, now: Timestamp) -> Option<Session> {
        let inner = self.lock();
        let Entry { digest, principal, ends, .. } = inner.sessions.get(find(&inner.sessions, cookie, now)?)?;
        // Whoever knows the cookie can derive it, nobody the cookie from it.
        let csrf = Digest::of(format!("csrf {cookie}").as_bytes()).to_string();
        Some(Session { principal: principal.clone(), ends: *ends, csrf, digest: *digest })
    }

    pub fn end(&self, session: &Session) {
        self.lock().sessions.retain(|entry| entry.digest != session.digest);
    }

    pub fn is_on(&self, session: &Session) -> bool {
        self.lock().sessions.iter().any(|entry| entry.digest == session.digest)
    }

    /// Has the page of this path say this, once, to this session. What other pages were to say waits for them: it may hold a
    /// secret that nobody else has.
    pub fn tell(&self, session: &Session, path: &str, told: Told) {
        let mut inner = self.lock();
        if let Some(entry) = inner.sessions.iter_mut().find(|entry| entry.digest == session.digest) {
            if entry.told.len() >= MOST_TOLD {
                entry.told.remove(0);
            }
            entry.told.push((path.to_owned(), told));
        }
    }

    /// What the page of this path is to say, once.
    pub fn told(&self, session: &Session, path: &str) -> Vec<Told> {
        let mut inner = self.lock();
        let entry = inner.sessions.iter_mut().find(|entry| entry.digest == session.digest);
        let told = entry.map(|entry| entry.told.extract_if(.., |(of, _)| of == path)).into_iter().flatten();
        told.map(|(_, told)| told).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether this is the session's token against forged requests.
    pub fn is_csrf(&self, sent: &str) -> bool {
        sent.as_bytes().ct_eq(self.csrf.as_bytes()).into()
    }
}

/// 256 random bits.
fn fresh() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

fn push(entries: &mut VecDeque<Entry>, entry: Entry, now: Timestamp) {
    entries.retain(|known| now < known.ends);
    let is_same = |known: &Entry| known.principal.token == entry.principal.token;
    if entries.iter().filter(|known| is_same(known)).count() >= MOST_OF_ONE
        && let Some(oldest) = entries.iter().position(is_same)
    {
        entries.remove(oldest);
    }
    entries.push_back(entry);
}

/// Digests of secrets are compared: how long that takes says nothing of a secret.
fn find(entries: &VecDeque<Entry>, secret: &str, now: Timestamp) -> Option<usize> {
    let digest = Digest::of(secret.as_bytes());
    entries.iter().position(|entry| entry.digest == digest && now < entry.ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TokenId;

    const NOW: Timestamp = Timestamp::from_ms(1_000);

    #[test]
    fn a_link_signs_in_once_and_not_for_long() {
        let sessions = Sessions::default();
        let (code, ends) = sessions.link(Principal::local(), NOW);
        assert!(sessions.linked(&code, NOW).is_some() && sessions.linked("other", NOW).is_none());
        assert_eq!(sessions.redeem(&code, ends), None);
        assert_eq!(sessions.redeem(&code, NOW), Some(Principal::local()));
        assert_eq!(sessions.redeem(&code, NOW), None);
    }

    #[test]
    fn a_session_ends_by_itself_or_when_it_is_told_to() {
        let sessions = Sessions::default();
        let [one, other] = [(); 2].map(|()| sessions.begin(Principal::local(), NOW));
        let session = sessions.find(&one, NOW).expect("begun");
        let another = sessions.find(&other, NOW).expect("begun");
        assert!(session.is_csrf(&session.csrf) && !session.is_csrf(&another.csrf) && !session.is_csrf(""));
        sessions.end(&session);
        assert!(sessions.find(&one, NOW).is_none() && sessions.find(&other, NOW).is_some());
        assert!(sessions.find(&other, NOW.after(SESSION_LIFETIME)).is_none());
    }

    #[test]
    fn what_is_told_is_told_once_where_it_belongs_and_to_nobody_else() {
        let sessions = Sessions::default();
        let [one, other] =
            [(); 2].map(|()| sessions.find(&sessions.begin(Principal::local(), NOW), NOW).expect("begun"));
        sessions.tell(&one, "/tokens", Told::good("made").with_secret(Some("psst".to_owned())));
        sessions.tell(&one, "/webhooks", Told::good("saved"));
        assert_eq!((sessions.told(&other, "/tokens"), sessions.told(&one, "/events")), (Vec::new(), Vec::new()));
        assert_eq!(sessions.told(&one, "/webhooks"), [Told::good("saved")]);
        assert_eq!(sessions.told(&one, "/tokens").len(), 1);
        assert_eq!(sessions.told(&one, "/tokens"), []);
    }

    #[test]
    fn each_token_has_room_of_its_own() {
        let sessions = Sessions::default();
        let other = Principal { token: Some(TokenId::from_bytes([1; 16])), ..Principal::local() };
        let [first, of_other] = [Principal::local(), other].map(|principal| sessions.begin(principal, NOW));
        for _ in 0..MOST_OF_ONE {
            sessions.begin(Principal::local(), NOW);
        }
        assert!(sessions.find(&first, NOW).is_none() && sessions.find(&of_other, NOW).is_some());
    }
}

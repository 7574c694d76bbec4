//! Who is signed in to the pages: one-time links, the sessions they begin, and what each session is told next.
//!
//! Of a link and of a session only the digest is kept, in memory: a restart signs everybody out. Both are bounded; when
//! there is no room, the oldest goes. Does not speak HTTP, and does not know whether a principal's token is still good:
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
const MOST_LINKS: usize = 100;
const MOST_SESSIONS: usize = 1_000;

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
    /// To be shown on the next page.
    told: Option<Told>,
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
        let entry = Entry { digest: Digest::of(code.as_bytes()), principal, ends, told: None };
        push(&mut self.lock().links, entry, MOST_LINKS);
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
        let entry = Entry { digest: Digest::of(cookie.as_bytes()), principal, ends, told: None };
        push(&mut self.lock().sessions, entry, MOST_SESSIONS);
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

    /// Has the next page of this session say this.
    pub fn tell(&self, session: &Session, told: Told) {
        let mut inner = self.lock();
        if let Some(entry) = inner.sessions.iter_mut().find(|entry| entry.digest == session.digest) {
            entry.told = Some(told);
        }
    }

    /// What is to be said, once.
    pub fn told(&self, session: &Session) -> Option<Told> {
        let mut inner = self.lock();
        inner.sessions.iter_mut().find(|entry| entry.digest == session.digest)?.told.take()
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

fn push(entries: &mut VecDeque<Entry>, entry: Entry, most: usize) {
    if entries.len() >= most {
        entries.pop_front();
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
    fn what_is_told_is_told_once_and_to_nobody_else() {
        let sessions = Sessions::default();
        let [one, other] =
            [(); 2].map(|()| sessions.find(&sessions.begin(Principal::local(), NOW), NOW).expect("begun"));
        sessions.tell(&one, Told::good("saved"));
        assert_eq!(sessions.told(&other), None);
        assert_eq!(sessions.told(&one), Some(Told::good("saved")));
        assert_eq!(sessions.told(&one), None);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let sessions = Sessions::default();
        let first = sessions.begin(Principal::local(), NOW);
        for _ in 0..MOST_SESSIONS {
            sessions.begin(Principal::local(), NOW);
        }
        assert!(sessions.find(&first, NOW).is_none());
    }
}

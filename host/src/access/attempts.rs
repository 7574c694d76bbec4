//! Who presents wrong tokens too often. Per address, because nothing else is known of such a peer.
//!
//! Nobody guesses 256 bits; this keeps a misconfigured or hostile peer from costing more than an answer. Bounded: two
//! tables take turns, and when the newer one is full the older one is forgotten. Whoever has so many addresses to come
//! from is not stopped by counting them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::throttle::Throttle;

/// So many failures at once are somebody's mistake.
const BURST: i64 = 20;
/// From then on one in this long.
const PACE_MS: i64 = 3_000;
/// Of each of two tables: together they take less than 1 MiB.
const MOST_PEERS: usize = 8_192;

/// A peer must wait for so long before its next failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    pub wait: Duration,
}

/// Failed attempts at one listener.
#[derive(Debug)]
pub struct Attempts {
    listener: &'static str,
    peers: Mutex<Peers>,
    failed: AtomicU64,
    blocked: AtomicU64,
    log: Throttle,
}

/// When each peer will have its whole burst again.
#[derive(Debug, Default)]
struct Peers {
    newer: HashMap<Network, Timestamp>,
    older: HashMap<Network, Timestamp>,
}

/// An IPv4 address, or the /64 of an IPv6 one: that is what one subscriber is given, to use all of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4(u32),
    V6(u64),
}

impl Attempts {
    /// `listener` names it in the log.
    pub fn new(listener: &'static str) -> Self {
        Self {
            listener,
            peers: Mutex::default(),
            failed: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            log: Throttle::new(),
        }
    }

    /// Whether this peer may fail once more.
    ///
    /// # Errors
    /// When it must wait. That is counted, and said in the log.
    pub fn check(&self, peer: IpAddr, now: Timestamp) -> Result<(), Blocked> {
        let Some(wait) = self.peers().wait(Network::of(peer), now) else { return Ok(()) };
        self.blocked.fetch_add(1, Ordering::Relaxed);
        if let Some(left_out) = self.log.pass(now) {
            let listener = self.listener;
            tracing::warn!(listener, %peer, left_out, "a peer presented too many wrong tokens; it has to wait");
        }
        Err(Blocked { wait })
    }

    /// This peer failed.
    pub fn note(&self, peer: IpAddr, now: Timestamp) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.peers().note(Network::of(peer), now);
    }

    /// Since the start: how many failed, and how many were told to wait.
    pub fn counts(&self) -> (u64, u64) {
        (self.failed.load(Ordering::Relaxed), self.blocked.load(Ordering::Relaxed))
    }

    fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peers {
    /// How long until there is room for one more failure; none: there is.
    fn wait(&self, network: Network, now: Timestamp) -> Option<Duration> {
        // Of `BURST` failures the first must have been forgiven.
        let free = self.whole(network, now)?.before(millis((BURST - 1) * PACE_MS));
        (free > now).then(|| free.since(now))
    }

    fn note(&mut self, network: Network, now: Timestamp) {
        let whole = self.whole(network, now).map_or(now, |whole| whole.max(now)).after(millis(PACE_MS));
        if self.newer.len() >= MOST_PEERS && !self.newer.contains_key(&network) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(network, whole.min(latest(now)));
    }

    /// When its burst will be whole again, unless that was written by a clock that has been set back since.
    fn whole(&self, network: Network, now: Timestamp) -> Option<Timestamp> {
        let whole = *self.newer.get(&network).or_else(|| self.older.get(&network))?;
        (whole <= latest(now)).then_some(whole)
    }
}

fn latest(now: Timestamp) -> Timestamp {
    now.after(millis(BURST * PACE_MS))
}

impl Network {
    fn of(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6(u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX)),
        }
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    /// How many of `tries` at this time were let through to fail.
    fn fail(attempts: &Attempts, peer: &str, ms: i64, tries: usize) -> usize {
        let now = Timestamp::from_ms(ms);
        (0..tries).take_while(|_| attempts.check(ip(peer), now).map(|()| attempts.note(ip(peer), now)).is_ok()).count()
    }

    #[test]
    fn a_burst_then_one_every_three_seconds() {
        let attempts = Attempts::new("test");
        assert_eq!(fail(&attempts, "192.0.2.1", 0, 50), 20);
        assert_eq!(attempts.check(ip("192.0.2.1"), Timestamp::from_ms(1_000)).unwrap_err().wait, millis(2_000));
        assert_eq!(fail(&attempts, "192.0.2.1", 2_999, 5), 0);
        assert_eq!(fail(&attempts, "192.0.2.1", 3_000, 5), 1);
        assert_eq!(fail(&attempts, "192.0.2.1", 3_000 + 60_000, 50), 20, "a minute forgives a burst");
        assert_eq!(attempts.counts(), (41, 5));
    }

    #[test]
    fn one_peer_does_not_speak_for_another() {
        let attempts = Attempts::new("test");
        fail(&attempts, "192.0.2.1", 0, 50);
        fail(&attempts, "2001:db8::1", 0, 50);
        for (peer, is_free) in
            [("192.0.2.2", true), ("::ffff:192.0.2.1", false), ("2001:db8::ffff:2", false), ("2001:db8:0:1::1", true)]
        {
            assert_eq!(attempts.check(ip(peer), Timestamp::from_ms(0)).is_ok(), is_free, "{peer}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_blocks_nobody() {
        let attempts = Attempts::new("test");
        fail(&attempts, "192.0.2.1", 1_000_000_000, 50);
        assert_eq!(fail(&attempts, "192.0.2.1", 0, 50), 20);
    }

    #[test]
    fn a_flood_of_addresses_takes_no_more_room() {
        let attempts = Attempts::new("test");
        let now = Timestamp::from_ms(0);
        for address in 0..100_000_u32 {
            attempts.note(IpAddr::V4(address.into()), now);
        }
        let peers = attempts.peers();
        assert!(peers.newer.len() <= MOST_PEERS && peers.older.len() <= MOST_PEERS);
        assert!(peers.newer.contains_key(&Network::V4(99_999)));
    }
}

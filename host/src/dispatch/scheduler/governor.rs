//! How much of a webhook's work goes out now: its concurrency, its rate, and what its receiver can bear.
//!
//! A receiver that is overloaded (429, 502, 503, 504) is given half as much at once, and more again with each success.
//! One that fails [`FAILURES_TO_OPEN`] times in a row is left alone for a while (its circuit breaker opens), then
//! probed with one delivery; what waits meanwhile burns no attempts. `Retry-After` holds the whole webhook, for at
//! most [`LONGEST_PAUSE`].

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::rate::Starts;
use crate::clock::Timestamp;
use crate::webhook::RateLimit;

/// So many failures in a row, each a sign of an ill receiver, open the breaker.
pub(super) const FAILURES_TO_OPEN: u32 = 10;
/// So many failures of any kind in a row are reported: the webhook is failing.
const FAILURES_TO_REPORT: u32 = 10;
/// The breaker stays open for this long, twice as long after each probe that failed …
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// … up to this.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Probes of many webhooks should not fall together: pauses vary by up to this share.
const JITTER: f64 = 0.2;
/// A delivery that may begin within this time waits in memory for it, else on disk.
pub(in super::super) const PATIENCE: Duration = Duration::from_secs(2);

/// What today's configuration allows.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Limits {
    pub(in super::super) concurrency: NonZeroU32,
    pub(in super::super) rate: Option<RateLimit>,
    pub(in super::super) disable_after: Option<Duration>,
}

/// What one webhook has under way, and how its receiver is.
#[derive(Clone, Debug, Default)]
pub(super) struct Governor {
    under_way: u32,
    /// Attempts at once that the receiver can bear; none: as many as the configuration says.
    window: Option<u32>,
    /// Since when the window is what it is: what began earlier says nothing of it.
    narrowed: Timestamp,
    starts: Starts,
    breaker: Breaker,
    /// The receiver asked for quiet until then.
    quiet_until: Timestamp,
    paused: bool,
    /// Signs of illness in a row.
    ill: u32,
    streak: Option<Streak>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Breaker {
    #[default]
    Closed,
    /// Until then nothing begins; after it one delivery at a time does, until one shows how the receiver is.
    Open { until: Timestamp, times: u32 },
}

/// Failures in a row, of any kind.
#[derive(Clone, Copy, Debug)]
struct Streak {
    since: Timestamp,
    failures: u32,
}

/// Permission to make one attempt; to be given back by [`Governor::finish`].
#[derive(Debug)]
pub(in super::super) struct Ticket {
    started: Timestamp,
}

/// Whether a delivery may begin.
#[derive(Debug)]
pub(in super::super) enum Admission {
    Go(Ticket),
    /// As much as may be is under way: ask when some of it finished.
    Full,
    /// Not before then. None: until somebody lets it.
    NotBefore(Option<Timestamp>),
}

/// What an attempt said of the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Health {
    /// It took the delivery.
    Well,
    /// It answered, and would not have this one.
    Refusing,
    /// It did not answer, or answered that it cannot now.
    Ill { overloaded: bool, quiet: Option<Duration> },
    /// No attempt was made, or it says nothing of the receiver.
    Unknown,
}

/// What changed about a webhook as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Change {
    /// It took nothing since then.
    Failing { since: Timestamp },
    /// It took nothing for so long that it is to be switched off.
    GiveUp { since: Timestamp },
    /// It takes deliveries again.
    Recovered,
}

/// How much may be taken from disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Appetite {
    pub(super) not_before: Timestamp,
    /// In memory at once.
    pub(super) most: usize,
}

/// Any time, any number.
impl Default for Appetite {
    fn default() -> Self {
        Self { not_before: Timestamp::from_ms(i64::MIN), most: usize::MAX }
    }
}

/// What people are shown of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Attempts.
    pub under_way: u32,
    /// So many at once, fewer than configured: it was overloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub narrowed_to: Option<u32>,
    /// Left alone until then, as it is ill or asked for it; after that one delivery at a time probes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Timestamp>,
    /// Its rate limit lets no attempt begin before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_start: Option<Timestamp>,
}

impl Governor {
    /// As after a restart: nothing was taken since then, so a probe goes first.
    pub(super) fn set_failing(&mut self, since: Timestamp, now: Timestamp) {
        self.streak = Some(Streak { since, failures: FAILURES_TO_REPORT });
        (self.breaker, self.ill) = (Breaker::Open { until: now, times: 1 }, FAILURES_TO_OPEN);
    }

    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Forgets what it learned of the receiver: it is another one, or was mended.
    pub(super) fn forgive(&mut self) {
        (self.breaker, self.window, self.ill, self.streak) = (Breaker::Closed, None, 0, None);
        self.quiet_until = Timestamp::default();
    }

    pub(super) fn admit(&mut self, limits: &Limits, now: Timestamp) -> Admission {
        self.come_back_to(now);
        if self.paused {
            return Admission::NotBefore(None);
        }
        let begin = self.quiet().max(self.next_start(limits, now));
        if begin > now {
            return Admission::NotBefore(Some(begin));
        }
        if self.under_way >= self.at_once(limits) {
            return Admission::Full;
        }
        self.under_way += 1;
        if limits.rate.is_some() {
            self.starts.begin(now);
        }
        Admission::Go(Ticket { started: now })
    }

    /// Takes the ticket back. `dice` is uniform in 0..1.
    pub(super) fn finish(
        &mut self,
        ticket: &Ticket,
        health: Health,
        limits: &Limits,
        now: Timestamp,
        dice: f64,
    ) -> Option<Change> {
        self.under_way = self.under_way.saturating_sub(1);
        match health {
            Health::Unknown => {
                self.starts.take_back(ticket.started);
                None
            }
            Health::Well => self.succeed(limits),
            Health::Refusing => {
                (self.ill, self.breaker) = (0, Breaker::Closed);
                self.fail(limits, now)
            }
            Health::Ill { overloaded, quiet } => {
                self.ill = self.ill.saturating_add(1);
                if overloaded {
                    self.narrow(ticket, limits, now);
                }
                if let Some(quiet) = quiet {
                    self.quiet_until = self.quiet_until.max(now.after(quiet.min(LONGEST_PAUSE)));
                }
                self.open_if_ill(ticket, now, dice);
                self.fail(limits, now)
            }
        }
    }

    pub(super) fn appetite(&mut self, limits: &Limits, now: Timestamp) -> Appetite {
        self.come_back_to(now);
        if self.paused {
            return Appetite { not_before: Timestamp::from_ms(i64::MAX), most: 0 };
        }
        let mut appetite = Appetite::default();
        let quiet = self.quiet();
        if quiet > now {
            appetite.not_before = quiet;
        }
        if self.breaker != Breaker::Closed {
            appetite.most = 1;
        }
        if let Some(rate) = limits.rate {
            let start = self.next_start(limits, now).max(quiet);
            if start > now.after(PATIENCE) {
                appetite.not_before = start;
            }
            let free = self.starts.free(rate, now, start.after(PATIENCE));
            let under_way = usize::try_from(self.under_way).unwrap_or(usize::MAX);
            appetite.most = appetite.most.min(under_way.saturating_add(free.max(1)));
        }
        appetite
    }

    pub(super) fn condition(&self, limits: &Limits, now: Timestamp) -> Condition {
        let quiet = self.quiet();
        Condition {
            under_way: self.under_way,
            narrowed_to: self.window.filter(|window| *window < limits.concurrency.get()),
            open_until: (quiet > now || self.breaker != Breaker::Closed).then_some(quiet),
            next_start: limits.rate.and_then(|rate| self.starts.later(rate, now)),
        }
    }

    pub(super) fn is_failing(&self) -> bool {
        self.streak.is_some_and(|streak| streak.failures >= FAILURES_TO_REPORT)
    }

    /// Nothing to remember: as good as none.
    pub(super) fn is_idle(&self) -> bool {
        let is_well = self.window.is_none() && self.breaker == Breaker::Closed && self.streak.is_none();
        self.under_way == 0 && is_well && !self.paused && self.starts.is_empty()
    }

    /// Until when the receiver is left alone.
    fn quiet(&self) -> Timestamp {
        match self.breaker {
            Breaker::Closed => self.quiet_until,
            Breaker::Open { until, .. } => self.quiet_until.max(until),
        }
    }

    /// A clock that was set back makes no pause longer than the longest.
    fn come_back_to(&mut self, now: Timestamp) {
        let longest = now.after(LONGEST_PAUSE.mul_f64(1.0 + JITTER));
        self.quiet_until = self.quiet_until.min(longest);
        if let Breaker::Open { until, .. } = &mut self.breaker {
            *until = longest.min(*until);
        }
    }

    fn next_start(&mut self, limits: &Limits, now: Timestamp) -> Timestamp {
        limits.rate.map_or(now, |rate| self.starts.next(rate, now))
    }

    fn at_once(&self, limits: &Limits) -> u32 {
        match self.breaker {
            Breaker::Open { .. } => 1,
            Breaker::Closed => self.window.unwrap_or(u32::MAX).min(limits.concurrency.get()),
        }
    }

    fn succeed(&mut self, limits: &Limits) -> Option<Change> {
        self.ill = 0;
        if self.breaker != Breaker::Closed {
            // It begins again with little.
            (self.breaker, self.window) = (Breaker::Closed, Some(1));
        } else if let Some(window) = self.window {
            let wider = window.saturating_add(1);
            self.window = (wider < limits.concurrency.get()).then_some(wider);
        }
        let was_reported = self.streak.take().is_some_and(|streak| streak.failures >= FAILURES_TO_REPORT);
        was_reported.then_some(Change::Recovered)
    }

    fn fail(&mut self, limits: &Limits, now: Timestamp) -> Option<Change> {
        let streak = self.streak.get_or_insert(Streak { since: now, failures: 0 });
        streak.failures = streak.failures.saturating_add(1);
        let since = streak.since;
        if streak.failures < FAILURES_TO_REPORT {
            return None;
        }
        if limits.disable_after.is_some_and(|most| now.since(since) >= most) {
            return Some(Change::GiveUp { since });
        }
        (streak.failures == FAILURES_TO_REPORT).then_some(Change::Failing { since })
    }

    /// Half as much at once; not again for what began before.
    fn narrow(&mut self, ticket: &Ticket, limits: &Limits, now: Timestamp) {
        if ticket.started < self.narrowed && self.window.is_some() {
            return;
        }
        let window = self.window.unwrap_or(limits.concurrency.get()).min(limits.concurrency.get());
        (self.window, self.narrowed) = (Some((window / 2).max(1)), now);
    }

    fn open_if_ill(&mut self, ticket: &Ticket, now: Timestamp, dice: f64) {
        let times = match self.breaker {
            Breaker::Closed if self.ill < FAILURES_TO_OPEN => return,
            Breaker::Closed => 0,
            // One that began before it opened says nothing new.
            Breaker::Open { until, .. } if ticket.started < until => return,
            Breaker::Open { times, .. } => times.saturating_add(1),
        };
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(times.min(16))).min(LONGEST_PAUSE);
        let pause = pause.mul_f64(1.0 + JITTER * dice.clamp(0.0, 1.0));
        self.breaker = Breaker::Open { until: now.after(pause), times };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { concurrency: NonZeroU32::new(8).unwrap(), rate: None, disable_after: Some(Duration::from_hours(1)) };
    const ILL: Health = Health::Ill { overloaded: false, quiet: None };

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_700_000_000_000 + ms)
    }

    fn go(governor: &mut Governor, ms: i64) -> Ticket {
        match governor.admit(&LIMITS, at(ms)) {
            Admission::Go(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    fn attempt(governor: &mut Governor, ms: i64, health: Health) -> Option<Change> {
        let ticket = go(governor, ms);
        governor.finish(&ticket, health, &LIMITS, at(ms), 0.0)
    }

    fn at_once(governor: &mut Governor, ms: i64) -> usize {
        let tickets: Vec<_> = std::iter::from_fn(|| match governor.admit(&LIMITS, at(ms)) {
            Admission::Go(ticket) => Some(ticket),
            _ => None,
        })
        .collect();
        for ticket in &tickets {
            governor.finish(ticket, Health::Unknown, &LIMITS, at(ms), 0.0);
        }
        tickets.len()
    }

    fn opened() -> Governor {
        let mut governor = Governor::default();
        let changes: Vec<_> = (0..10).map(|_| attempt(&mut governor, 0, ILL)).collect();
        assert_eq!(changes[9], Some(Change::Failing { since: at(0) }));
        assert!(changes[..9].iter().all(Option::is_none));
        governor
    }

    #[test]
    fn ten_failures_in_a_row_open_the_breaker_and_probes_wait_longer_each_time() {
        let mut governor = opened();
        let mut now = 0;
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            let until = at(now + seconds * 1000);
            assert!(matches!(governor.admit(&LIMITS, at(now)), Admission::NotBefore(Some(due)) if due == until));
            assert_eq!(governor.appetite(&LIMITS, at(now)), Appetite { not_before: until, most: 1 });
            now += seconds * 1000;
            assert_eq!(at_once(&mut governor, now), 1, "a probe");
            attempt(&mut governor, now, ILL);
        }
        now += 300_000;
        assert_eq!(attempt(&mut governor, now, Health::Well), Some(Change::Recovered));
        assert_eq!((at_once(&mut governor, now), governor.appetite(&LIMITS, at(now))), (1, Appetite::default()));
        for wider in 2..=8 {
            attempt(&mut governor, now, Health::Well);
            assert_eq!(at_once(&mut governor, now), wider);
        }
        assert!(governor.is_idle());
    }

    #[test]
    fn one_that_refuses_is_not_ill_but_is_given_up_in_the_end() {
        let mut governor = Governor::default();
        for _ in 0..9 {
            assert_eq!(attempt(&mut governor, 0, Health::Refusing), None);
        }
        assert_eq!(attempt(&mut governor, 0, Health::Refusing), Some(Change::Failing { since: at(0) }));
        assert_eq!(at_once(&mut governor, 0), 8);
        assert_eq!(attempt(&mut governor, 3_599_999, Health::Refusing), None);
        assert_eq!(attempt(&mut governor, 3_600_000, Health::Refusing), Some(Change::GiveUp { since: at(0) }));
    }

    #[test]
    fn an_overloaded_one_gets_half_once_for_what_began_together() {
        let mut governor = Governor::default();
        let overloaded = Health::Ill { overloaded: true, quiet: None };
        let tickets: Vec<_> = (0..4).map(|_| go(&mut governor, 0)).collect();
        for ticket in &tickets {
            governor.finish(ticket, overloaded, &LIMITS, at(10), 0.0);
        }
        assert_eq!(at_once(&mut governor, 20), 4);
        attempt(&mut governor, 20, overloaded);
        assert_eq!(at_once(&mut governor, 30), 2);
    }

    #[test]
    fn whoever_asks_for_quiet_gets_it_for_five_minutes_at_most() {
        for (asked, granted) in [(7_000, 7_000), (86_400_000, 300_000)] {
            let mut governor = Governor::default();
            let quiet = Some(Duration::from_millis(asked));
            attempt(&mut governor, 0, Health::Ill { overloaded: true, quiet });
            let until = governor.condition(&LIMITS, at(0)).open_until;
            assert_eq!(until, Some(at(granted)));
        }
    }

    #[test]
    fn what_fails_on_from_before_it_opened_says_nothing_new() {
        let mut governor = Governor::default();
        let tickets: Vec<_> = (0..8).map(|_| go(&mut governor, 0)).collect();
        for ticket in tickets.iter().chain(&[go_on(&mut governor)]) {
            governor.finish(ticket, ILL, &LIMITS, at(0), 0.0);
        }
        attempt(&mut governor, 0, ILL);
        let late = Ticket { started: at(0) };
        governor.finish(&late, ILL, &LIMITS, at(4_000), 0.0);
        assert_eq!(governor.condition(&LIMITS, at(4_000)).open_until, Some(at(5_000)));
    }

    /// One more than fits at once, as after the limit was lowered.
    fn go_on(governor: &mut Governor) -> Ticket {
        governor.under_way += 1;
        Ticket { started: at(0) }
    }

    #[test]
    fn a_clock_set_back_makes_no_pause_longer_than_the_longest() {
        let mut governor = opened();
        let back = -86_400_000;
        assert!(matches!(governor.admit(&LIMITS, at(back)), Admission::NotBefore(Some(_))));
        assert_eq!(at_once(&mut governor, back + 360_000), 1);
    }

    #[test]
    fn paused_means_nothing_until_it_is_resumed() {
        let mut governor = Governor::default();
        governor.pause(true);
        assert!(matches!(governor.admit(&LIMITS, at(0)), Admission::NotBefore(None)));
        assert_eq!(governor.appetite(&LIMITS, at(0)).most, 0);
        governor.pause(false);
        assert_eq!(at_once(&mut governor, 0), 8);
    }
}

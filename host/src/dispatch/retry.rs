//! What follows an attempt. Pure: the time and the dice arrive as arguments.

use std::time::Duration;

use super::scheduler::Health;
use crate::clock::Timestamp;
use crate::delivery::{AttemptResult, Next, Response, SendErrorKind};

/// A receiver's `Retry-After` is followed up to this long.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);
/// Waits vary by up to this share, so that many deliveries do not come back in the same instant.
const JITTER: f64 = 0.1;

/// When the host had no file descriptor left: others may have closed some by then.
const EXHAUSTED_PAUSE: Duration = Duration::from_secs(1);

/// What an attempt means for its delivery.
#[derive(Debug, PartialEq)]
pub(super) enum After {
    Next(Next),
    /// 410: the receiver wants nothing more.
    Gone,
}

/// What an attempt says of the receiver as a whole.
pub(super) fn health(result: &AttemptResult, now: Timestamp) -> Health {
    match result {
        AttemptResult::Answered(response) => match response.status {
            200..=299 => Health::Well,
            429 | 502..=504 => Health::Ill { overloaded: true, quiet: asked_wait(result, now) },
            408 | 500..=599 => Health::Ill { overloaded: false, quiet: None },
            _ => Health::Refusing,
        },
        AttemptResult::Error { kind, .. } => match kind {
            // The host's own matter.
            SendErrorKind::Exhausted => Health::Unknown,
            SendErrorKind::Refused => Health::Refusing,
            SendErrorKind::Dns
            | SendErrorKind::Connect
            | SendErrorKind::Tls
            | SendErrorKind::Timeout
            | SendErrorKind::Broken => Health::Ill { overloaded: false, quiet: None },
        },
    }
}

/// Decides after attempt `number` (1 for the first). `dice` is uniform in 0..1. What the receiver has no part in counts
/// as no attempt.
pub(super) fn decide(schedule: &[Duration], number: u32, result: &AttemptResult, now: Timestamp, dice: f64) -> After {
    let reason = match result {
        AttemptResult::Answered(response) => match response.status {
            200..=299 => return After::Next(Next::Delivered),
            410 => return After::Gone,
            status @ 300..=399 => format!("answered {status}; redirects are not followed"),
            status => format!("answered {status}"),
        },
        AttemptResult::Error { kind: SendErrorKind::Exhausted, .. } => {
            return After::Next(Next::Released { due: now.after(EXHAUSTED_PAUSE) });
        }
        AttemptResult::Error { message, .. } => message.clone(),
    };
    let index = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(wait) = schedule.get(index) else {
        return After::Next(Next::Failed { reason: format!("{reason}; that was attempt {number}, the last") });
    };
    let wait = jittered(*wait, dice).max(asked_wait(result, now).unwrap_or_default());
    After::Next(Next::RetryAt { due: now.after(wait), reason })
}

fn jittered(wait: Duration, dice: f64) -> Duration {
    wait.mul_f64(1.0 + JITTER * (2.0 * dice.clamp(0.0, 1.0) - 1.0))
}

fn asked_wait(result: &AttemptResult, now: Timestamp) -> Option<Duration> {
    match result {
        AttemptResult::Answered(Response { status: 429 | 503, headers, .. }) => {
            let value = headers.iter().find(|(name, _)| name == "retry-after").map(|(_, value)| value)?;
            parse_retry_after(value, now)
        }
        _ => None,
    }
}

/// `Retry-After`, RFC 9110 section 10.2.3: whole seconds or a date. Clamped; anything else counts as absent.
fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only too many digits can fail here.
        value.parse().map_or(LONGEST_RETRY_AFTER, Duration::from_secs)
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
        Timestamp::from_ms(date.as_millisecond()).since(now)
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
    const SCHEDULE: [Duration; 2] = [Duration::from_secs(5), Duration::from_mins(5)];

    fn answered(status: u16, retry_after: Option<&str>) -> AttemptResult {
        let headers = retry_after.map(|value| ("retry-after".to_owned(), value.to_owned())).into_iter().collect();
        AttemptResult::Answered(Response { status, headers, body: String::new(), body_cut: false })
    }

    fn wait(result: &AttemptResult, number: u32) -> Option<Duration> {
        match decide(&SCHEDULE, number, result, NOW, 0.5) {
            After::Next(Next::RetryAt { due, .. }) => Some(due.since(NOW)),
            _ => None,
        }
    }

    #[test]
    fn success_ends_it_and_410_is_special() {
        for status in [200, 204, 299] {
            assert_eq!(decide(&SCHEDULE, 1, &answered(status, None), NOW, 0.5), After::Next(Next::Delivered));
        }
        assert_eq!(decide(&SCHEDULE, 1, &answered(410, None), NOW, 0.5), After::Gone);
    }

    #[test]
    fn failures_walk_the_schedule_and_then_fail() {
        let broken = AttemptResult::Error { kind: SendErrorKind::Connect, message: "refused".into() };
        for result in [answered(500, None), answered(302, None), answered(404, None), broken] {
            assert_eq!(wait(&result, 1), Some(SCHEDULE[0]), "{result:?}");
            assert_eq!(wait(&result, 2), Some(SCHEDULE[1]));
            assert!(matches!(decide(&SCHEDULE, 3, &result, NOW, 0.5), After::Next(Next::Failed { .. })));
            assert!(matches!(decide(&[], 1, &result, NOW, 0.5), After::Next(Next::Failed { .. })));
        }
    }

    #[test]
    fn an_attempt_says_how_the_receiver_is() {
        let ill = |overloaded, quiet: Option<u64>| Health::Ill { overloaded, quiet: quiet.map(Duration::from_secs) };
        for (status, health) in [
            (204, Health::Well),
            (302, Health::Refusing),
            (410, Health::Refusing),
            (422, Health::Refusing),
            (408, ill(false, None)),
            (500, ill(false, None)),
            (502, ill(true, None)),
            (429, ill(true, Some(7))),
            (503, ill(true, Some(7))),
        ] {
            assert_eq!(super::health(&answered(status, Some("7")), NOW), health, "{status}");
        }
    }

    #[test]
    fn a_host_without_descriptors_burns_no_attempt() {
        let result = AttemptResult::Error { kind: SendErrorKind::Exhausted, message: "too many open files".into() };
        for number in [1, 3, u32::MAX] {
            let due = NOW.after(EXHAUSTED_PAUSE);
            assert_eq!(decide(&SCHEDULE, number, &result, NOW, 0.5), After::Next(Next::Released { due }));
        }
    }

    #[test]
    fn retry_after_is_followed_within_reason() {
        let cases = [
            ("120", 120),
            ("1", 5),
            ("99999999999999999999999", 86_400),
            ("Tue, 14 Nov 2023 22:15:20 GMT", 120),
            ("Thu, 01 Jan 2099 00:00:00 GMT", 86_400),
            // Past the end of the calendar: not a date.
            ("Fri, 31 Dec 9999 23:59:59 GMT", 5),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 5),
            ("inf", 5),
            ("-1", 5),
            ("1e300", 5),
            ("", 5),
        ];
        for (value, seconds) in cases {
            assert_eq!(wait(&answered(503, Some(value)), 1), Some(Duration::from_secs(seconds)), "{value}");
        }
        assert_eq!(wait(&answered(500, Some("120")), 1), Some(SCHEDULE[0]), "only on 429 and 503");
    }

    proptest! {
        #[test]
        fn any_header_and_dice_give_a_wait_within_bounds(value in ".*", dice in any::<f64>(), number in any::<u32>()) {
            if let After::Next(Next::RetryAt { due, .. }) =
                decide(&SCHEDULE, number, &answered(429, Some(&value)), NOW, dice)
            {
                prop_assert!(due.since(NOW) <= LONGEST_RETRY_AFTER);
                prop_assert!(due.since(NOW) >= SCHEDULE[0].mul_f64(0.9));
            }
        }
    }
}

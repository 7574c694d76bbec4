//! How the last attempts of a webhook went, in a picture and in words.

use maud::{Markup, html};

use crate::admin::pages::{figures, parts};
use crate::admin::status::Health;
use crate::clock::Timestamp;
use crate::delivery::{AttemptHead, SendErrorKind};
use crate::dispatch::RECENT_KEPT;

/// What fits into a row of the list. `recent`: oldest first.
pub(super) fn glance(recent: &[AttemptHead], health: &Health, now: Timestamp) -> Markup {
    let Health { attempts, good, last, next_retry, .. } = health;
    html! {
        div.glance {
            @if let Some(last) = last {
                (sparkline(recent))
                div {
                    (rate(*good, *attempts)) " " span.hint { "of " (attempts) }
                    div.hint { "last " (outcome(last)) " " (parts::time(last.started, now)) }
                }
            } @else {
                span.muted { "none yet" }
            }
            @if let Some(next) = next_retry { div.hint.next { (retry(*next, now)) } }
        }
    }
}

/// When the next retry is, or that one waits for its turn.
pub(super) fn retry(next: Timestamp, now: Timestamp) -> Markup {
    html! { @if next > now { "next retry " (parts::time(next, now)) } @else { "a retry is due" } }
}

/// `98 %`, in a colour.
pub(super) fn rate(good: usize, attempts: usize) -> Markup {
    let percent = (good * 100).checked_div(attempts).unwrap_or_default();
    let colour = match percent {
        95.. => "good",
        50..=94 => "warn",
        _ => "bad",
    };
    parts::badge(colour, &format!("{percent} %"))
}

/// The status, or why there is none.
pub(super) fn outcome(attempt: &AttemptHead) -> Markup {
    let word = match (attempt.status, attempt.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => error_name(error).to_owned(),
        (None, None) => "no answer".to_owned(),
    };
    html! { strong { (word) } }
}

const fn error_name(error: SendErrorKind) -> &'static str {
    match error {
        SendErrorKind::Refused => "refused address",
        SendErrorKind::Dns => "no such host",
        SendErrorKind::Connect => "no connection",
        SendErrorKind::Tls => "TLS failed",
        SendErrorKind::Timeout => "timed out",
        SendErrorKind::Broken => "broken off",
        SendErrorKind::Exhausted => "no file descriptor",
    }
}

const HEIGHT: u64 = 24;
const STEP: usize = 2;

/// One bar for each attempt, as high as it took long; those that failed in another colour.
pub(super) fn sparkline(recent: &[AttemptHead]) -> Markup {
    let longest = recent.iter().map(|attempt| attempt.micros).max().unwrap_or_default();
    html! {
        svg.spark role="img" viewBox={ "0 0 " (RECENT_KEPT * STEP) " " (HEIGHT) } width=(RECENT_KEPT * STEP) height=(HEIGHT) aria-label=(in_words(recent, longest)) {
            @for (index, attempt) in recent.iter().enumerate() {
                @let height = bar(attempt.micros, longest);
                rect.fail[!attempt.good] x=(index * STEP) y=(HEIGHT - height) width="1.5" height=(height) fill="currentColor" {}
            }
        }
    }
}

/// By the root, so that the short ones are not flat beside a long one.
fn bar(micros: u64, longest: u64) -> u64 {
    let share = micros.saturating_mul(HEIGHT * HEIGHT).checked_div(longest).unwrap_or_default();
    share.isqrt().clamp(2, HEIGHT)
}

fn in_words(recent: &[AttemptHead], longest: u64) -> String {
    let failed = recent.iter().filter(|attempt| !attempt.good).count();
    format!("The last {} attempts: the longest took {}, {failed} failed", recent.len(), figures::span(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_seen_and_fit() {
        assert_eq!((bar(0, 0), bar(0, 9), bar(9, 9), bar(1, 4)), (2, 2, HEIGHT, HEIGHT / 2));
        assert_eq!(bar(u64::MAX, u64::MAX), 2, "absurd, and no overflow");
    }
}

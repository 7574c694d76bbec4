//! Pieces that pages are made of. What they are given is text, and stays text.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, header};
use maud::{Markup, html};
use serde_json::Value;

use super::door::Ask;
use crate::clock::Timestamp;
use crate::config::carries_credentials;
use crate::delivery::State;

/// More of a payload is not put onto a page.
const MOST_SHOWN_BYTES: usize = 256 << 10;

/// The page as an answer's body.
pub(super) fn as_html(page: Markup) -> Response {
    let mut response = page.into_string().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// To stand in every form.
pub(in crate::admin) fn csrf(ask: &Ask) -> Markup {
    html! { input type="hidden" name="csrf" value=(ask.session.csrf); }
}

/// A state of a delivery, in its word and colour.
pub(in crate::admin) fn state(state: State) -> Markup {
    let colour = match state {
        State::Delivered => "good",
        State::Failed => "bad",
        State::Held | State::Retrying => "warn",
        State::Pending => "busy",
        State::Dropped | State::Superseded => "",
    };
    badge(colour, state.as_str())
}

/// A word in a colour: `good`, `warn`, `bad`, `busy` or none.
pub(in crate::admin) fn badge(colour: &str, word: &str) -> Markup {
    html! { span class={ "state " (colour) } { (word) } }
}

/// A time, as far away as it is from `now`; the exact one in its title.
pub(in crate::admin) fn time(at: Timestamp, now: Timestamp) -> Markup {
    let exact = at.to_string();
    html! { time datetime=(exact) title=(exact) { (distance(at, now)) } }
}

fn distance(at: Timestamp, now: Timestamp) -> String {
    let ms = now.as_ms().saturating_sub(at.as_ms());
    let seconds = ms.unsigned_abs() / 1_000;
    let span = match seconds {
        0 => return "now".to_owned(),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    };
    if ms > 0 { format!("{span} ago") } else { format!("in {span}") }
}

/// Bytes as a person reads them: JSON in its lines, other text as it is, anything else by its length.
pub(in crate::admin) fn payload(bytes: &[u8]) -> Markup {
    html! { pre tabindex="0" { (readable(bytes)) } }
}

/// As [`payload`] shows them; control characters made visible, long ones cut.
pub(in crate::admin) fn readable(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else { return format!("{} bytes that are not text", bytes.len()) };
    let pretty = match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => format!("{value:#}"),
        _ => text.to_owned(),
    };
    inert(&pretty)
}

/// Control characters, which a copy into a terminal would obey, as pictures; cut where it is too long.
pub(in crate::admin) fn inert(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(MOST_SHOWN_BYTES));
    for c in text.chars() {
        if shown.len() >= MOST_SHOWN_BYTES {
            shown.push_str("\n… and more");
            break;
        }
        shown.push(match c {
            '\n' | '\t' => c,
            '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
            '\u{7f}' => '\u{2421}',
            '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c => c,
        });
    }
    shown
}

/// Text with code between backticks.
pub(in crate::admin) fn ticked(text: &str) -> Markup {
    let text = inert(text);
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A header of the configuration as anybody may see it: not what came from a variable or a file, nor what looks like credentials.
pub(in crate::admin) fn header_value(name: &HeaderName, value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    let is_secret = value.is_sensitive() || carries_credentials(name.as_str(), &text);
    if is_secret { "…".to_owned() } else { inert(&text) }
}

/// A table of headers.
pub(in crate::admin) fn headers(headers: &[(String, String)]) -> Markup {
    html! {
        @if headers.is_empty() {
            p.muted { "None." }
        } @else {
            dl.facts { @for (name, value) in headers { dt { code { (inert(name)) } } dd { code { (inert(value)) } } } }
        }
    }
}

/// A button that asks once more before it does what cannot be undone.
pub(in crate::admin) fn confirm(ask: &Ask, label: &str, question: &str, action: &str) -> Markup {
    html! {
        details.confirm {
            summary.button { (label) }
            div {
                p { (question) }
                form method="post" action=(action) { (csrf(ask)) button.danger type="submit" { (label) } }
            }
        }
    }
}

/// A form of one button.
pub(in crate::admin) fn act(ask: &Ask, label: &str, action: &str) -> Markup {
    html! { form method="post" action=(action) { (csrf(ask)) button type="submit" { (label) } } }
}

/// Whether the page follows what happens, and the box that stops it.
pub(in crate::admin) fn live() -> Markup {
    html! {
        span.actions.live {
            span.muted role="status" data-live-state="away" { "Connecting…" }
            label.plain { input type="checkbox" data-live-pause autocomplete="off"; "Pause" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_their_distance() {
        let now = Timestamp::from_ms(1_000_000_000);
        for (ms, told) in [
            (0, "now"),
            (-59_000, "59 s ago"),
            (61_000, "in 1 min"),
            (-7_200_000, "2 h ago"),
            (400_000_000, "in 4 days"),
        ] {
            assert_eq!(distance(Timestamp::from_ms(now.as_ms() + ms), now), told);
        }
    }

    #[test]
    fn code_in_sentences_is_marked_and_stays_text() {
        let shown = ticked("Held: <b>; `hookwright webhook enable a` ends it.").into_string();
        assert_eq!(shown, "Held: &lt;b&gt;; <code>hookwright webhook enable a</code> ends it.");
    }

    #[test]
    fn what_a_peer_sends_stays_text() {
        assert_eq!(readable(b"{\"a\":1}"), "{\n  \"a\": 1\n}");
        assert_eq!(readable(b"\x1b[31mred\x07\r\n"), "\u{241b}[31mred\u{2407}\u{240d}\n");
        assert_eq!(readable(&[0xff, 0xfe]), "2 bytes that are not text");
        assert_eq!(payload(b"<script>alert(1)</script>").into_string().matches('<').count(), 2);
        assert!(inert(&"x".repeat(MOST_SHOWN_BYTES * 2)).ends_with("… and more"));
    }
}

//! The attempts of a delivery, one after the other, from when it was made to where it stands.

use maud::{Markup, html};

use crate::admin::pages::{figures, parts};
use crate::clock::Timestamp;
use crate::delivery::{Attempt, AttemptResult, DeliveryView, Response, State};

pub(super) fn timeline(view: &DeliveryView, attempts: &[Attempt], now: Timestamp) -> Markup {
    let left_out = attempts.first().map_or(0, |first| first.number.saturating_sub(1));
    let last = attempts.len().saturating_sub(1);
    html! {
        ol.timeline {
            li { strong { "Made" } " " (parts::time(view.created, now)) }
            @if left_out > 0 { li.muted { "The first " (left_out) " attempts are left out here." } }
            @for (index, attempt) in attempts.iter().enumerate() { (one(attempt, index == last, now)) }
            (where_it_stands(view, now))
        }
    }
}

fn one(attempt: &Attempt, is_last: bool, now: Timestamp) -> Markup {
    let Attempt { number, started, micros, url, request_headers, result } = attempt;
    let (colour, word) = outcome(result);
    html! {
        li class=(colour) {
            strong { "Attempt " (number) } " " (parts::time(*started, now)) ", " (figures::span(*micros)) " "
            (parts::badge(colour, &word))
            p.hint { "To " code { (parts::inert(url)) } }
            @if let AttemptResult::Error { message, .. } = result { p { (parts::inert(message)) } }
            @if is_last {
                p.hint { a href="#out" { "What went out" } @if matches!(result, AttemptResult::Answered(_)) { ", " a href="#back" { "what came back" } } }
            } @else {
                details.more #{ "request-" (number) } {
                    summary { "Request headers of attempt " (number) }
                    (parts::headers(request_headers))
                }
                @if let AttemptResult::Answered(response) = result {
                    details.more #{ "response-" (number) } {
                        summary { "Answer to attempt " (number) }
                        (answer(response))
                    }
                }
            }
        }
    }
}

fn where_it_stands(view: &DeliveryView, now: Timestamp) -> Markup {
    let DeliveryView { state, changed, due, .. } = view;
    let (colour, word) = match state {
        State::Delivered => ("good", "Delivered"),
        State::Failed => ("bad", "Failed"),
        State::Dropped => ("", "Dropped"),
        State::Superseded => ("", "Superseded"),
        State::Held => ("warn", "Held"),
        State::Retrying => ("warn", "Next attempt due"),
        State::Pending => ("", "First attempt due"),
    };
    let at = if state.is_finished() || *state == State::Held { Some(*changed) } else { *due };
    html! { li class=(colour) { strong { (word) } @if let Some(at) = at { " " (parts::time(at, now)) } } }
}

/// Its colour and its word.
fn outcome(result: &AttemptResult) -> (&'static str, String) {
    match result {
        AttemptResult::Answered(Response { status, .. }) => {
            (if (200..300).contains(status) { "good" } else { "bad" }, status.to_string())
        }
        AttemptResult::Error { kind, .. } => ("bad", word(*kind).to_owned()),
    }
}

fn word(kind: crate::delivery::SendErrorKind) -> &'static str {
    use crate::delivery::SendErrorKind::{Broken, Connect, Dns, Exhausted, Refused, Timeout, Tls};
    match kind {
        Refused => "refused by the address policy",
        Dns => "name not found",
        Connect => "no connection",
        Tls => "TLS failed",
        Timeout => "timed out",
        Broken => "broken off",
        Exhausted => "not sent: out of file descriptors",
    }
}

/// Text, whatever the receiver says it is.
pub(super) fn answer(response: &Response) -> Markup {
    let Response { status, headers, body, body_cut } = response;
    html! {
        p { "Status " strong { (status) } }
        (parts::headers(headers))
        @if body.is_empty() {
            p.muted { (if *body_cut { "Its body is left out here." } else { "Without a body." }) }
        } @else {
            (parts::payload(body.as_bytes()))
            @if *body_cut { p.hint { "Cut: only its beginning is kept." } }
        }
    }
}

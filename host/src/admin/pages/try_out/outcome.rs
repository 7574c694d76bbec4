//! What a trial came to, in the order in which an event meets it.

use maud::{Markup, html};

use super::super::figures;
use super::super::parts::{badge, headers, inert, payload};
use super::super::steps::steps;
use crate::admin::trials::{RequestView, SchemaResult, Test};
use crate::admin::views::Data;
use crate::delivery::{Attempt, AttemptResult, ChainRecord, ChainVerdict, Response};
use crate::schemas::Violation;

pub(super) fn outcome(test: &Test, send: &Markup) -> Markup {
    let Test { event, schema, chain, request, attempt, handed: (whole, handed), .. } = test;
    html! {
        @if let Some(attempt) = attempt { (answer(attempt)) }
        h2 { "Schema" }
        (judged(schema, event.event_type.as_str()))
        h2 { "Would this webhook want it" }
        (wanted(test))
        h2 { "Plugins" }
        (verdict(chain))
        (steps(whole, &chain.runs, handed))
        @if let Some(request) = request {
            h2 { "The request" }
            (to_be_sent(request, attempt.is_some()))
            (send)
        } @else {
            p { "Nothing would be sent." }
        }
    }
}

fn judged(schema: &SchemaResult, event_type: &str) -> Markup {
    html! {
        @match schema.result {
            "valid" => { p { (badge("good", "valid")) " It fits the " a href={ "/schemas/" (event_type) } { "schema of " (event_type) } "." } }
            "unknown" => { p { (badge("", "unknown")) " There is no schema of " (event_type) ". An event of an unknown type is let in or refused by " code { "schemas.unknownEvents" } "." } }
            _ => {
                p { (badge("bad", "violations")) " Such an event would be refused. It does not fit the "
                    a href={ "/schemas/" (event_type) } { "schema of " (event_type) } "." }
                (violations(&schema.errors))
            }
        }
    }
}

/// Each with its place.
fn violations(errors: &[Violation]) -> Markup {
    html! {
        dl.facts {
            @for Violation { pointer, message, .. } in errors {
                dt { code { @if pointer.is_empty() { "(the whole body)" } @else { (inert(pointer)) } } }
                dd { (inert(message)) }
            }
        }
    }
}

fn wanted(test: &Test) -> Markup {
    let matches = &test.matches;
    html! {
        ul.plain-list {
            li {
                @if matches.pattern {
                    (badge("good", "pattern")) " Its events take " (test.event.event_type) "."
                } @else {
                    (badge("warn", "pattern")) " None of its events takes " (test.event.event_type) ". It is tried all the same."
                }
            }
            li {
                @match &matches.filter {
                    None => { (badge("good", "filter")) " Nothing stops it." }
                    Some(objection) => { (badge("warn", "filter")) " It would be stopped: " (inert(objection)) ". It is tried all the same." }
                }
            }
        }
    }
}

fn verdict(chain: &ChainRecord) -> Markup {
    html! {
        @if !matches!(chain.verdict, ChainVerdict::Deliver { .. }) {
            p.told.warn { "The chain does not deliver: " (inert(&chain.verdict.in_words())) }
        }
    }
}

fn to_be_sent(request: &RequestView, is_sent: bool) -> Markup {
    html! {
        p.hint {
            @if is_sent { "As it was sent" } @else { "As it would be sent, signed" }
            "; secrets are not shown."
        }
        p { strong { (request.method) } " " code { (inert(&request.url)) } }
        details.more open { summary { "Headers" } (headers(&request.headers)) }
        details.more open { summary { "Body" } (data(&request.body)) }
    }
}

fn data(data: &Data) -> Markup {
    match data {
        Data::Text(text) => payload(text.as_bytes()),
        Data::Base64(base64) => {
            html! { p.muted { (figures::bytes(base64.len() as u64 / 4 * 3)) " that are not text" } }
        }
    }
}

fn answer(attempt: &Attempt) -> Markup {
    html! {
        section.card aria-label="The answer" {
            @match &attempt.result {
                AttemptResult::Answered(response) => { (answered(response, attempt.micros)) }
                AttemptResult::Error { message, .. } => {
                    h2 { "No answer " (badge("bad", "failed")) }
                    p { (inert(message)) " (after " (figures::span(attempt.micros)) ")" }
                }
            }
        }
    }
}

fn answered(response: &Response, micros: u64) -> Markup {
    let colour = if (200..300).contains(&response.status) { "good" } else { "bad" };
    html! {
        h2 { "The answer " (badge(colour, &response.status.to_string())) }
        p { "After " (figures::span(micros)) "." }
        details.more { summary { "Headers" } (headers(&response.headers)) }
        @if response.body.is_empty() {
            p.muted { "Without a body." }
        } @else {
            (payload(response.body.as_bytes()))
            @if response.body_cut { p.hint { "The rest was not kept." } }
        }
    }
}

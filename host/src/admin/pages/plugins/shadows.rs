//! Candidates beside live plugins: how they do, and what they do differently.

use maud::{Markup, html};

use super::super::figures;
use super::super::parts::{badge, inert, time};
use crate::clock;
use crate::difference::Line;
use crate::shadow::{ShadowSummary, ShadowView};

/// Of one page.
const MOST: usize = 50;

/// One line each.
pub(super) fn summaries(all: &[ShadowSummary]) -> Markup {
    html! {
        @if !all.is_empty() {
            h2 { "Shadows" }
            p.hint { "Candidates that run beside live plugins over the same events. Nothing of them is sent." }
            div.table { table.cards {
                thead { tr {
                    th scope="col" { "Candidate" } th scope="col" { "Beside" } th scope="col" { "Webhook" } th scope="col" { "Result" }
                    th.num scope="col" { "Fuel" }
                } }
                tbody { @for shadow in all.iter().take(MOST) { (row(shadow)) } }
            } }
            @if all.len() > MOST { p { "And " (all.len() - MOST) " more: " code { "hookwright plugin shadow" } } }
        }
    }
}

fn row(shadow: &ShadowSummary) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/plugins/" (shadow.shadow.name) } { (shadow.shadow.name) } }
            td data-label="Beside" { a href={ "/plugins/" (shadow.plugin.name) } { (shadow.plugin.name) } }
            td data-label="Webhook" { a href={ "/webhooks/" (shadow.webhook) } { (shadow.webhook) } }
            td data-label="Result" { span { (result(shadow)) } }
            td.num.tight data-label="Fuel" { @if let Some(ratio) = shadow.fuel_ratio { "× " (ratio) } }
        }
    }
}

fn result(shadow: &ShadowSummary) -> Markup {
    let counts = &shadow.counts;
    html! {
        @if let Some(trouble) = &shadow.trouble {
            (badge("bad", "not run")) " " (inert(trouble))
        } @else {
            @if counts.runs == 0 { (badge("", "no run yet")) }
            @else if counts.different + counts.failed == 0 { (badge("good", "the same")) " " (figures::of(counts.same, "run", "runs")) }
            @else {
                (badge(if counts.failed > 0 { "bad" } else { "warn" }, "different")) " "
                (figures::count(counts.different)) " different and " (figures::count(counts.failed)) " failed of "
                (figures::of(counts.runs, "run", "runs"))
            }
            @if counts.skipped > 0 { ", " (figures::count(counts.skipped)) " skipped" }
        }
    }
}

/// With the newest differences.
pub(super) fn views(all: &[&ShadowView]) -> Markup {
    let now = clock::now();
    html! {
        @for ShadowView { summary, differences } in all.iter().take(MOST) {
            section.card aria-label={ "Shadow " (summary.shadow.name) " of webhook " (summary.webhook) } {
                h3 {
                    a href={ "/plugins/" (summary.shadow.name) } { (summary.shadow.name) } " beside "
                    a href={ "/plugins/" (summary.plugin.name) } { (summary.plugin.name) } " for "
                    a href={ "/webhooks/" (summary.webhook) } { (summary.webhook) }
                }
                p { (result(summary)) ", since " (time(summary.since, now)) "." }
                @if let Some(failure) = &summary.last_failure { p { "It last broke: " (inert(failure)) } }
                @if !differences.is_empty() {
                    details.more {
                        summary { "The newest differences (" (differences.len()) ")" }
                        @for found in differences {
                            p { a href={ "/deliveries/" (found.delivery) } { (found.event_type) } ", " (time(found.at, now)) }
                            div.diff tabindex="0" role="group" aria-label={ "Difference for " (found.delivery) } {
                                @for line in found.difference.lines() { (shown(&line)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn shown(line: &Line) -> Markup {
    match line {
        Line::About(text) => html! { span { (inert(text)) } },
        Line::Before(text) => html! { del { "− " (inert(text)) } },
        Line::After(text) => html! { ins { "+ " (inert(text)) } },
    }
}

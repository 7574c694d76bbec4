//! Why an event was, or was not, delivered: webhook by webhook, gate by gate, and what leads on.

use maud::{Markup, html};

use super::super::parts::{badge, inert, state, ticked};
use crate::ids::EventId;
use crate::why::{Gate, Verdict, WebhookWhy, Why};

/// Webhooks shown: those with a delivery first.
const MOST: usize = 50;

pub(super) fn webhooks(why: &Why, event: EventId, may_try: bool) -> Markup {
    let mut all: Vec<_> = why.webhooks.iter().collect();
    all.sort_by_key(|one| one.delivery.is_none());
    html! {
        // Asked for anew when something happens to one of its deliveries.
        div #became hx-get={ "/events/" (event) } hx-select="#became" hx-trigger="live from:body" hx-swap="morph:outerHTML" {
            @if all.is_empty() && why.left_out.is_empty() {
                div.empty { p { "There is no webhook that could want it. " a href="/webhooks" { "Webhooks" } } }
            }
            @for one in all.iter().take(MOST) { (webhook(one, event, may_try)) }
            @if all.len() > MOST {
                p { "And " (all.len() - MOST) " more: " code { "hookwright why " (event) } }
            }
            @if !why.left_out.is_empty() {
                h3 { "Webhooks that could not want it" }
                ul { @for fault in why.left_out.iter().take(MOST) { li { (inert(&fault.to_string())) } } }
            }
        }
    }
}

fn webhook(one: &WebhookWhy, event: EventId, may_try: bool) -> Markup {
    let WebhookWhy { webhook, delivery, replay_of, gates, conclusion, next_command, .. } = one;
    html! {
        section.card aria-label={ "Webhook " (webhook) } {
            div.head {
                h3 {
                    a href={ "/webhooks/" (webhook) } { (webhook) } " "
                    @match one.state { Some(known) => { (state(known)) } None => { (badge("", "no delivery")) } }
                }
                span.actions {
                    @if let Some(delivery) = delivery { a href={ "/deliveries/" (delivery) } { "Delivery" } }
                    @if may_try { a href={ "/webhooks/" (webhook) "/try?id=" (event) } { "Try it with this event" } }
                }
            }
            p { (ticked(conclusion)) }
            @if let Some(original) = replay_of { p.hint { "Repeats " a href={ "/deliveries/" (original) } { code { (original) } } "." } }
            @if let Some(command) = next_command {
                p { "Next: " code { (inert(command)) } " " button.quiet type="button" data-copy=(command) { "Copy" } }
            }
            details.more open[delivery.is_some() && is_stopped(gates)] {
                summary { "Gates" }
                ol.gates { @for gate in gates { (passed(gate)) } }
            }
        }
    }
}

/// What stopped it, or holds it up, is worth a look.
fn is_stopped(gates: &[Gate]) -> bool {
    gates.iter().any(|gate| matches!(gate.verdict, Verdict::Stop | Verdict::Wait))
}

fn passed(gate: &Gate) -> Markup {
    let (colour, word) = match gate.verdict {
        Verdict::Pass => ("good", "pass"),
        Verdict::Stop => ("bad", "stop"),
        Verdict::Drop => ("", "drop"),
        Verdict::Wait => ("warn", "wait"),
        Verdict::Unknown => ("", "unknown"),
    };
    html! { li { (badge(colour, word)) " " strong { (gate.name) } " " (ticked(&gate.detail)) } }
}

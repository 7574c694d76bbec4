//! What a webhook holds, by cause, each with what ends it.

use maud::{Markup, html};

use crate::access::Role;
use crate::admin::AdminState;
use crate::admin::pages::deliveries::{cut, link};
use crate::admin::pages::door::Ask;
use crate::admin::pages::parts;
use crate::clock;
use crate::delivery::HeldCause;
use crate::ids::WebhookId;
use crate::store::{COUNTED_AT_MOST, HeldGroup};

pub(super) fn card(admin: &AdminState, ask: &Ask, webhook: &WebhookId, groups: &[&HeldGroup]) -> Markup {
    let now = clock::now();
    let name = admin.live.load().webhooks.get(webhook).map(|webhook| webhook.name.clone());
    let is_there = name.is_some();
    html! {
        section.card {
            div.head {
                h3 {
                    @if is_there { a href={ "/webhooks/" (webhook) } { (name.as_deref().unwrap_or_default()) } } @else { (webhook) " " (parts::badge("", "gone")) }
                }
                a href={ "/deliveries?state=held&webhook=" (webhook) } { "Show them" }
            }
            @for group in groups {
                p {
                    strong { (counted(group.count)) } " " (what(&group.cause)) ", the oldest " (link(group.oldest)) " "
                    (parts::time(group.oldest.time(), now))
                    @if let Some(reason) = group.reason.as_ref().filter(|_| !is_said(&group.cause)) { ": " (parts::ticked(&cut(reason))) }
                }
                p.hint { (remedy(&group.cause, webhook, is_there)) }
            }
            @if ask.may(Role::Operator) { (discard(ask, webhook)) }
        }
    }
}

fn counted(count: u64) -> String {
    if count >= COUNTED_AT_MOST { format!("{count} or more") } else { count.to_string() }
}

fn what(cause: &HeldCause) -> Markup {
    match cause {
        HeldCause::WebhookDisabled => html! { "because the webhook is switched off" },
        HeldCause::WebhookRemoved => html! { "because the webhook is gone" },
        HeldCause::WebhookGone => html! { "because the receiver answered 410 Gone" },
        HeldCause::Stuck => html! { "out of attempts, and first in their order" },
        HeldCause::Crashed => html! { "because the host died too often while it was worked on" },
        HeldCause::Plugin { name, .. } => html! { "because of the plugin " a href={ "/plugins/" (name) } { (name) } },
    }
}

/// Its reason says no more than the cause does.
fn is_said(cause: &HeldCause) -> bool {
    matches!(cause, HeldCause::WebhookDisabled | HeldCause::WebhookRemoved | HeldCause::WebhookGone)
}

/// What ends it. All of a cause go at once.
fn remedy(cause: &HeldCause, webhook: &WebhookId, is_there: bool) -> Markup {
    match cause {
        HeldCause::WebhookDisabled if is_there => html! {
            "Enable " a href={ "/webhooks/" (webhook) } { "the webhook" } ": that releases them."
        },
        HeldCause::WebhookDisabled | HeldCause::WebhookRemoved => html! {
            "Bring " code { "config/webhooks/" (webhook) ".json" } " back, or make a webhook of the same id: that releases them."
        },
        HeldCause::WebhookGone => html! {
            "Give " a href={ "/webhooks/" (webhook) } { "the webhook" } " another URL, or enable it once the receiver is back: that releases them."
        },
        HeldCause::Stuck => {
            html! { "Release the one that is first on its page once its receiver takes it, or discard it: those behind go on." }
        }
        HeldCause::Crashed => html! { "Look at it before you release it on its page: it may happen again." },
        HeldCause::Plugin { name, .. } => html! {
            "Another version of " a href={ "/plugins/" (name) } { (name) } ", or another config for it in "
            a href={ "/webhooks/" (webhook) } { "the webhook" } ", gives them another run."
        },
    }
}

fn discard(ask: &Ask, webhook: &WebhookId) -> Markup {
    html! {
        details.confirm #{ "discard-" (webhook) } {
            summary.button { "Discard all that is held" }
            div {
                p { "All that " strong { (webhook) } " holds is given up, whatever the cause. It can be replayed later." }
                form method="post" action="/troubles/discard" {
                    (parts::csrf(ask))
                    input type="hidden" name="webhook" value=(webhook);
                    button.danger type="submit" { "Discard all that is held" }
                }
            }
        }
    }
}

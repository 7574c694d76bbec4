//! What can be done about a delivery: hurried, given up, sent again. Each ends at the delivery that came of it, or back at
//! this one with what was said.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::edit;
use crate::access::{Role, Told};
use crate::admin::mending::Hurried;
use crate::admin::pages::door::Ask;
use crate::admin::pages::frame::Go;
use crate::admin::pages::parts;
use crate::admin::{Admin, params};
use crate::delivery::{self, ChainVerdict, DeliveryView};
use crate::http::problem::{Kind, Problem};
use crate::ids::DeliveryId;
use crate::replay::{Content, Mode};

pub(super) fn buttons(ask: &Ask, view: &DeliveryView) -> Markup {
    let id = view.id;
    let at = |what: &str| format!("/deliveries/{id}/{what}");
    let is_held = view.state == delivery::State::Held;
    html! {
        @if ask.may(Role::Operator) {
            div.actions {
                @if is_held { (parts::act(ask, "Release and try now", &at("retry"))) }
                @if view.state == delivery::State::Retrying { (parts::act(ask, "Retry now", &at("retry"))) }
                @if has_an_outcome(view) { (replay_button(ask, id, "recorded", "Replay as recorded")) }
                @if view.state.is_finished() || is_held {
                    (replay_button(ask, id, "today", "Replay with today's plugins"))
                    a.button href=(at("replay")) { "Edit and replay" }
                }
                @if !view.state.is_finished() { (discard_button(ask, id)) }
            }
        }
    }
}

/// It can be sent as it was recorded.
fn has_an_outcome(view: &DeliveryView) -> bool {
    let is_sent_once = matches!(view.state, delivery::State::Delivered | delivery::State::Failed);
    let passed = |chain: &delivery::ChainRecord| matches!(chain.verdict, ChainVerdict::Deliver { .. });
    is_sent_once && (view.attempts > 0 || view.chain.as_ref().is_some_and(passed))
}

fn replay_button(ask: &Ask, id: DeliveryId, mode: &str, label: &str) -> Markup {
    html! {
        form method="post" action={ "/deliveries/" (id) "/replay" } {
            (parts::csrf(ask))
            input type="hidden" name="mode" value=(mode);
            button type="submit" { (label) }
        }
    }
}

fn discard_button(ask: &Ask, id: DeliveryId) -> Markup {
    html! {
        details.confirm #discard {
            summary.button { "Discard" }
            div {
                p { "It is given up: failed, and not sent by itself any more." }
                form.stacked method="post" action={ "/deliveries/" (id) "/discard" } {
                    (parts::csrf(ask))
                    label for="reason" { "Why (for the record; may be empty)" }
                    input #reason name="reason" maxlength="200" autocomplete="off";
                    button.danger type="submit" { "Discard" }
                }
            }
        }
    }
}

pub(in crate::admin::pages) async fn retry(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Go, Problem> {
    let id = params::id(&id)?;
    match admin.hurry(ask.who(), id).await {
        Ok(Hurried { waits, .. }) if waits.is_empty() => Ok(to(id).telling(Told::good("It is due now."))),
        Ok(Hurried { waits, .. }) => {
            let text = format!("It is due now, but waits all the same: {}.", waits.join("; "));
            Ok(to(id).telling(Told::good(text)))
        }
        Err(problem) => back(id, problem),
    }
}

pub(in crate::admin::pages) async fn discard(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Go, Problem> {
    let id = params::id(&id)?;
    match admin.give_up(ask.who(), id, ask.sent.filled("reason")).await {
        Ok(_) => Ok(to(id).telling(Told::good("It is given up."))),
        Err(problem) => back(id, problem),
    }
}

pub(in crate::admin::pages) async fn replay(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = params::id(&id)?;
    let mode = match ask.sent.text("mode") {
        "edited" => return edit::send(&admin, &ask, id).await,
        "today" => Mode::Today,
        _ => Mode::Recorded,
    };
    let went = match admin.send_again(ask.who(), id, Content::As(mode)).await {
        Ok(replay) => made_of(id, replay.id),
        Err(problem) => back(id, problem)?,
    };
    Ok(went.into_response())
}

/// To the delivery that came of it.
pub(super) fn made_of(old: DeliveryId, made: DeliveryId) -> Go {
    to(made).telling(Told::good(format!("This is the replay of {old}.")))
}

fn to(id: DeliveryId) -> Go {
    Go::to(format!("/deliveries/{id}"))
}

/// Back to where it was asked for, unless there is nothing to go back to.
fn back(id: DeliveryId, problem: Problem) -> Result<Go, Problem> {
    match problem.kind() {
        Kind::NotFound => Err(problem),
        _ => Ok(to(id).telling(Told::bad(problem.detail()))),
    }
}

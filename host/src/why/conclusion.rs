//! What the gates come to: a sentence, and the command that leads on.

use super::{Gate, Made, Subject, Verdict, gates};
use crate::delivery::{DeliveryView, HeldCause, State};

/// The sentence and the next command.
pub(super) fn of(subject: &Subject<'_>, gates: &[Gate]) -> (String, String) {
    let (sentence, command) = match subject.made {
        Some(made) => of_delivery(subject, made),
        None => of_no_delivery(gates),
    };
    let disagrees = if subject.made.is_some() && subject.webhook.is_some() { stopping_rule(gates) } else { None };
    let disagreement = disagrees.map_or_else(String::new, |gate| {
        let Gate { name, detail, .. } = gate;
        format!(" Under today's rules no delivery would be made ({name}: {detail}): they changed after the event.")
    });
    match subject.fault {
        None => (sentence + &disagreement, command),
        Some(fault) => {
            let faulty = format!(" Its file {} cannot be taken as it is: {}.", fault.file, fault.message);
            (sentence + &disagreement + &faulty, check())
        }
    }
}

/// The first gate that today's rules close.
fn stopping_rule(gates: &[Gate]) -> Option<&Gate> {
    gates.iter().find(|gate| gate.verdict == Verdict::Stop && gates::RULES.contains(&gate.name.as_str()))
}

fn of_no_delivery(gates: &[Gate]) -> (String, String) {
    match stopping_rule(gates) {
        Some(gate) => {
            let command = if gate.name == "enabled" { status() } else { check() };
            (format!("No delivery was made, and by today's rules none would be: {}.", gate.detail), command)
        }
        None if gates.iter().any(|gate| gate.name == "filter" && gate.verdict == Verdict::Unknown) => {
            ("No delivery was made, and whether the filter would pass it today cannot be told.".to_owned(), check())
        }
        None => (
            "It would match now, but no delivery was made: the webhook was added, changed or enabled after the event."
                .to_owned(),
            status(),
        ),
    }
}

fn of_delivery(subject: &Subject<'_>, (delivery, _): Made<'_>) -> (String, String) {
    let reason = delivery.reason.as_deref().unwrap_or("no reason is recorded");
    match delivery.state {
        State::Delivered => {
            let tries = match delivery.attempts {
                0 | 1 => "at the first attempt".to_owned(),
                many => format!("after {many} attempts"),
            };
            (format!("Delivered {tries}, at {}.", delivery.changed), tail())
        }
        State::Dropped => (format!("Dropped at {}: {reason}.", delivery.changed), status()),
        State::Failed => {
            (format!("Given up at {} after {} attempts: {reason}.", delivery.changed, delivery.attempts), status())
        }
        State::Superseded => (format!("Replaced at {} by a later delivery.", delivery.changed), tail()),
        State::Held => held(subject, delivery, reason),
        State::Pending | State::Retrying => (waiting(delivery), tail()),
    }
}

fn waiting(delivery: &DeliveryView) -> String {
    let due = delivery.due.map(|due| format!(", due at {due}")).unwrap_or_default();
    match &delivery.reason {
        Some(reason) => format!("Waits for its next attempt{due}: {reason}."),
        None => format!("Waits for its first attempt{due}."),
    }
}

fn held(subject: &Subject<'_>, delivery: &DeliveryView, reason: &str) -> (String, String) {
    let remedy = match &delivery.held_for {
        Some(HeldCause::WebhookDisabled) => "enable the webhook to release it".to_owned(),
        Some(HeldCause::WebhookRemoved) => format!("bring config/webhooks/{}.json back to release it", subject.id),
        Some(HeldCause::WebhookGone) => "give the webhook another URL to release it".to_owned(),
        Some(HeldCause::Plugin { name, .. }) => {
            format!("another plugins/{name}.wasm, or another config for it in the webhook, releases it")
        }
        None => "it waits for a person".to_owned(),
    };
    (format!("Held since {}: {reason}; {remedy}.", delivery.changed), check())
}

fn status() -> String {
    "hookwright status".to_owned()
}

fn check() -> String {
    "hookwright check".to_owned()
}

fn tail() -> String {
    "hookwright tail".to_owned()
}

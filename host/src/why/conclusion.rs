//! What the gates come to: a sentence, and the command that leads on, if one does.

use super::{Gate, Subject, Verdict, gates};
use crate::delivery::{DeliveryView, HeldCause, State};

/// The sentence and the next command, if one leads on.
pub(super) fn of(subject: &Subject<'_>, gates: &[Gate]) -> (String, Option<String>) {
    let (sentence, command) = match subject.made {
        Some((delivery, _)) => {
            (of_delivery(subject, delivery) + &disagreement(subject, delivery, gates), next(delivery))
        }
        None => (of_no_delivery(subject, gates), None),
    };
    match subject.fault {
        None => (sentence, command),
        Some(fault) => {
            let faulty = format!(" Its file {} cannot be taken as it is: {}.", fault.file, fault.message);
            (sentence + &faulty, Some("hookwright check".to_owned()))
        }
    }
}

/// The command that tells more than is told here.
fn next(delivery: &DeliveryView) -> Option<String> {
    let show = || Some(format!("hookwright delivery show {}", delivery.id));
    match (delivery.state, &delivery.held_for) {
        (State::Dropped | State::Failed, _)
        | (State::Held, Some(HeldCause::Plugin { .. } | HeldCause::Crashed) | None) => show(),
        (State::Pending | State::Retrying, _) => Some("hookwright tail".to_owned()),
        (State::Delivered | State::Superseded | State::Held, _) => None,
    }
}

/// Gates that today's rules close.
fn stopping_rules(gates: &[Gate]) -> impl Iterator<Item = &Gate> {
    gates.iter().filter(|gate| gate.verdict == Verdict::Stop && gates::RULES.contains(&gate.name.as_str()))
}

/// Where today's rules would not make the delivery that was made.
fn disagreement(subject: &Subject<'_>, delivery: &DeliveryView, gates: &[Gate]) -> String {
    if subject.webhook.is_none() {
        return String::new();
    }
    // What it is held for is said already.
    let is_said = matches!(delivery.held_for, Some(HeldCause::WebhookDisabled | HeldCause::WebhookGone));
    match stopping_rules(gates).find(|gate| !(is_said && gate.name == "enabled")) {
        None => String::new(),
        Some(Gate { name, detail, .. }) => {
            format!(" Under today's rules no delivery would be made ({name}: {detail}): they changed after the event.")
        }
    }
}

fn of_no_delivery(subject: &Subject<'_>, gates: &[Gate]) -> String {
    let stops = stopping_rules(gates).next();
    let is_unknown = || gates.iter().any(|gate| gate.name == "filter" && gate.verdict == Verdict::Unknown);
    match stops {
        Some(gate) => format!(
            "No delivery was made, and by today's rules none would be: {}. To change that, edit {}.",
            gate.detail,
            file(subject)
        ),
        None if is_unknown() => {
            "No delivery was made, and whether the filter would pass it today cannot be told.".to_owned()
        }
        None => {
            "It would match now, but no delivery was made: the webhook was added, changed or enabled after the event."
                .to_owned()
        }
    }
}

fn of_delivery(subject: &Subject<'_>, delivery: &DeliveryView) -> String {
    let DeliveryView { changed, attempts, .. } = delivery;
    let reason = delivery.reason.as_deref().unwrap_or("no reason is recorded");
    match subject.state_of(delivery) {
        State::Superseded if delivery.event != subject.event => {
            let DeliveryView { event, state, .. } = delivery;
            format!("Superseded at {changed}: its debounce window took {event} instead, which is {state}.")
        }
        State::Delivered if *attempts <= 1 => format!("Delivered at the first attempt, at {changed}."),
        State::Delivered => format!("Delivered after {attempts} attempts, at {changed}."),
        State::Dropped => format!("Dropped at {changed}: {reason}."),
        State::Failed => failed(delivery, reason),
        State::Superseded => format!("Replaced at {changed} by a later delivery."),
        State::Held => held(subject, delivery, reason),
        State::Pending | State::Retrying => waiting(delivery),
    }
}

fn failed(delivery: &DeliveryView, reason: &str) -> String {
    let DeliveryView { changed, attempts, .. } = delivery;
    // The number is said here already.
    let reason = reason.strip_suffix(&format!("; that was attempt {attempts}, the last")).unwrap_or(reason);
    match attempts {
        0 => format!("Given up at {changed} without an attempt: {reason}."),
        1 => format!("Given up at {changed} after 1 attempt: {reason}."),
        many => format!("Given up at {changed} after {many} attempts: {reason}."),
    }
}

fn waiting(delivery: &DeliveryView) -> String {
    let due = delivery.due.map(|due| format!(", due at {due}")).unwrap_or_default();
    match &delivery.reason {
        Some(reason) => format!("Waits for its next attempt{due}: {reason}."),
        None => format!("Waits for its first attempt{due}."),
    }
}

fn held(subject: &Subject<'_>, delivery: &DeliveryView, reason: &str) -> String {
    let file = file(subject);
    let remedy = match &delivery.held_for {
        Some(HeldCause::WebhookDisabled) if subject.webhook.is_some_and(|webhook| webhook.enabled) => {
            format!("`hookwright webhook enable {}` releases this", subject.id)
        }
        Some(HeldCause::WebhookDisabled) => format!("edit {file} to enable it, which releases this"),
        Some(HeldCause::WebhookRemoved) => format!("bring {file} back to release it"),
        Some(HeldCause::WebhookGone) => format!("edit {file} to another URL to release it"),
        Some(HeldCause::Plugin { name, .. }) => {
            format!("another plugins/{name}.wasm, or another config for it in the webhook, releases it")
        }
        Some(HeldCause::Stuck | HeldCause::Crashed) | None => "it waits for a person".to_owned(),
    };
    format!("Held since {}: {reason}; {remedy}.", delivery.changed)
}

fn file(subject: &Subject<'_>) -> String {
    format!("config/webhooks/{}.json", subject.id)
}

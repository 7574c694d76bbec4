//! What the gates come to: a sentence, and the command that leads on, if one does.

use super::{Gate, Rules, Subject, Verdict, gates};
use crate::delivery::{DeliveryView, HeldCause, State};
use crate::store::RunStateKind;

/// The sentence and the next command, if one leads on.
pub(super) fn of(rules: &Rules<'_>, subject: &Subject<'_>, gates: &[Gate]) -> (String, Option<String>) {
    let (sentence, command) = match subject.made {
        Some((delivery, _)) => {
            let sentence = of_delivery(subject, delivery, gates) + &disagreement(subject, delivery, gates);
            (sentence, next(rules, subject, delivery))
        }
        None => of_no_delivery(subject, gates),
    };
    match subject.fault {
        None => (sentence, command),
        Some(fault) => {
            let faulty = format!(" Its file {} cannot be taken as it is: {}.", fault.file, fault.message);
            (sentence + &faulty, Some("hookwright check".to_owned()))
        }
    }
}

/// The command that ends the wait, or tells more than is told here.
fn next(rules: &Rules<'_>, subject: &Subject<'_>, delivery: &DeliveryView) -> Option<String> {
    let show = || Some(format!("hookwright delivery show {}", delivery.id));
    match (subject.state_of(delivery), &delivery.held_for) {
        (State::Dropped | State::Failed, _)
        | (State::Held, Some(HeldCause::Plugin { .. } | HeldCause::Crashed | HeldCause::Stuck) | None) => show(),
        (State::Held, Some(HeldCause::WebhookDisabled | HeldCause::WebhookGone)) => switch_on(subject),
        (State::Held, Some(HeldCause::WebhookRemoved)) | (State::Delivered | State::Superseded, _) => None,
        (State::Pending | State::Retrying, _) => next_of_waiting(rules, subject, delivery),
    }
}

/// Whatever it waits for comes first; with nothing in its way it goes by itself.
fn next_of_waiting(rules: &Rules<'_>, subject: &Subject<'_>, delivery: &DeliveryView) -> Option<String> {
    let id = subject.id;
    if subject.run_states.iter().any(|state| state.kind == RunStateKind::Paused) {
        return Some(format!("hookwright webhook resume {id}"));
    }
    if let Some(ahead) = subject.ahead {
        return Some(format!("hookwright why {}", ahead.first));
    }
    if delivery.window.as_ref().is_some_and(|window| window.closes.is_some()) {
        return None;
    }
    if subject.webhook.is_some_and(|webhook| (rules.condition)(webhook).open_until.is_some()) {
        return Some(format!("hookwright webhook enable {id}"));
    }
    if delivery.attempts > 0 {
        return Some(format!("hookwright delivery show {}", delivery.id));
    }
    Some("hookwright tail".to_owned())
}

/// What takes back that somebody, or something, switched the webhook off; none: its file did.
fn switch_on(subject: &Subject<'_>) -> Option<String> {
    let by_file = subject.webhook.is_none_or(|webhook| !webhook.enabled && webhook.managed().is_none());
    (!by_file).then(|| format!("hookwright webhook enable {}", subject.id))
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

fn of_no_delivery(subject: &Subject<'_>, gates: &[Gate]) -> (String, Option<String>) {
    let stops = stopping_rules(gates).next();
    let is_unknown = || gates.iter().any(|gate| gate.name == "filter" && gate.verdict == Verdict::Unknown);
    let sentence = match stops {
        Some(gate) => {
            let sentence = format!("No delivery was made, and by today's rules none would be: {}.", gate.detail);
            // What is not written in the file is not changed there.
            return match switch_on(subject).filter(|_| gate.name == "enabled") {
                Some(command) => (sentence, Some(command)),
                None if is_managed(subject) => (sentence, Some(format!("hookwright webhook update {}", subject.id))),
                None => (format!("{sentence} To change that, edit {}.", file(subject)), None),
            };
        }
        None if is_unknown() => "No delivery was made, and whether the filter would pass it today cannot be told.",
        None => {
            "It would match now, but no delivery was made: the webhook was added, changed or enabled after the event."
        }
    };
    (sentence.to_owned(), None)
}

fn of_delivery(subject: &Subject<'_>, delivery: &DeliveryView, gates: &[Gate]) -> String {
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
        State::Superseded => format!("Superseded at {changed}: another event of its debounce window is sent."),
        State::Held => held(subject, delivery, reason),
        State::Pending | State::Retrying => waiting(delivery, gates),
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

fn waiting(delivery: &DeliveryView, gates: &[Gate]) -> String {
    let due = delivery.due.map(|due| format!(", due at {due}")).unwrap_or_default();
    let sentence = match &delivery.reason {
        Some(reason) => format!("Waits for its next attempt{due}: {reason}."),
        None => format!("Waits for its first attempt{due}."),
    };
    match gates.iter().find(|gate| gate.name == gates::PACE) {
        Some(gate) => format!("{sentence} Not now: {}.", gate.detail),
        None => sentence,
    }
}

fn held(subject: &Subject<'_>, delivery: &DeliveryView, reason: &str) -> String {
    let file = file(subject);
    let remedy = match &delivery.held_for {
        Some(HeldCause::WebhookDisabled) if switch_on(subject).is_some() => {
            format!("`hookwright webhook enable {}` releases this", subject.id)
        }
        Some(HeldCause::WebhookDisabled) => format!("edit {file} to enable it, which releases this"),
        Some(HeldCause::WebhookRemoved) => {
            format!("bring {file} back to release it, or give it up: `hookwright delivery discard {}`", delivery.id)
        }
        Some(HeldCause::WebhookGone) => {
            return format!(
                "Held since {}: the receiver answered 410 Gone; `hookwright webhook enable {}` releases this, and so does \
                 another `url`{}.",
                delivery.changed,
                subject.id,
                if is_managed(subject) { String::new() } else { format!(" in {file}") }
            );
        }
        Some(HeldCause::Plugin { name, .. }) => {
            format!("another plugins/{name}.wasm, or another config for it in the webhook, releases it")
        }
        Some(HeldCause::Stuck | HeldCause::Crashed) | None => {
            let id = delivery.id;
            format!("`hookwright delivery retry {id}` tries it again, `hookwright delivery discard {id}` gives it up")
        }
    };
    format!("Held since {}: {reason}; {remedy}.", delivery.changed)
}

fn is_managed(subject: &Subject<'_>) -> bool {
    subject.webhook.is_some_and(|webhook| webhook.managed().is_some())
}

fn file(subject: &Subject<'_>) -> String {
    format!("config/webhooks/{}.json", subject.id)
}

//! The gates of one webhook, in the order an event meets them.

use std::time::Duration;

use super::{Facts, Gate, Made, Rules, Subject, Verdict, waits};
use crate::delivery::{Attempt, AttemptResult, ChainRecord, ChainVerdict, DeliveryView, State};
use crate::ids::PluginName;
use crate::plugin::has_name;
use crate::store::{RunState, RunStateKind};
use crate::webhook::Webhook;

/// Names of gates that the rules decide, as opposed to what happened.
pub(super) const RULES: [&str; 3] = ["enabled", "pattern", "filter"];
/// Its name of what holds up a delivery that may go out.
pub(super) const PACE: &str = "pace";

pub(super) fn all(facts: &Facts<'_>, rules: &Rules<'_>, subject: &Subject<'_>) -> Vec<Gate> {
    let mut gates = vec![admitted(facts)];
    if let Some(webhook) = subject.webhook {
        gates.extend([enabled(webhook, subject), pattern(webhook, facts), filter(webhook, facts)]);
        gates.extend(plugins(webhook, rules, subject.made));
        gates.push(address(webhook, rules));
        gates.extend(pace(webhook, rules, subject));
    } else {
        gates.push(gate("enabled", Verdict::Stop, "there is no such webhook any more; its rules are not known"));
        let chain = subject.made.and_then(|(delivery, _)| delivery.chain.as_ref());
        gates.extend(chain.into_iter().flat_map(ran));
    }
    gates.extend(attempts(subject.made));
    gates
}

fn gate(name: &str, verdict: Verdict, detail: impl Into<String>) -> Gate {
    Gate { name: name.to_owned(), verdict, detail: detail.into() }
}

fn admitted(facts: &Facts<'_>) -> Gate {
    let event = facts.event;
    gate("admitted", Verdict::Pass, format!("accepted from {} at {}", event.source, event.received))
}

fn enabled(webhook: &Webhook, subject: &Subject<'_>) -> Gate {
    let name = "enabled";
    if let Some(off) = waits::off(webhook, subject.run_states.iter().copied()) {
        return gate(name, Verdict::Stop, off);
    }
    let is_off = |state: &&&RunState| matches!(state.kind, RunStateKind::Gone | RunStateKind::Disabled);
    match subject.run_states.iter().find(is_off) {
        None => gate(name, Verdict::Pass, "enabled"),
        Some(RunState { by, since, .. }) => {
            let detail = format!("enabled; its URL changed after it was switched off by {by} since {since}");
            gate(name, Verdict::Pass, detail)
        }
    }
}

fn pattern(webhook: &Webhook, facts: &Facts<'_>) -> Gate {
    let event_type = &facts.event.event_type;
    if let Some(pattern) = webhook.events.iter().find(|pattern| pattern.matches(event_type)) {
        return gate("pattern", Verdict::Pass, format!("{pattern} matches {event_type}"));
    }
    let patterns: Vec<_> = webhook.events.iter().map(ToString::to_string).collect();
    let mut detail = format!("{event_type} matches none of {}", patterns.join(", "));
    if patterns.iter().any(|pattern| pattern == "*") {
        detail.push_str("; * leaves this type out, so name it");
    }
    gate("pattern", Verdict::Stop, detail)
}

fn filter(webhook: &Webhook, facts: &Facts<'_>) -> Gate {
    let name = "filter";
    match (&webhook.filter, facts.body) {
        (None, _) => gate(name, Verdict::Pass, "no filter"),
        (Some(_), None) => gate(name, Verdict::Unknown, "the body is not JSON, so the filter cannot look into it"),
        (Some(filter), Some(body)) => match filter.objection(body) {
            None => gate(name, Verdict::Pass, "the body passes"),
            Some(objection) => gate(name, Verdict::Stop, objection),
        },
    }
}

/// What ran, then those of the chain that did not.
fn plugins(webhook: &Webhook, rules: &Rules<'_>, made: Option<Made<'_>>) -> Vec<Gate> {
    let chain = made.and_then(|(delivery, _)| delivery.chain.as_ref());
    let has_run = |name: &PluginName| chain.is_some_and(|chain| chain.runs.iter().any(|run| run.plugin == *name));
    let not_run = webhook.plugins.iter().filter(|used| !has_run(&used.plugin));
    let ran = chain.into_iter().flat_map(ran);
    ran.chain(not_run.map(|used| did_not_run(&used.plugin, rules, made))).collect()
}

/// Of a backtrace; `delivery show` has them all.
const FRAMES_SHOWN: usize = 3;

fn ran(chain: &ChainRecord) -> Vec<Gate> {
    let verdict_of = |plugin: &PluginName| match &chain.verdict {
        ChainVerdict::Again { plugin: by, .. } if by == plugin => Verdict::Wait,
        ChainVerdict::Drop { plugin: by, .. } if by == plugin => Verdict::Drop,
        ChainVerdict::Hold { plugin: by, .. } | ChainVerdict::Fail { plugin: by, .. } if by == plugin => Verdict::Stop,
        _ => Verdict::Pass,
    };
    let gates = chain.runs.iter().map(|run| {
        let version = run.digest.map(|digest| format!(", version {}", digest.short())).unwrap_or_default();
        let named = run.backtrace.iter().map(String::as_str).filter(|frame| has_name(frame));
        let frames = named.take(FRAMES_SHOWN).collect::<Vec<_>>().join(" ← ");
        let at = if frames.is_empty() { frames } else { format!(" at {frames}") };
        gate(&plugin_gate(&run.plugin), verdict_of(&run.plugin), format!("{}{at}{version}", run.summary))
    });
    gates.collect()
}

fn did_not_run(plugin: &PluginName, rules: &Rules<'_>, made: Option<Made<'_>>) -> Gate {
    let name = plugin_gate(plugin);
    if !(rules.is_loaded)(plugin) {
        return gate(&name, Verdict::Stop, format!("there is no usable plugins/{plugin}.wasm"));
    }
    match made {
        None => gate(&name, Verdict::Unknown, "did not run: no delivery was made"),
        Some((delivery, _)) if delivery.chain.is_none() && !delivery.state.is_finished() => {
            gate(&name, Verdict::Wait, "has not run yet")
        }
        Some(_) => gate(&name, Verdict::Unknown, "did not run: the chain ended before it, or had not got it"),
    }
}

fn plugin_gate(plugin: &PluginName) -> String {
    format!("plugin {plugin}")
}

fn address(webhook: &Webhook, rules: &Rules<'_>) -> Gate {
    match (rules.judge)(&webhook.url) {
        Ok(()) => {
            let host = webhook.url.host_str().unwrap_or_default();
            gate(
                "address",
                Verdict::Pass,
                format!("{host} is not refused; what a name resolves to is judged each time"),
            )
        }
        Err(reason) => gate("address", Verdict::Stop, reason),
    }
}

/// Why what waits is not sent now: each reason a gate of its own.
fn pace(webhook: &Webhook, rules: &Rules<'_>, subject: &Subject<'_>) -> Vec<Gate> {
    let Some((delivery, _)) = subject.made.filter(|(delivery, _)| !delivery.state.is_finished()) else {
        return Vec::new();
    };
    let window = delivery.window.as_ref().and_then(|window| Some((window.count, window.closes?)));
    let gathers = window.map(|(count, closes)| {
        let events = if count == 1 { "1 event".to_owned() } else { format!("{count} events") };
        format!("`debounce`: {events} so far; gathers more until {closes}, or later if more come")
    });
    let behind = subject.ahead.map(waits::behind);
    let held_up = waits::held_up(webhook, subject.run_states.iter().copied(), &(rules.condition)(webhook));
    let waits = behind.into_iter().chain(gathers).chain(held_up);
    waits.map(|detail| gate(PACE, Verdict::Wait, detail)).collect()
}

fn attempts(made: Option<Made<'_>>) -> Vec<Gate> {
    let Some((delivery, attempts)) = made else {
        return vec![gate("attempts", Verdict::Unknown, "nothing was sent: no delivery was made")];
    };
    if attempts.is_empty() {
        return vec![no_attempt(delivery)];
    }
    attempts.iter().map(attempt).collect()
}

fn no_attempt(delivery: &DeliveryView) -> Gate {
    let (verdict, what) = match delivery.state {
        // Its attempts were left out of what is known here.
        _ if delivery.attempts > 0 => (Verdict::Unknown, "none of them can be shown here"),
        State::Pending | State::Retrying => (Verdict::Wait, "nothing was sent yet"),
        State::Held => (Verdict::Wait, "nothing was sent: held"),
        State::Dropped => (Verdict::Drop, "nothing was sent: dropped"),
        State::Superseded => (Verdict::Drop, "nothing was sent: superseded"),
        State::Failed => (Verdict::Stop, "nothing was sent: failed"),
        State::Delivered => (Verdict::Unknown, "none is recorded"),
    };
    gate("attempts", verdict, what)
}

fn attempt(attempt: &Attempt) -> Gate {
    let after = Duration::from_micros(attempt.micros);
    let (verdict, what) = match &attempt.result {
        AttemptResult::Answered(response) if (200..300).contains(&response.status) => {
            (Verdict::Pass, format!("answered {}", response.status))
        }
        AttemptResult::Answered(response) => (Verdict::Stop, format!("answered {}", response.status)),
        AttemptResult::Error { message, .. } => (Verdict::Stop, message.clone()),
    };
    gate(&format!("attempt {}", attempt.number), verdict, format!("{what} ({after:?}, started {})", attempt.started))
}

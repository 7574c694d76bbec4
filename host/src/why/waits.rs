//! What keeps a webhook's deliveries from going out now, in words that follow others. Also for whoever hurries one.

use crate::delivery::State;
use crate::dispatch::Condition;
use crate::store::{Ahead, RunState, RunStateKind};
use crate::webhook::Webhook;

/// Why a webhook takes nothing and sends nothing, and what changes that; none: it does.
pub(crate) fn off<'a>(webhook: &Webhook, run_states: impl IntoIterator<Item = &'a RunState>) -> Option<String> {
    if !webhook.enabled && webhook.managed().is_some() {
        return Some(format!("it is disabled; `hookwright webhook enable {}` ends that", webhook.id));
    }
    if !webhook.enabled {
        return Some("its file says \"enabled\": false".to_owned());
    }
    let is_off = |state: &&RunState| matches!(state.kind, RunStateKind::Gone | RunStateKind::Disabled);
    let state = run_states.into_iter().find(is_off)?;
    // A changed URL clears it, when the next revision is taken.
    if is_of_another_url(webhook, state) {
        return None;
    }
    let RunState { by, since, .. } = state;
    let also = if state.kind == RunStateKind::Gone { ", and so does another `url`" } else { "" };
    Some(format!(
        "switched off by {by} since {since}; `hookwright webhook enable {}` takes that back{also}",
        webhook.id
    ))
}

/// Whether it was recorded for a URL that the webhook has no more. What a person set is meant for any.
pub(super) fn is_of_another_url(webhook: &Webhook, state: &RunState) -> bool {
    !state.is_a_persons() && state.url != RunState::url_digest(&webhook.url)
}

/// What holds up those that may go out, the strongest first.
pub(crate) fn held_up<'a>(
    webhook: &Webhook,
    run_states: impl IntoIterator<Item = &'a RunState>,
    condition: &Condition,
) -> Vec<String> {
    let id = &webhook.id;
    let mut waits = Vec::new();
    if let Some(RunState { by, since, .. }) = run_states.into_iter().find(|state| state.kind == RunStateKind::Paused) {
        waits.push(format!("paused by {by} since {since}; `hookwright webhook resume {id}` lets it go"));
    }
    let Condition { under_way, narrowed_to, open_until, next_start } = condition;
    let at_once = narrowed_to.unwrap_or(webhook.concurrency.get());
    if let Some(until) = open_until {
        waits.push(format!(
            "the receiver is left alone until {until}, as it failed again and again or asked for it; then one delivery \
             probes it; `hookwright webhook enable {id}` does not wait"
        ));
    }
    if let Some(start) = next_start {
        waits.push(format!("`rateLimit` lets no attempt begin before {start}"));
    }
    if narrowed_to.is_some() {
        waits.push(format!(
            "the receiver was overloaded: {at_once} at once, not {}; each one that it takes allows one more",
            webhook.concurrency
        ));
    }
    if *under_way >= at_once {
        waits.push(format!("as many attempts are under way as may be at once ({under_way}, `concurrency`)"));
    }
    waits
}

/// What a delivery waits for in the order of its lane.
pub(crate) fn behind(ahead: &Ahead) -> String {
    let Ahead { first, state, due, reason, under_way, count } = ahead;
    let others =
        if *count > 1 { format!("{count} are before it, the first of them") } else { "before it is".to_owned() };
    let why = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let what = match (state, due) {
        _ if *under_way => "is being sent".to_owned(),
        (State::Held, _) => format!(
            "is held{why} and has the others wait (`order.onStuck`); `hookwright why {first}` says what ends that"
        ),
        (state, Some(due)) => format!("is {state}{why}, due at {due}"),
        (state, None) => format!("is {state}{why}"),
    };
    format!("`order`: {others} {first}, which {what}")
}

//! What switches a webhook on, off, or lets it wait: a person, its receiver, or days of failure. Recorded, then done;
//! each survives a restart.

use super::scheduler::{Change, Limits};
use super::{Enabled, Inner, claim};
use crate::clock::{self, Timestamp};
use crate::delivery::HeldCause;
use crate::event::Event;
use crate::ids::WebhookId;
use crate::operations::Occurrence;
use crate::store::{HeldFor, RunState, RunStateKind, StoreError};
use crate::webhook::Webhook;

/// Tells the scheduler what was recorded of a webhook before it came into force.
pub(super) fn remember(inner: &Inner, webhook: &Webhook) {
    let now = clock::now();
    for state in inner.run_states.of(&webhook.id) {
        match state.kind {
            RunStateKind::Paused => {
                inner.scheduler().pause(&webhook.id, true, &Limits::of(webhook), now);
            }
            RunStateKind::Failing => inner.scheduler().set_failing(&webhook.id, state.since, now),
            RunStateKind::Gone | RunStateKind::Disabled => {}
        }
    }
}

pub(super) async fn pause(inner: &Inner, webhook: &Webhook, paused: bool, by: String) -> Result<bool, StoreError> {
    let was_paused = inner.run_states.has(&webhook.id, RunStateKind::Paused);
    if was_paused == paused {
        return Ok(false);
    }
    if paused {
        record(inner, webhook, RunStateKind::Paused, by).await?;
    } else {
        inner.run_states.clear(&*inner.administration, &webhook.id, RunStateKind::Paused).await?;
    }
    let can_claim = inner.scheduler().pause(&webhook.id, paused, &Limits::of(webhook), clock::now());
    go_on(inner, webhook, can_claim);
    Ok(true)
}

/// `cause` is the event whose delivery led to it, if it was no person.
pub(super) async fn disable(
    inner: &Inner,
    webhook: &Webhook,
    by: String,
    cause: Option<&Event>,
) -> Result<bool, StoreError> {
    if inner.run_states.has(&webhook.id, RunStateKind::Disabled) {
        return Ok(false);
    }
    let reason = format!("the webhook was switched off by {by}");
    let is_new = record(inner, webhook, RunStateKind::Disabled, by.clone()).await?;
    tell(inner, is_new, cause, Occurrence::WebhookDisabled { webhook: webhook.id.clone(), by });
    hold(inner, webhook, RunStateKind::Disabled, reason).await?;
    Ok(true)
}

/// Holds what waits, in steps. Whoever took the run state back meanwhile released what was held by then; the rest is
/// released here.
async fn hold(inner: &Inner, webhook: &Webhook, kind: RunStateKind, reason: String) -> Result<(), StoreError> {
    let Some(cause) = cause(kind) else { return Ok(()) };
    inner.store.hold(webhook.id.clone(), cause, reason, clock::now()).await?;
    if !inner.run_states.has(&webhook.id, kind) {
        release(inner, webhook, kind).await?;
    }
    Ok(())
}

/// What this run state holds deliveries for.
const fn cause(kind: RunStateKind) -> Option<HeldCause> {
    match kind {
        RunStateKind::Gone => Some(HeldCause::WebhookGone),
        RunStateKind::Disabled => Some(HeldCause::WebhookDisabled),
        RunStateKind::Paused | RunStateKind::Failing => None,
    }
}

async fn release(inner: &Inner, webhook: &Webhook, kind: RunStateKind) -> Result<(), StoreError> {
    // A file's word is the last.
    let may_go = webhook.enabled || kind != RunStateKind::Disabled;
    if let Some(cause) = cause(kind).filter(|_| may_go) {
        inner.store.release(webhook.id.clone(), HeldFor::Cause(cause), clock::now()).await?;
        claim::wake_webhook(inner, &webhook.id).await?;
    }
    Ok(())
}

pub(super) async fn enable(inner: &Inner, webhook: &Webhook) -> Result<Enabled, StoreError> {
    let limits = Limits::of(webhook);
    let mut was_off = false;
    let mut was_ill = inner.scheduler().condition(&webhook.id, &limits, clock::now()).open_until.is_some();
    for kind in [RunStateKind::Gone, RunStateKind::Disabled] {
        was_off |= clear(inner, webhook, kind).await?;
        // Also where nothing was recorded any more: an earlier attempt may have been cut off here.
        release(inner, webhook, kind).await?;
    }
    was_ill |= clear(inner, webhook, RunStateKind::Failing).await?;
    // Also where nothing was recorded: it may only have asked for quiet.
    let can_claim = inner.scheduler().forgive(&webhook.id, &limits, clock::now());
    go_on(inner, webhook, can_claim);
    Ok(Enabled { was_off, was_ill })
}

/// Takes back what was recorded of this webhook, with what followed from it. False: nothing was.
pub(super) async fn clear(inner: &Inner, webhook: &Webhook, kind: RunStateKind) -> Result<bool, StoreError> {
    if !inner.run_states.clear(&*inner.administration, &webhook.id, kind).await? {
        return Ok(false);
    }
    let can_claim = inner.scheduler().forgive(&webhook.id, &Limits::of(webhook), clock::now());
    go_on(inner, webhook, can_claim);
    release(inner, webhook, kind).await?;
    Ok(true)
}

/// Another URL than the one that was gone, ill or switched off makes a fresh start.
pub(super) async fn clear_if_moved(inner: &Inner, webhook: &Webhook) -> Result<(), StoreError> {
    for kind in inner.run_states.outdated(webhook) {
        clear(inner, webhook, kind).await?;
    }
    Ok(())
}

/// The receiver answered 410: nothing goes to this URL any more, and nothing is lost.
pub(super) async fn mark_gone(inner: &Inner, webhook: &Webhook, cause: &Event) -> Result<(), StoreError> {
    let is_known =
        |state: RunState| state.kind == RunStateKind::Gone && state.url == RunState::url_digest(&webhook.url);
    if inner.run_states.of(&webhook.id).into_iter().any(is_known) {
        return Ok(());
    }
    let by = "receiver (410 Gone)".to_owned();
    let is_new = record(inner, webhook, RunStateKind::Gone, by.clone()).await?;
    tell(inner, is_new, Some(cause), Occurrence::WebhookDisabled { webhook: webhook.id.clone(), by });
    tracing::warn!(webhook = %webhook.id, "the receiver answered 410 Gone: the webhook is off until it is enabled or its URL changes");
    hold(inner, webhook, RunStateKind::Gone, gone_reason(&webhook.id)).await?;
    // The URL may have changed since the attempt began: then that change came too early to clear this.
    let today = inner.live.load().webhooks.get(&webhook.id).cloned();
    match today {
        Some(today) => clear_if_moved(inner, &today).await,
        None => Ok(()),
    }
}

/// Why a delivery is held whose receiver answered 410, and what releases it.
pub(super) fn gone_reason(webhook: &WebhookId) -> String {
    format!("the receiver answered 410 Gone; `hookwright webhook enable {webhook}` or another `url` releases this")
}

/// What the scheduler learned of a receiver. True: the webhook was switched off for it.
pub(super) async fn record_change(
    inner: &Inner,
    webhook: &Webhook,
    change: Change,
    cause: &Event,
) -> Result<bool, StoreError> {
    match change {
        Change::Failing { since } => {
            tracing::warn!(webhook = %webhook.id, %since, "the receiver takes nothing: the webhook is failing");
            let state = RunState { since, ..state(webhook, RunStateKind::Failing, RunState::HOST.to_owned()) };
            let is_new = inner.run_states.set(&*inner.administration, state).await?;
            if !inner.scheduler().is_failing(&webhook.id) {
                // It took something while this was written.
                inner.run_states.clear(&*inner.administration, &webhook.id, RunStateKind::Failing).await?;
                return Ok(false);
            }
            tell(inner, is_new, Some(cause), Occurrence::WebhookFailing { webhook: webhook.id.clone(), since });
            Ok(false)
        }
        Change::Recovered => {
            let was_failing =
                inner.run_states.clear(&*inner.administration, &webhook.id, RunStateKind::Failing).await?;
            tracing::info!(webhook = %webhook.id, "the receiver takes deliveries again");
            tell(inner, was_failing, Some(cause), Occurrence::WebhookRecovered { webhook: webhook.id.clone() });
            Ok(false)
        }
        Change::GiveUp { since } => {
            let by = given_up_by(since);
            tracing::warn!(webhook = %webhook.id, %since, "the receiver took nothing for too long: the webhook is switched off");
            disable(inner, webhook, by, Some(cause)).await
        }
    }
}

fn given_up_by(since: Timestamp) -> String {
    format!("{} (the receiver took nothing since {since})", RunState::HOST)
}

/// Tells of a switch, once: several attempts may come to the same. What came of a delivery of an operational event is not
/// told: two receivers that are ill could tell of each other for ever.
fn tell(inner: &Inner, is_new: bool, cause: Option<&Event>, occurrence: Occurrence) {
    if is_new && !cause.is_some_and(|event| event.event_type.is_operational()) {
        inner.operations.tell(occurrence);
    }
}

/// True: it was not recorded before.
async fn record(inner: &Inner, webhook: &Webhook, kind: RunStateKind, by: String) -> Result<bool, StoreError> {
    inner.run_states.set(&*inner.administration, state(webhook, kind, by)).await
}

fn state(webhook: &Webhook, kind: RunStateKind, by: String) -> RunState {
    RunState { webhook: webhook.id.clone(), kind, since: clock::now(), by, url: RunState::url_digest(&webhook.url) }
}

/// Its limits may have changed.
pub(super) fn look_again(inner: &Inner, webhook: &Webhook) {
    let can_claim = inner.scheduler().look_again(&webhook.id, &Limits::of(webhook), clock::now());
    go_on(inner, webhook, can_claim);
}

/// Tells whoever waits for room or for a turn.
pub(super) fn go_on(inner: &Inner, webhook: &Webhook, can_claim: bool) {
    if can_claim {
        inner.claimable.notify_one();
    }
    inner.pace.look_again(&webhook.id);
}

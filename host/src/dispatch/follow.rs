//! Brings run states and held deliveries in line with a revision: holds what it switched off, releases what
//! it fixed and nothing else.

use super::{Inner, binding, claim, switch};
use crate::clock;
use crate::delivery::HeldCause;
use crate::ids::WebhookId;
use crate::revision::Revision;
use crate::store::{HeldFor, RunStateKind, StoreError};
use crate::webhook::Webhook;

/// `old` is none at start-up. Safe to repeat, also after an error in the middle.
pub(super) async fn bring_in_line(inner: &Inner, old: Option<&Revision>, new: &Revision) -> Result<(), StoreError> {
    inner.breaks.follow(new);
    inner.recent.retain(|webhook| new.webhooks.contains_key(webhook));
    inner.backpressure.retain(|webhook| new.webhooks.contains_key(webhook));
    inner.pace.retain(|webhook| new.webhooks.contains_key(webhook));
    for webhook in new.webhooks.values() {
        if old.is_none_or(|old| !old.webhooks.contains_key(&webhook.id)) {
            switch::remember(inner, webhook);
        }
        switch::look_again(inner, webhook);
    }
    inner.shadows.follow(&new.webhooks, &new.plugins, clock::now());
    let mut released = 0;
    for webhook in new.webhooks.values() {
        released += release_what_is_fixed(inner, new, webhook).await?;
        if !webhook.enabled {
            let reason = "the webhook is disabled".to_owned();
            inner.store.hold(webhook.id.clone(), HeldCause::WebhookDisabled, reason, clock::now()).await?;
        }
    }
    let known = match old {
        Some(old) => old.webhooks.keys().cloned().collect(),
        // Whatever was removed while no host was running left its work behind.
        None => claim::webhooks_with_work(inner).await?,
    };
    for removed in known.into_iter().filter(|id| !new.webhooks.contains_key(id)) {
        let reason = "the webhook was removed".to_owned();
        inner.store.hold(removed, HeldCause::WebhookRemoved, reason, clock::now()).await?;
    }
    if released > 0 {
        tracing::info!(deliveries = released, revision = new.number, "released what this revision fixed");
    }
    // Whatever this call counted: an earlier one may have released and then failed.
    claim::wake_all(inner).await
}

async fn release_what_is_fixed(inner: &Inner, revision: &Revision, webhook: &Webhook) -> Result<u64, StoreError> {
    switch::clear_if_moved(inner, webhook).await?;
    let mut fixed = vec![HeldFor::Cause(HeldCause::WebhookRemoved)];
    if !inner.run_states.has(&webhook.id, RunStateKind::Gone) {
        fixed.push(HeldFor::Cause(HeldCause::WebhookGone));
    }
    if webhook.enabled && !inner.run_states.has(&webhook.id, RunStateKind::Disabled) {
        fixed.push(HeldFor::Cause(HeldCause::WebhookDisabled));
    }
    fixed.push(HeldFor::PluginsExcept(binding::causes_in_force(webhook, &revision.plugins)));
    let mut released = 0;
    for held in fixed {
        released += inner.store.release(webhook.id.clone(), held, clock::now()).await?;
    }
    Ok(released)
}

/// A delivery was just held. If its cause went away in the meantime, nobody else will release it.
pub(super) async fn recheck(inner: &Inner, webhook: &WebhookId, cause: HeldCause) {
    let revision = inner.live.load_full();
    let Some(webhook) = revision.webhooks.get(webhook) else { return };
    let still_there = match &cause {
        HeldCause::WebhookDisabled => !webhook.enabled || inner.run_states.has(&webhook.id, RunStateKind::Disabled),
        HeldCause::WebhookRemoved => false,
        // For a person.
        HeldCause::Stuck | HeldCause::Crashed => true,
        HeldCause::WebhookGone => inner.run_states.has(&webhook.id, RunStateKind::Gone),
        HeldCause::Plugin { .. } => binding::causes_in_force(webhook, &revision.plugins).contains(&cause),
    };
    if still_there {
        return;
    }
    if let Err(error) = inner.store.release(webhook.id.clone(), HeldFor::Cause(cause), clock::now()).await {
        tracing::error!(webhook = %webhook.id, %error, "releasing failed; a reload releases it");
    }
    // Also after an error: it may have come after the release.
    if let Err(error) = claim::wake_webhook(inner, &webhook.id).await {
        tracing::error!(webhook = %webhook.id, %error, "looking for work failed; the next heartbeat does it");
    }
}

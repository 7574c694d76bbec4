//! What is known of webhooks beyond their definition: recorded in the store, and here for reading without a lock.

use std::collections::BTreeMap;

use arc_swap::ArcSwap;

use crate::ids::WebhookId;
use crate::store::{Administration, RunState, RunStateKind, StoreError};
use crate::webhook::Webhook;

/// Run states by webhook: few, and changed seldom.
pub(super) struct RunStates(ArcSwap<Map>);

type Map = BTreeMap<WebhookId, Vec<RunState>>;

impl RunStates {
    pub(super) fn new(states: Vec<RunState>) -> Self {
        let mut map = Map::new();
        for state in states {
            put(&mut map, state);
        }
        Self(ArcSwap::from_pointee(map))
    }

    /// By kind.
    pub(super) fn of(&self, webhook: &WebhookId) -> Vec<RunState> {
        self.0.load().get(webhook).cloned().unwrap_or_default()
    }

    pub(super) fn has(&self, webhook: &WebhookId, kind: RunStateKind) -> bool {
        self.0.load().get(webhook).is_some_and(|states| states.iter().any(|state| state.kind == kind))
    }

    /// Whether a person, a receiver's 410 or days of failure switched this webhook off, whatever its file says.
    pub(super) fn is_off(&self, webhook: &WebhookId) -> bool {
        let is_off = |state: &RunState| matches!(state.kind, RunStateKind::Gone | RunStateKind::Disabled);
        self.0.load().get(webhook).is_some_and(|states| states.iter().any(is_off))
    }

    /// Which of this webhook's were set for another URL than it has today. What a person set is meant for the webhook,
    /// whatever its URL.
    pub(super) fn outdated(&self, webhook: &Webhook) -> Vec<RunStateKind> {
        let states = self.of(&webhook.id).into_iter();
        let outdated = states.filter(|state| !state.is_a_persons() && state.url != RunState::url_digest(&webhook.url));
        outdated.map(|state| state.kind).collect()
    }

    /// Whether there was none.
    pub(super) async fn set(&self, store: &dyn Administration, state: RunState) -> Result<bool, StoreError> {
        store.set_run_state(state.clone()).await?;
        let mut is_new = true;
        self.0.rcu(|states| {
            let mut states = Map::clone(states);
            let known = states.get(&state.webhook);
            is_new = known.is_none_or(|states| states.iter().all(|known| known.kind != state.kind));
            put(&mut states, state.clone());
            states
        });
        Ok(is_new)
    }

    /// All of a webhook, here only.
    pub(super) fn forget(&self, webhook: &WebhookId) {
        self.0.rcu(|states| {
            let mut states = Map::clone(states);
            states.remove(webhook);
            states
        });
    }

    /// Whether there was one.
    pub(super) async fn clear(
        &self,
        store: &dyn Administration,
        webhook: &WebhookId,
        kind: RunStateKind,
    ) -> Result<bool, StoreError> {
        if !self.has(webhook, kind) {
            return Ok(false);
        }
        store.clear_run_state(webhook.clone(), kind).await?;
        self.0.rcu(|states| {
            let mut states = Map::clone(states);
            if let Some(of_webhook) = states.get_mut(webhook) {
                of_webhook.retain(|state| state.kind != kind);
            }
            states.retain(|_, states| !states.is_empty());
            states
        });
        Ok(true)
    }
}

fn put(states: &mut Map, state: RunState) {
    let of_webhook = states.entry(state.webhook.clone()).or_default();
    of_webhook.retain(|known| known.kind != state.kind);
    of_webhook.push(state);
    of_webhook.sort_by_key(|state| state.kind);
}

//! One stored event under the candidate files: who takes it, and what each chain makes of it.

use std::sync::Arc;

use super::rules::{self, Takers};
use super::{AgainstError, report::NotCompared};
use crate::clock::Timestamp;
use crate::delivery::{ChainRecord, ChainVerdict, DeliveryView, RunVerdict};
use crate::difference::{Difference, Outcome};
use crate::event::Event;
use crate::ids::{DeliveryId, WebhookId};
use crate::plugin::ChainJob;
use crate::revision::Revision;
use crate::store::RunState;
use crate::store::sqlite::ReadOnly;
use crate::transform::{Closed, TransformPool};
use crate::webhook::Webhook;

pub(super) struct Trial<'a> {
    pub(super) revision: &'a Revision,
    pub(super) store: &'a ReadOnly,
    pub(super) transform: &'a TransformPool,
    pub(super) run_states: &'a [RunState],
}

/// What there is to say of one event.
pub(super) struct Findings {
    pub(super) event: Arc<Event>,
    /// Why it would not be let in; then there is nothing else to say.
    pub(super) refused: Option<String>,
    pub(super) deliveries: Vec<DeliveryFinding>,
}

/// What there is to say of one event and one webhook.
pub(super) struct DeliveryFinding {
    pub(super) webhook: WebhookId,
    /// None: none was made.
    pub(super) delivery: Option<DeliveryId>,
    pub(super) compared: Compared,
}

pub(super) enum Compared {
    Same,
    Different(Box<Difference>),
    /// There would be a delivery where none was.
    Matched(Box<Difference>),
    /// There was a delivery and would be none.
    Unmatched(Box<Difference>),
    Not(NotCompared),
}

/// What makes a run repeatable.
struct Terms {
    delivery: DeliveryId,
    run: u32,
    now: Timestamp,
}

impl Trial<'_> {
    pub(super) async fn event(&self, event: Event) -> Result<Findings, AgainstError> {
        let event = Arc::new(event);
        let takers = match rules::takers(self.revision, &event) {
            Ok(takers) => takers,
            Err(reason) => return Ok(Findings { event, refused: Some(reason), deliveries: Vec::new() }),
        };
        let recorded = self.store.deliveries_of(event.id).await?;
        let new = self.new_takers(&takers, &recorded, &event);
        let mut deliveries = Vec::with_capacity(recorded.len() + new.len());
        for view in recorded {
            let (webhook, delivery) = (view.webhook.clone(), Some(view.id));
            let compared = self.recorded(view, &takers, &event).await?;
            deliveries.push(DeliveryFinding { webhook, delivery, compared });
        }
        for webhook in new {
            // None was made, so any id will do; the same one each time makes the same run.
            let terms = Terms { delivery: DeliveryId::from_bytes(event.id.to_bytes()), run: 1, now: event.received };
            let record = self.run(webhook, &event, terms).await?;
            let difference = Difference::of_verdict("no delivery", &record.verdict.in_words());
            let compared = Compared::Matched(Box::new(difference));
            deliveries.push(DeliveryFinding { webhook: webhook.id.clone(), delivery: None, compared });
        }
        Ok(Findings { event, refused: None, deliveries })
    }

    /// The webhooks that would take an event of which they have no delivery.
    fn new_takers(&self, takers: &Takers, recorded: &[DeliveryView], event: &Event) -> Vec<&Arc<Webhook>> {
        let taking = takers.iter().filter(|(_, taken)| taken.is_ok()).map(|(id, _)| id);
        taking
            .filter(|id| recorded.iter().all(|view| view.webhook != **id))
            .filter_map(|id| self.revision.webhooks.get(id))
            .filter(|webhook| !rules::was_gone(webhook, event, self.run_states))
            .collect()
    }

    async fn recorded(
        &self,
        view: DeliveryView,
        takers: &Takers,
        event: &Arc<Event>,
    ) -> Result<Compared, AgainstError> {
        let objection = match takers.get(&view.webhook) {
            None => Some("the webhook is gone"),
            Some(taken) => taken.as_ref().err().map(String::as_str),
        };
        let webhook = self.revision.webhooks.get(&view.webhook);
        let (None, Some(webhook)) = (objection, webhook) else {
            let before = view.chain.as_ref().map_or(view.state.to_string(), |record| record.verdict.in_words());
            let after = format!("no delivery: {}", objection.unwrap_or("the webhook is gone"));
            return Ok(Compared::Unmatched(Box::new(Difference::of_verdict(&before, &after))));
        };
        let record = match self.with_payload(view).await? {
            Ok((terms, record)) => (terms, record),
            Err(reason) => return Ok(Compared::Not(reason)),
        };
        let (terms, before) = record;
        let after = self.run(webhook, event, terms).await?;
        let between = Difference::between(&Outcome::of_chain(&before, event), &Outcome::of_chain(&after, event));
        Ok(between.map_or(Compared::Same, |difference| Compared::Different(Box::new(difference))))
    }

    /// The record of a delivery's run, and what to repeat it with.
    async fn with_payload(
        &self,
        view: DeliveryView,
    ) -> Result<Result<(Terms, ChainRecord), NotCompared>, AgainstError> {
        let (delivery, created) = (view.id, view.created);
        // Only what plugins made can have another payload.
        let ran = view.chain.as_ref().is_some_and(|record| !record.runs.is_empty());
        let view = if ran { self.store.delivery(delivery).await? } else { Some(view) };
        let Some(record) = view.and_then(|view| view.chain) else { return Ok(Err(NotCompared::NotRun)) };
        let last = record.runs.last().map(|run| run.verdict);
        Ok(match (&record.conditions, &record.verdict) {
            _ if matches!(last, Some(RunVerdict::Absent | RunVerdict::Stopped)) => Err(NotCompared::HeldUnrun),
            (Some(conditions), _) => Ok((Terms { delivery, run: conditions.run, now: conditions.now }, record)),
            // No plugin was in the chain.
            (None, ChainVerdict::Deliver { .. }) => Ok((Terms { delivery, run: 1, now: created }, record)),
            (None, _) => Err(NotCompared::HeldUnrun),
        })
    }

    async fn run(&self, webhook: &Arc<Webhook>, event: &Arc<Event>, terms: Terms) -> Result<ChainRecord, Closed> {
        if webhook.plugins.is_empty() {
            return Ok(ChainRecord::untouched());
        }
        let Terms { delivery, run, now } = terms;
        let job = ChainJob {
            plugins: Arc::clone(&self.revision.plugins),
            webhook: Arc::clone(webhook),
            event: Arc::clone(event),
            delivery,
            run,
            now,
            observer: None,
            watch: None,
            handing: None,
        };
        self.transform.run(job).await
    }
}

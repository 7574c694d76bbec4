//! Why an event was, or was not, delivered: each gate in order, and the next command to type. Pure.
//!
//! Two kinds of knowledge meet here and are kept apart: deliveries, chain runs and attempts are facts; gates
//! before them are recomputed with the rules in force today. Where the two disagree, the conclusion says so.

mod conclusion;
mod gates;
mod waits;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::clock::Timestamp;
use crate::delivery::{Attempt, DeliveryView, State};
use crate::dispatch::Condition;
use crate::event::Event;
use crate::ids::{DeliveryId, EventId, EventType, PluginName, SourceName, WebhookId};
use crate::revision::{self, Fault};
use crate::store::{Ahead, RunState};
use crate::webhook::Webhook;

pub(crate) use self::waits::{behind, held_up, off};

/// What is known of one event.
pub struct Facts<'a> {
    pub event: &'a Event,
    /// None: its bytes are not JSON.
    pub body: Option<&'a Value>,
    pub deliveries: &'a [(DeliveryView, Vec<Attempt>)],
    pub run_states: &'a [RunState],
    /// What unfinished deliveries wait for in the order of their lanes.
    pub ahead: &'a BTreeMap<DeliveryId, Ahead>,
}

/// The rules in force today.
pub struct Rules<'a> {
    pub revision: u64,
    pub webhooks: &'a BTreeMap<WebhookId, Arc<Webhook>>,
    pub faults: &'a [Fault],
    pub is_loaded: &'a dyn Fn(&PluginName) -> bool,
    /// How a webhook's receiver is.
    pub condition: &'a dyn Fn(&Webhook) -> Condition,
    /// What the address policy says of a URL.
    pub judge: &'a dyn Fn(&Url) -> Result<(), String>,
}

/// The whole answer.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    pub event: EventSummary,
    /// The revision that gates were recomputed with.
    pub revision: u64,
    /// One per webhook in force and per delivery: a webhook without a delivery is here too.
    pub webhooks: Vec<WebhookWhy>,
    /// Webhooks that could not want it: their files were never good.
    pub left_out: Vec<Fault>,
}

#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventSummary {
    pub id: EventId,
    #[serde(rename = "type")]
    pub event_type: EventType,
    pub source: SourceName,
    pub received: Timestamp,
    pub bytes: usize,
}

/// One webhook's part of the answer.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookWhy {
    pub webhook: WebhookId,
    pub delivery: Option<DeliveryId>,
    /// The delivery that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<DeliveryId>,
    pub state: Option<State>,
    pub gates: Vec<Gate>,
    /// A sentence.
    pub conclusion: String,
    /// None: nothing is left to look up; what to edit, if anything, stands in the conclusion.
    pub next_command: Option<String>,
}

/// One thing an event must pass on its way.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gate {
    pub name: String,
    pub verdict: Verdict,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Stop,
    /// Ended on purpose: nothing is wrong.
    Drop,
    Wait,
    Unknown,
}

/// Explains one event, webhook by webhook.
pub fn explain(facts: &Facts<'_>, rules: &Rules<'_>) -> Why {
    let Event { id, event_type, source, received, data, .. } = facts.event;
    let without_delivery = rules
        .webhooks
        .keys()
        .filter(|webhook| facts.deliveries.iter().all(|(delivery, _)| delivery.webhook != **webhook))
        .map(|webhook| explain_one(facts, rules, webhook, None));
    let with_delivery =
        facts.deliveries.iter().map(|made| explain_one(facts, rules, &made.0.webhook, Some((&made.0, &made.1))));
    let mut webhooks: Vec<_> = with_delivery.chain(without_delivery).collect();
    webhooks.sort_by(|a, b| (&a.webhook, a.delivery).cmp(&(&b.webhook, b.delivery)));
    Why {
        event: EventSummary {
            id: *id,
            event_type: event_type.clone(),
            source: source.clone(),
            received: *received,
            bytes: data.len(),
        },
        revision: rules.revision,
        webhooks,
        left_out: revision::left_out(rules.faults, rules.webhooks),
    }
}

/// A delivery and its attempts.
type Made<'a> = (&'a DeliveryView, &'a [Attempt]);

fn explain_one(
    facts: &Facts<'_>,
    rules: &Rules<'_>,
    id: &WebhookId,
    made: Option<(&DeliveryView, &Vec<Attempt>)>,
) -> WebhookWhy {
    let made: Option<Made<'_>> = made.map(|(delivery, attempts)| (delivery, attempts.as_slice()));
    let subject = Subject {
        event: facts.event.id,
        id,
        webhook: rules.webhooks.get(id).map(AsRef::as_ref),
        run_states: facts.run_states.iter().filter(|state| state.webhook == *id).collect(),
        fault: rules.faults.iter().find(|fault| fault.webhook() == Some(id.as_str())),
        made,
        ahead: made.and_then(|(delivery, _)| facts.ahead.get(&delivery.id)),
    };
    let gates = gates::all(facts, rules, &subject);
    let (conclusion, next_command) = conclusion::of(rules, &subject, &gates);
    WebhookWhy {
        webhook: id.clone(),
        delivery: made.map(|(delivery, _)| delivery.id),
        replay_of: made.and_then(|(delivery, _)| delivery.replay_of),
        state: made.map(|(delivery, _)| subject.state_of(delivery)),
        gates,
        conclusion,
        next_command,
    }
}

/// What one part of the answer is about.
struct Subject<'a> {
    event: EventId,
    id: &'a WebhookId,
    /// None: it is gone.
    webhook: Option<&'a Webhook>,
    run_states: Vec<&'a RunState>,
    /// What is wrong with its file.
    fault: Option<&'a Fault>,
    made: Option<Made<'a>>,
    /// What it waits for in the order of its lane.
    ahead: Option<&'a Ahead>,
}

impl Subject<'_> {
    /// Where a delivery stands for this event: one that carries another event of its window superseded this one.
    fn state_of(&self, delivery: &DeliveryView) -> State {
        if delivery.state.is_finished() && delivery.event != self.event { State::Superseded } else { delivery.state }
    }
}

#[cfg(test)]
mod tests;

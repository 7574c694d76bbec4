//! What came of a trial: counts of everything, and the first differences in full.

use std::collections::BTreeMap;

use serde::Serialize;

use super::trial::{Compared, DeliveryFinding, Findings};
use crate::clock::Timestamp;
use crate::difference::{Difference, KindCounts};
use crate::event::Event;
use crate::ids::{DeliveryId, EventId, EventType, QuarantineId, WebhookId};
use crate::store::Quarantined;

/// Serialised as it is shown to programs.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Events that were tried, and when the oldest and the newest of them were received.
    events: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<Timestamp>,
    /// Of these, how many would be refused.
    refused: u64,
    /// Quarantined events that were tried.
    quarantined: u64,
    /// Of these, how many would be let in.
    admitted: u64,
    /// All differences together.
    different: u64,
    webhooks: BTreeMap<WebhookId, Counts>,
    /// The first, newest event first.
    differences: Vec<Found>,
    #[serde(skip)]
    show: usize,
}

/// What is known of one webhook. Each delivery is one of the first five.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    same: u64,
    /// In at least one of `verdict`, `payload` and `headers`.
    different: u64,
    /// Would be made where there was none.
    matched: u64,
    /// Would not be made any more.
    unmatched: u64,
    not_compared: BTreeMap<NotCompared, u64>,
    #[serde(flatten)]
    kinds: KindCounts,
}

/// Why a delivery has nothing to be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum NotCompared {
    /// It is pending.
    NotRun,
    /// A plugin was missing or stopped, or the host failed.
    HeldUnrun,
}

/// What a difference is of.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum What {
    Refused,
    Admitted,
    Matched,
    Unmatched,
    Different,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    what: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined: Option<QuarantineId>,
    event_type: EventType,
    /// None: it is of the intake.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryId>,
    #[serde(flatten)]
    difference: Difference,
}

impl Report {
    pub(super) fn new(show: usize) -> Self {
        Self { show, ..Self::default() }
    }

    /// Events that were tried so far.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Differences that were found so far.
    pub const fn different(&self) -> u64 {
        self.different
    }

    pub(super) fn add(&mut self, findings: Findings) {
        let Findings { event, refused, deliveries } = findings;
        self.events += 1;
        // Newest first.
        self.oldest = Some(event.received);
        self.newest.get_or_insert(event.received);
        if let Some(reason) = refused {
            self.refused += 1;
            let difference = || Difference::of_verdict("accepted", &format!("refused: {reason}"));
            self.find(|| Found::of(&event, What::Refused, difference()));
        }
        for delivery in deliveries {
            self.add_delivery(&event, delivery);
        }
    }

    fn add_delivery(&mut self, event: &Event, finding: DeliveryFinding) {
        let DeliveryFinding { webhook, delivery, compared } = finding;
        let counts = self.webhooks.entry(webhook.clone()).or_default();
        let (what, difference) = match compared {
            Compared::Same => {
                counts.same += 1;
                return;
            }
            Compared::Not(reason) => {
                *counts.not_compared.entry(reason).or_default() += 1;
                return;
            }
            Compared::Different(difference) => {
                counts.add(&difference);
                (What::Different, difference)
            }
            Compared::Matched(difference) => {
                counts.matched += 1;
                (What::Matched, difference)
            }
            Compared::Unmatched(difference) => {
                counts.unmatched += 1;
                (What::Unmatched, difference)
            }
        };
        self.find(|| Found { webhook: Some(webhook), delivery, ..Found::of(event, what, *difference) });
    }

    /// `admitted`: its type and takers, if it would be let in.
    pub(super) fn add_quarantined(&mut self, entry: &Quarantined, admitted: Option<(EventType, Vec<WebhookId>)>) {
        self.quarantined += 1;
        let Some((event_type, takers)) = admitted else { return };
        self.admitted += 1;
        let takers: Vec<_> = takers.iter().map(WebhookId::as_str).collect();
        let takers = if takers.is_empty() { "no webhook".to_owned() } else { takers.join(", ") };
        self.find(|| Found {
            what: What::Admitted,
            event: None,
            quarantined: Some(entry.id),
            event_type,
            webhook: None,
            delivery: None,
            difference: Difference::of_verdict("refused", &format!("let in, for {takers}")),
        });
    }

    fn find(&mut self, found: impl FnOnce() -> Found) {
        self.different += 1;
        if self.differences.len() < self.show {
            self.differences.push(found());
        }
    }
}

impl Counts {
    fn add(&mut self, difference: &Difference) {
        self.different += 1;
        self.kinds.add(difference);
    }
}

impl Found {
    fn of(event: &Event, what: What, difference: Difference) -> Self {
        Self {
            what,
            event: Some(event.id),
            quarantined: None,
            event_type: event.event_type.clone(),
            webhook: None,
            delivery: None,
            difference,
        }
    }
}

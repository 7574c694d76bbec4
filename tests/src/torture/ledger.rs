//! Who said what: what was posted and answered, what arrived, what was under way at the kills.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use super::Report;
use super::load::KINDS;
use super::target::WEBHOOKS;
use crate::receiver::Received;

/// Which webhook, by its place in [`WEBHOOKS`].
pub(super) type Webhook = usize;

/// Events are told apart by the number in their body: the host's id is known only once it has answered.
pub(super) type Number = u64;

/// One delivery that was leased at a kill: to which owner, the webhook and the event's id.
pub(super) type Leased = (i64, String, String);

#[derive(Default)]
pub(super) struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    posted: HashMap<Number, Posted>,
    /// Requests answered 2xx.
    taken: HashMap<(Webhook, Number), usize>,
    /// The id under which an event arrived first.
    ids: HashMap<Number, String>,
    leased: HashSet<Leased>,
    unexpected: Vec<String>,
}

struct Posted {
    kind: usize,
    answer: Option<Answer>,
}

pub(super) enum Answer {
    Accepted { id: String },
    Other { status: u16 },
}

impl Ledger {
    /// To be called before it is sent.
    pub(super) fn posting(&self, number: Number, kind: usize) {
        self.entries().posted.insert(number, Posted { kind, answer: None });
    }

    pub(super) fn answered(&self, number: Number, answer: Answer) {
        self.entries().posted.get_mut(&number).expect("it was posted").answer = Some(answer);
    }

    /// A request came, whatever becomes of it.
    pub(super) fn arrived(&self, webhook: Webhook, received: &Received) -> Option<Number> {
        let body = received.json();
        let number = body["number"].as_u64();
        let mut entries = self.entries();
        let fault = entries.fault(webhook, number, received, &body);
        entries.unexpected.extend(fault.map(|fault| format!("{}: {fault}: {body}", WEBHOOKS[webhook].id)));
        number
    }

    /// It is answered 2xx.
    pub(super) fn taken(&self, webhook: Webhook, number: Number) {
        *self.entries().taken.entry((webhook, number)).or_default() += 1;
    }

    pub(super) fn killed(&self, leased: Vec<Leased>) {
        self.entries().leased.extend(leased);
    }

    /// What it comes to, cycles and the file's integrity aside.
    pub(super) fn report(&self) -> Report {
        let entries = self.entries();
        let mut report = Report {
            received: entries.taken.values().sum(),
            unexpected: entries.unexpected.clone(),
            in_flight: entries.leased.len(),
            ..Report::default()
        };
        for (number, posted) in &entries.posted {
            let arrived = entries.ids.get(number);
            match (&posted.answer, arrived) {
                (Some(Answer::Accepted { id }), arrived) => {
                    report.accepted += 1;
                    report
                        .lost
                        .extend(entries.missing(*number, posted.kind).map(|webhook| format!("{id} for {webhook}")));
                    if let Some(other) = arrived.filter(|arrived| *arrived != id) {
                        report.unexpected.push(format!("{id} was accepted and arrived as {other}"));
                    }
                }
                (Some(Answer::Other { status }), Some(id)) => {
                    report.unexpected.push(format!("{id} was answered {status} and arrived"));
                }
                (Some(Answer::Other { .. }), None) | (None, _) => {}
            }
        }
        entries.count_duplicates(&mut report);
        report
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().expect("no panic with the ledger in hand")
    }
}

impl Entries {
    /// Why this should not have come.
    fn fault(
        &mut self,
        webhook: Webhook,
        number: Option<Number>,
        received: &Received,
        body: &serde_json::Value,
    ) -> Option<String> {
        let posted = number.and_then(|number| Some((number, self.posted.get(&number)?)));
        let Some((number, posted)) = posted else { return Some("was never posted".to_owned()) };
        if !WEBHOOKS[webhook].wants(posted.kind) {
            return Some("asked for no such event".to_owned());
        }
        if !received.verified() {
            return Some("is not signed as it should be".to_owned());
        }
        if (body["entry"]["city"] == "***") != WEBHOOKS[webhook].redacts {
            return Some("was not transformed as it should be".to_owned());
        }
        let id = received.header("webhook-id").unwrap_or_default();
        let first = self.ids.entry(number).or_insert_with(|| id.to_owned());
        (first != id).then(|| format!("came as {id}, and before as {first}"))
    }

    /// The webhooks that have not taken it.
    fn missing(&self, number: Number, kind: usize) -> impl Iterator<Item = &'static str> {
        let webhooks = WEBHOOKS.iter().enumerate();
        webhooks
            .filter(move |(index, webhook)| webhook.wants(kind) && !self.taken.contains_key(&(*index, number)))
            .map(|(_, webhook)| webhook.id)
    }

    fn count_duplicates(&self, report: &mut Report) {
        let mut kills: HashMap<(&str, &str), usize> = HashMap::new();
        for (_, webhook, id) in &self.leased {
            *kills.entry((webhook, id)).or_default() += 1;
        }
        for ((webhook, number), times) in self.taken.iter().filter(|(_, times)| **times > 1) {
            report.duplicates += times - 1;
            let id = self.ids.get(number).map_or("", String::as_str);
            let webhook = WEBHOOKS[*webhook].id;
            let explained = kills.get(&(webhook, id)).copied().unwrap_or_default();
            if times - 1 > explained {
                report.unexplained.push(format!("{id} for {webhook}: {times} times, under way at {explained} kills"));
            }
        }
    }
}

/// What an event of this kind is called.
pub(super) const fn event_type(kind: usize) -> &'static str {
    KINDS[kind]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events 0 (create) to 3 (delete), all accepted, and taken by everybody who asked for them.
    fn all_is_well() -> Ledger {
        let ledger = Ledger::default();
        for number in 0..4 {
            let kind = usize::try_from(number).unwrap();
            ledger.posting(number, kind);
            ledger.answered(number, Answer::Accepted { id: format!("evt_{number}") });
            ledger.entries().ids.insert(number, format!("evt_{number}"));
            for (webhook, _) in WEBHOOKS.iter().enumerate().filter(|(_, webhook)| webhook.wants(kind)) {
                ledger.taken(webhook, number);
            }
        }
        ledger
    }

    #[test]
    fn every_broken_promise_is_seen() {
        let report = all_is_well().report();
        assert_eq!((report.accepted, report.received, report.duplicates), (4, 13, 0), "{report:?}");
        assert!(report.lost.is_empty() && report.unexpected.is_empty() && report.unexplained.is_empty(), "{report:?}");

        let ledger = all_is_well();
        ledger.entries().taken.remove(&(3, 2));
        assert_eq!(ledger.report().lost, ["evt_2 for slow"]);

        let ledger = all_is_well();
        ledger.answered(1, Answer::Other { status: 503 });
        assert_eq!(ledger.report().unexpected, ["evt_1 was answered 503 and arrived"]);

        let ledger = all_is_well();
        ledger.entries().ids.insert(1, "evt_9".to_owned());
        assert_eq!(ledger.report().unexpected, ["evt_1 was accepted and arrived as evt_9"]);

        let ledger = all_is_well();
        for _ in 0..2 {
            ledger.taken(0, 1);
        }
        ledger.killed(vec![(1, "plain".to_owned(), "evt_1".to_owned())]);
        // The same lease, seen again because the next host did not get far.
        ledger.killed(vec![(1, "plain".to_owned(), "evt_1".to_owned())]);
        let report = ledger.report();
        assert_eq!((report.duplicates, report.in_flight), (2, 1));
        assert_eq!(report.unexplained, ["evt_1 for plain: 3 times, under way at 1 kills"]);

        let ledger = all_is_well();
        ledger.posting(5, 0);
        assert!(ledger.report().lost.is_empty(), "its answer never came: it may arrive or not");
        ledger.entries().ids.insert(5, "evt_5".to_owned());
        assert!(ledger.report().unexpected.is_empty());
    }
}

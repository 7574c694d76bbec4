//! What the files say of an event before any plugin runs: whether it is let in, and for whom it is. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::event::Event;
use crate::ids::{EventType, WebhookId};
use crate::intake::{self, Refusal};
use crate::revision::Revision;
use crate::schemas::Violation;
use crate::store::{Quarantined, RunState, RunStateKind};
use crate::webhook::Webhook;

/// By webhook: whether it takes the event, else why not.
pub(super) type Takers = BTreeMap<WebhookId, Result<(), String>>;

/// Who takes a stored event.
///
/// # Errors
/// When it would not be let in at all: why.
pub(super) fn takers(revision: &Revision, event: &Event) -> Result<Takers, String> {
    let (event_type, body) = let_in(revision, event)?;
    let taken = |webhook: &Webhook| objection(webhook, &event_type, &body).map_or(Ok(()), Err);
    Ok(revision.webhooks.iter().map(|(id, webhook)| (id.clone(), taken(webhook))).collect())
}

fn let_in(revision: &Revision, event: &Event) -> Result<(EventType, Value), String> {
    let max_bytes = revision.server.limits.max_body_bytes;
    if event.data.len() > max_bytes {
        return Err(in_words(&Refusal::TooLarge { max_bytes }));
    }
    if event.event_type.is_operational() {
        // The host's own: no schema judged it.
        let body = serde_json::from_slice(&event.data).map_err(|error| error.to_string())?;
        return Ok((event.event_type.clone(), body));
    }
    intake::judge_again(revision, event).map_err(|refusal| in_words(&refusal))
}

/// The type of a quarantined event that would now be let in, and who would take it; of a batch, the type of the first
/// and who would take any. None: it stays refused.
pub(super) fn admitted(revision: &Revision, entry: &Quarantined) -> Option<(EventType, Vec<WebhookId>)> {
    let events = intake::judge_refused(revision, entry).ok()?;
    let is_taker =
        |webhook: &Webhook| events.iter().any(|(event_type, body)| objection(webhook, event_type, body).is_none());
    let takers = revision.webhooks.iter().filter(|(_, webhook)| is_taker(webhook)).map(|(id, _)| id.clone()).collect();
    let (event_type, _) = events.into_iter().next()?;
    Some((event_type, takers))
}

/// Why a webhook does not take an event.
fn objection(webhook: &Webhook, event_type: &EventType, body: &Value) -> Option<String> {
    if !webhook.enabled {
        return Some("the webhook is disabled".to_owned());
    }
    if !webhook.wants_type(event_type) {
        return Some(format!("{event_type} matches none of its event patterns"));
    }
    let objection = webhook.filter.as_ref()?.objection(body)?;
    Some(format!("the filter: {objection}"))
}

/// Whether the webhook took nothing new when the event came, whatever its files say: it was switched off.
pub(super) fn was_gone(webhook: &Webhook, event: &Event, run_states: &[RunState]) -> bool {
    run_states.iter().any(|state| match state.kind {
        RunStateKind::Gone | RunStateKind::Disabled => {
            state.webhook == webhook.id
                && state.url == RunState::url_digest(&webhook.url)
                && state.since <= event.received
        }
        RunStateKind::Paused | RunStateKind::Failing => false,
    })
}

/// The reason, with the first place that is at fault.
fn in_words(refusal: &Refusal) -> String {
    let violations = match refusal {
        Refusal::NotAnEvent { violations, .. } | Refusal::SchemaViolation { violations, .. } => violations.as_slice(),
        _ => &[],
    };
    match violations {
        [] => refusal.to_string(),
        [Violation { pointer, message, .. }, more @ ..] => {
            let more = if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
            format!("{refusal}: {pointer} {message}{more}")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::plugin::Catalog;
    use crate::plugin::tests::job;

    #[test]
    fn a_refusal_names_the_first_place() {
        let violation = |pointer: &str| Violation {
            pointer: pointer.into(),
            keyword: "required".into(),
            message: "is absent".into(),
        };
        let event_type: EventType = "entry.create".parse().expect("a type");
        let refusal = |violations| in_words(&Refusal::SchemaViolation { event_type: event_type.clone(), violations });
        assert_eq!(
            refusal(vec![violation("/entry/title"), violation("/entry/slug")]),
            "the event entry.create does not fit its schema: /entry/title is absent (and 1 more)"
        );
        assert_eq!(in_words(&Refusal::TooLarge { max_bytes: 5 }), "the body is larger than 5 bytes");
    }

    #[test]
    fn what_came_while_the_receiver_was_gone_is_no_new_match() {
        let job = job("site", vec![], Catalog::default());
        let state = |url: &str, since| RunState {
            webhook: job.webhook.id.clone(),
            kind: RunStateKind::Gone,
            since: Timestamp::from_ms(since),
            by: String::new(),
            url: RunState::url_digest(&url.parse().expect("a URL")),
        };
        let was_gone = |state| was_gone(&job.webhook, &job.event, &[state]);
        assert!(was_gone(state("https://example.org/", 1_000)));
        assert!(!was_gone(state("https://example.org/", 1_001)), "it came before");
        assert!(!was_gone(state("https://example.org/other", 1_000)), "another URL clears it");
        assert_eq!(
            objection(&job.webhook, &job.event.event_type, &json!({})).as_deref(),
            Some("entry.create matches none of its event patterns")
        );
    }
}

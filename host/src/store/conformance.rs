//! What every store must do, whatever is behind it. A store proves it with one line in its tests:
//! `conformance_suite!(a fresh database)`.

use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::delivery::{
    Attempt, AttemptResult, ChainRecord, ChainVerdict, Changes, DeliveryView, HeldCause, Next, PluginRun, Response,
};
use crate::event::Event;
use crate::ids::{DeliveryId, EventId, WebhookId};
use crate::store::{
    Administration, Appended, Claim, Claimed, HeldFor, Lane, Lease, NewDelivery, NewEvent, Place, Placed, Registry,
    Settled, Settlement, Store, Upkeep,
};

pub(crate) mod appending;
pub(crate) mod claiming;
pub(crate) mod counting;
pub(crate) mod debouncing;
pub(crate) mod holding;
pub(crate) mod looking;
pub(crate) mod order_model;
pub(crate) mod ordering;
pub(crate) mod owning;
pub(crate) mod registering;
pub(crate) mod replaying;
pub(crate) mod settling;
pub(crate) mod sweeping;

/// One database, empty at first, and any number of handles on it. Each handle is an owner of its own.
pub(crate) trait Database {
    type Handle: Store + Administration + Registry + Upkeep;

    async fn handle(&self) -> Self::Handle;
}

/// Makes one test of each check.
macro_rules! conformance_suite {
    ($fresh:expr) => {
        $crate::store::conformance::conformance_suite!($fresh;
            appending: reads_back, all_or_nothing, repeated_keys, keys_in_one_batch,
                a_conflict_withholds_the_whole_call, keys_are_forgotten,
                one_event_for_concurrent_keys;
            claiming: one_lane_oldest_first, bounded_pages, one_copy_of_an_event, lanes_in_order;
            settling: delivered_is_history, outcomes_have_reasons, released_is_untouched, a_sent_outcome_is_fixed,
                evidence_is_not_an_outcome, stale_changes_nothing;
            owning: two_handles_share_nothing, silent_owners_lose_their_leases, an_owner_comes_back,
                leases_nobody_received_are_given_back, what_kills_the_host_is_held, an_outcome_ends_the_counting;
            holding: holds_what_waits, releases_what_was_fixed, releases_what_another_plugin_held,
                large_backlogs;
            ordering: one_at_a_time_lowest_first, only_its_own_lane_waits, a_held_one_keeps_or_gives_up_its_place,
                holds_and_releases_whole_lanes, two_handles_keep_one_order, large_lanes;
            debouncing: a_window_gathers_into_one_delivery, a_window_ends_at_the_longest_wait, leasing_closes,
                holding_closes, members_are_capped_and_counted, another_member_is_sent, keys_answer_the_shared_delivery,
                two_handles_share_a_window;
            looking: pages_newest_first, events_that_fit, what_waits_and_behind_what,
                next_retries_and_recent_attempts, quarantine_is_bounded, run_states, says_how_durable;
            replaying: the_recorded_outcome_goes_out_again, another_event_goes_through_the_chain,
                what_cannot_be_repeated_is_refused, one_is_hurried, what_is_given_up_is_history,
                all_that_is_held_is_given_up;
            registering: changes_are_numbered_and_bounded, tokens_change_with_their_record;
            sweeping: selects_what_is_named, leaves_out_what_was_touched, purges_finished_ones_only, old_events_go_with_their_deliveries,
                a_replay_keeps_its_event, much_is_swept_in_steps;
        );
    };
    ($fresh:expr; $($module:ident: $($check:ident),+;)+) => {
        $(mod $module {
            use super::*;
            $(#[tokio::test]
            async fn $check() {
                $crate::store::conformance::$module::$check(&$fresh).await;
            })+
        })+
    };
}
pub(crate) use conformance_suite;

/// `ms` after the start of the story.
pub(crate) const fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_700_000_000_000 + ms)
}

fn webhook(name: &str) -> WebhookId {
    name.parse().expect("a webhook id")
}

fn lane(name: &str) -> Lane {
    Lane::unordered(webhook(name))
}

/// An event received at `at(ms)`.
fn event(ms: i64) -> Arc<Event> {
    Arc::new(Event {
        id: EventId::generate(at(ms)),
        event_type: "entry.create".parse().expect("an event type"),
        source: "strapi".parse().expect("a source"),
        received: at(ms),
        content_type: "application/json".into(),
        headers: vec![("x-strapi-event".into(), "entry.create".into())],
        attributes: vec![("subject".into(), "Zürich".into())],
        data: Bytes::from(format!(r#"{{"at":{ms}}}"#)),
    })
}

/// An event at `ms` with one delivery for each webhook; `lease` or not.
pub(crate) fn new_event(ms: i64, webhooks: &[&str], lease: bool) -> NewEvent {
    let delivery =
        |name: &&str| NewDelivery { id: DeliveryId::generate(at(ms)), lane: lane(name), lease, debounce: None };
    NewEvent { event: event(ms), idempotency: None, deliveries: webhooks.iter().map(delivery).collect() }
}

/// Appends one event and returns its leases.
pub(crate) async fn append(store: &impl Store, new: NewEvent) -> Vec<Lease> {
    all_placed(store, new).await.into_iter().filter_map(leased).collect()
}

/// Appends one event and returns what became of its deliveries.
async fn all_placed(store: &impl Store, new: NewEvent) -> Vec<Placed> {
    stored(store.append(vec![new]).await.expect("appends").remove(0))
}

/// Appends an event with one delivery.
async fn placed(store: &impl Store, new: NewEvent) -> Placed {
    all_placed(store, new).await.remove(0)
}

fn stored(appended: Appended) -> Vec<Placed> {
    match appended {
        Appended::Stored { deliveries } => deliveries,
        other => panic!("not stored: {other:?}"),
    }
}

fn leased(placed: Placed) -> Option<Lease> {
    match placed.place {
        Place::Leased(lease) => Some(*lease),
        Place::Due(_) | Place::Behind => None,
    }
}

/// A delivery at `ms`, born leased.
pub(crate) async fn born_leased(store: &impl Store, ms: i64, name: &str) -> Lease {
    append(store, new_event(ms, &[name], true)).await.remove(0)
}

/// Claims what is due at `ms`.
pub(crate) async fn claim(store: &impl Store, name: &str, ms: i64) -> Claimed {
    let claim = Claim { lane: lane(name), now: at(ms), limit: 100, max_bytes: usize::MAX };
    store.claim(claim).await.expect("claims")
}

/// Claims the one delivery that is due at `ms`.
pub(crate) async fn claim_one(store: &impl Store, name: &str, ms: i64) -> Lease {
    let mut claimed = claim(store, name, ms).await;
    assert_eq!(claimed.leases.len(), 1, "one is due");
    claimed.leases.remove(0)
}

/// At `ms`, with nothing run and nothing tried.
pub(crate) fn settlement(lease: &Lease, ms: i64, next: Next) -> Settlement {
    Settlement {
        token: lease.token,
        now: at(ms),
        next,
        attempt: None,
        chain: None,
        runs: lease.runs,
        carrier: None,
        gives_up_place: false,
    }
}

async fn settle(store: &impl Store, settlement: Settlement) -> Settled {
    store.settle(&[settlement]).await.expect("settles")[0]
}

async fn release(store: &impl Store, name: &str, cause: HeldCause, ms: i64) -> u64 {
    store.release(webhook(name), HeldFor::Cause(cause), at(ms)).await.expect("releases")
}

fn plugin_cause(name: &str, binding: &str) -> HeldCause {
    HeldCause::Plugin { name: name.parse().expect("a name"), binding: binding.into() }
}

async fn look(store: &impl Administration, lease: &Lease) -> DeliveryView {
    store.delivery(lease.token.delivery).await.expect("reads").expect("is there")
}

fn retry_at(ms: i64) -> Next {
    Next::RetryAt { due: at(ms), reason: "503".into() }
}

fn attempt(number: u32, status: u16) -> Attempt {
    let headers = vec![("content-type".into(), "text/plain".into())];
    Attempt {
        number,
        started: at(7),
        micros: 1_200,
        url: "https://build.example/hook".into(),
        request_headers: vec![("webhook-id".into(), "evt_1".into())],
        result: AttemptResult::Answered(Response { status, headers, body: "ok".into(), body_cut: false }),
    }
}

fn record(verdict: ChainVerdict) -> ChainRecord {
    ChainRecord { verdict, runs: vec![PluginRun::example("redact")], conditions: None }
}

/// A chain that rewrote the payload.
fn rewrote(data: &'static str) -> ChainRecord {
    let changes = Changes { data: Some(Bytes::from_static(data.as_bytes())), ..Changes::default() };
    record(ChainVerdict::Deliver { changes })
}

//! Lanes with order against the rules alone: a model that knows no places, only who came when.

use super::ordering::{claim_page, new_in};
use super::*;
use crate::delivery::HeldCause;

/// Something that happens to the lanes. Numbers choose among what is there.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Append {
        lane: usize,
        lease: bool,
    },
    Claim {
        lane: usize,
        limit: usize,
    },
    Settle {
        which: usize,
        how: usize,
    },
    /// One of the two owners dies, and the other finds out.
    TakeBack,
    Hold,
    Release,
}

const LANES: [&str; 3] = ["", "a", "b"];

/// What a delivery should be, by the rules alone.
#[derive(Debug)]
struct Expected {
    id: DeliveryId,
    lane: usize,
    has_place: bool,
    due: i64,
    status: Status,
}

#[derive(Debug, PartialEq)]
enum Status {
    Waits,
    Leased,
    Held,
}

/// The unfinished deliveries, in the order they were appended.
#[derive(Debug, Default)]
struct Model(Vec<Expected>);

impl Model {
    fn is_first(&self, one: &Expected) -> bool {
        let first = self.0.iter().find(|other| other.lane == one.lane && other.has_place);
        !one.has_place || first.is_some_and(|first| first.id == one.id)
    }

    fn has_order(&self, lane: usize) -> bool {
        self.0.iter().any(|other| other.lane == lane && other.has_place)
    }

    /// What can be leased in a lane, with when it is due.
    fn ready(&self, lane: usize) -> Vec<(i64, DeliveryId)> {
        let ready = self.0.iter().filter(|one| one.lane == lane && one.status == Status::Waits && self.is_first(one));
        let mut ready: Vec<_> = ready.map(|one| (one.due, one.id)).collect();
        ready.sort_unstable();
        ready
    }

    fn of(&mut self, lease: &Lease) -> &mut Expected {
        self.0.iter_mut().find(|one| one.id == lease.token.delivery).expect("is known")
    }
}

/// Two handles do what `steps` say; each answer is what the rules say. In the end nothing is forgotten.
pub(crate) async fn follows_the_rules(database: &impl Database, steps: Vec<Step>) {
    let (mortal, store) = (database.handle().await, database.handle().await);
    let (mut model, mut leases, mut dead) = (Model::default(), Vec::new(), Vec::new());
    for (ms, step) in (0..).zip(steps) {
        let is_mortal = ms % 2 == 0;
        let by = if is_mortal { &mortal } else { &store };
        match step {
            Step::Append { lane, lease } => {
                let lease = append_as_expected(by, &mut model, ms, lane, lease).await;
                leases.extend(lease.map(|lease| (is_mortal, lease)));
            }
            Step::Claim { lane, limit } => {
                let claimed = claim_as_expected(by, &mut model, ms, lane, limit).await;
                leases.extend(claimed.into_iter().map(|lease| (is_mortal, lease)));
            }
            Step::Settle { which, how } if !leases.is_empty() => {
                let (_, lease) = leases.swap_remove(which % leases.len());
                settle_as_expected(by, &mut model, ms, &lease, how).await;
            }
            Step::Settle { .. } => {}
            Step::TakeBack => {
                let theirs: Vec<_> =
                    leases.extract_if(.., |(is_mortal, _)| *is_mortal).map(|(_, lease)| lease).collect();
                for lease in &theirs {
                    model.of(lease).status = Status::Waits;
                }
                assert_eq!(store.heartbeat(at(1 << 40)).await.expect("beats"), theirs.len() as u64);
                dead.extend(theirs);
            }
            Step::Hold => {
                let waiting = model.0.iter_mut().filter(|one| one.status == Status::Waits);
                let count = waiting.map(|one| one.status = Status::Held).count() as u64;
                let held = store.hold(webhook("site"), HeldCause::WebhookGone, "410".into(), at(ms)).await;
                assert_eq!(held.expect("holds"), count);
            }
            Step::Release => release_as_expected(&store, &mut model, ms).await,
        }
    }
    for lease in &dead {
        assert_eq!(settle(&store, settlement(lease, 0, Next::Delivered)).await, Settled::Stale);
    }
    for (_, lease) in leases {
        settle_as_expected(&store, &mut model, 1_000, &lease, 0).await;
    }
    release_as_expected(&store, &mut model, 1_000).await;
    while !model.0.is_empty() {
        let before = model.0.len();
        for lane in 0..LANES.len() {
            for lease in claim_as_expected(&store, &mut model, 1_000, lane, 100).await {
                settle_as_expected(&store, &mut model, 1_000, &lease, 0).await;
            }
        }
        assert!(model.0.len() < before, "forgotten: {model:?}");
    }
    let counts = store.counts().await.expect("counts");
    assert_eq!((counts.pending, counts.retrying, counts.held), (0, 0, 0));
}

async fn append_as_expected(store: &impl Store, model: &mut Model, ms: i64, lane: usize, lease: bool) -> Option<Lease> {
    let mut new = new_in(ms, LANES[lane]);
    new.deliveries[0].lease = lease;
    let (has_place, is_behind) = (lane > 0, lane > 0 && model.has_order(lane));
    let Placed { id, place } = placed(store, new).await;
    let (status, lease) = match place {
        Place::Behind if is_behind => (Status::Waits, None),
        Place::Due(due) if !is_behind && !lease && due == at(ms) => (Status::Waits, None),
        Place::Leased(leased) if !is_behind && lease => (Status::Leased, Some(*leased)),
        other => panic!("{other:?}, while there is {model:?}"),
    };
    model.0.push(Expected { id, lane, has_place, due: ms, status });
    lease
}

async fn claim_as_expected(store: &impl Store, model: &mut Model, ms: i64, lane: usize, limit: usize) -> Vec<Lease> {
    let due: Vec<_> = model.ready(lane).into_iter().filter(|(due, _)| *due <= ms).take(limit).collect();
    let claimed = claim_page(store, LANES[lane], ms, limit).await;
    let ids: Vec<_> = claimed.leases.iter().map(|lease| lease.token.delivery).collect();
    assert_eq!(ids, due.iter().map(|(_, id)| *id).collect::<Vec<_>>(), "{model:?}");
    claimed.leases.iter().for_each(|lease| model.of(lease).status = Status::Leased);
    assert_eq!(claimed.next_due, model.ready(lane).first().map(|(due, _)| at(*due)), "{model:?}");
    claimed.leases
}

async fn settle_as_expected(store: &impl Store, model: &mut Model, ms: i64, lease: &Lease, how: usize) {
    let reason = "why".to_owned();
    let one = model.of(lease);
    let (next, gives_up_place) = match how % 6 {
        0 => (Next::Delivered, false),
        1 => (Next::Failed { reason }, false),
        2 => (retry_at(ms + 4), false),
        3 => (Next::Released { due: at(ms + 1) }, true),
        how => (Next::Held { cause: HeldCause::WebhookGone, reason }, how == 4),
    };
    match &next {
        Next::RetryAt { .. } => (one.status, one.due) = (Status::Waits, ms + 4),
        Next::Released { .. } => (one.status, one.due) = (Status::Waits, ms + 1),
        Next::Held { .. } => (one.status, one.has_place) = (Status::Held, one.has_place && !gives_up_place),
        _ => model.0.retain(|one| one.id != lease.token.delivery),
    }
    let settlement = Settlement { gives_up_place, ..settlement(lease, ms, next) };
    assert_eq!(settle(store, settlement).await, Settled::Done);
}

async fn release_as_expected(store: &impl Store, model: &mut Model, ms: i64) {
    let held: Vec<_> = model.0.iter_mut().filter(|one| one.status == Status::Held).collect();
    assert_eq!(release(store, "site", HeldCause::WebhookGone, ms).await, held.len() as u64);
    for one in held {
        (one.status, one.due) = (Status::Waits, ms);
    }
}

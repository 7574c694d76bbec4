//! The conformance suite, and what only a file can show.

use std::fs;

use futures_util::future::join_all;
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::delivery::Next;
use crate::store::conformance::counting::{self, Step};
use crate::store::conformance::{self, Database, at, conformance_suite, order_model};
use crate::store::{LeaseToken, StoreError};

/// A file in a folder of its own.
struct File(TempDir);

impl File {
    fn fresh() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("data/hookwright.db")
    }

    fn open(&self, exclusive: bool) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(&self.path(), Options { exclusive, now: at(0) })
    }

    /// A connection from outside, to look at and to damage things.
    fn outside(&self) -> Connection {
        Connection::open(self.path()).expect("opens")
    }
}

impl Database for File {
    type Handle = SqliteStore;

    async fn handle(&self) -> SqliteStore {
        self.open(false).expect("opens")
    }
}

conformance_suite!(File::fresh());

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn counters_agree_with_the_rows(steps in prop::collection::vec(steps(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(counting::agree(&File::fresh(), steps));
    }

    #[test]
    fn ordered_lanes_follow_the_rules(steps in prop::collection::vec(steps_of_lanes(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(order_model::follows_the_rules(&File::fresh(), steps));
    }
}

fn steps_of_lanes() -> impl Strategy<Value = order_model::Step> {
    use order_model::Step;
    prop_oneof![
        6 => (0..3_usize, any::<bool>()).prop_map(|(lane, lease)| Step::Append { lane, lease }),
        5 => (0..3_usize, 1..3_usize).prop_map(|(lane, limit)| Step::Claim { lane, limit }),
        6 => (any::<usize>(), any::<usize>()).prop_map(|(which, how)| Step::Settle { which, how }),
        1 => Just(Step::TakeBack),
        1 => Just(Step::Hold),
        1 => Just(Step::Release),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(|lease| Step::Append { lease }),
        2 => Just(Step::AppendOrdered),
        3 => Just(Step::AppendDebounced),
        1 => Just(Step::AppendTwice),
        2 => Just(Step::Claim),
        1 => Just(Step::ClaimOrdered),
        1 => any::<usize>().prop_map(|which| Step::Crash { which }),
        6 => (any::<usize>(), any::<usize>()).prop_map(|(which, how)| Step::Settle { which, how }),
        1 => Just(Step::SettleStale),
        1 => Just(Step::Hold),
        1 => Just(Step::Release),
    ]
}

#[tokio::test]
async fn a_new_file_is_durable_and_private() {
    let file = File::fresh();
    let store = file.open(true).expect("opens");
    assert_eq!(store.durability().await.expect("says"), "wal, synchronous=FULL");
    #[cfg(unix)]
    for name in ["hookwright.db", "hookwright.db-wal"] {
        let metadata = fs::metadata(file.path().with_file_name(name)).expect(name);
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_reopened_file_gives_back_what_was_leased() {
    let file = File::fresh();
    let crashed = file.open(true).expect("opens");
    let lease = conformance::born_leased(&crashed, 0, "site").await;
    // Not closed: as after a crash, nobody gave anything back.
    let store = file.open(true).expect("opens");
    assert_eq!(store.lanes(None, 9).await.expect("lists").len(), 1);
    let again = conformance::claim_one(&store, "site", 1).await;
    assert_eq!(again.event.data, lease.event.data);
    assert_eq!(again.token, LeaseToken { epoch: again.token.epoch, fence: 2, ..lease.token });
    assert!(again.token.epoch > lease.token.epoch);
}

#[tokio::test]
async fn an_opened_file_needs_nothing_of_the_log_before() {
    let file = File::fresh();
    let crashed = file.open(true).expect("opens");
    conformance::append(&crashed, conformance::new_event(0, &["site"], false)).await;
    let events = || -> i64 {
        let without_log = connection::open_still(&file.path()).expect("opens");
        without_log.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap_or_default()
    };
    assert_eq!(events(), 0, "it is in the log");
    let _store = file.open(true).expect("opens");
    assert_eq!(events(), 1);
}

#[tokio::test]
async fn closing_commits_what_waits_and_gives_back_leases() {
    let file = File::fresh();
    let store = file.open(false).expect("opens");
    let waiting: Vec<_> = (0..50).map(|ms| store.append(vec![conformance::new_event(ms, &["site"], true)])).collect();
    let (answers, ()) = futures_util::future::join(join_all(waiting), store.close()).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(matches!(store.heartbeat(at(1)).await, Err(StoreError::Closed)));
    assert!(matches!(store.counts().await, Err(StoreError::Closed)));

    let next = file.open(false).expect("opens");
    assert_eq!(conformance::claim(&next, "site", 99).await.leases.len(), 50);
}

#[tokio::test]
async fn a_poisonous_call_hurts_only_itself() {
    let file = File::fresh();
    let store = file.open(false).expect("opens");
    let known = conformance::new_event(0, &["site"], false);
    conformance::append(&store, known.clone()).await;
    let calls = (1..40).map(|ms| match ms {
        20 => store.append(vec![known.clone()]),
        _ => store.append(vec![conformance::new_event(ms, &["site"], false)]),
    });
    let answers = join_all(calls).await;
    let refused: Vec<_> = (1..).zip(&answers).filter(|(_, answer)| answer.is_err()).map(|(ms, _)| ms).collect();
    assert_eq!(refused, [20], "{answers:?}");
    assert_eq!(store.counts().await.expect("counts").events, 39);
}

#[tokio::test]
async fn a_failing_database_is_told_and_recovered_from() {
    let file = File::fresh();
    let store = file.open(false).expect("opens");
    let lease = conformance::born_leased(&store, 0, "site").await;
    let outside = file.outside();
    outside
        .execute_batch("CREATE TRIGGER full BEFORE DELETE ON queue BEGIN SELECT RAISE(ABORT, 'no space'); END")
        .expect("writes");
    let done = || vec![conformance::settlement(&lease, 1, Next::Delivered)];
    let error = store.settle(&done()).await.expect_err("fails");
    assert!(matches!(&error, StoreError::Failed(text) if text.contains("no space")), "{error}");
    outside.execute_batch("DROP TRIGGER full").expect("writes");
    assert_eq!(store.settle(&done()).await.expect("settles"), [Settled::Done]);
}

#[tokio::test]
async fn a_damaged_row_is_named() {
    let file = File::fresh();
    let store = file.open(false).expect("opens");
    let new = conformance::new_event(0, &["site"], false);
    conformance::append(&store, new.clone()).await;
    file.outside().execute("UPDATE events SET source = '../etc'", []).expect("damages");
    let named = format!("events {}: source", new.event.id.to_string().trim_start_matches("evt_"));
    let error = store.event(new.event.id).await.expect_err("unreadable");
    assert!(matches!(&error, StoreError::Corrupt(text) if text.contains(&named)), "{error}");
}

#[tokio::test]
async fn a_damaged_row_is_put_off_and_stops_no_other() {
    let file = File::fresh();
    let store = file.open(false).expect("opens");
    let [damaged, sound] = [0, 1].map(|ms| conformance::new_event(ms, &["site"], false));
    for event in [&damaged, &sound] {
        conformance::append(&store, event.clone()).await;
    }
    let outside = file.outside();
    let id = damaged.event.id.to_bytes();
    outside.execute("UPDATE events SET source = '../etc' WHERE id = ?1", [id]).expect("damages");
    let claimed = store.claim(claim_all()).await.expect("claims");
    assert_eq!(claimed.leases.iter().map(|lease| lease.event.id).collect::<Vec<_>>(), [sound.event.id]);
    let later = claimed.next_due.expect("is still there");
    assert_eq!(later.since(at(9)), std::time::Duration::from_hours(1));

    outside.execute("UPDATE events SET source = 'cms' WHERE id = ?1", [id]).expect("repairs");
    let claimed = store.claim(Claim { now: later, ..claim_all() }).await.expect("claims");
    assert_eq!(claimed.leases.iter().map(|lease| lease.event.id).collect::<Vec<_>>(), [damaged.event.id]);
}

#[tokio::test]
async fn other_files_are_refused_with_a_reason() {
    let file = File::fresh();
    file.open(true).expect("opens").close().await;
    file.outside().pragma_update(None, "user_version", 99).expect("writes");
    let newer = file.open(true).map(drop).expect_err("newer");
    assert!(matches!(newer, OpenError::Schema { source: SchemaError::Newer { found: 99, .. }, .. }), "{newer}");

    let text = File::fresh();
    fs::create_dir_all(text.path().parent().expect("a folder")).expect("a folder");
    fs::write(text.path(), "not a database, but long enough to look like one".repeat(40)).expect("writes");
    let other = text.open(true).map(drop).expect_err("not a database");
    assert!(matches!(other, OpenError::Sqlite { .. }), "{other}");
}

fn claim_all() -> Claim {
    Claim { lane: Lane::unordered("site".parse().expect("an id")), now: at(9), limit: 9, max_bytes: usize::MAX }
}

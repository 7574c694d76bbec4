//! Each step × {error, panic, abort}: a process of its own appends and settles until the step fails, and says what was
//! answered. Then the file is opened, and holds exactly that.

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;

use super::{Act, Point, VARIABLE};
use crate::delivery::{Next, State};
use crate::event::Event;
use crate::store::conformance::{self, at};
use crate::store::sqlite::{Options, SqliteStore};
use crate::store::{Administration as _, Appended, Lease, Place, Store as _};

const FILE: &str = "HOOKWRIGHT_FAILPOINT_FILE";
const SAYS: &str = "answered: ";
const EVENTS: i64 = 8;
/// The last ones are left for the next owner.
const UNSETTLED: i64 = 2;
/// For the steps of a copy: enough that the log is copied.
const LARGE_EVENTS: i64 = 40;
const LARGE_BYTES: usize = 1 << 20;
/// More than a copy of the log ever waits for.
const MOST_EVENTS: i64 = 100_000;

/// What the process was told, by event.
#[derive(Debug, Default)]
struct Answered {
    appended: HashSet<String>,
    settled: HashSet<String>,
}

#[test]
fn exactly_what_was_answered_is_there() {
    use Act::{Abort, Error, Panic};
    use Point::{Answer, Begin, Commit, Copied, CopyRest, Work};
    for point in [Begin, Work, Commit, Answer] {
        // The fifth call appends, the sixth settles.
        for (act, nth) in [(Error, 5), (Error, 6), (Panic, 5), (Panic, 6), (Abort, 5), (Abort, 6)] {
            if (point, act) != (Answer, Error) {
                judge(point, act, nth);
            }
        }
    }
    for act in [Error, Panic, Abort] {
        judge(Copied, act, 1);
    }
    // A panic there is caught by SQLite's caller, and is an error.
    judge(CopyRest, Error, 1);
    judge(CopyRest, Abort, 1);
}

fn judge(point: Point, act: Act, nth: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("test.db");
    let answered = fail(&path, point, act, nth);
    let case = format!("{point:?} {act:?} {nth}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let store = SqliteStore::open(&path, Options { exclusive: true, now: at(0) }).expect("opens");
        let events = all_events(&store).await;
        let mut left = HashSet::new();
        let mut delivered = HashSet::new();
        for event in &events {
            let deliveries = store.deliveries_of(event.id).await.expect("lists");
            assert_eq!(deliveries.len(), 1, "{case}");
            let set = if deliveries[0].state == State::Delivered { &mut delivered } else { &mut left };
            set.insert(event.id.to_string());
        }
        let there: HashSet<String> = left.union(&delivered).cloned().collect();
        assert!(answered.appended.is_subset(&there) && answered.settled.is_subset(&delivered), "{case}");
        let unanswered = (there.len() - answered.appended.len()) + (delivered.len() - answered.settled.len());
        match point {
            Point::Begin | Point::Work | Point::Commit => assert_eq!(unanswered, 0, "{case}"),
            Point::Answer => assert_eq!(unanswered, 1, "{case}"),
            // On a thread of its own, while the writer goes on.
            Point::Copied | Point::CopyRest => assert!(unanswered <= 1, "{case}"),
        }
        let counts = store.counts().await.expect("counts");
        let counted = [there.len(), left.len(), delivered.len()].map(|count| u64::try_from(count).expect("few"));
        assert_eq!([counts.events, counts.pending, counts.delivered], counted, "{case}");
        let taken_back = conformance::claim(&store, "site", 1000).await.leases;
        let claimed: HashSet<String> = taken_back.iter().map(|lease| lease.event.id.to_string()).collect();
        assert_eq!(claimed, left, "{case}");
        assert!(taken_back.iter().all(|lease| lease.token.fence == 2), "{case}: leases of the dead");
        store.close().await;
    });
}

/// Page by page, as large ones fill a page soon.
async fn all_events(store: &SqliteStore) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let page = store.events(events.last().map(|event| event.id), 100).await.expect("lists");
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// Runs [`child`] until it ends, and returns what it said.
fn fail(path: &Path, point: Point, act: Act, nth: u32) -> Answered {
    let name = format!("{}::child", module_path!().split_once("::").expect("a crate").1);
    let mut child = Command::new(env::current_exe().expect("this binary"));
    child.args(["--exact", &name, "--ignored", "--nocapture", "--test-threads=1"]);
    child.env(VARIABLE, format!("{point:?} {act:?} {nth}")).env(FILE, path);
    let output = child.stderr(Stdio::null()).output().expect("starts");
    assert_eq!(output.status.success(), act == Act::Error, "{point:?} {act:?} {nth}: {}", output.status);
    let mut answered = Answered::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((_, said)) = line.split_once(SAYS) else { continue };
        match said.split_once(' ').expect("two words") {
            ("appended", id) => answered.appended.insert(id.to_owned()),
            ("settled", id) => answered.settled.insert(id.to_owned()),
            other => panic!("{other:?}"),
        };
    }
    let told = answered.appended.len() + answered.settled.len();
    assert!(told >= 4, "{point:?} {act:?} {nth}: it came to nothing: {output:?}");
    if act == Act::Error {
        let (events, missing) = match (point, nth) {
            (Point::Copied | Point::CopyRest, _) => (LARGE_EVENTS, 0),
            // An event that was not stored is not settled either.
            (_, 5) => (EVENTS, 2),
            _ => (EVENTS, 1),
        };
        let calls = events + events - UNSETTLED;
        assert_eq!(i64::try_from(told), Ok(calls - missing), "{point:?} {act:?} {nth}: one failure, one refusal");
    }
    answered
}

#[test]
#[ignore = "run by the test above, in a process of its own that is to fail"]
fn child() {
    let path = PathBuf::from(env::var_os(FILE).expect("who runs it says on which file"));
    let step = env::var(VARIABLE).expect("who runs it says where");
    let large = step.starts_with("Cop");
    let (events, bytes) = if large { (LARGE_EVENTS, LARGE_BYTES) } else { (EVENTS, 100) };
    // The log is copied by a thread that has the time it takes: until then there is more to do.
    let more = if large && !step.contains("Error") { MOST_EVENTS } else { 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let store = SqliteStore::open(&path, Options { exclusive: true, now: at(0) }).expect("opens");
        for ms in 0..events + more {
            let bytes = if ms < events { bytes } else { 100 };
            if let Some(lease) = append(&store, ms, bytes).await {
                let settlement = conformance::settlement(&lease, ms, Next::Delivered);
                let is_left = (events - UNSETTLED..events).contains(&ms);
                if !is_left && store.settle(&[settlement]).await.is_ok() {
                    println!("{SAYS}settled {}", lease.event.id);
                }
            }
        }
    });
    // No goodbye.
    std::process::exit(0);
}

async fn append(store: &SqliteStore, ms: i64, bytes: usize) -> Option<Lease> {
    let mut new = conformance::new_event(ms, &["site"], true);
    Arc::get_mut(&mut new.event).expect("nobody else has it").data = Bytes::from(vec![b'x'; bytes]);
    let stored = store.append(vec![new]).await.ok()?.pop();
    let Some(Appended::Stored { mut deliveries }) = stored else { panic!("{stored:?}") };
    let Place::Leased(lease) = deliveries.remove(0).place else { panic!("it asked for a lease") };
    println!("{SAYS}appended {}", lease.event.id);
    Some(*lease)
}

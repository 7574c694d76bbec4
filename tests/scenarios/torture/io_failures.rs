//! The N-th write or sync of the store fails, by strace: once, or from then on. The host may answer 503 or refuse to
//! start; what it answered 202 survives.

use std::collections::HashSet;

use hookwright_tests::torture::integrity;
use hookwright_tests::{Hookwright, Receiver, Strace, cases};
use serde_json::json;

use super::asked;

/// The start of a home that was killed makes two syncs.
const SYNCS: [u32; 4] = [1, 3, 4, 9];
/// … and some twenty writes.
const WRITES: [u32; 4] = [2, 9, 20, 33];
const FILES: [&str; 3] = ["hookwright.db", "hookwright.db-wal", "hookwright.db-shm"];
const POSTS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nth_failure_of_the_disk_loses_nothing() {
    let Some(strace) = Strace::find() else { return };
    let mut failing = Failing::start().await;
    let [syncs, writes] = match asked::<u32>("HOOKWRIGHT_TORTURE_FAILURES") {
        None => [SYNCS.to_vec(), WRITES.to_vec()],
        Some(many) => [(1..=many).collect(), (1..=many * 3).collect()],
    };
    for (call, error, ns) in
        [("fdatasync", "EIO", &syncs), ("pwrite64", "ENOSPC", &writes), ("pwrite64", "EIO", &writes)]
    {
        for n in ns {
            // Every second one stays broken.
            let on = if n % 2 == 0 { "+" } else { "" };
            let injected = format!("{call}:error={error}:when={n}{on}");
            let words = strace.failing(failing.host.home(), &FILES, &injected);
            failing.go_on(words, &injected).await;
        }
    }
    failing.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_cannot_be_copied_loses_nothing() {
    let Some(strace) = Strace::find() else { return };
    let mut failing = Failing::start().await;
    for injected in ["fdatasync:error=EIO:when=1", "pwrite64:error=ENOSPC:when=3+"] {
        // In good order, so that the start has nothing to copy.
        failing.host.restart().await;
        failing.host.terminate().await;
        failing.host.under(strace.failing(failing.host.home(), &FILES[..1], injected));
        failing.host.restart().await;
        let large = cases::json("strapi-v5/entry.create");
        // More than the log holds before it is copied.
        for _ in 0..24 {
            let mut body = large.clone();
            body["filler"] = "x".repeat(900_000).into();
            failing.post(body.to_string(), injected).await;
        }
        let trace = std::fs::read_to_string(failing.host.home().join("trace")).unwrap();
        assert!(trace.contains("(INJECTED)"), "{injected} never happened");
        failing.host.kill().await;
        failing.host.under(Vec::new());
    }
    failing.judge().await;
}

#[tokio::test]
async fn a_new_database_that_did_not_reach_the_disk_is_not_built_on() {
    let Some(strace) = Strace::find() else { return };
    let builder = Hookwright::builder();
    let words = strace.failing(builder.home(), &FILES[..1], "fdatasync:error=EIO:when=1");
    let (code, said) = builder.under(words).fails().await;
    assert!(code == Some(1) && said.contains("disk I/O error"), "{code:?}: {said}");
}

struct Failing {
    host: Hookwright,
    receiver: Receiver,
    accepted: HashSet<String>,
}

impl Failing {
    /// A home that was killed.
    async fn start() -> Self {
        let receiver = Receiver::start().await;
        let webhook = json!({ "url": receiver.url(), "events": ["*"] });
        let mut host = Hookwright::builder().webhook("w", webhook).quiet().start().await;
        host.kill().await;
        Self { host, receiver, accepted: HashSet::new() }
    }

    /// The life of one host under these words.
    async fn go_on(&mut self, words: Vec<String>, what: &str) {
        self.host.under(words);
        if self.host.try_restart().await {
            for _ in 0..POSTS {
                self.post(cases::body("strapi-v5/entry.create"), what).await;
            }
            self.host.kill().await;
        }
        self.host.under(Vec::new());
    }

    async fn post(&mut self, body: impl Into<bytes::Bytes>, what: &str) {
        let posted = self.host.post(body).await;
        if posted.status == 202 {
            self.accepted.insert(posted.event().to_owned());
        } else {
            assert_eq!((posted.status.as_u16(), posted.retry_after.is_some()), (503, true), "{what}: {posted:?}");
        }
    }

    /// Every accepted event arrives once the disk is sound again.
    async fn judge(mut self) {
        self.host.restart().await;
        self.host
            .status("every delivery finished", |status| {
                status["counts"]["pending"] == 0 && status["counts"]["retrying"] == 0
            })
            .await;
        let arrived: HashSet<String> =
            self.receiver.received().iter().map(|request| request.header("webhook-id").unwrap().to_owned()).collect();
        let lost: Vec<_> = self.accepted.difference(&arrived).collect();
        assert!(lost.is_empty(), "lost {} of {}: {lost:?}", lost.len(), self.accepted.len());
        assert!(!self.accepted.is_empty(), "there was never a sound disk");
        assert!(self.host.terminate().await.success());
        assert_eq!(integrity(self.host.home()), "ok");
    }
}

//! A disk of 16 MB, filled to the last page.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hookwright_tests::optional::not_run;
use hookwright_tests::torture::integrity;
use hookwright_tests::{Hookwright, Posted, Receiver, cases, until};
use serde_json::json;

/// Taken from the disk, and given back.
const BALLAST_BYTES: usize = 10 << 20;
/// After so many refusals in a row nothing fits any more.
const IN_A_ROW: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_recovered_from() {
    let receiver = Receiver::start().await;
    let builder = Hookwright::builder();
    let Some(disk) = SmallDisk::mount(builder.home()) else { return };
    let webhook = json!({ "url": receiver.url(), "events": ["*"] });
    let mut host = builder.webhook("w", webhook).quiet().start().await;
    let ballast = host.home().join("ballast");
    fs::write(&ballast, vec![1; BALLAST_BYTES]).expect("there is room for it");

    let mut accepted = HashSet::new();
    let mut body = cases::json("strapi-v5/entry.create");
    body["filler"] = "x".repeat(20_000).into();
    let mut refused = 0;
    while refused < IN_A_ROW {
        let posted = host.post(body.to_string()).await;
        refused = if posted.status == 202 { 0 } else { refused + 1 };
        note(&mut accepted, &posted);
        assert!(accepted.len() < 2000, "a disk of 16 MB does not fill");
    }
    // Smaller ones still find room for a while.
    let mut refused = 0;
    while refused < IN_A_ROW {
        let posted = host.post(cases::body("strapi-v5/entry.update")).await;
        refused = if posted.status == 202 { 0 } else { refused + 1 };
        note(&mut accepted, &posted);
    }
    let live = reqwest::get(format!("http://{}/health/live", host.listen())).await.expect("it lives");
    assert_eq!(live.status(), 200);

    fs::remove_file(&ballast).expect("was there");
    until("the host to take events again", || async {
        let posted = host.post(cases::body("strapi-v5/entry.update")).await;
        (posted.status == 202).then(|| posted.event().to_owned())
    })
    .await;
    host.status("every delivery finished", |status| {
        status["counts"]["pending"] == 0 && status["counts"]["retrying"] == 0
    })
    .await;
    let arrived: HashSet<String> =
        receiver.received().iter().map(|request| request.header("webhook-id").unwrap().to_owned()).collect();
    let lost: Vec<_> = accepted.difference(&arrived).collect();
    assert!(lost.is_empty(), "lost {} of {}: {lost:?}", lost.len(), accepted.len());
    assert!(host.terminate().await.success());
    assert_eq!(integrity(host.home()), "ok");
    drop(host);
    drop(disk);
}

/// Accepted, or refused as it should be.
fn note(accepted: &mut HashSet<String>, posted: &Posted) {
    if posted.status == 202 {
        accepted.insert(posted.event().to_owned());
        return;
    }
    assert_eq!((posted.status.as_u16(), posted.content_type.as_str()), (503, "application/problem+json"), "{posted:?}");
    assert!(posted.retry_after.is_some(), "{posted:?}");
}

/// A file system in memory. Gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, said aloud, where nothing may be mounted; with `CI=true` a failure.
    fn mount(path: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs"]).arg(path);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(path.to_owned()));
        }
        not_run("the full disk: mounting one of 16 MB takes root");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Even while something in it is still open.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

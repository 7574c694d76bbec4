//! The order of things, as the system saw it: the event is on disk before anybody is told so.

use std::fs;

use hookwright_tests::{Hookwright, Strace, cases, until};

const MARK: &str = "the-order-of-things";

#[tokio::test]
async fn the_sync_precedes_the_answer() {
    let Some(strace) = Strace::find() else { return };
    let builder = Hookwright::builder();
    let trace = builder.home().join("trace");
    // A whole page of the log is shown.
    let calls = "trace=pwrite64,fdatasync,fsync,sendto,sendmsg,write,writev";
    let mut host = builder.under(strace.words(&trace, &["-s", "9000", "-e", calls])).start().await;
    let mut body = cases::json("strapi-v5/entry.create");
    body["mark"] = MARK.into();
    assert_eq!(host.post(body.to_string()).await.status, 202);
    host.terminate().await;
    let text = until("the whole trace", || async {
        let text = fs::read_to_string(&trace).ok()?;
        text.contains("+++ exited with 0 +++").then_some(text)
    })
    .await;

    let lines: Vec<&str> = text.lines().collect();
    let after = |start: usize, what: &[&str]| {
        let found = lines.iter().skip(start).position(|line| what.iter().all(|what| line.contains(what)));
        start + found.unwrap_or_else(|| panic!("no {what:?} after line {start} of the trace"))
    };
    let written = after(0, &["pwrite64(", "hookwright.db-wal", MARK]);
    let sync = after(written, &["fdatasync(", "hookwright.db-wal"]);
    let synced = if lines[sync].ends_with("<unfinished ...>") {
        let thread = lines[sync].split_whitespace().next().unwrap();
        after(sync, &[thread, "<... fdatasync resumed>"])
    } else {
        sync
    };
    assert!(lines[synced].ends_with("= 0"), "{}", lines[synced]);
    let answered = after(0, &["HTTP/1.1 202"]);
    assert!(synced < answered, "answered in line {answered}, on disk in line {synced}");
}

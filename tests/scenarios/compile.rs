//! Plugins that are made to hurt whoever compiles them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hookwright_tests::host::bundled_plugin;
use hookwright_tests::{Hookwright, Receiver, cases, until};
use serde_json::{Value, json};
use tokio::time::Instant;

/// 16 KB that pass every look from outside: 200 blocks that each answer 200 values, and 20 branch tables that lead
/// to all of them. Compiled without a limit, it takes gigabytes.
fn bomb() -> Vec<u8> {
    const BLOCKS: usize = 200;
    const VALUES: usize = 200;
    const LOCALS: usize = 50;
    let values = |from: usize| {
        (0..VALUES).fold(String::new(), |mut text, value| {
            write!(text, "local.get {} ", 1 + (from + value) % LOCALS).expect("a string takes everything");
            text
        })
    };
    let labels = (1..=BLOCKS).map(|label| label.to_string()).collect::<Vec<_>>().join(" ");
    let mut body = "block (type $many) ".repeat(BLOCKS);
    for table in 0..20 {
        write!(body, "local.get 0 if {} local.get 0 br_table {labels} end ", values(table)).expect("as above");
    }
    body += &values(0);
    for block in 0..BLOCKS {
        let add = format!("local.get 0 i32.const {block} i32.add local.set {} end ", 1 + block % LOCALS);
        body += &add;
    }
    body += &"drop ".repeat(VALUES);
    let (results, locals) = ("i32 ".repeat(VALUES), "i32 ".repeat(LOCALS));
    let text = format!(
        "(component (core module (type $many (func (result {results})))
            (func (param i32) (local {locals}) {body})))"
    );
    wat::parse_str(text).expect("valid text")
}

/// A number of kB that Linux knows of a process.
fn kib(pid: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).expect("a known word");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// The process of this host that compiles.
fn compiler(host: u32) -> Option<u32> {
    let of_host = |pid: u32| -> Option<u32> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        (status.contains(&format!("\nPPid:\t{host}\n")) && arguments.contains("compile-plugin")).then_some(pid)
    };
    let mut processes = fs::read_dir("/proc").expect("/proc");
    processes.find_map(|entry| of_host(entry.ok()?.file_name().to_str()?.parse().ok()?))
}

/// What the host has open and its compiler must not: sockets, the wake-ups of its runtime, files of its home.
fn descriptors_of_host(pid: u32, home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("it still runs");
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let kinds = ["socket:", "anon_inode:"];
    let of_host = |target: &PathBuf| {
        target.starts_with(home) || kinds.iter().any(|kind| target.to_string_lossy().starts_with(kind))
    };
    targets.filter(of_host).collect()
}

fn redact(status: &Value) -> &Value {
    let plugins = status["plugins"].as_array().expect("a list");
    plugins.iter().find(|plugin| plugin["name"] == "redact").expect("in force")
}

#[tokio::test]
async fn a_bomb_for_the_compiler_ends_in_a_process_of_its_own_and_hurts_nobody() {
    let receiver = Receiver::start().await;
    let redacted = json!({ "url": receiver.url(), "events": ["*"],
        "plugins": [ { "plugin": "redact", "config": { "remove": ["/entry/city"] } } ] });
    let mut host = Hookwright::builder()
        .plugin("redact")
        .webhook("redacted", redacted)
        .webhook("plain", json!({ "url": receiver.url(), "events": ["*"] }))
        .env("A_SECRET", "hunter2")
        .start()
        .await;
    let good = redact(&host.api("/v1/status").await)["digest"].clone();
    let mut events = Vec::new();
    for _ in 0..50 {
        events.push(host.post(cases::body("strapi-v5/entry.create")).await);
    }
    receiver.wait_for(2 * events.len()).await;
    let peak_before = kib(host.pid(), "VmHWM");

    host.write("plugins/redact.wasm", bomb());
    let pid = until("the compiler", || async { compiler(host.pid()) }).await;
    assert!(descriptors_of_host(host.pid(), host.home()).len() > 5);
    assert_eq!(descriptors_of_host(pid, host.home()), Vec::<PathBuf>::new());
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).expect("it still compiles");
    assert!(!environment.contains("hunter2") && !environment.contains("HOME"), "{environment}");

    // Events all the while, one after the other.
    let (mut during, mut slowest) = (0, Duration::ZERO);
    let faults = loop {
        let started = Instant::now();
        events.push(host.post(cases::body("strapi-v5/entry.create")).await);
        slowest = slowest.max(started.elapsed());
        let status = host.api("/v1/status").await;
        let faults = status["revision"]["faults"].to_string();
        if faults.contains("redact.wasm") {
            assert_eq!(redact(&status)["digest"], good, "the good version stays");
            break faults;
        }
        during += 1;
    };
    assert!(faults.contains("compiling it took more than 513 MiB of memory; build it in release mode"), "{faults}");
    assert!(during > 5, "only {during} events while it compiled");
    for event in &events {
        assert_eq!(event.status, 202);
        host.deliveries(event.event(), |delivery| delivery["state"] == "delivered").await;
    }
    assert_eq!(receiver.received().len(), 2 * events.len());
    let grown = kib(host.pid(), "VmHWM").saturating_sub(peak_before);
    println!("{during} events while it compiled, the slowest took {slowest:?}; the host grew by {grown} KiB");
    assert!(grown < 32 << 10, "{grown} KiB");
    assert_eq!(compiler(host.pid()), None, "nothing is left of it");

    let check = host.command(&["check"]).await;
    assert_eq!(check.status.code(), Some(78));
    let report = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(report.contains("plugins/redact.wasm") && report.contains("MiB of memory"), "{report}");
    host.kill().await;
    host.restart().await;
    let status = host.api("/v1/status").await;
    assert_eq!(redact(&status)["digest"], good, "the good version stays");
    assert!(status["revision"]["faults"].to_string().contains("MiB of memory"), "{status}");
    host.write("plugins/redact.wasm", bundled_plugin("redact"));
    host.status("the good file", |status| status["revision"]["faults"] == json!([])).await;
}

#[tokio::test]
async fn code_compiled_before_is_used_after_a_restart_unless_it_was_changed() {
    let receiver = Receiver::start().await;
    let webhook = json!({ "url": receiver.url(), "events": ["*"],
        "plugins": [ { "plugin": "redact", "config": { "remove": ["/entry/city"] } } ] });
    let mut host = Hookwright::builder().plugin("redact").webhook("w", webhook).start().await;
    let compiled = |host: &Hookwright| {
        let files = fs::read_dir(host.home().join("data/compiled")).expect("a folder");
        files.map(|file| file.expect("readable").path()).collect::<Vec<_>>()
    };
    let [file] = &compiled(&host)[..] else { panic!("one file") };
    let inode = |path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).expect("there"));
    let good = (fs::read(file).expect("readable"), inode(file));
    host.kill().await;
    host.restart().await;
    assert_eq!(inode(file), good.1, "not compiled again");
    host.kill().await;
    // Code that somebody else wrote must not run.
    let mut forged = good.0.clone();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    fs::write(file, &forged).expect("writable");
    host.restart().await;
    assert_ne!(fs::read(file).expect("readable"), forged, "thrown away and compiled again");
    assert_eq!(compiled(&host).len(), 1);
    let posted = host.post(cases::body("strapi-v5/entry.create")).await;
    host.deliveries(posted.event(), |delivery| delivery["state"] == "delivered").await;
    assert!(receiver.received()[0].json()["entry"].get("city").is_none());
}

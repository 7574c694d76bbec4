//! A plugin from nothing, as its author types it: made, built, in force, changed. With the binary, and with cargo, which
//! needs no network for it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hookwright_tests::host::{binary, use_free_ports, workspace};
use hookwright_tests::{Receiver, slowdown, until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// What a first build may take on a busy machine: everything below the SDK is compiled.
const BUILD_PATIENCE: Duration = Duration::from_mins(10);
/// From a save to the difference it makes.
const SAVE_TO_DIFF: Duration = Duration::from_secs(3);

/// Somebody in a folder that was empty.
struct Author {
    folder: TempDir,
    receiver: Receiver,
}

impl Author {
    /// With a home whose webhook `local` reaches a receiver, and the new plugin `line` in its chain.
    async fn with_new_plugin() -> Self {
        let author = Self { folder: tempfile::tempdir().unwrap(), receiver: Receiver::start().await };
        author.run(&["init"]).await;
        use_free_ports(author.home());
        let local = author.home().join("config/webhooks/local.json");
        let mut webhook: Value = serde_json::from_slice(&fs::read(&local).unwrap()).unwrap();
        webhook["url"] = json!(author.receiver.url());
        fs::write(&local, webhook.to_string()).unwrap();
        author.run(&["plugin", "new", "line", "--for", "local"]).await;
        author
    }

    fn home(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.home()).env_remove("HOOKWRIGHT_HOME").env("NO_COLOR", "1");
        // Cargo takes all from the workspace's downloads, and keeps what it built from one run of the tests to the next.
        command.env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", workspace().join("target/author"));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let output = timeout(BUILD_PATIENCE, self.command(arguments).output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn serve(&self) -> Child {
        let serve = self.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("the host", || async { self.home().join("data/run.json").exists().then_some(()) }).await;
        serve
    }

    /// As an editor does: beside it, then renamed over it.
    fn edit(&self, file: &str, old: &str, new: &str) {
        let file = self.home().join("line").join(file);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(old), "{old} is not in {text}");
        let beside = file.with_extension("writing");
        fs::write(&beside, text.replace(old, new)).unwrap();
        fs::rename(beside, file).unwrap();
    }
}

#[tokio::test]
async fn a_new_plugin_transforms_the_next_event_without_any_editing() {
    let author = Author::with_new_plugin().await;
    let _serve = author.serve().await;
    let said = author.run(&["plugin", "build", "line"]).await;
    let copy = said.split_once("cp ").and_then(|(_, rest)| rest.split_once(" (")).unwrap_or_else(|| panic!("{said}")).0;
    let (from, to) = copy.split_once(' ').unwrap();
    fs::copy(author.home().join(from), author.home().join(to)).unwrap();

    author.run(&["send", "examples/entry.create.json"]).await;
    let received = author.receiver.wait_for(1).await;
    assert_eq!(received[0].json()["summary"], "entry.create of address");
    assert_eq!(received[0].header("x-summary-by"), Some("line"));

    // The same again is the same bytes, and in force already.
    let said = author.run(&["plugin", "build", "line", "--install"]).await;
    assert!(said.contains("In force: plugins/line.wasm"), "{said}");
}

#[tokio::test]
async fn dev_shows_what_each_save_changes_and_installs_nothing_that_is_broken() {
    let author = Author::with_new_plugin().await;
    let _serve = author.serve().await;
    author.run(&["send", "examples/entry.create.json"]).await;
    let said = author.run(&["plugin", "dev", "line", "--once"]).await;
    assert!(said.contains(r#"+   "summary": "entry.create of address""#), "{said}");
    let received = author.receiver.wait_for(1).await;
    assert_eq!(received[0].json()["summary"], "entry.create of address", "held until the plugin was there");

    let mut dev =
        author.command(&["plugin", "dev", "line"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(dev.stdout.take().unwrap()).lines();
    waits(&mut lines).await;
    let installed = || fs::read(author.home().join("plugins/line.wasm")).unwrap();
    let before = installed();
    // What is expected is changed first, so that the plugin is wrong until it is changed too.
    author.edit("fixtures/entry-create.json", "create of article", "create in article");
    line_with(&mut lines, "✗ entry-create").await;
    waits(&mut lines).await;
    author.edit("src/lib.rs", "{} of {model}", "{} in {nothing}");
    waits(&mut lines).await;
    assert_eq!(installed(), before);

    let slowdown = slowdown();
    let start = Instant::now();
    author.edit("src/lib.rs", "{} in {nothing}", "{} in {model}");
    line_with(&mut lines, r#"+   "summary": "entry.create in address""#).await;
    let took = start.elapsed();
    assert!(took < SAVE_TO_DIFF.mul_f64(slowdown), "{took:?}");
    waits(&mut lines).await;
    assert_ne!(installed(), before);
    let pid = dev.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    assert!(timeout(BUILD_PATIENCE, dev.wait()).await.unwrap().unwrap().success());
}

async fn waits(lines: &mut Lines<BufReader<ChildStdout>>) {
    line_with(lines, "Waits for the next save").await;
}

async fn line_with(lines: &mut Lines<BufReader<ChildStdout>>, wanted: &str) {
    let mut said = Vec::new();
    loop {
        let line = timeout(BUILD_PATIENCE, lines.next_line()).await.unwrap().unwrap();
        said.push(line.unwrap_or_else(|| panic!("{wanted} is not in {said:#?}")));
        if said.last().is_some_and(|line| line.contains(wanted)) {
            return;
        }
    }
}

//! The guides in `docs/guides`: what a reader would type is typed, what a reader is told to see is seen.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hookwright_tests::host::{binary, use_free_ports, workspace};
use hookwright_tests::{Receiver, until};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

/// A build of a plugin on a busy machine.
const PATIENCE: Duration = Duration::from_mins(10);

/// What a guide asks of its reader.
#[derive(Debug, PartialEq)]
enum Step {
    /// One line of a shell.
    Type(String),
    /// The lines that the commands before it show, in order; … stands for anything.
    See(Vec<String>),
    Write(PathBuf, String),
}

/// The fenced blocks of a guide. A file is named by the last `name` in backticks before its block.
fn steps(guide: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = guide.lines();
    let mut named = None;
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            named = line.strip_suffix(':').and_then(|line| line.rsplit('`').nth(1)).map(PathBuf::from).or(named);
            continue;
        };
        let block: Vec<String> = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        match (language, named.take()) {
            ("sh", _) => steps.extend(block.into_iter().map(Step::Type)),
            ("text", _) => steps.push(Step::See(block)),
            (_, Some(path)) => steps.push(Step::Write(path, block.join("\n") + "\n")),
            (language, None) => panic!("nobody knows what to do with a block of {language}"),
        }
    }
    steps
}

/// Somebody who does what the guide says, in a folder that was empty.
struct Reader {
    home: tempfile::TempDir,
    receiver: Receiver,
    serve: Option<tokio::process::Child>,
    said: String,
}

impl Reader {
    async fn type_in(&mut self, line: &str) {
        if line.contains("plugin build") && self.serve.is_none() {
            self.serve().await;
        }
        let output = timeout(PATIENCE, self.shell(line).output()).await.unwrap().unwrap();
        let expected = i32::from(line.contains("# exit code 1"));
        assert_eq!(output.status.code(), Some(expected), "{line}: {output:?}");
        self.said += &String::from_utf8_lossy(&output.stdout);
        if line == "hookwright init" {
            self.settle_in();
        } else if line.contains("hookwright send") {
            until("the delivery to end", || async {
                let shown = self.shell("hookwright delivery show last --json").output().await.unwrap();
                let shown: Value = serde_json::from_slice(&shown.stdout).ok()?;
                (shown["state"] == "delivered").then_some(())
            })
            .await;
        }
    }

    /// The other terminal.
    async fn serve(&mut self) {
        let mut serve = self.shell("exec hookwright serve");
        self.serve = Some(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        until("the host", || async { self.home.path().join("data/run.json").exists().then_some(()) }).await;
    }

    /// As the reader has `listen` running: somewhere else than other tests.
    fn settle_in(&self) {
        use_free_ports(self.home.path());
        let local = self.home.path().join("config/webhooks/local.json");
        let mut webhook: Value = serde_json::from_slice(&fs::read(&local).unwrap()).unwrap();
        webhook["url"] = json!(self.receiver.url());
        fs::write(&local, format!("{webhook:#}")).unwrap();
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        let path = std::env::var("PATH").unwrap();
        let binary = binary();
        let path = format!("{}:{path}", binary.parent().unwrap_or(Path::new(".")).display());
        shell.args(["-c", line]).current_dir(self.home.path()).env("PATH", path);
        shell.env_remove("HOOKWRIGHT_HOME").env("NO_COLOR", "1");
        shell.env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", workspace().join("target/author"));
        shell.stdin(Stdio::null()).kill_on_drop(true);
        shell
    }

    fn see(&mut self, lines: &[String]) {
        let said = std::mem::take(&mut self.said);
        let mut rest = said.lines();
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "…").collect();
            let shown = |shown: &str| {
                let mut shown = shown.split_whitespace();
                words.iter().all(|word| shown.any(|other| other.trim_end_matches(',') == word.trim_end_matches(',')))
            };
            assert!(rest.any(shown), "{line:?} is not to be seen, in this order, in\n{said}");
        }
    }
}

async fn follow(guide: &str) -> Reader {
    let guide = fs::read_to_string(workspace().join("docs/guides").join(guide)).unwrap();
    let (home, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let mut reader = Reader { home, receiver, serve: None, said: String::new() };
    for step in steps(&guide) {
        match step {
            Step::Type(line) => reader.type_in(&line).await,
            Step::See(lines) => reader.see(&lines),
            Step::Write(path, text) => fs::write(reader.home.path().join(path), text).unwrap(),
        }
    }
    reader
}

#[tokio::test]
async fn a_wrong_rewrite_is_found_and_mended() {
    let reader = follow("wrong-rewrite.md").await;
    let received = reader.receiver.wait_for(2).await;
    let prices: Vec<_> = received.iter().map(|request| request.json()["entry"]["price"].clone()).collect();
    assert_eq!(prices, [json!(12), json!(12.9)]);
}

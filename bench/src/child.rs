//! A system under test as a child process: started, awaited until ready, watched, ended by its own id.
//!
//! It says where it listens in `data/run.json` of its home folder, as the dispatcher does and the relay imitates.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{interval, timeout};

use crate::client;

/// For start, including the compilation of a plugin in a dev build.
const START: Duration = Duration::from_mins(1);
/// For the whole of a graceful end.
const STOP: Duration = Duration::from_secs(20);
/// How often a state outside this process is looked at: no event tells of it.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// So much of what a failed child said last is shown.
const LOG_TAIL_BYTES: u64 = 4096;

/// A running system. Dropped: killed, its folder removed.
pub(crate) struct Child {
    /// Before the folder: dropped in this order.
    process: tokio::process::Child,
    pub(crate) id: u32,
    pub(crate) address: SocketAddr,
    home: TempDir,
}

impl Child {
    /// Starts `command` and waits until it is ready.
    pub(crate) async fn start(mut command: Command, home: TempDir) -> anyhow::Result<Self> {
        let log = File::create(log_file(home.path()))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program(&command)))?;
        let id = process.id().context("the child ended at once")?;
        let started = tokio::select! {
            ready = timeout(START, ready(home.path(), id)) => ready.context("it did not become ready in time"),
            ended = process.wait() => Err(anyhow::anyhow!("it ended with {}", ended?)),
        };
        let address = started
            .with_context(|| format!("{} did not start; it said: {}", program(&command), log_tail(home.path())))?;
        Ok(Self { process, id, address, home })
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where the dispatcher's admin listener is.
    pub(crate) fn admin(&self) -> anyhow::Result<SocketAddr> {
        let run: Value = serde_json::from_slice(&fs::read(self.home().join("data/run.json"))?)?;
        Ok(run["admin"].as_str().context("no admin listener")?.parse()?)
    }

    /// What the dispatcher says of itself.
    pub(crate) async fn status(&self) -> anyhow::Result<Value> {
        let admin = self.admin()?;
        let token = fs::read_to_string(self.home().join("data/admin.token"))?;
        let request = Request::get("/v1/status")
            .header(HOST, admin.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", token.trim()))
            .body(Full::new(Bytes::new()))?;
        let (status, body) =
            client::connected(admin, |mut requests| async move { requests.send(request).await }).await?;
        anyhow::ensure!(status.is_success(), "status answered {status}");
        Ok(serde_json::from_slice(&body)?)
    }

    /// Asks it to end, and makes it end when it does not.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.end().await.map(drop)
    }

    /// The same, and keeps its home.
    pub(crate) async fn end(mut self) -> anyhow::Result<TempDir> {
        let asked = Command::new("kill").args(["-TERM", &self.id.to_string()]).status().await;
        let ended = match asked {
            Ok(_) => timeout(STOP, self.process.wait()).await,
            Err(error) => return Err(error).context("cannot run `kill`"),
        };
        let Ok(status) = ended else {
            self.process.kill().await?;
            bail!("did not end within {} s of SIGTERM; it said: {}", STOP.as_secs(), log_tail(self.home.path()))
        };
        let status = status?;
        if !status.success() {
            bail!("ended with {status}; it said: {}", log_tail(self.home.path()));
        }
        Ok(self.home)
    }

    /// Ends it without a word, and keeps its home.
    pub(crate) async fn kill(mut self) -> anyhow::Result<TempDir> {
        self.process.kill().await?;
        Ok(self.home)
    }
}

/// Waits until the child says where it listens and answers there that it is ready.
async fn ready(home: &Path, id: u32) -> SocketAddr {
    let mut look = interval(LOOK_EVERY);
    loop {
        look.tick().await;
        if let Some(address) = announced(home, id)
            && let Ok(Ok(StatusCode::OK)) = timeout(Duration::from_secs(1), health(address)).await
        {
            return address;
        }
    }
}

/// `None` until the file is there, whole, and of this child.
fn announced(home: &Path, id: u32) -> Option<SocketAddr> {
    let run: Value = serde_json::from_slice(&fs::read(home.join("data/run.json")).ok()?).ok()?;
    if run.get("pid")?.as_u64()? != u64::from(id) {
        return None;
    }
    run.get("listen")?.as_str()?.parse().ok()
}

async fn health(address: SocketAddr) -> anyhow::Result<StatusCode> {
    let request = Request::get("/health/ready").header(HOST, address.to_string()).body(Full::new(Bytes::new()))?;
    client::connected(address, |mut requests| async move { Ok(requests.send(request).await?.0) }).await
}

fn log_file(home: &Path) -> PathBuf {
    home.join("output.log")
}

fn log_tail(home: &Path) -> String {
    let read = || {
        let mut file = File::open(log_file(home))?;
        let start = file.metadata()?.len().saturating_sub(LOG_TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
        std::io::Result::Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    match read() {
        Ok(text) if text.is_empty() => "nothing".to_owned(),
        Ok(text) => text,
        Err(error) => format!("(its output cannot be read: {error})"),
    }
}

fn program(command: &Command) -> String {
    command.as_std().get_program().to_string_lossy().into_owned()
}

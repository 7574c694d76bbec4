//! How the binary is started on a home folder, and how long it may take to be ready.

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::host::{binary, command};
use crate::wait::{PATIENCE, until_within};

pub(crate) struct Launch {
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) arguments: Vec<String>,
    /// Another program and its options, which starts the binary.
    pub(crate) under: Vec<String>,
    pub(crate) patience: Duration,
    /// Not a word on stderr.
    pub(crate) quiet: bool,
    /// What it says goes to `host.log` in its home, as much as this level says.
    pub(crate) logged: Option<&'static str>,
}

/// A host that is ready. Killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Default for Launch {
    fn default() -> Self {
        Self {
            environment: Vec::new(),
            arguments: Vec::new(),
            under: Vec::new(),
            patience: PATIENCE,
            quiet: false,
            logged: None,
        }
    }
}

impl Launch {
    pub(crate) fn command(&self, home: &Path) -> Command {
        let mut serve = match self.under.split_first() {
            None => command(home, &["serve"]),
            Some((program, options)) => {
                let mut under = Command::new(program);
                under.args(options).arg(binary()).arg("serve").arg("--home").arg(home);
                under.env("NO_COLOR", "1").stdin(Stdio::null()).kill_on_drop(true);
                under
            }
        };
        serve
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .env("HOOKWRIGHT_LOG", self.logged.unwrap_or("warn"));
        serve
    }

    /// Without the run file of the one before.
    pub(crate) fn spawn(&self, home: &Path) -> Child {
        let _ = fs::remove_file(run_file(home));
        let mut serve = self.command(home);
        if self.quiet {
            serve.stderr(Stdio::null());
        }
        if self.logged.is_some() {
            let log = OpenOptions::new().create(true).append(true).open(home.join("host.log")).expect("a log");
            serve.stderr(log);
        }
        serve.stdout(Stdio::null()).spawn().expect("the binary")
    }

    pub(crate) async fn launch(&self, home: &Path) -> Running {
        self.try_launch(home).await.unwrap_or_else(|ended| panic!("the host ended: {ended}"))
    }

    /// # Errors
    /// When it ends before it is ready.
    pub(crate) async fn try_launch(&self, home: &Path) -> Result<Running, ExitStatus> {
        let mut child = self.spawn(home);
        let run_file = run_file(home);
        let run = until_within(self.patience, "the host to be ready", || {
            let ended = child.try_wait().expect("a child");
            let run = fs::read(&run_file).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
            async move { ended.map(Err).or(run.map(Ok)) }
        })
        .await?;
        let address = |name: &str| run[name].as_str().expect("an address").parse().expect("an address");
        Ok(Running { child, listen: address("listen"), admin: address("admin") })
    }
}

fn run_file(home: &Path) -> PathBuf {
    home.join("data/run.json")
}

//! The systems under test: what each is, how it is started, and what its deliveries have to look like.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::process::Command;

use crate::body::Kind;
use crate::child::Child;
use crate::home::{self, Stages};
use crate::receiver::Expected;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum System {
    /// axum in, reqwest out, nothing between
    Relay,
    /// The dispatcher: schema, commit, delivery; no plugin, no signature
    Plain,
    /// The dispatcher: schema, commit, one rewriting plugin, signature
    Full,
}

/// Where to find what is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Setup {
    /// The dispatcher [default: beside this program]
    #[arg(long, env = "HOOKWRIGHT_BIN", value_name = "FILE")]
    hookwright: Option<PathBuf>,
    /// Where home folders are made: decides on which disk events are committed [default: beside this program]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// Where to find the bundled plugins.
#[derive(Debug, clap::Args)]
pub(crate) struct Bundled {
    /// Their folder
    #[arg(long, env = "HOOKWRIGHT_PLUGINS", value_name = "DIR", default_value = "plugins")]
    pub(crate) plugins: PathBuf,
}

impl Setup {
    pub(crate) fn scratch(&self) -> anyhow::Result<PathBuf> {
        match &self.scratch {
            Some(folder) => Ok(folder.clone()),
            // Not the system's folder for temporary files: that is often kept in memory, where commits cost nothing.
            None => Ok(own_folder()?),
        }
    }

    /// An empty home folder.
    pub(crate) fn home(&self) -> anyhow::Result<TempDir> {
        let scratch = self.scratch()?;
        tempfile::Builder::new()
            .prefix("bench-home-")
            .tempdir_in(&scratch)
            .with_context(|| format!("cannot make a folder in {}", scratch.display()))
    }

    /// Starts the dispatcher on a home folder, and waits until it is ready.
    pub(crate) async fn start(&self, home: TempDir) -> anyhow::Result<Child> {
        let mut command = Command::new(self.hookwright()?);
        command.args([OsString::from("--home"), home.path().into(), "serve".into()]);
        // Measured as it comes: what the caller's shell sets for other hosts does not reach it.
        for name in ["HOOKWRIGHT_ENV", "HOOKWRIGHT_HOME", "RUST_LOG"] {
            command.env_remove(name);
        }
        Child::start(command, home).await
    }

    fn hookwright(&self) -> anyhow::Result<PathBuf> {
        let file = match &self.hookwright {
            Some(file) => file.clone(),
            None => own_folder()?.join("hookwright"),
        };
        anyhow::ensure!(file.is_file(), "{} is absent: build it first, or say --hookwright FILE", file.display());
        Ok(file)
    }
}

impl System {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Relay => "bare relay",
            Self::Plain => "plain",
            Self::Full => "full",
        }
    }

    pub(crate) const fn expected(self) -> Expected {
        match self {
            Self::Relay | Self::Plain => Expected::Untouched(Kind::Create),
            Self::Full => Expected::MaskedAndSigned,
        }
    }

    /// Starts it as a child process that delivers to `receiver`, and waits until it is ready.
    pub(crate) async fn start(self, setup: &Setup, bundled: &Bundled, receiver: SocketAddr) -> anyhow::Result<Child> {
        let home = setup.home()?;
        let stages = match self {
            Self::Relay => return Child::start(relay(home.path(), receiver)?, home).await,
            Self::Plain => Stages::Plain,
            Self::Full => Stages::Full { plugins: &bundled.plugins },
        };
        home::write(home.path(), receiver, stages)?;
        setup.start(home).await
    }
}

fn relay(home: &Path, receiver: SocketAddr) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([OsString::from("relay"), "--home".into(), home.into()]);
    command.args(["--to".into(), format!("http://{receiver}/")]);
    Ok(command)
}

fn own_folder() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    Ok(own.parent().map(Path::to_path_buf).unwrap_or_default())
}

//! One run of cargo.

use std::ffi::OsString;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::artefact::{self, Artefact};
use crate::{Error, TARGET, Toolchain, cargo, flags};

/// How a plugin is built. Given on cargo's command line, so that a crate's `Cargo.toml` need not have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// For use: quick and small, the same bytes everywhere.
    Plugin,
    /// For the moment: there soon after a change.
    PluginDev,
}

impl Profile {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::PluginDev => "plugin-dev",
        }
    }

    /// Settings, as TOML. No unwinding: a trap ends the instance anyhow. Quick where the time goes, in reading and writing
    /// JSON; small elsewhere, because the code that describes a config runs once in the life of a plugin.
    const fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Plugin => &[
                "opt-level=\"s\"",
                "package.serde_json.opt-level=3",
                "package.hookwright-sdk.opt-level=3",
                "lto=true",
                "codegen-units=1",
                "strip=true",
                "panic=\"abort\"",
                "incremental=false",
            ],
            Self::PluginDev => &["lto=\"off\"", "opt-level=1", "strip=true", "panic=\"abort\"", "incremental=true"],
        }
    }
}

/// One run of cargo.
#[derive(Clone, Debug)]
pub struct Build {
    folder: PathBuf,
    profile: Profile,
    arguments: Vec<OsString>,
    quiet: bool,
}

impl Build {
    /// Of the crate in `folder`, or of what [`argument`](Self::argument)s choose in the workspace there.
    pub fn new(folder: &Path, profile: Profile) -> Self {
        Self { folder: folder.to_owned(), profile, arguments: Vec::new(), quiet: false }
    }

    /// With one more argument for `cargo build`.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Cargo says only what is wrong.
    #[must_use]
    pub fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// Builds; cargo speaks on our standard error. Blocking.
    ///
    /// # Errors
    /// When cargo could not build it, or could not be run.
    pub fn run(&self, toolchain: &Toolchain) -> Result<Vec<Artefact>, Error> {
        let mut cargo = self.command(toolchain).spawn().map_err(Error::start("cargo"))?;
        let artefacts = match cargo.stdout.take() {
            Some(messages) => artefact::read(BufReader::new(messages)),
            None => Ok(Vec::new()),
        };
        let status = cargo.wait().map_err(Error::start("cargo"))?;
        if !status.success() {
            return Err(Error::Cargo(status));
        }
        artefacts.map_err(Error::Messages)
    }

    fn command(&self, toolchain: &Toolchain) -> Command {
        let mut cargo = cargo(&self.folder);
        cargo.args(["build", "--target", TARGET, "--profile", self.profile.name()]);
        // A profile that the crate's workspace does not know is made here, and one that it knows is as it is here.
        let profile = format!("profile.{}", self.profile.name());
        cargo.arg("--config").arg(format!("{profile}.inherits=\"release\""));
        for setting in self.profile.settings() {
            cargo.arg("--config").arg(format!("{profile}.{setting}"));
        }
        cargo.arg("--message-format=json-render-diagnostics");
        if self.quiet {
            cargo.arg("--quiet");
        }
        toolchain.prepare(&mut cargo);
        cargo.args(&self.arguments);
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags::encoded());
        cargo.stdin(Stdio::null()).stdout(Stdio::piped());
        cargo
    }
}

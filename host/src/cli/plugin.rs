//! `plugin`: an author's tools; the plugins of the running host, their earlier versions and shadows, and runs repeated.

mod add;
mod build;
mod building;
mod changed;
mod dev;
mod file;
mod fixture;
mod in_force;
mod inspect;
mod install;
mod junit;
mod list;
mod new;
mod newest;
mod rerun;
mod rollback;
mod run;
mod shadow;
mod test;
mod versions;

use std::path::Path;

use clap::{Args, Subcommand};

pub(super) use self::shadow::table as shadows;
use super::{Exit, Format};
use crate::ids::PluginName;

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Make a crate that is a plugin
    New(new::NewArgs),
    /// Build a plugin's crate into a file for the plugins/ folder
    Build(build::BuildArgs),
    /// On every save: build, test, put into the home, run the newest event again and show the difference
    Dev(dev::DevArgs),
    /// Put a plugin that comes with hookwright into the home
    Add(add::AddArgs),
    /// The plugins in force, and how they do: runs and breaks since the host began or they came into force
    List(ListArgs),
    /// The versions of a plugin that were in force, newest first
    Versions(VersionsArgs),
    /// Put an earlier version of a plugin back
    Rollback(rollback::RollbackArgs),
    /// Candidates that run beside live plugins, and what they do differently
    Shadow(shadow::ShadowArgs),
    /// Run a wasm file on an event; or repeat the recorded run of a delivery, and compare
    Run(run::RunArgs),
    /// Run a plugin's fixtures: events, and what is expected of it
    Test(test::TestArgs),
    /// Make a fixture of a delivery
    Fixture(fixture::FixtureArgs),
    /// What a wasm file is, what it asks for, and whether it would load
    Inspect(inspect::InspectArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Those that come with hookwright instead, for `hookwright plugin add`
    #[arg(long)]
    bundled: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct VersionsArgs {
    /// The plugin's name: its file without .wasm
    name: PluginName,
    #[command(flatten)]
    format: Format,
}

/// `asked_for`: the home that was named. Without one, a plugin's crate may name its own, and all else works where we are.
pub(super) async fn run(asked_for: Option<&Path>, command: PluginCommand) -> anyhow::Result<Exit> {
    let home = asked_for.unwrap_or(Path::new("."));
    match command {
        PluginCommand::New(args) => new::run(home, &args),
        PluginCommand::Build(args) => build::run(asked_for, args).await,
        PluginCommand::Dev(args) => dev::run(asked_for, args).await,
        PluginCommand::Add(args) => add::run(home, args).await,
        PluginCommand::List(ListArgs { bundled: true, format }) => add::list(format),
        PluginCommand::List(args) => list::run(home, args.format).await,
        PluginCommand::Versions(args) => versions::run(home, &args.name, args.format),
        PluginCommand::Rollback(args) => rollback::run(home, args).await,
        PluginCommand::Shadow(args) => shadow::run(home, args).await,
        PluginCommand::Run(args) => run::run(asked_for, args).await,
        PluginCommand::Test(args) => test::run(asked_for, args).await,
        PluginCommand::Fixture(args) => fixture::run(home, args).await,
        PluginCommand::Inspect(args) => inspect::run(asked_for, args).await,
    }
}

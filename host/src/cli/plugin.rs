//! `plugin`: an author's tools; the plugins of the running host, their earlier versions, and runs repeated.

mod add;
mod build;
mod building;
mod in_force;
mod install;
mod list;
mod new;
mod rerun;
mod rollback;
mod versions;

use std::path::Path;

use clap::{Args, Subcommand};

use super::{Exit, Format};
use crate::ids::PluginName;

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Make a crate that is a plugin
    New(new::NewArgs),
    /// Build a plugin's crate into a file for the plugins/ folder
    Build(build::BuildArgs),
    /// Put a plugin that comes with hookwright into the home
    Add(add::AddArgs),
    /// The plugins in force, and how they do
    List(ListArgs),
    /// The versions of a plugin that were in force, newest first
    Versions(VersionsArgs),
    /// Put an earlier version of a plugin back
    Rollback(rollback::RollbackArgs),
    /// Repeat the recorded run of a delivery, and compare
    Run(rerun::RunArgs),
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
        PluginCommand::Add(args) => add::run(home, args).await,
        PluginCommand::List(ListArgs { bundled: true, format }) => add::list(format),
        PluginCommand::List(args) => list::run(home, args.format).await,
        PluginCommand::Versions(args) => versions::run(home, &args.name, args.format),
        PluginCommand::Rollback(args) => rollback::run(home, args).await,
        PluginCommand::Run(args) => rerun::run(home, args).await,
    }
}

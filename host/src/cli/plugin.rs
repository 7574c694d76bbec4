//! `plugin`: the plugins of the running host, their earlier versions and shadows, and runs repeated.

mod list;
mod rerun;
mod rollback;
mod shadow;
mod versions;

use std::path::Path;

use clap::{Args, Subcommand};

pub(super) use self::shadow::table as shadows;
use super::{Exit, Format};
use crate::ids::PluginName;

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// The plugins in force, and how they do
    List(Format),
    /// The versions of a plugin that were in force, newest first
    Versions(VersionsArgs),
    /// Put an earlier version of a plugin back
    Rollback(rollback::RollbackArgs),
    /// Candidates that run beside live plugins, and what they do differently
    Shadow(shadow::ShadowArgs),
    /// Repeat the recorded run of a delivery, and compare
    Run(rerun::RunArgs),
}

#[derive(Debug, Args)]
pub(super) struct VersionsArgs {
    /// The plugin's name: its file without .wasm
    name: PluginName,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(home: &Path, command: PluginCommand) -> anyhow::Result<Exit> {
    match command {
        PluginCommand::List(format) => list::run(home, format).await,
        PluginCommand::Versions(args) => versions::run(home, &args.name, args.format),
        PluginCommand::Rollback(args) => rollback::run(home, args).await,
        PluginCommand::Shadow(args) => shadow::run(home, args).await,
        PluginCommand::Run(args) => rerun::run(home, args).await,
    }
}

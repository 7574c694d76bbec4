//! `plugin build`: from a crate to a file that the host takes, and into a home if asked for.

use std::path::{Path, PathBuf};

use clap::Args;
use hookwright_plugin_build::Profile;
use owo_colors::Style;
use serde_json::json;

use super::super::{Exit, Format, discovery, screen};
use super::building::{self, Built};
use super::in_force::Host;
use super::install::{self, Place};
use crate::author::krate::Krate;
use crate::ids::Digest;
use crate::plugin::Plugin;
use crate::tasks;

#[derive(Debug, Args)]
pub(in crate::cli) struct BuildArgs {
    /// The plugin's crate
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Put the file into the plugins/ of the home: of --home, else of the one that Cargo.toml names
    #[arg(long)]
    install: bool,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(asked_for: Option<&Path>, args: BuildArgs) -> anyhow::Result<Exit> {
    let BuildArgs { folder, install, format } = args;
    let asked_for = asked_for.map(Path::to_owned);
    let (krate, home, built, plugin) = tasks::blocking(move || -> anyhow::Result<_> {
        let krate = Krate::open(&folder)?;
        let home = building::from_here(&krate.home(asked_for.as_deref()));
        let built = building::build(&krate, &building::find_toolchain(&krate)?, Profile::Plugin, false)?;
        let plugin = building::judge(&building::workbench(&home)?, &krate, &built)?;
        Ok((krate, home, built, plugin))
    })
    .await?;
    if !format.json {
        screen::line(&as_text(&built, &plugin))?;
    }
    let host = if install { Some(Place::new(&home, &krate.name)?.install(&built.wasm).await?) } else { None };
    let place = discovery::below(&home, &format!("plugins/{}.wasm", krate.name));
    if format.json {
        let (running, in_force, faults) = host.as_ref().map_or((false, false, &[][..]), Host::members);
        let answer = json!({"plugin": krate.name, "version": krate.version, "file": built.path, "bytes": built.wasm.len(),
            "digest": Digest::of(&built.wasm), "installed": host.is_some(), "hostRuns": running, "inForce": in_force,
            "faults": faults});
        screen::line(&answer.to_string())?;
    } else if let Some(host) = &host {
        screen::line(&install::as_text(&place.display().to_string(), host))?;
    } else {
        let copy = format!("cp {} {}", discovery::quoted(&built.path), discovery::quoted(&place));
        screen::line(&format!("Into the home: {} (or build with --install)", screen::command(&copy)))?;
    }
    Ok(host.as_ref().map_or(Exit::Ok, install::exit))
}

fn as_text(built: &Built, plugin: &Plugin) -> String {
    let what = format!("{} {}", plugin.name, plugin.manifest.version);
    format!(
        "{} {}  {}  {}",
        screen::styled("✓", Style::new().green()),
        screen::heading(&what),
        screen::inert(&built.path.display().to_string()),
        screen::faint(&format!("{}, {}", screen::kilobytes(built.wasm.len()), plugin.digest.short())),
    )
}

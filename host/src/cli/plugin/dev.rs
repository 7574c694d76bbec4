//! `plugin dev`: on every save the plugin is built, tested, put into the home, and run on the newest event again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use hookwright_plugin_build::{Profile, Toolchain};
use tokio::time::Instant;

use super::super::{Exit, screen, serve};
use super::install::{self, Place};
use super::{building, changed, newest};
use crate::author::krate::Krate;
use crate::author::replay::replay;
use crate::author::watch::Sources;
use crate::author::workbench::Workbench;
use crate::clock::{self, Timestamp};
use crate::config::Home;
use crate::plugin::Plugin;
use crate::tasks;

#[derive(Debug, Args)]
pub(in crate::cli) struct DevArgs {
    /// The plugin's crate
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Once, and end
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(asked_for: Option<&Path>, args: DevArgs) -> anyhow::Result<Exit> {
    let stop = serve::stop_signal()?;
    let asked_for = asked_for.map(Path::to_owned);
    let desk = Arc::new(tasks::blocking(move || Desk::open(&args.folder, asked_for.as_deref())).await?);
    tokio::select! {
        () = stop => Ok(Exit::Ok),
        exit = desk.work(args.once) => exit,
    }
}

/// What stays the same from save to save.
struct Desk {
    krate: Krate,
    home: PathBuf,
    toolchain: Toolchain,
    workbench: Workbench,
}

impl Desk {
    fn open(folder: &Path, asked_for: Option<&Path>) -> anyhow::Result<Self> {
        let krate = Krate::open(folder)?;
        let home = building::from_here(&krate.home(asked_for));
        Place::new(&home, &krate.name)?;
        let toolchain = building::find_toolchain(&krate)?;
        let workbench = building::workbench(&home)?;
        Ok(Self { krate, home, toolchain, workbench })
    }

    async fn work(self: Arc<Self>, once: bool) -> anyhow::Result<Exit> {
        let mut sources = Sources::new(&self.krate.folder);
        let mut saved = None;
        loop {
            let done = Arc::clone(&self).round(saved).await;
            if once {
                return done.map(|()| Exit::Ok);
            }
            if let Err(error) = done {
                screen::complain(&format!("{error:#}"));
            }
            screen::line(&screen::faint("Waits for the next save; Ctrl-C ends."))?;
            saved = Some(sources.changed().await);
        }
    }

    /// From the sources as they are to the difference they make. An error ends it where it occurs.
    async fn round(self: Arc<Self>, saved: Option<Timestamp>) -> anyhow::Result<()> {
        let mut watch = Stopwatch::new();
        let desk = Arc::clone(&self);
        let built = tasks::blocking(move || {
            // The first build takes its time, and shows on what.
            let quiet = saved.is_some();
            building::build(&desk.krate, &desk.toolchain, Profile::PluginDev, quiet).context("nothing is installed")
        })
        .await?;
        watch.lap("build");
        let desk = Arc::clone(&self);
        let (built, plugin) = tasks::blocking(move || {
            building::judge(&desk.workbench, &desk.krate, &built).map(|plugin| (built, plugin))
        })
        .await
        .context("nothing is installed")?;
        watch.lap("load");
        let place = Place::new(&self.home, &self.krate.name)?;
        let host = place.install(&built.wasm).await?;
        watch.lap("install");
        let text = Arc::clone(&self).on_newest(plugin).await?;
        watch.lap("event");
        screen::line(&format!("\n{text}\n"))?;
        let installed = install::as_text(&place.file(), &host);
        screen::line(&format!("{installed} {}", screen::faint(DEV_BUILD)))?;
        screen::line(&screen::faint(&watch.report(saved)))?;
        Ok(())
    }

    /// What the plugin makes of the newest event that is for it.
    async fn on_newest(self: Arc<Self>, plugin: Arc<Plugin>) -> anyhow::Result<String> {
        let Some(recorded) = newest::newest(&self.home, &self.krate.name).await? else {
            return Ok(screen::faint("No event for it yet."));
        };
        let title = format!("{}  {}  for webhook {}", recorded.event.event_type, recorded.event.id, recorded.webhook);
        let replay = tasks::blocking(move || {
            let replay = replay(&self.workbench, &Home::new(&self.home), &plugin, &recorded)?;
            anyhow::Ok(changed::as_text(&recorded.event, &replay))
        })
        .await?;
        Ok(format!("{}\n{replay}", screen::heading(&title)))
    }
}

const DEV_BUILD: &str = "Built for the moment: `hookwright plugin build --install` makes the one for use.";

/// How long each step took.
struct Stopwatch {
    start: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Stopwatch {
    fn new() -> Self {
        Self { start: Instant::now(), laps: Vec::new() }
    }

    fn lap(&mut self, name: &'static str) {
        let before: Duration = self.laps.iter().map(|(_, took)| *took).sum();
        self.laps.push((name, self.start.elapsed().saturating_sub(before)));
    }

    fn report(&self, saved: Option<Timestamp>) -> String {
        let laps: Vec<_> = self.laps.iter().map(|(name, took)| format!("{name} {:.2} s", took.as_secs_f32())).collect();
        let in_all = match saved {
            Some(saved) => format!("{:.2} s since the save", clock::now().since(saved).as_secs_f32()),
            None => format!("{:.2} s in all", self.start.elapsed().as_secs_f32()),
        };
        format!("{}: {in_all}", laps.join(", "))
    }
}

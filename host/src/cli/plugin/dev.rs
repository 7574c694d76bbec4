//! `plugin dev`: on every save the plugin is built, tested, put into the home, and run on the newest event again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use hookwright_plugin_build::{Profile, Toolchain};
use tokio::time::Instant;

use super::super::{Exit, discovery, screen, serve};
use super::install::{self, Place};
use super::{building, changed, newest, test};
use crate::author::fixture::Fixture;
use crate::author::krate::Krate;
use crate::author::replay::{Recorded, Replay, replay};
use crate::author::suite::{Report, test_folder};
use crate::author::watch::Sources;
use crate::author::workbench::Workbench;
use crate::clock::{self, Timestamp};
use crate::config::Home;
use crate::delivery::ChainRecord;
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
        screen::remark("The first build for `dev` may take a minute; after that, a save takes a second.");
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
        let desk = Arc::clone(&self);
        let (plugin, report) = tasks::blocking(move || {
            desk.fixtures(&plugin).map(|report| (plugin, report)).context("nothing is installed")
        })
        .await?;
        watch.lap("fixtures");
        let place = Place::new(&self.home, &self.krate.name)?;
        let host = place.install(&built.wasm).await?;
        watch.lap("install");
        let text = Arc::clone(&self).on_newest(plugin, report.as_ref()).await?;
        watch.lap("event");
        screen::line(&format!("\n{text}\n"))?;
        let tested = report
            .map_or_else(String::new, |report| format!("{} passed. ", screen::counted(report.cases.len(), "fixture")));
        let installed = install::as_text(&place.file(), &host);
        screen::line(&format!("{tested}{installed} {}", screen::faint(&self.for_use())))?;
        screen::line(&screen::faint(&watch.report(saved)))?;
        Ok(())
    }

    /// None: the crate has none. An error shows what came out otherwise than expected.
    fn fixtures(&self, plugin: &Arc<Plugin>) -> anyhow::Result<Option<Report>> {
        let folder = self.krate.folder.join("fixtures");
        if !folder.is_dir() {
            return Ok(None);
        }
        let report = test_folder(plugin, &folder, None, false)?;
        let failures = report.failures();
        if failures > 0 {
            screen::line(&test::as_text(plugin, &report))?;
            let all = screen::counted(report.cases.len(), "fixture");
            bail!(
                "{failures} of {all} failed; if this is what they should say: `hookwright plugin test {} --update`",
                self.name()
            );
        }
        Ok(Some(report))
    }

    fn for_use(&self) -> String {
        let folder = self.name();
        format!("Built for the moment: `hookwright plugin build {folder} --install` makes the one for use.")
    }

    /// Of its folder, as one would type it.
    fn name(&self) -> String {
        discovery::quoted(&building::from_here(&self.krate.folder))
    }

    /// What the plugin makes of the newest event that is for it; where there is none, of the first fixture.
    async fn on_newest(self: Arc<Self>, plugin: Arc<Plugin>, report: Option<&Report>) -> anyhow::Result<String> {
        if let Some(recorded) = newest::newest(&self.home, &self.krate.name).await? {
            let Recorded { event, webhook, .. } = &recorded;
            let title = format!("{}  {}  for webhook {webhook}", event.event_type, event.id);
            let desk = Arc::clone(&self);
            let replay = tasks::blocking(move || {
                let replay = replay(&desk.workbench, &Home::new(&desk.home), &plugin, &recorded)?;
                anyhow::Ok(changed::as_text(&recorded.event, &replay))
            });
            return Ok(format!("{}\n{}", screen::heading(&title), replay.await?));
        }
        let Some(case) = report.and_then(|report| report.cases.first()) else {
            return Ok(screen::faint("No event for it yet, and no fixture."));
        };
        let title = format!("fixtures/{}.json", case.name);
        let path = case.path.clone();
        let tried = tasks::blocking(move || {
            let trial = Fixture::read(&path)?.trial;
            let replay = Replay { before: ChainRecord::untouched(), after: trial.run(&plugin) };
            anyhow::Ok(changed::as_text(&trial.event, &replay))
        });
        Ok(format!("{}\n{}", screen::heading(&title), tried.await?))
    }
}

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

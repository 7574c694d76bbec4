//! Plugins swapped over and over while events flow: is anything lost, mixed up, or kept in memory? A reload is one
//! plugin version coming into force.

mod report;
pub(crate) mod stamps;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, interval, timeout};

use self::report::Report;
use self::stamps::Version;
use crate::body::{Kind, model};
use crate::child::Child;
use crate::home::{self, Stages};
use crate::ledger::Ledger;
use crate::load::Load;
use crate::machine;
use crate::measure::drain;
use crate::receiver::{Expected, Receiver};
use crate::system::Setup;

const CONNECTIONS: u32 = 16;
/// Files that are swapped at once.
const BATCH: u32 = 25;
/// How often the dispatcher is asked what is in force.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// For one batch to come into force.
const PATIENCE: Duration = Duration::from_mins(1);
/// The load is made in pieces of this length, until the last reload is in force.
const PIECE: Duration = Duration::from_secs(1);
/// The share of the reloads after which memory is looked at first.
const WARM_UP: f64 = 0.1;
/// More events than are posted in the longest run anyone would wait for.
const EVENTS: usize = 8 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct ReloadsArgs {
    #[command(flatten)]
    setup: Setup,
    /// Plugin versions to bring into force
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    reloads: u32,
    /// Plugins, each with a webhook of its own
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=999))]
    plugins: u32,
    /// Events per second, for one webhook after the other
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// Exit 1 when a goal is not met
    #[arg(long)]
    check: bool,
}

/// Reloads, and prints what was found.
///
/// # Errors
/// When the dispatcher does not start, or does not follow.
pub(crate) async fn run(args: &ReloadsArgs) -> anyhow::Result<ExitCode> {
    let plugins = args.plugins;
    let ledger = Arc::new(Ledger::new(EVENTS));
    let receiver = Receiver::start(Expected::Stamped { models: plugins }, Arc::clone(&ledger)).await?;
    let versions: Vec<[Version; 2]> = (0..plugins).map(stamps::versions).collect();
    let home = args.setup.home()?;
    home::write_server(home.path())?;
    for (number, [first, _]) in (0..plugins).zip(&versions) {
        let name = model(number);
        home::write_plugin(home.path(), &name, &first.wasm)?;
        let mut webhook = home::webhook(receiver.address, Stages::Plain);
        webhook["plugins"] = json!([name]);
        webhook["filter"] = json!({ "/model": [name] });
        home::write_webhook(home.path(), &name, &webhook)?;
    }
    let child = args.setup.start(home).await?;
    let load = Load {
        target: child.address,
        connections: CONNECTIONS,
        kind: Kind::Models(plugins),
        ledger: Arc::clone(&ledger),
    };
    let done = AtomicBool::new(false);
    let swapping = async {
        let swapped = swap_all(args, &child, &versions).await;
        done.store(true, Ordering::Relaxed);
        swapped
    };
    let posting = async {
        while !done.load(Ordering::Relaxed) {
            load.paced(Duration::from_secs(1) / args.rate, Instant::now() + PIECE).await?;
        }
        anyhow::Ok(())
    };
    let (swapped, ()) = tokio::try_join!(swapping, posting)?;
    drain(&ledger).await;
    let report = Report {
        plugins,
        reloads: swapped.reloads,
        took: swapped.took,
        events: ledger.next_number(),
        refused: ledger.refusals(),
        repeated: ledger.repeats(),
        lost: ledger.undelivered(),
        wrong: ledger.first_wrong().map(str::to_owned),
        warm_rss_mib: swapped.warm_rss_mib,
        end_rss_mib: machine::rss_mib(child.id),
        peak_rss_mib: machine::peak_rss_mib(child.id),
    };
    child.stop().await?;
    print!("{report}");
    Ok(if args.check && !report.goals_met() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Swapped {
    reloads: u32,
    took: Duration,
    warm_rss_mib: Option<f64>,
}

/// Swaps one batch after the other, as fast as the dispatcher follows.
async fn swap_all(args: &ReloadsArgs, child: &Child, versions: &[[Version; 2]]) -> anyhow::Result<Swapped> {
    let warm = f64::from(args.reloads) * WARM_UP;
    let (began, mut reloads, mut warm_rss_mib) = (Instant::now(), 0, None);
    // Which version each plugin has.
    let mut second = vec![false; versions.len()];
    while reloads < args.reloads {
        let mut wanted = HashMap::new();
        for _ in 0..BATCH.min(args.plugins).min(args.reloads - reloads) {
            let number = reloads % args.plugins;
            let at = usize::try_from(number)?;
            second[at] = !second[at];
            let version = &versions[at][usize::from(second[at])];
            home::write_plugin(child.home(), &model(number), &version.wasm)?;
            wanted.insert(model(number), version.digest.as_str());
            reloads += 1;
        }
        timeout(PATIENCE, in_force(child, &wanted)).await.context("a batch did not come into force in time")??;
        if warm_rss_mib.is_none() && f64::from(reloads) >= warm {
            warm_rss_mib = machine::rss_mib(child.id);
        }
    }
    Ok(Swapped { reloads, took: began.elapsed(), warm_rss_mib })
}

/// Waits until the dispatcher says that these versions are in force.
async fn in_force(child: &Child, wanted: &HashMap<String, &str>) -> anyhow::Result<()> {
    let mut look = interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let status = child.status().await?;
        let Some(plugins) = status["plugins"].as_array() else { bail!("a status without plugins: {status}") };
        let is_in_force = |plugin: &Value| {
            let (name, digest) = (plugin["name"].as_str(), plugin["digest"].as_str());
            name.and_then(|name| wanted.get(name)).is_some_and(|wanted| Some(*wanted) == digest)
        };
        if plugins.iter().filter(|plugin| is_in_force(plugin)).count() == wanted.len() {
            return Ok(());
        }
    }
}

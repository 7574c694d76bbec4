//! What one call of a plugin costs: parse an event, edit one value, write it again. The same work in a fresh instance
//! through the dispatcher's own code, in a reused instance, natively, in QuickJS, and by plugins in JavaScript and
//! Python. One process, in turn.

mod contestant;
#[path = "../guests/edit/src/edit.rs"]
mod edit;
mod fresh;
mod native;
mod payload;
mod quickjs;
mod report;
mod reused;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;

use self::contestant::{Contestant, Kind};
use self::fresh::Loaded;
use self::report::{Row, Table};

/// The clock is looked at after so many calls: looking costs about as much as a tenth of a call.
const BATCH: u32 = 16;

#[derive(Debug, clap::Args)]
pub(crate) struct PluginsArgs {
    /// How often each is measured, in turn
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Measured milliseconds of each in each round
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    millis: u32,
    /// Payloads to measure, in bytes
    #[arg(long, value_delimiter = ',', value_name = "BYTES", default_value = "300,1024,10240")]
    sizes: Vec<usize>,
    /// What to measure, for a profiler: goals need all of it
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "native,reused,fresh,js-reused,js-fresh,javascript,python"
    )]
    only: Vec<Kind>,
    /// The folder with edit.wasm, edit-reused.wasm, edit-javascript.wasm and edit-python.wasm
    #[arg(long, env = "HOOKWRIGHT_GUESTS", value_name = "DIR", default_value = "target/guests")]
    guests: PathBuf,
    /// Exit 1 when a goal is not met
    #[arg(long)]
    check: bool,
}

/// Measures, and prints the table.
///
/// # Errors
/// When a contestant cannot be set up, or does other work than the rest.
pub(crate) fn run(args: &PluginsArgs) -> anyhow::Result<ExitCode> {
    let mut rows = Vec::new();
    let plugins = plugins(args)?;
    for &size in &args.sizes {
        let body = payload::of(size);
        let mut row = Row::new(size);
        let wanted = native::edited(&body).context("the native edit failed")?;
        let mut contestants = contestants(&args.guests, &body)?;
        for (kind, plugin) in &plugins {
            let fresh = fresh::Fresh::new(plugin, &body)?;
            row.costs(*kind, fresh.cost()?);
            contestants.push((*kind, Box::new(fresh)));
        }
        contestants.retain(|(kind, _)| args.only.contains(kind));
        for (kind, contestant) in &mut contestants {
            let got = contestant.call().with_context(|| format!("{kind} failed"))?;
            anyhow::ensure!(got == wanted, "{kind} does other work than the rest: the figures would be void");
        }
        // The first round warms caches and is not counted.
        for round in 0..=args.rounds {
            for (kind, contestant) in &mut contestants {
                let micros = measure(contestant.as_mut(), Duration::from_millis(args.millis.into()))?;
                if round > 0 {
                    row.add(*kind, micros);
                }
            }
        }
        eprintln!("{size} bytes: measured");
        rows.push(row);
    }
    let table = Table { rows, rounds: args.rounds, millis: args.millis };
    print!("{table}");
    Ok(if args.check && !table.goals_met() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What runs in fresh instances; without those in other languages that were not built.
fn plugins(args: &PluginsArgs) -> anyhow::Result<Vec<(Kind, Loaded)>> {
    let mut plugins = vec![(Kind::Fresh, loaded(&args.guests, "edit")?)];
    for (kind, name) in [(Kind::JavaScript, "edit-javascript"), (Kind::Python, "edit-python")] {
        if !args.only.contains(&kind) {
            continue;
        }
        match loaded(&args.guests, name) {
            Ok(loaded) => plugins.push((kind, loaded)),
            Err(error) => eprintln!("NOT RUN: the plugin in {kind}: {error:#}"),
        }
    }
    Ok(plugins)
}

fn loaded(guests: &Path, name: &str) -> anyhow::Result<Loaded> {
    let (wasm, began) = (wasm(guests, name)?, Instant::now());
    let loaded = Loaded::new(&wasm)?;
    eprintln!("{name}.wasm: {} KB, compiled in {:.1} s", wasm.len().div_ceil(1000), began.elapsed().as_secs_f32());
    Ok(loaded)
}

/// The others.
fn contestants(guests: &Path, body: &Bytes) -> anyhow::Result<Vec<(Kind, Box<dyn Contestant>)>> {
    Ok(vec![
        (Kind::Native, Box::new(native::Native::new(body))),
        (Kind::Reused, Box::new(reused::Reused::new(&wasm(guests, "edit-reused")?, body)?)),
        (Kind::QuickJsReused, Box::new(quickjs::Reused::new(body)?)),
        (Kind::QuickJsFresh, Box::new(quickjs::Fresh::new(body)?)),
    ])
}

fn wasm(guests: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let file = guests.join(format!("{name}.wasm"));
    std::fs::read(&file).with_context(|| format!("cannot read {}: `cargo xtask bench` builds it", file.display()))
}

/// Microseconds a call, over at least this time.
fn measure(contestant: &mut dyn Contestant, least: Duration) -> anyhow::Result<f64> {
    let (began, mut calls) = (Instant::now(), 0_u32);
    loop {
        for _ in 0..BATCH {
            black_box(contestant.call()?);
        }
        calls += BATCH;
        let took = began.elapsed();
        if took >= least {
            return Ok(took.as_secs_f64() * 1e6 / f64::from(calls));
        }
    }
}

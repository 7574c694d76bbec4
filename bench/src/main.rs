//! The smoke bench: what the whole way of an event costs, as a share of what this machine could do at best. And, as
//! subcommands, what a plugin costs, what hostile ones cost their neighbours, what reloads
//! cost, and what a dead or a slow receiver costs others.
//!
//! Generator and receiver live in this process; the systems under test are child processes, measured in turn in
//! the same invocation. `bench/README.md` says what the figures mean.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::measure::Plan;
use crate::summary::Summary;
use crate::system::{Bundled, Setup, System};

mod backlog;
mod body;
mod child;
mod client;
mod home;
mod hostile;
mod ledger;
mod load;
mod machine;
mod measure;
mod neighbours;
mod pages;
mod plugins;
mod receiver;
mod relay;
mod reloads;
mod report;
mod stats;
mod summary;
mod system;

/// Threads of the process that generates and receives.
const WORKERS: usize = 2;

/// Measures the dispatcher against a bare relay on this machine.
#[derive(Debug, Parser)]
#[command(name = "hookwright-bench", version)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    bench: Bench,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Measure one call of a plugin: fresh instance, reused instance, native, QuickJS
    Plugins(plugins::PluginsArgs),
    /// Measure neighbours' latency without and with the hostile corpus beside them
    Hostile(hostile::HostileArgs),
    /// Swap plugins over and over while events flow, and look for what gets lost or mixed up
    Reloads(reloads::ReloadsArgs),
    /// Pile up a million deliveries for a dead receiver: memory, others' speed, restart, and draining
    Backlog(backlog::BacklogArgs),
    /// Measure a webhook's latency without and with a hanging and a slow receiver beside it
    Neighbours(neighbours::NeighboursArgs),
    /// Ask for the admin pages with a long history behind them
    Pages(pages::PagesArgs),
    /// Be the bare relay: started by the bench itself
    #[command(hide = true)]
    Relay(relay::RelayArgs),
}

#[derive(Debug, clap::Args)]
struct Bench {
    #[command(flatten)]
    plan: Plan,
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    bundled: Bundled,
    /// What to measure, in this order
    #[arg(long, value_enum, value_delimiter = ',', default_value = "relay,plain,full")]
    systems: Vec<System>,
    /// Also write every figure of every round as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Exit 1 when full / relay is below the goal, or not measured
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.role {
        Some(Role::Plugins(args)) => plugins::run(&args),
        Some(Role::Hostile(args)) => in_runtime(hostile::run(&args)),
        Some(Role::Reloads(args)) => in_runtime(reloads::run(&args)),
        Some(Role::Backlog(args)) => in_runtime(backlog::run(&args)),
        Some(Role::Neighbours(args)) => in_runtime(neighbours::run(&args)),
        Some(Role::Pages(args)) => in_runtime(pages::run(&args)),
        Some(Role::Relay(args)) => relay::run(&args).map(|()| ExitCode::SUCCESS),
        None => bench(&cli.bench),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn bench(args: &Bench) -> anyhow::Result<ExitCode> {
    let summary = in_runtime(measure_all(args))?;
    std::io::stdout().lock().write_all(report::text(&summary).as_bytes())?;
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report::json(&summary))?;
        std::fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    let missed = args.check && !summary.goal_met();
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs a measurement to its end, or until interrupted.
fn in_runtime<T>(measurement: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(async {
        // Dropping the measurement ends its child and removes its folder, which a signal alone would not.
        tokio::select! {
            done = measurement => done,
            stopped = interrupted() => Err(stopped),
        }
    })
}

/// Every system once per round, in turn, so that a machine that slows down slows them all.
async fn measure_all(args: &Bench) -> anyhow::Result<Summary> {
    let plan = args.plan.resolved();
    let conditions = machine::conditions(&args.setup.scratch()?);
    let mut rounds = Vec::new();
    for round in 1..=plan.rounds {
        let mut figures = Vec::new();
        for &system in &args.systems {
            let measured = measure::measure(system, &plan, &args.setup, &args.bundled)
                .await
                .with_context(|| format!("failed to measure {} in round {round}", system.name()))?;
            eprintln!(
                "round {round}/{}  {:<10} {:>7.0} delivered/s",
                plan.rounds,
                system.name(),
                measured.full_load.delivered_per_s
            );
            figures.push(measured);
        }
        rounds.push(figures);
    }
    Ok(Summary { plan, conditions, systems: args.systems.clone(), rounds })
}

async fn interrupted() -> anyhow::Error {
    let asked = async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::io::Result::Ok(())
    };
    match asked.await {
        Ok(()) => anyhow::anyhow!("interrupted"),
        Err(error) => anyhow::Error::new(error).context("cannot listen for signals"),
    }
}

//! What a hanging and a slow receiver cost a third webhook that gets the same events: latency at a fixed rate without
//! and with them.

mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep_until};

use self::report::{Measured, Report};
use crate::body::Kind;
use crate::home::{self, Stages};
use crate::ledger::Ledger;
use crate::load::Load;
use crate::machine;
use crate::measure::drain;
use crate::receiver::{Expected, Manner, Receiver};
use crate::stats::percentile;
use crate::system::Setup;

/// Connections that post.
const CONNECTIONS: u32 = 16;
/// How long the slow receiver takes to answer.
const SLOW: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct NeighboursArgs {
    #[command(flatten)]
    setup: Setup,
    /// How often both are measured, in turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measured seconds of each: long enough for the attempts at the hanging receiver to time out
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Seconds of the same load before that
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=60))]
    warm_up: u32,
    /// Events per second, each for all webhooks
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// Exit 1 when a goal is not met
    #[arg(long)]
    check: bool,
}

/// Measures, and prints what was found.
///
/// # Errors
/// When the dispatcher does not start, hangs, or the third webhook gets something else than it should.
pub(crate) async fn run(args: &NeighboursArgs) -> anyhow::Result<ExitCode> {
    let mut report = Report::new(args.rate);
    for round in 1..=args.rounds {
        let alone = measure(args, &[]).await?;
        let beside = measure(args, &[("hanging", Manner::Never), ("slow", Manner::After(SLOW))]).await?;
        eprintln!("round {round}/{}: p99 {:.2} ms alone, {:.2} ms beside", args.rounds, alone.p99_ms, beside.p99_ms);
        report.add(alone, beside);
    }
    print!("{report}");
    Ok(if args.check && !report.goal_met() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A dispatcher of its own: nothing of an earlier round is left.
async fn measure(args: &NeighboursArgs, neighbours: &[(&str, Manner)]) -> anyhow::Result<Measured> {
    let ledger = Arc::new(Ledger::new(usize::try_from((args.warm_up + args.seconds) * args.rate)? + 1_000));
    let receiver = Receiver::start(Expected::Untouched(Kind::Create), Arc::clone(&ledger)).await?;
    let home = args.setup.home()?;
    home::write_server(home.path())?;
    write_webhook(&home, "prompt", &receiver)?;
    let mut others = Vec::new();
    for (name, manner) in neighbours {
        let other = Receiver::with_manner(Expected::Anything, *manner, Arc::new(Ledger::new(0))).await?;
        write_webhook(&home, name, &other)?;
        others.push(other);
    }
    let child = args.setup.start(home).await?;

    let begin = Instant::now() + Duration::from_secs(args.warm_up.into());
    let end = begin + Duration::from_secs(args.seconds.into());
    let load =
        Load { target: child.address, connections: CONNECTIONS, kind: Kind::Create, ledger: Arc::clone(&ledger) };
    let mark = async {
        sleep_until(begin).await;
        anyhow::Ok(ledger.next_number())
    };
    let ((), first) = tokio::try_join!(load.paced(Duration::from_secs(1) / args.rate, end), mark)?;
    drain(&ledger).await;
    if let Some(wrong) = ledger.first_wrong().or(ledger.first_refusal()) {
        bail!("the figures are void: {wrong}");
    }
    if ledger.undelivered() > 0 {
        bail!("{} events of the third webhook were not delivered", ledger.undelivered());
    }
    let counts = child.status().await?["counts"].clone();
    let peak_rss_mib = machine::peak_rss_mib(child.id);
    child.stop().await?;
    drop(others);
    let mut latencies = ledger.latencies(first..ledger.next_number());
    let mut ms = |percent| percentile(&mut latencies, percent).map_or(f64::NAN, |us| f64::from(us) / 1e3);
    Ok(Measured { p50_ms: ms(50), p99_ms: ms(99), most_ms: ms(100), peak_rss_mib, counts })
}

/// With the settings of a webhook that says nothing of its limits.
fn write_webhook(home: &tempfile::TempDir, id: &str, receiver: &Receiver) -> anyhow::Result<()> {
    let mut webhook = home::webhook(receiver.address, Stages::Plain);
    if let Some(settings) = webhook.as_object_mut() {
        settings.remove("concurrency");
    }
    home::write_webhook(home.path(), id, &webhook)
}

//! What hostile plugins cost their neighbours: latency at a fixed rate alone, with as many harmless plugins beside them, and
//! with the corpus. Harmless ones run all the time; a hostile one is not run any more once it broke often enough.

mod report;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use hookwright_hostile::{Case, corpus};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use self::report::{Measured, Report, Round};
use crate::body::{self, BODY_BYTES, Kind};
use crate::home::{self, Stages};
use crate::ledger::Ledger;
use crate::load::Load;
use crate::machine;
use crate::measure::drain;
use crate::receiver::{Expected, Receiver};
use crate::stats::percentile;
use crate::system::{Bundled, Setup};

/// Connections that post events for the neighbours, and for the hostile webhooks.
const CONNECTIONS: u32 = 16;
const HOSTILE_CONNECTIONS: u32 = 4;
/// What part of the events for them has to be posted.
const LEAST_POSTED: f64 = 0.95;
/// A bundled plugin that drops the events in question, so that it sends nothing.
const HARMLESS: &str = "published-only";

#[derive(Debug, clap::Args)]
pub(crate) struct HostileArgs {
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    bundled: Bundled,
    /// How often each is measured, in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measured seconds of each
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Seconds of the same load before that
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=30))]
    warm_up: u32,
    /// Events per second for the neighbours: half to one without plugin, half to one with `redact`
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    rate: u32,
    /// Events per second for each of the hostile webhooks
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    hostile_rate: u32,
    /// Exit 1 when a goal is not met
    #[arg(long)]
    check: bool,
}

/// Measures, and prints what was found.
///
/// # Errors
/// When the dispatcher does not start, hangs, or a neighbour gets something else than it should.
pub(crate) async fn run(args: &HostileArgs) -> anyhow::Result<ExitCode> {
    let hostile: Vec<Case> = corpus(BODY_BYTES).into_iter().filter(Case::is_run).collect();
    let drops = home::read_plugin(&args.bundled.plugins, HARMLESS)?;
    let harmless = |case: &Case| Case { wasm: drops.clone(), name: case.name, ending: case.ending.clone() };
    let harmless: Vec<Case> = hostile.iter().map(harmless).collect();
    let mut report = Report::new(hostile.len(), args.rate, args.hostile_rate);
    for round in 1..=args.rounds {
        // Alone: no event for hostile webhooks, no such webhook, no such plugin.
        let alone = measure(args, &[]).await?;
        let harmless = measure(args, &harmless).await?;
        let hostile = measure(args, &hostile).await?;
        let p99 = [&alone, &harmless, &hostile].map(|one| format!("{:.2} ms", one.p99_ms));
        eprintln!(
            "round {round}/{}: p99 {} alone, {} beside harmless ones, {} beside the corpus",
            args.rounds, p99[0], p99[1], p99[2]
        );
        report.add(Round { alone, harmless, hostile });
    }
    print!("{report}");
    Ok(if args.check && !report.goals_met() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One kind of event, on its way to its receiver.
struct Flow {
    load: Load,
    _receiver: Receiver,
}

async fn measure(args: &HostileArgs, hostile: &[Case]) -> anyhow::Result<Measured> {
    let models = u32::try_from(hostile.len())?;
    let room = usize::try_from((args.warm_up + args.seconds) * args.rate.max(args.hostile_rate * models))? + 1_000;
    let ledger = || Arc::new(Ledger::new(room));
    let (plain, redacted, beside) = (ledger(), ledger(), ledger());
    let receivers = (
        Receiver::start(Expected::Untouched(Kind::Create), Arc::clone(&plain)).await?,
        Receiver::start(Expected::MaskedAndSigned, Arc::clone(&redacted)).await?,
        Receiver::start(Expected::Anything, Arc::clone(&beside)).await?,
    );
    let home = args.setup.home()?;
    home::write_server(home.path())?;
    neighbour(home.path(), "plain", Kind::Create, home::webhook(receivers.0.address, Stages::Plain))?;
    let full = Stages::Full { plugins: &args.bundled.plugins };
    neighbour(home.path(), "redacted", Kind::Delete, home::webhook(receivers.1.address, full))?;
    home::copy_redact(home.path(), &args.bundled.plugins)?;
    for (model, case) in (0..).zip(hostile) {
        home::write_plugin(home.path(), case.name, &case.wasm)?;
        let webhook = json!({
            "url": format!("http://{}/", receivers.2.address),
            "plugins": [case.name],
            "filter": { "/model": [body::model(model)] },
        });
        neighbour(home.path(), case.name, Kind::UpdatedModels(models), webhook)?;
    }
    let child = args.setup.start(home).await?;
    let flow = |kind, connections, ledger, receiver| Flow {
        load: Load { target: child.address, connections, kind, ledger },
        _receiver: receiver,
    };
    let neighbours = [
        flow(Kind::Create, CONNECTIONS / 2, plain, receivers.0),
        flow(Kind::Delete, CONNECTIONS / 2, redacted, receivers.1),
    ];
    let hostile_flow = flow(Kind::UpdatedModels(models), HOSTILE_CONNECTIONS, beside, receivers.2);

    let begin = Instant::now() + Duration::from_secs(args.warm_up.into());
    let end = begin + Duration::from_secs(args.seconds.into());
    let every = |rate: u32| Duration::from_secs(1) / rate;
    let mark = async {
        sleep_until(begin).await;
        anyhow::Ok(neighbours.each_ref().map(|flow| flow.load.ledger.next_number()))
    };
    let hostile_load = async {
        if hostile.is_empty() { Ok(()) } else { hostile_flow.load.paced(every(args.hostile_rate * models), end).await }
    };
    let half = every(args.rate) * 2;
    let ((), (), (), first) =
        tokio::try_join!(neighbours[0].load.paced(half, end), neighbours[1].load.paced(half, end), hostile_load, mark)?;
    let mut latencies = Vec::new();
    for (flow, first) in neighbours.iter().zip(first) {
        let ledger = &flow.load.ledger;
        drain(ledger).await;
        if let Some(wrong) = ledger.first_wrong().or(ledger.first_refusal()) {
            bail!("the figures are void: {wrong}");
        }
        if ledger.undelivered() > 0 {
            bail!("{} events of a neighbour were not delivered", ledger.undelivered());
        }
        latencies.push(ledger.latencies(first..ledger.next_number()));
    }
    // Fewer of these would make the neighbours' figures better.
    let (posted, wanted) =
        (hostile_flow.load.ledger.next_number(), models * args.hostile_rate * (args.warm_up + args.seconds));
    if let Some(refusal) = hostile_flow.load.ledger.first_refusal() {
        bail!("the figures are void: an event for the webhooks beside was refused: {refusal}");
    }
    if f64::from(posted) < f64::from(wanted) * LEAST_POSTED {
        bail!("the figures are void: only {posted} of {wanted} events for the webhooks beside were posted");
    }
    let counts = child.status().await?["counts"].clone();
    let peak_rss_mib = machine::peak_rss_mib(child.id);
    child.stop().await?;
    let p99 = |latencies: &mut [u32]| percentile(latencies, 99).map_or(f64::NAN, |us| f64::from(us) / 1e3);
    let (plain_p99_ms, redacted_p99_ms) = (p99(&mut latencies[0]), p99(&mut latencies[1]));
    let mut all = latencies.concat();
    Ok(Measured { p99_ms: p99(&mut all), plain_p99_ms, redacted_p99_ms, peak_rss_mib, counts })
}

fn neighbour(home: &Path, id: &str, kind: Kind, mut webhook: Value) -> anyhow::Result<()> {
    webhook["events"] = json!([kind.event_type()]);
    home::write_webhook(home, id, &webhook)
}

//! A million deliveries for a receiver that is dead: does memory follow them, does another webhook feel them, how long
//! does a start take with them, and how long until they are delivered once the receiver is back?

mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;
use tokio::net::TcpSocket;
use tokio::time::{Instant, interval};

use self::report::{Filled, Report, Speed};
use crate::body::Kind;
use crate::child::Child;
use crate::home::{self, Stages};
use crate::ledger::Ledger;
use crate::load::Load;
use crate::machine;
use crate::measure::{self, Plan};
use crate::receiver::{Expected, Manner, Receiver};
use crate::stats::percentile;
use crate::system::Setup;

/// Connections of the other webhook's load.
const CONNECTIONS: u32 = 32;
/// Seconds of full load before those that are measured.
const WARM_UP: u32 = 1;
/// More events per second than the other webhook gets on a fast machine.
const EVENTS_PER_SECOND_CAP: u32 = 60_000;
/// How often memory and what is open are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// For filling, and for draining. The first includes what a slow disk needs, the second the dispatcher's wait between
/// two probes of a dead receiver.
const PATIENCE: Duration = Duration::from_mins(20);
/// The paced load beside filling and draining is made in pieces of this length.
const PIECE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct BacklogArgs {
    #[command(flatten)]
    setup: Setup,
    /// Deliveries that pile up
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=50_000_000))]
    deliveries: u32,
    /// Connections that post them
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    connections: u32,
    /// How often the other webhook is measured before, beside and after
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measured seconds of full load for the other webhook, and as many of a fixed rate
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Events per second at the fixed rate
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// Exit 1 when a goal is not met
    #[arg(long)]
    check: bool,
}

/// Measures, and prints what was found.
///
/// # Errors
/// When the dispatcher does not start, hangs, or delivers something else than was posted.
pub(crate) async fn run(args: &BacklogArgs) -> anyhow::Result<ExitCode> {
    let storage = machine::conditions(&args.setup.scratch()?).storage;
    let dead = Arc::new(Ledger::new(usize::try_from(args.deliveries + args.connections)?));
    let other = Arc::new(Ledger::new(args.room()?));
    // Bound, and not listening: connections are refused, and nobody else gets the port.
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let receiver = Receiver::start(Expected::Untouched(Kind::Create), Arc::clone(&other)).await?;
    let home = args.setup.home()?;
    home::write_server(home.path())?;
    home::write_webhook(home.path(), "other", &home::webhook(receiver.address, Stages::Plain))?;
    let mut webhook = home::webhook(socket.local_addr()?, Stages::Plain);
    webhook["events"] = json!([Kind::Small.event_type()]);
    home::write_webhook(home.path(), "dead", &webhook)?;

    let bench = Bench { args, child: args.setup.start(home).await?, dead, other, peaks: Vec::new() };
    let before = bench.speed("before").await?;
    let filled = bench.fill().await?;
    let beside = bench.speed("beside").await?;
    let rss_full_mib = machine::rss_mib(bench.child.id);

    let (bench, ended, ready) = bench.restart(Ending::Asked).await?;
    let (bench, _, ready_killed) = bench.restart(Ending::Killed).await?;

    let back = bench.dead.now();
    let listener = socket.listen(1024)?;
    let _back = Receiver::on(listener, Expected::Untouched(Kind::Small), Manner::AtOnce, Arc::clone(&bench.dead))?;
    let drained = bench.drain().await?;
    let after = bench.speed("after").await?;

    let Bench { child, dead, other, mut peaks, .. } = bench;
    peaks.extend(machine::peak_rss_mib(child.id));
    child.stop().await?;
    if let Some(wrong) = dead.first_wrong().or(other.first_wrong()) {
        bail!("the figures are void: {wrong}");
    }
    let (first, last) = dead.first_and_last_delivery().context("nothing was delivered after the receiver came back")?;
    let report = Report {
        deliveries: args.deliveries,
        rounds: args.rounds,
        rate: args.rate,
        storage,
        filled,
        speeds: [before, beside, after],
        rss_full_mib,
        ended,
        ready,
        ready_killed,
        probed: micros(first.saturating_sub(back)),
        drained: micros(last - first),
        rss_draining_mib: drained.peak_mib,
        p99_draining_ms: drained.p99_ms,
        peak_rss_mib: peaks.into_iter().reduce(f64::max),
        lost: dead.undelivered() + other.undelivered(),
        refused: dead.refusals() + other.refusals(),
        repeated: dead.repeats() + other.repeats(),
    };
    print!("{report}");
    Ok(if args.check && !report.goals_met() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl BacklogArgs {
    /// Events for the other webhook: measured three times, and beside filling and draining.
    fn room(&self) -> anyhow::Result<usize> {
        let measured = 3 * self.rounds * ((WARM_UP + self.seconds) * EVENTS_PER_SECOND_CAP + self.seconds * self.rate);
        let beside = PATIENCE.as_secs() * 2 * u64::from(self.rate);
        Ok(usize::try_from(measured)? + usize::try_from(beside)?)
    }

    fn plan(&self) -> Plan {
        Plan {
            rounds: 1,
            seconds: self.seconds,
            warm_up: WARM_UP,
            connections: CONNECTIONS,
            rate: self.rate,
            rate_seconds: self.seconds,
            quick: false,
        }
    }
}

enum Ending {
    Asked,
    Killed,
}

struct Bench<'a> {
    args: &'a BacklogArgs,
    child: Child,
    dead: Arc<Ledger>,
    other: Arc<Ledger>,
    /// The most memory of each process that has ended, in MiB.
    peaks: Vec<f64>,
}

/// What was seen beside something that takes long.
struct Watched {
    peak_mib: f64,
    /// Of the other webhook's events.
    p99_ms: f64,
}

impl Bench<'_> {
    fn load(&self, kind: Kind) -> Load {
        let (connections, ledger) = match kind {
            Kind::Small => (self.args.connections, &self.dead),
            _ => (CONNECTIONS, &self.other),
        };
        Load { target: self.child.address, connections, kind, ledger: Arc::clone(ledger) }
    }

    /// What the other webhook gets.
    async fn speed(&self, when: &str) -> anyhow::Result<Vec<Speed>> {
        let (plan, load) = (self.args.plan(), self.load(Kind::Create));
        let mut speeds = Vec::new();
        for round in 1..=self.args.rounds {
            let (full, latency) = measure::speed(&plan, &load, &self.child).await?;
            let speed = Speed {
                delivered_per_s: full.delivered_per_s,
                p50_ms: latency.p50_ms.unwrap_or(f64::NAN),
                p99_ms: latency.p99_ms.unwrap_or(f64::NAN),
            };
            eprintln!("{when} {round}/{}: {speed}", self.args.rounds);
            speeds.push(speed);
        }
        Ok(speeds)
    }

    /// Posts what piles up.
    async fn fill(&self) -> anyhow::Result<Filled> {
        let began = Instant::now();
        let load = self.load(Kind::Small);
        let (filled, watched) = self.watched(load.many(self.args.deliveries, began + PATIENCE)).await?;
        filled?;
        let took = began.elapsed();
        let counts = self.child.status().await?["counts"].clone();
        let waiting = ["pending", "retrying"].iter().filter_map(|state| counts[state].as_u64()).sum::<u64>();
        eprintln!("filled in {:.0} s: {counts}", took.as_secs_f64());
        let accepted = self.dead.undelivered();
        if waiting < u64::from(self.args.deliveries) || accepted < usize::try_from(self.args.deliveries)? {
            let refusal = self.dead.first_refusal().unwrap_or("none");
            bail!("{accepted} were accepted and {waiting} wait, too few to say anything; first refusal: {refusal}");
        }
        Ok(Filled { took, peak_rss_mib: watched.peak_mib, p99_ms: watched.p99_ms })
    }

    /// Until all of it is delivered.
    async fn drain(&self) -> anyhow::Result<Watched> {
        let until = Instant::now() + PATIENCE;
        let drained = async {
            let mut look = interval(LOOK_EVERY);
            while self.dead.undelivered() > 0 && Instant::now() < until {
                look.tick().await;
            }
        };
        Ok(self.watched(drained).await?.1)
    }

    /// Ends the dispatcher and starts it on the same home: how long each took.
    async fn restart(self, ending: Ending) -> anyhow::Result<(Self, Duration, Duration)> {
        let Self { args, child, dead, other, mut peaks } = self;
        peaks.extend(machine::peak_rss_mib(child.id));
        let began = Instant::now();
        let home = match ending {
            Ending::Asked => child.end().await?,
            Ending::Killed => child.kill().await?,
        };
        let ended = began.elapsed();
        let began = Instant::now();
        let child = args.setup.start(home).await?;
        let ready = began.elapsed();
        eprintln!("ended in {:.2} s, ready after {:.2} s", ended.as_secs_f64(), ready.as_secs_f64());
        Ok((Self { args, child, dead, other, peaks }, ended, ready))
    }

    /// Lets `work` come to its end beside a paced load for the other webhook, and looks at memory meanwhile.
    async fn watched<T>(&self, work: impl Future<Output = T>) -> anyhow::Result<(T, Watched)> {
        let (load, done) = (self.load(Kind::Create), AtomicBool::new(false));
        let first = self.other.next_number();
        let working = async {
            let worked = work.await;
            done.store(true, Ordering::Relaxed);
            anyhow::Ok(worked)
        };
        let posting = async {
            while !done.load(Ordering::Relaxed) {
                load.paced(Duration::from_secs(1) / self.args.rate, Instant::now() + PIECE).await?;
            }
            anyhow::Ok(())
        };
        let looking = async {
            let (mut look, mut peak_mib) = (interval(LOOK_EVERY), 0.0_f64);
            while !done.load(Ordering::Relaxed) {
                look.tick().await;
                peak_mib = peak_mib.max(machine::rss_mib(self.child.id).unwrap_or(f64::NAN));
            }
            anyhow::Ok(peak_mib)
        };
        let (worked, (), peak_mib) = tokio::try_join!(working, posting, looking)?;
        measure::drain(&self.other).await;
        let mut latencies = self.other.latencies(first..self.other.next_number());
        let p99_ms = percentile(&mut latencies, 99).map_or(f64::NAN, |us| f64::from(us) / 1e3);
        Ok((worked, Watched { peak_mib, p99_ms }))
    }
}

const fn micros(micros: u32) -> Duration {
    Duration::from_micros(micros as u64)
}

//! One system in one round: started, warmed up, measured under full load, drained, measured at a fixed rate, ended.
//! Every step is bounded in time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, interval, sleep_until, timeout};

use crate::body::Kind;
use crate::child::Child;
use crate::ledger::{Ledger, Micros};
use crate::load::Load;
use crate::machine;
use crate::receiver::Receiver;
use crate::stats::percentile;
use crate::system::{Bundled, Setup, System};

/// The ledger has room for so many events per second of full load: several times what a fast machine relays.
const EVENTS_PER_SECOND_CAP: u32 = 200_000;
/// For what was accepted to be delivered after the load has ended.
const DRAIN: Duration = Duration::from_secs(30);
/// How often the ledger is looked through for what is still open: telling of each delivery would cost more.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long and how much.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Plan {
    /// How often each system is measured, in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Measured seconds of full load
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub(crate) seconds: u32,
    /// Seconds of full load before that
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=30))]
    pub(crate) warm_up: u32,
    /// Connections of the generator
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) connections: u32,
    /// Events per second while latency is measured
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// Seconds at that rate
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub(crate) rate_seconds: u32,
    /// One round of 4 seconds
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub(crate) quick: bool,
}

/// What one system did in one round.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) system: System,
    pub(crate) full_load: FullLoad,
    pub(crate) latency: Latency,
    pub(crate) peak_rss_mib: Option<f64>,
    /// Accepted and never seen, however long it was waited for.
    pub(crate) undelivered: usize,
    pub(crate) refused: u32,
    pub(crate) repeated: u32,
}

/// Under full load, in the measured window.
#[derive(Debug)]
pub(crate) struct FullLoad {
    pub(crate) delivered_per_s: f64,
    pub(crate) accepted_per_s: f64,
    /// Accepted and not delivered when the window ended.
    pub(crate) backlog: usize,
    /// Processor time of the system per delivered event.
    pub(crate) cpu_us: Option<f64>,
    /// The same of this process: generator and receiver, which share the machine.
    pub(crate) bench_cpu_us: Option<f64>,
}

/// From post to delivery at the fixed rate.
#[derive(Debug)]
pub(crate) struct Latency {
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
}

/// What stood on the clocks at one edge of the window.
struct Reading {
    at: Micros,
    system: Option<Duration>,
    bench: Option<Duration>,
}

impl Reading {
    fn take(ledger: &Ledger, child: &Child) -> Self {
        let cpu_time = machine::cpu_time;
        Self { at: ledger.now(), system: cpu_time(child.id), bench: cpu_time(std::process::id()) }
    }
}

impl Plan {
    /// With what `--quick` stands for filled in.
    pub(crate) fn resolved(&self) -> Self {
        if self.quick { Self { rounds: 1, seconds: 4, ..self.clone() } } else { self.clone() }
    }

    fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up.into())
    }

    fn measured(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    fn ledger(&self) -> Ledger {
        let events = (self.warm_up + self.seconds) * EVENTS_PER_SECOND_CAP + self.rate_seconds * self.rate;
        Ledger::new(events.try_into().unwrap_or(usize::MAX))
    }
}

/// Measures `system` once.
///
/// # Errors
/// When it does not start, hangs, refuses everything, or does not do the work it is measured for.
pub(crate) async fn measure(system: System, plan: &Plan, setup: &Setup, bundled: &Bundled) -> anyhow::Result<Measured> {
    let ledger = Arc::new(plan.ledger());
    let receiver = Receiver::start(system.expected(), Arc::clone(&ledger)).await?;
    let child = system.start(setup, bundled, receiver.address).await?;
    let load =
        Load { target: child.address, connections: plan.connections, kind: Kind::Create, ledger: Arc::clone(&ledger) };

    let (full_load, latency) = speed(plan, &load, &child).await?;
    let peak_rss_mib = machine::peak_rss_mib(child.id);
    child.stop().await?;
    if let Some(wrong) = ledger.first_wrong() {
        bail!("the figures are void: {wrong}");
    }
    Ok(Measured {
        system,
        full_load,
        latency,
        peak_rss_mib,
        undelivered: ledger.undelivered(),
        refused: ledger.refusals(),
        repeated: ledger.repeats(),
    })
}

/// Full load, then a fixed rate.
pub(crate) async fn speed(plan: &Plan, load: &Load, child: &Child) -> anyhow::Result<(FullLoad, Latency)> {
    let full_load = full_load(plan, load, child).await?;
    drain(&load.ledger).await;
    Ok((full_load, fixed_rate(plan, load).await?))
}

/// Warm-up and measured window under one uninterrupted load.
async fn full_load(plan: &Plan, load: &Load, child: &Child) -> anyhow::Result<FullLoad> {
    let ledger = &load.ledger;
    let begin = Instant::now() + plan.warm_up();
    let end = begin + plan.measured();
    let watch = async {
        sleep_until(begin).await;
        let before = Reading::take(ledger, child);
        sleep_until(end).await;
        anyhow::Ok((before, Reading::take(ledger, child)))
    };
    let ((), (before, after)) = tokio::try_join!(load.closed(end), watch)?;

    let window = ledger.window(&(before.at..after.at));
    if window.accepted == 0 {
        bail!("nothing was accepted; the first answer was: {}", ledger.first_refusal().unwrap_or("none"));
    }
    let per_s = |events: usize| float(events) / (f64::from(after.at - before.at) / 1e6);
    let per_delivery = |before: Option<Duration>, after: Option<Duration>| {
        let used = after?.saturating_sub(before?);
        (window.delivered > 0).then(|| used.as_secs_f64() * 1e6 / float(window.delivered))
    };
    Ok(FullLoad {
        delivered_per_s: per_s(window.delivered),
        accepted_per_s: per_s(window.accepted),
        backlog: window.backlog,
        cpu_us: per_delivery(before.system, after.system),
        bench_cpu_us: per_delivery(before.bench, after.bench),
    })
}

/// Evenly spaced posts, and how long each was under way.
async fn fixed_rate(plan: &Plan, load: &Load) -> anyhow::Result<Latency> {
    let first = load.ledger.next_number();
    let until = Instant::now() + Duration::from_secs(plan.rate_seconds.into());
    load.paced(Duration::from_secs(1) / plan.rate, until).await.context("at the fixed rate")?;
    drain(&load.ledger).await;
    let mut latencies = load.ledger.latencies(first..load.ledger.next_number());
    let mut ms = |percent| percentile(&mut latencies, percent).map(|us| f64::from(us) / 1e3);
    Ok(Latency { p50_ms: ms(50), p99_ms: ms(99) })
}

/// Waits until everything accepted was delivered, or the wait is over: the ledger then tells what is missing.
pub(crate) async fn drain(ledger: &Ledger) {
    let drained = async {
        let mut look = interval(LOOK_EVERY);
        while ledger.undelivered() > 0 {
            look.tick().await;
        }
    };
    let _ = timeout(DRAIN, drained).await;
}

#[expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

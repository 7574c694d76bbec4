//! How fast pages answer with a long history behind them: events go the whole way first, then each page is asked for, over
//! and over, in turn with one that knows nothing of the history.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, header};

use crate::body::Kind;
use crate::child::Child;
use crate::client::{self, Requests};
use crate::home::{self, Stages};
use crate::ledger::Ledger;
use crate::load::Load;
use crate::measure::drain;
use crate::receiver::{Expected, Receiver};
use crate::stats::percentile;
use crate::system::Setup;

/// What a page may take, history and all.
const GOAL_MS: f64 = 100.0;
/// Has nothing to look up.
const BASELINE: &str = "/login?code=none";
/// Pages that list, or count, what there is much of.
const PAGES: [&str; 11] = [
    "/webhooks",
    "/webhooks/bench",
    "/deliveries",
    "/deliveries?webhook=bench",
    "/deliveries?state=delivered",
    "/deliveries?state=failed",
    "/deliveries?eventType=entry.create",
    // There is none: as far as a page looks.
    "/deliveries?eventType=media.create",
    "/deliveries?webhook=absent",
    "/troubles",
    "/events",
];

#[derive(Debug, clap::Args)]
pub(crate) struct PagesArgs {
    #[command(flatten)]
    setup: Setup,
    /// Deliveries behind the pages
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    deliveries: u32,
    /// How often each page is asked for
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    times: u32,
    /// Exit 1 when the goal is not met
    #[arg(long)]
    check: bool,
}

/// Measures, and prints what was found.
///
/// # Errors
/// When the dispatcher does not start, or a page is not one.
pub(crate) async fn run(args: &PagesArgs) -> anyhow::Result<ExitCode> {
    let ledger = Arc::new(Ledger::new(usize::try_from(args.deliveries)? + 1_000));
    let receiver = Receiver::start(Expected::Untouched(Kind::Create), Arc::clone(&ledger)).await?;
    let home = args.setup.home()?;
    home::write(home.path(), receiver.address, Stages::Plain)?;
    let child = args.setup.start(home).await?;
    fill(&child, &ledger, args.deliveries).await?;

    let admin = child.admin()?;
    let cookie = sign_in(&child, admin).await?;
    let mut columns: Vec<(&str, Vec<u32>, usize)> =
        std::iter::once(BASELINE).chain(PAGES).map(|path| (path, Vec::new(), 0)).collect();
    client::connected(admin, async |mut requests| {
        for _ in 0..args.times {
            for (path, micros, bytes) in &mut columns {
                let (took, length) = ask(&mut requests, path, &cookie).await?;
                micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
                *bytes = length;
            }
        }
        Ok(())
    })
    .await?;
    let counts = child.status().await?["counts"].clone();
    child.stop().await?;
    println!("{counts}\n\n{:<32} {:>8} {:>8} {:>8} {:>9}", "page", "p50 ms", "p99 ms", "× login", "bytes");
    let mut slowest: f64 = 0.0;
    let mut baseline = f64::NAN;
    for (path, mut micros, bytes) in columns {
        let mut ms = |percent| percentile(&mut micros, percent).map_or(f64::NAN, |us| f64::from(us) / 1e3);
        let (p50, p99) = (ms(50), ms(99));
        if path == BASELINE {
            baseline = p50;
        } else {
            slowest = slowest.max(p99);
        }
        println!("{path:<32} {p50:>8.2} {p99:>8.2} {:>8.1} {bytes:>9}", p50 / baseline);
    }
    let is_met = slowest <= GOAL_MS;
    println!("\nslowest p99: {slowest:.1} ms; goal {GOAL_MS} ms: {}", if is_met { "met" } else { "missed" });
    Ok(if args.check && !is_met { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Has so many events go the whole way.
async fn fill(child: &Child, ledger: &Arc<Ledger>, deliveries: u32) -> anyhow::Result<()> {
    let load = Load { target: child.address, connections: 32, kind: Kind::Create, ledger: Arc::clone(ledger) };
    load.many(deliveries, tokio::time::Instant::now() + Duration::from_mins(10)).await?;
    drain(ledger).await;
    if let Some(wrong) = ledger.first_wrong().or(ledger.first_refusal()) {
        bail!("the figures are void: {wrong}");
    }
    Ok(())
}

/// The cookie of a session.
async fn sign_in(child: &Child, admin: SocketAddr) -> anyhow::Result<String> {
    let token =
        std::fs::read_to_string(child.home().join("data/admin.token")).context("cannot read the admin token")?;
    let request = Request::builder()
        .method(Method::POST)
        .uri("/login")
        .header(header::HOST, admin.to_string())
        .header(header::ORIGIN, format!("http://{admin}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(format!("token={}", token.trim()))))?;
    let answer = client::connected(admin, async |mut requests| requests.whole(request).await).await?;
    let cookie = answer.headers().get(header::SET_COOKIE).context("nobody was signed in")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

/// How long a page took, and how large it is.
async fn ask(requests: &mut Requests, path: &str, cookie: &str) -> anyhow::Result<(Duration, usize)> {
    let request = Request::builder().uri(path).header(header::HOST, "localhost").header(header::COOKIE, cookie);
    let start = Instant::now();
    let (status, body) = requests.send(request.body(Full::default())?).await?;
    let took = start.elapsed();
    let is_page = body.starts_with(b"<!DOCTYPE html>");
    if !is_page || !(status == StatusCode::OK || path == BASELINE) {
        bail!("{path} answered {status}");
    }
    Ok((took, body.len()))
}

//! The figures as a table for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::body::BODY_BYTES;
use crate::measure::Measured;
use crate::summary::{GOAL, Summary};
use crate::system::System;

/// The table, what it was measured under, and the verdict.
pub(crate) fn text(summary: &Summary) -> String {
    let mut text = format!(
        "\n{:<12}{:>12}{:>10}{:>12}{:>9}{:>9}{:>10}{:>9}{:>9}{:>9}\n",
        "", "delivered/s", "of relay", "accepted/s", "backlog", "cpu µs", "bench µs", "rss MiB", "p50 ms", "p99 ms"
    );
    for &system in &summary.systems {
        text += &row(summary, system);
    }
    for &system in &summary.systems {
        text += &oddities(summary, system);
    }
    text + &conditions(summary) + &verdict(summary)
}

/// Every figure of every round.
pub(crate) fn json(summary: &Summary) -> Value {
    let (plan, conditions) = (&summary.plan, &summary.conditions);
    let rounds: Vec<Vec<Value>> = summary.rounds.iter().map(|round| round.iter().map(one).collect()).collect();
    json!({
        "conditions": {
            "cores": conditions.cores,
            "loadBefore": conditions.load_before,
            "storage": conditions.storage,
            "profile": conditions.profile,
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "warmUpSeconds": plan.warm_up,
            "connections": plan.connections,
            "bodyBytes": BODY_BYTES,
            "rate": plan.rate,
            "rateSeconds": plan.rate_seconds,
        },
        "rounds": rounds,
        "plainToRelay": summary.ratio(System::Plain),
        "fullToRelay": summary.ratio(System::Full),
        "goal": GOAL,
        "goalMet": summary.goal_met(),
    })
}

fn one(measured: &Measured) -> Value {
    json!({
        "system": measured.system.name(),
        "deliveredPerSecond": measured.full_load.delivered_per_s,
        "acceptedPerSecond": measured.full_load.accepted_per_s,
        "backlog": measured.full_load.backlog,
        "cpuMicrosPerDelivery": measured.full_load.cpu_us,
        "benchCpuMicrosPerDelivery": measured.full_load.bench_cpu_us,
        "peakRssMib": measured.peak_rss_mib,
        "p50Ms": measured.latency.p50_ms,
        "p99Ms": measured.latency.p99_ms,
        "undelivered": measured.undelivered,
        "refused": measured.refused,
        "repeated": measured.repeated,
    })
}

fn row(summary: &Summary, system: System) -> String {
    let figure = |figure: fn(&Measured) -> Option<f64>, decimals: usize| match summary.median(system, figure) {
        Some(value) => format!("{value:.decimals$}"),
        None => "-".to_owned(),
    };
    format!(
        "{:<12}{:>12}{:>10}{:>12}{:>9}{:>9}{:>10}{:>9}{:>9}{:>9}\n",
        system.name(),
        figure(|one| Some(one.full_load.delivered_per_s), 0),
        summary.ratio(system).map_or_else(|| "-".to_owned(), share),
        figure(|one| Some(one.full_load.accepted_per_s), 0),
        figure(|one| u32::try_from(one.full_load.backlog).ok().map(f64::from), 0),
        figure(|one| one.full_load.cpu_us, 1),
        figure(|one| one.full_load.bench_cpu_us, 1),
        figure(|one| one.peak_rss_mib, 1),
        figure(|one| one.latency.p50_ms, 2),
        figure(|one| one.latency.p99_ms, 2),
    )
}

/// What should not have happened, if it did.
fn oddities(summary: &Summary, system: System) -> String {
    let count = |count: fn(&Measured) -> usize| summary.total(system, count);
    let counts = [
        (count(|one| one.undelivered), "accepted and not delivered"),
        (count(|one| one.refused.try_into().unwrap_or(usize::MAX)), "refused"),
        (count(|one| one.repeated.try_into().unwrap_or(usize::MAX)), "delivered more than once"),
    ];
    let seen = counts.iter().filter(|(count, _)| *count > 0);
    seen.fold(String::new(), |text, (count, what)| text + &format!("{}: {count} {what}\n", system.name()))
}

fn conditions(summary: &Summary) -> String {
    let (plan, conditions) = (&summary.plan, &summary.conditions);
    let mut text = format!(
        "\n{} cores, {} build, {} connections, {BODY_BYTES} byte bodies, {} x {} s after {} s; latency at {}/s for {} s",
        conditions.cores,
        conditions.profile,
        plan.connections,
        plan.rounds,
        plan.seconds,
        plan.warm_up,
        plan.rate,
        plan.rate_seconds,
    );
    if let Some(storage) = &conditions.storage {
        let _ = write!(text, "; home on {storage}");
    }
    if let Some(load) = conditions.load_before {
        let _ = write!(text, "; load {load} before");
    }
    text + "\n"
}

fn verdict(summary: &Summary) -> String {
    match summary.ratio(System::Full) {
        Some(ratio) => {
            let rounds: Vec<String> = summary.ratios(System::Full).into_iter().map(share).collect();
            format!("full / relay = {} (goal {GOAL:.2}); by round: {}\n", share(ratio), rounds.join(", "))
        }
        None => format!("full / relay was not measured (goal {GOAL:.2})\n"),
    }
}

/// Cut, not rounded: what misses the goal must not read as if it met it.
fn share(ratio: f64) -> String {
    format!("{:.2}", (ratio * 100.0).floor() / 100.0)
}

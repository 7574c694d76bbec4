//! The hostile corpus against one engine with the default limits: each case ends as its table says, within time and
//! memory, and the plugin after it runs as if nothing had been.

use std::time::Instant;

use hookwright_hostile::{Case, Ending, FUEL, MEMORY_BYTES, corpus};

use super::*;

/// Fuel of 20 ms and a compiler without a queue, on the slowest and busiest of machines.
const MOST_MILLIS: u128 = 3_000;

#[test]
fn every_case_ends_as_it_must_and_the_next_plugin_runs_as_before() {
    let limits = PluginLimits::default();
    assert_eq!((limits.fuel.get(), limits.memory_bytes.get()), (FUEL, MEMORY_BYTES as usize), "as the corpus says");
    let engine = Engine::new(&limits).expect("wasmtime works here");
    let healthy = job_of([engine.load(&name("healthy"), &chain::appending().wasm()).expect("loads")], OnError::Hold);
    let before = run_chain(&healthy);
    let mut wrong = Vec::new();
    for case in corpus(BODY.len()) {
        let began = Instant::now();
        let ending = ending(&engine, &case);
        let millis = began.elapsed().as_millis();
        if ending != case.ending {
            wrong.push(format!("{}\n  wanted {:?}\n  got    {ending:?}", case.name, case.ending));
        }
        if millis > MOST_MILLIS {
            wrong.push(format!("{} took {millis} ms", case.name));
        }
        let after = run_chain(&healthy);
        assert_eq!((&after.verdict, after.runs[0].fuel), (&before.verdict, before.runs[0].fuel), "after {}", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn name(name: &str) -> PluginName {
    name.parse().expect("a name")
}

/// What becomes of the file, or of a delivery under it.
fn ending(engine: &Engine, case: &Case) -> Ending {
    let plugin = match engine.load(&name(case.name), &case.wasm) {
        Ok(plugin) => plugin,
        Err(error) => return Ending::Refused(error.to_string()),
    };
    let record = run_chain(&job_of([plugin], OnError::Hold));
    let run = &record.runs[0];
    assert!(run.fuel <= FUEL + 300 * BODY.len() as u64, "{}: {} units", case.name, run.fuel);
    assert!(run.memory_bytes <= u64::from(MEMORY_BYTES), "{}: {} bytes", case.name, run.memory_bytes);
    assert!(run.logs.len() <= 100 && run.summary.len() <= 2_048, "{}", case.name);
    let without = |reason: &str, start: &str| {
        let start = format!("plugin {} {start}", case.name);
        reason.strip_prefix(&start).unwrap_or_else(|| panic!("{reason:?} does not begin with {start:?}")).to_owned()
    };
    match record.verdict {
        ChainVerdict::Deliver { changes } => Ending::Delivered(changes.data.map(Into::into)),
        ChainVerdict::Drop { reason, .. } => Ending::Dropped(reason),
        ChainVerdict::Hold { reason, .. } if run.summary.starts_with("failed: ") => {
            Ending::Failed(without(&reason, "failed: "))
        }
        ChainVerdict::Hold { reason, .. } => Ending::Held(without(&reason, "")),
        ChainVerdict::Again { reason, after_ms, .. } => {
            Ending::Again { reason: without(&reason, "failed: "), after_ms }
        }
        ChainVerdict::Fail { reason, .. } => panic!("{}: failed for good without being told to: {reason}", case.name),
    }
}

#[test]
fn what_breaks_off_holds_even_where_failures_are_skipped() {
    for guest in [Guest::new().transform("unreachable"), Guest::new().transform("(loop $on (br $on))")] {
        let record = run_with(&guest, OnError::Skip);
        assert!(matches!(record.verdict, ChainVerdict::Hold { .. }), "{:?}", record.verdict);
    }
}

#[test]
fn a_flood_of_logs_is_cut_and_the_run_goes_on() {
    let flood = "(local $left i32) (local.set $left (i32.const 1000))
        (loop $on
            (call $log (i32.const 2) (i32.const 2048) (i32.const 4))
            (br_if $on (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))";
    let record = run_with(&Guest::new().text("line").transform(flood), OnError::Hold);
    assert_eq!(delivered(&record), &Changes::default());
    let run = &record.runs[0];
    assert_eq!((run.logs.len(), run.logs_cut, run.logs[99].message.as_str()), (100, true, "line"));
}

//! The hostile corpus against one engine with the default limits: each case ends as its table says, within time and
//! memory, and the plugin after it runs as if nothing had been.

use std::time::Instant;

use hookwright_hostile::{Case, Ending, FUEL, MEMORY_BYTES, corpus};

use super::*;
use crate::config::PluginLimits;

/// Fuel of 20 ms and a compiler without a queue, on the slowest and busiest of machines.
const MOST_MILLIS: u128 = 3_000;

#[test]
fn every_case_ends_as_it_must_and_the_next_plugin_runs_as_before() {
    let limits = PluginLimits::default().usual;
    let small = limits.small;
    assert_eq!((small.fuel.get(), small.memory_bytes.get()), (FUEL, MEMORY_BYTES as usize), "as the corpus says");
    let engine = Engine::new(THREADS, Arc::new(Compiler::in_process())).expect("wasmtime works here");
    let healthy = engine.load(&name("healthy"), &chain::appending().wasm(), &limits).expect("loads");
    let healthy = job_of([healthy], OnError::Hold);
    let before = run_chain(&healthy);
    let mut wrong = Vec::new();
    for case in corpus(BODY.len()) {
        let began = Instant::now();
        let ending = ending(&engine, &limits, &case);
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
fn ending(engine: &Engine, limits: &LimitsByKind, case: &Case) -> Ending {
    let plugin = match engine.load(&name(case.name), &case.wasm, limits) {
        Ok(plugin) => plugin,
        Err(error) => return Ending::Refused(error.to_string()),
    };
    let (fuel, memory_bytes) = plugin.limits();
    let record = run_chain(&job_of([plugin], OnError::Hold));
    let run = &record.runs[0];
    assert!(run.fuel <= fuel + 300 * BODY.len() as u64, "{}: {} units", case.name, run.fuel);
    assert!(run.memory_bytes <= memory_bytes as u64, "{}: {} bytes", case.name, run.memory_bytes);
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

#[test]
fn a_panic_is_told_in_its_own_words() {
    let guest = Guest::new()
        .text("index out of bounds: the len is 3 but the index is 7")
        .transform(&format!("(call $log (i32.const 5) (i32.const {TEXT}) (i32.const 52)) unreachable"));
    let record = run_with(&guest, OnError::Skip);
    let reason = "panicked: index out of bounds: the len is 3 but the index is 7";
    let plugin = "test".parse().expect("a name");
    assert_eq!(record.verdict, ChainVerdict::Hold { plugin, reason: format!("plugin test {reason}") });
    assert_eq!((record.runs[0].summary.as_str(), record.runs[0].logs[0].level.as_str()), (reason, "critical"));
    assert_eq!(
        (record.runs[0].verdict, record.runs[0].backtrace.as_slice()),
        (RunVerdict::Broke, &["transform".to_owned()][..])
    );
    let rust = "panicked at src/lib.rs:7:5:\nno title";
    let guest = Guest::new()
        .text(rust)
        .transform(&format!("(call $log (i32.const 5) (i32.const {TEXT}) (i32.const {})) unreachable", rust.len()));
    assert_eq!(held(&guest), "plugin test panicked at src/lib.rs:7:5: no title");
    let silent = Guest::new().transform("unreachable");
    assert_eq!(held(&silent), "plugin test aborted without a message (`unreachable`) in transform");
}

#[test]
fn a_backtrace_has_the_authors_functions_and_is_short() {
    // Names as rustc mangles them; the panic's own frames lie innermost.
    let guest = Guest::new().transform("(call $_ZN6redact4path4find17h0123456789abcdefE (i32.const 20))").with(
        "(func $_ZN4core9panicking9panic_fmt17h0123456789abcdefE (call $rust_panic))
         (func $rust_panic unreachable)
         (func $_ZN6redact4path4find17h0123456789abcdefE (param $left i32)
            (if (i32.eqz (local.get $left)) (then (call $_ZN4core9panicking9panic_fmt17h0123456789abcdefE)))
            (call $_ZN6redact4path4find17h0123456789abcdefE (i32.sub (local.get $left) (i32.const 1))))",
    );
    let backtrace = &run_with(&guest, OnError::Hold).runs[0].backtrace;
    assert_eq!(backtrace.as_slice(), ["redact::path::find"; 8]);
}

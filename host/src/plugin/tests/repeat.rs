//! The same run is the same run: in the same engine, and in another.

use super::*;
use crate::delivery::PluginRun;

const TIMES: usize = 1_000;

/// Uses whatever could differ: the clock, random numbers, floats (a NaN and a rounded sum), logs, fresh memory and
/// the stack's depth. Answers with 40 bytes of it and logs 8 of them.
fn curious() -> Guest {
    Guest::new()
        .with(
            "(func $deep (param $left i32) (result f64)
                (if (result f64) (i32.eqz (local.get $left))
                    (then (f64.const 0.1))
                    (else (f64.add (f64.sqrt (f64.convert_i32_u (local.get $left)))
                        (call $deep (i32.sub (local.get $left) (i32.const 1)))))))",
        )
        .text("a line to log")
        .transform(&format!(
            "(i64.store (i32.const 3000) (call $random))
             (i64.store (i32.const 3008) (call $now))
             (f64.store (i32.const 3016) (f64.div (f64.const 0) (f64.const 0)))
             (f64.store (i32.const 3024) (call $deep (i32.wrap_i64 (i64.and (call $random) (i64.const 255)))))
             (i64.store (i32.const 3032) (i64.load (i32.const 4000)))
             (i64.store (i32.const 4000) (i64.const 7))
             (call $log (i32.const 2) (i32.const {TEXT})
                (i32.add (i32.const 1) (i32.wrap_i64 (i64.and (call $random) (i64.const 7)))))
             (i32.store (i32.const {DATA}) (i32.const 1))
             (call $pair (i32.const {}) (i32.const 3000) (i32.const 40))",
            DATA + 4
        ))
}

fn run_in(engine: &Engine, run: u32) -> ChainRecord {
    let plugin = engine.load(&"test".parse().expect("a name"), &curious().wasm(), &LIMITS).expect("loads");
    run_chain(&ChainJob { run, ..job_of([plugin], OnError::Hold) })
}

/// Without what the machine's speed decides.
fn timeless(mut record: ChainRecord) -> ChainRecord {
    record.runs = record.runs.into_iter().map(|run| PluginRun { micros: 0, ..run }).collect();
    record
}

#[test]
fn a_chain_that_was_tried_with_less_fuel_is_the_same_when_it_is_run() {
    let plugins = || [named("a", &chain::appending()), named("b", &curious())];
    let first = timeless(run_chain(&job_of(plugins(), OnError::Hold)));
    let [one, both] = [first.runs[0].fuel, first.runs[0].fuel + first.runs[1].fuel];

    let handing = Handing::default();
    let job = ChainJob { handing: Some(handing.clone()), ..job_of(plugins(), OnError::Hold) };
    // The plugin that was not cut short leaves nothing either.
    for fuel in [0, one - 1, one, both - 1, both] {
        assert_eq!(try_chain(&job, fuel), None, "{fuel} of {both}");
    }
    assert!(handing.take().is_empty());
    assert_eq!(try_chain(&job, both + 1).map(timeless), Some(first));
    assert_eq!(handing.take().len(), 2);
}

#[test]
fn a_plugin_that_would_not_end_anyway_is_held_by_a_trial_too() {
    let job = job_of([load(&Guest::new().transform("(loop $on (br $on))").wasm()).expect("loads")], OnError::Skip);
    assert_eq!(try_chain(&job, 1_000_000), None);
    let ChainVerdict::Hold { reason, .. } = try_chain(&job, u64::MAX).expect("ends").verdict else { panic!("held") };
    assert!(reason.contains("ran out of fuel: 5007200 units"), "{reason}");
}

#[test]
fn a_thousand_runs_and_another_engine_agree_to_the_byte_and_the_unit_of_fuel() {
    let plugin = load(&curious().wasm()).expect("loads");
    let job = job_of([plugin], OnError::Hold);
    let first = timeless(run_chain(&job));
    assert_eq!(delivered(&first).data.as_ref().map(Bytes::len), Some(40));
    assert_eq!((first.runs[0].verdict, first.runs[0].logs.len()), (RunVerdict::Delivered, 1));
    let conditions = first.conditions.as_ref().expect("a plugin ran");
    assert_eq!((conditions.run, conditions.now), (1, Timestamp::from_ms(2_000)));
    for _ in 1..TIMES {
        assert_eq!(timeless(run_chain(&job)), first);
    }
    let fresh = Engine::new(THREADS, Arc::new(Compiler::in_process())).expect("wasmtime works here");
    assert_eq!(timeless(run_in(&fresh, 1)), first);
    assert_ne!(delivered(&run_in(&fresh, 2)).data, delivered(&first).data, "another run draws other numbers");
}

#[test]
fn a_binding_tells_what_changed_and_no_secret() {
    let plugin = Arc::new(load(&curious().wasm()).expect("loads"));
    let used = |config: &str| PluginUse {
        plugin: plugin.name.clone(),
        config: config.into(),
        on_error: OnError::Hold,
        shadow: None,
    };
    let none = binding::of_use(&plugin, &used("{}"));
    let some = binding::of_use(&plugin, &used(r#"{"key":"hunter2"}"#));
    assert_eq!((none.fuel, none.memory_bytes, &none.config), (5_000_000, 1 << 20, &None));
    assert!(some != none && some != binding::of_use(&plugin, &used(r#"{"key":"hunter3"}"#)));
    assert!(!format!("{some:?}").contains("hunter"));
}

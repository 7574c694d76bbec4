//! What plugins do to a delivery when they behave: rewrite, drop, fail.

use super::*;

#[test]
fn nothing_survives_a_run() {
    // The payload becomes the digit of a counter that lives in the module, and one in its memory.
    let guest = Guest::new().with("(global $calls (mut i32) (i32.const 0))").transform(&format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (i32.store (i32.const 4000) (i32.add (i32.load (i32.const 4000)) (i32.const 1)))
         (i32.store8 (i32.const 3000) (i32.add (i32.const 48) (global.get $calls)))
         (i32.store8 (i32.const 3001) (i32.add (i32.const 48) (i32.load (i32.const 4000))))
         (i32.store (i32.const {DATA}) (i32.const 1))
         (call $pair (i32.const {}) (i32.const 3000) (i32.const 2))",
        DATA + 4
    ));
    let job = job_of([load(&guest.wasm()).expect("loads")], OnError::Hold);
    for _ in 0..3 {
        assert_eq!(delivered(&run_chain(&job)).data.as_deref(), Some(b"11".as_slice()));
    }
}

/// Appends `!` to the payload, behind it on the heap.
pub(super) fn appending() -> Guest {
    let pointer = format!("(i32.load offset={DELIVERY_DATA} (local.get $delivery))");
    let length = format!("(i32.load offset={} (local.get $delivery))", DELIVERY_DATA + 4);
    Guest::new().transform(&format!(
        "(memory.copy (i32.const 100000) {pointer} {length})
         (i32.store8 (i32.add (i32.const 100000) {length}) (i32.const 33))
         (i32.store (i32.const {DATA}) (i32.const 1))
         (call $pair (i32.const {}) (i32.const 100000) (i32.add {length} (i32.const 1)))",
        DATA + 4
    ))
}

#[test]
fn each_plugin_sees_the_payload_as_the_one_before_left_it() {
    let load =
        |name: &str, guest: &Guest| ENGINE.load(&name.parse().expect("a name"), &guest.wasm(), &LIMITS).expect("loads");
    let stamped = appending().text("X-Stampyes").transform(&set_header(7, 3));
    let record = run_chain(&job_of([load("a", &appending()), load("b", &stamped)], OnError::Hold));
    let changes = delivered(&record);
    assert_eq!(changes.data.as_deref(), Some(format!("{BODY}!!").as_bytes()));
    assert_eq!(changes.set_headers, [("x-stamp".to_owned(), "yes".to_owned())]);
    let summaries: Vec<_> = record.runs.iter().map(|run| run.summary.as_str()).collect();
    assert_eq!(summaries, ["rewrote payload (24 → 25 bytes)", "rewrote payload (25 → 26 bytes), set 1 header"]);
    assert!(record.runs.iter().all(|run| run.fuel > 0 && run.memory_bytes >= 2 << 16 && run.digest.is_some()));
}

#[test]
fn the_same_run_is_the_same_to_the_unit_of_fuel() {
    let guest = Guest::new().transform(&format!(
        "(i64.store (i32.const 3000) (call $random)) (i64.store (i32.const 3008) (call $now))
         (i32.store (i32.const {DATA}) (i32.const 1))
         (call $pair (i32.const {}) (i32.const 3000) (i32.const 16))",
        DATA + 4
    ));
    let job = job_of([load(&guest.wasm()).expect("loads")], OnError::Hold);
    let (one, two) = (run_chain(&job), run_chain(&job));
    assert_eq!((&one.verdict, one.runs[0].fuel), (&two.verdict, two.runs[0].fuel));
    let clock = delivered(&one).data.as_ref().map(|data| u64::from_le_bytes(data[8..].try_into().expect("8 bytes")));
    assert_eq!(clock, Some(2_000));
    let again = run_chain(&ChainJob { run: 2, ..job });
    assert_ne!(delivered(&one).data, delivered(&again).data, "another run draws other numbers");
}

#[test]
fn a_drop_ends_the_chain_with_its_reason() {
    let guest = Guest::new().text("not published").transform(&format!(
        "(i32.store (i32.const {VERDICT}) (i32.const 1))
         (call $pair (i32.const {DROP_REASON}) (i32.const {TEXT}) (i32.const 13))"
    ));
    let record = run_with(&guest, OnError::Hold);
    let plugin = "test".parse().expect("a name");
    assert_eq!(record.verdict, ChainVerdict::Drop { plugin, reason: "not published".into() });
    let run = &record.runs[0];
    assert_eq!((run.verdict, run.summary.as_str()), (RunVerdict::Dropped, "dropped: not published"));
    assert_eq!(run.version.as_deref(), Some("0.1.0"));
}

/// Fails with message `busy`: permanently (0), retryable (1), and after `delay` if given.
fn failing(kind: u32, delay: Option<u64>) -> Guest {
    let delay = delay.map_or_else(String::new, |delay| {
        format!(
            "(i32.store (i32.const {FAILURE_DELAY}) (i32.const 1))
             (i64.store (i32.const {}) (i64.const {delay}))",
            FAILURE_DELAY + 8
        )
    });
    Guest::new().text("busy").transform(&format!(
        "(i32.store (i32.const {ANSWER}) (i32.const 1)) (i32.store (i32.const {VERDICT}) (i32.const {kind})) {delay}
         (call $pair (i32.const {FAILURE_MESSAGE}) (i32.const {TEXT}) (i32.const 4))"
    ))
}

#[test]
fn on_error_decides_about_failures_the_plugin_returned() {
    let (plugin, reason): (PluginName, _) = ("test".parse().expect("a name"), "plugin test failed: busy".to_owned());
    let permanent = |on_error| run_with(&failing(0, None), on_error).verdict;
    let (p, r) = (|| plugin.clone(), || reason.clone());
    assert_eq!(permanent(OnError::Hold), ChainVerdict::Hold { plugin: p(), reason: r() });
    assert_eq!(permanent(OnError::Fail), ChainVerdict::Fail { plugin: p(), reason: r() });
    assert_eq!(permanent(OnError::Drop), ChainVerdict::Drop { plugin: p(), reason: r() });
    assert_eq!(permanent(OnError::Skip), ChainVerdict::Deliver { changes: Changes::default() });
    for (asked, after_ms) in [(None, 10_000), (Some(0), 1_000), (Some(5_000), 5_000), (Some(u64::MAX), 3_600_000)] {
        let verdict = run_with(&failing(1, asked), OnError::Hold).verdict;
        assert_eq!(verdict, ChainVerdict::Again { plugin: p(), reason: r(), after_ms });
    }
    let skipped = run_with(&failing(1, None), OnError::Skip);
    assert_eq!(delivered(&skipped), &Changes::default());
    assert_eq!(skipped.runs[0].summary, "failed: busy (skipped)");
}

/// Fails with message `busy` and `code`.
fn coded(code: &str) -> Guest {
    failing(0, None).text(&format!("busy{code}")).transform(&format!(
        "(i32.store (i32.const {FAILURE_CODE}) (i32.const 1))
         (call $pair (i32.const {}) (i32.const {}) (i32.const {}))",
        FAILURE_CODE + 4,
        TEXT + 4,
        code.len()
    ))
}

#[test]
fn a_failure_may_have_a_code_that_is_kept_and_shown() {
    let record = run_with(&coded("missing-field"), OnError::Hold);
    let ChainVerdict::Hold { reason, .. } = &record.verdict else { panic!("held was expected") };
    assert_eq!(reason, "plugin test failed: busy [missing-field]");
    let run = &record.runs[0];
    assert_eq!((run.verdict, run.code.as_deref()), (RunVerdict::Failed, Some("missing-field")));
    assert_eq!(run.summary, "failed: busy [missing-field]");
    for bad in ["", "Missing", "missing field", "1st", "naïve", &"x".repeat(65)] {
        let run = run_with(&coded(bad), OnError::Skip).runs.remove(0);
        assert_eq!((run.verdict, run.code), (RunVerdict::Broke, None), "{bad:?}");
        assert!(run.summary.starts_with("broke the contract: the code"), "{}", run.summary);
    }
}

#[test]
fn a_plugin_that_is_not_there_holds() {
    let mut job = job_of([load(&Guest::new().wasm()).expect("loads")], OnError::Skip);
    job.plugins = Arc::new(Catalog::default());
    let record = run_chain(&job);
    let reason =
        "plugin test is not loaded; put test.wasm into plugins/; of a file that is there already, `hookwright check` \
                  says what is wrong with it"
            .to_owned();
    assert_eq!(record.verdict, ChainVerdict::Hold { plugin: "test".parse().expect("a name"), reason });
    assert_eq!((record.runs[0].digest, record.runs[0].verdict), (None, RunVerdict::Absent));
}

#[test]
fn without_room_for_a_pool_instances_are_made_on_demand() {
    let linkers = Linkers::new(&engine::scarce().expect("wasmtime works here")).expect("links");
    let engine = Engine { linkers, compiler: Arc::new(Compiler::in_process()), loading: Mutex::new(()) };
    let plugin = engine.load(&"test".parse().expect("a name"), &appending().wasm(), &LIMITS).expect("loads");
    let record = run_chain(&job_of([plugin], OnError::Hold));
    assert_eq!(delivered(&record).data.as_deref(), Some(format!("{BODY}!").as_bytes()));
}

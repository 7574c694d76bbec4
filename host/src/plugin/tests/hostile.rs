//! What a plugin can do to the host while it runs: it ends within its limits and leaves a reason that tells
//! its author what to do.

use super::*;

#[test]
fn an_endless_loop_ends_at_its_fuel() {
    let endless = "(loop $on (br $on))";
    // 300 units more for each of the payload's 24 bytes.
    let reason = "plugin test ran out of fuel: 5007200 units (about 1 ms); it may loop endlessly";
    assert_eq!(held(&Guest::new().transform(endless)), reason);
    let reason = "ran out of fuel: 5000000 units (about 1 ms); it may loop endlessly";
    let describe = Guest::new().describe(endless).wasm();
    assert_eq!(refusal(&describe), format!("on a trial run of `describe` it {reason}"));
    let start = Guest::new().with(&format!("(func $begin {endless}) (start $begin)")).wasm();
    assert_eq!(refusal(&start), format!("on a trial run of `describe` it {reason}"));
}

#[test]
fn a_loop_of_costly_instructions_does_not_outlast_its_fuel() {
    for costly in [
        "(memory.fill (i32.const 65536) (i32.const 1) (i32.const 65536))",
        "(drop (memory.grow (i32.const 0)))",
        "(drop (call $random))",
        "(call $log (i32.const 0) (i32.const 70000) (i32.const 60000))",
    ] {
        let guest = Guest::new().transform(&format!("(loop $on {costly} (br $on))"));
        assert!(held(&guest).contains("ran out of fuel"), "{costly}");
        let run = &run_with(&guest, OnError::Hold).runs[0];
        // A millisecond of fuel, on the slowest and busiest of machines.
        assert!(run.micros < 250_000, "{costly} took {} µs", run.micros);
    }
}

#[test]
fn endless_recursion_ends_at_the_stack() {
    let guest = Guest::new().transform("(drop (call $transform (local.get $delivery)))");
    assert_eq!(held(&guest), "plugin test ran out of stack (256 KiB) in transform; it may call itself endlessly");
}

#[test]
fn memory_is_counted_in_sum() {
    let limit = SMALL.memory_bytes;
    let grow = Guest::new().transform("(drop (memory.grow (i32.const 15)))");
    let wanted = |pages: usize| {
        format!(
            "plugin test needs more memory than it may have: {} bytes in all, limit {limit} (`plugins.memoryBytes`)",
            // The componentiser's shim has a table of one entry.
            (pages << 16) + size_of::<usize>()
        )
    };
    assert_eq!(held(&grow), wanted(17));
    let several = Guest::new()
        .with("(memory $other 3) (memory $third 3)")
        .transform("(drop (memory.grow $other (i32.const 4))) (drop (memory.grow $third (i32.const 5)))");
    assert_eq!(held(&several), wanted(2 + 3 + 3 + 4 + 5));
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

#[test]
fn pointers_out_of_bounds_and_bad_text_are_trapped() {
    let text = |pointer: u32, length: u32| {
        Guest::new().text("\u{0}").transform(&format!(
            "(i32.store8 (i32.const {TEXT}) (i32.const 0xff))
             (i32.store (i32.const {CONTENT_TYPE}) (i32.const 1))
             (call $pair (i32.const {}) (i32.const {pointer}) (i32.const {length}))",
            CONTENT_TYPE + 4
        ))
    };
    assert_eq!(held(&text(TEXT, 1)), "plugin test passed text that is not UTF-8");
    assert_eq!(held(&text(0xffff_0000, 10)), "plugin test broke off: string pointer/length out of bounds of memory");
    let list =
        Guest::new().transform(&format!("(call $pair (i32.const {SET_HEADERS}) (i32.const 0) (i32.const 10000000))"));
    assert_eq!(held(&list), "plugin test broke off: list pointer/length out of bounds of memory");
    let load = Guest::new().transform("(drop (i32.load (i32.const -4)))");
    assert_eq!(held(&load), "plugin test trapped: out of bounds memory access in transform");
    let nowhere = Guest::new().transform("(return (i32.const -64))");
    assert_eq!(held(&nowhere), "plugin test broke off: pointer out of bounds of memory");
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
fn a_huge_line_is_cut() {
    let guest = Guest::new().transform("(call $log (i32.const 3) (i32.const 70000) (i32.const 60000))");
    let record = run_with(&guest, OnError::Hold);
    assert_eq!(delivered(&record), &Changes::default());
    assert_eq!((record.runs[0].logs[0].message.len(), record.runs[0].logs_cut), (2048, true));
}

#[test]
fn output_is_bounded_in_bytes() {
    let output = |bytes: u32| {
        let guest = Guest::new().memory("(memory (export \"memory\") 255)").transform(&format!(
            "(i32.store (i32.const {DATA}) (i32.const 1))
             (call $pair (i32.const {}) (i32.const 0) (i32.const {bytes}))",
            DATA + 4
        ));
        run_with(&guest, OnError::Skip)
    };
    let limit = 4_u32 << 20;
    assert_eq!(delivered(&output(limit)).data.as_ref().map(Bytes::len), Some(limit as usize));
    for (bytes, reason) in [
        (limit + 1, "broke the contract: the new payload has 4194305 bytes, limit 4194304"),
        (
            16_000_000,
            "broke off: too much data is being copied between the host and the guest: fuel allocated for hostcalls \
             has been exhausted",
        ),
    ] {
        assert_eq!(output(bytes).runs[0].summary, reason);
    }
}

#[test]
fn headers_that_break_http_or_belong_to_the_host_hold() {
    let header = |name: &str, value: &str| {
        held(&Guest::new().text(&format!("{name}{value}")).transform(&set_header(name.len(), value.len())))
    };
    assert_eq!(
        header("X-A", "a\r\nX-Injected: 1"),
        "plugin test broke the contract: the value of header x-a has characters that HTTP does not allow, such as \
         line ends"
    );
    assert_eq!(
        header("Webhook-Signature", "v1,forged"),
        "plugin test broke the contract: header webhook-signature belongs to the host; plugins may not set or remove \
         it"
    );
    let remove = Guest::new().text("Host").transform(&format!(
        "(call $pair (i32.const 1024) (i32.const {TEXT}) (i32.const 4))
         (call $pair (i32.const {REMOVE_HEADERS}) (i32.const 1024) (i32.const 1))"
    ));
    assert!(held(&remove).starts_with("plugin test broke the contract: header host belongs to the host"));
}

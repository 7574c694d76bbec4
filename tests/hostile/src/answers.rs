//! Plugins that answer what no plugin may.

use crate::guest::{
    ANSWER, DATA, DROP_REASON, FAILURE_DELAY, FAILURE_MESSAGE, Guest, REMOVE_HEADERS, SET_HEADERS, TEXT, VERDICT,
};
use crate::{Case, Ending, held, pair, size, store, times, unharmed};

pub(crate) fn cases() -> Vec<Case> {
    [shapes(), payloads(), words()].into_iter().flatten().collect()
}

fn shapes() -> Vec<Case> {
    let transform = |code: &str| Guest::new().transform(code);
    vec![
        held("answer-nowhere", &transform("(return (i32.const -64))"), "broke off: pointer out of bounds of memory"),
        held("answer-misaligned", &transform("(return (i32.const 513))"), "broke off: return pointer not aligned"),
        held("answer-of-no-kind", &transform(&store(ANSWER, 9)), "broke off: invalid expected discriminant"),
        held("verdict-of-no-kind", &transform(&store(VERDICT, 77)), "broke off: unexpected discriminant: 77"),
        held("option-of-no-kind", &transform(&store(DATA, 2)), "broke off: invalid option discriminant"),
        held("failure-of-no-kind", &transform(&(store(ANSWER, 1) + &store(VERDICT, 5))), "broke off: unexpected discriminant: 5"),
        held("list-of-10-million", &transform(&pair(SET_HEADERS, 0, 10_000_000)), "broke off: list pointer/length out of bounds of memory"),
        held("list-whose-size-overflows", &transform(&pair(SET_HEADERS, 0, 0xffff_ffff)), "broke off: list pointer/length out of bounds of memory"),
        held("list-misaligned", &transform(&pair(SET_HEADERS, 1, 1)), "broke off: list pointer is not aligned"),
        held("list-that-holds-the-answer", &transform(&pair(SET_HEADERS, ANSWER, 1)), "broke the contract: \"\" is not a header name"),
        held("names-of-240-mb-in-sum", &Guest::new().memory("(memory (export \"memory\") 64)").transform(
            &(times(60_000, "(call $pair (i32.add (i32.const 200000) (i32.mul (local.get $left) (i32.const 8))) (i32.const 100000) (i32.const 4000))") + &pair(REMOVE_HEADERS, 200_008, 60_000))), "broke off: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted"),
    ]
}

fn payloads() -> Vec<Case> {
    let large = |bytes: u32| {
        Guest::new().memory("(memory (export \"memory\") 255)").transform(&(store(DATA, 1) + &pair(DATA + 4, 0, bytes)))
    };
    let small = |code: &str| Guest::new().transform(&(code.to_owned() + &store(DATA, 1) + &pair(DATA + 4, 3000, 2)));
    let kept = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (i32.store (i32.const 4000) (i32.add (i32.load (i32.const 4000)) (i32.const 1)))
         (i32.store8 (i32.const 3000) (i32.add (i32.const 48) (global.get $calls)))
         (i32.store8 (i32.const 3001) (i32.add (i32.const 48) (i32.load (i32.const 4000))))";
    vec![
        held(
            "payload-of-16-mb",
            &large(16_000_000),
            "broke off: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted",
        ),
        held("payload-of-200-mb", &large(200_000_000), "broke off: list pointer/length out of bounds of memory"),
        held(
            "payload-a-byte-too-long",
            &large((4 << 20) + 1),
            "broke the contract: the new payload has 4194305 bytes, limit 4194304",
        ),
        held("payload-nowhere", &large(0xffff_ff00), "broke off: list pointer/length out of bounds of memory"),
        Case {
            name: "payload-empty",
            wasm: Guest::new().transform(&store(DATA, 1)).wasm(),
            ending: Ending::Delivered(Some(Vec::new())),
        },
        Case {
            name: "keeps-state-between-runs",
            wasm: small(kept).with("(global $calls (mut i32) (i32.const 0))").wasm(),
            ending: Ending::Delivered(Some(b"11".to_vec())),
        },
        Case {
            // The bits of a NaN may differ between machines, but not once canonical.
            name: "writes-the-bits-of-a-nan",
            wasm: Guest::new()
                .transform(
                    &("(f64.store (i32.const 3000) (f64.div (f64.neg (f64.const 0)) (f64.const 0)))".to_owned()
                        + &store(DATA, 1)
                        + &pair(DATA + 4, 3000, 8)),
                )
                .wasm(),
            ending: Ending::Delivered(Some(f64::from_bits(0x7ff8_0000_0000_0000).to_le_bytes().to_vec())),
        },
        unharmed(
            "data-that-overlaps",
            &Guest::new().with(
                "(data (i32.const 5000) \"aaaa\") (data (i32.const 5002) \"bbbb\") (data (i32.const 5000) \"cc\")",
            ),
        ),
        unharmed(
            "custom-section-of-8-mb",
            &Guest::new().with(&format!("(@custom \"padding\" \"{}\")", "x".repeat(8 << 20))),
        ),
    ]
}

fn words() -> Vec<Case> {
    let drops = |guest: Guest, bytes: u32| guest.transform(&(store(VERDICT, 1) + &pair(DROP_REASON, TEXT, bytes)));
    let fails = |guest: Guest, retry: Option<u64>, bytes: u32| {
        let delay = retry.map_or_else(String::new, |delay| {
            store(VERDICT, 1)
                + &store(FAILURE_DELAY, 1)
                + &format!("(i64.store (i32.const {}) (i64.const {delay}))", FAILURE_DELAY + 8)
        });
        guest.transform(&(store(ANSWER, 1) + &delay + &pair(FAILURE_MESSAGE, TEXT, bytes)))
    };
    let large = || {
        Guest::new()
            .memory("(memory (export \"memory\") 80)")
            .transform(&format!("(memory.fill (i32.const {TEXT}) (i32.const 66) (i32.const 3000000))"))
    };
    let escapes = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n\u{202e}gone";
    let cut = || format!("{}…", "B".repeat(1024));
    let case = |name, guest: Guest, ending| Case { name, wasm: guest.wasm(), ending };
    vec![
        case("drops-with-a-reason-of-3-mb", drops(large(), 3_000_000), Ending::Dropped(cut())),
        case(
            "drops-with-escapes",
            drops(Guest::new().text(escapes), size(escapes)),
            Ending::Dropped(escapes.to_owned()),
        ),
        case("drops-without-a-reason", drops(Guest::new(), 0), Ending::Dropped(String::new())),
        case("fails-with-3-mb", fails(large(), None, 3_000_000), Ending::Failed(cut())),
        case(
            "fails-with-escapes",
            fails(Guest::new().text(escapes), None, size(escapes)),
            Ending::Failed(escapes.to_owned()),
        ),
        case(
            "wants-to-wait-for-ever",
            fails(Guest::new().text("later"), Some(u64::MAX), 5),
            Ending::Again { reason: "later".to_owned(), after_ms: 3_600_000 },
        ),
        case(
            "wants-to-run-again-at-once",
            fails(Guest::new().text("again"), Some(0), 5),
            Ending::Again { reason: "again".to_owned(), after_ms: 1_000 },
        ),
        held(
            "drop-reason-not-utf8",
            &drops(Guest::new().with(&format!("(data (i32.const {TEXT}) \"\\c3\\28\")")), 2),
            "passed text that is not UTF-8",
        ),
        held(
            "drop-reason-of-2-gib",
            &drops(Guest::new(), 0x7fff_ffff),
            "broke off: string pointer/length out of bounds of memory",
        ),
    ]
}

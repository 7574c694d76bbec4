//! Plugins that want all of the machine's time or memory.

use crate::guest::{Guest, TEXT};
use crate::{Case, MEMORY_BYTES, PAGE_BYTES, for_ever, held, numbered, out_of_fuel, over_memory, times, unharmed};

pub(crate) fn cases(fuel: u64) -> Vec<Case> {
    [time(fuel), memory(), floods()].into_iter().flatten().collect()
}

fn time(fuel: u64) -> Vec<Case> {
    let transform = |code: &str| Guest::new().transform(code);
    let big = || Guest::new().memory("(memory (export \"memory\") 100)");
    let table = "(table $t 1000 10000 funcref) (elem declare func $pair)";
    let reason = out_of_fuel(fuel);
    let hungry = |name, guest: Guest| held(name, &guest, reason.clone());
    vec![
        hungry("loops", transform(&for_ever(""))),
        hungry("divides-for-ever", transform(&for_ever("(drop (i64.div_u (i64.const -1) (i64.const 3)))"))),
        hungry("takes-roots-for-ever", transform(&for_ever("(drop (f64.sqrt (f64.const 2)))"))),
        hungry(
            "fills-memory",
            big().transform(&for_ever("(memory.fill (i32.const 65536) (i32.const 1) (i32.const 6000000))")),
        ),
        hungry(
            "copies-memory",
            big().transform(&for_ever("(memory.copy (i32.const 65536) (i32.const 65537) (i32.const 6000000))")),
        ),
        hungry("grows-by-nothing", transform(&for_ever("(drop (memory.grow (i32.const 0)))"))),
        hungry(
            "fills-a-table",
            Guest::new()
                .with(table)
                .transform(&for_ever("(table.fill $t (i32.const 0) (ref.func $pair) (i32.const 1000))")),
        ),
        hungry(
            "copies-a-table",
            Guest::new()
                .with(table)
                .transform(&for_ever("(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 999))")),
        ),
        hungry(
            "grows-a-table-by-nothing",
            Guest::new().with(table).transform(&for_ever("(drop (table.grow $t (ref.null func) (i32.const 0)))")),
        ),
        hungry("draws-numbers", transform(&for_ever("(drop (call $random))"))),
        hungry("asks-for-the-time", transform(&for_ever("(drop (call $now))"))),
        hungry(
            "logs-for-ever",
            Guest::new()
                .text("line")
                .transform(&for_ever(&format!("(call $log (i32.const 2) (i32.const {TEXT}) (i32.const 4))"))),
        ),
        hungry(
            "logs-60-kb-for-ever",
            transform(&for_ever("(call $log (i32.const 2) (i32.const 70000) (i32.const 60000))")),
        ),
        hungry("logs-nothing-for-ever", transform(&for_ever("(call $log (i32.const 0) (i32.const 0) (i32.const 0))"))),
        hungry(
            "calls-through-a-table",
            Guest::new()
                .with("(table 2 funcref) (elem (i32.const 0) func $nothing) (type $plain (func)) (func $nothing)")
                .transform(&for_ever("(call_indirect (type $plain) (i32.const 0))")),
        ),
        hungry(
            "calls-400-functions-deep",
            Guest::new()
                .with(&numbered(400, |n| {
                    format!("(func $f{n} {})", if n == 399 { String::new() } else { format!("(call $f{})", n + 1) })
                }))
                .transform(&for_ever("(call $f0)")),
        ),
        hungry("allocator-loops", Guest::new().realloc(&for_ever(""))),
        hungry(
            "clean-up-loops",
            Guest::new().with(&format!(
                "(func (export \"cabi_post_hookwright:plugin/transformer@1.0.0#transform\") (param i32) {})",
                for_ever("")
            )),
        ),
    ]
}

fn memory() -> Vec<Case> {
    let pages = MEMORY_BYTES / PAGE_BYTES;
    let wanted = |pages: u32| over_memory(u64::from(pages) * u64::from(PAGE_BYTES));
    let table = "(table $t 0 funcref)";
    vec![
        held(
            "grows-at-once",
            &Guest::new().transform(&format!("(drop (memory.grow (i32.const {pages})))")),
            wanted(pages + 2),
        ),
        held(
            "grows-page-by-page",
            &Guest::new().transform(&for_ever("(drop (memory.grow (i32.const 1)))")),
            wanted(pages + 1),
        ),
        held("grows-to-4-gib", &Guest::new().transform("(drop (memory.grow (i32.const 65530)))"), wanted(65_532)),
        held(
            "grows-several-memories",
            &Guest::new().with("(memory $other 3) (memory $third 3)").transform(&for_ever(
                "(drop (memory.grow $other (i32.const 1))) (drop (memory.grow $third (i32.const 1)))",
            )),
            wanted(pages + 1),
        ),
        unharmed(
            "grows-beyond-its-own-maximum",
            &Guest::new()
                .memory("(memory (export \"memory\") 2 3)")
                .transform("(if (i32.ne (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable))"),
        ),
        unharmed(
            "grows-a-table-beyond-its-bound",
            &Guest::new().with(table).transform(
                "(if (i32.ne (table.grow $t (ref.null func) (i32.const 100000000)) (i32.const -1)) (then unreachable))",
            ),
        ),
        unharmed(
            "touches-all-of-its-memory",
            &Guest::new()
                .memory("(memory (export \"memory\") 255)")
                .transform("(memory.fill (i32.const 65536) (i32.const 90) (i32.const 16640000))"),
        ),
        held(
            "calls-itself",
            &Guest::new().transform("(drop (call $transform (local.get $delivery)))"),
            "ran out of stack (256 KiB) in transform; it may call itself endlessly",
        ),
        held(
            "calls-itself-with-many-locals",
            &Guest::new()
                .with(&format!(
                    "(func $deep (param {}) (call $deep {}))",
                    "i64 ".repeat(900),
                    "(i64.const 1)".repeat(900)
                ))
                .transform(&format!("(call $deep {})", "(i64.const 1)".repeat(900))),
            "ran out of stack (256 KiB) in deep; it may call itself endlessly",
        ),
    ]
}

fn floods() -> Vec<Case> {
    let log =
        |pointer: u32, length: u32| format!("(call $log (i32.const 2) (i32.const {pointer}) (i32.const {length}))");
    vec![
        unharmed("logs-ten-thousand-lines", &Guest::new().text("line").transform(&times(10_000, &log(TEXT, 4)))),
        unharmed(
            "logs-a-line-of-900-kb",
            &Guest::new().memory("(memory (export \"memory\") 16)").transform(&log(100_000, 900_000)),
        ),
        held(
            "logs-a-line-of-12-mb",
            &Guest::new().memory("(memory (export \"memory\") 200)").transform(&log(65_536, 12_000_000)),
            "broke off: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted",
        ),
        unharmed("logs-escapes", &Guest::new().text("\u{1b}]0;owned\u{7}\r\n\u{202e}").transform(&log(TEXT, 15))),
        held(
            "logs-what-is-not-text",
            &Guest::new().with("(data (i32.const 3000) \"\\ff\\fe\")").transform(&log(3000, 2)),
            "passed text that is not UTF-8",
        ),
        held(
            "logs-from-nowhere",
            &Guest::new().transform("(call $log (i32.const 2) (i32.const -8) (i32.const 100))"),
            "broke off: string pointer/length out of bounds of memory",
        ),
        held(
            "logs-a-line-of-2-gib",
            &Guest::new().transform("(call $log (i32.const 2) (i32.const 0) (i32.const 0x7fffffff))"),
            "broke off: string pointer/length out of bounds of memory",
        ),
        held(
            "logs-at-no-level",
            &Guest::new().transform("(call $log (i32.const 77) (i32.const 0) (i32.const 0))"),
            "broke off: unexpected discriminant: 77",
        ),
    ]
}

//! Plugins that stumble.

use crate::guest::{Guest, TEXT};
use crate::{Case, held};

pub(crate) fn cases() -> Vec<Case> {
    let transform = |code: &str| Guest::new().transform(code);
    let table = "(table 4 funcref) (elem (i32.const 0) func $pair) (type $plain (func))";
    vec![
        held("aborts", &transform("unreachable"), "aborted without a message (`unreachable`) in transform"),
        held(
            "panics",
            &Guest::new()
                .text("index out of bounds: the len is 3 but the index is 7")
                .transform(&format!("(call $log (i32.const 5) (i32.const {TEXT}) (i32.const 52)) unreachable")),
            "panicked: index out of bounds: the len is 3 but the index is 7",
        ),
        held(
            "panics-at-length",
            &Guest::new()
                .memory("(memory (export \"memory\") 200)")
                .transform("(memory.fill (i32.const 65536) (i32.const 65) (i32.const 900000)) (call $log (i32.const 5) (i32.const 65536) (i32.const 900000)) unreachable"),
            format!("panicked: {}…", "A".repeat(1022)),
        ),
        held("reads-out-of-bounds", &transform("(drop (i32.load (i32.const -4)))"), "trapped: out of bounds memory access in transform"),
        held("writes-out-of-bounds", &transform("(i64.store offset=4294967295 (i32.const -1) (i64.const 1))"), "trapped: out of bounds memory access in transform"),
        held("fills-out-of-bounds",
            &transform("(memory.fill (i32.const 131000) (i32.const 0) (i32.const 1000))"),
            "trapped: out of bounds memory access in transform",
        ),
        held("divides-by-zero", &transform("(drop (i32.div_s (i32.const 1) (i32.const 0)))"), "trapped: integer divide by zero in transform"),
        held("divides-past-the-end", &transform("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))"), "trapped: integer overflow in transform"),
        held("converts-what-is-no-number", &transform("(drop (i32.trunc_f64_s (f64.const nan)))"), "trapped: invalid conversion to integer in transform"),
        held("calls-another-type", &Guest::new().with(table).transform("(call_indirect (type $plain) (i32.const 0))"), "trapped: indirect call type mismatch in transform"),
        held("calls-nothing", &Guest::new().with(table).transform("(call_indirect (type $plain) (i32.const 3))"), "trapped: uninitialized element in transform"),
        held("calls-beyond-the-table", &Guest::new().with(table).transform("(call_indirect (type $plain) (i32.const 900))"), "trapped: undefined element: out of bounds table access in transform"),
        held("clean-up-traps", &Guest::new().with("(func (export \"cabi_post_hookwright:plugin/transformer@1.0.0#transform\") (param i32) unreachable)"), "aborted without a message (`unreachable`)"),
        held("allocator-traps", &Guest::new().realloc("unreachable"), "aborted without a message (`unreachable`)"),
        held("allocator-answers-nowhere", &Guest::new().realloc("(return (i32.const -16))"), "broke off: realloc return: beyond end of memory"),
        held("allocator-answers-misaligned", &Guest::new().realloc("(return (i32.const 65537))"), "broke off: realloc return: result not aligned"),
        held("calls-out-while-it-allocates", &Guest::new().realloc("(drop (call $now))"), "trapped: cannot leave component instance"),
    ]
}

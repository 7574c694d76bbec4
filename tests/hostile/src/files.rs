//! Files that are no plugins, or too much of one: refused before anything of theirs runs.

use crate::guest::Guest;
use crate::{Case, LARGE_MEMORY_BYTES, PAGE_BYTES, harmless, misfit, numbered, refused};

pub(crate) fn cases() -> Vec<Case> {
    [no_wasm(), too_much()].into_iter().flatten().collect()
}

fn no_wasm() -> Vec<Case> {
    const NO_WASM: &str =
        "not a WebAssembly file: it does not begin with \"\\0asm\"; build for the target wasm32-unknown-unknown";
    let whole = Guest::new().wasm();
    let mut flipped = whole.clone();
    flipped[9] = 0xff;
    vec![
        refused("empty-file", Vec::new(), NO_WASM),
        refused("text-form", b"(module)".to_vec(), NO_WASM),
        refused("zip-archive", [b"PK\x03\x04".as_slice(), &whole].concat(), NO_WASM),
        refused("gzip-archive", [b"\x1f\x8b\x08\x00".as_slice(), &whole].concat(), NO_WASM),
        refused("program-for-linux", [b"\x7fELF\x02\x01\x01".as_slice(), &whole].concat(), NO_WASM),
        refused(
            "head-only",
            whole[..8].to_vec(),
            "a WebAssembly file without the plugin contract (no section `component-type`); write it with hookwright-sdk",
        ),
        refused(
            "truncated-in-code",
            whole[..whole.len() / 3].to_vec(),
            "cut off or damaged at byte 482 (unexpected end-of-file); copy the file again",
        ),
        refused(
            "truncated-by-a-byte",
            whole[..whole.len() - 1].to_vec(),
            "cut off or damaged at byte 482 (unexpected end-of-file); copy the file again",
        ),
        refused(
            "wrong-section-length",
            flipped,
            "cut off or damaged at byte 1382 (section out of order); copy the file again",
        ),
        refused(
            "appended-garbage",
            [whole.as_slice(), &[0xff; 64]].concat(),
            "cut off or damaged at byte 1591 (malformed section id); copy the file again",
        ),
    ]
}

fn too_much() -> Vec<Case> {
    let with = |fields: &str| Guest::new().with(fields).wasm();
    let pages = LARGE_MEMORY_BYTES / PAGE_BYTES;
    vec![
        refused(
            "huge-minimum-memory",
            Guest::new().memory("(memory (export \"memory\") 65536)").wasm(),
            "begins with 4294967296 bytes of memory, limit 134217728 (`plugins.large.memoryBytes`)",
        ),
        refused(
            "many-memories",
            with(&"(memory 0)".repeat(4)),
            "has 5 memories, limit 4; build it in release mode and split it if it still has",
        ),
        refused(
            "memories-large-in-sum",
            with(&format!("(memory {}) (memory {})", pages / 2, pages / 2)),
            "begins with 134348800 bytes of memory, limit 134217728 (`plugins.large.memoryBytes`)",
        ),
        refused(
            "huge-table",
            with("(table 4000000000 funcref)"),
            "has 4000000000 entries in one table, limit 100000; build it in release mode and split it if it still has",
        ),
        refused(
            "many-tables",
            with(&"(table 1 funcref)".repeat(17)),
            "has 17 tables, limit 16; build it in release mode and split it if it still has",
        ),
        refused(
            "many-functions",
            with(&"(func)".repeat(50_001)),
            "has 50005 functions, limit 50000; build it in release mode and split it if it still has",
        ),
        refused(
            "many-globals",
            with(&"(global i64 (i64.const 0))".repeat(50_000)),
            "has 50001 globals, limit 10000; build it in release mode and split it if it still has",
        ),
        harmless("many-exports", with(&numbered(100_001, |number| format!("(export \"e{number}\" (func 1))")))),
        refused(
            "many-types",
            with(&numbered(1_000, |number| format!("(type (func (param {})))", "i64 ".repeat(number)))),
            "has 503401 bytes of types, limit 65536; build it in release mode and split it if it still has",
        ),
        refused(
            "function-of-a-mib",
            with(&format!("(func {})", "nop ".repeat(1 << 20))),
            "has 1048578 bytes of code in one function, limit 1048576; build it in release mode and split it if it still has",
        ),
        refused(
            "blocks-without-end",
            with(&format!("(func {})", "(block) ".repeat(10_001))),
            "has 10001 blocks in one function, limit 10000; build it in release mode and split it if it still has",
        ),
        harmless("deep-blocks", with(&format!("(func {}{})", "(block ".repeat(3_000), ")".repeat(3_000)))),
        refused(
            "deep-loops",
            with(&format!("(func {}{})", "(loop ".repeat(65), ")".repeat(65))),
            "has 65 loops inside of each other, limit 64; build it in release mode and split it if it still has",
        ),
        refused(
            "blocks-times-locals",
            with(&format!("(func (local {}) {})", "i32 ".repeat(2_000), "(block) ".repeat(501))),
            "has 1002000 blocks times locals in one function, limit 1000000; build it in release mode and split it if it still has",
        ),
        refused(
            "many-locals",
            with(&format!("(func (local {}))", "i64 ".repeat(50_001))),
            misfit("failed to validate component output: too many locals: locals exceed maximum (at offset 0x466)"),
        ),
        refused(
            "huge-branch-table",
            with(&format!("(func (br_table {} (i32.const 0)))", "0 ".repeat(200_000))),
            "not valid WebAssembly: failed to compile: wasm[0]::function[7]: WebAssembly translation error: Unsupported feature: `br_table` has 199999 targets, which exceeds the implementation limit of 65520",
        ),
    ]
}

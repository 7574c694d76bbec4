//! Files that are WebAssembly, and not what the contract says.

use crate::guest::{Guest, version};
use crate::{Case, misfit, numbered, refused, signed};

pub(crate) fn cases() -> Vec<Case> {
    [imports(), exports(), sections()].into_iter().flatten().collect()
}

fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("valid text")
}

fn unwelcome(import: &str) -> String {
    let version = version();
    format!(
        "imports `{import}`: plugins reach nothing but hookwright:plugin/host@{version}; remove the dependency that wants it"
    )
}

fn imports() -> Vec<Case> {
    let import = |module: &str, name: &str| text(&format!("(module (import \"{module}\" \"{name}\" (func)))"));
    let long = "x".repeat(1 << 20);
    vec![
        refused("imports-the-network", import("env", "fetch"), unwelcome("env#fetch")),
        refused(
            "imports-javascript",
            import("__wbindgen_placeholder__", "__wbindgen_throw"),
            "imports `__wbindgen_placeholder__#__wbindgen_throw`: wasm-bindgen's JavaScript is not there; find who wants it with `cargo tree -i wasm-bindgen --target wasm32-unknown-unknown` and switch its feature off (often `wasmbind` of chrono, `js` of uuid, `js` or `wasm_js` of getrandom, whose backend is hookwright-sdk)",
        ),
        refused("imports-wasi-threads", import("wasi", "thread-spawn"), unwelcome("wasi#thread-spawn")),
        refused("imports-with-escapes", import("\\1b[2J\\0d\\0a", "\\e2\\80\\ae"), unwelcome("\u{1b}[2J\r\n#\u{202e}")),
        refused(
            "imports-a-megabyte",
            import(&long, "f"),
            "cut off or damaged at byte 21 (string size out of bounds); copy the file again",
        ),
        refused(
            "imports-unknown-host-function",
            Guest::new().edit("\"random-u64\"", "\"exec\"").wasm(),
            unwelcome(&format!("hookwright:plugin/host@{}#exec", version())),
        ),
        refused(
            "imports-log-with-another-type",
            Guest::new().edit("(func $log (param i32 i32 i32))", "(func $log (param i32 i32 i64))").wasm(),
            misfit(&format!(
                "failed to decode world from module: module was not valid: failed to resolve import `hookwright:plugin/host@{version}::log`: failed to validate import interface `hookwright:plugin/host@{version}`: type mismatch for function `log`: expected `[I32, I32, I32] -> []` but found `[I32, I32, I64] -> []`",
                version = version()
            )),
        ),
        refused(
            "imports-the-memory",
            text(&format!("(module (import \"hookwright:plugin/host@{}\" \"memory\" (memory 1)))", version())),
            unwelcome(&format!("hookwright:plugin/host@{}#memory", version())),
        ),
        refused(
            "contract-of-the-next-version",
            Guest::new().version("2.0.0").wasm(),
            format!(
                "imports `hookwright:plugin/host@2.0.0#log`: made for version 2.0.0 of the contract, this host speaks {0}; \
                 update the host",
                version()
            ),
        ),
    ]
}

fn exports() -> Vec<Case> {
    vec![
        refused(
            "no-contract",
            Guest::new().without_contract(),
            "a WebAssembly file without the plugin contract (no section `component-type`); write it with hookwright-sdk",
        ),
        refused(
            "no-transform",
            Guest::new().edit("(export \"hookwright:plugin/transformer@1.0.0#transform\")", "").wasm(),
            misfit(
                "failed to decode world from module: module was not valid: failed to find export of interface `hookwright:plugin/transformer@1.0.0` function `transform`",
            ),
        ),
        refused(
            "no-describe",
            Guest::new().edit("(export \"hookwright:plugin/transformer@1.0.0#describe\")", "").wasm(),
            misfit(
                "failed to decode world from module: module was not valid: failed to find export of interface `hookwright:plugin/transformer@1.0.0` function `describe`",
            ),
        ),
        refused(
            "no-memory",
            Guest::new().edit("(export \"memory\")", "").wasm(),
            misfit("module does not export a memory named `memory`"),
        ),
        refused(
            "no-allocator",
            Guest::new().edit("(export \"cabi_realloc\")", "").wasm(),
            misfit("module does not export a function named `cabi_realloc`"),
        ),
        refused(
            "transform-of-another-type",
            Guest::new().edit("(param $delivery i32) (result i32)", "(param $delivery i64) (result i32)").wasm(),
            misfit(
                "failed to decode world from module: module was not valid: failed to classify export `hookwright:plugin/transformer@1.0.0#transform`: failed to validate export for `hookwright:plugin/transformer@1.0.0`: type mismatch for function `transform`: expected `[I32] -> [I32]` but found `[I64] -> [I32]`",
            ),
        ),
        refused(
            "transform-is-a-global",
            Guest::new()
                .edit("(export \"hookwright:plugin/transformer@1.0.0#transform\")", "")
                .with("(global (export \"hookwright:plugin/transformer@1.0.0#transform\") i32 (i32.const 0))")
                .wasm(),
            misfit(
                "failed to decode world from module: module was not valid: failed to find export of interface `hookwright:plugin/transformer@1.0.0` function `transform`",
            ),
        ),
        refused(
            "two-exports-of-one-name",
            Guest::new().edit("(export \"hookwright:plugin/transformer@1.0.0#describe\")", "(export \"hookwright:plugin/transformer@1.0.0#describe\") (export \"hookwright:plugin/transformer@1.0.0#describe\")").wasm(),
            misfit(
                "failed to decode world from module: module was not valid: duplicate export name `hookwright:plugin/transformer@1.0.0#describe` already defined (at offset 0xfd)",
            ),
        ),
        refused(
            "invalid-code",
            Guest::new().with("(func (result i32) (i64.const 1))").wasm(),
            misfit("failed to validate component output: type mismatch: expected i32, found i64 (at offset 0x465)"),
        ),
    ]
}

fn sections() -> Vec<Case> {
    let data = |at: u32| Guest::new().with(&format!("(data (i32.const {}) \"x\")", signed(at))).wasm();
    vec![
        refused(
            "empty-component",
            text("(component)"),
            misfit("no exported instance named `hookwright:plugin/transformer@1.0.0`"),
        ),
        refused(
            "component-in-component",
            text("(component (component (core module)))"),
            "has components with code inside the component; link them into one",
        ),
        refused(
            "component-with-many-modules",
            text(&format!("(component {})", "(core module)".repeat(65))),
            "has 65 modules, limit 64; build it in release mode and split it if it still has",
        ),
        refused(
            "component-with-doubling-types",
            text(&format!(
                "(component (type $t0 (tuple u8 u8)) {})",
                numbered(60, |n| format!("(type $t{} (tuple $t{n} $t{n}))", n + 1))
            )),
            "not valid WebAssembly: failed to parse WebAssembly module: effective type size exceeds the limit of 1000000 (at offset 0x54)",
        ),
        refused(
            "component-with-many-types",
            text(&format!("(component {})", "(type (tuple u8 u8))".repeat(200_000))),
            misfit("no exported instance named `hookwright:plugin/transformer@1.0.0`"),
        ),
        refused(
            "component-that-wants-more-than-wasi",
            text("(component (import \"wasi:keyvalue/store@0.2.0\" (instance)))"),
            "imports `wasi:keyvalue/store@0.2.0`: plugins get WASI 0.2 (cli, clocks, io, random; empty filesystem, sockets and http), and this is not part of it; remove the dependency that wants it",
        ),
        refused(
            "data-beyond-memory",
            data(200_000),
            "on a trial run of `describe` it trapped: out of bounds memory access",
        ),
        refused(
            "data-at-the-end-of-addresses",
            data(u32::MAX),
            "on a trial run of `describe` it trapped: out of bounds memory access",
        ),
        refused(
            "elements-beyond-table",
            Guest::new().with("(table 1 funcref) (elem (i32.const 5) func $pair)").wasm(),
            "on a trial run of `describe` it trapped: undefined element: out of bounds table access",
        ),
        refused(
            "contract-section-is-garbage",
            garbage_contract(),
            misfit(
                "decoding custom section component-type:plugin: magic header not detected: bad magic number - expected=[\n    0x0,\n    0x61,\n    0x73,\n    0x6d,\n] actual=[\n    0xde,\n    0xad,\n    0xbe,\n    0xef,\n] (at offset 0x0)",
            ),
        ),
    ]
}

/// A module whose contract is a few bytes of nothing.
fn garbage_contract() -> Vec<u8> {
    let mut wasm = Guest::new().without_contract();
    let name = b"component-type:plugin";
    let body = [&[u8::try_from(name.len()).expect("short")], name.as_slice(), &[0xde, 0xad, 0xbe, 0xef]].concat();
    wasm.extend([0, u8::try_from(body.len()).expect("short")]);
    wasm.extend(body);
    wasm
}

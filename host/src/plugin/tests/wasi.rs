//! Plugins that need WASI see nothing of the world, and the same nothing in every run.

use super::*;

/// As much of WASI as the guest below imports, in a patch version of its own.
const PACKAGES: &str = "
package wasi:io@0.2.77 {
    interface error { resource error; }
    interface poll {
        resource pollable { ready: func() -> bool; block: func(); }
        poll: func(in: list<borrow<pollable>>) -> list<u32>;
    }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource input-stream { read: func(len: u64) -> result<list<u8>, stream-error>; }
        resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
    }
}
package wasi:cli@0.2.77 {
    interface environment {
        get-environment: func() -> list<tuple<string, string>>;
        get-arguments: func() -> list<string>;
    }
    interface exit { exit: func(status: result); }
    interface stdin { use wasi:io/streams@0.2.77.{input-stream}; get-stdin: func() -> input-stream; }
    interface stdout { use wasi:io/streams@0.2.77.{output-stream}; get-stdout: func() -> output-stream; }
    interface stderr { use wasi:io/streams@0.2.77.{output-stream}; get-stderr: func() -> output-stream; }
}
package wasi:clocks@0.2.77 {
    interface monotonic-clock {
        use wasi:io/poll@0.2.77.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
    }
    interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
}
package wasi:random@0.2.77 {
    interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; of-tomorrow: func(); }
}
package wasi:filesystem@0.2.77 {
    interface types { resource descriptor; }
    interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
}
package wasi:sockets@0.2.77 {
    interface network {
        enum error-code {
            unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout, concurrency-conflict,
            not-in-progress, would-block, invalid-state, new-socket-limit, address-not-bindable, address-in-use,
            remote-unreachable, connection-refused, connection-reset, connection-aborted, datagram-too-large,
            name-unresolvable, temporary-resolver-failure, permanent-resolver-failure,
        }
        enum ip-address-family { ipv4, ipv6 }
    }
    interface tcp { resource tcp-socket; }
    interface tcp-create-socket {
        use network.{error-code, ip-address-family};
        use tcp.{tcp-socket};
        create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
    }
}
";

const INTERFACES: [&str; 13] = [
    "wasi:io/poll@0.2.77",
    "wasi:io/streams@0.2.77",
    "wasi:cli/environment@0.2.77",
    "wasi:cli/exit@0.2.77",
    "wasi:cli/stdin@0.2.77",
    "wasi:cli/stdout@0.2.77",
    "wasi:cli/stderr@0.2.77",
    "wasi:clocks/monotonic-clock@0.2.77",
    "wasi:clocks/wall-clock@0.2.77",
    "wasi:random/random@0.2.77",
    "wasi:filesystem/preopens@0.2.77",
    "wasi:sockets/network@0.2.77",
    "wasi:sockets/tcp-create-socket@0.2.77",
];

const IMPORTS: &str = r#"
    (import "wasi:io/poll@0.2.77" "poll" (func $poll (param i32 i32 i32)))
    (import "wasi:io/poll@0.2.77" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/streams@0.2.77" "[method]input-stream.read" (func $read (param i32 i64 i32)))
    (import "wasi:io/streams@0.2.77" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))
    (import "wasi:cli/environment@0.2.77" "get-environment" (func $environment (param i32)))
    (import "wasi:cli/environment@0.2.77" "get-arguments" (func $arguments (param i32)))
    (import "wasi:cli/exit@0.2.77" "exit" (func $exit (param i32)))
    (import "wasi:cli/stdin@0.2.77" "get-stdin" (func $stdin (result i32)))
    (import "wasi:cli/stdout@0.2.77" "get-stdout" (func $stdout (result i32)))
    (import "wasi:cli/stderr@0.2.77" "get-stderr" (func $stderr (result i32)))
    (import "wasi:clocks/monotonic-clock@0.2.77" "now" (func $ticks (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.77" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "wasi:clocks/wall-clock@0.2.77" "now" (func $time (param i32)))
    (import "wasi:random/random@0.2.77" "get-random-bytes" (func $bytes (param i64 i32)))
    (import "wasi:random/random@0.2.77" "get-random-u64" (func $number (result i64)))
    (import "wasi:random/random@0.2.77" "of-tomorrow" (func $tomorrow))
    (import "wasi:filesystem/preopens@0.2.77" "get-directories" (func $directories (param i32)))
    (import "wasi:sockets/tcp-create-socket@0.2.77" "create-tcp-socket" (func $socket (param i32 i32)))
"#;

/// Writes the text's first `out` bytes to stdout and the `err` after them to stderr.
fn guest(text: &str, out: usize, err: usize) -> Guest {
    Guest::new().importing(&INTERFACES, PACKAGES, IMPORTS).text(text).transform(&format!(
        "(call $write (call $stdout) (i32.const {TEXT}) (i32.const {out}) (i32.const 3900))
         (call $write (call $stderr) (i32.const {}) (i32.const {err}) (i32.const 3900))",
        TEXT as usize + out
    ))
}

fn lines(record: &ChainRecord) -> Vec<(&str, &str)> {
    record.runs[0].logs.iter().map(|line| (line.level.as_str(), line.message.as_str())).collect()
}

#[test]
fn nothing_of_the_outside_is_visible_and_every_run_is_the_same() {
    let look = format!(
        "(i64.store (i32.const 3000) (call $ticks))
         (call $block (call $after (i64.const 5000000)))
         (i64.store (i32.const 3008) (call $ticks))
         (call $time (i32.const 3016))
         (i64.store (i32.const 3032) (call $number))
         (i64.store (i32.const 3040) (call $number))
         (call $environment (i32.const 3048))
         (call $arguments (i32.const 3056))
         (call $directories (i32.const 3064))
         (call $socket (i32.const 0) (i32.const 3072))
         (call $read (call $stdin) (i64.const 10) (i32.const 3080))
         (call $bytes (i64.const 8) (i32.const 3500))
         (i64.store (i32.const 3096) (i64.load (i32.load (i32.const 3500))))
         (i32.store (i32.const {DATA}) (i32.const 1))
         (call $pair (i32.const {}) (i32.const 3000) (i32.const 104))",
        DATA + 4
    );
    let plugin = load(&guest("one\ntwo\nthree", 6, 7).transform(&look).wasm()).expect("loads");
    assert_eq!(plugin.kind(), EngineKind::Large);
    let job = job_of([plugin], OnError::Hold);
    let (first, second) = (run_chain(&job), run_chain(&job));
    assert_eq!((&first.verdict, first.runs[0].fuel), (&second.verdict, second.runs[0].fuel));
    // "tw" and "o\nthree": the outputs are apart.
    assert_eq!(lines(&first), [("info", "one"), ("warn", "o"), ("info", "tw"), ("warn", "three")]);
    let data = delivered(&first).data.clone().expect("rewritten");
    let word = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().expect("8 bytes"));
    let half = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().expect("4 bytes"));
    let start = 2_000_000_000;
    assert_eq!((word(0), word(8)), (start + 1_000, start + 5_002_000), "moves when read, and by what is waited for");
    assert_eq!((word(16), half(24)), (2, 0), "the run's start");
    assert!(word(32) != word(40) && word(40) != word(96) && word(96) != 0, "random");
    assert_eq!([half(52), half(60), half(68)], [0; 3], "no environment, no arguments, no directories");
    assert_eq!((data[72], data[76]), (1, 1), "access denied");
    assert_eq!((data[80], data[84]), (1, 1), "closed");
    let another = run_chain(&ChainJob { run: 2, ..job });
    assert_ne!(delivered(&another).data, delivered(&first).data);
}

#[test]
fn ways_out_end_the_run_with_a_reason() {
    for (code, reason) in [
        ("(call $exit (i32.const 0))", "ended itself by `exit`, with success, instead of answering"),
        ("(call $exit (i32.const 1))", "ended itself by `exit`, with a failure, instead of answering"),
        (
            "(call $tomorrow)",
            "called `wasi:random/random@0.2.77#of-tomorrow`: plugins have no files, no network and no processes, \
             only clock, random and output",
        ),
        (
            "(call $bytes (i64.const -1) (i32.const 3500))",
            "asked for 18446744073709551615 random bytes at once, limit 65536",
        ),
        (
            "(call $poll (i32.const 0) (i32.const 0) (i32.const 3500))",
            "waited for nothing at all (`wasi:io/poll` with an empty list)",
        ),
        ("unreachable", "panicked: bad day"),
        (
            "(loop $on (drop (call $number)) (br $on))",
            "ran out of fuel: 50007200 units (about 10 ms); it may loop endlessly, or need more (`plugins.limits`)",
        ),
    ] {
        let record = run_with(&guest("bad day", 0, 7).transform(code), OnError::Skip);
        let plugin = "test".parse().expect("a name");
        assert_eq!(record.verdict, ChainVerdict::Hold { plugin, reason: format!("plugin test {reason}") });
        assert_eq!(lines(&record), [("warn", "bad day")]);
    }
}

#[test]
fn an_interface_of_another_shape_does_not_fit() {
    let packages = "package wasi:random@0.2.77 { interface random { get-random-u64: func() -> string; } }";
    let import = "(import \"wasi:random/random@0.2.77\" \"get-random-u64\" (func (param i32)))";
    let words = refusal(&Guest::new().importing(&["wasi:random/random@0.2.77"], packages, import).wasm());
    assert!(words.starts_with("does not fit"), "{words}");
}

#[test]
fn a_flood_of_imports_is_refused() {
    let functions = (0..2_001).fold(String::new(), |all, number| format!("{all} (export \"f{number}\" (func))"));
    let text = format!("(component (import \"wasi:random/random@0.2.0\" (instance {functions})))");
    let words = refusal(&wat::parse_str(text).expect("valid"));
    assert!(words.starts_with("has 2001 imports of WASI, limit 2000;"), "{words}");
}

//! Compilers that do not do as they should, and code that is not what was compiled.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::*;
use crate::plugin::engine::{self, EngineKind};
use crate::plugin::guests::Guest;

fn request() -> Request {
    Request {
        fingerprint: Digest::of(b"an engine"),
        engine: EngineKind::Small,
        shape: Shape::Module,
        allowance: Allowance::for_file(0),
    }
}

/// What comes of a compiler that is this shell script.
fn answer_of(script: &str, allowance: Allowance) -> Result<Artefact, LoadError> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    // More than a pipe holds: a compiler that does not read must not hold up the host.
    child::ask(command, &Request { allowance, ..request() }, &vec![0; 1 << 20], &CancellationToken::new())
}

fn failure_of(script: &str) -> String {
    let failure = answer_of(script, Allowance::for_file(0)).err();
    failure.unwrap_or_else(|| panic!("no failure: {script}")).to_string()
}

#[test]
fn a_compiler_that_dies_is_a_failure_that_says_of_what() {
    assert!(failure_of("kill -XCPU $$").starts_with("compiling it took more than 10 s of processor time; build it in"));
    assert!(failure_of("kill -ABRT $$").starts_with("compiling it took more than 512 MiB of memory; build it in"));
    assert!(failure_of("kill -KILL $$").starts_with("the process that compiles it was killed (signal: 9"));
    assert!(failure_of("echo oh no >&2; exit 3").contains("its process ended with exit status: 3"));
}

#[test]
fn a_compiler_that_talks_nonsense_is_a_failure() {
    for nonsense in
        ["", "echo hello", "cat", "head -c 100000 /dev/zero", "echo '{\"Compiled\":{\"bytes\":7}}'; echo short"]
    {
        assert!(failure_of(nonsense).contains("failed on this file: its answer makes no sense"), "{nonsense}");
    }
    assert!(failure_of("cat /dev/zero").starts_with("compiles to more than 8 MiB; "));
    assert!(failure_of("echo '{\"Refused\":{\"Invalid\":\"words\"}}'").starts_with("not valid WebAssembly: words"));
    let code = answer_of("printf '{\"Compiled\":{\"bytes\":4}}\\ncode'", Allowance::for_file(0));
    assert_eq!(code.expect("code").bytes(), b"code");
}

#[test]
fn a_compiler_that_does_not_end_is_ended() {
    let impatient = Allowance { seconds: 1, ..Allowance::for_file(0) };
    let started = Instant::now();
    for script in ["exec sleep 600", "exec 1>&-; exec sleep 600"] {
        let failure = answer_of(script, impatient).err().expect("a failure").to_string();
        assert!(
            failure.starts_with("compiling it took more than 1 s by the clock; `hookwright reload` when"),
            "{failure}"
        );
    }
    let mut command = Command::new("/bin/sleep");
    command.arg("600");
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(matches!(child::ask(command, &request(), b"", &stop), Err(LoadError::Stopping)));
    // It can have nothing more to say.
    assert!(
        failure_of("exec 1>&- 2>&-; exec sleep 600").starts_with("the process that compiles it was killed (signal: 9")
    );
    assert!(started.elapsed() < Duration::from_mins(1));
}

#[test]
fn a_compiler_that_is_not_there_is_a_failure_with_a_remedy() {
    let going_on = CancellationToken::new();
    let failure = child::compile(Path::new("/nowhere/hookwright"), &request(), b"", &going_on).err().expect("none");
    assert!(failure.to_string().starts_with("the process that compiles cannot be started: No such file"), "{failure}");
    assert!(failure.may_pass());
}

#[test]
fn the_compiler_has_an_engine_for_each_of_the_host() {
    let of = |engine: &wasmtime::Engine| fingerprint::of(engine);
    let pooled = engine::build(NonZeroU32::MIN).expect("wasmtime works here");
    let scarce = engine::scarce().expect("wasmtime works here");
    for (kind, engines) in
        [(EngineKind::Small, [&pooled.small, &scarce.small]), (EngineKind::Large, [&pooled.large, &scarce.large])]
    {
        let compiling =
            engine::compiling(kind).map(|config| wasmtime::Engine::new(&config).expect("wasmtime works here"));
        assert_eq!(compiling.each_ref().map(of), engines.map(of), "{kind:?}");
        assert_ne!(of(engines[0]), of(engines[1]), "their code is not the same");
    }
}

/// A plugin, an engine, and a cache in a folder.
struct Bench {
    data: tempfile::TempDir,
    engine: wasmtime::Engine,
    wasm: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let engine = engine::scarce().expect("wasmtime works here").small;
        Self { data: tempfile::tempdir().expect("a temporary folder"), engine, wasm: Guest::new().wasm() }
    }

    /// Compiles; in a program that is not there, unless it is to be done `here`.
    fn compile(&self, here: bool) -> bool {
        let place = if here { Place::Here } else { Place::Child("/nowhere/hookwright".into()) };
        let compiler = Compiler { place, cache: Cache::open(self.data.path()), stop: CancellationToken::new() };
        let order =
            Order { digest: Digest::of(&self.wasm), engine: EngineKind::Small, shape: Shape::Module, wasm: &self.wasm };
        compiler.component(&self.engine, &order).is_ok()
    }

    fn file(&self) -> PathBuf {
        let mut files = fs::read_dir(self.data.path().join("compiled")).expect("a folder");
        let file = files.next().expect("a file").expect("readable").path();
        assert!(files.next().is_none(), "one file");
        file
    }
}

#[test]
fn what_was_compiled_once_is_not_compiled_again_and_what_was_tampered_with_is() {
    let bench = Bench::new();
    assert!(!bench.compile(false), "nothing is known yet");
    assert!(bench.compile(true) && bench.compile(false), "known");
    let good = fs::read(bench.file()).expect("readable");
    let mut forged = good.clone();
    *forged.last_mut().expect("long") ^= 1;
    for bad in [&good[..good.len() - 1], &good[..40], &good[..8], b"", &forged] {
        fs::write(bench.file(), bad).expect("writable");
        assert!(!bench.compile(false), "not taken");
        assert!(bench.compile(true) && bench.compile(false), "compiled again, and known");
        assert_eq!(fs::read(bench.file()).expect("readable").len(), good.len());
    }
}

#[test]
fn code_that_wasmtime_refuses_is_compiled_again() {
    let bench = Bench::new();
    let key =
        Key { plugin: Digest::of(&bench.wasm), fingerprint: fingerprint::of(&bench.engine), engine: EngineKind::Small };
    let cache = Cache::open(bench.data.path()).expect("a cache");
    cache.put_code(&key, &Artefact::from_here(b"of a wasmtime to come".to_vec()));
    assert!(!bench.compile(false));
    assert!(bench.compile(true) && bench.compile(false));
}

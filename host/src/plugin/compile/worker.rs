//! The compiler itself: what the process does that the host starts for one file. Reads from stdin, answers on
//! stdout, touches nothing else.
//!
//! Everything is done here that takes long, takes much, or is large code fed with bytes from outside. Only
//! `inspect` goes before it, in the host: one pass with bounded memory, which says for which engine to compile.

use std::borrow::Cow;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc;

use wasm_encoder::{ComponentExportKind, ComponentExportSection, ComponentSection as _};
use wit_component::ComponentEncoder;

use super::super::direct;
use super::super::engine;
use super::super::inspect::{Shape, inspect};
use super::super::load::with_causes;
use super::fingerprint;
use super::plain;
use super::protocol::{self, MAX_LINE_BYTES, Refusal, Reply, Request};
use super::restrain::restrain;
use crate::plugin::MAX_PLUGIN_FILE_BYTES;
use crate::tasks::{self, OnPanic};

/// The only argument of a compiling process. Not among the commands: nobody types it.
pub(super) const ARGUMENT: &str = "compile-plugin";

/// Does the work of a compiling process, if this process was started as one. To be called first of all in `main`.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let asked = arguments.next().is_some_and(|argument| argument == ARGUMENT) && arguments.next().is_none();
    asked.then(|| match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln!`: it panics when nobody listens.
            let _ = writeln!(io::stderr(), "hookwright {ARGUMENT}: {error}; only `hookwright serve` has a use for it");
            ExitCode::FAILURE
        }
    })
}

fn run() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    input.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut line)?;
    let (request, _): (Request, _) =
        protocol::first_line(&line).ok_or_else(|| io::Error::other("no request on stdin"))?;
    let (reply, code) = match compile_restrained(&request, input)? {
        Ok(code) => (Reply::Compiled { bytes: code.len() as u64 }, code),
        Err(refusal) => (Reply::Refused(refusal), Vec::new()),
    };
    let mut output = io::stdout().lock();
    output.write_all(&protocol::line(&reply)?)?;
    output.write_all(&code)?;
    output.flush()
}

fn compile_restrained(request: &Request, mut input: impl io::Read) -> io::Result<Result<Vec<u8>, Refusal>> {
    if let Err(error) = restrain(&request.allowance) {
        return Ok(Err(Refusal::Unlimited(format!("it cannot limit itself: {error}"))));
    }
    let mut wasm = Vec::new();
    input.by_ref().take(MAX_PLUGIN_FILE_BYTES).read_to_end(&mut wasm)?;
    let request = request.clone();
    on_ample_stack(move || match engine_for(&request) {
        Some(engine) => compile_guarded(&engine, &request, &wasm),
        None => Err(Refusal::AnotherVersion),
    })
}

/// On a thread whose stack is laid out whole: that of the first thread grows, and where memory is at its limit it
/// would end by a fault that tells nothing.
fn on_ample_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let send = move || drop(sender.send(work()));
    tasks::spawn_thread("compile", OnPanic::Abort, send)?;
    receiver.recv().map_err(io::Error::other)
}

/// The one of the host's engines whose code was asked for.
fn engine_for(request: &Request) -> Option<wasmtime::Engine> {
    let engines = engine::compiling(request.engine);
    let mut engines = engines.iter().filter_map(|config| wasmtime::Engine::new(config).ok());
    engines.find(|engine| fingerprint::of(engine) == request.fingerprint)
}

/// Both tools are fed with bytes from outside; a fault of theirs must cost one file.
pub(super) fn compile_guarded(engine: &wasmtime::Engine, request: &Request, wasm: &[u8]) -> Result<Vec<u8>, Refusal> {
    catch_unwind(AssertUnwindSafe(|| compile(engine, request, wasm))).unwrap_or(Err(Refusal::Panicked))
}

fn compile(engine: &wasmtime::Engine, request: &Request, wasm: &[u8]) -> Result<Vec<u8>, Refusal> {
    let component = match request.shape {
        Shape::Module => Cow::Owned(componentise(wasm)?),
        Shape::Component => Cow::Borrowed(wasm),
    };
    engine.precompile_component(&component).map_err(|error| Refusal::Invalid(with_causes(&*error)))
}

/// Wraps a core module as the component that its custom section speaks of. It also gives the module away, if a run can do
/// without the wrapping.
fn componentise(wasm: &[u8]) -> Result<Vec<u8>, Refusal> {
    let encode = || ComponentEncoder::default().validate(true).module(wasm)?.encode();
    let mut component = encode().map_err(|error| Refusal::Contract(with_causes(&*error)))?;
    inspect(&component).map_err(|error| Refusal::Component(error.to_string()))?;
    if plain::is_plain(wasm, &component) {
        let mut exports = ComponentExportSection::new();
        exports.export(direct::EXPORT, ComponentExportKind::Module, MAIN_MODULE, None);
        exports.append_to_component(&mut component);
    }
    Ok(component)
}

/// The componentiser's own come after it.
const MAIN_MODULE: u32 = 0;

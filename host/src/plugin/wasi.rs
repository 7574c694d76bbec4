//! An empty, deterministic world for plugins whose language needs WASI 0.2: a clock that only the plugin moves,
//! seeded random numbers, and output that becomes logs. No files, no network, no environment: what would lead there
//! answers that there is nothing, or ends the run with a reason. Nothing in here blocks, and every call costs fuel.

mod lines;
mod types;
mod world;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};

use self::lines::Lines;
use super::contract::Level;
use super::load::{LoadError, misfit};
use super::sandbox::{LogBook, Sandbox};
use super::words::shown;

/// The version of WASI: any patch of it, since none changes what another has.
const VERSION: &str = "0.2.";
/// Functions, resources and types of all interfaces a plugin imports. WASI 0.2 has some 400.
const MAX_IMPORTS: u64 = 2_000;
/// Names from a file are shown up to this much.
const MAX_SHOWN_BYTES: usize = 120;

/// One function of the interface after the other is given to the linker.
type Define = fn(&mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()>;

/// What may be imported: all that the tools for JavaScript and Python let their plugins import, whether used or
/// not. Functions that are not defined can be linked and not called.
const OFFERED: [(&str, Define); 29] = [
    ("wasi:cli/environment", world::environment),
    ("wasi:cli/exit", world::exit),
    ("wasi:cli/stderr", world::stderr),
    ("wasi:cli/stdin", world::stdin),
    ("wasi:cli/stdout", world::stdout),
    ("wasi:cli/terminal-input", world::nothing),
    ("wasi:cli/terminal-output", world::nothing),
    ("wasi:cli/terminal-stderr", world::terminal_stderr),
    ("wasi:cli/terminal-stdin", world::terminal_stdin),
    ("wasi:cli/terminal-stdout", world::terminal_stdout),
    ("wasi:clocks/monotonic-clock", world::monotonic_clock),
    ("wasi:clocks/wall-clock", world::wall_clock),
    ("wasi:filesystem/preopens", world::preopens),
    ("wasi:filesystem/types", world::nothing),
    ("wasi:http/outgoing-handler", world::nothing),
    ("wasi:http/types", world::nothing),
    ("wasi:io/error", world::nothing),
    ("wasi:io/poll", world::poll),
    ("wasi:io/streams", world::streams),
    ("wasi:random/insecure", world::insecure),
    ("wasi:random/insecure-seed", world::insecure_seed),
    ("wasi:random/random", world::random),
    ("wasi:sockets/instance-network", world::instance_network),
    ("wasi:sockets/ip-name-lookup", world::ip_name_lookup),
    ("wasi:sockets/network", world::nothing),
    ("wasi:sockets/tcp", world::nothing),
    ("wasi:sockets/tcp-create-socket", world::tcp_create_socket),
    ("wasi:sockets/udp", world::nothing),
    ("wasi:sockets/udp-create-socket", world::udp_create_socket),
];

/// What one run did in this world.
#[derive(Default)]
pub(super) struct Wasi {
    /// How far the monotonic clock is ahead of the run's start.
    elapsed_ns: u64,
    stdout: Lines,
    stderr: Lines,
}

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Stdout,
    Stderr,
}

/// The plugin did something in this world that ends its run. Reads after "plugin NAME".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WasiFault {
    #[error("called `{import}`: plugins have no files, no network and no processes, only clock, random and output")]
    Absent { import: String },
    #[error("ended itself by `exit`, with {}, instead of answering", if *.success { "success" } else { "a failure" })]
    Exit { success: bool },
    #[error("asked for {bytes} random bytes at once, limit {limit}")]
    Random { bytes: u64, limit: u64 },
    #[error("waited for nothing at all (`wasi:io/poll` with an empty list)")]
    EmptyPoll,
}

/// Whether a plugin may import this.
pub(super) fn is_offered(import: &str) -> bool {
    definition(import).is_some()
}

/// A linker that also meets what the component imports of WASI, as far as it is offered. In the names and the
/// version that the component uses, so that nothing depends on which patch of 0.2 it was made for.
pub(super) fn link(linker: &Linker<Sandbox>, component: &Component) -> Result<Linker<Sandbox>, LoadError> {
    let (world, engine) = (component.component_type(), component.engine());
    let mut linker = linker.clone();
    linker.allow_shadowing(true);
    let mut number = 0;
    for (import, item) in world.imports(engine) {
        let (Some(define), ComponentItem::ComponentInstance(interface)) = (definition(import), item.ty) else {
            continue;
        };
        let names: Vec<_> = interface.exports(engine).map(|(name, item)| (name, item.ty)).collect();
        number += names.len() as u64;
        if number > MAX_IMPORTS {
            return Err(LoadError::TooBig { what: "imports of WASI", number, limit: MAX_IMPORTS });
        }
        offer(&mut linker, import, &names, define).map_err(|error| misfit(&*error))?;
    }
    Ok(linker)
}

/// First nothing works; then what we have takes its place.
fn offer(
    linker: &mut Linker<Sandbox>,
    import: &str,
    names: &[(&str, ComponentItem)],
    define: Define,
) -> wasmtime::Result<()> {
    let mut instance = linker.instance(import)?;
    for (name, item) in names {
        match item {
            ComponentItem::ComponentFunc(_) => absent(&mut instance, import, name)?,
            ComponentItem::Resource(_) => instance.resource(name, resource(name), |_, _| Ok(()))?,
            _ => {}
        }
    }
    define(&mut instance)
}

fn definition(import: &str) -> Option<Define> {
    let (interface, version) = import.split_once('@')?;
    let patch = version.strip_prefix(VERSION)?;
    let is_number = !patch.is_empty() && patch.len() <= 3 && patch.bytes().all(|byte| byte.is_ascii_digit());
    let (_, define) = OFFERED.iter().find(|(offered, _)| is_number && *offered == interface)?;
    Some(*define)
}

fn absent(instance: &mut LinkerInstance<'_, Sandbox>, interface: &str, name: &str) -> wasmtime::Result<()> {
    let import = shown(&format!("{interface}#{name}"), MAX_SHOWN_BYTES);
    instance.func_new(name, move |_, _, _, _| Err(WasiFault::Absent { import: import.clone() }.into()))
}

/// Told by its name, under which other interfaces know it too.
fn resource(name: &str) -> ResourceType {
    match name {
        "error" | "io-error" => ResourceType::host::<types::IoError>(),
        "pollable" => ResourceType::host::<types::Pollable>(),
        "input-stream" => ResourceType::host::<types::InputStream>(),
        "output-stream" => ResourceType::host::<types::OutputStream>(),
        "network" => ResourceType::host::<types::Network>(),
        _ => ResourceType::host::<types::Absent>(),
    }
}

impl Wasi {
    /// Takes what was written; each whole line becomes a line of the log.
    fn write(&mut self, output: Output, bytes: &[u8], logs: &mut LogBook) {
        match output {
            Output::Stdout => self.stdout.write(bytes, Level::Info, logs),
            Output::Stderr => self.stderr.write(bytes, Level::Warn, logs),
        }
    }

    /// The run is over: lines that were begun are lines.
    pub(super) fn end(&mut self, logs: &mut LogBook) {
        self.stdout.end(Level::Info, logs);
        self.stderr.end(Level::Warn, logs);
    }

    /// Why the runtime aborted, if it said so.
    pub(super) fn last_words(&self) -> Option<&str> {
        self.stderr.telling()
    }
}

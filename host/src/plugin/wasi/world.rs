//! The functions of WASI that do something, interface by interface.

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, WasmStr};

use super::super::sandbox::{Sandbox, charge};
use super::types::{
    Absent, AddressFamily, Datetime, InputStream, Network, NetworkError, OutputStream, Pollable, STDERR, STDOUT,
    StreamError,
};
use super::{Output, WasiFault};

type Interface<'a> = LinkerInstance<'a, Sandbox>;
type Store<'a> = StoreContextMut<'a, Sandbox>;
type Defined = wasmtime::Result<()>;

/// A reading of the monotonic clock moves it by this much, which is also its resolution: loops that wait for it
/// come to an end.
const TICK_NS: u64 = 1_000;
const NS_PER_MS: u64 = 1_000_000;
/// Of one call. A runtime asks for some bytes to seed its own generator.
const MAX_RANDOM_BYTES: u64 = 64 << 10;
/// Each is looked up.
const FUEL_PER_POLLABLE: u64 = 100;
/// How much an output takes at once, as it says itself. It takes more if it gets more.
const WRITE_BYTES: u64 = 64 << 10;

/// Functions without an effect: each costs its fuel and answers.
fn answer<A: wasmtime::component::ComponentNamedList + wasmtime::component::Lift + 'static, R>(
    interface: &mut Interface<'_>,
    name: &str,
    reply: impl Fn(&mut Sandbox) -> R + Send + Sync + 'static,
) -> Defined
where
    R: wasmtime::component::ComponentNamedList + wasmtime::component::Lower + 'static,
{
    interface.func_wrap(name, move |mut store: Store<'_>, _: A| {
        charge(&mut store, 0)?;
        Ok(reply(store.data_mut()))
    })
}

/// All of the interface is types, or nothing of it can be reached.
#[expect(clippy::unnecessary_wraps, reason = "one of many functions of the same type")]
pub(super) fn nothing(_: &mut Interface<'_>) -> Defined {
    Ok(())
}

pub(super) fn environment(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "get-environment", |_| (Vec::<(String, String)>::new(),))?;
    answer::<(), _>(interface, "get-arguments", |_| (Vec::<String>::new(),))?;
    answer::<(), _>(interface, "initial-cwd", |_| (None::<String>,))
}

pub(super) fn exit(interface: &mut Interface<'_>) -> Defined {
    interface.func_wrap("exit", |_: Store<'_>, (status,): (Result<(), ()>,)| -> Defined {
        Err(WasiFault::Exit { success: status.is_ok() }.into())
    })?;
    interface.func_wrap("exit-with-code", |_: Store<'_>, (code,): (u8,)| -> Defined {
        Err(WasiFault::Exit { success: code == 0 }.into())
    })
}

pub(super) fn stdin(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "get-stdin", |_| (Resource::<InputStream>::new_own(0),))
}

pub(super) fn stdout(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "get-stdout", |_| (Resource::<OutputStream>::new_own(STDOUT),))
}

pub(super) fn stderr(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "get-stderr", |_| (Resource::<OutputStream>::new_own(STDERR),))
}

pub(super) fn terminal_stdin(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "get-terminal-stdin", |_| (None::<Resource<Absent>>,))
}

pub(super) fn terminal_stdout(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "get-terminal-stdout", |_| (None::<Resource<Absent>>,))
}

pub(super) fn terminal_stderr(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "get-terminal-stderr", |_| (None::<Resource<Absent>>,))
}

/// Time that is waited for has passed at once.
pub(super) fn monotonic_clock(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "now", |sandbox| {
        sandbox.wasi.elapsed_ns = sandbox.wasi.elapsed_ns.saturating_add(TICK_NS);
        (monotonic_ns(sandbox),)
    })?;
    answer::<(), _>(interface, "resolution", |_| (TICK_NS,))?;
    interface.func_wrap("subscribe-duration", |mut store: Store<'_>, (wait,): (u64,)| {
        charge(&mut store, 0)?;
        let elapsed = &mut store.data_mut().wasi.elapsed_ns;
        *elapsed = elapsed.saturating_add(wait);
        Ok((ready(),))
    })?;
    interface.func_wrap("subscribe-instant", |mut store: Store<'_>, (when,): (u64,)| {
        charge(&mut store, 0)?;
        let sandbox = store.data_mut();
        let wait = when.saturating_sub(monotonic_ns(sandbox));
        sandbox.wasi.elapsed_ns = sandbox.wasi.elapsed_ns.saturating_add(wait);
        Ok((ready(),))
    })
}

/// Stands at the run's start, like the contract's own.
pub(super) fn wall_clock(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "now", |sandbox| (datetime(sandbox.now_ms),))?;
    answer::<(), _>(interface, "resolution", |_| (datetime(1),))
}

/// Descriptors come from here alone, so there is none.
pub(super) fn preopens(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "get-directories", |_| (Vec::<(Resource<Absent>, String)>::new(),))
}

pub(super) fn poll(interface: &mut Interface<'_>) -> Defined {
    answer::<(Resource<Pollable>,), _>(interface, "[method]pollable.ready", |_| (true,))?;
    answer::<(Resource<Pollable>,), _>(interface, "[method]pollable.block", |_| ())?;
    interface.func_wrap("poll", |mut store: Store<'_>, (pollables,): (Vec<Resource<Pollable>>,)| {
        charge(&mut store, FUEL_PER_POLLABLE.saturating_mul(pollables.len() as u64))?;
        let all: Vec<_> = (0_u32..).take(pollables.len()).collect();
        if all.is_empty() { Err(WasiFault::EmptyPoll.into()) } else { Ok((all,)) }
    })
}

pub(super) fn streams(interface: &mut Interface<'_>) -> Defined {
    type Read = (Resource<InputStream>, u64);
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        answer::<Read, _>(interface, name, |_| (Err::<Vec<u8>, _>(StreamError::Closed),))?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        answer::<Read, _>(interface, name, |_| (Err::<u64, _>(StreamError::Closed),))?;
    }
    answer::<(Resource<InputStream>,), _>(interface, "[method]input-stream.subscribe", |_| (ready(),))?;
    answer::<(Resource<OutputStream>,), _>(interface, "[method]output-stream.subscribe", |_| (ready(),))?;
    answer::<(Resource<OutputStream>,), _>(interface, "[method]output-stream.check-write", |_| {
        (Ok::<_, StreamError>(WRITE_BYTES),)
    })?;
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        answer::<(Resource<OutputStream>,), _>(interface, name, |_| (Ok::<_, StreamError>(()),))?;
    }
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        interface.func_wrap(name, |mut store: Store<'_>, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
            charge(&mut store, bytes.len() as u64)?;
            let output = if stream.rep() == STDERR { Output::Stderr } else { Output::Stdout };
            let Sandbox { wasi, logs, .. } = store.data_mut();
            wasi.write(output, &bytes, logs);
            Ok((Ok::<_, StreamError>(()),))
        })?;
    }
    Ok(())
}

pub(super) fn random(interface: &mut Interface<'_>) -> Defined {
    random_bytes(interface, "get-random-bytes")?;
    answer::<(), _>(interface, "get-random-u64", |sandbox| (sandbox.random.next(),))
}

pub(super) fn insecure(interface: &mut Interface<'_>) -> Defined {
    random_bytes(interface, "get-insecure-random-bytes")?;
    answer::<(), _>(interface, "get-insecure-random-u64", |sandbox| (sandbox.random.next(),))
}

pub(super) fn insecure_seed(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "insecure-seed", |sandbox| ((sandbox.random.next(), sandbox.random.next()),))
}

pub(super) fn instance_network(interface: &mut Interface<'_>) -> Defined {
    answer::<(), _>(interface, "instance-network", |_| (Resource::<Network>::new_own(0),))
}

pub(super) fn ip_name_lookup(interface: &mut Interface<'_>) -> Defined {
    interface.func_wrap("resolve-addresses", |mut store: Store<'_>, _: (Resource<Network>, WasmStr)| {
        charge(&mut store, 0)?;
        Ok((denied(),))
    })
}

pub(super) fn tcp_create_socket(interface: &mut Interface<'_>) -> Defined {
    answer::<(AddressFamily,), _>(interface, "create-tcp-socket", |_| (denied(),))
}

pub(super) fn udp_create_socket(interface: &mut Interface<'_>) -> Defined {
    answer::<(AddressFamily,), _>(interface, "create-udp-socket", |_| (denied(),))
}

fn random_bytes(interface: &mut Interface<'_>, name: &str) -> Defined {
    interface.func_wrap(name, |mut store: Store<'_>, (bytes,): (u64,)| {
        if bytes > MAX_RANDOM_BYTES {
            return Err(WasiFault::Random { bytes, limit: MAX_RANDOM_BYTES }.into());
        }
        charge(&mut store, bytes)?;
        let wanted = usize::try_from(bytes)?;
        let random = &mut store.data_mut().random;
        let words = std::iter::repeat_with(|| random.next().to_le_bytes());
        Ok((words.flatten().take(wanted).collect::<Vec<_>>(),))
    })
}

fn denied() -> Result<Resource<Absent>, NetworkError> {
    Err(NetworkError::AccessDenied)
}

fn ready() -> Resource<Pollable> {
    Resource::new_own(0)
}

fn monotonic_ns(sandbox: &Sandbox) -> u64 {
    sandbox.now_ms.saturating_mul(NS_PER_MS).saturating_add(sandbox.wasi.elapsed_ns)
}

fn datetime(ms: u64) -> Datetime {
    let nanoseconds = ms % 1_000 * NS_PER_MS;
    Datetime { seconds: ms / 1_000, nanoseconds: u32::try_from(nanoseconds).unwrap_or(0) }
}

//! What a plugin can reach while it runs: the three functions of `hookwright:plugin/host`, and an empty world for
//! those that need WASI (`wasi`). Also what the host keeps of a run: logs, memory in use.

mod logbook;
mod memory;

use std::borrow::Cow;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmStr};

pub(super) use self::logbook::LogBook;
pub(super) use self::memory::{MemoryBudget, OverMemory};
use super::contract::{self, Level};
use super::engine::Bounds;
use super::wasi::Wasi;
use crate::clock::Timestamp;
use crate::ids::{DeliveryId, PluginName};

/// Fuel for any call of the host, in proportion to its time: fuel meters the guest's own instructions only,
/// so a loop of host calls would outlast it.
const CALL_FUEL: u64 = 500;

/// The state of one run. Made for it, and gone with it.
pub(super) struct Sandbox {
    pub(super) memory: MemoryBudget,
    pub(super) logs: LogBook,
    pub(super) now_ms: u64,
    pub(super) random: SplitMix64,
    pub(super) wasi: Wasi,
    /// Whether a plugin that runs without its component may call the host's functions; else the component sees to it.
    pub(super) may_call: bool,
}

/// What makes a run repeatable.
#[derive(Clone, Copy)]
pub(super) struct Seed {
    now: Timestamp,
    random: u64,
}

impl Sandbox {
    pub(super) fn new(seed: Seed, memory_bytes: usize, bounds: &'static Bounds) -> Self {
        Self {
            memory: MemoryBudget::new(memory_bytes, bounds),
            logs: LogBook::default(),
            now_ms: u64::try_from(seed.now.as_ms()).unwrap_or(0),
            random: SplitMix64(seed.random),
            wasi: Wasi::default(),
            may_call: true,
        }
    }

    /// The run is over.
    pub(super) fn end(&mut self) {
        self.wasi.end(&mut self.logs);
    }
}

impl Seed {
    /// Of a run over a delivery.
    pub(super) fn of_run(now: Timestamp, delivery: DeliveryId, run: u32, plugin: &PluginName) -> Self {
        let words = delivery.to_bytes().into_iter().chain(run.to_le_bytes()).chain(plugin.as_str().bytes());
        // Each byte is mixed in full, so that runs that differ in one bit have sequences with nothing in common.
        Self { now, random: words.fold(0, |state, byte| SplitMix64(state ^ u64::from(byte)).next()) }
    }

    /// Of a run without a delivery: loading.
    pub(super) const fn fixed() -> Self {
        Self { now: Timestamp::from_ms(0), random: 0 }
    }
}

/// Offers the host's functions to every plugin of `linker`.
pub(super) fn link(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    let mut host = linker.instance(contract::HOST_INTERFACE)?;
    host.func_wrap("log", |mut store: StoreContextMut<'_, Sandbox>, (level, message): (Level, WasmStr)| {
        log(&mut store, level, |store| message.to_str(store))
    })?;
    host.func_wrap("now-ms", |mut store: StoreContextMut<'_, Sandbox>, (): ()| Ok((now_ms(&mut store)?,)))?;
    host.func_wrap("random-u64", |mut store: StoreContextMut<'_, Sandbox>, (): ()| Ok((random_u64(&mut store)?,)))
}

pub(super) fn log(
    store: &mut StoreContextMut<'_, Sandbox>,
    level: Level,
    text: impl for<'s> FnOnce(&'s StoreContextMut<'_, Sandbox>) -> wasmtime::Result<Cow<'s, str>>,
) -> wasmtime::Result<()> {
    charge(store, 0)?;
    let text = text(store)?;
    let (length, line) = (text.len(), store.data().logs.excerpt(level, &text));
    charge(store, length as u64)?;
    store.data_mut().logs.add(level, line);
    Ok(())
}

pub(super) fn now_ms(store: &mut StoreContextMut<'_, Sandbox>) -> wasmtime::Result<u64> {
    charge(store, 0)?;
    Ok(store.data().now_ms)
}

pub(super) fn random_u64(store: &mut StoreContextMut<'_, Sandbox>) -> wasmtime::Result<u64> {
    charge(store, 0)?;
    Ok(store.data_mut().random.next())
}

/// Takes fuel for a call of the host that handles `bytes` bytes.
pub(super) fn charge(store: &mut StoreContextMut<'_, Sandbox>, bytes: u64) -> wasmtime::Result<()> {
    let (left, price) = (store.get_fuel()?, CALL_FUEL.saturating_add(bytes));
    store.set_fuel(left.saturating_sub(price))?;
    if left < price { Err(wasmtime::Trap::OutOfFuel.into()) } else { Ok(()) }
}

/// Steele, Lea and Flood's generator: small, fast and the same everywhere. Not for secrets.
pub(super) struct SplitMix64(u64);

impl SplitMix64 {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // First numbers of the reference implementation, seed 1234567.
        let mut random = SplitMix64(1_234_567);
        assert_eq!([random.next(), random.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn the_seed_depends_on_delivery_run_and_plugin() {
        let (now, delivery) = (Timestamp::from_ms(5), DeliveryId::from_bytes([7; 16]));
        let (one, two): (PluginName, PluginName) = ("one".parse().expect("name"), "two".parse().expect("name"));
        let seeds = [
            Seed::of_run(now, delivery, 1, &one).random,
            Seed::of_run(now, delivery, 2, &one).random,
            Seed::of_run(now, delivery, 1, &two).random,
            Seed::of_run(now, DeliveryId::from_bytes([8; 16]), 1, &one).random,
        ];
        assert_eq!(seeds[0], Seed::of_run(Timestamp::from_ms(6), delivery, 1, &one).random, "time plays no part");
        assert_eq!(seeds.iter().collect::<std::collections::BTreeSet<_>>().len(), seeds.len());
    }
}

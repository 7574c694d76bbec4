//! One call of one plugin, in an instance made for it and thrown away afterwards.

use std::time::Instant;

use wasmtime::Store;

use super::backtrace;
use super::broken::Broken;
use super::changes::max_output_bytes;
use super::contract::{Delivery, Failure, Manifest, PluginPre, Verdict};
use super::sandbox::{Sandbox, Seed};
use crate::config::PluginLimits;
use crate::delivery::{self, LogLine};

/// What a plugin may hand over in one call beside a payload: strings, lists and their bookkeeping.
const CALL_OVERHEAD_BYTES: usize = 1 << 20;
/// Fuel on top of the limit, so that what the intake accepts can also be transformed: to parse, edit and write
/// again JSON of many small objects costs up to 270 a byte.
const FUEL_PER_INPUT_BYTE: u64 = 300;

/// A call's outcome, and what it cost.
pub(super) struct Ran<T> {
    pub(super) outcome: Result<T, Broken>,
    /// Of a run that broke off.
    pub(super) backtrace: Vec<String>,
    pub(super) logs: Vec<LogLine>,
    pub(super) logs_cut: bool,
    pub(super) fuel: u64,
    pub(super) memory_bytes: u64,
    pub(super) micros: u64,
}

pub(super) fn describe(plugin: &PluginPre<Sandbox>, limits: &PluginLimits) -> Ran<Manifest> {
    run(plugin, limits, Seed::fixed(), 0, |store| plugin.instantiate(&mut *store)?.call_describe(store))
}

pub(super) fn transform(
    plugin: &PluginPre<Sandbox>,
    limits: &PluginLimits,
    seed: Seed,
    delivery: Delivery<'_>,
) -> Ran<Result<Verdict, Failure>> {
    let input_bytes = delivery.data.len();
    run(plugin, limits, seed, input_bytes, |store| plugin.instantiate(&mut *store)?.call_transform(store, delivery))
}

fn run<T>(
    plugin: &PluginPre<Sandbox>,
    limits: &PluginLimits,
    seed: Seed,
    input_bytes: usize,
    call: impl FnOnce(&mut Store<Sandbox>) -> wasmtime::Result<T>,
) -> Ran<T> {
    let started = Instant::now();
    let mut store = Store::new(plugin.engine(), Sandbox::new(seed, limits.memory_bytes.get()));
    store.limiter(|sandbox| &mut sandbox.memory);
    store.set_hostcall_fuel(max_output_bytes(input_bytes).saturating_add(CALL_OVERHEAD_BYTES));
    let budget = limits.fuel.get().saturating_add(FUEL_PER_INPUT_BYTE.saturating_mul(input_bytes as u64));
    let result = store.set_fuel(budget).and_then(|()| call(&mut store));
    let backtrace = result.as_ref().err().map(backtrace::frames).unwrap_or_default();
    let outcome = result.map_err(|error| Broken::from_error(&error, store.data(), budget));
    let fuel = budget.saturating_sub(store.get_fuel().unwrap_or(0));
    let sandbox = store.into_data();
    let memory_bytes = sandbox.memory.used() as u64;
    let (logs, logs_cut) = sandbox.logs.into_lines();
    Ran { outcome, backtrace, logs, logs_cut, fuel, memory_bytes, micros: delivery::micros(started.elapsed()) }
}

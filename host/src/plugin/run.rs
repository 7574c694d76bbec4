//! One call of one plugin, in an instance made for it and thrown away afterwards.

use std::time::Instant;

use wasmtime::{Module, Store};

use super::backtrace;
use super::broken::{Broken, Limited};
use super::changes::max_output_bytes;
use super::contract::{Delivery, Failure, Manifest, Plugin, Verdict};
use super::direct;
use super::load::Code;
use super::sandbox::{Sandbox, Seed};
use crate::config::RunLimits;
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
    /// It burnt all that it was tried with, and perhaps broke off for want of more.
    pub(super) cut_short: bool,
}

/// What a run may burn.
#[derive(Clone, Copy, Default)]
struct Ration {
    /// For its input, on top of the plugin's limit.
    input_bytes: usize,
    /// Of all that, if it is only tried.
    at_most: Option<u64>,
}

/// What it says of itself, and the module that its component was made of, if it gives one away.
pub(super) fn describe(code: &Code, limits: &RunLimits) -> Ran<(Manifest, Option<Module>)> {
    run(code, limits, Seed::fixed(), Ration::default(), |store| {
        let instance = code.pre.instance_pre().instantiate(&mut *store)?;
        let plugin = Plugin::new(&mut *store, &instance)?;
        let manifest = plugin.hookwright_plugin_transformer().call_describe(&mut *store)?;
        Ok((manifest, instance.get_module(store, direct::EXPORT)))
    })
}

pub(super) fn transform(
    code: &Code,
    limits: &RunLimits,
    seed: Seed,
    delivery: Delivery<'_>,
    at_most: Option<u64>,
) -> Ran<Result<Verdict, Failure>> {
    let ration = Ration { input_bytes: delivery.data.len(), at_most };
    run(code, limits, seed, ration, |store| match &code.direct {
        Some(direct) => direct.transform(store, &delivery),
        None => code.pre.instantiate(&mut *store)?.hookwright_plugin_transformer().call_transform(store, delivery),
    })
}

fn run<T>(
    code: &Code,
    limits: &RunLimits,
    seed: Seed,
    ration: Ration,
    call: impl FnOnce(&mut Store<Sandbox>) -> wasmtime::Result<T>,
) -> Ran<T> {
    let (started, bounds) = (Instant::now(), code.kind.bounds());
    let mut store = Store::new(code.pre.engine(), Sandbox::new(seed, limits.memory_bytes.get(), bounds));
    store.limiter(|sandbox| &mut sandbox.memory);
    store.set_hostcall_fuel(max_output_bytes(ration.input_bytes).saturating_add(CALL_OVERHEAD_BYTES));
    let whole = limits.fuel.get().saturating_add(FUEL_PER_INPUT_BYTE.saturating_mul(ration.input_bytes as u64));
    let budget = ration.at_most.map_or(whole, |most| whole.min(most));
    let result = store.set_fuel(budget).and_then(|()| call(&mut store));
    store.data_mut().end();
    let backtrace = result.as_ref().err().map(backtrace::frames).unwrap_or_default();
    let outcome = result.map_err(|error| {
        let (memory_setting, stack_bytes) = (limits.memory_setting, bounds.stack_bytes);
        Broken::from_error(&error, store.data(), Limited { fuel: budget, memory_setting, stack_bytes })
    });
    let left = store.get_fuel().unwrap_or(0);
    let fuel = budget.saturating_sub(left);
    // Whether or not it was stopped: wasmtime looks only now and then, and does not say what was burnt beyond.
    let cut_short = budget < whole && left == 0;
    let sandbox = store.into_data();
    let memory_bytes = sandbox.memory.used() as u64;
    let (logs, logs_cut) = sandbox.logs.into_lines();
    let micros = delivery::micros(started.elapsed());
    Ran { outcome, backtrace, logs, logs_cut, fuel, memory_bytes, micros, cut_short }
}

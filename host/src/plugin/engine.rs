//! How wasmtime is set up: deterministic, metered, and with every slot it will ever need laid out beforehand.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OperatorCost, OptLevel, PoolingAllocationConfig};

use super::LoadError;
use crate::config::PluginLimits;

/// Rust's own default for the stack inside the guest is 1 MiB; this is the native one, for call frames only.
pub(super) const STACK_BYTES: usize = 256 << 10;
/// Fuel burnt per microsecond, roughly, on the machines we measured: only for showing fuel as time.
pub(super) const FUEL_PER_MICRO: u64 = 5_000;

/// Runs beside the transform threads: loading, and `plugin run` on the command line.
const SPARE_STORES: u32 = 8;
/// One memory is the rule; a component may bring a few more.
pub(super) const MAX_MEMORIES: u32 = 4;
/// A Rust plugin has two: its own, and the one of the shim that the componentiser adds.
pub(super) const MAX_TABLES: u32 = 4;
/// The plugin, the componentiser's two shims, and some to spare.
pub(super) const MAX_INSTANCES: u32 = 8;
/// Of one table; a Rust plugin uses some hundreds.
pub(super) const MAX_TABLE_ENTRIES: usize = 10_000;
/// Wasmtime's bookkeeping of one core instance, and of one component.
const INSTANCE_BYTES: usize = 256 << 10;
/// Zeroed by hand between runs instead of being given back to the system: no page faults for small plugins.
/// Where Linux can tell which pages were written (6.7), only those: plugins with Rust's default stack of 1 MiB
/// take 18 µs instead of 30.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
/// Memories grow by this much.
const WASM_PAGE_BYTES: usize = 64 << 10;
/// Address space behind a memory whose instances are not pooled.
const GUARD_BYTES: u64 = 64 << 10;

/// The engine for these limits: pooled, or on demand where the system refuses the address space for a pool.
pub(super) fn build(limits: &PluginLimits) -> Result<wasmtime::Engine, LoadError> {
    wasmtime::Engine::new(&pooled(limits)).or_else(|error| {
        tracing::warn!(%error, "no room for a pool of plugin instances; each run allocates its own, which is slower");
        wasmtime::Engine::new(&on_demand(limits)).map_err(|error| LoadError::Engine(format!("{error:#}")))
    })
}

/// Everything laid out when the engine is built. Memories reserve their whole 4 GiB of addresses (not of
/// memory), which saves the guest a bounds check on every access.
fn pooled(limits: &PluginLimits) -> Config {
    let stores = limits.threads.get().saturating_add(SPARE_STORES);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(stores)
        .total_core_instances(stores.saturating_mul(MAX_INSTANCES))
        .total_memories(stores.saturating_mul(MAX_MEMORIES))
        .total_tables(stores.saturating_mul(MAX_TABLES))
        .max_core_instances_per_component(MAX_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_memories_per_module(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_tables_per_module(MAX_TABLES)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .table_elements(MAX_TABLE_ENTRIES)
        .max_memory_size(largest_memory(limits))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(MAX_TABLE_ENTRIES * size_of::<usize>())
        .max_unused_warm_slots(stores)
        .pagemap_scan(Enabled::Auto);
    let mut config = common();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Needs little address space: for `ulimit -v` and small machines.
pub(super) fn on_demand(limits: &PluginLimits) -> Config {
    let mut config = common();
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .memory_reservation(largest_memory(limits) as u64)
        .memory_reservation_for_growth(0)
        .memory_guard_size(GUARD_BYTES);
    config
}

/// In whole pages, and no more than 32-bit plugins can address. The exact limit, in sum, is the budget's.
fn largest_memory(limits: &PluginLimits) -> usize {
    limits.memory_bytes.get().min(4 << 30).next_multiple_of(WASM_PAGE_BYTES)
}

/// What makes a run repeatable (NaNs, relaxed SIMD, fuel) and bounded (fuel, stack). Threads, GC and async
/// are not compiled in.
fn common() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .operator_cost(costs())
        .max_wasm_stack(STACK_BYTES)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    config
}

/// One unit each, but for the instructions that call into the runtime: a loop of them must not outlast its fuel
/// by far. What they move is charged by the byte on top. Calls cost as much as they take where the processor cannot
/// foresee the return: hundreds of functions deep, one unit each made a second of 20 ms.
fn costs() -> OperatorCost {
    OperatorCost {
        Call: 10,
        CallIndirect: 10,
        MemoryGrow: u8::MAX,
        TableGrow: u8::MAX,
        MemoryInit: 50,
        MemoryCopy: 50,
        MemoryFill: 50,
        TableInit: 50,
        TableCopy: 50,
        TableFill: 50,
        DataDrop: 50,
        ElemDrop: 50,
        ..OperatorCost::new()
    }
}

//! How wasmtime is set up: deterministic and metered, once for small plugins and once for large ones. Does not
//! know the limits of a run: those go with each plugin, so that changing them compiles nothing anew.

use std::num::NonZeroU32;

use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OperatorCost, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails,
};

use super::LoadError;

/// What a plugin runs on, told from its file alone (see `inspect`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) enum EngineKind {
    /// Pooled and tuned for what Rust makes.
    Small,
    /// On demand and few at once: interpreters compiled to wasm, and what else brings a runtime along.
    Large,
}

/// What an instance of a plugin may consist of.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Core instances, and so the modules of a file.
    pub(super) instances: u32,
    pub(super) memories: u32,
    pub(super) tables: u32,
    /// Of one table.
    pub(super) table_entries: usize,
    /// The native stack, for call frames only; guests keep their own in their memory.
    pub(super) stack_bytes: usize,
}

/// One memory is the rule, and within a component two tables: the plugin's own and the one of the shim that the componentiser
/// adds. A Rust plugin has some hundreds of entries in its table, and within its component three instances.
const SMALL: Bounds =
    Bounds { instances: 8, memories: 4, tables: 4, table_entries: 10_000, stack_bytes: SMALL_STACK_BYTES };
/// `CPython` comes as 14 modules that share one table; `SpiderMonkey`'s table has 7,700 entries before the author's
/// code. Both call themselves deeply: half of a thread's stack.
const LARGE: Bounds = Bounds { instances: 64, memories: 4, tables: 16, table_entries: 100_000, stack_bytes: 1 << 20 };
/// Rust's own default for the stack inside the guest is 1 MiB.
const SMALL_STACK_BYTES: usize = 256 << 10;

/// Fuel burnt per microsecond, roughly, on the machines we measured: only for showing fuel as time.
pub(super) const FUEL_PER_MICRO: u64 = 5_000;

/// Runs beside the transform threads: loading, shadows, and `plugin run` on the command line.
const SPARE_STORES: u32 = 8;
/// Wasmtime's bookkeeping of one core instance, and of one component.
const INSTANCE_BYTES: usize = 256 << 10;
/// Zeroed by hand between runs instead of being given back to the system: no page faults for small plugins.
/// Where Linux can tell which pages were written (6.7), only those: plugins with Rust's default stack of 1 MiB
/// take 18 µs instead of 30.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
/// Address space for a memory where there is little of it; beyond, it moves when it grows.
const SCARCE_RESERVATION_BYTES: u64 = 1 << 20;
/// Address space behind such a memory.
const SCARCE_GUARD_BYTES: u64 = 64 << 10;

/// Of addresses, not of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Each memory reserves its whole 4 GiB, which saves the guest a bounds check on every access.
    Plenty,
    /// `ulimit -v`, small machines: memories reserve next to nothing.
    Scarce,
}

/// The two engines of a host.
pub(super) struct Engines {
    pub(super) small: wasmtime::Engine,
    pub(super) large: wasmtime::Engine,
}

/// For a process that only compiles: the settings of each engine that [`build`] may come to, without a pool.
pub(super) fn compiling(kind: EngineKind) -> [Config; 2] {
    [Room::Plenty, Room::Scarce].map(|room| config(kind, room))
}

impl EngineKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
        }
    }

    pub(super) const fn bounds(self) -> &'static Bounds {
        match self {
            Self::Small => &SMALL,
            Self::Large => &LARGE,
        }
    }
}

/// Engines for so many runs at once: the small one pooled, or on demand where the system refuses the address
/// space for a pool.
pub(super) fn build(threads: NonZeroU32) -> Result<Engines, LoadError> {
    match wasmtime::Engine::new(&pooled(threads)) {
        Ok(small) => Ok(Engines { small, large: engine(EngineKind::Large, Room::Plenty)? }),
        Err(error) => {
            tracing::warn!(%error, "no room for a pool of plugin instances; each run allocates its own, which is slower");
            scarce()
        }
    }
}

/// Engines that need little address space.
pub(super) fn scarce() -> Result<Engines, LoadError> {
    let [small, large] = [EngineKind::Small, EngineKind::Large].map(|kind| engine(kind, Room::Scarce));
    Ok(Engines { small: small?, large: large? })
}

fn engine(kind: EngineKind, room: Room) -> Result<wasmtime::Engine, LoadError> {
    wasmtime::Engine::new(&config(kind, room)).map_err(|error| LoadError::Engine(format!("{error:#}")))
}

/// All that compiled code depends on; instances are allocated on demand. What makes a run repeatable (NaNs,
/// relaxed SIMD, fuel) and bounded (fuel, stack). Threads, GC and async are not compiled in.
pub(super) fn config(kind: EngineKind, room: Room) -> Config {
    let mut config = Config::new();
    config
        // Otherwise the environment decides, and the compiler's has nothing to say.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .consume_fuel(true)
        .operator_cost(costs())
        .max_wasm_stack(kind.bounds().stack_bytes)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .allocation_strategy(InstanceAllocationStrategy::OnDemand);
    if room == Room::Scarce {
        config
            .memory_reservation(SCARCE_RESERVATION_BYTES)
            .memory_reservation_for_growth(0)
            .memory_guard_size(SCARCE_GUARD_BYTES);
    }
    config
}

/// The small kind with every slot it will ever need laid out beforehand.
fn pooled(threads: NonZeroU32) -> Config {
    // Half as many again are patient ones, see `transform`.
    let threads = threads.get();
    let stores = threads.saturating_add(threads.div_ceil(2)).saturating_add(SPARE_STORES);
    let bounds = EngineKind::Small.bounds();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(stores)
        .total_core_instances(stores.saturating_mul(bounds.instances))
        .total_memories(stores.saturating_mul(bounds.memories))
        .total_tables(stores.saturating_mul(bounds.tables))
        .max_core_instances_per_component(bounds.instances)
        .max_memories_per_component(bounds.memories)
        .max_memories_per_module(bounds.memories)
        .max_tables_per_component(bounds.tables)
        .max_tables_per_module(bounds.tables)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .table_elements(bounds.table_entries)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(bounds.table_entries * size_of::<usize>())
        .max_unused_warm_slots(stores)
        .pagemap_scan(Enabled::Auto);
    let mut config = config(EngineKind::Small, Room::Plenty);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
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

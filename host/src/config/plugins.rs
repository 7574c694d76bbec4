//! The section `plugins` of `server.json`: what runs may use, in general and by name.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

use super::node::{Fields, Keys, Node};
use super::{LimitsByKind, NamedLimits, PluginLimits, RunLimits};
use crate::ids::PluginName;
use crate::plugin::EngineKind;

const PLUGINS: Keys = Keys { known: &["fuel", "memoryBytes", "threads", "large", "limits"], later: &[] };
const LARGE: Keys = Keys { known: &["fuel", "memoryBytes", "atOnce"], later: &[] };
const NAMED: Keys = Keys { known: &["fuel", "memoryBytes"], later: &[] };

/// Enough to get to a plugin's first line; less is a mistake.
const MIN_FUEL: u64 = 10_000;
/// About 20 s.
const MAX_FUEL: u64 = 100_000_000_000;
/// One page of WebAssembly memory.
const MIN_MEMORY_BYTES: u64 = 64 << 10;
const MAX_MEMORY_BYTES: u64 = 1 << 30;
/// One webhook holds at most half of the threads, so one would be none.
const MIN_THREADS: u64 = 2;
const MAX_THREADS: u64 = 256;

impl Default for PluginLimits {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 256));
        Self {
            usual: LimitsByKind::default(),
            named: BTreeMap::new(),
            threads: u32::try_from(processors).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN),
            large_at_once: const { NonZeroU32::new(2).unwrap() },
        }
    }
}

impl Default for LimitsByKind {
    fn default() -> Self {
        Self {
            small: RunLimits {
                fuel: const { NonZeroU64::new(100_000_000).unwrap() },
                memory_bytes: const { NonZeroUsize::new(16 << 20).unwrap() },
                memory_setting: "plugins.memoryBytes",
            },
            large: RunLimits {
                fuel: const { NonZeroU64::new(1_000_000_000).unwrap() },
                memory_bytes: const { NonZeroUsize::new(128 << 20).unwrap() },
                memory_setting: "plugins.large.memoryBytes",
            },
        }
    }
}

impl LimitsByKind {
    pub(crate) const fn of(&self, kind: EngineKind) -> RunLimits {
        match kind {
            EngineKind::Small => self.small,
            EngineKind::Large => self.large,
        }
    }
}

impl PluginLimits {
    /// Of the plugin of this name.
    pub fn of(&self, name: &PluginName) -> LimitsByKind {
        let named = self.named.get(name);
        let LimitsByKind { small, large } = self.usual;
        named.map_or(self.usual, |named| LimitsByKind { small: named.over(small), large: named.over(large) })
    }
}

impl NamedLimits {
    fn over(&self, usual: RunLimits) -> RunLimits {
        let mut limits = usual;
        limits.fuel = self.fuel.unwrap_or(usual.fuel);
        if let Some(bytes) = self.memory_bytes {
            (limits.memory_bytes, limits.memory_setting) = (bytes, "plugins.limits");
        }
        limits
    }
}

pub(super) fn read(node: &Node<'_>) -> PluginLimits {
    let default = PluginLimits::default();
    let Some(fields) = node.fields(&PLUGINS) else { return default };
    let large = fields.section("large", &LARGE);
    let threads = count(&fields, "threads", MIN_THREADS..=MAX_THREADS);
    PluginLimits {
        usual: LimitsByKind {
            small: read_limits(&fields, default.usual.small),
            large: read_limits(&large, default.usual.large),
        },
        named: fields.get("limits").map(|node| read_named(&node)).unwrap_or_default(),
        threads: threads.unwrap_or(default.threads),
        large_at_once: count(&large, "atOnce", 1..=MAX_THREADS).unwrap_or(default.large_at_once),
    }
}

fn read_limits(fields: &Fields<'_>, default: RunLimits) -> RunLimits {
    RunLimits {
        fuel: read_fuel(fields).unwrap_or(default.fuel),
        memory_bytes: read_memory(fields).unwrap_or(default.memory_bytes),
        ..default
    }
}

/// No file need have the name: the plugin may come later. `null` takes an entry back that the base wrote.
fn read_named(node: &Node<'_>) -> BTreeMap<PluginName, NamedLimits> {
    let mut named = BTreeMap::new();
    for (key, entry) in node.entries().filter(|(_, entry)| !entry.is_null()) {
        match key.parse::<PluginName>() {
            Ok(name) => {
                let Some(fields) = entry.fields(&NAMED) else { continue };
                named.insert(name, NamedLimits { fuel: read_fuel(&fields), memory_bytes: read_memory(&fields) });
            }
            Err(error) => entry.refuse_missing(format_args!("the key is a plugin's name: {error}")),
        }
    }
    named
}

fn read_fuel(fields: &Fields<'_>) -> Option<NonZeroU64> {
    fields.get("fuel")?.number(MIN_FUEL..=MAX_FUEL).and_then(NonZeroU64::new)
}

fn read_memory(fields: &Fields<'_>) -> Option<NonZeroUsize> {
    let bytes = fields.get("memoryBytes")?.number(MIN_MEMORY_BYTES..=MAX_MEMORY_BYTES)?;
    usize::try_from(bytes).ok().and_then(NonZeroUsize::new)
}

fn count(fields: &Fields<'_>, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<NonZeroU32> {
    fields.get(key)?.number(range).and_then(|count| u32::try_from(count).ok()).and_then(NonZeroU32::new)
}

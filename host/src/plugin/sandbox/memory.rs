//! Counts all that an instance holds, memories and tables together, against one limit.

use super::super::engine::Bounds;

/// What an instance may hold, and holds.
pub(in super::super) struct MemoryBudget {
    allowed: usize,
    used: usize,
    bounds: &'static Bounds,
}

/// The instance asked for more than its budget. Ends the run, so that the reason is this and not what the
/// plugin makes of a failed allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wanted {wanted} bytes of memory, may have {allowed}")]
pub(in super::super) struct OverMemory {
    /// In total, with what was asked for.
    pub(in super::super) wanted: usize,
    pub(in super::super) allowed: usize,
}

impl MemoryBudget {
    pub(super) const fn new(allowed: usize, bounds: &'static Bounds) -> Self {
        Self { allowed, used: 0, bounds }
    }

    /// Bytes in use. Never shrinks during a run.
    pub(in super::super) const fn used(&self) -> usize {
        self.used
    }

    /// Past the plugin's own `maximum` growth fails as WebAssembly says, and is the plugin's affair.
    fn grow(&mut self, bytes: usize, within_maximum: bool) -> wasmtime::Result<bool> {
        if within_maximum {
            self.take(bytes)?;
        }
        Ok(within_maximum)
    }

    fn take(&mut self, bytes: usize) -> Result<(), OverMemory> {
        let wanted = self.used.saturating_add(bytes);
        if wanted > self.allowed {
            return Err(OverMemory { wanted, allowed: self.allowed });
        }
        self.used = wanted;
        Ok(())
    }
}

impl wasmtime::ResourceLimiter for MemoryBudget {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current), maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = desired.saturating_sub(current).saturating_mul(size_of::<usize>());
        self.grow(bytes, maximum.is_none_or(|maximum| desired <= maximum) && desired <= self.bounds.table_entries)
    }

    /// Counted already, but the machine or the pool has none to give: the run ends, its figures being wrong.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error)
    }

    fn instances(&self) -> usize {
        self.bounds.instances as usize
    }

    fn tables(&self) -> usize {
        self.bounds.tables as usize
    }

    fn memories(&self) -> usize {
        self.bounds.memories as usize
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::ResourceLimiter as _;

    use super::*;
    use crate::plugin::engine::EngineKind;

    const BOUNDS: &Bounds = EngineKind::Small.bounds();

    #[test]
    fn the_sum_counts_not_each_memory() {
        let mut budget = MemoryBudget::new(100, BOUNDS);
        assert!(budget.memory_growing(0, 60, None).expect("fits"));
        let over = budget.memory_growing(0, 60, None).expect_err("a second one does not");
        assert_eq!(over.downcast_ref(), Some(&OverMemory { wanted: 120, allowed: 100 }));
        assert!(budget.table_growing(0, 5, None).expect("fits"));
        assert!(budget.table_growing(5, 6, None).is_err(), "tables count too");
        assert_eq!(budget.used(), 100);
    }

    #[test]
    fn a_growth_that_cannot_happen_costs_nothing() {
        let mut budget = MemoryBudget::new(100, BOUNDS);
        assert!(!budget.memory_growing(0, 60, Some(50)).expect("refused, not trapped"));
        assert!(!budget.table_growing(0, 6, Some(5)).expect("refused, not trapped"));
        assert!(!budget.table_growing(0, BOUNDS.table_entries + 1, None).expect("refused, not trapped"));
        assert_eq!(budget.used(), 0);
    }
}

//! The allocator of a plugin: memory is handed out from bottom to top and given back only at the top, because an
//! instance lives for one delivery and all its memory goes with it. That costs a few instructions per allocation,
//! little code, and no page of memory that is not used.
#![cfg_attr(
    all(target_family = "wasm", feature = "alloc"),
    expect(unsafe_code, reason = "an allocator hands out raw memory")
)]

/// Which addresses are taken. Knows nothing of memory itself.
#[cfg(any(test, all(target_family = "wasm", feature = "alloc")))]
struct Arena {
    /// The first free address.
    next: usize,
}

#[cfg(any(test, all(target_family = "wasm", feature = "alloc")))]
impl Arena {
    /// Takes `size` bytes aligned to `align`, a power of two; where they start. `None` past the end of addresses.
    fn take(&mut self, size: usize, align: usize) -> Option<usize> {
        let start = self.next.checked_add(align - 1)? & !(align - 1);
        self.next = start.checked_add(size)?;
        Some(start)
    }

    /// Makes the block at `start` larger or smaller where it is. Only the last one can.
    fn resize(&mut self, start: usize, old: usize, new: usize) -> bool {
        let last = self.next.checked_sub(old) == Some(start);
        match start.checked_add(new) {
            Some(next) if last => {
                self.next = next;
                true
            }
            _ => false,
        }
    }
}

#[cfg(all(target_family = "wasm", feature = "alloc"))]
mod global {
    use std::alloc::{GlobalAlloc, Layout};
    use std::cell::UnsafeCell;
    use std::ptr;

    use super::Arena;

    #[cfg(target_feature = "atomics")]
    compile_error!("the allocator of hookwright-sdk is for plugins without threads: switch its feature `alloc` off");

    const PAGE_BYTES: usize = 64 * 1024;
    /// Growing is a call into the host: not for every page.
    const GROW_PAGES: usize = 4;

    #[global_allocator]
    static BUMP: Bump = Bump(UnsafeCell::new(None));

    /// `None` until the first allocation.
    struct Bump(UnsafeCell<Option<Arena>>);

    // SAFETY: a plugin has one thread (checked above), and no method below runs another one of them.
    unsafe impl Sync for Bump {}

    unsafe extern "C" {
        /// The linker's: the first address after static data and stack.
        static __heap_base: u8;
    }

    impl Bump {
        #[expect(clippy::mut_from_ref, reason = "one thread, and each method below calls it once")]
        fn arena(&self) -> &mut Arena {
            // SAFETY: see `Sync`; no reference outlives the method that asked for it.
            let arena = unsafe { &mut *self.0.get() };
            arena.get_or_insert_with(|| Arena { next: (&raw const __heap_base).addr() })
        }
    }

    // SAFETY: blocks do not overlap (`Arena`, tested below), are aligned, and lie in memory that exists (`reach`).
    unsafe impl GlobalAlloc for Bump {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let arena = self.arena();
            let before = arena.next;
            match arena.take(layout.size(), layout.align()) {
                Some(start) if reach(arena.next) => ptr::with_exposed_provenance_mut(start),
                _ => {
                    arena.next = before;
                    ptr::null_mut()
                }
            }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            self.arena().resize(block.addr(), layout.size(), 0);
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            let arena = self.arena();
            if arena.resize(block.addr(), layout.size(), size) {
                if reach(arena.next) {
                    return block;
                }
                arena.resize(block.addr(), size, layout.size());
                return ptr::null_mut();
            }
            if size <= layout.size() {
                return block;
            }
            // SAFETY: the caller promises that `size` fits the alignment; the new block is disjoint and larger.
            unsafe {
                let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(block, moved, layout.size());
                }
                moved
            }
        }
    }

    /// Makes the memory reach up to `end`.
    fn reach(end: usize) -> bool {
        use core::arch::wasm32::{memory_grow, memory_size};
        let missing = end.div_ceil(PAGE_BYTES).saturating_sub(memory_size(0));
        missing == 0 || memory_grow(0, missing.max(GROW_PAGES)) != usize::MAX || memory_grow(0, missing) != usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_apart() {
        let mut arena = Arena { next: 1001 };
        let first = arena.take(10, 8).unwrap();
        let second = arena.take(1, 16).unwrap();
        assert_eq!((first, second, arena.next), (1008, 1024, 1025));
    }

    #[test]
    fn only_the_last_block_changes_its_size() {
        let mut arena = Arena { next: 16 };
        let first = arena.take(16, 8).unwrap();
        let last = arena.take(16, 8).unwrap();
        assert!(!arena.resize(first, 16, 32));
        assert!(arena.resize(last, 16, 64));
        assert_eq!(arena.take(1, 1), Some(last + 64));
        assert!(arena.resize(last + 64, 1, 0) && arena.resize(last, 64, 0));
        assert_eq!(arena.next, last);
    }

    #[test]
    fn the_end_of_addresses_is_no_place() {
        let mut arena = Arena { next: usize::MAX - 4 };
        assert_eq!(arena.take(1, 16), None);
        assert_eq!(arena.take(8, 1), None);
        assert!(!arena.resize(usize::MAX - 8, 4, 16));
        assert_eq!(arena.next, usize::MAX - 4);
    }
}

//! Random numbers for other crates: `getrandom`, and so `uuid`, `rand` or `ahash`, asks here for bytes. They come from
//! the host's seeded sequence, so that a run with them repeats too.
#![cfg_attr(
    all(target_family = "wasm", feature = "getrandom"),
    expect(unsafe_code, reason = "the symbols that `getrandom` looks for take raw memory")
)]

/// Fills `bytes` from the sequence: the same in every language that reads little-endian.
#[cfg(any(test, all(target_family = "wasm", feature = "getrandom")))]
fn fill(bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(8) {
        let random = crate::random_u64().to_le_bytes();
        chunk.copy_from_slice(&random[..chunk.len()]);
    }
}

#[cfg(all(target_family = "wasm", feature = "getrandom"))]
mod backend {
    use core::num::NonZeroI32;
    use core::slice;

    /// What `getrandom` 0.3 and 0.4 call if `--cfg getrandom_backend="custom"` is set. Their error is a struct of this
    /// one number: not named here, because depending on `getrandom` would make that flag necessary for every plugin.
    // SAFETY (of the name): only this crate defines it; who brings a backend of their own switches the feature off.
    #[unsafe(no_mangle)]
    unsafe fn __getrandom_v03_custom(bytes: *mut u8, len: usize) -> Result<(), NonZeroI32> {
        // SAFETY: the caller hands over `len` bytes to write to.
        unsafe { write(bytes, len) };
        Ok(())
    }

    /// What `getrandom` 0.2 calls if its feature `custom` is on. 0: no error.
    // SAFETY (of the name): as above.
    #[unsafe(no_mangle)]
    unsafe fn __getrandom_custom(bytes: *mut u8, len: usize) -> u32 {
        // SAFETY: the caller hands over `len` bytes to write to.
        unsafe { write(bytes, len) };
        0
    }

    /// The bytes may not be initialised, as `getrandom` allows.
    unsafe fn write(bytes: *mut u8, len: usize) {
        // SAFETY: the caller hands over `len` bytes to write to; zeros make them initialised.
        let bytes = unsafe {
            bytes.write_bytes(0, len);
            slice::from_raw_parts_mut(bytes, len)
        };
        super::fill(bytes);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_repeat_and_end_anywhere() {
        let mut long = [0; 19];
        super::fill(&mut long);
        crate::testing::seed(0);
        let (first, second) = (crate::random_u64(), crate::random_u64());
        assert_eq!(long[..8], first.to_le_bytes());
        assert_eq!(long[8..16], second.to_le_bytes());
        assert_ne!(long[16..], [0; 3]);
        super::fill(&mut []);
    }
}

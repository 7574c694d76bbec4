//! What compiled code depends on besides the file: wasmtime's version and settings, the processor, and this program.

use std::hash::{Hash as _, Hasher};

use sha2::{Digest as _, Sha256};

use crate::ids::Digest;

/// To be raised when another component is made of the same module: 2, since it gives the module away.
const COMPONENTS: u32 = 2;

/// Two engines with the same fingerprint run each other's code.
pub(super) fn of(engine: &wasmtime::Engine) -> Digest {
    let mut fingerprint = Fingerprint(Sha256::new());
    // Which component is made of a module is this program's doing.
    (env!("CARGO_PKG_VERSION"), COMPONENTS).hash(&mut fingerprint);
    engine.precompile_compatibility_hash().hash(&mut fingerprint);
    Digest::from_bytes(fingerprint.0.finalize().into())
}

/// Wasmtime speaks to a [`Hasher`]; 64 bits of one are too few to tell code apart.
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks: the whole hash is taken.
    fn finish(&self) -> u64 {
        0
    }
}

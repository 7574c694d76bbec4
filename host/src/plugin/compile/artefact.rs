//! Native code of whose origin we are certain: the only bytes that are ever taken for code.

use wasmtime::component::Component;

/// What `Engine::precompile_component` gave, to this process, to a child of it, or to an earlier run of this host.
pub(super) struct Artefact(Vec<u8>);

impl Artefact {
    /// Of this process.
    pub(super) fn from_here(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The answer of a child that this process started, read from a pipe that nobody else holds.
    pub(super) fn from_child(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// From a file whose tag was verified with the host's key.
    pub(super) fn from_verified_file(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Makes it executable.
    ///
    /// # Errors
    /// When it was made by another wasmtime, or for an engine of other settings.
    #[expect(unsafe_code, reason = "the one place where bytes become code; only an Artefact gets here")]
    pub(super) fn component(&self, engine: &wasmtime::Engine) -> wasmtime::Result<Component> {
        // SAFETY: the bytes must be what wasmtime's compiler made, unchanged. An `Artefact` is made of nothing
        // else: the answer of our own executable over a private pipe, or a file that an HMAC shows to be such an
        // answer, written by a host that has the key of this home (0600; whoever reads it is this user and could
        // replace the executable as well). They are in our memory, so no file can change beneath the code. That
        // version and settings fit, which depends on time and machine, is checked by wasmtime itself.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}

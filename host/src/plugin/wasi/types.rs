//! What passes between a plugin and its empty world, in the shapes that WASI 0.2 gives them.

use wasmtime::component::{ComponentType, Lift, Lower, Resource};

/// Ready from the beginning.
pub(super) enum Pollable {}
/// Never made: nothing in here fails but by being closed.
pub(super) enum IoError {}
/// Empty and closed.
pub(super) enum InputStream {}
/// Its representation is one of [`STDOUT`] and [`STDERR`].
pub(super) enum OutputStream {}
/// Leads nowhere.
pub(super) enum Network {}
/// Every resource that is never made: descriptors, sockets, requests.
pub(super) enum Absent {}

pub(super) const STDOUT: u32 = 1;
pub(super) const STDERR: u32 = 2;

#[derive(ComponentType, Lower)]
#[component(variant)]
#[expect(dead_code, reason = "the type has it; nothing in here fails")]
pub(super) enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Datetime {
    pub(super) seconds: u64,
    pub(super) nanoseconds: u32,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "plugins make them")]
pub(super) enum AddressFamily {
    #[component(name = "ipv4")]
    Ipv4,
    #[component(name = "ipv6")]
    Ipv6,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "the type has them; all that plugins get is that access is denied")]
pub(super) enum NetworkError {
    #[component(name = "unknown")]
    Unknown,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "not-supported")]
    NotSupported,
    #[component(name = "invalid-argument")]
    InvalidArgument,
    #[component(name = "out-of-memory")]
    OutOfMemory,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "concurrency-conflict")]
    ConcurrencyConflict,
    #[component(name = "not-in-progress")]
    NotInProgress,
    #[component(name = "would-block")]
    WouldBlock,
    #[component(name = "invalid-state")]
    InvalidState,
    #[component(name = "new-socket-limit")]
    NewSocketLimit,
    #[component(name = "address-not-bindable")]
    AddressNotBindable,
    #[component(name = "address-in-use")]
    AddressInUse,
    #[component(name = "remote-unreachable")]
    RemoteUnreachable,
    #[component(name = "connection-refused")]
    ConnectionRefused,
    #[component(name = "connection-reset")]
    ConnectionReset,
    #[component(name = "connection-aborted")]
    ConnectionAborted,
    #[component(name = "datagram-too-large")]
    DatagramTooLarge,
    #[component(name = "name-unresolvable")]
    NameUnresolvable,
    #[component(name = "temporary-resolver-failure")]
    TemporaryResolverFailure,
    #[component(name = "permanent-resolver-failure")]
    PermanentResolverFailure,
}

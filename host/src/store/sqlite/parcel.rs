//! Answers that hold leases, on their way to a caller who may be gone: a request was cancelled, a task ended. A lease
//! nobody received would never be worked on, so it is given back.

use std::sync::Weak;

use super::writer::{self, Jobs};
use crate::store::{Appended, Claimed, LeaseToken, Place, Quarantined, Settled};

/// An answer; dropped unopened, it gives back the leases in it.
pub(super) struct Parcel<T: Leases> {
    content: Option<T>,
    queue: Weak<Jobs>,
}

/// Which leases an answer holds.
pub(super) trait Leases {
    fn tokens(&self) -> Vec<LeaseToken> {
        Vec::new()
    }
}

impl<T: Leases> Parcel<T> {
    pub(super) const fn new(content: T, queue: Weak<Jobs>) -> Self {
        Self { content: Some(content), queue }
    }

    /// # Panics
    /// Never: the content leaves only here, and this takes the parcel.
    pub(super) fn open(mut self) -> T {
        self.content.take().expect("a parcel is opened once")
    }
}

impl<T: Leases> Drop for Parcel<T> {
    fn drop(&mut self) {
        let Some(content) = &self.content else { return };
        let tokens = content.tokens();
        if let (false, Some(queue)) = (tokens.is_empty(), self.queue.upgrade()) {
            writer::give_back(&queue, tokens);
        }
    }
}

impl Leases for Vec<Appended> {
    fn tokens(&self) -> Vec<LeaseToken> {
        let placed = self.iter().filter_map(|appended| match appended {
            Appended::Stored { deliveries } => Some(deliveries),
            Appended::Repeated { .. } | Appended::Conflict { .. } | Appended::Withheld => None,
        });
        let tokens = placed.flatten().filter_map(|placed| match &placed.place {
            Place::Leased(lease) => Some(lease.token),
            Place::Due(_) | Place::Behind => None,
        });
        tokens.collect()
    }
}

impl Leases for Claimed {
    fn tokens(&self) -> Vec<LeaseToken> {
        self.leases.iter().map(|lease| lease.token).collect()
    }
}

impl Leases for () {}
impl Leases for crate::store::Written {}
impl Leases for u64 {}
impl Leases for String {}
impl Leases for Vec<Settled> {}
impl Leases for Vec<crate::ids::DeliveryId> {}
impl Leases for Option<Quarantined> {}
impl Leases for super::holding::Step {}

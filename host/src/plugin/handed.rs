//! What each plugin of a chain handed on to the next, kept for whoever looks at one chain: trials and repetitions.
//! Deliveries keep their outcome only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::changes::max_output_bytes;
use crate::delivery::Changes;
use crate::ids::PluginName;

/// One step of a chain.
#[derive(Clone, Debug)]
pub struct Handed {
    pub plugin: PluginName,
    /// What the plugins up to here want, all in all; none: the chain ended here.
    pub changes: Option<Changes>,
}

/// Takes the steps of one chain.
#[derive(Clone, Default)]
pub struct Handing(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    steps: Vec<Handed>,
    /// Of the payloads among them, each counted once.
    bytes: usize,
    is_full: bool,
}

impl Handing {
    /// The steps so far; fewer than ran, where their payloads together are more than one may be.
    pub fn take(&self) -> Vec<Handed> {
        std::mem::take(&mut self.lock().steps)
    }

    /// As if nothing had been handed on: the chain is run anew.
    pub(super) fn forget(&self) {
        *self.lock() = Kept::default();
    }

    pub(super) fn add(&self, plugin: &PluginName, changes: Option<&Changes>, event_bytes: usize) {
        let mut kept = self.lock();
        let data = changes.and_then(|changes| changes.data.as_ref());
        let before = kept.steps.last().and_then(|step| step.changes.as_ref()).and_then(|changes| changes.data.as_ref());
        let is_new = data.map(|data| data.as_ptr()) != before.map(|data| data.as_ptr());
        kept.bytes += data.filter(|_| is_new).map_or(0, bytes::Bytes::len);
        kept.is_full |= kept.bytes > max_output_bytes(event_bytes);
        if !kept.is_full {
            kept.steps.push(Handed { plugin: plugin.clone(), changes: changes.cloned() });
        }
    }

    /// Nothing in here panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::changes::MAX_OUTPUT_BYTES;
    use super::*;

    #[test]
    fn a_payload_that_stays_counts_once_and_what_is_too_much_is_not_kept() {
        let (handing, plugin) = (Handing::default(), "redact".parse().expect("a name"));
        let of = |data: Bytes| Changes { data: Some(data), ..Changes::default() };
        let first = of(vec![0; MAX_OUTPUT_BYTES].into());
        handing.add(&plugin, Some(&first), 2);
        handing.add(&plugin, Some(&first), 2);
        handing.add(&plugin, Some(&of(Bytes::from_static(b"{}"))), 2);
        handing.add(&plugin, None, 2);
        assert_eq!(handing.take().len(), 2);
    }
}

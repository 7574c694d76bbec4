//! The newest revisions and what each changed, since the start of the host.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::revision::Revision;

/// More tell nobody anything.
const MOST: usize = 100;

/// One revision that came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReloadRecord {
    pub revision: u64,
    pub at: Timestamp,
    /// In words: `server, webhook site-build, -plugin old`; `start` for the first.
    pub changed: String,
    /// How many faults there were then.
    pub faults: usize,
}

#[derive(Clone)]
pub(super) struct History(Arc<Mutex<VecDeque<ReloadRecord>>>);

impl History {
    pub(super) fn begun_with(first: &Revision) -> Self {
        let history = Self(Arc::default());
        history.add(first, "start".to_owned());
        history
    }

    pub(super) fn add(&self, revision: &Revision, changed: String) {
        let record =
            ReloadRecord { revision: revision.number, at: revision.loaded, changed, faults: revision.faults.len() };
        let mut records = self.records();
        records.push_front(record);
        records.truncate(MOST);
    }

    pub(super) fn list(&self) -> Vec<ReloadRecord> {
        self.records().iter().cloned().collect()
    }

    fn records(&self) -> MutexGuard<'_, VecDeque<ReloadRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

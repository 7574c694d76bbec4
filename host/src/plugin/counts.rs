//! How often a version ran and broke since it was loaded. Counted on every run: two atomics, nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::delivery::RunVerdict;

/// Only numbers to look at: nothing is synchronised by them.
#[derive(Debug, Default)]
pub struct Counts {
    runs: AtomicU64,
    breaks: AtomicU64,
}

impl Counts {
    pub(crate) fn add(&self, verdict: RunVerdict) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        if verdict == RunVerdict::Broke {
            self.breaks.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    pub fn breaks(&self) -> u64 {
        self.breaks.load(Ordering::Relaxed)
    }
}

//! Files that went beyond their allowance: remembered like code, so that a start does not try them all again.

use serde::{Deserialize, Serialize};

use crate::plugin::load::LoadError;

/// What would be exceeded again, on the same machine. Not the time by the clock: that also says how busy it was.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Exceeded {
    Time { seconds: u64 },
    Memory { mib: u64 },
    Size { mib: u64 },
}

impl Exceeded {
    pub(super) const fn of(error: &LoadError) -> Option<Self> {
        match error {
            LoadError::CompileTime { seconds } => Some(Self::Time { seconds: *seconds }),
            LoadError::CompileMemory { mib } => Some(Self::Memory { mib: *mib }),
            LoadError::CompiledSize { mib } => Some(Self::Size { mib: *mib }),
            _ => None,
        }
    }
}

impl From<Exceeded> for LoadError {
    fn from(exceeded: Exceeded) -> Self {
        match exceeded {
            Exceeded::Time { seconds } => Self::CompileTime { seconds },
            Exceeded::Memory { mib } => Self::CompileMemory { mib },
            Exceeded::Size { mib } => Self::CompiledSize { mib },
        }
    }
}

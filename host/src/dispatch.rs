//! Lanes, permits, the life of one delivery, retry decisions, run state.

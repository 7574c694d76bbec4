//! The embedded store: one writer thread, group commit without a timer, WAL, `synchronous=FULL`.

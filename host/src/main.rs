//! `hookwright`, the binary: parse, build, run, drain.

fn main() {}

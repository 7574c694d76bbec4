//! Load and micro benchmarks.

fn main() {}

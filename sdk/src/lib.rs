//! Write Hookwright plugins: one function from a delivery to a verdict.

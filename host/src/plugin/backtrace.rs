//! Where a run broke off: the functions that were being called, in the names their author gave them.
//! Names come from the file's name section; a stripped file has numbers.

use wasmtime::{FrameInfo, WasmBacktrace};

use super::words::shown;

/// Frames kept of one run: the innermost say where it broke off.
const MAX_FRAMES: usize = 8;
/// Of one name, demangled; together they are kept with the delivery, so they cost disk.
const MAX_NAME_BYTES: usize = 128;
/// Before the number of a function without a name; no name has a space.
const UNNAMED: &str = "function ";
/// What stands between a panic and its trap, in every Rust plugin.
const MACHINERY: [&str; 9] = [
    "rust_panic",
    "panicking::",
    "rust_begin_unwind",
    "rust_start_panic",
    "panic_abort::",
    "sys::backtrace::",
    "process::abort",
    "unwrap_failed",
    "expect_failed",
];

/// The functions under way when the run broke off, innermost first, without the panic's own.
pub(super) fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    // The cap also bounds the work: after a stack overflow there are thousands.
    let names: Vec<_> = trace.frames().iter().take(4 * MAX_FRAMES).map(name).collect();
    let own = names.iter().position(|name| !is_machinery(name)).unwrap_or(0);
    names.into_iter().skip(own).take(MAX_FRAMES).collect()
}

/// The innermost function, where the file has names.
pub(super) fn innermost(error: &wasmtime::Error) -> Option<String> {
    let trace = error.downcast_ref::<WasmBacktrace>()?;
    trace.frames().first()?.func_name().map(demangled)
}

/// Whether a kept frame has a name: a number helps only who has the file and tools at hand.
pub(crate) fn has_name(frame: &str) -> bool {
    !frame.starts_with(UNNAMED)
}

fn name(frame: &FrameInfo) -> String {
    frame.func_name().map_or_else(|| format!("{UNNAMED}{}", frame.func_index()), demangled)
}

/// Without the hash that tells one build from another.
fn demangled(name: &str) -> String {
    // Of a long mangled name only as much is demangled as could be shown.
    shown(&format!("{:#}", rustc_demangle::demangle(super::words::cut(name, 8 * MAX_NAME_BYTES))), MAX_NAME_BYTES)
}

fn is_machinery(name: &str) -> bool {
    MACHINERY.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_and_short() {
        assert_eq!(demangled("_ZN6redact4path4find17h0123456789abcdefE"), "redact::path::find");
        assert_eq!(demangled("_RNvCs1234_7mycrate3foo"), "mycrate::foo");
        assert_eq!(demangled("transform"), "transform");
        assert!(demangled(&"é".repeat(5_000)).len() <= MAX_NAME_BYTES + "…".len());
        assert!(has_name("functional::map") && !has_name("function 12"));
        assert!(is_machinery("core::panicking::panic_fmt") && !is_machinery("redact::panic_button"));
    }
}

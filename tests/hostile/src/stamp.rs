//! A harmless plugin that stamps what it delivers, at both ends of its file: a mixture of two versions would show.

use crate::guest::{Guest, SET_HEADERS, TEXT};
use crate::{pair, size};

/// The headers that carry the stamp.
pub const HEADERS: [&str; 2] = ["x-stamp-first", "x-stamp-last"];
/// Where the second half of what is written stands in memory.
const LAST: u32 = 60_000;
const LIST: u32 = 1024;

/// The plugin with this stamp.
pub fn stamping(stamp: &str) -> Vec<u8> {
    let [first, last] = HEADERS;
    let field =
        |at: u32, text: u32, name: &str| pair(at, text, size(name)) + &pair(at + 8, text + size(name), size(stamp));
    let padding = "\\00".repeat(4_096);
    Guest::new()
        .text(&format!("{first}{stamp}"))
        .with(&format!("(data (i32.const 30000) \"{padding}\")"))
        .with(&format!("(data (i32.const {LAST}) \"{last}{stamp}\")"))
        .transform(&(field(LIST, TEXT, first) + &field(LIST + 16, LAST, last) + &pair(SET_HEADERS, LIST, 2)))
        .wasm()
}

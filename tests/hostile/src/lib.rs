//! Plugins that mean harm, and how each of them has to end. One table for the unit tests of the host, the scenarios
//! through the binary and the bench. Also the builder they are made with. Holds no test and runs nothing.

mod answers;
mod contracts;
mod files;
pub mod guest;
mod headers;
mod hunger;
mod manifests;
pub mod stamp;
mod traps;

use std::fmt::Write as _;

/// The limits that the reasons speak of: the defaults of `plugins.fuel` and `plugins.memoryBytes`.
pub const FUEL: u64 = 100_000_000;
pub const MEMORY_BYTES: u32 = 16 << 20;
/// The default of `plugins.large.memoryBytes`.
const LARGE_MEMORY_BYTES: u32 = 128 << 20;

/// Fuel on top for each byte of the payload.
const FUEL_PER_BYTE: u64 = 300;
const PAGE_BYTES: u32 = 64 << 10;

/// One file for the plugins folder.
pub struct Case {
    /// Also the name of the plugin, its file and its webhook.
    pub name: &'static str,
    pub wasm: Vec<u8>,
    pub ending: Ending,
}

/// How it has to end under the default limits, to the letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Not taken into force.
    Refused(String),
    /// The run broke off: "plugin NAME " and this.
    Held(String),
    /// The plugin failed, as it may.
    Failed(String),
    /// As the plugin wants, and as the host shows it.
    Dropped(String),
    /// The plugin wants to be run again, after this many milliseconds at most an hour from now.
    Again { reason: String, after_ms: u64 },
    /// The plugin did no harm. `None`: the payload as it came.
    Delivered(Option<Vec<u8>>),
}

/// Every case, for deliveries of payloads of this many bytes: they get fuel for them.
pub fn corpus(payload_bytes: usize) -> Vec<Case> {
    let fuel = FUEL + FUEL_PER_BYTE * payload_bytes as u64;
    let refused = [files::cases(), contracts::cases(), manifests::cases()];
    let run = [hunger::cases(fuel), traps::cases(), answers::cases(), headers::cases()];
    refused.into_iter().chain(run).flatten().collect()
}

impl Case {
    /// Whether the file gets as far as being run.
    pub fn is_run(&self) -> bool {
        !matches!(self.ending, Ending::Refused(_))
    }
}

fn refused(name: &'static str, wasm: Vec<u8>, reason: impl Into<String>) -> Case {
    Case { name, wasm, ending: Ending::Refused(reason.into()) }
}

fn held(name: &'static str, guest: &guest::Guest, reason: impl Into<String>) -> Case {
    Case { name, wasm: guest.wasm(), ending: Ending::Held(reason.into()) }
}

/// Cannot do what it means to: the payload passes as it came.
fn harmless(name: &'static str, wasm: Vec<u8>) -> Case {
    Case { name, wasm, ending: Ending::Delivered(None) }
}

fn unharmed(name: &'static str, guest: &guest::Guest) -> Case {
    harmless(name, guest.wasm())
}

fn out_of_fuel(fuel: u64) -> String {
    format!(
        "ran out of fuel: {fuel} units (about {} ms); it may loop endlessly, or need more (`plugins.limits`)",
        fuel / 5_000_000
    )
}

fn over_memory(wanted: u64) -> String {
    format!("needs more memory than it may have: {wanted} bytes in all, limit {MEMORY_BYTES} (`plugins.memoryBytes`)")
}

/// Instructions that write two numbers, such as a pointer and a length.
fn pair(at: u32, one: u32, two: u32) -> String {
    format!("(call $pair (i32.const {at}) (i32.const {}) (i32.const {}))", signed(one), signed(two))
}

fn store(at: u32, value: u32) -> String {
    format!("(i32.store (i32.const {at}) (i32.const {}))", signed(value))
}

/// The text form has no unsigned numbers beyond what fits.
fn signed(number: u32) -> i32 {
    number.cast_signed()
}

fn misfit(message: &str) -> String {
    format!("does not fit hookwright:plugin@{}: {message}", guest::version())
}

fn size(text: &str) -> u32 {
    u32::try_from(text.len()).expect("small")
}

/// Instructions over and over.
fn for_ever(code: &str) -> String {
    format!("(loop $on {code} (br $on))")
}

/// Instructions so many times; the function has no locals of its own yet.
fn times(count: u32, code: &str) -> String {
    format!(
        "(local $left i32) (local.set $left (i32.const {count}))
         (loop $on {code} (br_if $on (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))"
    )
}

/// Fields of a text, numbered.
fn numbered(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        text.write_str(&line(number)).expect("a string takes everything");
        text
    })
}

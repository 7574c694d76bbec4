//! A look at a wasm file before anything costly is done with it: is it wasm at all, is it of a size that this
//! host can compile and run, and does it ask for nothing but the contract? Reads sections; compiles nothing.

mod effort;

use wasmparser::{ComponentTypeRef, Encoding, MemoryType, Parser, Payload};

use self::effort::Effort;
use super::contract;
use super::engine::{MAX_INSTANCES, MAX_MEMORIES, MAX_TABLE_ENTRIES};
use super::load::{ImportFault, LoadError};
use super::words::shown;
use crate::config::PluginLimits;

/// Functions of a file: compiling takes about 20 µs each.
const MAX_FUNCTIONS: u64 = 50_000;
/// Core modules in a component: the componentiser makes three of one.
const MAX_MODULES: u64 = MAX_INSTANCES as u64;
/// Names from a file are shown up to this much.
const MAX_SHOWN_BYTES: usize = 120;

/// The two shapes a plugin file can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Kind {
    /// A core module that carries its contract in a custom section.
    Module,
    Component,
}

/// Reads through the whole file once.
pub(super) fn inspect(wasm: &[u8], limits: &PluginLimits) -> Result<Kind, LoadError> {
    if !wasm.starts_with(b"\0asm") {
        return Err(LoadError::NotWasm);
    }
    let mut seen = Seen::default();
    for payload in Parser::new(0).parse_all(wasm) {
        seen.payload(&payload.map_err(|error| damaged(&error))?)?;
    }
    seen.judge(limits)
}

/// What has been seen of a file so far.
#[derive(Default)]
struct Seen {
    kind: Option<Kind>,
    /// How many modules or components deep: 0 is the file itself.
    depth: usize,
    has_contract: bool,
    modules: u64,
    functions: u64,
    effort: Effort,
    memories: u64,
    /// At the start, of all memories and tables.
    memory_bytes: u64,
}

impl Seen {
    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        match payload {
            Payload::Version { encoding, .. } if self.kind.is_none() => {
                self.kind = Some(if *encoding == Encoding::Module { Kind::Module } else { Kind::Component });
            }
            Payload::ModuleSection { .. } => {
                self.modules += 1;
                self.depth += 1;
            }
            // Each may be made use of several times, by the next one too: their number says nothing of the work.
            Payload::ComponentSection { .. } => return Err(LoadError::Nested),
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::CustomSection(section) if self.depth == 0 => {
                self.has_contract |= section.name().starts_with("component-type");
            }
            Payload::ImportSection(imports) if self.depth == 0 => {
                for import in imports.clone().into_imports() {
                    let import = import.map_err(|error| damaged(&error))?;
                    check_import(import.module, Some(import.name))?;
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    let import = import.map_err(|error| damaged(&error))?;
                    // Names of types alone, such as `delivery`: nothing that could be reached.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        check_import(&import.name.full_name(), None)?;
                    }
                }
            }
            Payload::FunctionSection(functions) => self.functions += u64::from(functions.count()),
            Payload::CodeSectionEntry(body) => self.effort.add(body)?,
            Payload::MemorySection(memories) => {
                for memory in memories.clone() {
                    self.memory(&memory.map_err(|error| damaged(&error))?);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables.clone() {
                    let entries = table.map_err(|error| damaged(&error))?.ty.initial;
                    within("entries in one table", entries, MAX_TABLE_ENTRIES as u64)?;
                    self.memory_bytes = self.memory_bytes.saturating_add(entries * size_of::<usize>() as u64);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn memory(&mut self, memory: &MemoryType) {
        self.memories += 1;
        let page_bytes = 1_u64.checked_shl(memory.page_size_log2()).unwrap_or(u64::MAX);
        self.memory_bytes = self.memory_bytes.saturating_add(memory.initial.saturating_mul(page_bytes));
    }

    fn judge(&self, limits: &PluginLimits) -> Result<Kind, LoadError> {
        within("modules", self.modules, MAX_MODULES)?;
        within("functions", self.functions, MAX_FUNCTIONS)?;
        within("memories", self.memories, u64::from(MAX_MEMORIES))?;
        let allowed = limits.memory_bytes.get() as u64;
        if self.memory_bytes > allowed {
            return Err(LoadError::Memory { needed: self.memory_bytes, allowed });
        }
        match self.kind {
            Some(Kind::Module) if !self.has_contract => Err(LoadError::NoContract),
            Some(kind) => Ok(kind),
            None => Err(LoadError::NotWasm),
        }
    }
}

fn within(what: &'static str, number: u64, limit: u64) -> Result<(), LoadError> {
    if number > limit { Err(LoadError::TooBig { what, number, limit }) } else { Ok(()) }
}

fn damaged(error: &wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Damaged { offset: error.offset(), message: shown(error.message(), MAX_SHOWN_BYTES) }
}

/// Judges one import: `module` alone in a component, `module` and `name` in a core module.
fn check_import(module: &str, name: Option<&str>) -> Result<(), LoadError> {
    if module == contract::HOST_INTERFACE || module == contract::TYPES_INTERFACE {
        return Ok(());
    }
    let fault = if module.starts_with("__wbindgen") || name.is_some_and(|name| name.starts_with("__wbindgen")) {
        ImportFault::WasmBindgen
    } else if module.starts_with("wasi:") || module.starts_with("wasi_") {
        ImportFault::Wasi
    } else if let Some(version) = foreign_version(module) {
        ImportFault::Version { version: shown(version, MAX_SHOWN_BYTES) }
    } else {
        ImportFault::Unknown
    };
    let import = name.map_or_else(|| module.to_owned(), |name| format!("{module}#{name}"));
    Err(LoadError::Import { import: shown(&import, MAX_SHOWN_BYTES), fault })
}

/// The version of the contract that an import names, if it is one of the contract and not the one we speak.
fn foreign_version(module: &str) -> Option<&str> {
    let (_, version) = module.strip_prefix(contract::PACKAGE)?.split_once('@')?;
    (version != contract::VERSION).then_some(version)
}

//! A look at a wasm file before anything costly is done with it: is it wasm at all, is it of a size that this
//! host can compile and run, on which engine, and does it ask for nothing but the contract and an empty WASI?
//! Reads sections; compiles nothing, and knows no setting: the same file is always judged the same.

mod effort;

use wasmparser::{ComponentInstance, ComponentTypeRef, Encoding, Instance, MemoryType, Parser, Payload};

use self::effort::Effort;
use super::engine::{Bounds, EngineKind};
use super::load::{ImportFault, LoadError};
use super::words::shown;
use super::{contract, wasi};

/// Functions of a file: compiling takes about 20 µs each.
const MAX_FUNCTIONS: u64 = 50_000;
/// Types of functions: half a megabyte of them took the compiler ten seconds. A Rust plugin has some hundred bytes.
const MAX_TYPE_BYTES: u64 = 64 << 10;
/// A Rust plugin has one; wasmtime keeps room for 16,000.
const MAX_GLOBALS: u64 = 10_000;
/// Components inside the component. Only shims, of which wit-component makes one for each exported interface.
const MAX_SHIMS: u64 = 16;
/// What a component makes of them: each is unrolled when it is compiled.
const MAX_SHIM_INSTANCES: u64 = 32;
/// At the start, of all memories and tables of a small plugin: a Rust plugin has 1 MiB, for its stack.
const SMALL_START_BYTES: u64 = 8 << 20;
/// Instances and tables that the componentiser adds to a module.
const COMPONENTISER_INSTANCES: u64 = 2;
const COMPONENTISER_TABLES: u64 = 1;
/// Names from a file are shown up to this much.
const MAX_SHOWN_BYTES: usize = 120;

/// The two shapes a plugin file can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Shape {
    /// A core module that carries its contract in a custom section.
    Module,
    Component,
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inspected {
    pub(super) shape: Shape,
    pub(super) kind: EngineKind,
    /// At the start, of all memories and tables.
    pub(super) start_bytes: u64,
}

/// Reads through the whole file once.
pub(super) fn inspect(wasm: &[u8]) -> Result<Inspected, LoadError> {
    if !wasm.starts_with(b"\0asm") {
        return Err(LoadError::NotWasm);
    }
    let mut seen = Seen::default();
    for payload in Parser::new(0).parse_all(wasm) {
        seen.payload(&payload.map_err(|error| damaged(&error))?)?;
    }
    seen.judge()
}

/// What has been seen of a file so far.
#[derive(Default)]
struct Seen {
    shape: Option<Shape>,
    /// What is open inside of the file.
    open: Vec<Part>,
    has_contract: bool,
    has_wasi: bool,
    modules: u64,
    instances: u64,
    shims: u64,
    shim_instances: u64,
    functions: u64,
    effort: Effort,
    type_bytes: u64,
    globals: u64,
    memories: u64,
    tables: u64,
    /// Of the largest table.
    table_entries: u64,
    start_bytes: u64,
}

/// Something in a component that has sections of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Module,
    /// A component that does nothing but give names to what it is given.
    Shim,
}

impl Seen {
    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        match payload {
            Payload::Version { encoding, .. } if self.shape.is_none() => {
                self.shape = Some(if *encoding == Encoding::Module { Shape::Module } else { Shape::Component });
            }
            // Parts may be made use of several times, by the next one too: what they hold says nothing of the work.
            Payload::ModuleSection { .. }
            | Payload::InstanceSection(_)
            | Payload::ComponentSection { .. }
            | Payload::ComponentInstanceSection(_)
                if !self.open.is_empty() =>
            {
                return Err(LoadError::Nested);
            }
            Payload::ModuleSection { .. } => {
                self.modules += 1;
                self.open.push(Part::Module);
            }
            Payload::ComponentSection { .. } => {
                self.shims += 1;
                self.open.push(Part::Shim);
            }
            Payload::End(_) => drop(self.open.pop()),
            Payload::InstanceSection(instances) => {
                for instance in instances.clone() {
                    let instance = instance.map_err(|error| damaged(&error))?;
                    self.instances += u64::from(matches!(instance, Instance::Instantiate { .. }));
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    let instance = instance.map_err(|error| damaged(&error))?;
                    self.shim_instances += u64::from(matches!(instance, ComponentInstance::Instantiate { .. }));
                }
            }
            Payload::CustomSection(section) if self.open.is_empty() => {
                self.has_contract |= section.name().starts_with("component-type");
            }
            Payload::ImportSection(imports) if self.open.is_empty() => {
                for import in imports.clone().into_imports() {
                    let import = import.map_err(|error| damaged(&error))?;
                    self.import(import.module, Some(import.name))?;
                }
            }
            // What a shim imports, the component gives it.
            Payload::ComponentImportSection(imports) if self.open.is_empty() => {
                for import in imports.clone() {
                    let import = import.map_err(|error| damaged(&error))?;
                    // Names of types alone, such as `delivery`: nothing that could be reached.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        self.import(&import.name.full_name(), None)?;
                    }
                }
            }
            payload => self.core(payload)?,
        }
        Ok(())
    }

    /// What core modules are made of.
    fn core(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        match payload {
            Payload::TypeSection(types) => {
                self.type_bytes += types.range().end.saturating_sub(types.range().start);
                within("bytes of types", self.type_bytes, MAX_TYPE_BYTES)?;
            }
            Payload::GlobalSection(globals) => self.globals += u64::from(globals.count()),
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
                    within("entries in one table", entries, EngineKind::Large.bounds().table_entries as u64)?;
                    self.tables += 1;
                    self.table_entries = self.table_entries.max(entries);
                    self.start_bytes = self.start_bytes.saturating_add(entries * size_of::<usize>() as u64);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn memory(&mut self, memory: &MemoryType) {
        self.memories += 1;
        let page_bytes = 1_u64.checked_shl(memory.page_size_log2()).unwrap_or(u64::MAX);
        self.start_bytes = self.start_bytes.saturating_add(memory.initial.saturating_mul(page_bytes));
    }

    fn import(&mut self, module: &str, name: Option<&str>) -> Result<(), LoadError> {
        check_import(module, name)?;
        self.has_wasi |= wasi::is_offered(module);
        Ok(())
    }

    fn judge(&self) -> Result<Inspected, LoadError> {
        let shape = self.shape.ok_or(LoadError::NotWasm)?;
        let Bounds { instances, memories, tables, .. } = EngineKind::Large.bounds();
        within("modules", self.modules, u64::from(*instances))?;
        within("instances of modules", self.instances, u64::from(*instances))?;
        within("components inside the component", self.shims, MAX_SHIMS)?;
        within("instances of components", self.shim_instances, MAX_SHIM_INSTANCES)?;
        within("functions", self.functions, MAX_FUNCTIONS)?;
        within("globals", self.globals, MAX_GLOBALS)?;
        within("memories", self.memories, u64::from(*memories))?;
        within("tables", self.tables, u64::from(*tables))?;
        if shape == Shape::Module && !self.has_contract {
            return Err(LoadError::NoContract);
        }
        Ok(Inspected { shape, kind: self.kind(shape), start_bytes: self.start_bytes })
    }

    /// Small is what Rust makes for `wasm32-unknown-unknown`. Whatever is larger in any respect, and whatever was
    /// built on a language's runtime (which is what asks for WASI), gets the room of the large engine, and its few
    /// runs at once.
    fn kind(&self, shape: Shape) -> EngineKind {
        let (more_instances, more_tables) = match shape {
            Shape::Module => (COMPONENTISER_INSTANCES + 1, COMPONENTISER_TABLES),
            Shape::Component => (0, 0),
        };
        let bounds = EngineKind::Small.bounds();
        let is_small = !self.has_wasi
            && self.effort.is_small()
            && self.start_bytes <= SMALL_START_BYTES
            && self.modules.max(self.instances) + more_instances <= u64::from(bounds.instances)
            && self.tables + more_tables <= u64::from(bounds.tables)
            && self.memories <= u64::from(bounds.memories)
            && self.table_entries <= bounds.table_entries as u64;
        if is_small { EngineKind::Small } else { EngineKind::Large }
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
    if wasi::is_offered(module) {
        return Ok(());
    }
    let fault = if let Some((interface, version)) = contract::interface(module) {
        match contract_fault(interface, version, name) {
            None => return Ok(()),
            Some(fault) => fault,
        }
    } else if module.starts_with("__wbindgen") || name.is_some_and(|name| name.starts_with("__wbindgen")) {
        ImportFault::WasmBindgen
    } else if module.starts_with("wasi_") {
        ImportFault::Preview1
    } else if module.starts_with("wasi:") {
        ImportFault::Wasi
    } else {
        ImportFault::Unknown
    };
    let import = name.map_or_else(|| module.to_owned(), |name| format!("{module}#{name}"));
    Err(LoadError::Import { import: shown(&import, MAX_SHOWN_BYTES), fault })
}

/// What is wrong with an import of the contract's own.
fn contract_fault(interface: &str, version: &str, name: Option<&str>) -> Option<ImportFault> {
    let own = || version == contract::VERSION;
    if !contract::speaks(version) {
        let (later, version) = (contract::is_later_major(version), shown(version, MAX_SHOWN_BYTES));
        return Some(if later { ImportFault::LaterMajor { version } } else { ImportFault::Version { version } });
    }
    match interface {
        "types" => None,
        "host" if name.is_none_or(|name| contract::HOST_FUNCTIONS.contains(&name)) => None,
        _ if own() => Some(ImportFault::Unknown),
        _ => Some(ImportFault::Newer { version: shown(version, MAX_SHOWN_BYTES) }),
    }
}

//! What a wasm file consists of, for its author: sizes of its parts, what it imports, which contract it was made for.
//! Reads sections; judges nothing, and stops where the file stops making sense.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload};

use super::words::shown;
use super::{contract, wasi};

/// Names from a file are shown up to this much.
const MAX_SHOWN_BYTES: usize = 120;
/// More parts and imports than anyone reads.
const MAX_LISTED: usize = 100;

/// The parts of a file.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Anatomy {
    /// `module`, `component`; none: not wasm.
    pub(crate) shape: Option<&'static str>,
    /// Bytes by part, the modules of a component taken together.
    pub(crate) parts: BTreeMap<String, u64>,
    pub(crate) imports: BTreeSet<String>,
    /// Of the contract, as imports and exports name it.
    pub(crate) contract: Option<String>,
    /// Where reading ended, and why, if the file is damaged.
    pub(crate) damaged: Option<String>,
}

/// What an import lets a plugin do.
pub(crate) fn capability(import: &str) -> &'static str {
    let package = |name: &str| import.starts_with(name);
    if package(contract::PACKAGE) && import.contains("/types") {
        "the contract's types; nothing to call"
    } else if package(contract::PACKAGE) {
        "log lines, a clock that stands still, numbers that repeat"
    } else if wasi::is_offered(import.split('#').next().unwrap_or(import)) {
        "WASI: an empty, deterministic world"
    } else {
        "not offered"
    }
}

impl Anatomy {
    pub(crate) fn of(wasm: &[u8]) -> Self {
        let mut anatomy = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload {
                Ok(payload) => anatomy.add(&payload, &mut depth),
                Err(error) => {
                    anatomy.damaged =
                        Some(shown(&format!("at byte {}: {}", error.offset(), error.message()), MAX_SHOWN_BYTES));
                    break;
                }
            }
        }
        anatomy
    }

    fn add(&mut self, payload: &Payload<'_>, depth: &mut usize) {
        match payload {
            Payload::Version { encoding, .. } if self.shape.is_none() => {
                self.shape = Some(if *encoding == Encoding::Module { "module" } else { "component" });
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => *depth += 1,
            Payload::End(_) => *depth = depth.saturating_sub(1),
            Payload::CustomSection(section) => {
                let bytes = section.data().len() as u64;
                // The contract's has versions and worlds behind its name.
                let name = section.name().split(':').next().unwrap_or_default();
                self.part(&shown(&format!("custom: {name}"), MAX_SHOWN_BYTES), bytes);
            }
            Payload::CodeSectionStart { size, .. } => self.part("code", u64::from(*size)),
            Payload::DataSection(data) => self.part("data", range(data.range())),
            Payload::TypeSection(types) => self.part("types", range(types.range())),
            Payload::ElementSection(elements) => self.part("function tables", range(elements.range())),
            Payload::ImportSection(imports) if *depth == 0 => {
                for import in imports.clone().into_imports().flatten() {
                    self.import(&format!("{}#{}", import.module, import.name));
                }
            }
            Payload::ComponentImportSection(imports) if *depth == 0 => {
                for import in imports.clone().into_iter().flatten() {
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        self.import(&import.name.full_name());
                    }
                }
            }
            _ => {}
        }
    }

    fn part(&mut self, name: &str, bytes: u64) {
        if self.parts.len() < MAX_LISTED || self.parts.contains_key(name) {
            let sum = self.parts.entry(name.to_owned()).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    fn import(&mut self, name: &str) {
        if let Some((_, version)) = name.strip_prefix(contract::PACKAGE).and_then(|rest| rest.split_once('@')) {
            let version = version.split('#').next().unwrap_or(version);
            self.contract = Some(shown(version, MAX_SHOWN_BYTES));
        }
        if self.imports.len() < MAX_LISTED {
            self.imports.insert(shown(name, MAX_SHOWN_BYTES));
        }
    }
}

fn range(range: std::ops::Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parts_imports_and_where_a_file_is_cut_off() {
        let wasm = wat::parse_str(
            r#"(module (import "hookwright:plugin/host@1.0.0" "now-ms" (func (result i64)))
                (memory 1) (data (i32.const 0) "hello") (func) (@custom "note" "12345"))"#,
        )
        .expect("a module");
        let anatomy = Anatomy::of(&wasm);
        assert_eq!((anatomy.shape, anatomy.contract.as_deref()), (Some("module"), Some("1.0.0")));
        assert_eq!(anatomy.parts.get("custom: note"), Some(&5));
        assert!(anatomy.parts.get("data").is_some_and(|bytes| *bytes >= 5), "{anatomy:?}");
        let capabilities: Vec<_> = anatomy.imports.iter().map(|import| capability(import)).collect();
        assert_eq!(capabilities, ["log lines, a clock that stands still, numbers that repeat"]);

        let cut = Anatomy::of(&wasm[..wasm.len() - 3]);
        assert!(cut.damaged.is_some(), "{cut:?}");
        assert_eq!(Anatomy::of(b"not wasm").shape, None);
    }
}

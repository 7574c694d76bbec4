//! Which modules can be run without the component that is made of them: those where nothing is left to the component but to
//! pass calls on, and where it does that by the names that `direct` goes by. The componentiser knows other names too (see its
//! `validation.rs`); what has any of them keeps its component, and so does what it would not run as written.

use wasmparser::{CanonicalFunction, CanonicalOption, ExternalKind, Parser, Payload};

use crate::plugin::{contract, direct};

/// What the componentiser would take before, beside or around the functions and the memory that `direct` takes.
const OTHER_NAMES: [&str; 4] = ["_initialize", "__wasm_task_hook", "cabi_export_realloc", "canonical_abi_realloc"];
/// Other ways of naming all exports.
const OTHER_PREFIXES: [&str; 2] = ["cm32p2", "["];

/// Of a module, and of the component that was made of it.
pub(super) fn is_plain(module: &[u8], component: &[u8]) -> bool {
    exports_are_plain(module) && component_passes_on(component)
}

fn exports_are_plain(module: &[u8]) -> bool {
    for payload in Parser::new(0).parse_all(module) {
        match payload {
            // In a component it runs before `log` can be called.
            Ok(Payload::StartSection { .. }) | Err(_) => return false,
            Ok(Payload::ExportSection(exports)) => {
                if !exports.into_iter().all(|export| export.is_ok_and(|export| is_usual(export.name, export.kind))) {
                    return false;
                }
            }
            Ok(_) => {}
        }
    }
    true
}

fn is_usual(name: &str, kind: ExternalKind) -> bool {
    let of_contract = name.contains(contract::PACKAGE);
    let of_this_version = name.contains(contract::TRANSFORMER_INTERFACE);
    (kind == ExternalKind::Memory) == (name == direct::MEMORY)
        && !OTHER_NAMES.contains(&name)
        && !OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && of_contract == of_this_version
}

/// Text is UTF-8 wherever it passes, and the name under which the module is to be given away is free.
fn component_passes_on(component: &[u8]) -> bool {
    let is_utf8 = |options: &[CanonicalOption]| {
        !options.iter().any(|option| matches!(option, CanonicalOption::UTF16 | CanonicalOption::CompactUTF16))
    };
    Parser::new(0).parse_all(component).all(|payload| match payload {
        Ok(Payload::ComponentCanonicalSection(functions)) => functions.into_iter().all(|function| match function {
            Ok(CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. }) => is_utf8(&options),
            other => other.is_ok(),
        }),
        Ok(Payload::ComponentExportSection(exports)) => {
            exports.into_iter().all(|export| export.is_ok_and(|export| export.name.full_name() != direct::EXPORT))
        }
        other => other.is_ok(),
    })
}

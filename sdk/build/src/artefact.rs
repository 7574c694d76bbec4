//! What cargo made, out of its messages.

use std::io::{self, BufRead};
use std::path::PathBuf;

use serde_json::Value;

/// One wasm file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// The `Cargo.toml` of its crate.
    pub manifest: PathBuf,
    pub wasm: PathBuf,
}

/// The wasm files among cargo's messages, each a line of JSON. What is none, such as what a build script prints, is
/// passed over.
pub(crate) fn read(messages: impl BufRead) -> io::Result<Vec<Artefact>> {
    let mut artefacts = Vec::new();
    for line in messages.split(b'\n') {
        if let Ok(message) = serde_json::from_slice::<Value>(&line?) {
            artefacts.extend(wasm_of(&message));
        }
    }
    Ok(artefacts)
}

fn wasm_of(message: &Value) -> Option<Artefact> {
    if message.get("reason")? != "compiler-artifact" {
        return None;
    }
    let files = message.get("filenames")?.as_array()?.iter().filter_map(Value::as_str).map(PathBuf::from);
    let wasm = files.into_iter().find(|file| file.extension().is_some_and(|end| end == "wasm"))?;
    Some(Artefact { manifest: message.get("manifest_path")?.as_str()?.into(), wasm })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wasm_files_are_of_interest() {
        let messages = br#"printed by a build script
{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","manifest_path":"/s/Cargo.toml","filenames":["/t/libserde.rlib","/t/libserde.rmeta"]}
{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","filenames":["/t/p.wasm"]}
{"reason":"build-finished","success":true}
"#;
        let artefacts = read(&messages[..]).unwrap();
        assert_eq!(artefacts, [Artefact { manifest: "/p/Cargo.toml".into(), wasm: "/t/p.wasm".into() }]);
    }
}

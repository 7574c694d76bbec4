//! Real request bodies, as Strapi sends them.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

/// A body and the event type it says.
#[derive(Clone, Debug)]
pub struct Case {
    /// `strapi-v5/entry.create`.
    pub name: String,
    pub event_type: String,
    pub body: Bytes,
}

/// Every case in `tests/cases/`.
pub fn all() -> Vec<Case> {
    let mut cases: Vec<Case> = ["strapi-v3", "strapi-v5"].into_iter().flat_map(of).collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// The body of one case, `strapi-v5/entry.create`.
pub fn body(name: &str) -> Bytes {
    all().into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name}")).body
}

/// The same as JSON.
pub fn json(name: &str) -> Value {
    serde_json::from_slice(&body(name)).expect("cases are JSON")
}

fn of(version: &str) -> Vec<Case> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(version);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files.map(|entry| read(version, &entry.expect("readable folder").path())).collect()
}

/// v3 files are bodies; v5 files are captures with `headers` and `body`.
fn read(version: &str, path: &Path) -> Case {
    let text = fs::read(path).expect("readable case");
    let value: Value = serde_json::from_slice(&text).expect("cases are JSON");
    let body = match value.get("body") {
        Some(body) => Bytes::from(body.to_string()),
        None => Bytes::from(text),
    };
    let parsed: Value = serde_json::from_slice(&body).expect("bodies are JSON");
    let event_type = parsed["event"].as_str().expect("bodies name their event").to_owned();
    let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("plain names");
    Case { name: format!("{version}/{stem}"), event_type, body }
}

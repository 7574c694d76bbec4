//! Real request bodies, as Strapi and other CMSs send them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

/// A body and the event type it says.
#[derive(Clone, Debug)]
pub struct Case {
    /// `strapi-v5/entry.create`.
    pub name: String,
    pub event_type: String,
    pub body: Bytes,
}

/// Every case of Strapi in `tests/cases/`.
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

/// A whole request, as another CMS than Strapi sends it.
#[derive(Debug)]
pub struct Request {
    /// `contentful/entry.publish`.
    pub name: String,
    pub headers: Vec<(String, String)>,
    /// As it stands in the file, byte for byte.
    pub body: Bytes,
}

/// Every case of another CMS, whose folder this is.
pub fn requests_of(cms: &str) -> Vec<Request> {
    let mut requests: Vec<_> = files(cms).map(|path| request(cms, &path)).collect();
    requests.sort_by(|a, b| a.name.cmp(&b.name));
    requests
}

fn request(cms: &str, path: &Path) -> Request {
    let text = fs::read_to_string(path).expect("readable case");
    let capture: BTreeMap<&str, &RawValue> = serde_json::from_str(&text).expect("cases are captures");
    let headers: BTreeMap<String, String> = serde_json::from_str(capture["headers"].get()).expect("headers are texts");
    Request {
        name: format!("{cms}/{}", stem(path)),
        headers: headers.into_iter().collect(),
        body: Bytes::from(capture["body"].get().to_owned()),
    }
}

fn of(version: &str) -> Vec<Case> {
    files(version).map(|path| read(version, &path)).collect()
}

fn files(folder: &str) -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(folder);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files.map(|entry| entry.expect("readable folder").path())
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("plain names")
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
    Case { name: format!("{version}/{}", stem(path)), event_type, body }
}

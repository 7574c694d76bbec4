//! What a `$ref` can reach: the files of the schemas folder, by their path below it, and nothing else.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use jsonschema::{Retrieve, Uri};
use serde_json::Value;

/// Where the schemas folder lies for `$ref`. No such place exists outside of this process.
pub(super) const BASE: &str = "hookwright:///schemas/";

/// The documents of the folder. `None`: a file is there, and cannot be used.
#[derive(Clone, Default)]
pub(super) struct Folder(Arc<BTreeMap<String, Option<Value>>>);

/// Why a reference leads nowhere.
#[derive(Debug, thiserror::Error)]
enum Unreachable {
    #[error("{0} cannot be used itself")]
    Unusable(String),
    #[error("there is no {0} in the schemas folder")]
    Absent(String),
    #[error("only files of the schemas folder can be referred to, as common.json or models/article.json")]
    Outside,
}

impl Folder {
    pub(super) fn new(documents: BTreeMap<String, Option<Value>>) -> Self {
        Self(Arc::new(documents))
    }

    fn find(&self, uri: &str) -> Result<Value, Unreachable> {
        let file = uri.strip_prefix(BASE).ok_or(Unreachable::Outside)?;
        match self.0.get(file) {
            Some(Some(document)) => Ok(document.clone()),
            Some(None) => Err(Unreachable::Unusable(file.to_owned())),
            None => Err(Unreachable::Absent(file.to_owned())),
        }
    }
}

impl Retrieve for Folder {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Ok(self.find(uri.as_str())?)
    }
}

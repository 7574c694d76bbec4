//! A configuration in up to two files: base and overlay, good or bad together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::last_good::LastGood;
use super::super::scan::{Content, Entry};
use super::super::unit::Failure;
use crate::config::{ConfigError, Layer};
use crate::revision::Fault;

/// What a configuration is made from. Two that are equal lead to the same result.
#[derive(Clone, PartialEq)]
pub(super) struct Layered {
    /// Only files that are in force.
    layers: Vec<(String, Content)>,
    /// Grows when something else changed that the result depends on.
    generation: u64,
}

impl Layered {
    pub(super) fn of(paths: &[String; 2], files: &BTreeMap<String, Entry>, generation: u64) -> Self {
        let layer = |path: &String| Some((path.clone(), files.get(path)?.content.clone()));
        Self { layers: paths.iter().filter_map(layer).collect(), generation }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &(String, Content)> {
        self.layers.iter()
    }

    /// The texts, if every file is one.
    pub(super) fn texts(&self) -> Result<Vec<Layer>, Failure> {
        let layer = |(path, content): &(String, Content)| match content {
            Content::Text(text) => Ok(Layer { file: path.clone(), text: Arc::clone(text) }),
            Content::Unusable(reason) => Err(Failure::Bad(vec![Fault::of_file(path, reason)])),
            // Reported with its folder.
            Content::Absent | Content::Plugin(_) => Err(Failure::Bad(Vec::new())),
        };
        self.layers.iter().map(layer).collect()
    }
}

/// The copies of an earlier run.
pub(super) fn last_good_layers(paths: &[String; 2], last_good: &LastGood) -> Option<Vec<Layer>> {
    let layer = |path: &String| Some(Layer { file: path.clone(), text: last_good.text(path)? });
    let layers: Vec<_> = paths.iter().filter_map(layer).collect();
    (!layers.is_empty()).then_some(layers)
}

pub(super) fn failure(errors: Vec<ConfigError>) -> Failure {
    Failure::Bad(errors.into_iter().map(fault).collect())
}

/// The same thing wrong, as people are told of it.
pub(in crate::reload) fn fault(error: ConfigError) -> Fault {
    let message = match error.written {
        Some(written) => format!("{}; written: {written}", error.message),
        None => error.message,
    };
    Fault { pointer: error.pointer, ..Fault::of_file(&error.file, message) }
}

/// What is in force already, if nothing changed.
pub(super) fn reused<T: PartialEq>(value: T, in_force: Option<&Arc<T>>) -> Arc<T> {
    in_force.filter(|known| ***known == value).cloned().unwrap_or_else(|| Arc::new(value))
}

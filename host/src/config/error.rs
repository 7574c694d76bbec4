//! One thing wrong in one place of the configuration, in words that name the remedy.

use std::fmt;

/// One thing wrong in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// As people know it, relative to the home folder: the file that contributed the value.
    pub file: String,
    /// JSON Pointer; empty: the file as a whole.
    pub pointer: String,
    /// The text as written, before interpolation. `None`: nothing is written there, or it may be a secret.
    pub written: Option<String>,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl ConfigError {
    /// Something wrong with a file as a whole.
    pub(super) fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), pointer: String::new(), written: None, message: message.into() }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if !self.pointer.is_empty() {
            write!(f, " at {}", self.pointer)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.written {
            Some(written) => write!(f, "; written: {written}"),
            None => Ok(()),
        }
    }
}

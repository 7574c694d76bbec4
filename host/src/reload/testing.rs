//! A home folder for tests.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::config::Home;
use crate::plugin::guests::Guest;

pub(super) struct TestHome(TempDir);

impl TestHome {
    pub(super) fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    /// With two webhooks and a server configuration.
    pub(super) fn filled() -> Self {
        let home = Self::new();
        home.write("config/server.json", "{}");
        home.write("config/webhooks/a.json", webhook("a"));
        home.write("config/webhooks/b.json", webhook("b"));
        home
    }

    pub(super) fn home(&self) -> Home {
        Home::new(self.0.path())
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(super) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let full = self.path(path);
        fs::create_dir_all(full.parent().expect("below home")).expect("folder");
        fs::write(full, text).expect("written");
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("moved");
    }

    pub(super) fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).expect("removed");
    }
}

/// A webhook's file, told apart by `path`.
pub(super) fn webhook(path: &str) -> String {
    format!(r#"{{"url": "https://receiver.example/{path}", "events": ["*"]}}"#)
}

/// A plugin's file that takes only this one value for `limit`.
pub(super) fn plugin_taking(limit: u32) -> Vec<u8> {
    Guest::new().schema(&format!(r#"{{"properties":{{"limit":{{"const":{limit}}}}}}}"#)).wasm()
}

/// A plugin's file; another `version` has another digest.
pub(super) fn plugin(version: u32) -> Vec<u8> {
    Guest::new().with(&format!("(global i32 (i32.const {version}))")).wasm()
}

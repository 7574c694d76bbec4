//! The home folder: where everything lies. Opens nothing.

use std::path::{Path, PathBuf};

use super::Environment;
use crate::ids::WebhookId;

/// The folder given by `--home`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn config(&self) -> PathBuf {
        self.root.join("config")
    }

    pub fn schemas(&self) -> PathBuf {
        self.root.join("schemas")
    }

    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub fn env_file(&self) -> PathBuf {
        self.root.join(".env")
    }

    /// What lies over `config/` in this environment.
    pub fn overlay(&self, environment: &Environment) -> PathBuf {
        self.config().join("environments").join(environment.as_str())
    }

    /// `server.json`: the base, then its overlay. Either may be missing.
    pub fn server_files(&self, environment: &Environment) -> [PathBuf; 2] {
        [self.config(), self.overlay(environment)].map(|folder| folder.join("server.json"))
    }

    /// Where webhooks are declared: the base, then its overlay.
    pub fn webhook_folders(&self, environment: &Environment) -> [PathBuf; 2] {
        [self.config(), self.overlay(environment)].map(|folder| folder.join("webhooks"))
    }

    /// A webhook's file: the base, then its overlay.
    pub fn webhook_files(&self, environment: &Environment, id: &WebhookId) -> [PathBuf; 2] {
        self.webhook_folders(environment).map(|folder| folder.join(format!("{id}.json")))
    }

    /// A path as people know it: below the home folder, with `/` on every system.
    pub fn display(&self, path: &Path) -> String {
        match path.strip_prefix(&self.root) {
            Ok(inside) => inside.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"),
            Err(_) => path.display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files_as_people_know_them() {
        let home = Home::new("/srv/hooks");
        let environment: Environment = "production".parse().expect("plain");
        let webhook = "site-build".parse().expect("plain");
        let files = home.webhook_files(&environment, &webhook);
        assert_eq!(
            files.map(|file| home.display(&file)),
            ["config/webhooks/site-build.json", "config/environments/production/webhooks/site-build.json"]
        );

        assert_eq!(home.display(Path::new("/elsewhere")), "/elsewhere");
        assert_eq!(Home::new(".").display(&Home::new(".").env_file()), ".env");
    }
}

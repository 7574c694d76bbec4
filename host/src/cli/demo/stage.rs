//! The demo's home folder: configuration, secrets, webhooks and plugins.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::signing::{SigningSecret, VerifyingKey};

/// The plugins that the demo's webhooks use.
pub(super) const PLUGINS: [&str; 3] = ["published-only", "redact", "add-headers"];

/// A home folder. A temporary one goes when this is dropped.
pub(super) struct Stage {
    home: Home,
    token: String,
    secret: SigningSecret,
}

enum Home {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Stage {
    /// Makes an empty folder, or takes `keep` if it is one.
    pub(super) fn new(keep: Option<&Path>) -> anyhow::Result<Self> {
        let home = match keep {
            None => Home::Temporary(tempfile::Builder::new().prefix("hookwright-demo-").tempdir()?),
            Some(path) => {
                fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))?;
                let mut entries = fs::read_dir(path)?;
                anyhow::ensure!(
                    entries.next().is_none(),
                    "{} is not empty; give a new folder with --keep",
                    path.display()
                );
                Home::Kept(path.to_owned())
            }
        };
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
        Ok(Self { home, token, secret: SigningSecret::generate() })
    }

    pub(super) fn home(&self) -> &Path {
        match &self.home {
            Home::Temporary(folder) => folder.path(),
            Home::Kept(path) => path,
        }
    }

    /// The source's token.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// What every delivery is signed with.
    pub(super) fn keys(&self) -> Vec<VerifyingKey> {
        VerifyingKey::of(&self.secret).into_iter().collect()
    }

    /// Writes the files and copies the plugins from `plugins`.
    pub(super) fn furnish(&self, receiver: SocketAddr, plugins: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(self.home().join("plugins"))?;
        for name in PLUGINS {
            let wasm = find_plugin(plugins, name)?;
            fs::copy(&wasm, self.home().join(format!("plugins/{name}.wasm")))
                .with_context(|| format!("cannot copy {}", wasm.display()))?;
        }
        self.write(
            ".env",
            &format!("DEMO_SOURCE_TOKEN={}\nDEMO_SIGNING_SECRET={}\n", self.token, self.secret.expose()),
        )?;
        self.write("config/server.json", &pretty(&server()))?;
        for (id, webhook) in webhooks(receiver) {
            self.write(&format!("config/webhooks/{id}.json"), &pretty(&webhook))?;
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.home().join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The file of a plugin, under its own name or under the one that cargo gives it.
fn find_plugin(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let names = [format!("{name}.wasm"), format!("{}.wasm", name.replace('-', "_"))];
    names.iter().map(|name| folder.join(name)).find(|path| path.is_file()).with_context(|| {
        format!(
            "{} has no {name}.wasm; `cargo xtask demo` builds the bundled plugins, and --plugins DIR says where they are",
            folder.display()
        )
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn server() -> Value {
    json!({
        "server": { "listen": "127.0.0.1:0", "admin": "127.0.0.1:0" },
        "sources": [{ "name": "strapi", "token": "${ process.env.DEMO_SOURCE_TOKEN }" }],
        "egress": { "allow": ["127.0.0.0/8"] }
    })
}

/// Three receivers with different wishes, all at one address.
fn webhooks(receiver: SocketAddr) -> [(&'static str, Value); 3] {
    let webhook = |id: &str, events: &[&str], plugins: Value| {
        json!({
            "url": format!("http://{receiver}/{id}"),
            "events": events,
            "plugins": plugins,
            "signing": { "secrets": ["${ process.env.DEMO_SIGNING_SECRET }"] }
        })
    };
    let redact =
        json!({ "plugin": "redact", "config": { "remove": ["/entry/postal_code"], "mask": ["/entry/full_name"] } });
    let model = json!({ "plugin": "add-headers", "config": { "headers": { "X-Model": "/model" } } });
    let entry = json!({ "plugin": "add-headers", "config": { "headers": { "X-Entry": "/entry/id" } } });
    let published = json!({ "plugin": "published-only", "config": { "others": "drop" } });
    let mime = json!({ "plugin": "add-headers", "config": { "headers": { "X-Mime": "/media/mime", "X-Kind": { "value": "cms" } } } });
    [
        ("site-build", webhook("site-build", &["entry.*"], json!([redact, model]))),
        ("search-index", webhook("search-index", &["*"], json!([published, entry]))),
        ("media-cdn", webhook("media-cdn", &["media.*"], json!([mime]))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn furnishes_a_home_and_leaves_nothing_behind() {
        let plugins = tempfile::tempdir().expect("a temporary folder");
        let stage = Stage::new(None).expect("a stage");
        let error = stage.furnish(([127, 0, 0, 1], 9).into(), plugins.path()).expect_err("no plugins yet");
        assert!(error.to_string().contains("has no published-only.wasm"), "{error}");
        for name in ["published_only", "redact", "add-headers"] {
            fs::write(plugins.path().join(format!("{name}.wasm")), b"\0asm").expect("writes");
        }
        stage.furnish(([127, 0, 0, 1], 9).into(), plugins.path()).expect("furnishes");
        let home = stage.home().to_owned();
        assert!(home.join("plugins/published-only.wasm").is_file());
        assert!(home.join("config/webhooks/media-cdn.json").is_file());
        drop(stage);
        assert!(!home.exists());
    }

    #[test]
    fn keeps_only_what_was_empty() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(Stage::new(Some(&folder.path().join("new"))).is_ok());
        let error = Stage::new(Some(folder.path())).err().expect("not empty any more");
        assert!(error.to_string().contains("is not empty"), "{error}");
    }
}

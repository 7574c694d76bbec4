//! A home folder for the dispatcher: one source, one webhook, and nothing tuned beyond what a system under test
//! is about. Removed by whoever owns the folder.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::body::MASKED_POINTER;

/// Of the source that posts. Loopback only, and no secret.
pub(crate) const TOKEN: &str = "bench-source-token-0123456789abcdef";
const SIGNING_SECRET: &str = "whsec_aG9va3dyaWdodC1iZW5jaC1zaWduaW5nLXNlY3JldCE=";
const PLUGIN: &str = "redact";
/// Attempts under way at once.
const CONCURRENCY: u32 = 64;

/// What the webhook does with an event.
#[derive(Clone, Copy)]
pub(crate) enum Stages<'p> {
    /// No plugin, no signature.
    Plain,
    /// One rewriting plugin, from this folder, and a signature.
    Full { plugins: &'p Path },
}

/// Writes configuration, and the plugin if there is one, below `home`.
pub(crate) fn write(home: &Path, receiver: SocketAddr, stages: Stages<'_>) -> anyhow::Result<()> {
    write_server(home)?;
    write_webhook(home, "bench", &webhook(receiver, stages))?;
    if let Stages::Full { plugins } = stages {
        copy_redact(home, plugins)?;
    }
    Ok(())
}

/// Settings without a webhook.
pub(crate) fn write_server(home: &Path) -> anyhow::Result<()> {
    let server = json!({
        "server": { "listen": "127.0.0.1:0", "admin": "127.0.0.1:0" },
        "sources": [ { "name": "bench", "token": TOKEN } ],
        "egress": { "allow": [ "127.0.0.0/8" ] },
    });
    write_json(&home.join("config/server.json"), &server)
}

pub(crate) fn write_webhook(home: &Path, id: &str, webhook: &Value) -> anyhow::Result<()> {
    write_json(&home.join(format!("config/webhooks/{id}.json")), webhook)
}

/// Puts the bundled plugin from `plugins` into the home.
pub(crate) fn copy_redact(home: &Path, plugins: &Path) -> anyhow::Result<()> {
    write_plugin(home, PLUGIN, &read_plugin(plugins, PLUGIN)?)
}

/// The file of a bundled plugin.
pub(crate) fn read_plugin(plugins: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let from = plugins.join(format!("{name}.wasm"));
    fs::read(&from)
        .with_context(|| format!("cannot read {}: build the plugins first, or say --plugins DIR", from.display()))
}

/// Puts a plugin into the home at once: written beside, then renamed.
pub(crate) fn write_plugin(home: &Path, name: &str, wasm: &[u8]) -> anyhow::Result<()> {
    let folder = home.join("plugins");
    let (beside, file) = (folder.join(format!(".{name}.new")), folder.join(format!("{name}.wasm")));
    fs::create_dir_all(&folder)?;
    fs::write(&beside, wasm).with_context(|| format!("cannot write {}", beside.display()))?;
    fs::rename(&beside, &file).with_context(|| format!("cannot write {}", file.display()))
}

/// A webhook that delivers to `receiver`.
pub(crate) fn webhook(receiver: SocketAddr, stages: Stages<'_>) -> Value {
    let mut webhook = json!({
        "name": "Bench",
        "url": format!("http://{receiver}/"),
        "events": [ "entry.create" ],
        "concurrency": CONCURRENCY,
    });
    if let Stages::Full { .. } = stages {
        webhook["plugins"] = json!([ { "plugin": PLUGIN, "config": { "mask": [ MASKED_POINTER ] } } ]);
        webhook["signing"] = json!({ "secrets": [ SIGNING_SECRET ] });
    }
    webhook
}

fn write_json(file: &Path, value: &Value) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, format!("{value:#}\n")).with_context(|| format!("cannot write {}", file.display()))
}

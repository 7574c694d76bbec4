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
    let server = json!({
        "server": { "listen": "127.0.0.1:0", "admin": "127.0.0.1:0" },
        "sources": [ { "name": "bench", "token": TOKEN } ],
        "egress": { "allow": [ "127.0.0.0/8" ] },
    });
    write_json(&home.join("config/server.json"), &server)?;
    write_json(&home.join("config/webhooks/bench.json"), &webhook(receiver, stages))?;
    if let Stages::Full { plugins } = stages {
        let file = format!("{PLUGIN}.wasm");
        let (from, to) = (plugins.join(&file), home.join("plugins").join(&file));
        fs::create_dir_all(home.join("plugins"))?;
        fs::copy(&from, to).with_context(|| {
            format!("cannot copy {}: build the plugins first, or say --plugins DIR", from.display())
        })?;
    }
    Ok(())
}

fn webhook(receiver: SocketAddr, stages: Stages<'_>) -> Value {
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

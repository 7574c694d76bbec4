//! Whether a running host took up a plugin's file that was just put into its home.

use std::path::Path;

use serde_json::Value;

use super::super::client::ClientError;
use super::super::{discovery, json};
use crate::ids::{Digest, PluginName};

/// Each waits for a file that is not settled yet, up to two seconds.
const MOST_RELOADS: usize = 5;

/// What the host made of the file.
#[derive(Debug)]
pub(super) enum Host {
    /// None runs here.
    Absent,
    Took,
    /// It says why.
    Refuses(Vec<Value>),
}

impl Host {
    /// Whether one runs, whether the file is in force, and what is wrong with it.
    pub(super) fn members(&self) -> (bool, bool, &[Value]) {
        match self {
            Self::Absent => (false, false, &[]),
            Self::Took => (true, true, &[]),
            Self::Refuses(faults) => (true, false, faults),
        }
    }
}

/// Has a running host read its folders, which waits until the file is settled, and asks what is in force then.
pub(super) async fn in_force(home: &Path, name: &PluginName, digest: Digest) -> anyhow::Result<Host> {
    let Ok(client) = discovery::admin(home) else { return Ok(Host::Absent) };
    for _ in 0..MOST_RELOADS {
        match client.act("/v1/reload").await {
            Err(ClientError::Unreachable { .. }) => return Ok(Host::Absent),
            answer => drop(answer?),
        }
        match judge(&client.get("/v1/status").await?, name, digest) {
            Host::Refuses(faults) if faults.is_empty() => {}
            host => return Ok(host),
        }
    }
    Ok(Host::Refuses(Vec::new()))
}

fn judge(status: &Value, name: &PluginName, digest: Digest) -> Host {
    let plugin = json::list(status, "/plugins").iter().find(|plugin| json::text(plugin, "/name") == name.as_str());
    if plugin.is_some_and(|plugin| json::text(plugin, "/digest") == digest.to_string()) {
        return Host::Took;
    }
    let file = format!("plugins/{name}.wasm");
    let faults = json::list(status, "/revision/faults").iter().filter(|fault| json::text(fault, "/file") == file);
    Host::Refuses(faults.cloned().collect())
}

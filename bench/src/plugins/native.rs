//! Natively: what the plugin does, without a plugin.

use bytes::Bytes;
use serde_json::Value;

use super::contestant::Contestant;
use super::edit;

pub(crate) struct Native {
    body: Bytes,
}

impl Native {
    pub(crate) fn new(body: &Bytes) -> Self {
        Self { body: body.clone() }
    }
}

impl Contestant for Native {
    fn call(&mut self) -> anyhow::Result<Vec<u8>> {
        Ok(edited(&self.body)?)
    }
}

pub(crate) fn edited(body: &[u8]) -> serde_json::Result<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(body)?;
    edit::edit(&mut value);
    serde_json::to_vec(&value)
}

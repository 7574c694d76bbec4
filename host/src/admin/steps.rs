//! What each plugin of a chain handed on, as people and programs see it: without what looks like a secret.

use schemars::JsonSchema;
use serde::Serialize;

use super::views::MASK;
use crate::config::carries_credentials;
use crate::delivery::Changes;
use crate::ids::PluginName;
use crate::plugin::Handed;

/// What a plugin handed on: all that it and those before it want changed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    plugin: PluginName,
    /// False: it ended the chain.
    delivers: bool,
    #[serde(flatten)]
    changes: Changes,
    /// The payload, if this plugin rewrote it; invalid UTF-8 replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    rewritten_data: Option<String>,
}

impl Step {
    pub(super) fn all(handed: &[Handed]) -> Vec<Self> {
        let mut before = None;
        let mut steps = Vec::with_capacity(handed.len());
        for Handed { plugin, changes } in handed {
            let data = changes.as_ref().and_then(|changes| changes.data.as_ref());
            let rewritten = data.filter(|data| before != Some(*data));
            steps.push(Self {
                plugin: plugin.clone(),
                delivers: changes.is_some(),
                changes: changes.as_ref().map(without_secrets).unwrap_or_default(),
                rewritten_data: rewritten.map(|data| String::from_utf8_lossy(data).into_owned()),
            });
            before = data;
        }
        steps
    }
}

/// Headers that look as if they held a secret are shown as `…`.
pub(super) fn without_secrets(changes: &Changes) -> Changes {
    let mut shown = changes.clone();
    let secret = shown.set_headers.iter_mut().filter(|(name, value)| carries_credentials(name, value));
    secret.for_each(|(_, value)| MASK.clone_into(value));
    shown
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_payload_stands_where_it_was_rewritten_and_no_secret_anywhere() {
        let step = |data: Option<&'static str>, header: &str| {
            let data = data.map(|data| Bytes::from_static(data.as_bytes()));
            let changes =
                Changes { data, set_headers: vec![(header.to_owned(), "hunter2".to_owned())], ..Changes::default() };
            Handed { plugin: "redact".parse().expect("a name"), changes: Some(changes) }
        };
        let ended = Handed { plugin: "redact".parse().expect("a name"), changes: None };
        let handed = [step(None, "x-site"), step(Some("{}"), "x-api-key"), step(Some("{}"), "x-api-key"), ended];
        let shown = serde_json::to_string(&Step::all(&handed)).expect("serialises");
        let [site, key] = [r#""setHeaders":[["x-site","hunter2"]]"#, r#""setHeaders":[["x-api-key","…"]]"#];
        let expected = format!(
            r#"[{{"plugin":"redact","delivers":true,{site}}},{{"plugin":"redact","delivers":true,{key},"rewrittenData":"{{}}"}},{{"plugin":"redact","delivers":true,{key}}},{{"plugin":"redact","delivers":false}}]"#
        );
        assert_eq!(shown, expected);
    }
}

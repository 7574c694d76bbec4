//! Adds a plugin to the chain of a webhook, in the webhook's file, which stays as people wrote it otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::config::{ConfigError, Environment, Home, MAX_FILE_BYTES, Variables};
use crate::files;
use crate::ids::{PluginName, WebhookId};

/// Why the plugin cannot be added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChainError {
    #[error("there is no webhook {id}: {}", known(.there))]
    UnknownWebhook { id: WebhookId, there: Vec<String> },
    #[error("{file} is not JSON: {source}")]
    NotJson { file: String, source: serde_json::Error },
    #[error("{file}: \"plugins\" is not a list")]
    NotAList { file: String },
    #[error("{file} cannot be read: {source}")]
    Unreadable { file: String, source: io::Error },
    #[error("{file} cannot be written: {source}")]
    Unwritable { file: String, source: io::Error },
    #[error("{0}")]
    Variables(#[from] ConfigError),
}

fn known(there: &[String]) -> String {
    if there.is_empty() {
        "none is declared in config/webhooks/".to_owned()
    } else {
        format!("expected one of {}", there.join(", "))
    }
}

/// A change that is ready to be made.
#[derive(Debug)]
pub(crate) struct Addition {
    /// As people know it.
    pub(crate) file: String,
    path: PathBuf,
    /// None: the plugin is in the chain already.
    text: Option<String>,
}

impl Addition {
    /// Prepares to put `plugin` at the end of the chain of `webhook`.
    ///
    /// # Errors
    /// When there is no such webhook, or its file is not what it should be.
    pub(crate) fn prepare(home: &Home, webhook: &WebhookId, plugin: &PluginName) -> Result<Self, ChainError> {
        let environment = Variables::load(home)?.environment()?;
        let path = deciding_file(home, &environment, webhook)?;
        let file = home.display(&path);
        let text = read(home, &path)?;
        let not_json = |source| ChainError::NotJson { file: file.clone(), source };
        let document: Value = serde_json::from_str(body(&text)).map_err(not_json)?;
        let text = match document.get("plugins") {
            Some(Value::Array(steps)) if steps.iter().any(|step| step["plugin"] == plugin.as_str()) => None,
            None | Some(Value::Array(_)) if document.is_object() => Some(with_step(&text, document, plugin)),
            _ => return Err(ChainError::NotAList { file }),
        };
        Ok(Self { file, path, text })
    }

    /// Makes the change.
    ///
    /// # Errors
    /// When the file cannot be written; then it is what it was.
    pub(crate) fn make(self) -> Result<(), ChainError> {
        let Some(text) = &self.text else { return Ok(()) };
        let unwritable = |source| ChainError::Unwritable { file: self.file.clone(), source };
        // Where the file is a link, what it leads to is replaced, and not the link.
        let path = fs::canonicalize(&self.path).map_err(unwritable)?;
        files::replace_public(&path, text.as_bytes()).map_err(unwritable)
    }
}

/// The file that says what the chain is: the overlay if it has one, else the base.
fn deciding_file(home: &Home, environment: &Environment, id: &WebhookId) -> Result<PathBuf, ChainError> {
    let [base, overlay] = home.webhook_files(environment, id);
    let has_chain = |path: &Path| {
        let document = read(home, path).ok().and_then(|text| serde_json::from_str::<Value>(body(&text)).ok());
        document.is_some_and(|document| document.get("plugins").is_some())
    };
    match (base.is_file(), overlay.is_file()) {
        (false, false) => Err(ChainError::UnknownWebhook { id: id.clone(), there: webhooks(home, environment) }),
        (true, true) if !has_chain(&overlay) => Ok(base),
        (true, false) => Ok(base),
        (_, true) => Ok(overlay),
    }
}

fn webhooks(home: &Home, environment: &Environment) -> Vec<String> {
    let files = home.webhook_folders(environment).into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let names = files.flatten().filter_map(|file| file.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
    names.retain(|name| name.parse::<WebhookId>().is_ok());
    names.sort();
    names.dedup();
    names
}

fn read(home: &Home, path: &Path) -> Result<String, ChainError> {
    let bytes = files::read_capped(path, MAX_FILE_BYTES as u64).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
    });
    bytes.map_err(|source| ChainError::Unreadable { file: home.display(path), source })
}

/// Without the mark that some editors put in front.
fn body(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

/// The text with one more step, spaced as the text is; all anew where that does not work out.
fn with_step(text: &str, mut document: Value, plugin: &PluginName) -> String {
    let step = json!({ "plugin": plugin });
    match document.get_mut("plugins").and_then(Value::as_array_mut) {
        Some(steps) => steps.push(step),
        None => document["plugins"] = json!([step]),
    }
    let inserted = insert(body(text), &format!("{{ \"plugin\": \"{plugin}\" }}"));
    match inserted.filter(|text| serde_json::from_str::<Value>(text).is_ok_and(|value| value == document)) {
        Some(inserted) => inserted,
        None => format!("{document:#}\n"),
    }
}

fn insert(text: &str, step: &str) -> Option<String> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let (at, addition) = if let Some(list) = members.get("plugins") {
        let steps: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
        match steps.last() {
            Some(last) => {
                let last = place(text, last.get())?;
                (last.end, format!(",{}{step}", space_before(text, last.start)))
            }
            None => (place(text, list.get())?.start + 1, step.to_owned()),
        }
    } else {
        let last = members.values().filter_map(|value| place(text, value.get())).max_by_key(|place| place.end)?;
        let opening = text.find('{')? + 1;
        let first = opening + text.get(opening..)?.find('"')?;
        (last.end, format!(",{}\"plugins\": [{step}]", space_before(text, first)))
    };
    Some(format!("{}{addition}{}", text.get(..at)?, text.get(at..)?))
}

/// Where a part of `text` stands in it.
fn place(text: &str, part: &str) -> Option<std::ops::Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    Some(start..start + part.len())
}

/// The white space before a place; a space where there is none.
fn space_before(text: &str, place: usize) -> &str {
    let before = text.get(..place).unwrap_or_default();
    let space = before.get(before.trim_end().len()..).unwrap_or_default();
    if space.is_empty() { " " } else { space }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("below home")).expect("creates");
            fs::write(path, text).expect("writes");
        }
        let home = Home::new(folder.path());
        (folder, home)
    }

    fn prepared(home: &Home, webhook: &str) -> Result<Addition, ChainError> {
        Addition::prepare(home, &webhook.parse().expect("a name"), &"new".parse().expect("a name"))
    }

    #[test]
    fn the_rest_of_the_file_stays_as_it_was_written() {
        for (before, after) in [
            (r#"{"url":"x"}"#, r#"{"url":"x", "plugins": [{ "plugin": "new" }]}"#),
            ("{\n  \"url\": \"x\"\n}\n", "{\n  \"url\": \"x\",\n  \"plugins\": [{ \"plugin\": \"new\" }]\n}\n"),
            (r#"{ "plugins": [], "url": "}" }"#, r#"{ "plugins": [{ "plugin": "new" }], "url": "}" }"#),
            (
                r#"{ "plugins": [{"plugin":"a"}] , "n": 1.0 }"#,
                r#"{ "plugins": [{"plugin":"a"}, { "plugin": "new" }] , "n": 1.0 }"#,
            ),
            (
                "{ \"plugins\": [\n\t{\"plugin\": \"a\"},\n\t{\"plugin\": \"b\"}\n] }",
                "{ \"plugins\": [\n\t{\"plugin\": \"a\"},\n\t{\"plugin\": \"b\"},\n\t{ \"plugin\": \"new\" }\n] }",
            ),
            ("{}", "{\n  \"plugins\": [\n    {\n      \"plugin\": \"new\"\n    }\n  ]\n}\n"),
        ] {
            let (folder, home) = home_with(&[("config/webhooks/site.json", before)]);
            prepared(&home, "site").expect("fits").make().expect("written");
            let path = folder.path().join("config/webhooks/site.json");
            assert_eq!(fs::read_to_string(&path).expect("there"), after);
            prepared(&home, "site").expect("fits").make().expect("nothing to do");
            assert_eq!(fs::read_to_string(&path).expect("there"), after, "once is enough");
        }
    }

    #[test]
    fn the_overlay_is_changed_where_it_has_the_last_word() {
        let overlay = "config/environments/development/webhooks/site.json";
        for (text, file) in [(r#"{"plugins": []}"#, overlay), (r#"{"url": "x"}"#, "config/webhooks/site.json")] {
            let (_folder, home) = home_with(&[("config/webhooks/site.json", r#"{"plugins": []}"#), (overlay, text)]);
            assert_eq!(prepared(&home, "site").expect("fits").file, file);
        }
    }

    #[test]
    fn refusals_name_the_file_and_what_there_is() {
        let (_folder, home) = home_with(&[
            ("config/webhooks/site.json", "{\n  \"url\" \"x\" }"),
            ("config/webhooks/odd.json", r#"{"plugins": {}}"#),
            ("config/environments/development/webhooks/more.json", "{}"),
        ]);
        let refusal = |webhook| prepared(&home, webhook).expect_err("refused").to_string();
        assert_eq!(refusal("sit"), "there is no webhook sit: expected one of more, odd, site");
        assert_eq!(refusal("site"), "config/webhooks/site.json is not JSON: expected `:` at line 2 column 9");
        assert_eq!(refusal("odd"), "config/webhooks/odd.json: \"plugins\" is not a list");
    }
}

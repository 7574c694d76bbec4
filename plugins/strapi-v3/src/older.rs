//! From the names of Strapi 4 and 5 to those of Strapi 3.

use hookwright_sdk::serde_json::Map;
use hookwright_sdk::{Value, config};

/// What receivers get as id.
#[config]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Ids {
    /// The number, which changes with every publication
    #[default]
    Id,
    /// The text that a document keeps
    DocumentId,
}

/// Names that changed, in the order that Strapi 3 wrote them.
const RENAMED: [(&str, &str); 5] = [
    ("publishedAt", "published_at"),
    ("createdBy", "created_by"),
    ("updatedBy", "updated_by"),
    ("createdAt", "created_at"),
    ("updatedAt", "updated_at"),
];

/// What Strapi 3 did not know of a file.
const NEW_IN_MEDIA: [&str; 6] = ["focalPoint", "folder", "folderPath", "publishedAt", "sizeInBytes", "isUrlSigned"];

/// The whole body: `event`, `created_at`, the rest without `uid`.
pub(crate) fn event(members: Map<String, Value>, ids: Ids) -> Value {
    let mut event = Map::new();
    for (name, mut value) in members {
        match name.as_str() {
            "uid" => {}
            "createdAt" => _ = event.insert("created_at".into(), value),
            _ => {
                make_older(&mut value, ids);
                if name == "media" {
                    add_related(&mut value);
                }
                event.insert(name, value);
            }
        }
    }
    Value::Object(event)
}

/// Gives all that Strapi named itself its old name. Objects without an id are the users' own JSON. Works on a list, not on
/// the stack: JSON nests deeper than a plugin's stack reaches.
fn make_older(value: &mut Value, ids: Ids) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items.iter_mut()),
            Value::Object(members) => {
                rename(members, ids);
                open.extend(members.values_mut());
            }
            _ => {}
        }
    }
}

fn rename(members: &mut Map<String, Value>, ids: Ids) {
    if is_media(members) {
        members.retain(|name, _| !NEW_IN_MEDIA.contains(&name.as_str()));
    } else if !members.contains_key("id") {
        return;
    }
    if let Some(document) = members.shift_remove("documentId")
        && ids == Ids::DocumentId
        && members.contains_key("id")
    {
        members.insert("id".into(), document);
    }
    // All of them stand where the first stood.
    let mut renamed = RENAMED.map(|(new, old)| (old, members.get_mut(new).map(Value::take)));
    for (name, value) in std::mem::take(members) {
        if !RENAMED.iter().any(|(new, _)| *new == name) {
            members.insert(name, value);
            continue;
        }
        for (name, value) in &mut renamed {
            if let Some(value) = value.take() {
                members.insert((*name).to_owned(), value);
            }
        }
    }
}

/// A file, or one of its sizes.
fn is_media(members: &Map<String, Value>) -> bool {
    members.contains_key("hash") && members.contains_key("ext")
}

fn add_related(media: &mut Value) {
    if let Value::Object(members) = media {
        members.entry("related").or_insert_with(|| Value::Array(Vec::new()));
    }
}

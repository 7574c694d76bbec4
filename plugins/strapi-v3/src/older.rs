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
    for (name, value) in members {
        match name.as_str() {
            "createdAt" => event.insert("created_at".into(), value),
            "uid" => None,
            "media" => event.insert(name, with_related(older(value, ids))),
            _ => event.insert(name, older(value, ids)),
        };
    }
    Value::Object(event)
}

/// A value in which all that Strapi named itself has its old name. Objects without an id are the users' own JSON.
fn older(value: Value, ids: Ids) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| older(item, ids)).collect(),
        Value::Object(members) if is_media(&members) => Value::Object(document(media(members), ids)),
        Value::Object(members) if members.contains_key("id") => Value::Object(document(members, ids)),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, older(value, ids))).collect())
        }
        scalar => scalar,
    }
}

/// A file, or one of its sizes.
fn is_media(members: &Map<String, Value>) -> bool {
    members.contains_key("hash") && members.contains_key("ext")
}

fn media(mut members: Map<String, Value>) -> Map<String, Value> {
    for name in NEW_IN_MEDIA {
        members.shift_remove(name);
    }
    members
}

fn document(mut members: Map<String, Value>, ids: Ids) -> Map<String, Value> {
    if let Some(document) = members.shift_remove("documentId")
        && ids == Ids::DocumentId
        && members.contains_key("id")
    {
        members.insert("id".into(), document);
    }
    // All of them stand where the first stood.
    let mut renamed = RENAMED.map(|(new, old)| (old, members.get_mut(new).map(Value::take)));
    let mut old = Map::new();
    for (name, value) in members {
        if !RENAMED.iter().any(|(new, _)| *new == name) {
            old.insert(name, older(value, ids));
            continue;
        }
        for (name, value) in &mut renamed {
            if let Some(value) = value.take() {
                old.insert((*name).to_owned(), older(value, ids));
            }
        }
    }
    old
}

fn with_related(mut media: Value) -> Value {
    if let Value::Object(members) = &mut media {
        members.entry("related").or_insert_with(|| Value::Array(Vec::new()));
    }
    media
}

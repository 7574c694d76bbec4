//! What people send of a definition: patches, and names that become ids. Pure.

use serde_json::Value;

/// RFC 7396: JSON Merge Patch.
pub(super) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(members) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            members.shift_remove(&key);
        } else {
            merge(members.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// The members that differ: the record of a change need not hold what stayed.
pub(super) fn differing(from: Option<Value>, to: Value) -> (Option<Value>, Value) {
    let (Some(Value::Object(mut from)), Value::Object(mut to)) = (from.clone(), to.clone()) else { return (from, to) };
    let same: Vec<_> =
        from.iter().filter(|(key, value)| to.get(*key) == Some(value)).map(|(key, _)| key.clone()).collect();
    for key in same {
        from.shift_remove(&key);
        to.shift_remove(&key);
    }
    (Some(from.into()), to.into())
}

/// A name as an id.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= LONGEST_SLUG {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "webhook".to_owned() } else { slug.to_owned() }
}

/// Leaves room for a number.
const LONGEST_SLUG: usize = 48;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::WebhookId;

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn patches_merge_as_rfc_7396_says() {
        for (original, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = original.clone();
            merge(&mut merged, patch.clone());
            assert_eq!(merged, result, "{original} {patch}");
        }
    }

    #[test]
    fn ids_are_made_of_names() {
        for (name, id) in [
            ("Site build", "site-build"),
            ("  Über -- Größe! ", "ber-gr-e"),
            ("build.example", "build-example"),
            ("日本", "webhook"),
            ("", "webhook"),
        ] {
            assert_eq!(slug(name), id, "{name}");
        }
        assert!(slug(&"a ".repeat(100)).parse::<WebhookId>().is_ok());
    }
}

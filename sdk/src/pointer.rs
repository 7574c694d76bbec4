//! Editing JSON at a JSON Pointer, RFC 6901. To read, use [`Value::pointer`].

use serde_json::Value;

/// Whether `text` is a JSON Pointer: to refuse a config early, because what is none finds nothing.
/// ```
/// # use hookwright_sdk::pointer::is_pointer;
/// assert!(is_pointer("/entry/a~1b") && is_pointer(""));
/// assert!(!is_pointer("entry") && !is_pointer("/a~b"));
/// ```
pub fn is_pointer(text: &str) -> bool {
    let rooted = text.is_empty() || text.starts_with('/');
    rooted && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

/// Takes out what stands at `pointer`, keeping the order of the rest. `None` if nothing does, or if it is the whole
/// document.
/// ```
/// # use hookwright_sdk::{json, pointer};
/// let mut body = json!({"entry": {"email": "a@b.example", "tags": ["x", "y"]}});
/// assert_eq!(pointer::remove(&mut body, "/entry/email"), Some(json!("a@b.example")));
/// assert_eq!(pointer::remove(&mut body, "/entry/tags/0"), Some(json!("x")));
/// assert_eq!(pointer::remove(&mut body, "/entry/none"), None);
/// assert_eq!(body, json!({"entry": {"tags": ["y"]}}));
/// ```
pub fn remove(document: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, last) = pointer.rsplit_once('/')?;
    let last = unescape(last);
    match document.pointer_mut(parent)? {
        Value::Object(members) => members.shift_remove(&last),
        Value::Array(items) => {
            let index = index(&last).filter(|index| *index < items.len())?;
            Some(items.remove(index))
        }
        _ => None,
    }
}

/// Puts `value` at `pointer`, making objects on the way where there is nothing. `-` stands for the place after the
/// last element of an array. `false` if there is no such place: below a string for instance.
/// ```
/// # use hookwright_sdk::{json, pointer};
/// let mut body = json!({"entry": {"tags": ["x"]}});
/// assert!(pointer::set(&mut body, "/entry/seo/title", json!("Paris")));
/// assert!(pointer::set(&mut body, "/entry/tags/-", json!("y")));
/// assert!(!pointer::set(&mut body, "/entry/tags/7", json!("z")));
/// assert_eq!(body, json!({"entry": {"tags": ["x", "y"], "seo": {"title": "Paris"}}}));
/// ```
#[must_use = "false: nothing was set"]
pub fn set(document: &mut Value, pointer: &str, value: Value) -> bool {
    let place = match pointer.strip_prefix('/') {
        Some(path) => path.split('/').try_fold(document, |place, segment| child(place, unescape(segment))),
        None => pointer.is_empty().then_some(document),
    };
    place.map(|place| *place = value).is_some()
}

/// The place of this name below `parent`, made if there is none. Whatever was made is an object from then on, so
/// nothing is made on a way that ends nowhere.
fn child(parent: &mut Value, segment: String) -> Option<&mut Value> {
    if parent.is_null() {
        *parent = Value::Object(serde_json::Map::new());
    }
    match parent {
        Value::Object(members) => Some(members.entry(segment).or_insert(Value::Null)),
        Value::Array(items) => {
            if segment == "-" {
                items.push(Value::Null);
                return items.last_mut();
            }
            items.get_mut(index(&segment)?)
        }
        _ => None,
    }
}

/// A segment as the key it means: `~1` is `/`, `~0` is `~`.
pub fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// A segment as the array index it means. RFC 6901 knows neither signs nor leading zeros.
pub fn index(segment: &str) -> Option<usize> {
    let plain = segment == "0" || segment.starts_with(|first: char| ('1'..='9').contains(&first));
    if plain { segment.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn removing_keeps_the_order_of_the_rest() {
        let mut body: Value = serde_json::from_str(r#"{"d":1,"c":2,"b":3,"a/b":4,"~":5}"#).unwrap();
        assert_eq!(remove(&mut body, "/d"), Some(json!(1)));
        assert_eq!(remove(&mut body, "/a~1b"), Some(json!(4)));
        assert_eq!(remove(&mut body, "/~0"), Some(json!(5)));
        assert_eq!(body.to_string(), r#"{"c":2,"b":3}"#);
    }

    #[test]
    fn what_is_not_there_is_not_removed() {
        let mut body = json!({"list": [1], "text": "x"});
        for absent in ["", "x", "/none", "/none/below", "/list/1", "/list/-", "/list/00", "/list/+0", "/text/0"] {
            assert_eq!(remove(&mut body, absent), None, "{absent}");
        }
        assert_eq!(body, json!({"list": [1], "text": "x"}));
    }

    #[test]
    fn setting_makes_the_way_or_changes_nothing() {
        let mut body = json!({"seo": null, "list": [{"a": 1}], "text": "x"});
        let before = body.clone();
        for nowhere in ["x", "/text/a", "/list/1/a", "/list/a", "/list/0/a/b"] {
            assert!(!set(&mut body, nowhere, json!(0)), "{nowhere}");
        }
        assert_eq!(body, before);
        for place in ["/seo/title", "/list/0/b/c", "/list/-/d", "/a~1b"] {
            assert!(set(&mut body, place, json!(place)), "{place}");
            assert_eq!(body.pointer(&place.replace('-', "1")), Some(&json!(place)));
        }
        assert!(set(&mut body, "", json!(1)));
        assert_eq!(body, json!(1));
    }
}

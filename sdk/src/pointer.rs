//! JSON Pointers (RFC 6901): reading and editing a payload at a place that a config names.
//!
//! The functions take a pointer as text, for places that the plugin itself knows. [`Pointer`] and [`Places`] are types
//! for a config: they refuse what is no pointer before anything is delivered, and say so in the schema. In
//! [`Places`], `*` stands for every element and every member.
//!
//! ```
//! use hookwright_sdk::{config, json, pointer};
//! use hookwright_sdk::pointer::{Places, Pointer};
//!
//! #[config]
//! struct Config {
//!     /// Where the title goes.
//!     title: Pointer,
//!     /// What nobody needs.
//!     forget: Vec<Places>,
//! }
//! # let config: Config = hookwright_sdk::serde_json::from_value(json!({"title": "/seo/title", "forget": ["/list/*/id"]}))?;
//!
//! let mut body = json!({"createdAt": "2026", "list": [{"id": 1, "name": "a"}, {"id": 2}]});
//! config.title.set(&mut body, json!("Paris"))?;
//! for places in &config.forget {
//!     places.remove(&mut body);
//! }
//! pointer::rename(&mut body, "/createdAt", "created_at");
//! assert_eq!(body, json!({"created_at": "2026", "list": [{"name": "a"}, {}], "seo": {"title": "Paris"}}));
//! # Ok::<(), hookwright_sdk::Failure>(())
//! ```
//!
//! Nothing here panics, whatever the pointer and whatever the document. Time grows with the length of the pointer and,
//! where members are removed or renamed or `*` stands, with the size of the objects on the way.

use std::fmt;

use serde_json::{Map, Value};

mod places;
mod typed;

pub use places::{Places, Segment};
pub use typed::{NotAPointer, Pointer};

/// How deep [`set`] goes: JSON that is nested deeper is read by few, serde_json not among them.
pub const MAX_DEPTH: usize = 128;

/// Whether `text` is a JSON Pointer. What is none finds nothing; a config says earlier with [`Pointer`].
/// ```
/// # use hookwright_sdk::pointer::is_pointer;
/// assert!(is_pointer("/entry/a~1b") && is_pointer(""));
/// assert!(!is_pointer("entry") && !is_pointer("/a~b"));
/// ```
pub fn is_pointer(text: &str) -> bool {
    let rooted = text.is_empty() || text.starts_with('/');
    rooted && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

/// What stands at `pointer`, `null` included; `None` if nothing does.
/// ```
/// # use hookwright_sdk::{json, pointer};
/// let body = json!({"entry": {"tags": ["x"], "note": null}});
/// assert_eq!(pointer::get(&body, "/entry/tags/0"), Some(&json!("x")));
/// assert_eq!(pointer::get(&body, "/entry/note"), Some(&json!(null)));
/// assert_eq!(pointer::get(&body, "/entry/none"), None);
/// ```
pub fn get<'v>(document: &'v Value, pointer: &str) -> Option<&'v Value> {
    document.pointer(pointer)
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

/// Puts `value` at `pointer`, making objects on the way where there is nothing or `null`. `-` stands for the place after
/// the last element of an array. A new member comes last in its object.
///
/// # Errors
/// [`NoPlace`], and nothing has changed: below a string for instance, past the end of an array, or deeper than
/// [`MAX_DEPTH`].
/// ```
/// # use hookwright_sdk::{json, pointer};
/// let mut body = json!({"entry": {"tags": ["x"]}});
/// pointer::set(&mut body, "/entry/seo/title", json!("Paris"))?;
/// pointer::set(&mut body, "/entry/tags/-", json!("y"))?;
/// let error = pointer::set(&mut body, "/entry/tags/7", json!("z")).unwrap_err();
/// assert_eq!(error.to_string(), "nothing can be put at /entry/tags/7: an array on the way has no such element");
/// assert_eq!(body, json!({"entry": {"tags": ["x", "y"], "seo": {"title": "Paris"}}}));
/// # Ok::<(), hookwright_sdk::Failure>(())
/// ```
pub fn set(document: &mut Value, pointer: &str, value: Value) -> Result<(), NoPlace> {
    let no = |why| NoPlace { pointer: pointer.to_owned(), why };
    if pointer.is_empty() {
        *document = value;
        return Ok(());
    }
    let path = pointer.strip_prefix('/').ok_or_else(|| no(Why::NotAPointer))?;
    if path.split('/').count() > MAX_DEPTH {
        return Err(no(Why::TooDeep));
    }
    let place = path.split('/').try_fold(document, |place, segment| child(place, unescape(segment))).map_err(no)?;
    *place = value;
    Ok(())
}

/// Calls the member at `pointer` by the name `to`, where it stands among the others. A member that already has this
/// name is removed. `false` if there is no such member: nothing there, or the element of an array.
/// ```
/// # use hookwright_sdk::{json, pointer};
/// let mut body = json!({"event": "entry.create", "createdAt": "2026-01-01", "entry": {}});
/// assert!(pointer::rename(&mut body, "/createdAt", "created_at"));
/// assert!(!pointer::rename(&mut body, "/entry/createdAt", "created_at"));
/// assert_eq!(body.to_string(), r#"{"event":"entry.create","created_at":"2026-01-01","entry":{}}"#);
/// ```
pub fn rename(document: &mut Value, pointer: &str, to: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
    let from = unescape(last);
    let Some(Value::Object(members)) = document.pointer_mut(parent) else { return false };
    if !members.contains_key(&from) {
        return false;
    }
    if from == to {
        return true;
    }
    let others = std::mem::take(members).into_iter().filter(|(name, _)| name != to);
    *members = others.map(|(name, value)| if name == from { (to.to_owned(), value) } else { (name, value) }).collect();
    true
}

/// The place of this name below `parent`, made if there is none. Whatever was made is an object from then on, so
/// nothing is made on a way that ends nowhere.
fn child(parent: &mut Value, segment: String) -> Result<&mut Value, Why> {
    if parent.is_null() {
        *parent = Value::Object(Map::new());
    }
    match parent {
        Value::Object(members) => Ok(members.entry(segment).or_insert(Value::Null)),
        Value::Array(items) => {
            if segment == "-" {
                items.push(Value::Null);
                return items.last_mut().ok_or(Why::NoElement);
            }
            index(&segment).and_then(|index| items.get_mut(index)).ok_or(Why::NoElement)
        }
        _ => Err(Why::Scalar),
    }
}

/// A segment as the key it means: `~1` is `/`, `~0` is `~`.
/// ```
/// assert_eq!(hookwright_sdk::pointer::unescape("a~1b~01"), "a/b~1");
/// ```
pub fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// A key as the segment that means it, to make a pointer of keys.
/// ```
/// assert_eq!(hookwright_sdk::pointer::escape("a/b~1"), "a~1b~01");
/// ```
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A segment as the array index it means. RFC 6901 knows neither signs nor leading zeros.
/// ```
/// # use hookwright_sdk::pointer::index;
/// assert_eq!((index("10"), index("01"), index("-")), (Some(10), None, None));
/// ```
pub fn index(segment: &str) -> Option<usize> {
    let plain = segment == "0" || segment.starts_with(|first: char| ('1'..='9').contains(&first));
    if plain { segment.parse().ok() } else { None }
}

/// Nothing can be put there: what [`set`] says. Becomes a permanent [`Failure`](crate::Failure) by `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPlace {
    pointer: String,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NotAPointer,
    TooDeep,
    NoElement,
    Scalar,
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::NotAPointer => "a JSON Pointer starts with /",
            Why::TooDeep => return write!(f, "nothing can be put deeper than {MAX_DEPTH} levels"),
            Why::NoElement => "an array on the way has no such element",
            Why::Scalar => "on the way is a string, a number or a boolean",
        };
        write!(f, "nothing can be put at {}: {why}", self.pointer)
    }
}

impl std::error::Error for NoPlace {}

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
    fn what_is_not_there_is_neither_removed_nor_renamed() {
        let mut body = json!({"list": [1], "text": "x"});
        for absent in ["", "x", "/none", "/none/below", "/list/1", "/list/-", "/list/00", "/list/+0", "/text/0"] {
            assert_eq!(remove(&mut body, absent), None, "{absent}");
            assert!(!rename(&mut body, absent, "to"), "{absent}");
        }
        assert!(!rename(&mut body, "/list/0", "to"), "an element has no name");
        assert_eq!(body, json!({"list": [1], "text": "x"}));
    }

    #[test]
    fn a_renamed_member_keeps_its_place_and_takes_the_name() {
        for (from, to, expected) in [
            ("/a~1b", "d", r#"{"d":1,"b":{"x":2},"c":3}"#),
            ("/b/x", "y/z", r#"{"a/b":1,"b":{"y/z":2},"c":3}"#),
            ("/c", "a/b", r#"{"b":{"x":2},"a/b":3}"#),
            ("/b", "b", r#"{"a/b":1,"b":{"x":2},"c":3}"#),
        ] {
            let mut body: Value = r#"{"a/b":1,"b":{"x":2},"c":3}"#.parse().unwrap();
            assert!(rename(&mut body, from, to), "{from}");
            assert_eq!(body.to_string(), expected);
        }
    }

    #[test]
    fn setting_makes_the_way_or_changes_nothing() {
        let mut body = json!({"seo": null, "list": [{"a": 1}], "text": "x"});
        let before = body.clone();
        let deep = "/new".repeat(MAX_DEPTH + 1);
        for nowhere in ["x", "/text/a", "/list/1/a", "/list/a", "/list/0/a/b", &deep] {
            assert!(set(&mut body, nowhere, json!(0)).is_err(), "{nowhere}");
        }
        assert_eq!(body, before);
        for place in ["/seo/title", "/list/0/b/c", "/list/-/d", "/a~1b", &deep[4..]] {
            assert_eq!(set(&mut body, place, json!(place)), Ok(()), "{place}");
            assert_eq!(get(&body, &place.replace('-', "1")), Some(&json!(place)));
        }
        assert!(serde_json::to_string(&body).unwrap().parse::<Value>().is_err(), "that was the deepest");
        assert_eq!(set(&mut body, "", json!(1)), Ok(()));
        assert_eq!(body, json!(1));
    }
}

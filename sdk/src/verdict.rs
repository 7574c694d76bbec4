//! What a plugin answers.

use serde_json::Value;

/// What a plugin answers: deliver, with changes or without, or drop.
/// ```
/// use hookwright_sdk::{Verdict, json};
///
/// let unchanged = Verdict::deliver();
/// let changed = Verdict::deliver()
///     .json(&json!({"text": "Paris was published"}))
///     .header("X-Kind", "note")
///     .remove_header("X-Strapi-Event")
///     .annotate("kind", "note");
/// let dropped = Verdict::drop("a draft");
/// # assert!(unchanged != changed && changed != dropped);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Deliver, so changed.
    Deliver(Changes),
    /// Do not deliver, and why.
    Drop(Dropped),
}

/// Why not to deliver. Made by [`Verdict::drop`]; its fields are for tests.
/// ```
/// # use hookwright_sdk::{Dropped, Verdict};
/// let dropped = Dropped { code: Some("draft".into()), ..Dropped::from("not published") };
/// assert_eq!(Verdict::drop("not published").code("draft"), Verdict::Drop(dropped));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// For people: what `hookwright why` shows.
    pub reason: String,
    /// For programs: why, whatever the reason says.
    pub code: Option<String>,
    /// For people, shown with the delivery: names and values.
    pub annotations: Vec<(String, String)>,
}

impl<T: Into<String>> From<T> for Dropped {
    fn from(reason: T) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }
}

/// What to change. All empty: deliver byte for byte. Made by the methods of [`Verdict`]; its fields are for tests.
/// ```
/// # use hookwright_sdk::{Changes, Verdict};
/// let verdict = Verdict::deliver().header("X-A", "1");
/// let changes = Changes { set_headers: vec![("X-A".into(), "1".into())], ..Changes::default() };
/// assert_eq!(verdict, Verdict::Deliver(changes));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The payload instead of the one that came in.
    pub data: Option<Vec<u8>>,
    /// Its content type, if that changes.
    pub content_type: Option<String>,
    /// Headers to set, names and values.
    pub set_headers: Vec<(String, String)>,
    /// Names of headers to take away.
    pub remove_headers: Vec<String>,
    /// For people, shown with the delivery and never sent: names and values.
    pub annotations: Vec<(String, String)>,
}

/// Changes are for a delivery: on a drop they have no effect, but for annotations.
impl Verdict {
    /// Deliver; without further changes byte for byte.
    /// ```
    /// # use hookwright_sdk::{Changes, Verdict, json};
    /// assert_eq!(Verdict::deliver(), Verdict::Deliver(Changes::default()));
    /// ```
    #[must_use]
    pub fn deliver() -> Self {
        Self::Deliver(Changes::default())
    }

    /// Do not deliver. The reason is what `hookwright why` shows.
    /// ```
    /// # use hookwright_sdk::{Changes, Verdict, json};
    /// assert_eq!(Verdict::drop("a draft"), Verdict::Drop("a draft".into()));
    /// ```
    #[must_use]
    pub fn drop(reason: impl Into<String>) -> Self {
        Self::Drop(Dropped::from(reason))
    }

    /// Gives a drop a code that stays the same while reasons change: 1 to 64 lower-case letters, digits, `.`, `_` or `-`, a
    /// letter first. The host takes any other for a broken contract. On a delivery it has no effect.
    /// ```
    /// # use hookwright_sdk::Verdict;
    /// assert_ne!(Verdict::drop("not published").code("draft"), Verdict::drop("not published"));
    /// ```
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        if let Self::Drop(dropped) = &mut self {
            dropped.code = Some(code.into());
        }
        self
    }

    /// Replaces the payload by `value`. The content type stays.
    /// ```
    /// # use hookwright_sdk::{Changes, Verdict, json};
    /// assert_eq!(Verdict::deliver().json(&json!({"a": 1})), Verdict::deliver().data(r#"{"a":1}"#));
    /// ```
    #[must_use]
    pub fn json(self, value: &Value) -> Self {
        // A `Value` always serialises. `to_vec` uses a third less fuel; `to_string` stands in for a panic.
        self.data(serde_json::to_vec(value).unwrap_or_else(|_| value.to_string().into_bytes()))
    }

    /// Replaces the payload. The content type stays.
    /// ```
    /// # use hookwright_sdk::{Changes, Verdict, json};
    /// let note = Verdict::deliver().data("Paris was published").content_type("text/plain");
    /// # let changes = Changes { data: Some("Paris was published".into()), content_type: Some("text/plain".into()), ..Changes::default() };
    /// # assert_eq!(note, Verdict::Deliver(changes));
    /// ```
    #[must_use]
    pub fn data(self, data: impl Into<Vec<u8>>) -> Self {
        self.change(|changes| changes.data = Some(data.into()))
    }

    /// Says what the new payload is.
    /// ```
    /// # use hookwright_sdk::{Changes, Verdict, json};
    /// let csv = Verdict::deliver().data("id,name\n1,Paris").content_type("text/csv");
    /// # assert_ne!(csv, Verdict::deliver().data("id,name\n1,Paris"));
    /// ```
    #[must_use]
    pub fn content_type(self, content_type: impl Into<String>) -> Self {
        self.change(|changes| changes.content_type = Some(content_type.into()))
    }

    /// Sets a header, replacing any value it had. The host refuses names that are its own, `Authorization` for
    /// instance, and values that are no header values.
    /// ```
    /// # use hookwright_sdk::{Changes, Verdict, json};
    /// let verdict = Verdict::deliver().header("X-Model", "page");
    /// # assert_ne!(verdict, Verdict::deliver());
    /// ```
    #[must_use]
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.change(|changes| changes.set_headers.push((name.into(), value.into())))
    }

    /// Removes a header that the source passed through or the webhook sets.
    /// ```
    /// # use hookwright_sdk::{Changes, Verdict, json};
    /// let verdict = Verdict::deliver().remove_header("X-Strapi-Event");
    /// # assert_ne!(verdict, Verdict::deliver());
    /// ```
    #[must_use]
    pub fn remove_header(self, name: impl Into<String>) -> Self {
        self.change(|changes| changes.remove_headers.push(name.into()))
    }

    /// Adds a named value to the delivery's log; to a drop's, too.
    /// ```
    /// # use hookwright_sdk::{Changes, Verdict, json};
    /// let verdict = Verdict::deliver().annotate("removed", "2");
    /// # assert_ne!(verdict, Verdict::deliver());
    /// ```
    #[must_use]
    pub fn annotate(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let annotations = match &mut self {
            Self::Deliver(changes) => &mut changes.annotations,
            Self::Drop(dropped) => &mut dropped.annotations,
        };
        annotations.push((name.into(), value.into()));
        self
    }

    fn change(mut self, change: impl FnOnce(&mut Changes)) -> Self {
        if let Self::Deliver(changes) = &mut self {
            change(changes);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewritten_json_keeps_key_order_and_numbers() {
        let text =
            r#"{"z":9007199254740993,"a":[1.0,0.1,-0.0,18446744073709551615,1.7976931348623157e+308],"é":"\u0000"}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let Verdict::Deliver(changes) = Verdict::deliver().json(&value) else { panic!("a drop") };
        assert_eq!(String::from_utf8(changes.data.unwrap()).unwrap(), text);
    }

    #[test]
    fn a_drop_stays_a_drop() {
        assert_eq!(Verdict::drop("no").header("x-a", "1").data("x"), Verdict::Drop("no".into()));
    }
}

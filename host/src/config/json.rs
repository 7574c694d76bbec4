//! JSON as configuration has it: a key written twice is an error, since one of the two would be ignored.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::schemas::shortened;

/// Reads one document.
///
/// # Errors
/// In words, with line and column.
pub(super) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map(|Unambiguous(value)| value)
}

struct Unambiguous(Value);

struct ValueVisitor;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {} is written twice", shortened(&key.into()))));
            }
            let Unambiguous(value) = members.next_value()?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_line_and_column() {
        for (text, expected) in [
            ("{\n  \"a\": ,\n}", "expected value at line 2 column 8"),
            ("{\"a\": {\"b\": 1,\n\"b\": 2}}", "the key \"b\" is written twice at line 2 column 3"),
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{} {}", "trailing characters at line 1 column 4"),
            ("1e999", "number out of range at line 1 column 5"),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), expected);
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert_eq!(parse("\u{feff}{}").expect("valid"), json!({}));
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_reads(text in "(\\{\"a\":|\\{\"b\":|\\[|\\]|\\}|1|-2.5|\"é\"|null|true|,)*") {
            match (parse(&text), serde_json::from_str::<Value>(&text)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(_), _) => {}
                (Ok(_), Err(error)) => prop_assert!(false, "{}", error),
            }
        }
    }
}

//! An object of a config whose order means something.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use hookwright_sdk::schemars::{JsonSchema, Schema, SchemaGenerator};
use hookwright_sdk::serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// The members of an object in the order they are written in. A name that stands twice is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered<T>(Vec<(String, T)>);

impl<T> Ordered<T> {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'j, T: Deserialize<'j>> Deserialize<'j> for Ordered<T> {
    fn deserialize<D: Deserializer<'j>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

struct Members<T>(PhantomData<T>);

impl<'j, T: Deserialize<'j>> Visitor<'j> for Members<T> {
    type Value = Ordered<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<(String, T)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format_args!("{name} stands twice")));
            }
            members.push((name, map.next_value()?));
        }
        Ok(Ordered(members))
    }
}

impl<T: JsonSchema> JsonSchema for Ordered<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<String, T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, T>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use hookwright_sdk::serde_json;

    use super::*;

    #[test]
    fn order_is_kept_and_repetition_refused() {
        let ordered: Ordered<u8> = serde_json::from_str(r#"{"z": 1, "a": 2}"#).unwrap();
        assert_eq!(ordered.iter().collect::<Vec<_>>(), [("z", &1), ("a", &2)]);
        let error = serde_json::from_str::<Ordered<u8>>(r#"{"z": 1, "z": 2}"#).unwrap_err();
        assert!(error.to_string().starts_with("z stands twice"), "{error}");
    }
}

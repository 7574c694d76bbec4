//! From the type of a config to its JSON Schema. Runs when the host asks for the manifest, never with a delivery.

use std::marker::PhantomData;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// The type of a plugin's config, for the attribute to ask whether it has a schema. It has one if [`Described`]
/// applies; [`Undescribed`], one reference further away, always does.
pub struct Config<T>(PhantomData<T>);

impl<T> Config<T> {
    /// To call [`Described::schema`] or [`Undescribed::schema`] on.
    pub const TYPE: Self = Self(PhantomData);
}

/// Types that have a schema.
pub trait Described {
    /// JSON Schema text.
    fn schema(&self) -> String;
}

impl<T: JsonSchema> Described for Config<T> {
    fn schema(&self) -> String {
        schema_of::<T>().to_value().to_string()
    }
}

/// All types.
pub trait Undescribed {
    /// Empty: any config.
    fn schema(&self) -> String;
}

impl<T> Undescribed for &Config<T> {
    fn schema(&self) -> String {
        String::new()
    }
}

/// JSON Schema 2020-12, as the host reads it.
pub(crate) fn schema_of<T: JsonSchema>() -> schemars::Schema {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    // What the author called the type, `Config` mostly, says nothing to who writes a config.
    if schema.get("title").is_some_and(|title| *title == *T::schema_name()) {
        schema.remove("title");
    }
    schema
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[derive(JsonSchema)]
    #[schemars(title = "Settings")]
    struct Titled;

    #[derive(JsonSchema)]
    struct Plain {
        _keep: u8,
    }

    struct Other;

    #[test]
    fn a_type_without_a_schema_takes_any_config() {
        #[expect(clippy::needless_borrow, reason = "as the attribute writes it")]
        let (plain, other) = ((&Config::<Plain>::TYPE).schema(), (&Config::<Other>::TYPE).schema());
        assert_eq!(other, "");
        let plain: Value = plain.parse().unwrap();
        assert_eq!((&plain["required"][0], plain.get("title")), (&"_keep".into(), None));
    }

    #[test]
    fn a_title_is_kept_if_the_author_wrote_it() {
        assert_eq!(schema_of::<Titled>().get("title"), Some(&"Settings".into()));
    }
}

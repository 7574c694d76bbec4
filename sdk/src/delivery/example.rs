//! Deliveries for tests.

use std::cell::OnceCell;

use serde_json::Value;

use super::{Delivery, Webhook};

impl Delivery {
    /// An event of this type with this whole body, as source `example` posts it for webhook `example`. What else is
    /// to be otherwise, write into its fields.
    /// ```
    /// # use hookwright_sdk::{Delivery, json};
    /// let mut delivery = Delivery::example("entry.create", json!({"entry": {"id": 1}}))
    ///     .with_config(json!({"keep": 3}))
    ///     .with_header("X-Strapi-Event", "entry.create")
    ///     .with_run(2);
    /// delivery.source = "shop".into();
    /// assert_eq!((delivery.run, delivery.source.as_str()), (2, "shop"));
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "reads well with json!({…})")]
    pub fn example(event_type: impl Into<String>, body: Value) -> Self {
        Self {
            event_id: "evt_00000000000000000000000001".into(),
            delivery_id: "dlv_00000000000000000000000001".into(),
            event_type: event_type.into(),
            source: "example".into(),
            received_ms: crate::now_ms(),
            run: 1,
            webhook: Webhook { id: "example".into(), name: "Example".into(), labels: Vec::new() },
            attributes: Vec::new(),
            headers: Vec::new(),
            content_type: "application/json".into(),
            data: body.to_string().into_bytes(),
            config: "{}".into(),
            json: OnceCell::new(),
        }
    }

    /// With this payload, byte for byte.
    /// ```
    /// # use hookwright_sdk::{Delivery, Value, json};
    /// let delivery = Delivery::example("entry.create", Value::Null).with_data(r#"{ "a": 1.10 }"#);
    /// assert_eq!(delivery.data(), br#"{ "a": 1.10 }"#);
    /// ```
    #[must_use]
    pub fn with_data(self, data: impl Into<Vec<u8>>) -> Self {
        Self { data: data.into(), json: OnceCell::new(), ..self }
    }

    /// With this config for the plugin.
    /// ```
    /// # use hookwright_sdk::{Delivery, Value, json};
    /// let delivery = Delivery::example("entry.create", json!({})).with_config(json!({"keep": 3}));
    /// assert_eq!(delivery.config::<Value>()?["keep"], 3);
    /// # Ok::<(), hookwright_sdk::Failure>(())
    /// ```
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "reads well with json!({…})")]
    pub fn with_config(self, config: Value) -> Self {
        Self { config: config.to_string(), ..self }
    }

    /// With one more context attribute.
    /// ```
    /// # use hookwright_sdk::{Delivery, Value, json};
    /// let delivery = Delivery::example("entry.create", json!({})).with_attribute("tracestate", "a=1");
    /// assert_eq!(delivery.attribute("tracestate"), Some("a=1"));
    /// ```
    #[must_use]
    pub fn with_attribute(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.push((name.to_owned(), value.into()));
        self
    }

    /// As a later run of the chain.
    /// ```
    /// # use hookwright_sdk::{Delivery, Value, json};
    /// assert_eq!(Delivery::example("entry.create", json!({})).with_run(2).run, 2);
    /// ```
    #[must_use]
    pub fn with_run(self, run: u32) -> Self {
        Self { run, ..self }
    }

    /// With one more incoming header.
    /// ```
    /// # use hookwright_sdk::{Delivery, Value, json};
    /// let delivery = Delivery::example("entry.create", json!({})).with_header("X-Strapi-Event", "entry.create");
    /// assert_eq!(delivery.headers, [("x-strapi-event".into(), "entry.create".into())]);
    /// ```
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }
}

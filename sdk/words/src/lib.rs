//! What the bundled plugins have in common: places in a payload, rules and templates that read them, texts cut to a
//! length, an event told in words. Reads and writes; decides nothing.

mod link;
mod ordered;
mod rule;
mod summary;
mod template;
mod text;
mod time;

use hookwright_sdk::{Delivery, Result, Value, Verdict};

pub use link::{Link, percent_encoded_but};
pub use ordered::Ordered;
pub use rule::Rule;
pub use summary::{Summary, Tone};
pub use template::{Filled, Template};
pub use text::{cut, shown, units};
pub use time::rfc3339;

/// The payload as JSON.
///
/// # Errors
/// `not-json`.
pub fn body(delivery: &Delivery) -> Result<&Value> {
    delivery.json().map_err(|failure| failure.with_code("not-json"))
}

/// Delivers another payload, and says that it is JSON unless that was said already.
#[must_use]
pub fn deliver(delivery: &Delivery, body: &Value) -> Verdict {
    let verdict = Verdict::deliver().json(body);
    if is_json(&delivery.content_type) { verdict } else { verdict.content_type("application/json") }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use hookwright_sdk::json;

    use super::*;

    #[test]
    fn the_content_type_is_said_once() {
        let body = json!({"a": 1});
        let mut delivery = Delivery::example("entry.create", json!({}));
        delivery.content_type = "Application/JSON; charset=utf-8".into();
        assert_eq!(deliver(&delivery, &body), Verdict::deliver().json(&body));
        delivery.content_type = "application/cloudevents+json".into();
        assert_eq!(deliver(&delivery, &body), Verdict::deliver().json(&body).content_type("application/json"));
    }

    #[test]
    fn what_is_not_json_has_a_code() {
        let delivery = Delivery::example("entry.create", json!({})).with_data("nope");
        assert_eq!(body(&delivery).unwrap_err().code.as_deref(), Some("not-json"));
    }
}

//! The attribute on functions whose names and arguments could be mistaken for its own.

use hookwright_sdk::{Delivery, Result, Verdict, json};

mod one_argument {
    use super::*;

    #[hookwright_sdk::plugin]
    pub(super) fn transform(_: Delivery) -> Result<Verdict> {
        Ok(Verdict::drop("transform"))
    }
}

mod two_arguments {
    use super::*;

    #[derive(serde::Deserialize)]
    pub(super) struct Config {
        pub(super) reason: String,
    }

    #[hookwright_sdk::plugin(name = concat!("a", "-plugin"), description = "Two arguments")]
    pub(super) fn config(delivery: Delivery, Config { reason }: Config) -> Result<Verdict> {
        Ok(Verdict::drop(format!("{}: {reason}", delivery.event_type)))
    }
}

#[test]
fn the_function_stays_callable() {
    let delivery = Delivery::example("entry.create", json!({})).with_config(json!({"reason": "no"}));
    assert_eq!(one_argument::transform(delivery.clone()), Ok(Verdict::drop("transform")));
    let config = delivery.config().unwrap();
    assert_eq!(two_arguments::config(delivery, config), Ok(Verdict::drop("entry.create: no")));
}

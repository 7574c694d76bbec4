//! The glue between the contract (`wit/plugin.wit`) and the types that authors see. Compiled for WebAssembly only.

use std::cell::OnceCell;
use std::panic;
use std::time::Duration;

use crate::manifest::Plugin;
use crate::{Changes, Delivery, Failure, FailureKind, Level, Verdict, Webhook};

/// Written by wit-bindgen.
#[expect(missing_docs, reason = "not for people")]
#[expect(clippy::same_length_and_capacity, reason = "the host hands over vectors without spare room")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "plugin",
        pub_export_macro: true,
    });
}

use bindings::hookwright::plugin::{host, types};

pub use bindings::exports::hookwright::plugin::transformer;

/// Makes a constant [`Plugin`] the exports of the crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ident) => {
        struct Guest;

        impl $crate::__private::transformer::Guest for Guest {
            fn describe() -> $crate::__private::transformer::Manifest {
                $crate::__private::describe(&$plugin)
            }

            fn transform(
                delivery: $crate::__private::transformer::Delivery,
            ) -> ::core::result::Result<$crate::__private::transformer::Verdict, $crate::__private::transformer::Failure>
            {
                $crate::__private::transform(&$plugin, delivery)
            }
        }

        $crate::__private::bindings::export!(Guest with_types_in $crate::__private::bindings);
    };
}

/// Answers the host's `describe`.
pub fn describe(plugin: &Plugin) -> types::Manifest {
    report_panics();
    types::Manifest {
        name: plugin.manifest.name.into(),
        version: plugin.manifest.version.into(),
        description: plugin.manifest.description.into(),
        config_schema: (plugin.manifest.config_schema)(),
        attributes: Vec::new(),
    }
}

/// Answers the host's `transform`.
///
/// # Errors
/// Those of the plugin.
pub fn transform(plugin: &Plugin, delivery: types::Delivery) -> Result<types::Verdict, types::Failure> {
    report_panics();
    match (plugin.transform)(delivery.into()) {
        Ok(verdict) => Ok(verdict.into()),
        Err(failure) => Err(failure.into()),
    }
}

/// A panic ends in a trap that says nothing: tell the host first. `panicked at src/lib.rs:7:5:` and the message.
fn report_panics() {
    panic::set_hook(Box::new(|panic| {
        let mut message = panic.to_string();
        if message.ends_with(NO_CLOCK) {
            message.push_str(": a plugin's clock is hookwright_sdk::now_ms");
        }
        host::log(host::Level::Critical, &message);
    }));
}

/// What the standard library says in a plugin about `SystemTime::now`, somewhere within itself.
const NO_CLOCK: &str = "time not implemented on this platform";

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => host::Level::Trace,
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
        Level::Critical => host::Level::Critical,
    };
    host::log(level, message);
}

pub(crate) fn now_ms() -> u64 {
    host::now_ms()
}

pub(crate) fn random_u64() -> u64 {
    host::random_u64()
}

impl From<types::Delivery> for Delivery {
    fn from(delivery: types::Delivery) -> Self {
        Self {
            event_id: delivery.event_id,
            delivery_id: delivery.delivery_id,
            event_type: delivery.event_type,
            source: delivery.source,
            received_ms: delivery.received_ms,
            run: delivery.run,
            webhook: Webhook {
                id: delivery.webhook.id,
                name: delivery.webhook.name,
                labels: pairs(delivery.webhook.labels),
            },
            attributes: pairs(delivery.attributes),
            headers: pairs(delivery.headers),
            content_type: delivery.content_type,
            data: delivery.data,
            config: delivery.config,
            json: OnceCell::new(),
        }
    }
}

impl From<Verdict> for types::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Deliver(changes) => Self::Deliver(changes.into()),
            Verdict::Drop(dropped) => Self::Drop(types::Dropped {
                reason: dropped.reason,
                code: dropped.code,
                annotations: fields(dropped.annotations),
            }),
        }
    }
}

impl From<Changes> for types::Changes {
    fn from(changes: Changes) -> Self {
        Self {
            data: changes.data,
            content_type: changes.content_type,
            set_headers: fields(changes.set_headers),
            remove_headers: changes.remove_headers,
            annotations: fields(changes.annotations),
            options: Vec::new(),
        }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::Permanent => types::FailureKind::Permanent,
            FailureKind::Retryable(delay) => types::FailureKind::Retryable(delay.map(milliseconds)),
        };
        Self { kind, message: failure.message, code: failure.code, annotations: fields(failure.annotations) }
    }
}

fn milliseconds(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}

fn pairs(fields: Vec<types::Field>) -> Vec<(String, String)> {
    fields.into_iter().map(|field| (field.name, field.value)).collect()
}

fn fields(pairs: Vec<(String, String)>) -> Vec<types::Field> {
    pairs.into_iter().map(|(name, value)| types::Field { name, value }).collect()
}

//! What GitHub takes. What is over is refused there for good: better to say so here, with the remedy.

use hookwright_sdk::serde_json::Map;
use hookwright_sdk::{Failure, Result, Value};

/// Of a value in a type or a branch: longer than any of them, so that it is seen to be too long.
pub(crate) const MAX_TEXT: usize = 1000;
const MAX_EVENT_TYPE: usize = 100;
const MAX_PROPERTIES: usize = 10;
/// The payload has to be smaller than 64 KB.
const MAX_PAYLOAD_BYTES: usize = 65_535;
const MAX_INPUTS: usize = 25;
/// Of all inputs together, in characters.
const MAX_INPUTS_BYTES: usize = 65_535;
/// Of a value that nobody asked for by name.
const MAX_SMALL_BYTES: usize = 500;

pub(crate) fn event_type(text: &str) -> Result<()> {
    let length = text.chars().count();
    if (1..=MAX_EVENT_TYPE).contains(&length) {
        return Ok(());
    }
    let message = format!("eventType gives {length} characters, and GitHub takes 1 to {MAX_EVENT_TYPE}");
    Err(Failure::permanent(message).with_code("bad-event-type"))
}

pub(crate) fn client_payload(payload: &Value) -> Result<()> {
    let count = payload.as_object().map_or(0, Map::len);
    if count > MAX_PROPERTIES {
        let message =
            format!("payload has {count} values, and GitHub takes at most {MAX_PROPERTIES}: put some into an object");
        return Err(Failure::permanent(message).with_code("bad-config"));
    }
    size("payload", payload.to_string().len(), MAX_PAYLOAD_BYTES)
}

pub(crate) fn git_ref(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(
            Failure::permanent("ref gives no branch or tag: nothing stands where it looks").with_code("bad-config")
        );
    }
    Ok(())
}

pub(crate) fn inputs(inputs: &Map<String, Value>) -> Result<()> {
    if inputs.len() > MAX_INPUTS {
        let message = format!("payload has {} values, and GitHub takes at most {MAX_INPUTS} inputs", inputs.len());
        return Err(Failure::permanent(message).with_code("bad-config"));
    }
    let bytes = inputs.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum();
    size("payload", bytes, MAX_INPUTS_BYTES)
}

pub(crate) fn is_small_scalar(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= MAX_SMALL_BYTES,
        Value::Number(_) | Value::Bool(_) => true,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

fn size(what: &str, bytes: usize, max: usize) -> Result<()> {
    if bytes <= max {
        return Ok(());
    }
    let message = format!("{what} has {bytes} bytes, and GitHub takes at most {max}: pick less of the event");
    Err(Failure::permanent(message).with_code("too-large"))
}

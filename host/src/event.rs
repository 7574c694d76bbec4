//! An accepted event.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::ids::{EventId, EventType, SourceName};

/// One accepted message, exactly as it came. Shared by all its deliveries, never changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: EventId,
    pub event_type: EventType,
    pub source: SourceName,
    pub received: Timestamp,
    pub content_type: Arc<str>,
    /// Incoming headers worth keeping ([`PASSED_HEADERS`], and the one that says the type), names in lower case.
    pub headers: Vec<(String, String)>,
    /// The context of a CloudEvent, `specversion` and extensions included, each name once; of any other event, none.
    pub attributes: Vec<(String, String)>,
    /// The body; of a CloudEvent, its data.
    pub data: Bytes,
}

/// Incoming headers that plugins may see and that go out again with every delivery; never credentials.
pub const PASSED_HEADERS: [&str; 3] = ["x-strapi-event", "traceparent", "tracestate"];

impl Event {
    /// Its bytes as JSON; null for a CloudEvent without data. None: they are not JSON.
    pub fn body(&self) -> Option<Value> {
        if self.data.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&self.data).ok() }
    }

    /// What this event costs in memory, for budgets: what is of variable length, and a flat allowance for the rest.
    pub fn weight(&self) -> usize {
        let texts = self.headers.iter().chain(&self.attributes).map(|(name, value)| name.len() + value.len());
        self.data.len() + texts.sum::<usize>() + 512
    }
}

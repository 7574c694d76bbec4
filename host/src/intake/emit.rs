//! Events that the program around us emits: its type is said, not read out of the bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::accept::{Judged, rule};
use super::{Accepted, Candidate, Intake, Refusal, shape};
use crate::clock::Timestamp;
use crate::ids::{EventType, SourceName};

/// What a program emits.
#[derive(Clone, Debug)]
pub struct Emitted {
    pub source: SourceName,
    pub event_type: EventType,
    /// JSON.
    pub data: Bytes,
    pub idempotency_key: Option<Arc<str>>,
}

impl Intake {
    /// # Errors
    /// Why it was not accepted.
    pub async fn emit(self: &Arc<Self>, emitted: Emitted, now: Timestamp) -> Result<Accepted, Refusal> {
        let Emitted { source, event_type, data, idempotency_key } = emitted;
        let revision = self.parts.live.load_full();
        let max_bytes = revision.server.limits.max_body_bytes;
        if data.len() > max_bytes {
            return Err(Refusal::TooLarge { max_bytes });
        }
        let body = shape::parse(&data).map_err(Refusal::Malformed)?;
        rule(revision.schemas.check(&event_type, &body), revision.server.schemas, &event_type, &source)?;
        let takers = self.takers(&revision, &event_type, &body);
        drop(body);
        let candidate = Candidate {
            source,
            only: Vec::new(),
            content_type: "application/json".into(),
            headers: Vec::new(),
            data,
            idempotency_key,
            room: None,
        };
        self.commit(candidate, Judged { event_type, takers }, now).await
    }
}

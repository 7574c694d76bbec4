//! Events that the program around us emits: its type is said, not read out of the bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::accept::{Batch, Judged};
use super::judge::judge;
use super::message::Place;
use super::{Accepted, Intake, Refusal, shape};
use crate::clock::Timestamp;
use crate::ids::{EventType, SourceName};
use crate::store::StoreError;

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
        judge(&revision, &source, &event_type, &body, &Place::default())?;
        let takers = self.takers(&revision, &event_type, &body);
        drop(body);
        let mut judged = Judged::plain(event_type, data, takers);
        judged.key = idempotency_key;
        self.take_turn(std::slice::from_ref(&judged)).await;
        let mut accepted = self.commit(Batch::of(source, judged), now).await?;
        accepted.pop().ok_or_else(|| Refusal::Store(StoreError::Failed("nothing was accepted".into())))
    }
}

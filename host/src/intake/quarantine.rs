//! What was answered 422 is kept, because a CMS never sends twice; and let in once its schema is mended.

use std::sync::Arc;
use std::time::Duration;

use super::{Candidate, Intake, Receipt, Refusal};
use crate::clock::Timestamp;
use crate::http::problem::Problem;
use crate::ids::QuarantineId;
use crate::operations::Occurrence;
use crate::store::{QuarantineBounds, Quarantined, StoreError};

/// Enough for a night of a misconfigured CMS.
const MAX_KEPT: u64 = 1_000;

const MAX_KEPT_BYTES: u64 = 32 << 20;

const KEPT_FOR: Duration = Duration::from_hours(7 * 24);

/// Why an entry was not let in. It is still in quarantine.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    #[error("{0} is not in quarantine")]
    Absent(QuarantineId),
    #[error("it is still refused: {0}")]
    Refused(#[source] Refusal),
    #[error("failed to read quarantine: {0}")]
    Store(#[from] StoreError),
}

impl Intake {
    /// Keeps what was refused with `problem`. Returns the problem to answer: with the entry's id, unless keeping
    /// failed, which is not the sender's concern. Unlike the problem, `reason` repeats nothing of the body.
    pub(super) async fn keep(&self, candidate: Candidate, problem: Problem, reason: String, now: Timestamp) -> Problem {
        let id = QuarantineId::generate(now);
        let told = problem.clone().with_text("quarantine", &id);
        let Candidate { source, only: _, content_type, headers, data, idempotency_key, room: _room } = candidate;
        let (of, problem_text) = (source.clone(), told.to_json());
        let entry = Quarantined {
            id,
            source,
            received: now,
            content_type,
            headers,
            data,
            idempotency_key,
            problem: problem_text,
        };
        match self.parts.store.quarantine(vec![entry], bounds(now)).await {
            Ok(()) => {
                self.parts.operations.tell(Occurrence::EventRefused { id, source: of, reason });
                told
            }
            Err(error) => {
                self.tally.note_store_failure("failed to keep a refused event in quarantine", &error, now);
                problem
            }
        }
    }

    /// Lets one entry in, as if it was posted now, under the revision in force. It leaves quarantine only after
    /// the event is committed; a repeat after a crash between the two answers the same event.
    ///
    /// # Errors
    /// When it is not there, or is refused again.
    pub async fn admit(self: &Arc<Self>, id: QuarantineId, now: Timestamp) -> Result<Receipt, AdmitError> {
        let entry = self.quarantined(id).await?;
        let candidate = Candidate {
            source: entry.source,
            // Somebody who may let it in does.
            only: Vec::new(),
            content_type: entry.content_type,
            headers: entry.headers,
            data: entry.data,
            idempotency_key: entry.idempotency_key,
            room: None,
        };
        let revision = self.parts.live.load_full();
        let mut events = self.judge(&revision, &candidate).map_err(AdmitError::Refused)?;
        for event in &mut events {
            event.key.get_or_insert_with(|| format!("admit:{id}").into());
        }
        let is_batch = candidate.is_batch();
        let accepted = self.commit(candidate.into_batch(events), now).await.map_err(AdmitError::Refused)?;
        if let Err(error) = self.parts.administration.unquarantine(id).await {
            tracing::warn!(%error, %id, ?accepted, "failed to take an admitted event out of quarantine");
        }
        Ok(Receipt::of(is_batch, accepted))
    }

    /// Looks at one entry without taking it.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn quarantined(&self, id: QuarantineId) -> Result<Quarantined, AdmitError> {
        // The newest that is not newer than `id`.
        let found = self.parts.administration.quarantined(after(id), 1).await?;
        found.into_iter().find(|entry| entry.id == id).ok_or(AdmitError::Absent(id))
    }
}

/// The id that follows `id`; none after the last there can be.
fn after(id: QuarantineId) -> Option<QuarantineId> {
    let next = u128::from_be_bytes(id.to_bytes()).checked_add(1)?;
    Some(QuarantineId::from_bytes(next.to_be_bytes()))
}

fn bounds(now: Timestamp) -> QuarantineBounds {
    QuarantineBounds { max_count: MAX_KEPT, max_bytes: MAX_KEPT_BYTES, oldest: now.before(KEPT_FOR) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_after_an_id_is_the_next_one() {
        let id = QuarantineId::from_bytes([0x7f; 16]);
        let next = after(id).expect("not the last");
        assert!(next > id && next.to_bytes()[15] == 0x80);
        assert_eq!(after(QuarantineId::from_bytes([0xff; 16])), None);
    }

    #[test]
    fn a_week_is_kept() {
        let now = Timestamp::from_ms(1_000_000_000_000);
        assert_eq!(now.since(bounds(now).oldest), KEPT_FOR);
    }
}

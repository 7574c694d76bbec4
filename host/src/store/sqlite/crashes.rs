//! Deliveries that were under way when a host died: counted, and held once they died with it too often.

use rusqlite::params;

use super::holding::HOLD;
use super::rows::Fields;
use super::settle::unfinished;
use super::writer::Batch;
use crate::clock::Timestamp;
use crate::delivery::{HeldCause, State};
use crate::ids::DeliveryId;
use crate::store::StoreError;

/// Counts one more crash for each that waits or is leased; returns those that are held for it.
pub(super) fn count(
    batch: &mut Batch<'_>,
    deliveries: &[DeliveryId],
    most: u32,
    now: Timestamp,
) -> Result<Vec<DeliveryId>, StoreError> {
    let mut count = batch.connection.prepare_cached(COUNT)?;
    let mut hold = batch.connection.prepare_cached(HOLD)?;
    let mut stopped = Vec::new();
    for id in deliveries {
        let mut rows = count.query([id.to_bytes()])?;
        let Some(row) = rows.next()? else { continue };
        let fields = Fields::new("queue", row);
        let (state, crashes) = (unfinished(fields, 1)?, fields.get::<u32>(2)?);
        if crashes < most {
            continue;
        }
        let cause = HeldCause::Crashed.to_string();
        hold.execute(params![id.to_bytes(), cause, reason(crashes), now.as_ms()])?;
        batch.tally.move_one(state, State::Held);
        stopped.push(*id);
    }
    Ok(stopped)
}

fn reason(crashes: u32) -> String {
    let times = if crashes == 1 { "once".to_owned() } else { format!("{crashes} times") };
    format!(
        "the host died {times} while this was worked on; look in its log for the cause, mend it, then \
         `hookwright delivery retry` releases this"
    )
}

/// One that is held by now came to an end of its own.
const COUNT: &str =
    "UPDATE queue SET crashes = crashes + 1 WHERE id = ?1 AND held_for IS NULL RETURNING id, state, crashes";

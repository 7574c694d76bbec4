//! The order of the lanes that have one: places, given in the order of commits, and who is let go next. Every change
//! of it is in the commit of what caused it. Lanes without a key cost nothing here.

use rusqlite::{OptionalExtension as _, params};

use super::writer::Batch;
use crate::store::{Lane, StoreError};

/// Where a new delivery stands in the order of its lane.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stand {
    /// None: the lane has no order.
    pub(super) place: Option<i64>,
    /// Others are before it.
    pub(super) behind: bool,
}

/// The next place of the lane.
pub(super) fn last(batch: &mut Batch<'_>, lane: &Lane) -> Result<Stand, StoreError> {
    if lane.key.is_empty() {
        return Ok(Stand::default());
    }
    let find = batch.hot.find_last_place(batch.connection)?;
    let last: Option<i64> = find.query_row(params![lane.webhook.as_str(), &*lane.key], |row| row.get(0)).optional()?;
    Ok(Stand { place: Some(last.unwrap_or(0).saturating_add(1)), behind: last.is_some() })
}

/// Lets go the first of those that are left in the lane.
pub(super) fn advance(batch: &mut Batch<'_>, lane: &Lane) -> Result<(), StoreError> {
    batch.hot.advance(batch.connection)?.execute(params![lane.webhook.as_str(), &*lane.key])?;
    Ok(())
}

/// Takes a delivery out of the order.
pub(super) fn give_up(batch: &Batch<'_>, delivery: [u8; 16]) -> Result<(), StoreError> {
    batch.connection.prepare_cached(GIVE_UP)?.execute([delivery])?;
    Ok(())
}

pub(super) const FIND_LAST: &str = "SELECT place FROM queue INDEXED BY queue_places \
     WHERE webhook = ?1 AND lane_key = ?2 AND place IS NOT NULL ORDER BY place DESC LIMIT 1";

pub(super) const ADVANCE: &str = "UPDATE queue SET behind = 0 WHERE behind = 1 AND id = \
     (SELECT id FROM queue INDEXED BY queue_places \
      WHERE webhook = ?1 AND lane_key = ?2 AND place IS NOT NULL ORDER BY place LIMIT 1)";

const GIVE_UP: &str = "UPDATE queue SET place = NULL, behind = 0 WHERE id = ?1";

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;

    #[test]
    fn the_ends_of_a_lane_are_found_without_reading_it() {
        let connection = fresh();
        let end = "SEARCH queue USING COVERING INDEX queue_places (webhook=? AND lane_key=? AND place>?)";
        assert_eq!(plan(&connection, FIND_LAST), end);
        let advance = plan(&connection, ADVANCE);
        assert!(advance.contains("SEARCH queue USING PRIMARY KEY (id=?)") && advance.ends_with(end), "{advance}");
    }
}

//! [`Upkeep`] of the embedded store.

use super::writer::{Batch, Room};
use super::{SqliteStore, discard, forget, replay, sweep};
use crate::clock::Timestamp;
use crate::ids::{DeliveryId, WebhookId};
use crate::store::{
    Answer, Discarded, DiscardedHeld, Purged, Replay, Replayed, Retried, Selected, Selection, Space, Sweep, Swept,
    Upkeep,
};

impl Upkeep for SqliteStore {
    fn replay(&self, replay: Replay) -> Answer<'_, Replayed> {
        Box::pin(async move {
            let encoded = replay::Encoded::new(replay)?;
            let bytes = encoded.bytes();
            self.writer().call(Room::Admission, bytes, move |batch| replay::replay(batch, &encoded)).await
        })
    }

    fn retry(&self, id: DeliveryId, now: Timestamp) -> Answer<'_, Retried> {
        Box::pin(self.writer().call(Room::Progress, 0, move |batch| discard::retry(batch, id, now)))
    }

    fn discard(&self, id: DeliveryId, reason: String, now: Timestamp) -> Answer<'_, Discarded> {
        let work = move |batch: &mut Batch<'_>| discard::discard(batch, id, &reason, now);
        Box::pin(self.writer().call(Room::Progress, 0, work))
    }

    fn discard_held(&self, webhook: WebhookId, reason: String, now: Timestamp) -> Answer<'_, DiscardedHeld> {
        let work = move |batch: &mut Batch<'_>| discard::discard_held(batch, &webhook, &reason, now);
        Box::pin(self.writer().call(Room::Progress, 0, work))
    }

    fn select(&self, selection: Selection, after: Option<DeliveryId>) -> Answer<'_, Selected> {
        Box::pin(self.readers().ask(move |connection| forget::select(connection, &selection, after)))
    }

    fn purge(&self, selection: Selection, after: Option<DeliveryId>) -> Answer<'_, Purged> {
        let work = move |batch: &mut Batch<'_>| forget::purge(batch, &selection, after);
        Box::pin(self.writer().call(Room::Admission, 0, work))
    }

    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept> {
        Box::pin(async move {
            let sweep::Sweepable { events, next } =
                self.readers().ask(move |connection| sweep::look(connection, sweep)).await?;
            if events.is_empty() {
                return Ok(Swept { next, ..Swept::default() });
            }
            let work = move |batch: &mut Batch<'_>| sweep::sweep(batch, &events, sweep.older_than);
            let swept = self.writer().call(Room::Admission, 0, work).await?;
            Ok(Swept { next, ..swept })
        })
    }

    fn space(&self) -> Answer<'_, Space> {
        Box::pin(self.readers().ask(sweep::space))
    }
}

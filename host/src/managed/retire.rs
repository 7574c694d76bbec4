//! The end of old signing secrets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Asked, Definition, EditError, ManagedWebhooks};
use crate::access::Principal;
use crate::clock::{self, Timestamp};
use crate::ids::WebhookId;
use crate::webhook::Managed;

/// A clock that is set is noticed after this.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// After a store that failed.
const PAUSE: Duration = Duration::from_secs(30);

/// Which signing secrets of a new definition still go, and when: those that did before, and after a rotation, at `until`,
/// every other than the newest. One always stays.
pub(super) fn still(known: &Managed, definition: &Definition, until: Option<Timestamp>) -> BTreeMap<String, Timestamp> {
    let ids = definition.signing_secrets();
    let mut retiring = BTreeMap::new();
    for id in ids.iter().skip(usize::from(until.is_some())) {
        let earlier = known.retiring.get(id).copied();
        if let Some(end) = earlier.into_iter().chain(until).min() {
            retiring.insert(id.clone(), end);
        }
    }
    if retiring.len() == ids.len()
        && let Some(first) = ids.first()
    {
        retiring.remove(first);
    }
    retiring
}

impl ManagedWebhooks {
    /// Takes out signing secrets whose time is over, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let pause = match self.retire(clock::now()).await {
                Ok(Some(next)) => next.since(clock::now()).min(LONGEST_SLEEP),
                Ok(None) => LONGEST_SLEEP,
                Err(error) => {
                    tracing::error!(%error, "taking out old signing secrets failed; trying again");
                    PAUSE
                }
            };
            let woken = async {
                tokio::select! {
                    () = self.changed.notified() => {}
                    () = sleep(pause) => {}
                }
            };
            if stop.run_until_cancelled(woken).await.is_none() {
                return;
            }
        }
    }

    /// Answers with when the next one's time is over.
    async fn retire(self: &Arc<Self>, now: Timestamp) -> Result<Option<Timestamp>, EditError> {
        let (mut over, mut next) = (Vec::new(), None);
        for managed in self.state.lock().await.set.values() {
            let ended: Vec<_> =
                managed.retiring.iter().filter(|(_, end)| **end <= now).map(|(id, _)| id.clone()).collect();
            next = managed.retiring.values().filter(|end| **end > now).copied().chain(next).min();
            if !ended.is_empty() {
                over.push((managed.id.clone(), managed.version, ended));
            }
        }
        let mut failed = None;
        for (id, version, ended) in over {
            if let Err(error) = self.take_out(id.clone(), version, ended).await {
                tracing::warn!(webhook = %id, %error, "an old signing secret is not taken out yet");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(next), Err)
    }

    async fn take_out(self: &Arc<Self>, id: WebhookId, version: i64, ended: Vec<String>) -> Result<(), EditError> {
        let asked = Asked { who: Principal::host(), known: Some(version) };
        let edit = move |known: &Definition| Ok((known.without_signing_secrets(&ended), None));
        match self.edit(id.clone(), asked, "webhook.retire-secret", edit).await {
            Ok(_) => {
                tracing::info!(webhook = %id, "an old signing secret is not used any more");
                Ok(())
            }
            // Looked at again at once.
            // So it is where a file stands before it: not in force, it signs nothing.
            Err(EditError::ChangedMeanwhile(_) | EditError::Absent(_) | EditError::InFile(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

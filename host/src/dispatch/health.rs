//! How the last attempts of each webhook went, in memory: what people see of it at a glance. Seeded from the newest of
//! history, so that a restart blanks only those that had nothing to do lately. Decides nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::delivery::{AttemptHead, SendErrorKind};
use crate::ids::WebhookId;
use crate::revision::Revision;
use crate::store::Administration;

/// Of each webhook.
pub const RECENT_KEPT: usize = 50;
/// More webhooks are not followed: two kilobytes each.
const MOST_WEBHOOKS: usize = 4_000;
/// Attempts looked at when the host starts.
const SEEDED: usize = 3_000;

/// The last attempts, by webhook, oldest first.
#[derive(Default)]
pub(super) struct Recent(Mutex<HashMap<WebhookId, VecDeque<AttemptHead>>>);

impl Recent {
    /// What history has of the webhooks of a revision. A store that cannot be read is told of by others.
    pub(super) async fn read(store: &dyn Administration, revision: &Revision) -> Self {
        let recent = Self::default();
        match store.recent_attempts(SEEDED).await {
            Ok(found) => {
                for (webhook, attempt) in found.into_iter().rev() {
                    if revision.webhooks.contains_key(&webhook) {
                        recent.add(&webhook, attempt);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "how the last attempts went is not known"),
        }
        recent
    }

    /// What the receiver has no part in is left out.
    pub(super) fn add(&self, webhook: &WebhookId, attempt: AttemptHead) {
        if attempt.error == Some(SendErrorKind::Exhausted) {
            return;
        }
        let mut all = self.lock();
        if let Some(kept) = all.get_mut(webhook) {
            if kept.len() >= RECENT_KEPT {
                kept.pop_front();
            }
            kept.push_back(attempt);
        } else if all.len() < MOST_WEBHOOKS {
            all.insert(webhook.clone(), VecDeque::from([attempt]));
        }
    }

    pub(super) fn of(&self, webhook: &WebhookId) -> Vec<AttemptHead> {
        self.lock().get(webhook).map(|kept| kept.iter().copied().collect()).unwrap_or_default()
    }

    pub(super) fn retain(&self, is_wanted: impl Fn(&WebhookId) -> bool) {
        self.lock().retain(|webhook, _| is_wanted(webhook));
    }

    pub(super) fn forget(&self, webhook: &WebhookId) {
        self.lock().remove(webhook);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WebhookId, VecDeque<AttemptHead>>> {
        // Every step leaves it consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn attempt(ms: i64) -> AttemptHead {
        AttemptHead { started: Timestamp::from_ms(ms), micros: 1, status: Some(200), error: None, good: true }
    }

    #[test]
    fn only_the_last_ones_are_kept() {
        let (recent, site) = (Recent::default(), "site".parse::<WebhookId>().expect("an id"));
        for ms in 0..60 {
            recent.add(&site, attempt(ms));
        }
        recent.add(&site, AttemptHead { error: Some(SendErrorKind::Exhausted), ..attempt(99) });
        let kept = recent.of(&site);
        assert_eq!((kept.len(), kept[0], kept[RECENT_KEPT - 1]), (RECENT_KEPT, attempt(10), attempt(59)));
        recent.retain(|webhook| *webhook != site);
        assert!(recent.of(&site).is_empty());
    }

    #[test]
    fn webhooks_are_bounded() {
        let recent = Recent::default();
        for number in 0..MOST_WEBHOOKS + 10 {
            recent.add(&format!("w{number}").parse().expect("an id"), attempt(1));
        }
        assert_eq!(recent.lock().len(), MOST_WEBHOOKS);
    }
}

//! Why nothing is replayed, and what to do instead.

use crate::delivery::State;
use crate::ids::{DeliveryId, ReplayId, WebhookId};
use crate::intake::Refusal;
use crate::store::{NoReplay, StoreError};

/// Why there is no replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("There is no delivery {0}.")]
    Absent(DeliveryId),
    #[error(
        "Delivery {0} is held, and nothing of it was sent. `hookwright delivery retry {0}` lets it go; `hookwright delivery \
         replay {0} --today` sends its event through today's plugins."
    )]
    Held(DeliveryId),
    #[error("Delivery {0} waits for its turn; it is sent by itself.")]
    Pending(DeliveryId),
    #[error("Delivery {0} is not finished. `hookwright delivery retry {0}` does not wait for its next attempt.")]
    Retrying(DeliveryId),
    #[error(
        "Delivery {delivery} is {state}, and nothing of it was to be sent. `hookwright delivery replay {delivery} --today` \
         sends its event through today's plugins."
    )]
    NothingSent { delivery: DeliveryId, state: State },
    #[error("The event of delivery {0} is not kept any more (`store.retention` in config/server.json).")]
    EventGone(DeliveryId),
    #[error(
        "The event of delivery {0} was replayed as often as one may be. `hookwright delivery replay {0} --today` makes a \
         new event of it."
    )]
    TooMany(DeliveryId),
    #[error("There is no webhook {0} any more. Bring config/webhooks/{0}.json back to replay its deliveries.")]
    NoWebhook(WebhookId),
    #[error("Webhook {webhook} takes no deliveries: {remedy}.")]
    Off { webhook: WebhookId, remedy: String },
    #[error("the edited bytes are refused: {0}")]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReplayError {
    pub(super) fn of(delivery: DeliveryId, why: NoReplay) -> Self {
        match why {
            NoReplay::Absent => Self::Absent(delivery),
            NoReplay::Unfinished(State::Held) => Self::Held(delivery),
            NoReplay::Unfinished(State::Retrying) => Self::Retrying(delivery),
            NoReplay::Unfinished(_) => Self::Pending(delivery),
            NoReplay::NothingSent(state) => Self::NothingSent { delivery, state },
            NoReplay::EventGone => Self::EventGone(delivery),
            NoReplay::TooMany => Self::TooMany(delivery),
        }
    }

    /// The same for every delivery: what a run of many counts its refusals by.
    pub(super) fn in_short(&self) -> String {
        match self {
            Self::Absent(_) => "not kept any more".to_owned(),
            Self::Held(_) | Self::Pending(_) | Self::Retrying(_) => "not finished any more".to_owned(),
            Self::NothingSent { .. } => "nothing of it was to be sent: needs --today".to_owned(),
            Self::EventGone(_) => "its event is not kept any more".to_owned(),
            Self::TooMany(_) => "its event was replayed too often: needs --today".to_owned(),
            Self::NoWebhook(_) => "the webhook is gone".to_owned(),
            Self::Off { remedy, .. } => format!("the webhook takes no deliveries: {remedy}"),
            Self::Refused(refusal) => refusal.to_string(),
            Self::Store(error) => error.to_string(),
        }
    }
}

/// Why there is no run of many replays.
#[derive(Debug, thiserror::Error)]
pub enum ManyError {
    #[error("There is no run of replays {0}. A host remembers its last ones until it ends.")]
    Absent(ReplayId),
    #[error(
        "Only failed and delivered ones have a recorded outcome to send; {0} ones need the mode `today` (`--today`)."
    )]
    NeedsToday(State),
    #[error("Deliveries that are {0} are not finished, and are sent by themselves; they cannot be replayed.")]
    Unfinished(State),
    #[error("Two runs of replays are under way. Wait for one of them, or cancel it: {0}.")]
    Busy(String),
    #[error(transparent)]
    Webhook(#[from] ReplayError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

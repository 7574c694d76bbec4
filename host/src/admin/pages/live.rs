//! `/live`: server-sent events that say that something happened, not what. A page then asks for itself anew.
//!
//! At most two a second, however much happens; the first comes at once, so that nothing is missed while a page was out of
//! touch. Ends when the host drains and when whoever watches is not signed in any more.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, sleep_until, timeout};

use super::door::Ask;
use crate::admin::{Admin, AdminState, params};
use crate::clock;
use crate::dispatch::Notice;
use crate::http::problem::Problem;
use crate::ids::{DeliveryId, EventId, WebhookId};

/// From one to the next.
const PACE: Duration = Duration::from_millis(500);
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a page is about; nothing: everything.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct About {
    webhook: Option<WebhookId>,
    delivery: Option<DeliveryId>,
    event: Option<EventId>,
}

pub(super) async fn live(State(admin): Admin, ask: Ask) -> Result<Response, Problem> {
    let about: About = params::query(&ask.uri)?;
    let notices = admin.dispatcher.subscribe();
    let watch = Watch { notices, about, admin: Arc::clone(&admin), ask, next: Instant::now(), is_first: true };
    Ok(Sse::new(watch.events()).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

struct Watch {
    notices: Receiver<Notice>,
    about: About,
    admin: Arc<AdminState>,
    ask: Ask,
    /// Nothing is said before.
    next: Instant,
    is_first: bool,
}

impl Watch {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, async |mut watch| {
            watch.happened().await?;
            // Browsers pass over an event without data.
            Some((Ok(Event::default().event("changed").data("something")), watch))
        })
    }

    /// None when there will be no more.
    async fn happened(&mut self) -> Option<()> {
        let stop = self.admin.stop.clone();
        if !std::mem::take(&mut self.is_first) {
            // Looked at now and then although nothing happens, so that nobody watches who is not signed in.
            loop {
                match timeout(HEARTBEAT, stop.run_until_cancelled(self.one_that_fits())).await {
                    Ok(happened) => break happened??,
                    Err(_quiet) => self.may_watch()?,
                }
            }
            stop.run_until_cancelled(sleep_until(self.next)).await?;
            // What came meanwhile is told by this one too.
            self.notices = self.notices.resubscribe();
        }
        self.next = Instant::now() + PACE;
        self.may_watch()
    }

    fn may_watch(&self) -> Option<()> {
        let now = clock::now();
        let is_in = now < self.ask.session.ends && self.admin.tokens.is_valid(self.ask.who().token, now);
        (is_in && self.admin.sessions.is_on(&self.ask.session)).then_some(())
    }

    async fn one_that_fits(&mut self) -> Option<()> {
        loop {
            match self.notices.recv().await {
                Ok(notice) if self.about.fits(&notice) => return Some(()),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(()),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl About {
    fn fits(&self, notice: &Notice) -> bool {
        let Self { webhook, delivery, event } = self;
        webhook.as_ref().is_none_or(|webhook| notice.webhook == *webhook)
            && delivery.is_none_or(|delivery| notice.delivery == delivery)
            && event.is_none_or(|event| notice.event == event)
    }
}

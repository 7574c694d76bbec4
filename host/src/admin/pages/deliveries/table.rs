//! Deliveries as rows: where each stands, and the last that is known of it.

use maud::{Markup, html};

use crate::admin::AdminState;
use crate::admin::pages::{figures, parts};
use crate::clock::{self, Timestamp};
use crate::delivery::{AttemptResult, DeliveryView, State};
use crate::http::problem::Problem;
use crate::ids::DeliveryId;
use crate::store::Glance;

/// Of a reason, in a list.
const REASON_CHARS: usize = 160;

pub(in crate::admin::pages) struct Row {
    pub(in crate::admin::pages) view: DeliveryView,
    glance: Glance,
    now: Timestamp,
}

/// With what a list says beside each.
pub(in crate::admin::pages) async fn rows(admin: &AdminState, views: Vec<DeliveryView>) -> Result<Vec<Row>, Problem> {
    let asked = views.iter().map(|view| (view.id, view.event)).collect();
    let glances = admin.administration.glances(asked).await?;
    let now = clock::now();
    Ok(views.into_iter().zip(glances).map(|(view, glance)| Row { view, glance, now }).collect())
}

pub(in crate::admin::pages) fn heads() -> Markup {
    html! {
        th scope="col" { "Delivery" }
        th scope="col" { "State" }
        th scope="col" { "Event type" }
        th scope="col" { "Webhook" }
        th.num scope="col" { "Attempts" }
        th scope="col" { "Last answer or reason" }
        th scope="col" { "Made" }
    }
}

pub(in crate::admin::pages) fn cells(row: &Row) -> Markup {
    let Row { view, glance, now } = row;
    html! {
        th.tight scope="row" { (link(view.id)) }
        td.tight data-label="State" { (parts::state(view.state)) }
        td.word data-label="Event type" {
            @match &glance.event_type {
                Some(event_type) => { a href={ "/events/" (view.event) } { (event_type) } }
                None => { span.muted { "not kept" } }
            }
        }
        td.word data-label="Webhook" { a href={ "/webhooks/" (view.webhook) } { (view.webhook) } }
        td.num data-label="Attempts" { (view.attempts) }
        td data-label="Last answer" { span { (last(row)) } }
        td.tight data-label="Made" { (parts::time(view.created, *now)) }
    }
}

/// The end of its id tells it from others; the whole is in its title.
pub(in crate::admin::pages) fn link(id: DeliveryId) -> Markup {
    let id = id.to_string();
    let end = id.get(id.len().saturating_sub(8)..).unwrap_or(&id);
    html! { a href={ "/deliveries/" (id) } title=(id) { code { "…" (end) } } }
}

fn last(row: &Row) -> Markup {
    let Row { view, glance, now } = row;
    html! {
        @match (&view.reason, &glance.last) {
            (Some(reason), _) => { (parts::ticked(&cut(reason))) }
            (None, Some(attempt)) => {
                @match &attempt.result {
                    AttemptResult::Answered(response) => { (response.status) " in " (figures::span(attempt.micros)) }
                    AttemptResult::Error { message, .. } => { (cut(message)) }
                }
            }
            (None, None) => { span.muted { (if view.state == State::Pending { "waits for its turn" } else { "–" }) } }
        }
        @if let Some(due) = view.due.filter(|_| view.state == State::Retrying) {
            " " span.muted { "Next " (parts::time(due, *now)) "." }
        }
    }
}

/// On one line, and not too long for a list.
pub(in crate::admin::pages) fn cut(text: &str) -> String {
    let line = parts::inert(text).replace('\n', " ");
    match line.char_indices().nth(REASON_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stay_on_one_line() {
        assert_eq!(cut("a\nb\u{1b}"), "a b\u{241b}");
        assert_eq!(cut(&"ü".repeat(200)).chars().count(), REASON_CHARS + 1);
    }
}

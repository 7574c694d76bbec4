//! The record of changes.

use axum::extract::State;
use maud::{Markup, html};
use serde_json::Value;

use super::super::door::Ask;
use super::super::frame::{Nav, Page};
use super::super::{diff, parts};
use super::tabs;
use crate::admin::audit::{self, ChangeView, Filter};
use crate::admin::{Admin, params};
use crate::clock::{self, Timestamp};
use crate::http::problem::Problem;

pub(in super::super) async fn page(State(admin): Admin, ask: Ask) -> Result<Page, Problem> {
    let Filter { subject, action, before, .. } = params::query(&ask.uri)?;
    // A form sends what is empty too.
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let filter = Filter { subject: filled(subject), action: filled(action), before, limit: None };
    let (subject, action) = (filter.subject.clone(), filter.action.clone());
    let list = audit::found(&admin, filter).await?;
    let now = clock::now();
    let more = list.next.map(|next| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("before", &next.to_string());
        for (name, value) in [("subject", &subject), ("action", &action)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        format!("/settings/audit?{}", query.finish())
    });
    let body = html! {
        h1 { "Record of changes" }
        (tabs(&ask, "/settings/audit"))
        form.filters method="get" action="/settings/audit" {
            div { label for="subject" { "Of" } input #subject name="subject" value=[subject] placeholder="a webhook, a token …"; }
            div { label for="action" { "What" } input #action name="action" value=[action] placeholder="webhook.update"; }
            button type="submit" { "Show" }
        }
        @if list.changes.is_empty() { p.empty { "No change is on record." } }
        @else {
            ol.timeline { @for change in &list.changes { (shown(change, now)) } }
        }
        @if let Some(more) = more { p.pager { a.button href=(more) { "Older" } } }
    };
    Ok(Page::new(Nav::Settings, "Record of changes", body))
}

fn shown(change: &ChangeView, now: Timestamp) -> Markup {
    let text = |value: &Option<Value>| value.as_ref().map(|value| format!("{value:#}")).unwrap_or_default();
    html! {
        li {
            strong { (change.action) } " " code { (parts::inert(&change.subject)) } " by " (parts::inert(&change.who)) " "
            (parts::time(change.at, now))
            @if change.from.is_some() || change.to.is_some() {
                details.more {
                    summary { "From what to what" }
                    (diff::diff(text(&change.from).as_bytes(), text(&change.to).as_bytes()))
                }
            }
        }
    }
}

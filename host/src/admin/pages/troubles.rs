//! `/troubles`: what failed and what is held, why, and what ends that.

mod held;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use maud::{Markup, html};

use super::deliveries::{Asked, Found, cells, heads, look, pager, webhooks_field};
use super::door::Ask;
use super::frame::{Go, Nav, Page};
use super::parts;
use crate::access::{Role, Told};
use crate::admin::{Admin, AdminState, params};
use crate::delivery;
use crate::http::problem::{Kind, Problem};
use crate::ids::{DeliveryId, WebhookId};
use crate::replay::{Content, Mode};
use crate::store::{Counts, DeliveryFilter, HeldGroups};

/// Of one form: a page of the list.
const MOST_SELECTED: usize = 50;

pub(super) async fn page(State(admin): Admin, ask: Ask) -> Result<Page, Problem> {
    show(&admin, &ask, None).await
}

async fn show(admin: &AdminState, ask: &Ask, wrong: Option<&str>) -> Result<Page, Problem> {
    let asked = Asked::of(&ask.uri);
    let counts = admin.administration.counts().await?;
    let groups = admin.administration.held_groups().await?;
    let filter = asked.filter().map(|filter| DeliveryFilter { state: Some(delivery::State::Failed), ..filter.clone() });
    let failed = match &filter {
        Some(filter) => Some(look(admin, filter, asked.before()).await?),
        None => None,
    };
    let address = ask.uri.query().map_or_else(|| "/troubles".to_owned(), |query| format!("/troubles?{query}"));
    let body = html! {
        div.head {
            div { h1 { "Failed and held" } p.muted { "What needs somebody: nothing here goes out by itself." } }
            (parts::live())
        }
        div #troubles hx-get=(address) hx-select="#troubles" hx-trigger="live from:body" hx-swap="morph:outerHTML" {
            (numbers(&counts))
            (held_part(admin, ask, &groups))
        }
        h2 #failed { "Failed" }
        (failed_part(admin, ask, &asked, failed.as_ref(), wrong))
    };
    Ok(Page::new(Nav::Troubles, "Failed and held", body).live(""))
}

fn numbers(counts: &Counts) -> Markup {
    let Counts { held, failed, retrying, .. } = counts;
    html! {
        ul.numbers {
            li { strong { (held) } " held" }
            li { strong { (failed) } " failed" }
            li { a href="/deliveries?state=retrying" { strong { (retrying) } " retrying" } ", which go on by themselves" }
        }
    }
}

fn held_part(admin: &AdminState, ask: &Ask, groups: &HeldGroups) -> Markup {
    let mut by_webhook: BTreeMap<&WebhookId, Vec<_>> = BTreeMap::new();
    for group in &groups.groups {
        by_webhook.entry(&group.webhook).or_default().push(group);
    }
    html! {
        h2 #held { "Held" }
        @if by_webhook.is_empty() { p.empty { "Nothing is held." } }
        @for (webhook, groups) in by_webhook { (held::card(admin, ask, webhook, &groups)) }
        @if groups.more { p.hint { "There are more webhooks and causes than are shown here." } }
    }
}

fn failed_part(admin: &AdminState, ask: &Ask, asked: &Asked, failed: Option<&Found>, wrong: Option<&str>) -> Markup {
    let chosen = asked.webhook();
    let bulk =
        if chosen.is_empty() { "/replays".to_owned() } else { format!("/replays?webhook={chosen}&state=failed") };
    html! {
        form.filters method="get" action="/troubles" role="search" aria-label="Filter" {
            div { (webhooks_field(admin, chosen, asked.wrong_webhook(), "Any webhook", true)) }
            div.actions {
                button type="submit" { "Show" }
                @if !chosen.is_empty() { a.button href="/troubles" { "Show all" } }
                @if ask.may(Role::Operator) { a.button href=(bulk) { "Replay many" } }
            }
        }
        @match failed {
            None => { p.empty { "Nothing is listed until the filter is right." } }
            Some(Found { rows, next }) if rows.is_empty() => {
                p.empty { (if next.is_some() { "None among those that were looked at. There are older ones." } else { "Nothing failed." }) }
            }
            Some(found) => { (list(ask, found, wrong)) }
        }
        @if let Some(Found { rows, next }) = failed { (pager(asked, rows.len(), *next, "/troubles")) }
    }
}

/// With a box at each, for who may replay them.
fn list(ask: &Ask, found: &Found, wrong: Option<&str>) -> Markup {
    let may = ask.may(Role::Operator);
    html! {
        form method="post" action="/troubles/replay" {
            (parts::csrf(ask))
            div.table {
                table.cards {
                    caption.sr-only { "Failed deliveries, newest first" }
                    thead { tr {
                        @if may { th scope="col" { label { input type="checkbox" data-all="failed" autocomplete="off"; span.sr-only { "All on this page" } } } }
                        (heads())
                    } }
                    tbody {
                        @for row in &found.rows {
                            tr id=(row.view.id) {
                                @if may {
                                    td data-label="Select" {
                                        input type="checkbox" name="delivery" value=(row.view.id) data-group="failed" autocomplete="off"
                                            aria-label={ "Select " (row.view.id) };
                                    }
                                }
                                (cells(row))
                            }
                        }
                    }
                }
            }
            @if may {
                @if let Some(wrong) = wrong { p.error #selected-error role="alert" { (wrong) } }
                div.actions aria-describedby=[wrong.map(|_| "selected-error")] {
                    button.main type="submit" name="mode" value="recorded" { "Replay selected as recorded" }
                    button type="submit" name="mode" value="today" { "With today's plugins" }
                }
            }
        }
    }
}

/// Replays what was selected, one by one.
pub(super) async fn replay(State(admin): Admin, ask: Ask) -> Result<Response, Problem> {
    let selected: Vec<DeliveryId> =
        ask.sent.all("delivery").take(MOST_SELECTED).map(params::id).collect::<Result<_, _>>()?;
    if selected.is_empty() {
        let page = show(&admin, &ask, Some("Select at least one.")).await?;
        return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
    }
    let mode = if ask.sent.text("mode") == "today" { Mode::Today } else { Mode::Recorded };
    let (mut count, mut refused) = (0_usize, Vec::new());
    for id in selected {
        match admin.send_again(ask.who(), id, Content::As(mode)).await {
            Ok(_) => count += 1,
            Err(problem) => refused.push(problem.detail().to_owned()),
        }
    }
    let told = replayed(count, &refused);
    Ok(Go::to("/troubles#failed").telling(told).into_response())
}

/// What became of them, with the first reason against.
fn replayed(made: usize, refused: &[String]) -> Told {
    match refused {
        [] => Told::good(format!("{made} replayed.")),
        [first, ..] => Told::bad(format!("{made} replayed, {} not: {first}", refused.len())),
    }
}

/// Gives up what a webhook holds.
pub(super) async fn discard(State(admin): Admin, ask: Ask) -> Result<Go, Problem> {
    let webhook: WebhookId = params::id(ask.sent.text("webhook"))?;
    let back = Go::to("/troubles");
    match admin.give_up_held(ask.who(), webhook.clone()).await {
        Ok(done) if done.more => {
            let text = format!("{} that {webhook} held are given up. There are more: do it again.", done.count);
            Ok(back.telling(Told::good(text)))
        }
        Ok(done) => Ok(back.telling(Told::good(format!("{} that {webhook} held are given up.", done.count)))),
        Err(problem) if problem.kind() == Kind::StoreUnavailable => Err(problem),
        Err(problem) => Ok(back.telling(Told::bad(problem.detail()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_against_is_told() {
        assert_eq!(replayed(3, &[]), Told::good("3 replayed."));
        let refused = ["The webhook is off.".to_owned(), "Gone.".to_owned()];
        assert_eq!(replayed(1, &refused), Told::bad("1 replayed, 2 not: The webhook is off."));
    }
}

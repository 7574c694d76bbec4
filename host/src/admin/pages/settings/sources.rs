//! Who may post events.

use axum::extract::State;
use maud::html;

use super::super::door::Ask;
use super::super::frame::{Nav, Page};
use super::super::parts;
use super::tabs;
use crate::admin::{Admin, sources};
use crate::clock;
use crate::http::problem::Problem;

pub(in super::super) async fn page(State(admin): Admin, ask: Ask) -> Result<Page, Problem> {
    let axum::Json(list) = sources::list(State(admin.clone())).await;
    let now = clock::now();
    let body = html! {
        h1 { "Sources" }
        (tabs(&ask, "/settings/sources"))
        p { "A source posts to " code { "http://" (admin.info.listen) "/v1/events" } " with a token of its own." }
        div.table {
            table.cards {
                thead { tr { th scope="col" { "Source" } th scope="col" { "From" } th scope="col" { "Posted last" } th scope="col" { "Tokens made here" } } }
                tbody {
                    @for source in &list.sources {
                        tr {
                            th scope="row" { (source.name) }
                            td data-label="From" { (source.from.told()) }
                            td data-label="Posted last" {
                                @if let Some(at) = source.last_used { (parts::time(at, now)) } @else { span.muted { "not since the start" } }
                            }
                            td data-label="Tokens made here" {
                                @for token in &source.tokens {
                                    span.tag { (token.name) @if !token.events.is_empty() { ": " (token.events.join(", ")) } }
                                }
                                @if source.tokens.is_empty() { span.muted { "none" } }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(Page::new(Nav::Settings, "Sources", body))
}

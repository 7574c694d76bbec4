//! `/deliveries/{id}/steps`: what each plugin changed. The recorded run is repeated for it: of what a plugin handed on to the
//! next, nothing is kept.

use axum::extract::{Path, State};
use maud::html;

use crate::admin::pages::door::Ask;
use crate::admin::pages::frame::{Nav, Page};
use crate::admin::pages::{parts, steps};
use crate::admin::{Admin, params};
use crate::http::problem::{Kind, Problem};
use crate::ids::DeliveryId;
use crate::rerun::{Difference, Terms};

pub(in crate::admin::pages) async fn page(
    State(admin): Admin,
    _: Ask,
    Path(id): Path<String>,
) -> Result<Page, Problem> {
    let id: DeliveryId = params::id(&id)?;
    let rerun = match admin.reruns.rerun(id, Terms::AsRecorded).await.map_err(Problem::from) {
        Err(problem) if problem.kind() != Kind::NotRepeatable => return Err(problem),
        other => other,
    };
    let gone = || Problem::new(Kind::NotFound, format!("The event of delivery {id} is not kept any more."));
    let view = admin.administration.delivery(id).await?.ok_or_else(gone)?;
    let event = admin.administration.event(view.event).await?.ok_or_else(gone)?;
    let body = html! {
        p.muted { a href="/deliveries" { "Deliveries" } " / " a href={ "/deliveries/" (id) } { code { (id) } } }
        h1 { "What each plugin changed" }
        @match &rerun {
            Ok(rerun) => {
                @if rerun.same {
                    p { "The run of then, repeated just now by the same versions: it came to the same, to the byte and to the unit of fuel." }
                } @else {
                    p.told.warn { "The run of then, repeated just now. It did not come to the same:" }
                    dl.facts {
                        @for Difference { what, recorded, now } in &rerun.differences {
                            dt { (parts::inert(what)) }
                            dd { "then " code { (parts::inert(recorded)) } ", now " code { (parts::inert(now)) } }
                        }
                    }
                }
                (steps::steps(&event, &rerun.runs, &rerun.steps))
            }
            Err(problem) => {
                p { (parts::ticked(problem.detail())) }
                p { a href={ "/webhooks/" (view.webhook) "/try?event=" (view.event) } { "Try its event as the webhook is today" } }
            }
        }
    };
    Ok(Page::new(Nav::Deliveries, "What each plugin changed", body))
}

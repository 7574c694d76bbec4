//! The start: three steps to the first delivered event while nothing was delivered yet, each ticking itself off.

use axum::extract::State;
use maud::{Markup, html};

use super::door::Ask;
use super::frame::{Go, Nav, Page};
use super::parts;
use crate::access::{Role, Told};
use crate::admin::{Admin, AdminState};
use crate::clock;
use crate::delivery::DeliveryView;
use crate::http::problem::{Kind, Problem};
use crate::ids::{EventType, SourceName};
use crate::intake::Emitted;
use crate::revision::Revision;
use crate::store::{Change, Counts, DeliveryFilter};

/// What the button sends.
const SAMPLE: &str = "entry.create";

/// Where to begin.
pub(super) async fn home(State(admin): Admin, _: Ask) -> Result<Go, Problem> {
    let counts = admin.administration.counts().await?;
    Ok(Go::to(if counts.delivered == 0 { "/start" } else { "/webhooks" }))
}

pub(super) async fn page(State(admin): Admin, ask: Ask) -> Result<Page, Problem> {
    let counts = admin.administration.counts().await?;
    let revision = admin.live.load_full();
    let newest = admin.administration.deliveries(DeliveryFilter::default(), None, 1).await?.found.pop();
    let body = html! {
        h1 { "Three steps to the first delivered event" }
        // Asks again by itself: webhooks come by files too, and events that nobody wants make no delivery.
        div #steps hx-get="/start" hx-select="#steps" hx-swap="morph:outerHTML" hx-trigger="live from:body, every 2s" {
            @if counts.delivered > 0 {
                p.told role="status" { "Delivered. " a href="/webhooks" { "To the webhooks" } }
            }
            ol.steps {
                (webhook_step(&ask, &revision))
                (event_step(&admin, &ask, &counts))
                (delivered_step(&counts, newest.as_ref()))
            }
        }
    };
    Ok(Page::new(Nav::Start, "Three steps", body).live(""))
}

fn webhook_step(ask: &Ask, revision: &Revision) -> Markup {
    let webhooks = revision.webhooks.len();
    html! {
        li.done[webhooks > 0] {
            h2 { "A webhook: where events are to go" }
            @if webhooks > 0 {
                p { @if webhooks == 1 { "There is one" } @else { "There are " (webhooks) } ": " a href="/webhooks" { "see how it does" } "." }
            } @else {
                p { "For a receiver on this machine, run this beside the host; it prints what comes and checks its signature:" }
                pre tabindex="0" { "hookwright listen" }
                @if ask.may(Role::Operator) {
                    p { a.button.main href="/webhooks/new" { "Make a webhook" } " or on the command line:" }
                } @else {
                    p { "Somebody with the role operator makes one:" }
                }
                pre tabindex="0" { "hookwright webhook create --url http://127.0.0.1:4499/ --events 'entry.*'" }
            }
        }
    }
}

fn event_step(admin: &AdminState, ask: &Ask, counts: &Counts) -> Markup {
    let listen = admin.info.listen;
    html! {
        li.done[counts.events > 0] {
            h2 { "An event" }
            @if counts.events > 0 {
                p { (counts.events) " came: " a href="/events" { "look at them" } "." }
            } @else {
                @if ask.may(Role::Operator) {
                    (parts::act(ask, "Send a sample event", "/start/send"))
                }
                p { "From Strapi: Settings, Webhooks, Create new webhook, with this URL and the header " code { "Authorization: Bearer …" } ", whose token is in " code { ".env" } " or " code { "data/source-local.token" } ":" }
                pre tabindex="0" { "http://" (listen) "/v1/events" }
                p { "Or from a file with the body that a CMS would post:" }
                pre tabindex="0" { "hookwright send event.json" }
            }
        }
    }
}

fn delivered_step(counts: &Counts, newest: Option<&DeliveryView>) -> Markup {
    html! {
        li.done[counts.delivered > 0] {
            h2 { "Delivered" }
            @match newest {
                Some(delivery) => {
                    p {
                        "The newest delivery, to " code { (delivery.webhook) } ": " (parts::state(delivery.state)) " "
                        a href={ "/deliveries/" (delivery.id) } { "its attempts, and why" }
                    }
                    @if let Some(reason) = &delivery.reason { p { (parts::inert(reason)) } }
                }
                None if counts.events > 0 => {
                    p { "No webhook wanted what came: its events, and its filter, say what it wants. " a href="/events" { "Each event says why" } "." }
                }
                None => { p { "Shows itself here once an event came." } }
            }
        }
    }
}

/// Takes in the sample as if the first source had posted it.
pub(super) async fn send(State(admin): Admin, ask: Ask) -> Result<Go, Problem> {
    let revision = admin.live.load_full();
    let source = admin.source_names(&revision).into_iter().next().unwrap_or_else(SourceName::local);
    let absent = || Problem::new(Kind::NotFound, format!("The schema of {SAMPLE} has no example."));
    let example = revision.schemas.example(SAMPLE).ok_or_else(absent)?;
    let event_type: EventType = SAMPLE.parse().map_err(|_| absent())?;
    let emitted = Emitted { source, event_type, data: example.to_string().into(), idempotency_key: None };
    let now = clock::now();
    let accepted = admin.intake.emit(emitted, now).await.map_err(|refusal| Problem::from(&refusal))?;
    admin.record(Change::by(ask.who(), "event.sample", accepted.id.to_string(), now)).await;
    Ok(Go::to("/start").telling(Told::good(format!("Event {} was accepted.", accepted.id))))
}

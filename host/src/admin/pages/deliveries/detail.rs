//! `/deliveries/{id}`: all that is known of one delivery, from what came in to what came back, and what can be done.

use std::slice;

use axum::extract::{Path, State};
use bytes::Bytes;
use maud::{Markup, html};

use super::{actions, chain, curl, table, timeline};
use crate::access::Role;
use crate::admin::budget::Budget;
use crate::admin::pages::door::Ask;
use crate::admin::pages::frame::{Nav, Page};
use crate::admin::pages::parts;
use crate::admin::views::mask_credentials;
use crate::admin::{Admin, AdminState, params};
use crate::clock::{self, Timestamp};
use crate::delivery::{Attempt, AttemptResult, ChainRecord, ChainVerdict, Changes, DeliveryView};
use crate::dispatch::TriedRequest;
use crate::event::Event;
use crate::http::problem::Problem;
use crate::ids::DeliveryId;
use crate::why::{Gate, Verdict, WebhookWhy};

/// Replays of one delivery that are linked.
const REPLAYS_LINKED: usize = 20;
/// Events of a debounce window that are linked.
const MEMBERS_LINKED: usize = 20;

/// One delivery with what is known around it. Nothing in it is secret any more.
struct Known {
    view: DeliveryView,
    attempts: Vec<Attempt>,
    /// None: it is not kept any more.
    event: Option<Event>,
    why: Option<WebhookWhy>,
    replays: Vec<DeliveryId>,
    out: Out,
    now: Timestamp,
}

/// The request that was, or would be, sent.
enum Out {
    Request {
        request: TriedRequest,
        was_sent: bool,
    },
    /// Why there is none.
    Nothing(&'static str),
}

pub(in crate::admin::pages) async fn page(
    State(admin): Admin,
    ask: Ask,
    Path(id): Path<String>,
) -> Result<Page, Problem> {
    let known = Known::read(&admin, params::id(&id)?).await?;
    let id = known.view.id;
    let body = html! {
        div.head {
            div { p.muted { a href="/deliveries" { "Deliveries" } } h1 { "Delivery " code { (id) } } }
            (parts::live())
        }
        div #delivery hx-get={ "/deliveries/" (id) } hx-select="#delivery" hx-trigger="live from:body" hx-swap="morph:outerHTML" {
            (summary(&known))
            (actions::buttons(&ask, &known.view))
            h2 { "Attempts" }
            (timeline::timeline(&known.view, &known.attempts, known.now))
            (contents(&ask, &known))
        }
    };
    Ok(Page::new(Nav::Deliveries, format!("Delivery {id}"), body).live(format!("delivery={id}")))
}

impl Known {
    async fn read(admin: &AdminState, id: DeliveryId) -> Result<Self, Problem> {
        let (mut view, mut attempts) = admin.delivery_with_attempts(id).await?;
        Budget::new().trim(&mut view, &mut attempts);
        let event = admin.administration.event(view.event).await?;
        let mut out = Out::of(admin, &view, &attempts, event.as_ref());
        let unsent = match &mut out {
            Out::Request { request, .. } => Some(&mut request.headers),
            Out::Nothing(_) => None,
        };
        mask_credentials(view.chain.as_mut(), &mut attempts, unsent);
        let made = (view, attempts);
        let why = match &event {
            Some(event) => {
                let all = admin.explain(event, slice::from_ref(&made)).await?;
                all.webhooks.into_iter().find(|why| why.delivery == Some(id))
            }
            None => None,
        };
        let replays = admin.administration.replays_of(id, REPLAYS_LINKED).await?;
        let (view, attempts) = made;
        Ok(Self { view, attempts, event, why, replays, out, now: clock::now() })
    }
}

impl Out {
    fn of(admin: &AdminState, view: &DeliveryView, attempts: &[Attempt], event: Option<&Event>) -> Self {
        let Some(event) = event else { return Self::Nothing("Its event is not kept any more.") };
        let revision = admin.live.load();
        let webhook = revision.webhooks.get(&view.webhook);
        let untouched = Changes::default();
        let changes = match view.chain.as_ref().map(|chain| &chain.verdict) {
            Some(ChainVerdict::Deliver { changes }) => Some(changes),
            None if webhook.is_some_and(|webhook| webhook.plugins.is_empty()) => Some(&untouched),
            _ => None,
        };
        match (attempts.last(), changes, webhook) {
            (Some(last), changes, _) => {
                let body: Bytes =
                    changes.and_then(|changes| changes.data.clone()).unwrap_or_else(|| event.data.clone());
                let method = webhook.map_or("POST", |webhook| webhook.method.as_str()).to_owned();
                let (url, headers) = (last.url.clone(), last.request_headers.clone());
                Self::Request { request: TriedRequest { method, url, headers, body }, was_sent: true }
            }
            (None, ..) if view.state.is_finished() => Self::Nothing("Nothing was sent."),
            (None, Some(changes), Some(webhook)) => {
                let request = TriedRequest::unsent(&revision, webhook, event, changes, view.id, 1);
                Self::Request { request, was_sent: false }
            }
            (None, None, Some(_)) => Self::Nothing("Its plugins have not let it pass yet: only then it is known."),
            (None, _, None) => Self::Nothing("Its webhook is gone, and with it the address to send to."),
        }
    }
}

fn summary(known: &Known) -> Markup {
    let Known { view, event, why, replays, now, .. } = known;
    html! {
        dl.facts {
            dt { "State" } dd { (parts::state(view.state)) }
            dt { "Event" }
            dd {
                @if let Some(event) = event { a href={ "/events/" (view.event) } { (event.event_type) } " " }
                code { (view.event) }
            }
            dt { "Webhook" } dd { a href={ "/webhooks/" (view.webhook) } { (view.webhook) } }
            dt { "Made" } dd { (parts::time(view.created, *now)) }
            dt { "Changed" } dd { (parts::time(view.changed, *now)) }
            @if let Some(due) = view.due { dt { "Next attempt due" } dd { (parts::time(due, *now)) } }
            dt { "Attempts" } dd { (view.attempts) }
            @if view.runs > 1 { dt { "Runs of its plugins" } dd { (view.runs) } }
            @if let Some(of) = view.replay_of { dt { "Repeats" } dd { (table::link(of)) } }
            @if !replays.is_empty() {
                dt { "Repeated by" }
                dd { @for id in replays { (table::link(*id)) " " } @if replays.len() >= REPLAYS_LINKED { "and others" } }
            }
            (gathered(view, *now))
        }
        @if let Some(why) = why { (conclusion(view, why)) }
        @else if let Some(reason) = &view.reason { p { (parts::ticked(reason)) } }
    }
}

/// What a debounced delivery stands for.
fn gathered(view: &DeliveryView, now: Timestamp) -> Markup {
    html! {
        @if let Some(window) = &view.window {
            dt { "Gathered" }
            dd {
                (window.count) " events"
                @if let Some(closes) = window.closes { "; takes more until " (parts::time(closes, now)) }
                @if window.members.len() > 1 {
                    details.more #members {
                        summary { "Which" }
                        ul { @for id in window.members.iter().take(MEMBERS_LINKED) { li { a href={ "/events/" (id) } { code { (id) } } } } }
                    }
                }
            }
        }
    }
}

/// Where it stands and what leads on, as `why` says it.
fn conclusion(view: &DeliveryView, why: &WebhookWhy) -> Markup {
    use crate::delivery::State::{Failed, Held};
    let colour = match view.state {
        Held => "told warn",
        Failed => "told bad",
        _ => "card",
    };
    html! {
        div class=(colour) {
            p { (parts::ticked(&why.conclusion)) }
            // This page shows more than that command.
            @if let Some(command) = why.next_command.as_ref().filter(|command| !command.starts_with("hookwright delivery show")) {
                p.hint { "On the command line: " code { (command) } " " button.quiet type="button" data-copy=(command) { "Copy" } }
            }
        }
    }
}

fn contents(ask: &Ask, known: &Known) -> Markup {
    let Known { view, attempts, event, why, out, .. } = known;
    let ran = view.chain.as_ref().filter(|chain| !chain.runs.is_empty());
    html! {
        h2 #in { "What came in" }
        @match event {
            None => { p.muted { "The event is not kept any more." } }
            Some(event) => { (came_in(event)) }
        }
        @if let Some(chain) = ran {
            h2 #plugins { "What each plugin made of it" }
            (chain::runs(chain))
        }
        @if let (Some(chain), Some(event)) = (ran.filter(|chain| matches!(chain.verdict, ChainVerdict::Deliver { .. })), event) {
            h2 #changes { "What changed on the way" }
            (chain::changes(&event.data, chain))
            @if ask.may(Role::Operator) { p { a href={ "/deliveries/" (view.id) "/steps" } { "Plugin by plugin" } } }
        }
        (went_out(out, event.as_ref(), view.chain.as_ref()))
        h2 #back { "What came back" }
        @match attempts.last().map(|attempt| &attempt.result) {
            None => { p.muted { "No attempt was made." } }
            Some(AttemptResult::Answered(response)) => { (timeline::answer(response)) }
            Some(AttemptResult::Error { message, .. }) => { p { "No whole answer: " (parts::inert(message)) } }
        }
        @if let Some(why) = why {
            h2 #why { "Why" }
            (gates(&why.gates))
        }
    }
}

fn came_in(event: &Event) -> Markup {
    html! {
        p.muted { "From " (event.source) ", " (event.data.len()) " bytes of " code { (event.content_type) } "." }
        (parts::payload(&event.data))
        @if !event.headers.is_empty() || !event.attributes.is_empty() {
            details.more #in-headers {
                summary { "Headers and attributes" }
                (parts::headers(&event.headers))
                @if !event.attributes.is_empty() { (parts::headers(&event.attributes)) }
            }
        }
    }
}

fn went_out(out: &Out, event: Option<&Event>, chain: Option<&ChainRecord>) -> Markup {
    let (request, was_sent) = match out {
        Out::Nothing(why) => return html! { h2 #out { "What goes out" } p.muted { (why) } },
        Out::Request { request, was_sent } => (request, *was_sent),
    };
    let command = curl::command(&request.method, &request.url, &request.headers, &request.body);
    let is_as_it_came = event.is_some_and(|event| event.data == request.body);
    let is_masked = request.url.contains('…') || request.headers.iter().any(|(_, value)| value.contains('…'));
    html! {
        h2 #out { (if was_sent { "What went out" } else { "What would go out now" }) }
        p { strong { (request.method) } " " code { (parts::inert(&request.url)) } }
        (parts::headers(&request.headers))
        @if is_as_it_came && chain.is_none_or(|chain| chain.data().is_none()) {
            p.muted { "The payload, byte for byte " a href="#in" { "as it came" } "." }
        } @else {
            (parts::payload(&request.body))
        }
        details.more #curl {
            summary { "As a command for curl" }
            pre tabindex="0" { (command.text) }
            @if is_masked { p.hint { "What stands as … is a secret, and not shown: put it in before you send this." } }
            @if command.needs_file { p.hint { "The payload is too long for a line, or is no text: put it into " code { (curl::FILE) } " first." } }
            p.hint { "A receiver that checks signatures refuses one that is old." }
        }
        p { button type="button" data-copy=(command.text) { "Copy as curl" } }
    }
}

fn gates(gates: &[Gate]) -> Markup {
    html! {
        p.hint { "What it has to pass, in order. What rules decide is told as they are today." }
        div.table {
            table.cards {
                caption.sr-only { "Gates" }
                thead { tr { th scope="col" { "Gate" } th scope="col" { "Verdict" } th scope="col" { "Detail" } } }
                tbody {
                    @for Gate { name, verdict, detail } in gates {
                        tr {
                            th.tight scope="row" { (parts::inert(name)) }
                            td data-label="Verdict" { (judged(*verdict)) }
                            td data-label="Detail" { span { (parts::ticked(detail)) } }
                        }
                    }
                }
            }
        }
    }
}

fn judged(verdict: Verdict) -> Markup {
    match verdict {
        Verdict::Pass => parts::badge("good", "pass"),
        Verdict::Stop => parts::badge("bad", "stop"),
        Verdict::Drop => parts::badge("", "drop"),
        Verdict::Wait => parts::badge("warn", "wait"),
        Verdict::Unknown => parts::badge("", "unknown"),
    }
}

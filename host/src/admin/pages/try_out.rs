//! A webhook tried out: an event is picked or written, the whole way of it is shown, and only then it may be sent.
//!
//! By the same function as `POST /v1/webhooks/{id}/test`. Keeps nothing between its steps: the form carries the event.

mod outcome;
mod subject;

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use http::StatusCode;
use maud::{Markup, html};

use self::subject::{Refused, Subject, Wrong};
use super::door::Ask;
use super::frame::{Nav, Page};
use super::parts::{csrf, inert, ticked};
use crate::admin::params;
use crate::admin::trials::{Test, no_webhook};
use crate::admin::{Admin, AdminState};
use crate::http::problem::Problem;
use crate::ids::WebhookId;
use crate::store::{EventFilter, EventHead};
use crate::webhook::Webhook;

/// Past events to pick from.
const NEWEST: usize = 20;

/// What stands on the page.
struct Shown<'a> {
    ask: &'a Ask,
    webhook: &'a Webhook,
    /// Event types whose schema has an example.
    samples: Vec<String>,
    events: Vec<EventHead>,
    subject: Subject,
    wrong: Vec<Wrong>,
}

pub(super) async fn page(State(admin): Admin, ask: Ask, Path(id): Path<String>) -> Result<Page, Problem> {
    let id: WebhookId = params::id(&id)?;
    let revision = admin.live.load_full();
    let webhook = revision.webhooks.get(&id).ok_or_else(|| no_webhook(&id))?;
    let picked: BTreeMap<String, String> = params::query(&ask.uri)?;
    let (subject, wrong) = subject::picked(&admin, &revision, webhook, &picked).await?;
    let shown = shown(&admin, &ask, webhook, subject, wrong).await?;
    Ok(shown.page(None))
}

pub(super) async fn run(State(admin): Admin, ask: Ask, Path(id): Path<String>) -> Result<Page, Problem> {
    let id: WebhookId = params::id(&id)?;
    let revision = admin.live.load_full();
    let webhook = revision.webhooks.get(&id).ok_or_else(|| no_webhook(&id))?;
    let subject = Subject::sent(&ask.sent);
    let send = ask.sent.text("step") == "send";
    let outcome = match subject.asked(&admin, &revision, send).await {
        Ok(asked) => admin.test(ask.who(), &id, asked).await.map_err(Refused::from),
        Err(refused) => Err(refused),
    };
    match outcome {
        Ok(test) => Ok(shown(&admin, &ask, webhook, subject, Vec::new()).await?.page(Some(&test))),
        Err(Refused::Field(wrong)) => {
            let shown = shown(&admin, &ask, webhook, subject, vec![wrong]).await?;
            Ok(shown.page(None).status(StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(Refused::All(problem)) => Err(problem),
    }
}

async fn shown<'a>(
    admin: &AdminState,
    ask: &'a Ask,
    webhook: &'a Webhook,
    subject: Subject,
    wrong: Vec<Wrong>,
) -> Result<Shown<'a>, Problem> {
    let events = admin.administration.event_heads(EventFilter::default(), None, NEWEST).await?.found;
    let schemas = &admin.live.load_full().schemas;
    let samples = schemas.event_types().filter(|event_type| schemas.example(event_type).is_some());
    Ok(Shown { ask, webhook, samples: samples.map(str::to_owned).collect(), events, subject, wrong })
}

impl Shown<'_> {
    fn page(&self, test: Option<&Test>) -> Page {
        let Self { webhook, .. } = self;
        let title = format!("Try {}", webhook.name);
        let body = html! {
            div.head {
                h1 { (inert(&title)) }
                div.actions { a.button href={ "/webhooks/" (webhook.id) } { "Back to the webhook" } }
            }
            @if let Some(test) = test {
                details.more { summary { "Another event, or this one changed" } (self.choice()) }
                (outcome::outcome(test, &self.send_form(test)))
            } @else {
                p.lead { "See what this webhook would make of an event. Nothing is sent before you say so." }
                (self.choice())
            }
        };
        Page::new(Nav::Webhooks, title, body)
    }

    fn choice(&self) -> Markup {
        html! {
            h2 { "Pick an event" }
            div.cards-grid {
                (self.pick("sample", "A sample", &html! {
                    select #sample name="sample" {
                        @for sample in &self.samples {
                            option value=(sample) selected[self.subject.is_sample(sample)] { (sample) }
                        }
                    }
                }))
                @if !self.events.is_empty() {
                    (self.pick("event", "A past event", &html! {
                        select #event name="event" {
                            @for head in &self.events {
                                option value=(head.id) selected[self.subject.event == head.id.to_string()] {
                                    (head.event_type) " · " (head.received) " · " (head.id)
                                }
                            }
                        }
                    }))
                }
                (self.pick("id", "An event by its id", &html! {
                    input #id name="id" placeholder="evt_…" autocomplete="off" spellcheck="false" required
                        aria-invalid=[self.wrong("id").map(|_| "true")] aria-describedby=[self.wrong("id").map(|_| "id-error")];
                }))
            }
            (self.form())
        }
    }

    /// A form that only fills the other one.
    fn pick(&self, field: &str, label: &str, input: &Markup) -> Markup {
        html! {
            form.card method="get" action={ "/webhooks/" (self.webhook.id) "/try" } {
                label for=(field) { (label) }
                div.row {
                    div.grow { (input) }
                    button type="submit" { "Take it" }
                }
                (self.error(field))
            }
        }
    }

    fn form(&self) -> Markup {
        let Subject { event, event_type, text } = &self.subject;
        html! {
            form method="post" action={ "/webhooks/" (self.webhook.id) "/try" } {
                (csrf(self.ask))
                input type="hidden" name="event" value=(event);
                @for Wrong { field, message } in &self.wrong {
                    @if field.is_empty() { p.told.bad role="alert" { (inert(message)) } }
                }
                @if let Some(text) = text {
                    h2 { "The event" }
                    div.field {
                        label for="type" { "Event type" }
                        input #type name="type" value=(event_type) spellcheck="false" autocomplete="off"
                            aria-invalid=[self.wrong("type").map(|_| "true")] aria-describedby="type-hint type-error";
                        p.hint #type-hint { "Empty: as the body says, in its field event." }
                        (self.error("type"))
                    }
                    div.field.wide {
                        label for="data" { "Body" }
                        textarea #data name="data" rows="16" spellcheck="false"
                            aria-invalid=[self.wrong("data").map(|_| "true")] aria-describedby="data-error" {
                            // A browser drops the first line end.
                            "\n" (text)
                        }
                        (self.error("data"))
                    }
                } @else {
                    p { "Event " code { (event) } " is tried as it is: it is too large to be changed here, or not JSON." }
                }
                button.main type="submit" name="step" value="look" { "Try it without sending" }
            }
        }
    }

    /// The same event once more, sent.
    fn send_form(&self, test: &Test) -> Markup {
        let Subject { event, event_type, text } = &self.subject;
        html! {
            form method="post" action={ "/webhooks/" (self.webhook.id) "/try" } {
                (csrf(self.ask))
                input type="hidden" name="event" value=(event);
                @if let Some(text) = text {
                    input type="hidden" name="type" value=(event_type);
                    textarea name="data" hidden aria-label="Body" { "\n" (text) }
                }
                button.main type="submit" name="step" value="send" {
                    @if test.attempt.is_some() { "Send it again" } @else { "Send it" }
                }
            }
        }
    }

    fn wrong(&self, field: &str) -> Option<&str> {
        self.wrong.iter().find(|wrong| wrong.field == field).map(|wrong| wrong.message.as_str())
    }

    fn error(&self, field: &str) -> Markup {
        html! { @if let Some(message) = self.wrong(field) { p.error id={ (field) "-error" } role="alert" { (ticked(message)) } } }
    }
}

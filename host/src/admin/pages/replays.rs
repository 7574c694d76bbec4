//! `/replays`: many deliveries of a webhook sent again in a run that can be watched and cancelled. Counted first, then
//! begun.

mod wanted;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use maud::{Markup, html};

use self::wanted::Draft;
use super::deliveries::{cut, webhooks_field};
use super::door::Ask;
use super::frame::{Go, Nav, Page};
use super::parts;
use crate::access::{Role, Told};
use crate::admin::{Admin, AdminState, params};
use crate::clock::{self, Timestamp};
use crate::http::problem::{Kind, Problem};
use crate::replay::{Counted, Mode, Progress, RunState, RunView, Wanted};

pub(super) async fn list(State(admin): Admin, ask: Ask) -> Result<Page, Problem> {
    Ok(page(&admin, &ask, &Draft::of_address(&ask.uri), &html! {}))
}

fn page(admin: &AdminState, ask: &Ask, draft: &Draft, said: &Markup) -> Page {
    let runs = admin.replays.list();
    let body = html! {
        p.muted { a href="/deliveries" { "Deliveries" } }
        h1 { "Replay many" }
        (said)
        @if ask.may(Role::Operator) { (form(admin, ask, draft)) }
        h2 { "Runs" }
        @if runs.is_empty() {
            p.empty { "No run was begun since this host started." }
        } @else {
            (table(&runs))
        }
        p.hint { "The last twenty are remembered, until the host ends. Two run at once." }
    };
    Page::new(Nav::Deliveries, "Replay many", body)
}

fn form(admin: &AdminState, ask: &Ask, draft: &Draft) -> Markup {
    html! {
        form.card method="post" action="/replays" {
            (parts::csrf(ask))
            p { "Oldest first. They are counted before anything is sent." }
            div.filters {
                div { (webhooks_field(admin, draft.text("webhook"), draft.wrong("webhook"), "Which webhook", false)) }
                div {
                    label for="state" { "State" }
                    select #state name="state" {
                        @for state in wanted::STATES { option value=(state) selected[state.as_str() == draft.text("state")] { (state) } }
                    }
                }
                (draft.input("eventType", "Event type", "entry.*"))
                (draft.input("since", "Since", "2h, 03:00, 2026-11-23"))
                (draft.input("until", "Until", "2h, 03:00, 2026-11-23"))
            }
            fieldset.bare-set {
                legend { "What goes out" }
                (choice("recorded", draft, "As recorded: the same bytes under the same id. No plugin runs."))
                (choice("today", draft, "A copy of each event under a new id, through today's plugins."))
            }
            p {
                label.plain {
                    input type="checkbox" name="again" value="yes" checked[draft.is_set("again")];
                    "Also what was replayed already, and what somebody gave up"
                }
            }
            button.main type="submit" { "Count them" }
        }
    }
}

fn choice(mode: &str, draft: &Draft, label: &str) -> Markup {
    html! { div { label.plain { input type="radio" name="mode" value=(mode) checked[draft.text("mode") == mode]; (label) } } }
}

/// Counts what is asked for, or begins it once that was confirmed.
pub(super) async fn begin(State(admin): Admin, ask: Ask) -> Result<Response, Problem> {
    let draft = Draft::of_form(&ask.sent);
    let Some(wanted) = draft.wanted() else {
        return Ok(page(&admin, &ask, &draft, &html! {}).status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
    };
    let outcome = if ask.sent.text("step") == "begin" {
        admin.begin_replays(ask.who(), wanted).await.map(|run| Go::to(format!("/replays/{}", run.id)).into_response())
    } else {
        counted(&admin, &ask, wanted).await.map(Page::into_response)
    };
    outcome.or_else(|problem| refused(&admin, &ask, &draft, problem))
}

/// With what was said, and what was typed.
fn refused(admin: &AdminState, ask: &Ask, draft: &Draft, problem: Problem) -> Result<Response, Problem> {
    if matches!(problem.kind(), Kind::StoreUnavailable | Kind::NotFound) {
        return Err(problem);
    }
    let said = html! { p.told.bad role="alert" { (parts::ticked(problem.detail())) } };
    Ok(page(admin, ask, draft, &said).status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}

async fn counted(admin: &AdminState, ask: &Ask, wanted: Wanted) -> Result<Page, Problem> {
    let (Counted { count, left_out }, until) = admin.replays.count(&wanted, clock::now()).await?;
    let wanted = Wanted { until: Some(until), ..wanted };
    let fields = wanted::fields(&wanted);
    let back = wanted::address(&wanted);
    let body = html! {
        p.muted { a href="/deliveries" { "Deliveries" } " / " a href="/replays" { "Replay many" } }
        h1 { (how_many(count)) }
        p { (wanted.state) " deliveries of " a href={ "/webhooks/" (wanted.webhook) } { (wanted.webhook) } ", " (in_words(wanted.mode)) "." }
        dl.facts {
            @if let Some(since) = wanted.since { dt { "Since" } dd { time { (since) } } }
            dt { "Until" } dd { time { (until) } }
            @if let Some(pattern) = &wanted.event_type { dt { "Event type" } dd { code { (pattern) } } }
            @if left_out.replayed > 0 { dt { "Left out" } dd { (left_out.replayed) " that were replayed already" } }
            @if left_out.discarded > 0 { dt { "Left out" } dd { (left_out.discarded) " that somebody gave up" } }
        }
        div.actions {
            @if count > 0 {
                form method="post" action="/replays" {
                    (parts::csrf(ask))
                    input type="hidden" name="step" value="begin";
                    @for (name, value) in &fields { input type="hidden" name=(name) value=(value); }
                    button.main type="submit" { "Replay " (count) }
                }
            }
            a.button href=(back) { (if count > 0 { "Change what is chosen" } else { "Choose others" }) }
        }
    };
    Ok(Page::new(Nav::Deliveries, "Replay many", body))
}

fn how_many(count: u64) -> String {
    match count {
        0 => "No delivery fits".to_owned(),
        1 => "1 delivery would be replayed".to_owned(),
        many => format!("{many} deliveries would be replayed"),
    }
}

fn in_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Recorded => "as recorded",
        Mode::Today => "through today's plugins",
    }
}

fn table(runs: &[RunView]) -> Markup {
    let now = clock::now();
    html! {
        div.table {
            table.cards {
                caption.sr-only { "Runs of replays, newest first" }
                thead { tr {
                    th scope="col" { "Begun" }
                    th scope="col" { "State" }
                    th scope="col" { "Webhook" }
                    th scope="col" { "What" }
                    th.num scope="col" { "Replayed" }
                    th.num scope="col" { "Refused" }
                } }
                tbody {
                    @for run in runs {
                        tr id=(run.id) {
                            th scope="row" { a href={ "/replays/" (run.id) } { (parts::time(run.started, now)) } }
                            td data-label="State" { (state(run.progress.state)) }
                            td data-label="Webhook" { a href={ "/webhooks/" (run.webhook) } { (run.webhook) } }
                            td data-label="What" { span { (run.of_state) ", " (in_words(run.mode)) } }
                            td.num data-label="Replayed" { (run.progress.done) @if let Some(counted) = run.progress.counted { " of " (counted) } }
                            td.num data-label="Refused" { (run.progress.refused) }
                        }
                    }
                }
            }
        }
    }
}

fn state(state: RunState) -> Markup {
    match state {
        RunState::Running => parts::badge("busy", "running"),
        RunState::Done => parts::badge("good", "done"),
        RunState::Cancelled => parts::badge("warn", "cancelled"),
        RunState::Failed => parts::badge("bad", "failed"),
    }
}

pub(super) async fn one(State(admin): Admin, ask: Ask, Path(id): Path<String>) -> Result<Page, Problem> {
    let run = admin.replays.run(params::id(&id)?)?;
    let now = clock::now();
    let is_running = run.progress.state == RunState::Running;
    let body = html! {
        p.muted { a href="/deliveries" { "Deliveries" } " / " a href="/replays" { "Replay many" } }
        h1 { "Run " code { (run.id) } }
        div #run hx-get={ "/replays/" (run.id) } hx-select="#run" hx-swap="morph:outerHTML" hx-trigger=(if is_running { "every 1s" } else { "never" }) {
            (progress(&run.progress))
            (facts(&run, now))
            @if is_running && ask.may(Role::Operator) {
                div.actions { (parts::act(&ask, "Cancel the rest", &format!("/replays/{}/cancel", run.id))) }
            }
        }
    };
    Ok(Page::new(Nav::Deliveries, "A run of replays", body))
}

fn progress(progress: &Progress) -> Markup {
    let Progress { state, counted, done, refused, .. } = progress;
    let looked = done + refused;
    html! {
        p {
            label for="progress" {
                @match counted {
                    None => { "Counting" }
                    Some(counted) => { (looked) " of " (counted) " looked at" }
                }
            }
            " " (self::state(*state))
        }
        // Without a value it moves; what has ended does not.
        @match counted {
            Some(counted) => { progress #progress max=(counted.max(&1)) value=(looked.min(*counted)) {} }
            None if *state == RunState::Running => { progress #progress {} }
            None => { progress #progress max="1" value="0" {} }
        }
    }
}

fn facts(run: &RunView, now: Timestamp) -> Markup {
    let Progress { left_out, done, refused, reasons, reached, ended, error, .. } = &run.progress;
    html! {
        @if let Some(error) = error { p.told.bad role="alert" { "It failed: " (parts::inert(error)) } }
        dl.facts {
            dt { "Webhook" } dd { a href={ "/webhooks/" (run.webhook) } { (run.webhook) } }
            dt { "What" } dd { (run.of_state) " deliveries, " (in_words(run.mode)) @if run.again { ", also what was replayed or given up" } }
            @if let Some(event_type) = &run.event_type { dt { "Event type" } dd { code { (event_type) } } }
            @if let Some(since) = run.since { dt { "Made since" } dd { time { (since) } } }
            dt { "Made before" } dd { time { (run.until) } }
            dt { "Begun" } dd { (parts::time(run.started, now)) }
            @if let Some(ended) = ended { dt { "Ended" } dd { (parts::time(*ended, now)) } }
            dt { "Replayed" } dd { (done) }
            dt { "Refused" } dd { (refused) }
            @for (reason, count) in reasons { dt { (count) " times" } dd { (parts::ticked(&cut(reason))) } }
            @if left_out.replayed > 0 { dt { "Left out" } dd { (left_out.replayed) " that were replayed already" } }
            @if left_out.discarded > 0 { dt { "Left out" } dd { (left_out.discarded) " that somebody gave up" } }
            @if let Some(reached) = reached { dt { "Came to" } dd { "what was made at " time { (reached) } } }
        }
        p { a href={ "/deliveries?webhook=" (run.webhook) "&since=" (run.started) } { "The deliveries of this webhook since then" } }
    }
}

pub(super) async fn cancel(State(admin): Admin, ask: Ask, Path(id): Path<String>) -> Result<Go, Problem> {
    let run = admin.cancel_replays(ask.who(), params::id(&id)?).await?;
    Ok(Go::to(format!("/replays/{}", run.id)).telling(Told::good("It is cancelled. What was replayed stays so.")))
}

//! The parts of the form, one below the other.

use maud::{Markup, html};
use serde_json::Value;

use super::chain::{Context, chain};
use super::draft::{Draft, Known, header_place};
use super::fields::{Errors, Line, area, choice, line, sentence, step};
use super::one::inherited;
use crate::access::Role;
use crate::admin::pages::door::Ask;
use crate::admin::pages::frame::{Nav, Page};
use crate::admin::pages::parts;
use crate::config::well_known_headers;
use crate::http::problem::{Kind, Problem};
use crate::ids::WebhookId;
use crate::revision::Revision;

/// All that the form shows.
pub(super) struct Form<'a> {
    /// None: a new one.
    pub(super) id: Option<&'a WebhookId>,
    pub(super) version: Option<&'a str>,
    pub(super) key: &'a str,
    pub(super) shown: &'a Value,
    pub(super) draft: &'a Draft,
    pub(super) known: &'a Known<'a>,
    pub(super) revision: &'a Revision,
    pub(super) errors: &'a Errors,
    pub(super) problem: Option<&'a Problem>,
}

pub(super) fn page(ask: &Ask, form: &Form<'_>) -> Page {
    let title = form.id.map_or_else(|| "New webhook".to_owned(), |id| format!("Edit webhook {id}"));
    let action = form.id.map_or_else(|| "/webhooks/new".to_owned(), |id| format!("/webhooks/{id}/edit"));
    let back = form.id.map_or_else(|| "/webhooks".to_owned(), |id| format!("/webhooks/{id}"));
    let context =
        Context { action: &action, shown: form.shown, known: form.known, revision: form.revision, errors: form.errors };
    // First, so that what no field has shown is known.
    let fields = html! {
        (target(form))
        (events(form))
        (headers(form, &action))
        (area(form.errors, Line { name: "filter", label: "Filter", value: &form.draft.filter, placeholder: "{\"/model\": [\"article\"]}",
            hint: "Only events whose body fits: JSON Pointers and the values that may stand there, or {\"schema\": {…}} with a JSON Schema. Empty: all.", ..Line::default() }, &["/filter"]))
        (chain(&context, form.draft))
        (signing(ask, form, &action))
        (pace(form))
        (more(form))
    };
    let body = html! {
        h1 { (title) }
        form #form method="post" action=(action) novalidate {
            (parts::csrf(ask))
            // What the Enter key does: the first button of the form.
            button.sr-only type="submit" name="do" value="save" tabindex="-1" aria-hidden="true" { "Save" }
            @if let Some(version) = form.version { input type="hidden" name="version" value=(version); }
            @if form.id.is_none() { input type="hidden" name="key" value=(form.key); }
            (refusal(form))
            (fields)
            div.actions.save {
                button.main type="submit" name="do" value="save" { (if form.id.is_some() { "Save" } else { "Make it" }) }
                a.button href=(back) { "Cancel" }
            }
        }
    };
    Page::new(Nav::Webhooks, title, body)
}

/// Why it was not saved, and what has no field of its own.
fn refusal(form: &Form<'_>) -> Markup {
    let left = form.errors.left();
    html! {
        @if form.problem.is_some() || !form.errors.is_empty() {
            div.told.bad role="alert" {
                @match form.problem {
                    Some(problem) if problem.kind() == Kind::PreconditionFailed => {
                        p { "It was changed by somebody else meanwhile, so this was not saved. What you typed is below." }
                        @if let Some(id) = form.id { p { a href={ "/webhooks/" (id) "/edit" } { "Load it anew" } ", and make your changes again." } }
                    }
                    Some(problem) if form.errors.is_empty() => p { (parts::inert(problem.detail())) },
                    _ => p { "It was not saved. What is wrong stands beside its field." },
                }
                @if !left.is_empty() {
                    ul { @for violation in left { li { @if !violation.pointer.is_empty() { code { (parts::inert(&violation.pointer)) } ": " } (sentence(&parts::inert(&violation.message))) } } }
                }
            }
        }
    }
}

fn target(form: &Form<'_>) -> Markup {
    let Form { draft, errors, .. } = form;
    let is_kept = form.shown.get("url").is_some_and(super::one::is_secret);
    let kept = form
        .id
        .filter(|_| is_kept)
        .and_then(|id| form.revision.webhooks.get(id))
        .map(|webhook| webhook.shown_url.clone());
    let placeholder =
        kept.as_ref().map_or_else(|| "https://build.example/hook".to_owned(), |url| format!("kept: {url}"));
    html! {
        (line(errors, Line { name: "name", label: "Name", hint: "For people. Without one, it is called by its id.", value: &draft.texts[0], place: "/name", ..Line::default() }))
        @if form.id.is_none() {
            (line(errors, Line { name: "id", label: "Id", hint: "Lower-case letters, digits and dashes; it stays. Empty: made of the name.", value: &draft.id, place: "/id", placeholder: "site-build" }))
        }
        @let hint = if is_kept { "A secret, kept. Type another to replace it." } else { "Where events are sent to. Private addresses must be allowed by egress.allow." };
        (line(errors, Line { name: "url", label: "URL", hint, value: &draft.url, placeholder: &placeholder, place: "/url" }))
        div.field {
            label.plain { input type="checkbox" name="urlSecret" value="1" checked[draft.url_secret]; "The URL is a secret: it is not shown again" }
        }
        (choice(errors, Line { name: "method", label: "Method", value: &draft.method, place: "/method", ..Line::default() }, &[("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH")]))
        div.field { label.plain { input type="checkbox" name="enabled" value="1" checked[draft.enabled]; "Enabled" } }
    }
}

/// As Strapi has them.
const GRID: [(&str, &str); 2] = [("entry", "Entry"), ("media", "Media")];
const VERBS: [(&str, &str); 5] = [
    ("create", "Create"),
    ("update", "Update"),
    ("delete", "Delete"),
    ("publish", "Publish"),
    ("unpublish", "Unpublish"),
];

fn events(form: &Form<'_>) -> Markup {
    let Form { draft, errors, known, .. } = form;
    let has = |name: &str| known.types.iter().any(|known| known == name);
    let is_in_grid = |name: &str| {
        name.split_once('.').is_some_and(|(kind, verb)| {
            GRID.iter().any(|(known, _)| *known == kind) && VERBS.iter().any(|(known, _)| *known == verb)
        })
    };
    let is_on = |name: &str| draft.events.iter().any(|chosen| chosen == name);
    let others: Vec<_> = known.types.iter().filter(|name| !is_in_grid(name)).collect();
    html! {
        fieldset {
            legend { "Events" }
            div.table {
                table.grid {
                    caption.sr-only { "Events of entries and media" }
                    thead { tr {
                        th scope="col" { label.plain { input type="checkbox" data-all="all" aria-label="All events"; span.sr-only { "All" } } }
                        @for (_, verb) in VERBS { th scope="col" { (verb) } }
                    } }
                    tbody {
                        @for (kind, name) in GRID {
                            tr {
                                th scope="row" { label.plain { input type="checkbox" data-all=(kind) data-group="all"; (name) } }
                                @for (verb, _) in VERBS {
                                    @let event = format!("{kind}.{verb}");
                                    td {
                                        @if has(&event) { input type="checkbox" name="event" value=(event) data-group={ "all " (kind) } checked[is_on(&event)] aria-label=(event); }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if !others.is_empty() {
                p.hint { "Other events" }
                div.actions {
                    @for event in others {
                        label.plain { input type="checkbox" name="event" value=(event) checked[is_on(event)]; code { (event) } }
                    }
                }
            }
            (area(errors, Line { name: "patterns", label: "Further events", value: &draft.patterns, placeholder: "entry.*",
                hint: "Patterns, one a line: article.* for all of a kind, * for all but test events, any name of your own.", ..Line::default() }, &["/events"]))
        }
    }
}

fn headers(form: &Form<'_>, action: &str) -> Markup {
    let Form { draft, errors, .. } = form;
    html! {
        fieldset {
            legend { "Headers" }
            datalist #header-names { @for name in well_known_headers() { option value=(name) {} } }
            @for (at, row) in draft.headers.iter().enumerate() {
                @let [named, numbered] = header_place(row, at);
                @let places: &[&str] = if row.name.is_empty() { &[&numbered] } else { &[&named, &numbered] };
                @let id = format!("header-{at}");
                @let said = errors.say(&id, "", places);
                @let is_kept = !row.kept.is_empty();
                div.row {
                    div.grow {
                        label for={ (id) "-name" } { "Name" }
                        input id={ (id) "-name" } name={ "header." (at) } value=(row.name) list="header-names" autocomplete="off" spellcheck="false" aria-invalid=[said.invalid] aria-describedby=[said.described.as_deref()];
                    }
                    div.grow {
                        label for={ (id) "-value" } { "Value" }
                        input id={ (id) "-value" } name={ "header." (at) ".value" } value=(row.value) autocomplete="off" spellcheck="false"
                            placeholder=[is_kept.then_some("A secret, kept; type another to replace it")] aria-invalid=[said.invalid];
                    }
                    label.plain { input type="checkbox" name={ "header." (at) ".secret" } value="1" checked[row.secret]; "secret" }
                    @if is_kept { input type="hidden" name={ "header." (at) ".kept" } value=(row.kept); }
                    (step(action, &format!("remove-header:{at}"), "Remove", &format!("Remove header {}", row.name)))
                }
                (said.below)
            }
            @for violation in errors.at(&["/headers"]) { p.error { (sentence(&violation.message)) } }
            (step(action, "add-header", "Add a header", "Add a header"))
            p.hint { "Those that look like credentials are secrets anyway." }
            @if form.revision.server.default_headers.iter().next().is_some() {
                div { p.hint { "Sent too, unless a header of the same name stands above:" } (inherited(form.revision, None)) }
            }
        }
    }
}

fn signing(ask: &Ask, form: &Form<'_>, action: &str) -> Markup {
    let Form { draft, errors, .. } = form;
    html! {
        fieldset {
            legend { "Signature" }
            @if form.id.is_none() {
                p.hint {
                    "A signing secret is made, and shown once when the webhook is. "
                    @if !ask.may(Role::Admin) { "It is shown to admins only." }
                }
            }
            @for (at, id) in draft.secrets.iter().enumerate() {
                div.row {
                    input type="hidden" name="secret" value=(id);
                    span { "Secret " (at + 1) ": " span.muted { "kept, not shown" } }
                    (step(action, &format!("remove-secret:{at}"), "Remove", &format!("Remove secret {}", at + 1)))
                }
            }
            details.more open[!draft.new_secrets.is_empty() || !draft.extra.is_empty() || errors.has(&["/signing"])] {
                summary { "Secrets of your own, other signatures" }
                (area(errors, Line { name: "newSecrets", label: "Add secrets", value: &draft.new_secrets, placeholder: "whsec_…",
                    hint: "whsec_… or whsk_…, one a line. They are not shown again.", ..Line::default() }, &["/signing/secrets"]))
                (area(errors, Line { name: "extra", label: "Extra signatures", value: &draft.extra,
                    hint: "JSON: signatures in headers of other names, [{\"header\": \"X-Hub-Signature-256\", \"secret\": \"…\"}].", ..Line::default() }, &["/signing/extra", "/signing"]))
                @if form.id.is_none() || draft.unsigned {
                    div.field { label.plain { input type="checkbox" name="unsigned" value="1" checked[draft.unsigned]; "Send it unsigned" } }
                }
            }
        }
    }
}

const PACE_PLACES: [&str; 7] = ["/timeout", "/concurrency", "/rateLimit", "/retry", "/order", "/debounce", "/labels"];

fn pace(form: &Form<'_>) -> Markup {
    let Form { draft, errors, .. } = form;
    let texts = [
        ("timeout", "Timeout", "Of one attempt, 100ms to 5m.", "15s"),
        ("concurrency", "At once", "How many attempts, 1 to 256.", "16"),
        ("rateLimit", "Rate limit", "Attempts per second, minute or hour: 10/s, 600/m.", "none"),
    ];
    let schedule = "Waits between attempts, 5s, 5m, 2h. none: one attempt only.";
    html! {
        details.more open[errors.has(&PACE_PLACES) || draft.has_pace()] {
            summary { "Retries, limits, order" }
            (line(errors, Line { name: "schedule", label: "Retry after", hint: schedule, value: &draft.pace[0], placeholder: "5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h", place: "/retry/schedule" }))
            (line(errors, Line { name: "disableAfter", label: "Switch it off after", hint: "Failing for so long, 1m to 365d, or never.", value: &draft.pace[1], placeholder: "5d", place: "/retry" }))
            @for (at, (name, label, hint, placeholder)) in texts.into_iter().enumerate() {
                @let place = format!("/{name}");
                (line(errors, Line { name, label, hint, value: &draft.texts[at + 1], placeholder, place: &place }))
            }
            fieldset {
                legend { "Order" }
                (line(errors, Line { name: "orderBy", label: "In order by", hint: "webhook for all, or a JSON Pointer for each value that stands there. Empty: each as soon as it can.", value: &draft.order[0], placeholder: "/entry/documentId", place: "/order/by" }))
                @for (at, name, label) in [(1, "orderFailed", "Behind one that failed"), (2, "orderHeld", "Behind one that is held")] {
                    @let usual = if at == 1 { "By default: go on" } else { "By default: wait" };
                    (choice(errors, Line { name, label, value: &draft.order[at], place: "/order/onStuck", ..Line::default() }, &[("", usual), ("continue", "Go on"), ("block", "Wait")]))
                }
                @for violation in errors.at(&["/order"]) { p.error { (sentence(&violation.message)) } }
            }
            fieldset {
                legend { "Debounce" }
                p.hint { "Gathers events until none came for a while, and sends the newest. Not together with an order." }
                (line(errors, Line { name: "window", label: "Quiet time", hint: "100ms to 1h. Empty: no debouncing.", value: &draft.pace[2], placeholder: "30s", place: "/debounce/window" }))
                (line(errors, Line { name: "debounceBy", label: "Each value of", hint: "A JSON Pointer; empty: all events of the webhook together.", value: &draft.pace[3], placeholder: "/entry/documentId", place: "/debounce/key" }))
                (line(errors, Line { name: "maxWait", label: "At most", hint: "After the first event. Empty: ten times the quiet time.", value: &draft.pace[4], placeholder: "5m", place: "/debounce/maxWait" }))
                @for violation in errors.at(&["/debounce"]) { p.error { (sentence(&violation.message)) } }
            }
            (area(errors, Line { name: "labels", label: "Labels", hint: "name: value, one a line.", value: &draft.labels, placeholder: "team: web", ..Line::default() }, &["/labels"]))
        }
    }
}

/// What the form has no field for.
fn more(form: &Form<'_>) -> Markup {
    html! {
        @if form.id.is_some() {
            p.hint { "Whatever else the definition holds stays as it is." }
        }
    }
}

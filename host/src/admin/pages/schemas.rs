//! Schemas: which event types are known, what an event of each looks like, and who wants it.

use axum::extract::{Path, State};
use http::Uri;
use maud::{Markup, html};
use serde_json::Value;

use super::door::Ask;
use super::frame::{Nav, Page};
use super::parts::{badge, inert};
use crate::access::Role;
use crate::admin::Admin;
use crate::http::problem::{Kind, Problem};
use crate::ids::EventType;
use crate::revision::{Fault, Revision};
use crate::schemas::SchemaSet;

/// Of one page.
const MOST: usize = 50;
/// Webhooks named of one type.
const MOST_WEBHOOKS: usize = 50;

pub(super) async fn list(State(admin): Admin, ask: Ask) -> Page {
    let revision = admin.live.load_full();
    let after = after(&ask.uri);
    let is_after = |name: &&str| after.as_ref().is_none_or(|after| *name > after.as_str());
    let mut all = revision.schemas.event_types().filter(is_after);
    let types: Vec<_> = all.by_ref().take(MOST).collect();
    let next = all.next().and(types.last());
    let models: Vec<_> = revision.schemas.models().take(MOST).collect();
    let body = html! {
        h1 { "Schemas" }
        p { "What an event must look like to be let in. A file " code { "schemas/TYPE.json" }
            " goes before the built-in one; " code { "schemas/models/MODEL.json" } " judges the entries of a content type." }
        (faults(&revision))
        div.table { table.cards {
            thead { tr { th scope="col" { "Event type" } th scope="col" { "From" } th scope="col" { "Example" } th scope="col" { "What it is" } } }
            tbody { @for name in types.iter().copied() { (row(&revision.schemas, name)) } }
        } }
        nav.pager aria-label="Pages of the list" {
            @if after.is_some() { a.button href="/schemas" { "First" } }
            @if let Some(last) = next { a.button rel="next" href={ "/schemas?after=" (last) } { "Next" } }
        }
        @if !models.is_empty() {
            h2 { "Content types" }
            ul { @for model in &models { li { code { "schemas/models/" (model) ".json" } } } }
        }
    };
    Page::new(Nav::Schemas, "Schemas", body)
}

fn after(uri: &Uri) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.find_map(|(name, value)| (name == "after").then(|| value.into_owned()))
}

fn row(schemas: &SchemaSet, name: &str) -> Markup {
    let about = text(schemas, name, "description").or_else(|| text(schemas, name, "title"));
    html! {
        tr {
            th scope="row" { a href={ "/schemas/" (name) } { (name) } }
            td.tight data-label="From" { @if schemas.is_built_in(name) { "built in" } @else { "folder" } }
            td data-label="Example" { @if schemas.example(name).is_some() { "yes" } @else { span.muted { "no" } } }
            td data-label="What it is" { (about.map(|about| inert(&about)).unwrap_or_default()) }
        }
    }
}

fn text(schemas: &SchemaSet, name: &str, key: &str) -> Option<String> {
    Some(schemas.document(name)?.get(key)?.as_str()?.to_owned())
}

/// What is wrong with files of the folder.
fn faults(revision: &Revision) -> Markup {
    let found = revision.faults.iter().filter(|fault| fault.file.starts_with("schemas/"));
    let found: Vec<&Fault> = found.take(MOST).collect();
    html! {
        @if !found.is_empty() {
            section.told.bad aria-label="Faults" {
                p { strong { "Files that cannot be taken as they are" } }
                @for fault in &found { p { (inert(&fault.to_string())) } }
                p.hint { "Mend the file: it is read again at once. " code { "hookwright check" } " says the same." }
            }
        }
    }
}

pub(super) async fn one(State(admin): Admin, ask: Ask, Path(name): Path<String>) -> Result<Page, Problem> {
    let revision = admin.live.load_full();
    let schemas = &revision.schemas;
    let Some(document) = schemas.document(&name) else {
        return Err(Problem::new(
            Kind::NotFound,
            "There is no schema for this event type. The page Schemas lists all.",
        ));
    };
    let example = schemas.example(&name);
    let is_built_in = schemas.is_built_in(&name);
    let body = html! {
        h1 { (name) }
        @if let Some(about) = text(schemas, &name, "description").or_else(|| text(schemas, &name, "title")) { p.lead { (inert(&about)) } }
        p {
            @if is_built_in {
                (badge("", "built in")) " A file " code { "schemas/" (name) ".json" } " in the home folder goes before it."
            } @else {
                (badge("", "folder")) " From " code { "schemas/" (name) ".json" } "."
            }
        }
        h2 { "Who wants it" }
        (wanted(&revision, &name, example.is_some() && ask.may(Role::Operator)))
        @if let Some(example) = example {
            h2 { "Example" }
            (pretty(example))
        } @else {
            h2 { "Example" }
            p.muted { "None. Put one into " code { "examples" } " of the schema, and webhooks can be tried with it." }
        }
        h2 { "Schema" }
        (pretty(document))
    };
    Ok(Page::new(Nav::Schemas, format!("Schema of {name}"), body))
}

fn pretty(value: &Value) -> Markup {
    html! { pre tabindex="0" { (inert(&format!("{value:#}"))) } }
}

fn wanted(revision: &Revision, name: &str, may_try: bool) -> Markup {
    let event_type = name.parse::<EventType>().ok();
    let wants =
        revision.webhooks.values().filter(|webhook| event_type.as_ref().is_some_and(|of| webhook.wants_type(of)));
    let found: Vec<_> = wants.collect();
    html! {
        @if found.is_empty() {
            p.muted { "No webhook. " a href="/webhooks" { "Webhooks" } }
        } @else {
            ul {
                @for webhook in found.iter().take(MOST_WEBHOOKS) {
                    li {
                        a href={ "/webhooks/" (webhook.id) } { (inert(&webhook.name)) }
                        @if !webhook.enabled { " " (badge("", "off")) }
                        @if may_try { ", " a href={ "/webhooks/" (webhook.id) "/try?sample=" (name) } { "try it with the example" } }
                    }
                }
            }
            @if found.len() > MOST_WEBHOOKS { p { "And " (found.len() - MOST_WEBHOOKS) " more." } }
        }
    }
}

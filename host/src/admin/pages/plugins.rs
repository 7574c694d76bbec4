//! Plugins: what is in force and how it does, what each may do, and putting one in its place.

mod one;
mod shadows;
mod upload;

use std::collections::BTreeMap;

use axum::extract::State;
use http::Uri;
use maud::{Markup, html};

pub(super) use self::one::one;
pub(super) use self::upload::{form, upload};
use super::door::Ask;
use super::figures;
use super::frame::{Nav, Page};
use super::parts::{badge, inert, time};
use crate::access::Role;
use crate::admin::status::{PluginStatus, plugin_statuses};
use crate::admin::{Admin, AdminState};
use crate::clock::{self, Timestamp};
use crate::ids::{Digest, PluginName};
use crate::kept;
use crate::revision::{Fault, Revision};
use crate::tasks;

/// Of one page.
const MOST: usize = 50;

pub(super) async fn list(State(admin): Admin, ask: Ask) -> Page {
    let revision = admin.live.load_full();
    let after = after(&ask.uri);
    let statuses = plugin_statuses(&revision, &admin.dispatcher);
    let mut all = statuses.iter().filter(|status| after.as_ref().is_none_or(|after| status.name > *after));
    let shown: Vec<_> = all.by_ref().take(MOST).collect();
    let next = all.next().and(shown.last()).map(|last| &last.name);
    let since = since(&admin, shown.iter().map(|status| (status.name.clone(), status.digest)).collect()).await;
    let body = html! {
        div.head {
            h1 { "Plugins" }
            @if ask.may(Role::Admin) { div.actions { a.button href="/plugins/upload" { "Upload a plugin" } } }
        }
        (faults(&revision, None))
        @if statuses.is_empty() {
            div.empty {
                p { "There is no plugin. This puts one there that comes with hookwright:" }
                p { code { "hookwright plugin add NAME" } }
                p { "and this makes a new one: " code { "hookwright plugin new NAME" } }
            }
        } @else {
            (table(&revision, &shown, &since))
            nav.pager aria-label="Pages of the list" {
                @if after.is_some() { a.button href="/plugins" { "First" } }
                @if let Some(last) = next { a.button rel="next" href={ "/plugins?after=" (last) } { "Next" } }
            }
        }
        (shadows::summaries(&admin.shadows.summaries()))
    };
    Page::new(Nav::Plugins, "Plugins", body)
}

fn after(uri: &Uri) -> Option<PluginName> {
    let mut pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.find_map(|(name, value)| if name == "after" { value.parse().ok() } else { None })
}

/// Since when versions are in force, as the histories beside the kept versions say.
async fn since(admin: &AdminState, of: Vec<(PluginName, Digest)>) -> BTreeMap<PluginName, Timestamp> {
    let home = admin.home.clone();
    tasks::blocking(move || {
        let newest = |(name, digest): (PluginName, Digest)| {
            let newest = kept::history(&home, &name).pop().filter(|newest| newest.digest == digest)?;
            Some((name, newest.since))
        };
        of.into_iter().filter_map(newest).collect()
    })
    .await
}

fn table(revision: &Revision, shown: &[&PluginStatus], since: &BTreeMap<PluginName, Timestamp>) -> Markup {
    let now = clock::now();
    let users = |name: &PluginName| {
        revision.webhooks.values().filter(|webhook| webhook.plugins.iter().any(|used| used.plugin == *name)).count()
    };
    html! {
        div.table { table.cards {
            thead { tr {
                th scope="col" { "Name" } th scope="col" { "Version" } th scope="col" { "In force since" }
                th.num scope="col" { "Runs" } th.num scope="col" { "Breaks" } th.num scope="col" { "Webhooks" } th scope="col" { "State" }
            } }
            tbody {
                @for status in shown {
                    tr {
                        th scope="row" { a href={ "/plugins/" (status.name) } { (status.name) } }
                        td data-label="Version" { span { (inert(&status.version)) " " code { (status.digest.short()) } } }
                        td.tight data-label="In force since" { @if let Some(since) = since.get(&status.name) { (time(*since, now)) } @else { "unknown" } }
                        td.num data-label="Runs" { (figures::count(status.runs)) }
                        td.num data-label="Breaks" { (figures::count(status.breaks)) }
                        td.num data-label="Webhooks" { (users(&status.name)) }
                        td data-label="State" { (state(revision, status)) }
                    }
                }
            }
        } }
    }
}

/// Stopped for some, not in force as its file is, or well.
fn state(revision: &Revision, status: &PluginStatus) -> Markup {
    let file = file(&status.name);
    let is_faulty = revision.faults.iter().any(|fault| fault.file == file);
    html! {
        @if !status.stopped.is_empty() {
            span { (badge("bad", "stopped")) " for " (figures::of(status.stopped.len() as u64, "webhook", "webhooks")) }
        } @else if is_faulty {
            (badge("warn", "file not taken"))
        } @else {
            (badge("good", "in force"))
        }
    }
}

fn file(name: &PluginName) -> String {
    format!("plugins/{name}.wasm")
}

/// Of all plugin files, or of one.
fn faults(revision: &Revision, name: Option<&PluginName>) -> Markup {
    let wanted = name.map(file);
    let is_wanted = |fault: &&Fault| match &wanted {
        Some(file) => fault.file == *file,
        None => fault.file.starts_with("plugins/"),
    };
    let found: Vec<_> = revision.faults.iter().filter(is_wanted).take(MOST).collect();
    html! {
        @if !found.is_empty() {
            section.told.bad aria-label="Faults" {
                p { strong { "Files that are not in force as they are" } }
                @for fault in &found { p { (inert(&fault.to_string())) } }
                p.hint {
                    "Copy a mended file there, or, if there is an earlier version, go back with "
                    code { "hookwright plugin rollback NAME" } "."
                }
            }
        }
    }
}

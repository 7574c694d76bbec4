//! One plugin: what it says of itself, what it may do, how it does, who uses it, and the versions there were.

use std::sync::Arc;

use axum::extract::{Path, State};
use maud::{Markup, html};

use super::super::door::Ask;
use super::super::figures;
use super::super::frame::{Nav, Page};
use super::super::parts::{badge, inert, time};
use super::{faults, shadows};
use crate::access::Role;
use crate::admin::plugins::{FullPlugin, absent};
use crate::admin::{Admin, AdminState, params};
use crate::clock;
use crate::dispatch::Stopped;
use crate::http::problem::Problem;
use crate::ids::PluginName;
use crate::kept;
use crate::plugin::{Anatomy, EngineKind, MAX_OUTPUT_BYTES, Plugin, capability};
use crate::shadow::ShadowView;
use crate::tasks;

/// Webhooks and versions shown.
const MOST: usize = 50;

pub(in super::super) async fn one(State(admin): Admin, ask: Ask, Path(name): Path<String>) -> Result<Page, Problem> {
    let name: PluginName = params::id(&name)?;
    let revision = admin.live.load_full();
    let plugin = revision.plugins.get(&name).ok_or_else(|| absent(&name))?;
    let full = admin.full_plugin(name.clone()).await?;
    let anatomy = anatomy(&admin, plugin).await;
    let shadows = admin.shadows.views(None);
    let of_this = |view: &&ShadowView| view.summary.plugin.name == name || view.summary.shadow.name == name;
    let shadows: Vec<_> = shadows.iter().filter(of_this).collect();
    let body = html! {
        div.head {
            h1 { (name) }
            @if ask.may(Role::Admin) { div.actions { a.button href={ "/plugins/upload?name=" (name) } { "Upload another version" } } }
        }
        p.lead { (inert(&plugin.manifest.description)) }
        (faults(&revision, Some(&name)))
        @for stopped in full.status.stopped.iter().take(MOST) { (is_stopped(stopped)) }
        dl.facts {
            dt { "Version" } dd { (inert(&plugin.manifest.version)) }
            dt { "Digest" } dd { code { (plugin.digest) } }
            dt { "Runs" } dd { (figures::count(full.status.runs)) " since it was loaded, " (figures::count(full.status.breaks)) " broke" }
        }
        (may(plugin, anatomy.as_ref()))
        h2 { "Webhooks" }
        (webhooks(&full))
        @if !shadows.is_empty() {
            h2 { "Shadows" }
            (shadows::views(&shadows))
        }
        h2 { "Versions" }
        (versions(&full, plugin))
        h2 { "Config" }
        @match &full.config_schema {
            Some(schema) => { pre tabindex="0" { (inert(&format!("{schema:#}"))) } }
            None => { p.muted { "It says nothing of its config: any is taken." } }
        }
    };
    Ok(Page::new(Nav::Plugins, format!("Plugin {name}"), body))
}

/// Of the bytes in force, which are kept.
async fn anatomy(admin: &AdminState, plugin: &Arc<Plugin>) -> Option<Anatomy> {
    let (home, name, digest) = (admin.home.clone(), plugin.name.clone(), plugin.digest);
    tasks::blocking(move || kept::read(&home, &name, digest).ok().map(|wasm| Anatomy::of(&wasm))).await
}

fn is_stopped(stopped: &Stopped) -> Markup {
    html! {
        div.told.bad {
            p { strong { "It is not run any more for " a href={ "/webhooks/" (stopped.webhook) } { (stopped.webhook) } ": it broke "
                (stopped.breaks) " times in a row, " (time(stopped.since, clock::now())) "." } }
            p { (inert(&stopped.reason)) }
            p.hint { "It is run again once its version, its config or its limits change." }
        }
    }
}

/// What it can reach, and how far.
fn may(plugin: &Plugin, anatomy: Option<&Anatomy>) -> Markup {
    let (fuel, memory_bytes) = plugin.limits();
    let kind = match plugin.kind() {
        EngineKind::Small => "small: many at once",
        EngineKind::Large => "large: it brings a runtime along; few at once, on threads that give way",
    };
    html! {
        h2 { "What it may do" }
        p { "Nothing but what stands here: no network, no files, no clock that moves." }
        @if let Some(anatomy) = anatomy {
            @if anatomy.imports.is_empty() { p.muted { "It asks for nothing." } }
            ul { @for import in &anatomy.imports { li { code { (inert(import)) } " " span.muted { (capability(import)) } } } }
        } @else {
            p.muted { "Its file is not kept, so what it asks for is not known here." }
        }
        dl.facts {
            dt { "Engine" } dd { (kind) }
            dt { "Fuel of a run" } dd { (figures::count(fuel)) }
            dt { "Memory of a run" } dd { (figures::bytes(memory_bytes as u64)) }
            dt { "Payload it may answer" } dd { (figures::bytes(MAX_OUTPUT_BYTES as u64)) ", or twice the event's" }
        }
        p.hint { "Limits are set in " code { "plugins.limits" } " of " code { "config/server.json" } "." }
    }
}

fn webhooks(full: &FullPlugin) -> Markup {
    html! {
        @if full.webhooks.is_empty() {
            p.muted { "It is in no chain. A webhook names it in " code { "plugins" } "." }
        } @else {
            ul { @for webhook in full.webhooks.iter().take(MOST) { li { a href={ "/webhooks/" (webhook) } { (webhook) } } } }
            @if full.webhooks.len() > MOST { p { "And " (full.webhooks.len() - MOST) " more." } }
        }
    }
}

fn versions(full: &FullPlugin, plugin: &Plugin) -> Markup {
    let now = clock::now();
    html! {
        @if full.versions.is_empty() {
            p.muted { "None is on record." }
        } @else {
            div.table { table.cards {
                thead { tr { th scope="col" { "Version" } th scope="col" { "Digest" } th scope="col" { "Since" } th scope="col" { "To go back" } } }
                tbody {
                    @for version in full.versions.iter().take(MOST) {
                        tr {
                            th scope="row" { (inert(&version.version)) }
                            td data-label="Digest" { code { (version.digest.short()) } }
                            td.tight data-label="Since" { (time(version.since, now)) }
                            td data-label="To go back" {
                                @if version.digest == plugin.digest { (badge("good", "in force")) }
                                @else { code { "hookwright plugin rollback " (plugin.name) " " (version.digest.short()) } }
                            }
                        }
                    }
                }
            } }
        }
    }
}

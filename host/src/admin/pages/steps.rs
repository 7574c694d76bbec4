//! What each plugin of a chain did: payload and headers before and after, and the evidence of its run.

use maud::{Markup, html};

use super::diff::diff;
use super::figures;
use super::parts::{badge, inert};
use crate::admin::steps::without_secrets;
use crate::delivery::{Changes, PluginRun, RunVerdict};
use crate::event::Event;
use crate::plugin::Handed;

/// The chain over `event`, plugin by plugin; `handed` as a trial or a repetition kept it.
pub(in crate::admin) fn steps(event: &Event, runs: &[PluginRun], handed: &[Handed]) -> Markup {
    let nothing = Changes::default();
    html! {
        @if runs.is_empty() {
            p.muted { "No plugin: the event goes out byte for byte." }
        } @else {
            ol.handed {
                @for (index, run) in runs.iter().enumerate() {
                    @let earlier = index.checked_sub(1).and_then(|before| handed.get(before));
                    @let before = earlier.and_then(|step| step.changes.as_ref()).unwrap_or(&nothing);
                    li.card {
                        (evidence(run))
                        @match handed.get(index).map(|step| step.changes.as_ref()) {
                            Some(Some(after)) => { (changed(event, before, after)) }
                            Some(None) => { p { "The chain ended here: nothing was handed on." } }
                            None => { p.muted { "What it changed is not shown: the payloads of this chain are too large together." } }
                        }
                        (logs(run))
                    }
                }
            }
        }
    }
}

/// How the run ended and what it took.
fn evidence(run: &PluginRun) -> Markup {
    let PluginRun { plugin, verdict, summary, version, digest, fuel, memory_bytes, micros, .. } = run;
    let colour = match verdict {
        RunVerdict::Delivered => "good",
        RunVerdict::Dropped => "",
        RunVerdict::Failed | RunVerdict::Broke | RunVerdict::Absent | RunVerdict::Stopped => "bad",
    };
    html! {
        div.head {
            h3 { a href={ "/plugins/" (plugin) } { (plugin) } " " (badge(colour, verdict.as_str())) }
            small {
                @if let Some(version) = version { (inert(version)) }
                @if let Some(digest) = digest { " " code { (digest.short()) } }
            }
        }
        p { (inert(summary)) }
        @if digest.is_some() {
            p.hint {
                (figures::count(*fuel)) " units of fuel · " (figures::bytes(*memory_bytes)) " of memory · "
                (figures::span(*micros))
            }
        }
        @if let Some(code) = &run.code { p { "Code: " code { (inert(code)) } } }
        (annotations(&run.annotations))
        @if !run.backtrace.is_empty() {
            details.more {
                summary { "Where it broke off" }
                ol { @for function in &run.backtrace { li { code { (inert(function)) } } } }
            }
        }
    }
}

fn changed(event: &Event, before: &Changes, after: &Changes) -> Markup {
    let payload = |changes: &Changes| changes.data.clone().unwrap_or_else(|| event.data.clone());
    let (headers_before, headers_after) = (headers(before), headers(after));
    html! {
        @if before.data != after.data {
            h4 { "Payload" }
            (diff(&payload(before), &payload(after)))
        }
        @if headers_before != headers_after {
            h4 { "Headers" }
            (diff(headers_before.as_bytes(), headers_after.as_bytes()))
        }
        // A chain only ever adds to them.
        (annotations(after.annotations.get(before.annotations.len()..).unwrap_or_default()))
    }
}

/// What is wanted of headers, one a line.
fn headers(changes: &Changes) -> String {
    let shown = without_secrets(changes);
    let content_type = shown.content_type.iter().map(|value| format!("content-type: {value}\n"));
    let set = shown.set_headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let removed = shown.remove_headers.iter().map(|name| format!("{name} (removed)\n"));
    content_type.chain(set).chain(removed).collect()
}

fn annotations(annotations: &[(String, String)]) -> Markup {
    html! {
        @if !annotations.is_empty() {
            h4 { "Annotations" }
            dl.facts { @for (name, value) in annotations { dt { (inert(name)) } dd { (inert(value)) } } }
        }
    }
}

fn logs(run: &PluginRun) -> Markup {
    html! {
        @if !run.logs.is_empty() || run.logs_cut {
            h4 { "Logs" }
            pre tabindex="0" role="group" aria-label={ "Logs of " (run.plugin) } {
                @for line in &run.logs { (line.level) ": " (inert(&line.message)) "\n" }
                @if run.logs_cut { "… and more" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_shown_without_secrets() {
        let changes = Changes {
            content_type: Some("text/plain".to_owned()),
            set_headers: vec![("x-api-key".to_owned(), "hunter2".to_owned()), ("x-site".to_owned(), "a".to_owned())],
            remove_headers: vec!["traceparent".to_owned()],
            ..Changes::default()
        };
        assert_eq!(headers(&changes), "content-type: text/plain\nx-api-key: …\nx-site: a\ntraceparent (removed)\n");
    }
}

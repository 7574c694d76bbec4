//! What each plugin made of a delivery, and what the chain changed in the end.

use maud::{Markup, html};

use crate::admin::pages::{diff, figures, parts};
use crate::delivery::{ChainRecord, ChainVerdict, Changes, PluginRun, RunVerdict};

/// The evidence of each run, in order.
pub(super) fn runs(chain: &ChainRecord) -> Markup {
    html! {
        @for run in &chain.runs { (one(run)) }
        @if !matches!(chain.verdict, ChainVerdict::Deliver { .. }) {
            p { "Together: " (parts::inert(&chain.verdict.in_words())) "." }
        }
    }
}

fn one(run: &PluginRun) -> Markup {
    let PluginRun { plugin, digest, version, verdict, summary, code, annotations, backtrace, logs, logs_cut, .. } = run;
    let colour = match verdict {
        RunVerdict::Delivered => "good",
        RunVerdict::Dropped => "",
        RunVerdict::Failed | RunVerdict::Broke => "bad",
        RunVerdict::Absent | RunVerdict::Stopped => "warn",
    };
    html! {
        div.card {
            h3 { a href={ "/plugins/" (plugin) } { (plugin) } " " (parts::badge(colour, verdict.as_str())) }
            p { (parts::inert(summary)) @if let Some(code) = code { " " code { (parts::inert(code)) } } }
            (cost(run))
            @if !annotations.is_empty() { h4 { "Annotations" } (parts::headers(annotations)) }
            @if !logs.is_empty() {
                h4 { "Logs" }
                pre tabindex="0" { @for line in logs { (line.level) " " (parts::inert(&line.message)) "\n" } }
            }
            @if *logs_cut { p.hint { "More was logged than is kept." } }
            @if !backtrace.is_empty() {
                details.more {
                    summary { "Where it broke off" }
                    pre tabindex="0" { @for frame in backtrace { (parts::inert(frame)) "\n" } }
                }
            }
            @if digest.is_some() || version.is_some() {
                p.hint {
                    @if let Some(version) = version { "Version " (parts::inert(version)) " " }
                    @if let Some(digest) = digest { code title=(digest) { (digest.short()) } }
                }
            }
        }
    }
}

fn cost(run: &PluginRun) -> Markup {
    let PluginRun { fuel, memory_bytes, micros, binding, .. } = run;
    html! {
        dl.facts {
            dt { "Time" } dd { (figures::span(*micros)) }
            dt { "Fuel" } dd { (grouped(*fuel)) @if let Some(binding) = binding { span.muted { " of " (grouped(binding.fuel)) } } }
            dt { "Memory" } dd { (size(*memory_bytes)) @if let Some(binding) = binding { span.muted { " of " (size(binding.memory_bytes)) } } }
        }
    }
}

/// From what came in to what goes out.
pub(super) fn changes(before: &[u8], chain: &ChainRecord) -> Markup {
    let ChainVerdict::Deliver { changes } = &chain.verdict else { return html! {} };
    let Changes { data, content_type, set_headers, remove_headers, annotations } = changes;
    html! {
        (diff::diff(before, data.as_deref().unwrap_or(before)))
        @if content_type.is_some() || !set_headers.is_empty() || !remove_headers.is_empty() {
            dl.facts {
                @if let Some(content_type) = content_type { dt { "Content type" } dd { code { (parts::inert(content_type)) } } }
                @for (name, value) in set_headers { dt { "Set " code { (name) } } dd { code { (parts::inert(value)) } } }
                @for name in remove_headers { dt { "Removed" } dd { code { (parts::inert(name)) } } }
            }
        }
        @if !annotations.is_empty() { h3 { "Annotations" } (parts::headers(annotations)) }
    }
}

/// `1 234 567`, with thin spaces.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let told: Vec<_> = [7, 123, 1_234, 1_234_567].map(grouped).into();
        assert_eq!(told, ["7", "123", "1\u{2009}234", "1\u{2009}234\u{2009}567"]);
    }
}

//! What a plugin made of an event, for people: verdict, logs, headers, and the payload line by line.

use std::fmt::Write as _;

use owo_colors::Style;
use serde_json::{Value, json};

use super::super::{delivery, diff, screen};
use crate::author::replay::{Replay, changes};
use crate::delivery::Changes;
use crate::event::Event;

pub(super) fn as_text(event: &Event, replay: &Replay) -> String {
    let Replay { before, after } = replay;
    let Some(left) = changes(before) else {
        let ended = before.runs.last().map(|run| delivery::plugin_run(&json!(run))).unwrap_or_default();
        return format!("  a plugin before it ends the chain\n{ended}");
    };
    let text = after.runs.last().map(|run| delivery::plugin_run(&json!(run))).unwrap_or_default();
    changes(after).map_or(text.clone(), |wanted| text + &self::wanted(event, left, wanted))
}

/// What a plugin wants changed beyond what those before it did: lines that each begin with a line end.
pub(super) fn wanted(event: &Event, left: &Changes, wanted: &Changes) -> String {
    let mut text = String::new();
    for line in headers(left, wanted) {
        let _ = write!(text, "\n  {line}");
    }
    let payload = |changes: &Changes| changes.data.clone().unwrap_or_else(|| event.data.clone());
    let (old, new) = (payload(left), payload(wanted));
    if old == new {
        return text + "\n  the payload stays byte for byte";
    }
    match (serde_json::from_slice::<Value>(&old), serde_json::from_slice::<Value>(&new)) {
        (Ok(old), Ok(new)) => {
            let _ = write!(text, "\n{}", diff::rendered(&old, &new, 2));
        }
        _ => {
            let _ = write!(text, "\n  the payload was {} bytes and is {} bytes, not JSON", old.len(), new.len());
        }
    }
    text
}

/// The headers that the plugin sets or removes, beyond what those before it did.
fn headers(before: &Changes, after: &Changes) -> Vec<String> {
    let set = after.set_headers.iter().filter(|header| !before.set_headers.contains(header));
    let removed = after.remove_headers.iter().filter(|name| !before.remove_headers.contains(name));
    let set = set.map(|(name, value)| screen::styled(&format!("+ {name}: {value}"), Style::new().green()));
    set.chain(removed.map(|name| screen::styled(&format!("- {name}"), Style::new().red()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_plugin_itself_did_to_headers_is_shown() {
        let pair = |name: &str| (name.to_owned(), "1 \u{1b}[2J".to_owned());
        let before =
            Changes { set_headers: vec![pair("x-a")], remove_headers: vec!["x-b".into()], ..Changes::default() };
        let set_headers = vec![pair("x-a"), pair("x-c")];
        let after = Changes { set_headers, remove_headers: vec!["x-b".into(), "x-d".into()], ..Changes::default() };
        let lines: Vec<_> = headers(&before, &after).iter().map(|line| screen::uncoloured(line)).collect();
        assert_eq!(lines, [r"+ x-c: 1 \u{1b}[2J", "- x-d"]);
    }
}

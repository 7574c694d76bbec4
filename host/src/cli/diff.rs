//! What changed between two JSON documents, line by line, by structure: neither order nor white space counts.
//! Members stand in the order of the old document, new ones after them.

use owo_colors::Style;
use serde_json::{Map, Value};

use super::screen;

/// What a line says of the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Same,
    Removed,
    Added,
}

/// The document `after`, with what `before` had otherwise. Lines are marked ` `, `-` or `+` and start `indent`
/// spaces in; text from the documents is inert.
pub(super) fn rendered(before: &Value, after: &Value, indent: usize) -> String {
    let mut lines = Vec::new();
    compare("", before, after, 0, &mut lines);
    let line = |(mark, depth, text): &(Mark, usize, String)| {
        let (sign, style) = match mark {
            Mark::Same => (' ', Style::new().dimmed()),
            Mark::Removed => ('-', Style::new().red()),
            Mark::Added => ('+', Style::new().green()),
        };
        let text = format!("{sign} {}{}", "  ".repeat(*depth), screen::shortened(text, LINE_CHARS));
        format!("{}{}", " ".repeat(indent), screen::styled(&text, style))
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Longer lines are cut.
const LINE_CHARS: usize = 100;

type Lines = Vec<(Mark, usize, String)>;

fn compare(label: &str, before: &Value, after: &Value, depth: usize, lines: &mut Lines) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) if !(before.is_empty() && after.is_empty()) => {
            lines.push((Mark::Same, depth, format!("{label}{{")));
            compare_members(before, after, depth + 1, lines);
            lines.push((Mark::Same, depth, "}".into()));
        }
        _ if before == after => lines.push((Mark::Same, depth, format!("{label}{after}"))),
        _ => {
            lines.push((Mark::Removed, depth, format!("{label}{before}")));
            lines.push((Mark::Added, depth, format!("{label}{after}")));
        }
    }
}

fn compare_members(before: &Map<String, Value>, after: &Map<String, Value>, depth: usize, lines: &mut Lines) {
    let label = |name: &str| format!("{}: ", Value::from(name));
    for (name, before) in before {
        match after.get(name) {
            Some(after) => compare(&label(name), before, after, depth, lines),
            None => lines.push((Mark::Removed, depth, format!("{}{before}", label(name)))),
        }
    }
    for (name, after) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        lines.push((Mark::Added, depth, format!("{}{after}", label(name))));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn shows_what_was_removed_masked_and_added() {
        let before = json!({"event": "entry.create", "entry": {"id": 1, "postal_code": null, "full_name": "Paris", "images": []}});
        let after =
            json!({"entry": {"id": 1, "full_name": "***", "images": [], "note": "\u{9b}2J"}, "event": "entry.create"});
        insta::assert_snapshot!(screen::uncoloured(&rendered(&before, &after, 2)), @r#"
          {
            "event": "entry.create"
            "entry": {
              "id": 1
        -     "postal_code": null
        -     "full_name": "Paris"
        +     "full_name": "***"
              "images": []
        +     "note": "\u{9b}2J"
            }
          }
        "#);
    }

    #[test]
    fn long_values_are_cut() {
        let value = json!({"text": "x".repeat(1_000)});
        assert!(screen::uncoloured(&rendered(&value, &value, 0)).lines().all(|line| line.chars().count() < 120));
    }

    proptest! {
        #[test]
        fn equal_documents_have_no_marks(keys in prop::collection::btree_map("[a-z]{1,3}", any::<i32>(), 0..6)) {
            let document = json!({"entry": keys});
            let text = screen::uncoloured(&rendered(&document, &document, 0));
            prop_assert!(text.lines().all(|line| line.starts_with("  ")));
        }
    }
}

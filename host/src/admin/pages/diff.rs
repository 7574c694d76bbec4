//! Two texts, line by line: what went and what came, with some of what stayed around it.

use std::time::Duration;

use maud::{Markup, html};
use similar::{ChangeTag, TextDiff};

use super::parts::readable;

/// Lines that stayed, around each that did not.
const AROUND: usize = 3;
/// Then what is left is taken as replaced.
const LONGEST: Duration = Duration::from_millis(50);
/// More bytes are compared as a whole: what a plugin does to a megabyte is not read line by line.
const MOST_COMPARED_BYTES: usize = 128 << 10;

/// What made `after` of `before`. JSON is compared by its lines, whatever white space it had.
pub(in crate::admin) fn diff(before: &[u8], after: &[u8]) -> Markup {
    if before == after {
        return html! { p.muted { "Unchanged." } };
    }
    if before.len().max(after.len()) > MOST_COMPARED_BYTES {
        return html! { p.muted { "Changed: " (before.len()) " bytes before, " (after.len()) " bytes after." } };
    }
    let (before, after) = (readable(before), readable(after));
    if before == after {
        return html! { p.muted { "The same JSON, in other bytes." } };
    }
    let diff = TextDiff::configure().timeout(LONGEST).diff_lines(&before, &after);
    html! {
        div.diff tabindex="0" role="group" aria-label="Difference: lines that went and lines that came" {
            @for (index, group) in diff.grouped_ops(AROUND).iter().enumerate() {
                @if index > 0 { span.muted { "⋯" } }
                @for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                    @let line = change.value().trim_end_matches('\n');
                    @match change.tag() {
                        ChangeTag::Delete => { del { "− " (line) } }
                        ChangeTag::Insert => { ins { "+ " (line) } }
                        ChangeTag::Equal => { span { "  " (line) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_went_and_came_are_marked_and_stay_text() {
        let shown = diff(br#"{"a":1,"b":"<i>"}"#, br#"{"a":2,"b":"<i>"}"#).into_string();
        assert!(shown.contains("<del>−   &quot;a&quot;: 1,</del><ins>+   &quot;a&quot;: 2,</ins>"), "{shown}");
        assert!(shown.contains("&lt;i&gt;") && !shown.contains("<i>"), "{shown}");
        assert!(diff(b"{}", b"{}").into_string().contains("Unchanged"));
        assert!(diff(b"{}", b"{ }").into_string().contains("The same JSON"));
    }
}

//! What people see: marks, colours, aligned tables. Text from outside passes through [`inert`] on its way.
//!
//! Everything is built with colours; they are taken out on the way to anything that is not a terminal, or
//! where `NO_COLOR` asks for it.

use std::borrow::Cow;
use std::io::Write as _;

use owo_colors::{OwoColorize as _, Style};

pub(super) use crate::inert::{inert, inert_lines};

/// Standard output cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub(super) struct Closed(#[source] std::io::Error);

/// Prints text and a line end.
///
/// # Errors
/// When nobody reads any more: long-running commands end then.
pub(super) fn line(text: &str) -> Result<(), Closed> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Closed)
}

/// Prints an error on stderr. Nothing more can be done when that fails.
pub(super) fn complain(text: &str) {
    let _ = writeln!(anstream::stderr(), "{} {}", "error:".red().bold(), inert_lines(text));
}

/// Says on stderr what happens, beside what a command answers.
pub(super) fn remark(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", inert_lines(text));
}

/// At most `chars` characters of a text, and an ellipsis where it was cut.
pub(super) fn shortened(text: &str, chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

/// A number of things: `1 plugin`, `2 plugins`.
pub(super) fn counted(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// A size: `193 KB`.
pub(super) fn kilobytes(bytes: usize) -> String {
    format!("{} KB", bytes.div_ceil(1000))
}

/// The colour of a delivery's state.
pub(super) fn state_style(state: &str) -> Style {
    match state {
        "delivered" => Style::new().green(),
        "dropped" | "superseded" => Style::new().cyan(),
        "retrying" | "held" => Style::new().yellow(),
        "failed" => Style::new().red(),
        _ => Style::new(),
    }
}

/// The mark of a delivery's state.
pub(super) fn state_mark(state: &str) -> char {
    match state {
        "delivered" => '✓',
        "dropped" | "superseded" => '⊘',
        "failed" => '✗',
        "retrying" => '↻',
        _ => '…',
    }
}

/// A heading over a part of a screen.
pub(super) fn heading(text: &str) -> String {
    inert(text).bold().to_string()
}

/// Something of less interest.
pub(super) fn faint(text: &str) -> String {
    inert(text).dimmed().to_string()
}

/// A command to type.
pub(super) fn command(text: &str) -> String {
    inert(text).cyan().to_string()
}

/// Text in a colour.
pub(super) fn styled(text: &str, style: Style) -> String {
    inert(text).style(style).to_string()
}

/// Columns that line up.
pub(super) struct Table {
    rows: Vec<Vec<(String, Style)>>,
}

impl Table {
    pub(super) fn new<const N: usize>(headings: [&str; N]) -> Self {
        let style = Style::new().dimmed();
        Self { rows: vec![headings.map(|heading| (heading.to_owned(), style)).into()] }
    }

    /// Rows without headings.
    pub(super) fn bare() -> Self {
        Self { rows: Vec::new() }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [(String, Style); N]) {
        self.rows.push(cells.map(|(text, style)| (inert(&text).into_owned(), style)).into());
    }

    /// The rows, `indent` spaces in, without a line end at the end.
    pub(super) fn render(&self, indent: usize) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| chars(text)).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let lines: Vec<String> = self.rows.iter().map(|row| render_row(row, &widths, indent)).collect();
        lines.join("\n")
    }
}

fn render_row(row: &[(String, Style)], widths: &[usize], indent: usize) -> String {
    let mut line = " ".repeat(indent);
    // Nothing is padded that nothing follows.
    let last = row.iter().rposition(|(text, _)| !text.is_empty()).unwrap_or(0);
    for (index, ((text, style), width)) in row.iter().zip(widths).take(last + 1).enumerate() {
        line.push_str(&text.style(*style).to_string());
        if index < last {
            line.push_str(&" ".repeat(width.saturating_sub(chars(text)) + 2));
        }
    }
    line
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// A table cell in the usual colour.
pub(super) fn plain(text: impl Into<String>) -> (String, Style) {
    (text.into(), Style::new())
}

/// A table cell of less interest.
pub(super) fn dim(text: impl Into<String>) -> (String, Style) {
    (text.into(), Style::new().dimmed())
}

/// A table cell with a delivery's state.
pub(super) fn state(state: impl Into<String>) -> (String, Style) {
    let state = state.into();
    let style = state_style(&state);
    (state, style)
}

/// Text as it is without colours: for files, and for tests.
pub(super) fn uncoloured(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_they_hold() {
        let mut table = Table::new(["ID", "CITY", "STATE"]);
        table.row([plain("1"), plain("Zürich"), state("delivered")]);
        table.row([plain("12"), plain("\u{1b}[2J"), state("failed")]);
        table.row([plain("123"), plain(""), plain("")]);
        insta::assert_snapshot!(uncoloured(&table.render(2)), @r"
          ID   CITY       STATE
          1    Zürich     delivered
          12   \u{1b}[2J  failed
          123
        ");
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(shortened("Zürich", 2), "Zü…");
        assert_eq!(shortened("Zürich", 6), "Zürich");
    }
}

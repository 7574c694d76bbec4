//! The lines a plugin logs during one run, up to a limit.

use super::super::contract::Level;
use super::super::words::cut;
use crate::delivery::LogLine;

/// Lines kept of one run: more nobody reads.
const MAX_LOG_LINES: usize = 100;
/// Bytes kept of one run; kept with the delivery, so they cost disk.
const MAX_LOG_BYTES: usize = 16 << 10;
/// Bytes kept of one line.
const MAX_LINE_BYTES: usize = 2 << 10;

/// What was logged.
#[derive(Default)]
pub(in super::super) struct LogBook {
    lines: Vec<LogLine>,
    bytes: usize,
    cut: bool,
    /// The last critical line, kept even when there is no room for it: it says why the plugin aborted.
    critical: Option<String>,
}

/// What is worth keeping of a line.
pub(in super::super) struct Excerpt {
    /// `None`: there is no room for it.
    text: Option<String>,
    whole: bool,
}

impl LogBook {
    /// The part of a line to keep. Apart from [`Self::add`] because `text` lies in the guest's memory, which
    /// cannot be borrowed while the book is written.
    pub(in super::super) fn excerpt(&self, level: Level, text: &str) -> Excerpt {
        let kept = cut(text, MAX_LINE_BYTES);
        let wanted = self.has_room_for(kept) || matches!(level, Level::Critical);
        Excerpt { text: wanted.then(|| kept.to_owned()), whole: kept.len() == text.len() }
    }

    pub(in super::super) fn add(&mut self, level: Level, excerpt: Excerpt) {
        self.cut |= !excerpt.whole;
        if let (Level::Critical, Some(text)) = (level, &excerpt.text) {
            self.critical = Some(text.clone());
        }
        match excerpt.text {
            Some(message) if self.has_room_for(&message) => {
                self.bytes += message.len();
                self.lines.push(LogLine { level: name(level).to_owned(), message });
            }
            _ => self.cut = true,
        }
    }

    fn has_room_for(&self, line: &str) -> bool {
        self.lines.len() < MAX_LOG_LINES && self.bytes + line.len() <= MAX_LOG_BYTES
    }

    pub(in super::super) fn critical(&self) -> Option<&str> {
        self.critical.as_deref()
    }

    /// The lines, and whether any are missing or cut.
    pub(in super::super) fn into_lines(self) -> (Vec<LogLine>, bool) {
        (self.lines, self.cut)
    }
}

const fn name(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(book: &mut LogBook, level: Level, text: &str) {
        book.add(level, book.excerpt(level, text));
    }

    #[test]
    fn keeps_the_first_lines_and_says_that_there_were_more() {
        let mut book = LogBook::default();
        (0..MAX_LOG_LINES).for_each(|number| log(&mut book, Level::Info, &number.to_string()));
        assert!(!book.cut);
        log(&mut book, Level::Warn, "");
        let (lines, cut) = book.into_lines();
        assert_eq!((lines.len(), lines.last().map(|line| line.message.as_str()), cut), (100, Some("99"), true));
    }

    #[test]
    fn cuts_long_lines_between_characters() {
        let mut book = LogBook::default();
        log(&mut book, Level::Info, &format!("x{}", "é".repeat(5_000)));
        let (lines, cut) = book.into_lines();
        assert_eq!((lines[0].message.len(), cut), (MAX_LINE_BYTES - 1, true));
    }

    #[test]
    fn remembers_the_last_words_when_the_book_is_full() {
        let mut book = LogBook::default();
        (0..9).for_each(|_| log(&mut book, Level::Info, &"x".repeat(MAX_LINE_BYTES)));
        log(&mut book, Level::Critical, "index out of bounds");
        assert_eq!(book.critical(), Some("index out of bounds"));
        assert_eq!((book.lines.len(), book.bytes, book.cut), (8, MAX_LOG_BYTES, true));
    }
}

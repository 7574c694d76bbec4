//! Cuts what is written to an output into lines of the log.

use super::super::contract::Level;
use super::super::sandbox::LogBook;

/// More than a log keeps of a line, so that the log knows what it cuts.
const MAX_LINE_BYTES: usize = 4 << 10;

/// One output.
#[derive(Default)]
pub(super) struct Lines {
    /// The line that was begun, up to [`MAX_LINE_BYTES`].
    begun: Vec<u8>,
    last: Option<String>,
}

impl Lines {
    pub(super) fn write(&mut self, bytes: &[u8], level: Level, logs: &mut LogBook) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n");
            let room = MAX_LINE_BYTES - self.begun.len();
            let wanted = text.unwrap_or(piece);
            self.begun.extend_from_slice(&wanted[..wanted.len().min(room)]);
            if text.is_some() {
                self.line(level, logs);
            }
        }
    }

    pub(super) fn end(&mut self, level: Level, logs: &mut LogBook) {
        if !self.begun.is_empty() {
            self.line(level, logs);
        }
    }

    /// The last line that was not blank.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    fn line(&mut self, level: Level, logs: &mut LogBook) {
        let text = String::from_utf8_lossy(&self.begun);
        logs.add(level, logs.excerpt(level, &text));
        if !text.trim().is_empty() {
            self.last = Some(text.into_owned());
        }
        self.begun.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_pieces_and_cut_when_long() {
        let (mut lines, mut logs) = (Lines::default(), LogBook::default());
        for piece in ["one", " line\ntwo\n\n", "", "th", "ree"] {
            lines.write(piece.as_bytes(), Level::Info, &mut logs);
        }
        lines.end(Level::Info, &mut logs);
        lines.write(&[b'x'; MAX_LINE_BYTES + 1], Level::Warn, &mut logs);
        lines.write(b"\xff\n\n", Level::Warn, &mut logs);
        assert_eq!(lines.last().map(str::len), Some(MAX_LINE_BYTES));
        let (kept, cut) = logs.into_lines();
        let kept: Vec<_> = kept.iter().map(|line| (line.level.as_str(), line.message.as_str())).collect();
        let long = "x".repeat(2 << 10);
        assert_eq!(
            kept,
            [("info", "one line"), ("info", "two"), ("info", ""), ("info", "three"), ("warn", &long), ("warn", "")]
        );
        assert!(cut);
    }
}

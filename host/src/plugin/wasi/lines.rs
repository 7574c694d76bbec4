//! Cuts what is written to an output into lines of the log.

use super::super::contract::Level;
use super::super::sandbox::LogBook;

/// More than a log keeps of a line, so that the log knows what it cuts.
const MAX_LINE_BYTES: usize = 4 << 10;

/// What runtimes add when they abort, after they said why.
const NOISE: [&str; 5] =
    ["note: run with `RUST_BACKTRACE", "thread '", "Stack:", "Redirecting call to abort()", "Python function threw"];

/// One output.
#[derive(Default)]
pub(super) struct Lines {
    /// The line that was begun, up to [`MAX_LINE_BYTES`].
    begun: Vec<u8>,
    telling: Option<String>,
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

    /// The last line that says something: not a frame of a backtrace, which are indented, and no noise.
    pub(super) fn telling(&self) -> Option<&str> {
        self.telling.as_deref()
    }

    fn line(&mut self, level: Level, logs: &mut LogBook) {
        let text = String::from_utf8_lossy(&self.begun);
        logs.add(level, logs.excerpt(level, &text));
        if is_telling(&text) {
            self.telling = Some(text.into_owned());
        }
        self.begun.clear();
    }
}

fn is_telling(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(char::is_whitespace) && !NOISE.iter().any(|noise| line.starts_with(noise))
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
        assert_eq!(lines.telling().map(str::len), Some(MAX_LINE_BYTES));
        let (kept, cut) = logs.into_lines();
        let kept: Vec<_> = kept.iter().map(|line| (line.level.as_str(), line.message.as_str())).collect();
        let long = "x".repeat(2 << 10);
        assert_eq!(
            kept,
            [("info", "one line"), ("info", "two"), ("info", ""), ("info", "three"), ("warn", &long), ("warn", "")]
        );
        assert!(cut);
    }

    #[test]
    fn the_reason_of_an_abort_is_found_among_what_runtimes_say() {
        for (said, reason) in [
            (
                "Traceback (most recent call last):\n  File \"/0/app.py\", line 10, in transform\nKeyError: 'x'\n\n\
                 thread '<unnamed>' (1) panicked at runtime/src/lib.rs:1293:29:\n\
                 Python function threw an unexpected exception\nnote: run with `RUST_BACKTRACE=1` environment variable\n",
                "KeyError: 'x'",
            ),
            (
                "can't access property \"a\", b is undefined\nStack:\n  f@x.js:1:2\n\nRedirecting call to abort() to x\n\n",
                "can't access property \"a\", b is undefined",
            ),
            ("thread 'main' panicked at src/lib.rs:3:5:\nboom\nnote: run with `RUST_BACKTRACE=1`\n", "boom"),
        ] {
            let (mut lines, mut logs) = (Lines::default(), LogBook::default());
            lines.write(said.as_bytes(), Level::Warn, &mut logs);
            assert_eq!(lines.telling(), Some(reason));
        }
    }
}

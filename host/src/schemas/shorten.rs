//! Texts cut to a length people can read, without building the long text first: what a body contains ends up
//! in answers, logs and terminals.

use std::fmt;
use std::io;

use serde_json::Value;

/// A shown value is at most this long: enough to recognise it.
const VALUE_CHARS: usize = 80;

/// A message is at most this long, the value it shows included.
const MESSAGE_CHARS: usize = 240;

/// No character of UTF-8 is longer.
const BYTES_PER_CHAR: usize = 4;

/// A value as JSON text short enough to show.
pub fn shortened(value: &Value) -> String {
    let mut cut = Cut::new(VALUE_CHARS);
    // The only way to fail is to be full, which `finish` shows.
    let _ = serde_json::to_writer(&mut cut, value);
    cut.finish()
}

/// A message about a body, short enough to show, whatever names and values it repeats.
pub(super) fn message(text: impl fmt::Display) -> String {
    limited(text, MESSAGE_CHARS)
}

/// The first `chars` characters of a text.
pub(super) fn limited(text: impl fmt::Display, chars: usize) -> String {
    let mut cut = Cut::new(chars);
    let _ = fmt::write(&mut cut, format_args!("{text}"));
    cut.finish()
}

/// Takes what fits and then refuses, which makes the writer stop.
struct Cut {
    taken: Vec<u8>,
    chars: usize,
    full: bool,
}

impl Cut {
    fn new(chars: usize) -> Self {
        Self { taken: Vec::with_capacity(chars), chars, full: false }
    }

    fn take(&mut self, bytes: &[u8]) -> bool {
        let room = (self.chars * BYTES_PER_CHAR).saturating_sub(self.taken.len());
        self.full |= bytes.len() > room;
        self.taken.extend(bytes.iter().take(room));
        !self.full
    }

    /// Cut between characters; control characters, which a terminal would obey, replaced.
    fn finish(self) -> String {
        let whole = self.taken.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let cut = self.full || whole.chars().nth(self.chars).is_some();
        let kept = if cut { self.chars.saturating_sub(1) } else { self.chars };
        let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        whole.chars().take(kept).map(visible).chain(cut.then_some('…')).collect()
    }
}

impl io::Write for Cut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.take(bytes) { Ok(bytes.len()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.take(text.as_bytes()) { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn shows_short_values_whole_and_cuts_long_ones() {
        assert_eq!(shortened(&json!({"id": 1})), r#"{"id":1}"#);
        assert_eq!(shortened(&json!("é".repeat(78))).chars().count(), 80);
        let cut = shortened(&json!(vec!["é\u{1b}[2J"; 1000]));
        assert_eq!(cut.chars().count(), 80);
        assert!(cut.starts_with(r#"["é\u001b[2J","é"#) && cut.ends_with('…'), "{cut}");
    }

    #[test]
    fn shows_no_control_characters() {
        assert_eq!(message("'\u{1b}[2J' was unexpected"), "'\u{fffd}[2J' was unexpected");
    }

    proptest! {
        #[test]
        fn is_a_prefix_of_the_text(text in ".{0,200}", chars in 1usize..100) {
            let cut = limited(&text, chars);
            prop_assert!(cut.chars().count() <= chars);
            let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
            let shown: String = text.chars().map(visible).collect();
            prop_assert!(cut == shown || shown.starts_with(cut.strip_suffix('…').expect("marked as cut")));
        }
    }
}

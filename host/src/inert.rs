//! Text from outside made harmless for terminals and logs.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes text harmless on a terminal: control characters (and so all escape sequences) and characters that
/// reorder text are written as `\u{…}`. One line stays one line.
pub(crate) fn inert(text: &str) -> Cow<'_, str> {
    made_inert(text, is_dangerous)
}

/// As [`inert`], but keeps line ends.
pub(crate) fn inert_lines(text: &str) -> Cow<'_, str> {
    made_inert(text, |c| c != '\n' && is_dangerous(c))
}

fn is_dangerous(c: char) -> bool {
    // Bidirectional overrides and isolates, and Unicode's own line ends, are not in the control category.
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

fn made_inert(text: &str, dangerous: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&dangerous) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            _ if !dangerous(c) => safe.push(c),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ => drop(write!(safe, "\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(inert("\u{1b}[2J\u{9b}31mred\r\n\u{202e}txt"), r"\u{1b}[2J\u{9b}31mred\r\n\u{202e}txt");
        assert_eq!(inert_lines("two\nlines\u{7}"), "two\nlines\\u{7}");
        assert!(matches!(inert("Zürich 日本"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn inert_text_holds_no_control_character_and_stays_so(text in any::<String>()) {
            let safe = inert(&text).into_owned();
            prop_assert!(!safe.contains(is_dangerous));
            prop_assert_eq!(inert(&safe), safe.as_str());
        }
    }
}

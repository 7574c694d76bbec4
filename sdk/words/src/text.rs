//! Texts that fit.

use std::borrow::Cow;

use hookwright_sdk::Value;

/// Length as the strictest receivers count it: UTF-16 units, never fewer than characters.
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The text in at most `max` [`units`], with an ellipsis if something was cut off. Cuts between characters, and leaves
/// no accent or skin tone without what it belongs to.
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    // A character has no more units than bytes. Of a long text, no more is looked at than may stay.
    if text.len() <= max || start(text, max) == text.len() {
        return text.into();
    }
    let Some(room) = max.checked_sub(1) else { return "".into() };
    let mut end = start(text, room);
    while let (Some(before), Some(after)) = (text[..end].chars().next_back(), text[end..].chars().next()) {
        if !belongs_together(before, after) {
            break;
        }
        end -= before.len_utf8();
    }
    format!("{}…", text[..end].trim_end()).into()
}

/// How many bytes of the text have at most `max` units.
fn start(text: &str, max: usize) -> usize {
    let mut used = 0;
    let past = text.char_indices().find(|(_, character)| {
        used += character.len_utf16();
        used > max
    });
    past.map_or(text.len(), |(at, _)| at)
}

/// Whether a reader sees these two as one. Not all of Unicode's rules: accents, variants, skin tones, joined emoji, flags.
fn belongs_together(before: char, after: char) -> bool {
    const JOINER: char = '\u{200d}';
    let extends = |c: char| matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}');
    let flag = |c: char| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
    before == JOINER || after == JOINER || extends(after) || (flag(before) && flag(after))
}

/// A value as people read it; nothing for null and for blank text.
pub fn shown(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.trim().is_empty()).then(|| text.into()),
        other => Some(other.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cutting_leaves_whole_characters() {
        for (text, max, expected) in [
            ("Zürich", 6, "Zürich"),
            ("Zürich", 5, "Züri…"),
            ("日本語", 2, "日…"),
            ("a b", 2, "a…"),
            ("👍🏽👍🏽", 8, "👍🏽👍🏽"),
            ("👍🏽👍🏽", 7, "👍🏽…"),
            ("👍🏽!", 3, "…"),
            ("ae\u{301}x", 3, "a…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(cut(text, max), expected, "{text} {max}");
        }
    }

    proptest! {
        #[test]
        fn what_is_cut_fits(text in "\\PC*", max in 0_usize..40) {
            prop_assert!(units(&cut(&text, max)) <= max);
        }
    }
}

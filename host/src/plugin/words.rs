//! Texts of plugins and of the tools that read them are shown to people, so they are kept short.

/// The longest start of `text` that has at most `max_bytes` bytes and ends between two characters.
pub(super) fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

/// The text, or as much of it as fits, with a mark that it was cut.
pub(super) fn shown(text: &str, max_bytes: usize) -> String {
    match cut(text, max_bytes) {
        whole if whole.len() == text.len() => whole.to_owned(),
        start => format!("{start}…"),
    }
}

/// `1 header`, `2 headers`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

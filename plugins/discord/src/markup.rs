//! Discord's Markdown.

/// What formats, links or mentions anywhere.
const SPECIAL: &str = "\\*_~`|<[]";
/// What makes headings, lists and quotes of lines.
const SPECIAL_AT_START: &str = "#-+>";

/// The text as it is: nothing in it formats, links or mentions.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut at_start = true;
    while let Some(character) = characters.next() {
        // An address without its colon is no link.
        let is_address = character == ':' && characters.peek() == Some(&'/');
        if SPECIAL.contains(character) || is_address || (at_start && SPECIAL_AT_START.contains(character)) {
            escaped.push('\\');
        }
        at_start = character == '\n' || (at_start && character.is_whitespace());
        escaped.push(character);
        if character == '@' {
            // A backslash does not keep @everyone from being found: a space without width does.
            escaped.push('\u{200b}');
        }
    }
    escaped
}

/// Cuts Markdown, and takes a mention or an escape that was cut with it.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let shorter = hookwright_words::cut(text, max);
    if shorter == text {
        return text.to_owned();
    }
    let kept = shorter.strip_suffix('…').unwrap_or(&shorter);
    // One backslash escapes the ellipsis, two are one that was escaped.
    let slashes = kept.len() - kept.trim_end_matches('\\').len();
    let kept = &kept[..kept.len() - slashes % 2];
    let open = kept.rfind('<').filter(|at| !kept[*at..].contains('>') && !kept[..*at].ends_with('\\'));
    format!("{}…", kept[..open.unwrap_or(kept.len())].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_formats_is_escaped_where_it_does() {
        for (text, expected) in [
            ("# a #b", r"\# a #b"),
            ("a-b: 1 > 0 (c)", "a-b: 1 > 0 (c)"),
            ("a\n - b", "a\n \\- b"),
            ("https://a", r"https\://a"),
            ("*a* [b](c)", r"\*a\* \[b\](c)"),
            ("@here", "@\u{200b}here"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn mentions_and_escapes_are_cut_as_a_whole() {
        for (text, max, expected) in [
            (r"a\*b", 4, r"a\*b"),
            (r"a\*bc", 3, "a…"),
            (r"a\\bc", 4, r"a\\…"),
            ("a <@&123456> b", 8, "a…"),
            (r"a \<bcdefg", 8, r"a \<bcd…"),
        ] {
            assert_eq!(cut(text, max), expected, "{text}");
        }
    }
}

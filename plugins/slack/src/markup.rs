//! Slack's mrkdwn.

/// The three characters that Slack reads as its own, as it wants them.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Cuts mrkdwn, and takes a link or an escape that was cut with it.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let shorter = hookwright_words::cut(text, max);
    if shorter == text {
        return text.to_owned();
    }
    let kept = shorter.strip_suffix('…').unwrap_or(&shorter);
    let open = |start: char, end: char| kept.rfind(start).filter(|at| !kept[*at..].contains(end));
    let end = open('<', '>').into_iter().chain(open('&', ';')).min().unwrap_or(kept.len());
    format!("{}…", kept[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_escapes_are_cut_as_a_whole() {
        for (text, max, expected) in [
            ("a &amp; b", 9, "a &amp; b"),
            ("a &amp; bcd", 8, "a &amp;…"),
            ("a &amp; bcd", 6, "a…"),
            ("a <https://b|c> d e", 12, "a…"),
            ("a <https://b|c> d e", 17, "a <https://b|c>…"),
            ("<!here>", 3, "…"),
        ] {
            assert_eq!(cut(text, max), expected, "{text}");
        }
    }
}

//! A request as a command line for curl. Pure. What it holds came from outside: whatever it is, it stays one argument of one
//! command, and a terminal that it is pasted into obeys nothing in it.

use std::fmt::Write as _;

/// A longer payload is no line to type: it goes by a file.
const MOST_IN_LINE_BYTES: usize = 32 << 10;

/// The command, and whether the payload is to be put into a file first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) text: String,
    pub(super) needs_file: bool,
}

/// A file of this name holds the payload where the command cannot.
pub(super) const FILE: &str = "payload.json";

pub(super) fn command(method: &str, url: &str, headers: &[(String, String)], body: &[u8]) -> Command {
    let mut text = format!("curl --globoff --request {} {}", quoted(method), quoted(url));
    for (name, value) in headers {
        // `name:` would leave it out.
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        let _ = write!(text, " \\\n  --header {}", quoted(&header));
    }
    let in_line =
        std::str::from_utf8(body).ok().filter(|text| text.len() <= MOST_IN_LINE_BYTES && !text.contains('\0'));
    let needs_file = in_line.is_none();
    match in_line {
        Some("") => {}
        // Not `--data`, which reads a file where the text begins with `@`.
        Some(body) => {
            let _ = write!(text, " \\\n  --data-raw {}", quoted(body));
        }
        None => {
            let _ = write!(text, " \\\n  --data-binary @{FILE}");
        }
    }
    Command { text, needs_file }
}

/// One word for a shell: in the plain form where it can be, in that with escapes where it holds what a terminal obeys.
fn quoted(text: &str) -> String {
    if !text.contains(is_obeyed) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut word = String::from("$'");
    for c in text.chars() {
        match c {
            // Not `\'`: a shell that does not know this form would end the word there, and run what follows.
            '\'' => word.push_str("\\x27"),
            '\\' => word.push_str("\\\\"),
            c if is_obeyed(c) && c.is_ascii() => {
                let _ = write!(word, "\\x{:02x}", u32::from(c));
            }
            c if is_obeyed(c) => {
                let _ = write!(word, "\\u{:04x}", u32::from(c));
            }
            c => word.push(c),
        }
    }
    word.push('\'');
    word
}

fn is_obeyed(c: char) -> bool {
    let reorders = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    reorders || (c.is_control() && c != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_command() {
        let headers = [("webhook-id", "evt_1"), ("authorization", "…"), ("x-empty", "")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let Command { text, needs_file } = command("POST", "https://a.example/?b[]=1", &headers, b"{\"it's\":1}");
        insta::assert_snapshot!(text, @r#"
        curl --globoff --request 'POST' 'https://a.example/?b[]=1' \
          --header 'webhook-id: evt_1' \
          --header 'authorization: …' \
          --header 'x-empty;' \
          --data-raw '{"it'\''s":1}'
        "#);
        assert!(!needs_file);
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(quoted("a\u{1b}[201~; rm -rf '\\"), r"$'a\x1b[201~; rm -rf \x27\\'");
        assert_eq!(quoted("\u{202e}\u{9b}"), r"$'\u202e\u009b'");
        assert_eq!(quoted("$(id) `id` \n!"), "'$(id) `id` \n!'");
    }

    /// Also for a shell to which `$'…'` says nothing.
    #[test]
    fn whatever_it_is_it_is_one_word_to_every_shell() {
        for shell in ["sh", "bash"] {
            for hostile in ["a'; echo INJECTED; '", "\u{1b}'; echo INJECTED; #", "\u{1b}\\'; echo INJECTED\n#"] {
                let script = format!("set -- {}; echo $#", quoted(hostile));
                let Ok(output) = std::process::Command::new(shell).args(["-c", &script]).output() else { continue };
                assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n", "{shell}: {script}");
            }
        }
    }

    #[test]
    fn what_is_no_text_or_too_long_goes_by_a_file() {
        for body in [b"\xff".to_vec(), b"a\0b".to_vec(), vec![b'a'; MOST_IN_LINE_BYTES + 1]] {
            let Command { text, needs_file } = command("PUT", "http://a/", &[], &body);
            assert!(needs_file && text.ends_with("--data-binary @payload.json"), "{text}");
        }
        assert_eq!(command("PUT", "http://a/", &[], b"").text, "curl --globoff --request 'PUT' 'http://a/'");
    }
}

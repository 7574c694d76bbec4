//! Receivers whose heads are no heads.

use super::acts::{answers, answers_and_closes, endless};
use super::case::{Case, Kept};

pub(super) fn cases() -> Vec<Case> {
    let with = |header: &str| format!("HTTP/1.1 200 OK\r\n{header}\r\ncontent-length: 2\r\n\r\nok");
    let status = |line: &str| format!("{line}\r\ncontent-length: 2\r\n\r\nok");
    vec![
        Case::broken(
            "a-hundred-thousand-headers",
            answers(with(&"x: y\r\n".repeat(100_000))),
            "message head is too large",
        ),
        Case::broken(
            "a-header-of-a-mebibyte",
            answers(with(&format!("x: {}", "y".repeat(1 << 20)))),
            "message head is too large",
        ),
        Case::broken(
            "an-endless-header",
            endless("HTTP/1.1 200 OK\r\nx: ", "y".repeat(1000)),
            "message head is too large",
        ),
        Case::broken("an-endless-status-line", endless("HTTP/1.1 200 ", "y".repeat(1000)), "message head is too large"),
        Case::broken("http-0.9", answers_and_closes("<html>welcome to 1991</html>\n"), "invalid HTTP version"),
        Case::broken("http-3.0", answers(status("HTTP/3.0 200 OK")), "invalid HTTP version"),
        Case::broken(
            "speaks-http-2",
            answers(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\xa0\0\0\0\x02\0\0\0\0".to_vec()),
            "invalid HTTP version",
        ),
        Case::broken("speaks-ssh", answers("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "invalid HTTP version"),
        Case::broken(
            "garbage",
            answers((0..4096_u32).map(|n| (n * n % 251) as u8).collect::<Vec<_>>()),
            "invalid HTTP version",
        ),
        Case::broken("nothing-but-nul", endless("", vec![0; 1000]), "invalid HTTP version"),
        Case::broken("nul-in-a-header", answers(with("x: a\0b")), "invalid HTTP header"),
        Case::broken("escape-in-a-header", answers(with("x: \x1b[2Jgone")), "invalid HTTP header"),
        Case::broken("no-colon", answers(with("just words")), "invalid HTTP header"),
        Case::broken("folded-header", answers(with("x: a\r\n b")), "invalid HTTP header"),
        Case::broken("status-of-two-digits", answers(status("HTTP/1.1 99 Low")), "invalid HTTP status-code"),
        Case::broken("status-of-four-digits", answers(status("HTTP/1.1 1000 High")), "invalid HTTP status-code"),
        Case::broken("status-with-a-sign", answers(status("HTTP/1.1 +20 OK")), "invalid HTTP status-code"),
        Case::answered("status-999", answers(status("HTTP/1.1 999 Beyond")), 999, Kept::All("ok")).kept_open(),
        Case::delivered("bare-line-feeds", answers("HTTP/1.1 200 OK\ncontent-length: 2\n\nok"), "ok").kept_open(),
        Case::delivered(
            "latin-1-in-a-header",
            answers(b"HTTP/1.1 200 OK\r\nx: \x9b2J\xe9\r\ncontent-length: 2\r\n\r\nok".to_vec()),
            "ok",
        )
        .kept_open(),
        Case::delivered(
            "cookies-without-number",
            answers(with(&vec![format!("set-cookie: a={}", "b".repeat(200)); 90].join("\r\n"))),
            "ok",
        )
        .kept_open(),
    ]
}

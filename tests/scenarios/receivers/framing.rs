//! Receivers whose answers do not end where they say.

use super::acts::{answers, answers_and_closes, endless};
use super::case::{Case, Kept};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

pub(super) fn cases() -> Vec<Case> {
    let sized = |length: &str, body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    let chunked = |rest: &str| format!("{CHUNKED}{rest}");
    vec![
        Case::broken(
            "length-too-large",
            answers_and_closes(sized("10", "abc")),
            "end of file before message length reached",
        ),
        Case::delivered("length-too-small", answers(sized("2", "abcdef")), "ab"),
        Case::broken("length-negative", answers(sized("-1", "a")), "invalid content-length"),
        Case::broken("length-not-a-number", answers(sized("ten", "a")), "invalid content-length"),
        Case::broken("length-beyond-64-bits", answers(sized("99999999999999999999", "a")), "invalid content-length"),
        Case::broken("two-lengths", answers(sized("1\r\ncontent-length: 2", "ab")), "invalid content-length"),
        Case::delivered("one-length-twice", answers(sized("2\r\ncontent-length: 2", "ab")), "ab").kept_open(),
        Case::delivered(
            "length-and-chunks",
            answers("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
            "ab",
        )
        .kept_open(),
        Case::broken("chunk-size-of-letters", answers(chunked("zz\r\nab\r\n0\r\n\r\n")), "Invalid chunk size"),
        Case::broken(
            "chunk-size-beyond-64-bits",
            answers(chunked("fffffffffffffffff\r\nab\r\n0\r\n\r\n")),
            "invalid chunk size: overflow",
        ),
        Case::broken("chunk-longer-than-said", answers(chunked("2\r\nabcd\r\n0\r\n\r\n")), "Invalid chunk body"),
        Case::broken("chunks-without-end", answers_and_closes(chunked("2\r\nab\r\n")), "unexpected EOF"),
        Case::broken(
            "endless-chunk-extension",
            endless(chunked("2;"), "x".repeat(1000)),
            "chunk extensions over limit",
        ),
        Case::broken("endless-trailers", endless(chunked("0\r\n"), "x: y\r\n".repeat(100)), "chunk trailers"),
        Case::delivered(
            "unknown-coding",
            answers_and_closes("HTTP/1.1 200 OK\r\ntransfer-encoding: rot13\r\n\r\nnop"),
            "nop",
        ),
        Case::answered(
            "204-with-a-body",
            answers("HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\nbody"),
            204,
            Kept::All(""),
        ),
        Case::answered(
            "switches-protocols",
            answers("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nsecret handshake"),
            101,
            Kept::All(""),
        ),
        // What follows an answer must not become the answer to somebody else's request.
        Case::delivered(
            "poisons-the-connection",
            answers(sized("2", "okHTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")),
            "ok",
        ),
        Case::answered(
            "poisons-after-204",
            answers("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"),
            204,
            Kept::All(""),
        ),
    ]
}

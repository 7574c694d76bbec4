//! Receivers that take their time, or all of ours.

use super::acts::{
    answers, answers_and_closes, answers_and_resets, answers_unread, closes_at_once, drips, endless, reads_nothing,
    resets_unread, says_nothing_and_closes, stops_after,
};
use super::case::{Case, Door, Ending, Kept};

const FLOOD: &str = "more than 262144 bytes came and no whole answer among them";
const OK: &str = "HTTP/1.1 200 OK\r\n";

pub(super) fn cases() -> Vec<Case> {
    let never = Ending::Error { kind: "timeout", words: "no whole answer within 1000 ms" };
    vec![
        Case::new("never-accepts", Door::NeverAccepts, never),
        Case::new("closed-port", Door::Closed, Ending::Error { kind: "connect", words: "Connection refused" }),
        Case::too_slow("silent", stops_after("")),
        Case::too_slow("reads-nothing", reads_nothing()).with_large_events(),
        Case::too_slow("stops-in-the-head", stops_after("HTTP/1.1 200 OK\r\ncontent-le")),
        Case::too_slow("stops-in-the-body", stops_after("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")),
        Case::too_slow(
            "stops-in-a-chunk",
            stops_after("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc"),
        ),
        Case::too_slow("drips-its-head", drips(OK, "x-slow: y\r\n")),
        Case::too_slow("drips-its-body", drips("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", "x")),
        Case::too_slow("drips-chunks", drips("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n")),
        Case::broken("sends-100-forever", endless("", "HTTP/1.1 100 Continue\r\n\r\n".repeat(100)), FLOOD),
        Case::broken(
            "sends-103-forever",
            endless("", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100)),
            FLOOD,
        ),
        Case::delivered(
            "sends-some-1xx-first",
            answers(format!("{}{OK}content-length: 2\r\n\r\nok", "HTTP/1.1 102 Processing\r\n\r\n".repeat(20))),
            "ok",
        )
        .kept_open(),
        Case::answered("endless-body", endless("HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 64 << 10]), 200, Kept::Cut("xxx")),
        Case::answered(
            "endless-chunks",
            endless(
                "HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n",
                format!("40\r\n{}\r\n", "x".repeat(64)).repeat(100),
            ),
            500,
            Kept::Cut("xxx"),
        ),
        Case::delivered("answers-early", answers_unread("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly"), "early")
            .with_large_events(),
        Case::answered(
            "refuses-early",
            answers_unread("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig"),
            413,
            Kept::All("big"),
        )
        .with_large_events(),
        Case::broken(
            "closes-at-once",
            closes_at_once(),
            "Connection reset by peer|connection closed before message completed",
        ),
        Case::broken(
            "says-nothing-and-closes",
            says_nothing_and_closes(),
            "connection closed before message completed",
        ),
        Case::broken("resets-in-our-body", resets_unread(), "Connection reset by peer").with_large_events(),
        Case::broken("resets-in-its-head", answers_and_resets("HTTP/1.1 200 OK\r\nx"), "Connection reset by peer"),
        Case::broken(
            "resets-in-its-body",
            answers_and_resets("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"),
            "Connection reset by peer",
        ),
        Case::broken(
            "closes-in-its-head",
            answers_and_closes("HTTP/1.1 200 OK\r\nx: "),
            "connection closed before message completed",
        ),
    ]
}

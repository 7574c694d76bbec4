//! Receivers that speak HTTP as they should, and mean harm with what they say.

use super::acts::{answers, answers_and_closes};
use super::case::{Act, Case, Door, Ending, Kept};

/// Seconds of a day: what a receiver may ask for at most.
const DAY: i64 = 86_400;
/// What the webhooks of this table wait by themselves, and the jitter on it.
const OWN_WAIT: std::ops::RangeInclusive<i64> = 539..=661;

pub(super) const HTML: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>";
pub(super) const ANSI: &str = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u{9b}2J\u{202e}txt.exe";

pub(super) fn cases() -> Vec<Case> {
    let redirect =
        |status: &str, to: &str| answers(format!("HTTP/1.1 {status}\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"));
    let mut cases = vec![
        Case::answered("redirects-to-itself", redirect("302 Found", "/hook"), 302, Kept::All("")).kept_open(),
        Case::answered(
            "redirects-to-metadata",
            redirect("307 Over There", "http://169.254.169.254/latest/meta-data/"),
            307,
            Kept::All(""),
        )
        .kept_open(),
        Case::answered("redirects-to-a-file", redirect("308 For Good", "file:///etc/passwd"), 308, Kept::All(""))
            .kept_open(),
        Case::answered("multiple-choices", redirect("300 Multiple Choices", "gopher://x/"), 300, Kept::All(""))
            .kept_open(),
        Case::answered("gone", answers("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"), 410, Kept::All(""))
            .kept_open(),
        Case::answered(
            "wants-a-login",
            answers("HTTP/1.1 401 No\r\nwww-authenticate: Basic realm=x\r\ncontent-length: 0\r\n\r\n"),
            401,
            Kept::All(""),
        )
        .kept_open(),
        Case::answered(
            "wants-a-proxy-login",
            answers("HTTP/1.1 407 No\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n"),
            407,
            Kept::All(""),
        )
        .kept_open(),
        Case::answered("gzip-bomb", gzip_bomb(), 200, Kept::Cut("\x1f\u{fffd}\x08")).kept_open(),
        Case::delivered("html", says(HTML), HTML).kept_open(),
        Case::delivered("escape-sequences", says(ANSI), ANSI).kept_open(),
        Case::delivered(
            "not-utf-8",
            answers(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na\xffb".to_vec()),
            "a\u{fffd}b",
        )
        .kept_open(),
        Case::delivered("ends-with-the-connection", answers_and_closes("HTTP/1.0 200 OK\r\n\r\nold"), "old"),
    ];
    for (name, value, seconds) in [
        ("retry-after-inf", "inf", OWN_WAIT),
        ("retry-after-negative", "-1", OWN_WAIT),
        ("retry-after-1e300", "1e300", OWN_WAIT),
        ("retry-after-nothing", "", OWN_WAIT),
        ("retry-after-year-9999", "Fri, 31 Dec 9999 23:59:59 GMT", OWN_WAIT),
        ("retry-after-year-2099", "Thu, 01 Jan 2099 00:00:00 GMT", DAY - 60..=DAY),
        ("retry-after-past", "Wed, 21 Oct 2015 07:28:00 GMT", OWN_WAIT),
        ("retry-after-many-digits", "99999999999999999999999999", DAY - 60..=DAY),
        ("retry-after-an-hour", "3600", 3_590..=3_600),
    ] {
        let answer = answers(format!("HTTP/1.1 429 Slow Down\r\nretry-after: {value}\r\ncontent-length: 0\r\n\r\n"));
        cases.push(Case::new(name, Door::Opens(answer), Ending::Later { status: 429, seconds }).kept_open());
    }
    cases
}

fn says(body: &str) -> Act {
    answers(format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// 20 KiB that would be 3 MiB and that say so: each 13 bits stand for 258 bytes more.
fn gzip_bomb() -> Act {
    let mut packed = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
    let (mut byte, mut filled) = (0_u8, 0);
    let mut push = |bits: &str| {
        for bit in bits.bytes() {
            byte |= (bit - b'0') << filled;
            filled += 1;
            if filled == 8 {
                packed.push(std::mem::take(&mut byte));
                filled = 0;
            }
        }
    };
    // The last block, with the fixed code; a zero; "258 bytes like the one before".
    push("110");
    push("00110000");
    (0..12_600).for_each(|_| push("1100010100000"));
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len()).into_bytes();
    answer.extend(packed);
    answers(answer)
}

//! Senders whose bodies are no events, or events that a reader may misread.

use std::fmt::Write as _;

use super::case::{Case, event, post};

const NOT_JSON: &[u16] = &[400];

pub(super) fn cases() -> Vec<Case> {
    [not_json(), oddities(), types(), cloudevents()].into_iter().flatten().collect()
}

fn not_json() -> Vec<Case> {
    let refused = |name, body: &[u8], word| Case::refused_body(name, body, NOT_JSON, word);
    vec![
        refused("invalid-utf-8", b"{\"event\":\"\xff\"}", "bytes that are not UTF-8 at line 1 column 11"),
        refused("overlong-utf-8", b"{\"event\":\"\xc0\xae\"}", "bytes that are not UTF-8"),
        refused("utf-16", b"{\0}\0", "is not JSON"),
        refused("byte-order-mark", &[b"\xef\xbb\xbf", event(r#""n":1"#).as_bytes()].concat(), "a byte order mark"),
        refused("depth-100000", "[".repeat(100_000).as_bytes(), "recursion limit exceeded at line 1 column 128"),
        refused(
            "depth-100000-in-an-event",
            event(&format!(r#""n":{}"#, "[".repeat(100_000))).as_bytes(),
            "recursion limit",
        ),
        refused("not-a-number", event(r#""n":NaN"#).as_bytes(), "expected value"),
        refused("infinity", event(r#""n":-Infinity"#).as_bytes(), "invalid number"),
        refused("1e400", event(r#""n":1e400"#).as_bytes(), "number out of range"),
        refused("lone-surrogate", event(r#""n":"\ud800""#).as_bytes(), "hex escape"),
        refused("nul-in-a-text", event("\"n\":\"\0\"").as_bytes(), "control character"),
        refused("two-documents", format!("{0}{0}", event(r#""n":1"#)).as_bytes(), "trailing characters"),
        refused("comment", event("/* */\"n\":1").as_bytes(), "key must be a string"),
    ]
}

/// Accepted, and passed on as they came: whoever reads them may read something else than we do.
fn oddities() -> Vec<Case> {
    let accepted = |name, entry: &str| Case::accepted_body(name, event(entry));
    let mut keys = String::new();
    for n in 0..1_000_000 {
        let _ = write!(keys, "{}\"k{n}\":0", if n == 0 { "" } else { "," });
    }
    vec![
        accepted("beyond-2-to-53", r#""n":9007199254740993"#),
        accepted("digits-by-the-thousand", &format!(r#""n":0.{}"#, "1".repeat(10_000))),
        accepted("1e308", r#""n":1e308"#),
        accepted("minus-zero", r#""n":-0"#),
        accepted("duplicate-keys", r#""n":1,"n":2,"id":3"#),
        accepted("proto", r#""__proto__":{"polluted":true},"constructor":{}"#),
        accepted("empty-key", r#""":{"":{}}"#),
        accepted("escaped-nul", r#""n":"\u0000""#),
        accepted("html", r#""n":"</script><script>alert(1)</script>""#),
        accepted("turned-round", "\"n\":\"\u{202e}exe.txt\u{9b}2J\""),
        accepted("white-space", &format!("{}\"n\":1", " \n\t\r".repeat(10_000))),
        accepted("depth-100", &format!(r#""n":{}{}"#, "[".repeat(100), "]".repeat(100))),
        accepted("a-million-keys", &keys),
    ]
}

fn typed(content_type: &str, body: &str) -> String {
    let usual = String::from_utf8(post("", body)).unwrap();
    usual.replace("content-type: application/json\r\n", content_type)
}

fn cloudevents() -> Vec<Case> {
    let of = |name, mode: &str, body: &str, status, word| {
        let content_type = format!("content-type: application/cloudevents{mode}+json\r\n");
        Case::refused(name, typed(&content_type, body), status, word)
    };
    let context = r#""specversion":"1.0","id":"1","source":"/","type":"entry.create""#;
    let flood: Vec<_> = (0..70).map(|number| format!("ce-x{number}: y\r\n")).collect();
    let flood = flood.concat();
    let headers = "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /\r\nce-type: entry.create\r\n";
    let mut raw_byte = post(&format!("{headers}ce-subject: ~\r\n"), "{}");
    raw_byte.iter_mut().filter(|byte| **byte == b'~').for_each(|byte| *byte = 0xff);
    vec![
        Case::refused("a-flood-of-attributes", post(&format!("{headers}{flood}"), "{}"), &[422], "at most 64"),
        Case::refused("an-attribute-of-raw-bytes", raw_byte, &[422], "/subject: its header is not UTF-8"),
        of("a-batch-of-300000", "-batch", &format!("[{}{{}}]", "{},".repeat(299_999)), &[422], "at most 1000"),
        of("a-batch-cut-short", "-batch", "[{", &[400], "line 1 column 2"),
        of(
            "an-attribute-of-a-mebibyte",
            "",
            &format!("{{{context},\"x\":\"{}\"}}", "y".repeat(1 << 20)),
            &[422],
            "8192",
        ),
        of("data-100000-deep", "", &format!("{{{context},\"data\":{}", "[".repeat(100_000)), &[400], "recursion limit"),
        of("data-twice", "", &format!("{{{context},\"data\":1,\"data\":2}}"), &[422], "/data: must stand there once"),
        of("no-base64", "", &format!("{{{context},\"data_base64\":\"====\"}}"), &[422], "/data_base64: is not Base64"),
        of(
            "our-own-type",
            "",
            &format!("{{{}}}", context.replace("entry", "hookwright")),
            &[422],
            "reserved for the host",
        ),
    ]
}

fn types() -> Vec<Case> {
    let body = event(r#""n":"types""#);
    let typed = |content_type: &str| typed(content_type, &body);
    let refused = |name, content_type: &str, word| Case::refused(name, typed(content_type), &[415], word);
    vec![
        refused("no-type", "", "No usable content type was sent"),
        refused("plain-text", "content-type: text/plain\r\n", "The content type text/plain is not taken"),
        refused("a-form", "content-type: application/x-www-form-urlencoded\r\n", "is not taken"),
        refused("latin-1", "content-type: application/json; charset=iso-8859-1\r\n", "in UTF-8"),
        refused(
            "type-of-a-kibibyte",
            &format!("content-type: application/json; x={}\r\n", "y".repeat(1024)),
            "No usable",
        ),
        refused("gzip", "content-type: application/json\r\ncontent-encoding: gzip\r\n", "encoded as gzip is not taken"),
        refused(
            "two-codings",
            "content-type: application/json\r\ncontent-encoding: identity\r\ncontent-encoding: br\r\n",
            "encoded as br is not taken",
        ),
    ]
}

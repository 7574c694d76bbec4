//! Senders whose requests are no requests, or more than one.

use hookwright_tests::host::TOKEN;

use super::case::{Case, POST, event, head, post, request};

const NOT_HTTP: &[u16] = &[400];
const TOO_LARGE: &[u16] = &[431];

pub(super) fn cases() -> Vec<Case> {
    [not_http(), framing(), headers(), requests(), tokens(), several()].into_iter().flatten().collect()
}

fn not_http() -> Vec<Case> {
    let refused = |name, bytes: &[u8]| Case::refused(name, bytes, NOT_HTTP, "");
    vec![
        refused("tls-hello", b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03\x0d\x0a\x0d\x0a\x00\x00\x00"),
        // Told apart from the others, and not answered.
        Case::refused("h2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", &[], ""),
        refused("http-0.9", b"GET /v1/events\r\n\r\n"),
        refused("http-9.9", b"POST /v1/events HTTP/9.9\r\n\r\n"),
        refused("ssh", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        refused("nothing-but-nul", &[0; 4096]),
        refused("escape-in-the-method", b"\x1b[2JPOST /v1/events HTTP/1.1\r\n\r\n"),
        refused("markup-in-the-path", b"POST /v1/events?<script> HTTP/1.1\r\n\r\n"),
        refused("nul-in-the-path", b"POST /v1/\0events HTTP/1.1\r\n\r\n"),
    ]
}

fn framing() -> Vec<Case> {
    let whole = event(r#""framing":1"#);
    let length = whole.len();
    let lengths = |value: &str| format!("{}{whole}", head(POST, &format!("content-length: {value}\r\n")));
    let chunked = |body: &str| format!("{}{body}", head(POST, "transfer-encoding: chunked\r\n"));
    let broke = |name, body: &str| Case::refused(name, chunked(body), &[400], "The body broke off before its end.");
    vec![
        Case::refused("length-negative", lengths("-1"), NOT_HTTP, ""),
        Case::refused("length-with-a-sign", lengths(&format!("+{length}")), NOT_HTTP, ""),
        Case::refused("length-in-hex", lengths("0x10"), NOT_HTTP, ""),
        Case::refused("length-beyond-64-bits", lengths("99999999999999999999"), NOT_HTTP, ""),
        Case::refused("length-of-exabytes", lengths("9223372036854775807"), &[413], "server.maxBodyBytes"),
        // The coding counts; another server on the way that counts the length sees a connection that ends.
        Case::accepted(
            "coding-and-length",
            format!(
                "{}{length:x}\r\n{whole}\r\n0\r\n\r\n",
                head(POST, "transfer-encoding: chunked\r\ncontent-length: 3\r\n")
            ),
            whole.as_str(),
        ),
        Case::refused(
            "coding-not-last",
            format!("{}0\r\n\r\n", head(POST, "transfer-encoding: chunked, gzip\r\n")),
            NOT_HTTP,
            "",
        ),
        Case::refused(
            "coding-in-http-1.0",
            format!("{}0\r\n\r\n", head("POST /v1/events HTTP/1.0", "transfer-encoding: chunked\r\n")),
            NOT_HTTP,
            "",
        ),
        broke("chunk-size-not-hex", "zz\r\n{}\r\n0\r\n\r\n"),
        broke("chunk-size-negative", "-2\r\n{}\r\n0\r\n\r\n"),
        broke("chunk-size-beyond-64-bits", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        broke("chunk-longer-than-said", "2\r\n{}{}\r\n0\r\n\r\n"),
        broke("endless-chunk-extension", &format!("2;{}", "x".repeat(1 << 20))),
        broke("endless-trailers", &format!("2\r\n{{}}\r\n0\r\n{}", "x: y\r\n".repeat(100_000))),
    ]
}

fn headers() -> Vec<Case> {
    let refused = |name, header: &str| Case::refused(name, post(&format!("{header}\r\n"), "{}"), NOT_HTTP, "");
    let too_large = |name, header: &str| Case::refused(name, post(&format!("{header}\r\n"), "{}"), TOO_LARGE, "");
    vec![
        refused("nul-in-a-header", "x: a\0b"),
        refused("nul-in-a-name", "x\0: a"),
        refused("escape-in-a-header", "x: \x1b[2J"),
        refused("folded-header", "x: a\r\n b"),
        refused("space-before-the-colon", "x : a"),
        refused("no-colon", "just words"),
        refused("no-name", ": a"),
        refused("bare-carriage-return", "x: a\rb"),
        too_large("ten-thousand-headers", &vec!["x: y"; 10_000].join("\r\n")),
        too_large("a-header-of-a-mebibyte", &format!("x: {}", "y".repeat(1 << 20))),
        Case::refused("a-path-of-a-mebibyte", format!("POST /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20)), TOO_LARGE, ""),
    ]
}

fn requests() -> Vec<Case> {
    let whole = |name: &str| event(&format!(r#""request":"{name}""#));
    let accepted = |name, line: &str| Case::accepted(name, request(line, "", whole(name)), whole(name));
    let hosts = |lines: &str| String::from_utf8(post("", "{}")).unwrap().replace("host: x\r\n", lines);
    let refused = |name, line: &str, status| Case::refused(name, request(line, "", "{}"), status, "problem+json");
    vec![
        accepted("absolute-form", "POST http://other.example/v1/events HTTP/1.1"),
        accepted("query", "POST /v1/events?a=%00&b=c HTTP/1.1"),
        Case::refused("no-host", hosts(""), &[400], "one Host header"),
        Case::refused("two-hosts", hosts("host: x\r\nhost: y\r\n"), &[400], "one Host header"),
        accepted("http-1.0", "POST /v1/events HTTP/1.0"),
        refused("another-path", "POST /v1/events/../events HTTP/1.1", &[404]),
        refused("encoded-path", "POST /v1/%65vents HTTP/1.1", &[404]),
        refused("trace", "TRACE /v1/events HTTP/1.1", &[405]),
        refused("unknown-method", "BREW /v1/events HTTP/1.1", &[405]),
        refused("connect", "CONNECT other.example:443 HTTP/1.1", &[404]),
        refused("options-of-all", "OPTIONS * HTTP/1.1", &[404]),
    ]
}

fn tokens() -> Vec<Case> {
    let with = |lines: &str| {
        format!(
            "{POST}\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n{lines}content-length: 2\r\n\r\n{{}}"
        )
    };
    let refused = |name, lines: &str, word| Case::refused(name, with(lines), &[401], word);
    vec![
        refused("no-token", "", "No token was sent."),
        refused("wrong-token", "authorization: Bearer wrong\r\n", "not the token of any source"),
        refused(
            "part-of-a-token",
            &format!("authorization: Bearer {}\r\n", &TOKEN[..TOKEN.len() - 1]),
            "not the token of any source",
        ),
        refused("token-in-basic", &format!("authorization: Basic {TOKEN}\r\n"), "No token was sent."),
        refused("token-not-text", "authorization: Bearer \u{e9}\r\n", "No token was sent."),
        refused(
            "two-tokens",
            &format!("authorization: Bearer {TOKEN}\r\nauthorization: Bearer wrong\r\n"),
            "No token was sent.",
        ),
    ]
}

fn several() -> Vec<Case> {
    let (one, two) = (event(r#""several":1"#), event(r#""several":2"#));
    let first = |body: &str| {
        let first = String::from_utf8(post("", body)).unwrap();
        first.replace("connection: close\r\n", "")
    };
    let expecting = |body: &str| post("expect: 100-continue\r\n", body);
    let inner = String::from_utf8(post("", &two)).unwrap();
    vec![
        Case::accepted("pipelined", [first(&one).into_bytes(), post("", &two)].concat(), one.as_str())
            .hears(&[202, 202])
            .delivers_too(two.as_str()),
        // What is left of a refused request must not be taken for the next one.
        Case::refused(
            "request-in-a-refused-body",
            first(&inner).replacen(TOKEN, "stranger", 1),
            &[401],
            "not the token of any source",
        ),
        Case::accepted("expects-100", expecting(&event(r#""several":3"#)), event(r#""several":3"#)).hears(&[100, 202]),
        Case::refused(
            "expects-100-without-a-token",
            String::from_utf8(expecting("{}")).unwrap().replace(TOKEN, "wrong"),
            &[401],
            "not the token of any source",
        ),
    ]
}

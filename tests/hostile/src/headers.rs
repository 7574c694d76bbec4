//! Plugins that want headers, content types and annotations that no plugin may have.

use crate::guest::{ANNOTATIONS, CONTENT_TYPE, Guest, REMOVE_HEADERS, SET_HEADERS, TEXT};
use crate::{Case, held, pair, size, store, times};

/// Where lists are put.
const LIST: u32 = 1024;
/// Where long ones are.
const LONG_LIST: u32 = 200_000;

pub(crate) fn cases() -> Vec<Case> {
    [no_http(), not_theirs(), too_many(), content_types()].into_iter().flatten().collect()
}

fn set(name: &str, value: &str) -> Guest {
    let list = pair(LIST, TEXT, size(name)) + &pair(LIST + 8, TEXT + size(name), size(value));
    Guest::new().text(&format!("{name}{value}")).transform(&(list + &pair(SET_HEADERS, LIST, 1)))
}

fn no_http() -> Vec<Case> {
    const VALUE: &str =
        "broke the contract: the value of header x-a has characters that HTTP does not allow, such as line ends";
    let name =
        |case, name: &str| held(case, &set(name, "1"), format!("broke the contract: {name:?} is not a header name"));
    vec![
        held("header-value-with-line-ends", &set("X-A", "a\r\nX-Injected: 1"), VALUE),
        held("header-value-with-nul", &set("X-A", "a\0b"), VALUE),
        name("header-name-with-line-ends", "X-A\r\nX-Injected"),
        name("header-name-with-space", "X A"),
        name("header-name-empty", ""),
        name("header-name-with-escapes", "\u{1b}[2J"),
    ]
}

fn not_theirs() -> Vec<Case> {
    let owned = |name: &str| {
        let name = name.to_lowercase();
        format!("broke the contract: header {name} belongs to the host; plugins may not set or remove it")
    };
    let sets = |case, name: &str| held(case, &set(name, "forged"), owned(name));
    let removes = |case, name: &str| {
        let list = pair(LIST, TEXT, size(name)) + &pair(REMOVE_HEADERS, LIST, 1);
        held(case, &Guest::new().text(name).transform(&list), owned(name))
    };
    vec![
        sets("header-signature", "Webhook-Signature"),
        sets("header-event", "X-HOOKWRIGHT-Event"),
        sets("header-authorization", "authorization"),
        sets("header-host", "Host"),
        sets("header-length", "Content-Length"),
        sets("header-transfer-encoding", "Transfer-Encoding"),
        sets("header-connection", "Connection"),
        sets("header-upgrade", "Upgrade"),
        sets("header-of-a-proxy", "Proxy-Authorization"),
        removes("header-removes-host", "Host"),
        removes("header-removes-signature", "webhook-signature"),
        held(
            "header-content-type",
            &set("Content-Type", "text/html"),
            "broke the contract: use the field `content-type` to change header content-type",
        ),
    ]
}

fn too_many() -> Vec<Case> {
    let many = |at: u32| {
        let place = format!("(i32.add (i32.const {LONG_LIST}) (i32.mul (local.get $left) (i32.const 16)))");
        let fields = times(5_000, &format!("(call $pair {place} (i32.const {TEXT}) (i32.const 1))"));
        let list = pair(at, LONG_LIST + 16, 5_000);
        Guest::new().memory("(memory (export \"memory\") 8)").text("x").transform(&(fields + &list))
    };
    vec![
        held(
            "headers-5000-small-ones",
            &many(SET_HEADERS),
            "broke the contract: too many or too large headers: 5000 with 0 bytes, limit 64 with 16384 bytes",
        ),
        held(
            "header-of-20-kb",
            &set("X-Large", &"y".repeat(20_000)),
            "broke the contract: too many or too large headers: 1 with 20007 bytes, limit 64 with 16384 bytes",
        ),
        held(
            "annotations-5000-small-ones",
            &many(ANNOTATIONS),
            "broke the contract: too many or too large annotations: 5000 with 5000 bytes, limit 32 with 8192 bytes",
        ),
    ]
}

fn content_types() -> Vec<Case> {
    let content_type = |case, value: &str, shown: &str| {
        let answer = store(CONTENT_TYPE, 1) + &pair(CONTENT_TYPE + 4, TEXT, size(value));
        let reason = format!("broke the contract: {shown:?} is not a content type");
        held(case, &Guest::new().text(value).transform(&answer), reason)
    };
    let injected = "text/plain\r\nX-Injected: 1";
    vec![
        content_type("content-type-with-line-ends", injected, injected),
        content_type(
            "content-type-of-2-kb",
            &format!("text/{}", "x".repeat(2_000)),
            &format!("text/{}…", "x".repeat(75)),
        ),
        content_type("content-type-empty", "", ""),
    ]
}

//! What a plugin wants changed, checked against the contract and merged into what earlier plugins of the chain
//! wanted. Pure.

use http::{HeaderName, HeaderValue};

use super::contract;
use super::words::{count, shown};
use crate::delivery::Changes;

/// A rewritten payload may be this large, or twice its input if that is more.
pub(crate) const MAX_OUTPUT_BYTES: usize = 4 << 20;
/// Headers that a chain may set or remove: receivers refuse more.
const MAX_HEADERS: usize = 64;
/// Names and values of these headers together.
const MAX_HEADER_BYTES: usize = 16 << 10;
/// Annotations of a chain; they are kept with the delivery.
const MAX_ANNOTATIONS: usize = 32;
/// Names and values of these annotations together.
const MAX_ANNOTATION_BYTES: usize = 8 << 10;
/// Names and values shown in reasons are cut after this much.
const MAX_SHOWN_BYTES: usize = 80;

/// What the host sets itself, and what belongs to the connection. `Content-Type` has a field of its own.
const HOST_OWNED: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const HOST_OWNED_PREFIXES: [&str; 3] = ["webhook-", "x-hookwright-", "proxy-"];

/// How an answer breaks the contract. Reads after "broke the contract: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Objection {
    #[error("{name:?} is not a header name")]
    HeaderName { name: String },
    #[error("the value of header {name} has characters that HTTP does not allow, such as line ends")]
    HeaderValue { name: String },
    #[error("header {name} belongs to the host; plugins may not set or remove it")]
    HostOwned { name: String },
    #[error("use the field `content-type` to change header content-type")]
    ContentTypeHeader,
    #[error("{value:?} is not a content type")]
    ContentType { value: String },
    #[error("too many or too large {what}: {number} with {bytes} bytes, limit {max_count} with {max_bytes} bytes")]
    TooMuch { what: &'static str, number: usize, bytes: usize, max_count: usize, max_bytes: usize },
    #[error("the code {code:?} is not 1 to 64 lower-case letters, digits, '.', '_' or '-', a letter first")]
    FailureCode { code: String },
    #[error("option {name:?} is not one that this host knows")]
    Option { name: String },
    #[error("the new payload has {bytes} bytes, limit {max_bytes}")]
    Output { bytes: usize, max_bytes: usize },
}

/// The largest payload a plugin may answer to `input_bytes`.
pub(super) fn max_output_bytes(input_bytes: usize) -> usize {
    MAX_OUTPUT_BYTES.max(input_bytes.saturating_mul(2))
}

/// Adds `wanted` to `changes`, whose payload was `input` before. What is wanted last wins. Says in words what it did.
/// What it may grow to follows the event, of `event_bytes`: else it could double with every plugin of a chain.
pub(super) fn merge(
    changes: &mut Changes,
    wanted: contract::Changes,
    input: &[u8],
    event_bytes: usize,
) -> Result<String, Objection> {
    if let Some(option) = wanted.options.first() {
        return Err(Objection::Option { name: shown(&option.name, MAX_SHOWN_BYTES) });
    }
    let mut done = Vec::new();
    if let Some(data) = wanted.data.filter(|data| data != input) {
        let max_bytes = max_output_bytes(event_bytes);
        if data.len() > max_bytes {
            return Err(Objection::Output { bytes: data.len(), max_bytes });
        }
        done.push(format!("rewrote payload ({} → {} bytes)", input.len(), data.len()));
        changes.data = Some(data.into());
    }
    if let Some(content_type) = wanted.content_type {
        check_content_type(&content_type)?;
        done.push(format!("content type {content_type}"));
        changes.content_type = Some(content_type);
    }
    note(&mut done, "set", wanted.set_headers.len(), "header");
    note(&mut done, "removed", wanted.remove_headers.len(), "header");
    note(&mut done, "made", wanted.annotations.len(), "annotation");
    merge_headers(changes, wanted.set_headers, wanted.remove_headers)?;
    changes.annotations.extend(wanted.annotations.into_iter().map(|field| (field.name, field.value)));
    check_sizes(changes)?;
    Ok(if done.is_empty() { "delivered unchanged".to_owned() } else { done.join(", ") })
}

fn note(done: &mut Vec<String>, verb: &str, number: usize, noun: &str) {
    if number > 0 {
        done.push(format!("{verb} {}", count(number, noun)));
    }
}

fn merge_headers(changes: &mut Changes, set: Vec<contract::FieldResult>, remove: Vec<String>) -> Result<(), Objection> {
    // Looked up name by name below, so bounded before and not only after.
    check_size("headers", set.len() + remove.len(), 0, MAX_HEADERS, MAX_HEADER_BYTES)?;
    for name in remove {
        let name = header_name(&name)?;
        changes.set_headers.retain(|(known, _)| *known != name);
        if !changes.remove_headers.contains(&name) {
            changes.remove_headers.push(name);
        }
    }
    for field in set {
        let name = header_name(&field.name)?;
        if HeaderValue::from_str(&field.value).is_err() {
            return Err(Objection::HeaderValue { name });
        }
        changes.remove_headers.retain(|known| *known != name);
        changes.set_headers.retain(|(known, _)| *known != name);
        changes.set_headers.push((name, field.value));
    }
    Ok(())
}

/// A valid name in lower case that is the plugin's to change.
fn header_name(name: &str) -> Result<String, Objection> {
    let Ok(valid) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(Objection::HeaderName { name: shown(name, MAX_SHOWN_BYTES) });
    };
    let lower = valid.as_str();
    if lower == "content-type" {
        return Err(Objection::ContentTypeHeader);
    }
    if HOST_OWNED.contains(&lower) || HOST_OWNED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(Objection::HostOwned { name: shown(lower, MAX_SHOWN_BYTES) });
    }
    Ok(lower.to_owned())
}

fn check_content_type(value: &str) -> Result<(), Objection> {
    let usable = value.len() <= MAX_CONTENT_TYPE_BYTES && value.contains('/') && HeaderValue::from_str(value).is_ok();
    if usable { Ok(()) } else { Err(Objection::ContentType { value: shown(value, MAX_SHOWN_BYTES) }) }
}

/// The longest content type with parameters that anyone writes is well below.
const MAX_CONTENT_TYPE_BYTES: usize = 256;

/// The annotations of a drop or a failure.
pub(super) fn annotations(fields: Vec<contract::FieldResult>) -> Result<Vec<(String, String)>, Objection> {
    let bytes = fields.iter().map(|field| field.name.len() + field.value.len()).sum();
    check_size("annotations", fields.len(), bytes, MAX_ANNOTATIONS, MAX_ANNOTATION_BYTES)?;
    Ok(fields.into_iter().map(|field| (field.name, field.value)).collect())
}

fn check_sizes(changes: &Changes) -> Result<(), Objection> {
    let pairs = |pairs: &[(String, String)]| pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let removed: usize = changes.remove_headers.iter().map(String::len).sum();
    let headers = changes.set_headers.len() + changes.remove_headers.len();
    check_size("headers", headers, pairs(&changes.set_headers) + removed, MAX_HEADERS, MAX_HEADER_BYTES)?;
    let (number, bytes) = (changes.annotations.len(), pairs(&changes.annotations));
    check_size("annotations", number, bytes, MAX_ANNOTATIONS, MAX_ANNOTATION_BYTES)
}

fn check_size(
    what: &'static str,
    number: usize,
    bytes: usize,
    max_count: usize,
    max_bytes: usize,
) -> Result<(), Objection> {
    if number > max_count || bytes > max_bytes {
        return Err(Objection::TooMuch { what, number, bytes, max_count, max_bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> contract::Changes {
        contract::Changes {
            data: None,
            content_type: None,
            set_headers: vec![],
            remove_headers: vec![],
            annotations: vec![],
            options: vec![],
        }
    }

    fn fields<const N: usize>(fields: [(&str, &str); N]) -> Vec<contract::FieldResult> {
        fields.map(|(name, value)| contract::FieldResult { name: name.into(), value: value.into() }).into()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn later_plugins_win() {
        let mut changes = Changes::default();
        let first = contract::Changes {
            set_headers: fields([("X-One", "1"), ("X-Two", "1"), ("x-two", "2")]),
            remove_headers: vec!["X-Gone".into()],
            ..nothing()
        };
        assert_eq!(merge(&mut changes, first, b"", 0).as_deref(), Ok("set 3 headers, removed 1 header"));
        let second = contract::Changes {
            set_headers: fields([("x-gone", "back")]),
            remove_headers: vec!["X-ONE".into()],
            ..nothing()
        };
        merge(&mut changes, second, b"", 0).expect("fine");
        assert_eq!(changes.set_headers, [pair("x-two", "2"), pair("x-gone", "back")]);
        assert_eq!(changes.remove_headers, ["x-one"]);
    }

    #[test]
    fn a_payload_written_back_as_it_was_is_no_change() {
        let mut changes = Changes::default();
        let same = contract::Changes { data: Some(b"{}".to_vec()), ..nothing() };
        assert_eq!(merge(&mut changes, same, b"{}", 0).as_deref(), Ok("delivered unchanged"));
        assert_eq!(changes, Changes::default());
    }

    #[test]
    fn what_the_host_owns_is_refused_in_any_case_set_or_removed() {
        for name in ["Webhook-Id", "X-HOOKWRIGHT-Event", "authorization", "Host", "Transfer-Encoding", "Proxy-X"] {
            let objection = Objection::HostOwned { name: name.to_lowercase() };
            let set = contract::Changes { set_headers: fields([(name, "x")]), ..nothing() };
            assert_eq!(merge(&mut Changes::default(), set, b"", 0), Err(objection.clone()));
            let remove = contract::Changes { remove_headers: vec![name.into()], ..nothing() };
            assert_eq!(merge(&mut Changes::default(), remove, b"", 0), Err(objection));
        }
    }

    #[test]
    fn what_is_not_http_is_refused() {
        let refused = |wanted| merge(&mut Changes::default(), wanted, b"", 0).expect_err("refused");
        for name in ["", "a b", "x\r\ny", "naïve", "x:"] {
            let wanted = contract::Changes { set_headers: fields([(name, "x")]), ..nothing() };
            assert_eq!(refused(wanted), Objection::HeaderName { name: name.into() });
        }
        for value in ["a\r\nX-Injected: 1", "a\0", "a\u{7f}"] {
            let wanted = contract::Changes { set_headers: fields([("X-A", value)]), ..nothing() };
            assert_eq!(refused(wanted), Objection::HeaderValue { name: "x-a".into() });
        }
        for value in ["", "json", "text/plain\r\nx: y"] {
            let wanted = contract::Changes { content_type: Some(value.into()), ..nothing() };
            assert_eq!(refused(wanted), Objection::ContentType { value: value.into() });
        }
        let wanted = contract::Changes { set_headers: fields([("Content-Type", "text/plain")]), ..nothing() };
        assert_eq!(refused(wanted), Objection::ContentTypeHeader);
    }

    #[test]
    fn options_that_nobody_knows_are_refused() {
        let wanted = contract::Changes { options: fields([("delay", "5s")]), ..nothing() };
        let objection = merge(&mut Changes::default(), wanted, b"", 0).expect_err("unknown");
        assert_eq!(objection, Objection::Option { name: "delay".into() });
    }

    #[test]
    fn the_sum_over_the_chain_is_bounded() {
        let mut changes = Changes::default();
        let annotate = || contract::Changes { annotations: fields([("note", "x"); 20]), ..nothing() };
        merge(&mut changes, annotate(), b"", 0).expect("20 are fine");
        let objection = merge(&mut changes, annotate(), b"", 0).expect_err("40 are not");
        assert!(matches!(objection, Objection::TooMuch { what: "annotations", number: 40, .. }));
        let huge = contract::Changes { set_headers: fields([("x", &"y".repeat(MAX_HEADER_BYTES))]), ..nothing() };
        let objection = merge(&mut Changes::default(), huge, b"", 0).expect_err("too large");
        assert!(matches!(objection, Objection::TooMuch { what: "headers", number: 1, .. }));
    }
}

//! The events: Strapi 5 bodies of one size (and small ones), each with a number that survives a rewrite.

use std::sync::LazyLock;

use bytes::Bytes;

/// What every body weighs.
pub(crate) const BODY_BYTES: usize = 1024;
/// But for the small ones.
const SMALL_BYTES: usize = 300;
/// The value that the plugin masks, where it stands, and how it reads in the body.
pub(crate) const MASKED_POINTER: &str = "/entry/email";
const EMAIL: &str = "ana.mueller@example.com";

/// Comes before the number: together as long as a documentId of Strapi, 24 characters.
const MARK: &[u8] = b"bench-";
const DIGITS: usize = 18;
const DECIMALS: &[u8; 10] = b"0123456789";
const PROSE: &str = "The quick brown fox jumps over the lazy dog while the editors of the site publish, \
                     unpublish and publish again, and every change of theirs sends one more event. ";

/// The body of event number 0, and where the number stands: written once, then only copied.
static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    let begin = format!(
        r#"{{"event":"entry.create","createdAt":"2026-11-23T20:41:15.196Z","model":"article","uid":"api::article.article","entry":{{"id":7,"documentId":"bench-{:0DIGITS$}","title":"Zürich in the morning","slug":"zurich-in-the-morning","email":"{EMAIL}","author":{{"id":7,"documentId":"o18ypsnuhwus6acf5temqhfh","name":"Ana Müller"}},"categories":{{"count":3}},"rating":4.5,"featured":false,"createdAt":"2026-11-23T20:41:15.189Z","updatedAt":"2026-11-23T20:41:15.189Z","publishedAt":null,"locale":"en","text":""#,
        0
    );
    Template::new(begin, BODY_BYTES)
});

/// The same of the small ones.
static SMALL: LazyLock<Template> = LazyLock::new(|| {
    let begin = format!(
        r#"{{"event":"entry.update","createdAt":"2026-11-23T20:41:15.196Z","model":"article","uid":"api::article.article","entry":{{"id":7,"documentId":"bench-{:0DIGITS$}","text":""#,
        0
    );
    Template::new(begin, SMALL_BYTES)
});

struct Template {
    body: Vec<u8>,
    number_at: usize,
}

impl Template {
    /// `begin` ends within a text, which is filled up.
    fn new(begin: String, bytes: usize) -> Self {
        let mut body = begin.into_bytes();
        let number_at = after_mark(&body).unwrap_or_default();
        let end = br#""}}"#;
        let room = bytes.saturating_sub(body.len() + end.len());
        body.extend(PROSE.bytes().cycle().take(room));
        body.extend_from_slice(end);
        Self { body, number_at }
    }

    fn numbered(&self, sequence: u32) -> Vec<u8> {
        let mut body = self.body.clone();
        let mut rest = sequence;
        for digit in body.iter_mut().skip(self.number_at).take(DIGITS).rev() {
            *digit = DECIMALS[(rest % 10) as usize];
            rest /= 10;
        }
        body
    }
}

/// Which events are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Delete,
    /// `entry.create` of so many models in turn, by the event's number.
    Models(u32),
    /// The same of `entry.update`.
    UpdatedModels(u32),
    /// `entry.update` of 300 bytes.
    Small,
}

impl Kind {
    pub(crate) const fn event_type(self) -> &'static str {
        match self {
            Self::Create | Self::Models(_) => "entry.create",
            Self::UpdatedModels(_) | Self::Small => "entry.update",
            Self::Delete => "entry.delete",
        }
    }

    /// The body of event number `sequence`.
    pub(crate) fn body(self, sequence: u32) -> Bytes {
        if self == Self::Small {
            return SMALL.numbered(sequence).into();
        }
        let mut body = TEMPLATE.numbered(sequence);
        put(&mut body, b"{\"event\":\"", self.event_type().as_bytes());
        if let Self::Models(models) | Self::UpdatedModels(models) = self {
            put(&mut body, b"\"model\":\"", model(sequence % models).as_bytes());
        }
        body.into()
    }
}

/// The name of a model, as long as the template's.
pub(crate) fn model(number: u32) -> String {
    format!("art-{number:03}")
}

/// Overwrites what follows `mark`, which stands in every body.
fn put(body: &mut [u8], mark: &[u8], text: &[u8]) {
    let Some(at) = body.windows(mark.len()).position(|window| window == mark) else { return };
    body.iter_mut().skip(at + mark.len()).zip(text).for_each(|(old, new)| *old = *new);
}

/// The number in a body, wherever a plugin moved it.
pub(crate) fn sequence(body: &[u8]) -> Option<u32> {
    let at = after_mark(body)?;
    std::str::from_utf8(body.get(at..at + DIGITS)?).ok()?.parse().ok()
}

/// Whether the value to mask still stands there.
pub(crate) fn is_unmasked(body: &[u8]) -> bool {
    body.windows(EMAIL.len()).any(|window| window == EMAIL.as_bytes())
}

fn after_mark(body: &[u8]) -> Option<usize> {
    Some(body.windows(MARK.len()).position(|window| window == MARK)? + MARK.len())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn bodies_are_json_of_one_size_that_know_their_number() {
        for number in [0, 1, 999_999, u32::MAX] {
            let body = Kind::Create.body(number);
            assert_eq!((body.len(), sequence(&body)), (BODY_BYTES, Some(number)));
            let value: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(value.pointer(MASKED_POINTER), Some(&EMAIL.into()));
        }
    }

    #[test]
    fn kinds_differ_in_what_they_are_about() {
        for kind in [Kind::Create, Kind::Delete, Kind::Models(200), Kind::UpdatedModels(200)] {
            let body = kind.body(417);
            assert_eq!((body.len(), sequence(&body)), (BODY_BYTES, Some(417)));
            let value: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(value["event"], kind.event_type());
            let has_models = matches!(kind, Kind::Models(_) | Kind::UpdatedModels(_));
            assert_eq!(value["model"], if has_models { "art-017" } else { "article" });
        }
        let small = Kind::Small.body(417);
        assert_eq!((small.len(), sequence(&small)), (SMALL_BYTES, Some(417)));
        let value: Value = serde_json::from_slice(&small).expect("JSON");
        assert_eq!(value["event"], Kind::Small.event_type());
    }

    #[test]
    fn a_rewritten_body_still_knows_its_number() {
        let mut value: Value = serde_json::from_slice(&Kind::Create.body(42)).expect("JSON");
        *value.pointer_mut(MASKED_POINTER).expect("present") = "***".into();
        let rewritten = serde_json::to_vec_pretty(&value).expect("JSON");
        assert_eq!(sequence(&rewritten), Some(42));
        assert!(is_unmasked(&Kind::Create.body(42)) && !is_unmasked(&rewritten));
        assert_eq!(sequence(b"bench-12"), None);
    }
}

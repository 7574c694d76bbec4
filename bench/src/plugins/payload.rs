//! Bodies as Strapi sends them, of any size: the larger, the more blocks of text an entry has.

use bytes::Bytes;

const HEAD: &str = r#"{"event":"entry.update","createdAt":"2026-11-23T20:41:15.196Z","model":"article","entry":{"id":7,"documentId":"o18ypsnuhwus6acf5temqhfh","email":"ana.mueller@example.com","rating":4.5,"publishedAt":null,"blocks":["#;
const BLOCK: &str = r#"{"__component":"blocks.text","id":12,"title":"In the morning","body":"The quick brown fox jumps over the lazy dog.","featured":true},"#;
const END: &str = r#"{"id":0}],"locale":"en","text":""#;
const CLOSE: &str = r#""}}"#;

/// A body of exactly this many bytes, if they are enough for the smallest.
pub(crate) fn of(bytes: usize) -> Bytes {
    let mut body = HEAD.to_owned();
    while body.len() + BLOCK.len() + END.len() + CLOSE.len() <= bytes {
        body += BLOCK;
    }
    body += END;
    let missing = bytes.saturating_sub(body.len() + CLOSE.len());
    body.extend(std::iter::repeat_n('x', missing));
    (body + CLOSE).into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::edit::{MASK, POINTER};
    use super::super::native::edited;
    use super::*;

    #[test]
    fn bodies_have_their_size_and_a_value_to_edit() {
        for bytes in [300, 1024, 10_240] {
            let body = of(bytes);
            assert_eq!(body.len(), bytes);
            let value: Value = serde_json::from_slice(&edited(&body).expect("JSON")).expect("JSON");
            assert_eq!(value.pointer(POINTER), Some(&MASK.into()));
        }
    }
}

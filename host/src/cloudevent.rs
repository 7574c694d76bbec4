//! The attributes of a CloudEvent as headers, both ways, as the HTTP binding of CloudEvents 1.0 says. Pure.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What comes before an attribute's name in a header.
pub(crate) const HEADER_PREFIX: &str = "ce-";

/// The header of an attribute, `ce-subject`.
pub(crate) fn header_name(attribute: &str) -> String {
    format!("{HEADER_PREFIX}{attribute}")
}

/// A value as it stands in a header: spaces, quotes, percent signs and what is not visible ASCII are encoded.
pub(crate) fn header_value(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"%".contains(byte);
    if text.as_bytes().iter().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if is_plain(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text always succeeds.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Cow::Owned(encoded)
}

/// What a value in a header says; none if it is not UTF-8. A percent sign that encodes nothing stands for itself, and
/// quotes around the whole are of an older binding.
pub(crate) fn decoded(header: &str) -> Option<String> {
    let unquoted = header.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(unescaped);
    let text = unquoted.as_deref().unwrap_or(header);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let encoded = if *first == b'%' { after.split_first_chunk().and_then(byte_of) } else { None };
        let (byte, after) = encoded.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn byte_of<'r>((digits, rest): (&[u8; 2], &'r [u8])) -> Option<(u8, &'r [u8])> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(digits[0])? << 4 | digit(digits[1])?, rest))
}

/// The inside of a quoted string: a backslash stands before what is meant as it is.
fn unescaped(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        text.push(if letter == '\\' { letters.next().unwrap_or(letter) } else { letter });
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of the binding.
    #[test]
    fn values_are_encoded_as_the_binding_says() {
        assert_eq!(header_value("Euro € 😀"), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(header_value("/cms/article?a=b&c"), "/cms/article?a=b&c");
        for (header, text) in [
            ("%E2%82%ac", "€"),
            ("\"a b\\\"c\\\\\"", "a b\"c\\"),
            ("\"a%20b\"", "a b"),
            ("100%", "100%"),
            ("%2", "%2"),
            ("%zz%41", "%zzA"),
            ("\"", "\""),
            ("€", "€"),
        ] {
            assert_eq!(decoded(header).as_deref(), Some(text), "{header}");
        }
        assert_eq!(decoded("%ff"), None);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let header = header_value(&text);
            prop_assert!(header.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(decoded(&header), Some(text));
        }

        #[test]
        fn any_header_is_read_without_harm(header in any::<String>()) {
            decoded(&header);
        }
    }
}

//! JSON as it is written: for edits that leave the rest of a payload as it came, digits, escapes, white space and all,
//! and cost a fraction of parsing it and writing it again.
//!
//! ```
//! use hookwright_sdk::scan::Scanner;
//!
//! /// The text of the member of this name, as it is written.
//! fn written<'j>(json: &'j str, wanted: &str) -> hookwright_sdk::Result<Option<&'j str>> {
//!     let mut scanner = Scanner::new(json)?;
//!     if !scanner.enter() {
//!         return Ok(None);
//!     }
//!     while scanner.next_child() {
//!         let name = scanner.name()?;
//!         let start = scanner.at();
//!         scanner.skip_value();
//!         if name == wanted {
//!             return Ok(Some(&json[start..scanner.at()]));
//!         }
//!     }
//!     Ok(None)
//! }
//!
//! assert_eq!(written(r#"{ "a": 1.10, "b": {"c": [2, 3]} }"#, "b")?, Some(r#"{"c": [2, 3]}"#));
//! assert_eq!(written(r#"{ "a": 1.10 }"#, "a")?, Some("1.10"));
//! # Ok::<(), hookwright_sdk::Failure>(())
//! ```

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// Walks over JSON text from its first value on. It never panics and never goes back; called out of turn, it tells
/// nothing of use.
#[derive(Clone, Debug)]
pub struct Scanner<'j> {
    text: &'j str,
    at: usize,
}

impl<'j> Scanner<'j> {
    /// Stands before the value that the text is.
    ///
    /// # Errors
    /// When the text is not JSON, all of it: everything else here relies on that.
    pub fn new(text: &'j str) -> serde_json::Result<Self> {
        serde_json::from_str::<IgnoredAny>(text)?;
        let mut scanner = Self { text, at: 0 };
        scanner.skip_space();
        Ok(scanner)
    }

    /// Where it stands, in bytes from the start of the text.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// The byte that it stands before; none at the end.
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes into the object or array that it stands before. False: it stands before something else.
    pub fn enter(&mut self) -> bool {
        let enters = matches!(self.peek(), Some(b'{' | b'['));
        self.at += usize::from(enters);
        enters
    }

    /// Goes on to the next member or element, or the first, over the comma between. False: there is no other one, and it
    /// stands behind the object or array. Before it is asked again, the value has to be skipped, or entered and left.
    pub fn next_child(&mut self) -> bool {
        self.skip_space();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.skip_space();
        }
        match self.peek() {
            Some(b'}' | b']') => {
                self.at += 1;
                false
            }
            other => other.is_some(),
        }
    }

    /// The name of the member that it stands before; then it stands before the member's value.
    ///
    /// # Errors
    /// When the name has escapes that stand for no text.
    pub fn name(&mut self) -> serde_json::Result<Cow<'j, str>> {
        let start = self.at;
        self.skip_string();
        let written = self.text.get(start..self.at).unwrap_or_default();
        self.skip_space();
        if self.peek() == Some(b':') {
            self.at += 1;
        }
        self.skip_space();
        match written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
            _ => serde_json::from_str(written).map(Cow::Owned),
        }
    }

    /// Goes to the end of the value that it stands before.
    pub fn skip_value(&mut self) {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'{' | b'[') => self.skip_nested(),
            _ => self.skip_to(|byte| matches!(byte, b',' | b']' | b'}') || is_space(byte)),
        }
    }

    /// Goes over white space.
    pub fn skip_space(&mut self) {
        self.skip_to(|byte| !is_space(byte));
    }

    fn skip_nested(&mut self) {
        let mut open = 0_usize;
        loop {
            self.skip_to(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'));
            match self.peek() {
                Some(b'"') => {
                    self.skip_string();
                    continue;
                }
                Some(b'{' | b'[') => open += 1,
                Some(_) => open = open.saturating_sub(1),
                None => return,
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    fn skip_string(&mut self) {
        self.at = end_of_string(self.text.as_bytes(), self.at + 1);
    }

    fn skip_to(&mut self, stops: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| stops(*byte)).unwrap_or(rest.len());
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Behind the quotation mark that closes the string whose text begins at `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let plain = plain(rest);
        at += plain;
        match rest.get(plain) {
            // With what it escapes.
            Some(b'\\') => at += 2,
            Some(_) => return at + 1,
            None => return bytes.len(),
        }
    }
}

/// How many bytes there are before the first quotation mark or backslash. Eight at a time: "Determine if a word has a byte
/// equal to n", Sean Eron Anderson, *Bit Twiddling Hacks*.
fn plain(bytes: &[u8]) -> usize {
    const fn zero_bytes(word: u64) -> u64 {
        word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080
    }
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = zero_bytes(word ^ u64::from_le_bytes([b'"'; 8]));
        let found = quote | zero_bytes(word ^ u64::from_le_bytes([b'\\'; 8]));
        if found != 0 {
            // The first one is exact; what follows may be off by a borrow.
            return index * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\\');
    words.len() * 8 + rest.iter().position(is_end).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn the_end_of_a_string_is_found_wherever_it_is() {
        for length in 0..40 {
            for end in [r#"""#, r#"\"""#, r#"\\""#, r#"é\u0022""#] {
                let text = format!(r#"{}{end}, "next""#, "x".repeat(length));
                assert_eq!(end_of_string(text.as_bytes(), 0), length + end.len(), "{text}");
            }
            assert_eq!(end_of_string("x".repeat(length).as_bytes(), 0), length, "it has no end");
        }
    }

    /// Compares with what `serde_json` finds.
    fn compare(json: &str) {
        let mut scanner = Scanner::new(json).expect("valid");
        walk(&mut scanner, json, &serde_json::from_str(json).expect("valid"));
        scanner.skip_space();
        assert_eq!(scanner.peek(), None, "{json}");
    }

    fn walk(scanner: &mut Scanner<'_>, json: &str, value: &Value) {
        let start = scanner.at();
        let mut skipping = scanner.clone();
        skipping.skip_value();
        let written: &RawValue = serde_json::from_str(&json[start..skipping.at()]).expect("one value");
        assert_eq!(written.get().len(), skipping.at() - start, "no space at its ends");
        assert_eq!(&serde_json::from_str::<Value>(written.get()).expect("valid"), value);
        match value {
            Value::Object(members) => {
                assert!(scanner.enter());
                for (name, value) in members {
                    assert!(scanner.next_child());
                    assert_eq!(&scanner.name().expect("valid"), name);
                    walk(scanner, json, value);
                }
                assert!(!scanner.next_child());
            }
            Value::Array(elements) => {
                assert!(scanner.enter());
                for value in elements {
                    assert!(scanner.next_child());
                    walk(scanner, json, value);
                }
                assert!(!scanner.next_child());
            }
            _ => {
                assert!(!scanner.enter());
                scanner.skip_value();
            }
        }
        assert_eq!(scanner.at(), skipping.at());
    }

    #[test]
    fn it_finds_what_a_parser_finds() {
        for json in [
            " 1.50e+3 ",
            "\"\\\\\"",
            "[]",
            "{ }",
            "\n[ [ ] ,\t{ } , \"]\" , \"}\\\"{\" , null,true ]\r",
            r#"{"a\"b":{"":-0.0},"\u00e9 and more than eight":[{"c":"d,e:f"}],"日本":false}"#,
        ] {
            compare(json);
        }
    }

    #[test]
    fn called_out_of_turn_it_ends() {
        let mut scanner = Scanner::new("[1]").expect("valid");
        assert!(scanner.name().is_err());
        for _ in 0..5 {
            scanner.skip_value();
            scanner.next_child();
            scanner.enter();
        }
        assert!(scanner.at() <= 8);
        assert!(Scanner::new("[1").is_err());
    }
}

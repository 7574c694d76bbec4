//! JSON for people: lenient looks into answers, and re-indenting that changes nothing but white space.

use serde_json::Value;

/// Indents JSON text by two spaces a level. Names keep their order and numbers their digits, which a parser
/// would not promise. Text that is not JSON comes out as some text: nothing is checked.
pub(super) fn reindented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth: usize = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => copy_string(&mut chars, &mut out),
            '{' | '[' => {
                out.push(c);
                while chars.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    break_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                break_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if c.is_ascii_whitespace() => {}
            _ => out.push(c),
        }
    }
    out
}

fn copy_string(chars: &mut impl Iterator<Item = char>, out: &mut String) {
    out.push('"');
    let mut escaped = false;
    for c in chars {
        out.push(c);
        match c {
            '"' if !escaped => return,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
}

/// Deeper nesting is not indented further: a body of brackets alone must not grow with the square of its size.
const MAX_INDENT: usize = 32;

fn break_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(MAX_INDENT)));
}

/// The scalar at a pointer as text; empty when there is none.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The first of several scalars that is there.
pub(super) fn either(value: &Value, pointers: [&str; 2]) -> String {
    pointers.iter().map(|pointer| text(value, pointer)).find(|text| !text.is_empty()).unwrap_or_default()
}

/// The list at a pointer; empty when there is none.
pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of the list at a pointer, joined by `, `.
pub(super) fn joined(value: &Value, pointer: &str) -> String {
    list(value, pointer).iter().map(|item| text(item, "")).collect::<Vec<_>>().join(", ")
}

/// A whole number at a pointer; 0 when there is none.
pub(super) fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_order_and_digits() {
        let text = r#"{"b":9007199254740993,"a":[1.10,{}, [ ],"x,\"{:"]}"#;
        insta::assert_snapshot!(reindented(text), @r#"
        {
          "b": 9007199254740993,
          "a": [
            1.10,
            {},
            [],
            "x,\"{:"
          ]
        }
        "#);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), any::<String>().prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn means_the_same_afterwards(value in any_json()) {
            let read: Value = serde_json::from_str(&reindented(&value.to_string())).expect("still JSON");
            prop_assert_eq!(read, value);
        }

        #[test]
        fn takes_any_text(text in any::<String>()) {
            reindented(&text);
        }
    }
}

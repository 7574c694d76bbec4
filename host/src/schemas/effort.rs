//! How much work a schema can make of one value, told from its shape: references can double it at every step, and forty
//! of them outlast everybody. For schemas that refer to nothing outside of themselves. Pure.

use std::collections::HashMap;

use serde_json::Value;

/// Steps with every reference written out. The bundled plugins' schemas have thirty.
const MAX_STEPS: u64 = 100_000;
/// Schemas inside of each other, references included: those that judge and those that look recurse.
const MAX_DEPTH: usize = 200;

/// Judges a schema before it is compiled.
///
/// # Errors
/// In words, when it is too much work, or when that cannot be told.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    let steps = Walk { root: schema, known: HashMap::new() }.steps(schema, 0)?;
    if steps > MAX_STEPS {
        return Err(format!("it has {steps} steps with its references written out, limit {MAX_STEPS}"));
    }
    Ok(())
}

struct Walk<'s> {
    root: &'s Value,
    /// Steps below a value, by its address. 0 while it is being counted: what leads back to itself ends there.
    known: HashMap<*const Value, u64>,
}

impl<'s> Walk<'s> {
    fn steps(&mut self, value: &'s Value, depth: usize) -> Result<u64, String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is more than {MAX_DEPTH} schemas deep, references included"));
        }
        if let Some(steps) = self.known.get(&std::ptr::from_ref(value)) {
            return Ok(*steps);
        }
        self.known.insert(std::ptr::from_ref(value), 0);
        let mut steps = 1_u64;
        match value {
            Value::Array(items) => {
                for item in items {
                    steps = steps.saturating_add(self.steps(item, depth + 1)?);
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    let below = match self.target(key, member, depth)? {
                        Some(target) => self.steps(target, depth + 1)?,
                        None => self.steps(member, depth + 1)?,
                    };
                    steps = steps.saturating_add(below);
                }
            }
            _ => {}
        }
        self.known.insert(std::ptr::from_ref(value), steps);
        Ok(steps)
    }

    /// What a reference leads to. `None`: no reference, or one that leads out and is refused by the compiler.
    fn target(&self, key: &str, value: &Value, depth: usize) -> Result<Option<&'s Value>, String> {
        match (key, value.as_str()) {
            ("$ref", Some(reference)) => Ok(reference.strip_prefix('#').map(|pointer| self.at(pointer)).transpose()?),
            // They move what references mean. At the top, `$id` is only a name.
            ("$id", Some(_)) if depth > 0 => Err("`$id` inside of it is not offered".to_owned()),
            ("$anchor" | "$dynamicAnchor" | "$dynamicRef" | "$recursiveRef", Some(_)) => {
                Err(format!("`{key}` is not offered; use `$ref` with a pointer, such as #/$defs/name"))
            }
            _ => Ok(None),
        }
    }

    fn at(&self, pointer: &str) -> Result<&'s Value, String> {
        let unescaped = pointer.replace("%25", "%").replace("%24", "$");
        self.root.pointer(&unescaped).ok_or_else(|| "$ref: it leads to nothing inside of the schema".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each level refers twice to the next.
    fn doubling(levels: usize) -> Value {
        let mut schema = json!({"$ref": "#/$defs/0", "$defs": {}});
        for level in 0..levels {
            let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
            schema["$defs"][level.to_string()] = json!({"allOf": [next, next]});
        }
        schema["$defs"][levels.to_string()] = json!(true);
        schema
    }

    #[test]
    fn references_that_double_are_counted_as_what_they_cost() {
        assert_eq!(check(&doubling(8)), Ok(()));
        assert!(check(&doubling(40)).expect_err("too much").contains("steps with its references written out"));
    }

    #[test]
    fn a_schema_that_refers_to_itself_is_counted_once() {
        let tree = json!({"$id": "https://example.com/tree", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}});
        assert_eq!(check(&tree), Ok(()));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let chain = json!({"$ref": "#/$defs/0", "$defs": (0..500).map(|n| {
            (n.to_string(), json!({"$ref": format!("#/$defs/{}", (n + 1) % 500)}))
        }).collect::<serde_json::Map<_, _>>()});
        assert!(check(&chain).expect_err("too deep").contains("schemas deep"));
        for (schema, word) in [
            (json!({"$defs": {"a": {"$id": "x"}}}), "`$id`"),
            (json!({"$defs": {"a": {"$anchor": "x"}}}), "`$anchor`"),
            (json!({"$dynamicRef": "#x"}), "`$dynamicRef`"),
            (json!({"$ref": "#/nowhere"}), "$ref"),
        ] {
            assert!(check(&schema).expect_err("refused").starts_with(word), "{schema}");
        }
    }
}

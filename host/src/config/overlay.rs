//! Lays one document over another, and remembers which file each value came from. Objects merge, everything
//! else is replaced; the names of HTTP headers merge whatever their case.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::pointer::child;

/// Documents laid over each other.
pub(super) struct Merged {
    value: Value,
    /// Pointer → the layer that put there what was not there or replaced what was. What lies below came with it.
    origins: BTreeMap<String, usize>,
}

impl Merged {
    /// From the base to the last overlay. `header_maps`: pointers of the objects whose keys are header names.
    pub(super) fn new(documents: Vec<Value>, header_maps: &[&str]) -> Self {
        let mut merged = Self { value: Value::Object(Map::new()), origins: BTreeMap::new() };
        for (layer, document) in documents.into_iter().enumerate() {
            let mut laying = Laying { layer, origins: &mut merged.origins, header_maps };
            laying.lay(&mut merged.value, document, "");
        }
        merged
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// The layer that contributed what stands at `pointer`, or what would contain it.
    pub(super) fn origin(&self, pointer: &str) -> usize {
        let mut place = pointer;
        loop {
            match (self.origins.get(place), place.rsplit_once('/')) {
                (Some(layer), _) => return *layer,
                (None, Some((parent, _))) => place = parent,
                (None, None) => return 0,
            }
        }
    }
}

struct Laying<'m> {
    layer: usize,
    origins: &'m mut BTreeMap<String, usize>,
    header_maps: &'m [&'m str],
}

impl Laying<'_> {
    fn lay(&mut self, base: &mut Value, over: Value, pointer: &str) {
        match (base, over) {
            (Value::Object(base), Value::Object(over)) => {
                if self.header_maps.contains(&pointer) {
                    let names: BTreeSet<_> = over.keys().map(|name| name.to_ascii_lowercase()).collect();
                    base.retain(|name, _| over.contains_key(name) || !names.contains(&name.to_ascii_lowercase()));
                }
                for (key, value) in over {
                    let place = child(pointer, &key);
                    if let Some(slot) = base.get_mut(&key) {
                        self.lay(slot, value, &place);
                    } else {
                        base.insert(key, value);
                        self.came_here(place);
                    }
                }
            }
            (slot, over) => {
                *slot = over;
                self.came_here(pointer.to_owned());
            }
        }
    }

    fn came_here(&mut self, pointer: String) {
        let inside = child(&pointer, "");
        let below = self.origins.range(inside.clone()..).take_while(|(place, _)| place.starts_with(&inside));
        let below: Vec<_> = below.map(|(place, _)| place.clone()).collect();
        for place in &below {
            self.origins.remove(place);
        }
        self.origins.insert(pointer, self.layer);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_merge_and_the_rest_is_replaced() {
        let base = json!({"server": {"listen": "a", "admin": "b"}, "list": [1, 2], "x": {"y": {"z": 1}}});
        let over = json!({"server": {"admin": "c"}, "list": [3], "x": {"y": 5}, "new": {"a/b": 1}});
        let merged = Merged::new(vec![base, over], &[]);
        assert_eq!(
            *merged.value(),
            json!({"server": {"listen": "a", "admin": "c"}, "list": [3], "x": {"y": 5}, "new": {"a/b": 1}})
        );
        for (pointer, layer) in [
            ("", 0),
            ("/server", 0),
            ("/server/listen", 0),
            ("/server/absent", 0),
            ("/server/admin", 1),
            ("/list/0", 1),
            ("/x/y", 1),
            ("/new/a~1b", 1),
        ] {
            assert_eq!(merged.origin(pointer), layer, "{pointer}");
        }
    }

    #[test]
    fn header_names_merge_whatever_their_case() {
        let base = json!({"headers": {"X-Site": "a", "Accept": "b"}, "labels": {"A": "1"}});
        let over = json!({"headers": {"x-site": "c"}, "labels": {"a": "2"}});
        let merged = Merged::new(vec![base, over], &["/headers"]);
        assert_eq!(*merged.value(), json!({"headers": {"x-site": "c", "Accept": "b"}, "labels": {"A": "1", "a": "2"}}));
        assert_eq!((merged.origin("/headers/x-site"), merged.origin("/headers/Accept")), (1, 0));
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<u8>().prop_map(Value::from), Just(Value::Null)];
        let tree = leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab/~]", inner, 0..4).prop_map(|map| map.into_iter().collect()),
            ]
        });
        prop::collection::btree_map("[ab]", tree, 0..4).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        /// What stands in the overlay stands in the result, and says that it came from there.
        #[test]
        fn the_overlay_wins(base in document(), over in document()) {
            let merged = Merged::new(vec![base, over.clone()], &[]);
            let mut open = vec![(String::new(), over)];
            while let Some((pointer, value)) = open.pop() {
                match value {
                    Value::Object(members) => {
                        open.extend(members.into_iter().map(|(key, value)| (child(&pointer, &key), value)));
                    }
                    leaf => {
                        prop_assert_eq!(merged.value().pointer(&pointer), Some(&leaf));
                        prop_assert_eq!(merged.origin(&pointer), 1);
                    }
                }
            }
        }
    }
}

//! The two versions of each plugin, and what a delivery says of the one it came through. Pure.

use hookwright::ids::Digest;
use hookwright_hostile::stamp::{HEADERS, stamping};
use hyper::header::HeaderMap;

use crate::body::model;

/// A version's file.
pub(crate) struct Version {
    pub(crate) wasm: Vec<u8>,
    pub(crate) digest: String,
}

/// The versions of one plugin.
const VERSIONS: [char; 2] = ['a', 'b'];

/// Both versions of the plugin of model `number`.
pub(crate) fn versions(number: u32) -> [Version; 2] {
    VERSIONS.map(|version| {
        let wasm = stamping(&stamp(number, version));
        let digest = Digest::of(&wasm).to_string();
        Version { wasm, digest }
    })
}

fn stamp(number: u32, version: char) -> String {
    format!("{}-{version}", model(number))
}

/// What is wrong with a delivery of model `number`, if anything is.
pub(crate) fn wrong(headers: &HeaderMap, number: u32) -> Option<String> {
    let [first, last] = HEADERS.map(|name| headers.get(name).and_then(|value| value.to_str().ok()));
    let known = |stamp: &str| VERSIONS.iter().any(|version| stamp == self::stamp(number, *version));
    match (first, last) {
        (Some(first), Some(last)) if first == last && known(first) => None,
        _ => Some(format!("was stamped {first:?} and {last:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixtures_and_strangers_are_told() {
        let headers = |first: &str, last: &str| {
            let pair = |name: &str, value: &str| (name.parse().expect("name"), value.parse().expect("value"));
            HeaderMap::from_iter([pair(HEADERS[0], first), pair(HEADERS[1], last)])
        };
        assert_eq!(wrong(&headers("art-017-a", "art-017-a"), 17), None);
        assert!(wrong(&headers("art-017-a", "art-017-b"), 17).is_some());
        assert!(wrong(&headers("art-018-a", "art-018-a"), 17).is_some());
        assert!(wrong(&HeaderMap::new(), 17).is_some());
    }
}

//! Which source a token belongs to.

use http::HeaderMap;
use subtle::ConstantTimeEq as _;

use super::Refusal;
use crate::config::Source;
use crate::http::bearer;
use crate::ids::{Digest, SourceName};

/// Finds the source whose token the request carries.
///
/// Digests are compared, each in constant time and always all of them: the time says neither how much of a
/// token fits nor whose it is.
pub(super) fn authenticate(headers: &HeaderMap, sources: &[Source]) -> Result<SourceName, Refusal> {
    let token = bearer(headers).ok_or(Refusal::NoToken)?;
    let digest = Digest::of(token.as_bytes());
    let found = sources.iter().fold(None, |found, source| {
        if bool::from(source.token.as_bytes().ct_eq(digest.as_bytes())) { Some(source) } else { found }
    });
    found.map(|source| source.name.clone()).ok_or(Refusal::WrongToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_source_of_a_token() {
        let source = |name: &str, token: &str| Source {
            name: name.parse().expect("valid"),
            token: Digest::of(token.as_bytes()),
        };
        let sources = [source("strapi", "one"), source("blog", "two")];
        let with = |value: &str| HeaderMap::from_iter([(http::header::AUTHORIZATION, value.parse().expect("valid"))]);

        assert_eq!(authenticate(&with("Bearer two"), &sources).expect("known").as_str(), "blog");
        assert_eq!(authenticate(&with("Bearer one"), &sources).expect("known").as_str(), "strapi");
        assert!(matches!(authenticate(&with("Bearer three"), &sources), Err(Refusal::WrongToken)));
        assert!(matches!(authenticate(&with("Bearer one"), &[]), Err(Refusal::WrongToken)));
        assert!(matches!(authenticate(&with("Basic b25l"), &sources), Err(Refusal::NoToken)));
        assert!(matches!(authenticate(&HeaderMap::new(), &sources), Err(Refusal::NoToken)));
    }
}

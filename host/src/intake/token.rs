//! Which source a token belongs to.

use http::{HeaderMap, HeaderName};
use subtle::ConstantTimeEq as _;

use super::Refusal;
use crate::config::Source;
use crate::http::bearer;
use crate::ids::Digest;

/// Finds the source whose token the request carries, where that source sends it.
///
/// Digests are compared, each in constant time and always all of them: the time says neither how much of a
/// token fits nor whose it is.
pub(super) fn authenticate<'s>(headers: &HeaderMap, sources: &'s [Source]) -> Result<&'s Source, Refusal> {
    let digest = |token: &str| Digest::of(token.as_bytes());
    let bearer = bearer(headers).map(digest);
    let mut refusal = Refusal::NoToken;
    let found = sources.iter().fold(None, |found, source| {
        let sent = source.token_header.as_ref().map_or(bearer, |name| sole(headers, name).map(digest));
        let Some(sent) = sent else { return found };
        refusal = Refusal::WrongToken;
        if bool::from(source.token.as_bytes().ct_eq(sent.as_bytes())) { Some(source) } else { found }
    });
    // With no source at all, a token is still a wrong one.
    found.ok_or(if bearer.is_some() { Refusal::WrongToken } else { refusal })
}

/// The value of a header that was sent once. Of two nobody can say which one counts.
fn sole<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut sent = headers.get_all(name).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else { return None };
    value.to_str().ok().map(str::trim_ascii).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_source_of_a_token() {
        let source =
            |name: &str, token: &str| Source::plain(name.parse().expect("valid"), Digest::of(token.as_bytes()));
        let sources = [source("strapi", "one"), source("blog", "two")];
        let with = |value: &str| HeaderMap::from_iter([(http::header::AUTHORIZATION, value.parse().expect("valid"))]);

        assert_eq!(authenticate(&with("Bearer two"), &sources).expect("known").name.as_str(), "blog");
        assert_eq!(authenticate(&with("Bearer one"), &sources).expect("known").name.as_str(), "strapi");
        assert!(matches!(authenticate(&with("Bearer three"), &sources), Err(Refusal::WrongToken)));
        assert!(matches!(authenticate(&with("Bearer one"), &[]), Err(Refusal::WrongToken)));
        assert!(matches!(authenticate(&with("Basic b25l"), &sources), Err(Refusal::NoToken)));
        assert!(matches!(authenticate(&HeaderMap::new(), &sources), Err(Refusal::NoToken)));
    }

    #[test]
    fn a_source_that_says_where_its_token_is_has_it_nowhere_else() {
        let plain = Source::plain("strapi".parse().expect("valid"), Digest::of(b"one"));
        let other = Source::plain("cms".parse().expect("valid"), Digest::of(b"two"));
        let sources = [plain, Source { token_header: Some(HeaderName::from_static("x-token")), ..other }];
        let sent = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (*name, value.parse().expect("valid")));
            let headers = pairs.map(|(name, value)| (HeaderName::from_static(name), value)).collect();
            authenticate(&headers, &sources).map(|source| source.name.to_string())
        };
        assert_eq!(sent(&[("x-token", "two")]).expect("known"), "cms");
        assert_eq!(sent(&[("x-token", "wrong"), ("authorization", "Bearer one")]).expect("known"), "strapi");
        for wrong in [&[("authorization", "Bearer two")][..], &[("x-token", "one")], &[("x-token", "two2")]] {
            assert!(matches!(sent(wrong), Err(Refusal::WrongToken)), "{wrong:?}");
        }
        for none in [&[][..], &[("x-token", "two"), ("x-token", "two")], &[("x-token", "")]] {
            assert!(matches!(sent(none), Err(Refusal::NoToken)), "{none:?}");
        }
    }
}

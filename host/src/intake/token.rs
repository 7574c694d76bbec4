//! Which source a token belongs to.

use http::{HeaderMap, HeaderName};
use subtle::ConstantTimeEq as _;

use super::Refusal;
use crate::access::{Found, Posts, Refused, Tokens};
use crate::clock::Timestamp;
use crate::config::Source;
use crate::http::bearer;
use crate::ids::Digest;

/// Finds the source whose token the request carries: one of the configuration, where that source sends it, or one that
/// was made over the API.
///
/// Digests are compared, each in constant time and always all of them: the time says neither how much of a
/// token fits nor whose it is.
pub(super) fn authenticate(
    headers: &HeaderMap,
    sources: &[Source],
    tokens: &Tokens,
    now: Timestamp,
) -> Result<Posts, Refusal> {
    let digest = |token: &str| Digest::of(token.as_bytes());
    let token = bearer(headers);
    let made = token.map(|token| tokens.find(token, now));
    let bearer = token.map(digest);
    let mut refusal = Refusal::NoToken;
    let found = sources.iter().fold(None, |found, source| {
        let sent = source.token_header.as_ref().map_or(bearer, |name| sole(headers, name).map(digest));
        let Some(sent) = sent else { return found };
        refusal = Refusal::WrongToken;
        if bool::from(source.token.as_bytes().ct_eq(sent.as_bytes())) { Some(source) } else { found }
    });
    match (found, made) {
        (Some(source), _) => Ok(Posts::freely(source.name.clone())),
        (None, None) => Err(refusal),
        (None, Some(Ok(Found { posts: Some(posts), .. }))) => Ok(posts),
        (None, Some(Ok(Found { principal, .. }))) => Err(Refusal::NoSource { role: principal.role }),
        (None, Some(Err(Refused::Unknown))) => Err(Refusal::WrongToken),
        (None, Some(Err(ended))) => Err(Refusal::EndedToken(ended)),
    }
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
    use crate::access::{NewToken, Principal, Role, fresh_tokens};

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::header::AUTHORIZATION, value.parse().expect("valid"))])
    }

    #[tokio::test]
    async fn finds_the_source_of_a_token() {
        let source =
            |name: &str, token: &str| Source::plain(name.parse().expect("valid"), Digest::of(token.as_bytes()));
        let sources = [source("strapi", "one"), source("blog", "two")];
        let tokens = fresh_tokens("own").await;
        let now = Timestamp::from_ms(0);
        let found = |headers: &HeaderMap, sources: &[Source]| authenticate(headers, sources, &tokens, now);

        for (token, name) in [("two", "blog"), ("one", "strapi")] {
            let posts = Posts::freely(name.parse().expect("valid"));
            assert_eq!(found(&with(&format!("Bearer {token}")), &sources).expect("known"), posts);
        }
        assert!(matches!(found(&with("Bearer three"), &sources), Err(Refusal::WrongToken)));
        assert!(matches!(found(&with("Bearer one"), &[]), Err(Refusal::WrongToken)));
        assert!(matches!(found(&with("Basic b25l"), &sources), Err(Refusal::NoToken)));
        assert!(matches!(found(&HeaderMap::new(), &sources), Err(Refusal::NoToken)));
        assert!(matches!(found(&with("Bearer own"), &sources), Err(Refusal::NoSource { role: Role::Admin })));
    }

    #[tokio::test]
    async fn a_token_that_was_made_posts_as_its_source() {
        let tokens = fresh_tokens("own").await;
        let now = Timestamp::from_ms(0);
        let posts = Posts { source: "shop".parse().unwrap(), events: vec!["entry.*".parse().unwrap()] };
        let new = NewToken {
            name: "shop".parse().unwrap(),
            role: Role::Source,
            expires: Some(Timestamp::from_ms(9)),
            posts: Some(posts.clone()),
        };
        let (_, text) = tokens.create(new, Principal::local(), now).await.unwrap();
        let headers = with(&format!("Bearer {text}"));
        assert_eq!(authenticate(&headers, &[], &tokens, now).unwrap(), posts);
        let late = authenticate(&headers, &[], &tokens, Timestamp::from_ms(9));
        assert!(matches!(late, Err(Refusal::EndedToken(Refused::Expired { .. }))), "{late:?}");
    }

    #[tokio::test]
    async fn a_source_that_says_where_its_token_is_has_it_nowhere_else() {
        let tokens = fresh_tokens("own").await;
        let plain = Source::plain("strapi".parse().expect("valid"), Digest::of(b"one"));
        let other = Source::plain("cms".parse().expect("valid"), Digest::of(b"two"));
        let sources = [plain, Source { token_header: Some(HeaderName::from_static("x-token")), ..other }];
        let sent = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (*name, value.parse().expect("valid")));
            let headers = pairs.map(|(name, value)| (HeaderName::from_static(name), value)).collect();
            authenticate(&headers, &sources, &tokens, Timestamp::from_ms(0)).map(|posts| posts.source.to_string())
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

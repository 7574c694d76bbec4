//! Which source a token belongs to.

use http::HeaderMap;
use subtle::ConstantTimeEq as _;

use super::Refusal;
use crate::access::{Found, Posts, Refused, Tokens};
use crate::clock::Timestamp;
use crate::config::Source;
use crate::http::bearer;
use crate::ids::Digest;

/// Finds the source whose token the request carries: one of the configuration, or one that was made over the API.
///
/// Digests are compared, each in constant time and always all of them: the time says neither how much of a
/// token fits nor whose it is.
pub(super) fn authenticate(
    headers: &HeaderMap,
    sources: &[Source],
    tokens: &Tokens,
    now: Timestamp,
) -> Result<Posts, Refusal> {
    let token = bearer(headers).ok_or(Refusal::NoToken)?;
    let digest = Digest::of(token.as_bytes());
    let found = sources.iter().fold(None, |found, source| {
        if bool::from(source.token.as_bytes().ct_eq(digest.as_bytes())) { Some(source) } else { found }
    });
    match (found, tokens.find(token, now)) {
        (Some(source), _) => Ok(Posts::freely(source.name.clone())),
        (None, Ok(Found { posts: Some(posts), .. })) => Ok(posts),
        (None, Ok(Found { principal, .. })) => Err(Refusal::NoSource { role: principal.role }),
        (None, Err(Refused::Unknown)) => Err(Refusal::WrongToken),
        (None, Err(ended)) => Err(Refusal::EndedToken(ended)),
    }
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
        let source = |name: &str, token: &str| Source {
            name: name.parse().expect("valid"),
            token: Digest::of(token.as_bytes()),
        };
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
}

//! Serving HTTP/1.1: limits on connections, heads, bodies and time; problem documents; drain.
//!
//! [`serve`] owns connections, [`body`] reads what they bring, [`problem`] is how a refusal looks, [`answers`]
//! the one place where the errors of rooms become problems. Knows no route but `/health/*`.

pub mod answers;
pub mod body;
pub mod health;
mod patient;
pub mod problem;
pub mod serve;
mod unread;

use std::net::{IpAddr, Ipv4Addr};

use ::http::{Extensions, HeaderMap, Method, Uri, header};
use axum::Router;

use problem::{Kind, Problem};

/// Whom a request came from, as the connection says: a proxy, where there is one. In the extensions of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// The address; that of nobody, should a request have come by no connection.
    pub fn address(extensions: &Extensions) -> IpAddr {
        extensions.get::<Self>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0)
    }
}

/// Adds what every listener answers where no route is: 404 and 405 as problems.
pub fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

/// The token of `Authorization: Bearer <token>`, if one was sent. Of two headers nobody can say which one counts.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(Kind::NotFound, format!("There is nothing at {}.", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}; the Allow header says what it takes.", uri.path());
    Problem::new(Kind::MethodNotAllowed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        for (text, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer ", None),
            ("Bearer", None),
            ("Basic abc", None),
            ("Bearerabc", None),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, text.parse().expect(text))]);
            assert_eq!(bearer(&headers), expected, "{text:?}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
        let two = ["Bearer abc", "Bearer abc"].map(|text| (header::AUTHORIZATION, text.parse().expect(text)));
        assert_eq!(bearer(&HeaderMap::from_iter(two)), None);
    }
}

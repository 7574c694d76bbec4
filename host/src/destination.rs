//! Where a webhook's deliveries go.

use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use url::Url;

/// A URL, with all that a request needs of it: worked out once, not for every attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    url: Url,
    uri: Uri,
    origin: Arc<str>,
    host: HeaderValue,
    target: Uri,
}

/// What nothing can be sent to.
#[derive(Debug, thiserror::Error)]
pub enum BadDestination {
    #[error("no URL: {0}")]
    Url(#[from] url::ParseError),
    /// Longer than 64 KiB, or without a host.
    #[error("a URL that cannot be requested: {0}")]
    Request(#[from] http::Error),
}

impl Destination {
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Scheme, host and port: who has the same may be reached by the same connection.
    pub const fn origin(&self) -> &Arc<str> {
        &self.origin
    }

    /// What the `Host` header says.
    pub const fn host_header(&self) -> &HeaderValue {
        &self.host
    }

    /// What is asked for there, in origin form (RFC 9112, section 3.2.1).
    pub const fn target(&self) -> &Uri {
        &self.target
    }
}

impl TryFrom<Url> for Destination {
    type Error = BadDestination;

    fn try_from(url: Url) -> Result<Self, Self::Error> {
        let uri = Uri::try_from(url.as_str()).map_err(http::Error::from)?;
        let target = uri.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from);
        let host = url.host_str().unwrap_or_default();
        // A default port is none: the parser leaves it out.
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let origin = format!("{}://{host}", url.scheme()).into();
        let host = HeaderValue::try_from(host).map_err(http::Error::from)?;
        Ok(Self { url, uri, origin, host, target })
    }
}

impl FromStr for Destination {
    type Err = BadDestination;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Url::parse(text)?.try_into()
    }
}

impl Deref for Destination {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_is_asked_for_and_of_whom() {
        for (url, origin, host, target) in [
            ("https://build.example/hook?a=b", "https://build.example", "build.example", "/hook?a=b"),
            ("https://Build.example:443", "https://build.example", "build.example", "/"),
            ("http://build.example:443/a%20b", "http://build.example:443", "build.example:443", "/a%20b"),
            ("http://[::1]:8080/?", "http://[::1]:8080", "[::1]:8080", "/?"),
            ("http://bücher.example/ü", "http://xn--bcher-kva.example", "xn--bcher-kva.example", "/%C3%BC"),
        ] {
            let destination: Destination = url.parse().expect(url);
            assert_eq!(&**destination.origin(), origin, "{url}");
            assert_eq!(destination.host_header(), host, "{url}");
            assert_eq!(destination.target(), target, "{url}");
        }
        let long = format!("https://build.example/{}", "x".repeat(70_000));
        assert!(matches!(long.parse::<Destination>(), Err(BadDestination::Request(_))));
    }
}

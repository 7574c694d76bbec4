//! Where the command line is told to look, instead of at the host of the home folder, and with which token.
//!
//! One for the whole process, as the environment it may come from; set once, before any command runs, and read by
//! `discovery` only.

use std::env;
use std::str::FromStr;
use std::sync::OnceLock;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use url::Url;

use crate::secret::Secret;

const TOKEN_VARIABLE: &str = "HOOKWRIGHT_TOKEN";

static ASKED: OnceLock<Remote> = OnceLock::new();

#[derive(Clone, Debug, Args)]
pub(super) struct RemoteArgs {
    /// The admin listener of a host elsewhere, such as <https://hooks.example:4401>; for `send`, its public listener
    #[arg(long, global = true, env = "HOOKWRIGHT_URL", value_name = "URL", help_heading = "Another host")]
    host: Option<BaseUrl>,
    /// The token to send instead of the host's own; with another host also in `HOOKWRIGHT_TOKEN`
    #[arg(long, global = true, value_name = "TOKEN", help_heading = "Another host", value_parser = NonEmptyStringValueParser::new())]
    token: Option<String>,
}

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Remote {
    pub(super) url: Option<BaseUrl>,
    pub(super) token: Option<Secret>,
}

impl RemoteArgs {
    /// To be called once.
    pub(super) fn hold(self) {
        let Self { host, token } = self;
        let token = token.or_else(|| host.as_ref().and_then(|_| token_variable()));
        // A second call would change nothing.
        let _ = ASKED.set(Remote { url: host, token: token.as_deref().map(Secret::new) });
    }
}

pub(super) fn asked() -> Remote {
    ASKED.get().cloned().unwrap_or_default()
}

/// The token in the environment.
pub(super) fn token_variable() -> Option<String> {
    env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty())
}

/// An address that paths are put after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseUrl(Url);

impl BaseUrl {
    /// With its own path before.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.0.path().trim_end_matches('/'))
    }

    pub(super) fn authority(&self) -> &str {
        self.0.authority()
    }

    /// Whether what is sent there can be read on the way.
    pub(super) fn is_open(&self) -> bool {
        let is_here = match self.0.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.0.scheme() == "http" && !is_here
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl FromStr for BaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| "expected a URL such as https://hooks.example:4401")?;
        let is_plain = url.query().is_none() && url.fragment().is_none();
        match (url.scheme(), url.host()) {
            ("http" | "https", Some(_)) if is_plain && url.username().is_empty() && url.password().is_none() => {
                Ok(Self(url))
            }
            ("http" | "https", Some(_)) => Err("expected a URL without user, password, query and fragment"),
            _ => Err("expected a URL that begins with https:// or http://"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_after_an_address() {
        for (text, whole, is_open) in [
            ("https://hooks.example", "hooks.example/v1/status", false),
            ("http://10.0.0.1:4401/", "10.0.0.1:4401/v1/status", true),
            ("http://[::1]:4401/hooks/", "[::1]:4401/hooks/v1/status", false),
            ("http://localhost:1", "localhost:1/v1/status", false),
        ] {
            let url: BaseUrl = text.parse().expect(text);
            assert_eq!(format!("{}{}", url.authority(), url.path("/v1/status")), whole);
            assert_eq!(url.is_open(), is_open, "{text}");
        }
        for wrong in ["hooks.example:4401", "ftp://a", "https://u:p@a", "https://a?x=1", "https://"] {
            assert!(wrong.parse::<BaseUrl>().is_err(), "{wrong}");
        }
    }
}

//! The only way out: one client, the address policy, one deadline, a capped response. Does not retry.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, Method};
use ipnet::IpNet;
use reqwest::redirect;
use rustix::io::Errno;
use tokio::time::timeout;
use url::{Host, Url};

use crate::clock;
use crate::delivery::{AttemptResult, Response, SendErrorKind};
use crate::throttle::Throttle;

use self::policy::{Policy, Refusal};
use self::resolver::{PolicyResolver, ResolveError};

pub(crate) mod policy;
mod resolver;

/// So much of a response body is kept; the rest is not read.
pub const RESPONSE_CAPTURE_BYTES: usize = 16 << 10;
/// So much of the response's headers is kept.
const HEADERS_CAPTURE_BYTES: usize = 8 << 10;
/// Idle connections kept per receiver: as many as a busy webhook uses at once.
const IDLE_PER_HOST: usize = 64;
/// Shorter than the 60 s after which many servers close an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Sends requests to addresses its policy allows. Rebuilt when the policy changes.
pub struct Egress {
    policy: Arc<Policy>,
    client: reqwest::Client,
    exhausted: Throttle,
}

/// One request to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Spans name resolution, connect, TLS, head and body.
    pub deadline: Duration,
}

/// Egress cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the outbound client cannot be set up")]
pub struct EgressError(#[source] reqwest::Error);

impl Egress {
    /// A client under this policy. Without system certificates it still starts: every https delivery then
    /// fails with a TLS error that says so, and the log says it now.
    ///
    /// # Errors
    /// When TLS cannot be set up at all.
    pub fn new(allow: &[IpNet]) -> Result<Self, EgressError> {
        let policy = Arc::new(Policy::new(allow));
        let client = match builder(&policy).build() {
            Ok(client) => client,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "no system certificates: https deliveries will fail; install ca-certificates or set SSL_CERT_FILE"
                );
                builder(&policy).tls_certs_only([]).build().map_err(EgressError)?
            }
        };
        Ok(Self { policy, client, exhausted: Throttle::new() })
    }

    /// Sends once. Never fails: whatever happens is the attempt's result.
    pub async fn send(&self, request: Outgoing) -> AttemptResult {
        // The client asks its resolver for names only, so literals are judged here.
        if let Err(refusal) = self.judge_literal(&request.url) {
            return AttemptResult::Error { kind: SendErrorKind::Refused, message: refusal.to_string() };
        }
        let deadline = request.deadline;
        match timeout(deadline, self.exchange(request)).await {
            Ok(Ok(response)) => AttemptResult::Answered(response),
            Ok(Err(error)) => self.failed(&error),
            Err(_) => AttemptResult::Error {
                kind: SendErrorKind::Timeout,
                message: format!("no whole answer within {} ms", deadline.as_millis()),
            },
        }
    }

    /// What the policy says of a URL before a name is looked up: `Err` says in words why it is refused and
    /// which setting opens it. Judges IP literals and `localhost`; other names are judged when they resolve.
    ///
    /// # Errors
    /// When the URL's address is refused.
    pub fn judge(&self, url: &Url) -> Result<(), String> {
        self.judge_literal(url).map_err(|refusal| refusal.to_string())
    }

    fn judge_literal(&self, url: &Url) -> Result<(), Refusal> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.policy.judge(address.into()),
            Some(Host::Ipv6(address)) => self.policy.judge(address.into()),
            // RFC 6761: always loopback, whatever a resolver says.
            Some(Host::Domain(name)) if is_localhost(name) => self
                .policy
                .judge(Ipv4Addr::LOCALHOST.into())
                .or_else(|refusal| self.policy.judge(Ipv6Addr::LOCALHOST.into()).map_err(|_| refusal)),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    fn failed(&self, error: &reqwest::Error) -> AttemptResult {
        let result = describe(error);
        // Recorded nowhere else: it is no attempt.
        if let AttemptResult::Error { kind: SendErrorKind::Exhausted, message } = &result
            && let Some(left_out) = self.exhausted.pass(clock::now())
        {
            tracing::error!(error = message, left_out, "nothing can be sent; it is tried again every second");
        }
        result
    }

    async fn exchange(&self, request: Outgoing) -> Result<Response, reqwest::Error> {
        let Outgoing { method, url, headers, body, deadline: _ } = request;
        let mut answer = self.client.request(method, url).headers(headers).body(body).send().await?;
        let status = answer.status().as_u16();
        let headers = captured_headers(answer.headers());
        let mut body = Vec::new();
        let mut body_cut = false;
        while let Some(chunk) = answer.chunk().await? {
            let room = RESPONSE_CAPTURE_BYTES - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() > room {
                // Dropping the answer closes the connection: cheaper than reading what nobody keeps.
                body_cut = true;
                break;
            }
        }
        Ok(Response { status, headers, body: String::from_utf8_lossy(&body).into_owned(), body_cut })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes outbound clients")]
fn builder(policy: &Arc<Policy>) -> reqwest::ClientBuilder {
    // Only the first call installs it; the provider is the same every time.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .dns_resolver(PolicyResolver::new(Arc::clone(policy)))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("Hookwright/", env!("CARGO_PKG_VERSION")))
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// As many as fit; `Retry-After`, which decides something, before all others.
fn captured_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut room = HEADERS_CAPTURE_BYTES;
    let decides = |name: &HeaderName| *name == RETRY_AFTER;
    let first = headers.iter().filter(|(name, _)| decides(name));
    let others = headers.iter().filter(|(name, _)| !decides(name));
    first
        .chain(others)
        .filter_map(|(name, value)| {
            room = room.checked_sub(name.as_str().len() + value.len())?;
            Some((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        })
        .collect()
}

/// Finds out by the types in the error's chain what kind of failure it was.
fn describe(error: &reqwest::Error) -> AttemptResult {
    let chain = links(error);
    if let Some(resolve) = chain.iter().find_map(|error| error.downcast_ref::<ResolveError>()) {
        let kind = match resolve {
            ResolveError::Refused { .. } => SendErrorKind::Refused,
            ResolveError::Lookup { error, .. } if is_exhausted(error) => SendErrorKind::Exhausted,
            ResolveError::Lookup { .. } | ResolveError::Nothing { .. } => SendErrorKind::Dns,
        };
        return AttemptResult::Error { kind, message: resolve.to_string() };
    }
    let tls = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>().map(ToString::to_string));
    if let Some(message) = tls {
        return AttemptResult::Error { kind: SendErrorKind::Tls, message };
    }
    let exhausted = chain.iter().any(|error| error.downcast_ref().is_some_and(is_exhausted));
    let kind = match error.is_connect() {
        _ if exhausted => SendErrorKind::Exhausted,
        true => SendErrorKind::Connect,
        false => SendErrorKind::Broken,
    };
    // The outer texts say "error sending request for url (…)": the innermost one is what people need.
    let message = chain.last().map_or_else(|| error.to_string(), ToString::to_string);
    AttemptResult::Error { kind, message }
}

/// Whether this process or the whole system has no file descriptor left.
fn is_exhausted(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// The error and what caused it, outermost first.
fn links<'e>(error: &'e (dyn Error + 'static)) -> Vec<&'e (dyn Error + 'static)> {
    let mut links = vec![error];
    let mut link = error;
    while let Some(cause) = cause(link) {
        links.push(cause);
        link = cause;
    }
    links
}

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    // `io::Error::source` skips the error it wraps.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests;

//! The only way out: the one place that opens connections, the address policy, one deadline, a capped response. Does not retry.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use ipnet::IpNet;
use rustix::io::Errno;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use url::{Host, Url};

use crate::clock;
use crate::delivery::{AttemptResult, Response, SendErrorKind};
use crate::destination::Destination;
use crate::throttle::Throttle;

use self::connections::{Connections, Connector, ExchangeError};
use self::metered::MeteredConnector;
use self::policy::{Policy, Refusal};
use self::resolver::{Names, PolicyResolver, ResolveError};

mod connections;
mod metered;
pub(crate) mod policy;
mod resolver;

/// So much of a response body is kept; the rest is not read.
pub const RESPONSE_CAPTURE_BYTES: usize = 16 << 10;
/// So much of the response's headers is kept.
const HEADERS_CAPTURE_BYTES: usize = 8 << 10;

/// Sends requests to addresses its policy allows. Rebuilt when the policy changes.
pub struct Egress {
    policy: Arc<Policy>,
    connections: Connections,
    exhausted: Throttle,
}

/// One request to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub method: Method,
    pub url: Arc<Destination>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Spans name resolution, connect, TLS, head and body.
    pub deadline: Duration,
}

/// Egress cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the outbound client cannot be set up")]
pub struct EgressError(#[source] rustls::Error);

impl Egress {
    /// One under this policy, which `file` has the last word on. Without system certificates it still starts: every https delivery then
    /// fails with a TLS error that says so, and the log says it now.
    ///
    /// # Errors
    /// When TLS cannot be set up at all.
    pub fn new(allow: &[IpNet], file: &str) -> Result<Self, EgressError> {
        Self::asking(Arc::new(resolver::system), allow, file)
    }

    fn asking(names: Names, allow: &[IpNet], file: &str) -> Result<Self, EgressError> {
        let policy = Arc::new(Policy::new(allow, file));
        let connections = Connections::new(connector(PolicyResolver::new(Arc::clone(&policy), names), tls()?));
        Ok(Self { policy, connections, exhausted: Throttle::new() })
    }

    /// Sends once. Never fails: whatever happens is the attempt's result.
    pub async fn send(&self, request: Outgoing) -> AttemptResult {
        // The connector asks its resolver for names only, so literals are judged here.
        if let Err(refusal) = self.judge(&request.url) {
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

    /// What the policy says of a URL before a name is looked up. Judges IP literals and `localhost`; other names are
    /// judged when they resolve.
    ///
    /// # Errors
    /// When the URL's address is refused.
    pub(crate) fn judge(&self, url: &Url) -> Result<(), Refusal> {
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

    fn failed(&self, error: &ExchangeError) -> AttemptResult {
        let result = describe(error);
        if let AttemptResult::Error { kind: SendErrorKind::Exhausted, message } = &result {
            self.connections.let_go();
            // Recorded nowhere else: it is no attempt.
            if let Some(left_out) = self.exhausted.pass(clock::now()) {
                tracing::error!(error = message, left_out, "nothing can be sent; it is tried again every second");
            }
        }
        result
    }

    async fn exchange(&self, request: Outgoing) -> Result<Response, ExchangeError> {
        let destination = Arc::clone(&request.url);
        let mut answer = self.connections.send(&destination, in_full(request)).await?;
        let (status, headers) = (answer.head().status().as_u16(), captured_headers(answer.head().headers()));
        let mut body = Vec::new();
        let mut body_cut = false;
        while let Some(frame) = answer.frame().await {
            // Trailers are nobody's business.
            let Ok(chunk) = frame?.into_data() else { continue };
            let room = RESPONSE_CAPTURE_BYTES - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() > room {
                // The connection is closed: cheaper than reading what nobody keeps.
                body_cut = true;
                break;
            }
        }
        if !body_cut {
            answer.keep().await;
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Response { status, headers, body, body_cut })
    }
}

/// The request with what every client says of itself, unless it is said otherwise.
fn in_full(outgoing: Outgoing) -> Request<Full<Bytes>> {
    let Outgoing { method, url, mut headers, body, deadline: _ } = outgoing;
    headers.entry(HOST).or_insert_with(|| url.host_header().clone());
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("Hookwright/", env!("CARGO_PKG_VERSION"))));
    let mut request = Request::new(Full::new(body));
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, url.target().clone(), headers);
    request
}

/// HTTP/1 over TCP or TLS, without a proxy.
fn connector(resolver: PolicyResolver, tls: ClientConfig) -> Connector {
    let mut http = HttpConnector::new_with_resolver(resolver);
    http.enforce_http(false);
    http.set_nodelay(true);
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(MeteredConnector(http))
}

/// Certificates are judged by the system's roots. Without any, no `https` receiver is trusted.
fn tls() -> Result<ClientConfig, EgressError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = || {
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(EgressError)
    };
    match builder()?.try_with_platform_verifier() {
        Ok(config) => Ok(config.with_no_client_auth()),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn Error,
                "no system certificates: https deliveries will fail; install ca-certificates or set SSL_CERT_FILE"
            );
            Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
        }
    }
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
fn describe(error: &ExchangeError) -> AttemptResult {
    let chain = links(error);
    if let Some(resolve) = chain.iter().find_map(|error| error.downcast_ref::<ResolveError>()) {
        let kind = match resolve {
            ResolveError::Refused { .. } => SendErrorKind::Refused,
            ResolveError::Lookup { error, .. } if is_exhausted(error) => SendErrorKind::Exhausted,
            ResolveError::Lookup { .. } | ResolveError::Nothing { .. } => SendErrorKind::Dns,
        };
        return AttemptResult::Error { kind, message: resolve.to_string() };
    }
    if let Some(tls) = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>()) {
        let message = match tls {
            rustls::Error::InvalidMessage(_) => format!("{tls}: does this port speak TLS?"),
            tls => tls.to_string(),
        };
        return AttemptResult::Error { kind: SendErrorKind::Tls, message };
    }
    let exhausted = chain.iter().any(|error| error.downcast_ref().is_some_and(is_exhausted));
    let kind = match error {
        _ if exhausted => SendErrorKind::Exhausted,
        ExchangeError::Connect(_) => SendErrorKind::Connect,
        ExchangeError::Http(_) => SendErrorKind::Broken,
    };
    // The outer texts say "client error (Connect)": the innermost one is what people need.
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

//! The only way out: one client, the address policy, one deadline, a capped response. Does not retry.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use ipnet::IpNet;
use url::Url;

use crate::delivery::AttemptResult;

/// So much of a response body is kept; the rest is not read.
pub const RESPONSE_CAPTURE_BYTES: usize = 16 << 10;

/// Sends requests to addresses its policy allows. Rebuilt when the policy changes.
pub struct Egress {}

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
#[error("the outbound client cannot be set up: {0}")]
pub struct EgressError(pub String);

impl Egress {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(_allow: &[IpNet]) -> Result<Self, EgressError> {
        todo!()
    }

    /// Sends once. Never fails: whatever happens is the attempt's result.
    pub async fn send(&self, _request: Outgoing) -> AttemptResult {
        todo!()
    }

    /// What the policy says of a URL before a name is looked up: `Err` says in words why it is refused and
    /// which setting opens it. Judges IP literals; names are judged when they resolve.
    ///
    /// # Errors
    /// When the URL's address is refused.
    pub fn judge(&self, _url: &Url) -> Result<(), String> {
        todo!()
    }
}

//! The command line's own HTTP: short requests to a host, bounded in time and size.
//!
//! HTTP/1.1 over a fresh connection each, plain to a host on this machine, else as its URL says. No address policy: that
//! one guards deliveries, and here the address was written by the host itself or by whoever types the command.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::remote::BaseUrl;
use super::{json, tls, who};
use crate::admin::BY;
use crate::secret::Secret;
use crate::tasks::{self, OnPanic};

/// For a host on this machine to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// From the request to the whole answer; a reload compiles plugins before it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// Larger answers are not read: an event of a few MiB fits, escaped.
const MAX_ANSWER_BYTES: usize = 32 << 20;

/// Talks to one listener of a host.
#[derive(Clone, Debug)]
pub(super) struct Client {
    place: Place,
    token: Option<Secret>,
    /// What to do when nobody answers.
    remedy: String,
}

/// Where a listener is.
#[derive(Clone, Debug)]
enum Place {
    Here(SocketAddr),
    There(BaseUrl),
}

/// A host's answer, whatever it says.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why there is no answer, or not the hoped-for one.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("no hookwright answers at {address}; {remedy}")]
    Unreachable {
        address: String,
        remedy: String,
        #[source]
        source: io::Error,
    },
    #[error("{address} took the request but did not answer within {} s", waited.as_secs())]
    Silent { address: String, waited: Duration },
    #[error("the connection to {address} broke")]
    Broken {
        address: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{0}")]
    Refused(Problem),
    #[error("{address} answered what is not JSON: is that a hookwright?")]
    NotJson { address: String },
    #[error("the token in use cannot stand in a header: it must be visible ASCII")]
    Token,
}

impl Client {
    pub(super) fn new(address: SocketAddr, token: Option<Secret>, remedy: String) -> Self {
        Self { place: Place::Here(reachable(address)), token, remedy }
    }

    /// Talks to a listener that was named by its URL.
    pub(super) fn at(url: BaseUrl, token: Option<Secret>) -> Self {
        Self { place: Place::There(url), token, remedy: "is its address right?".to_owned() }
    }

    /// A path as a browser takes it.
    pub(super) fn url(&self, path: &str) -> String {
        match &self.place {
            Place::Here(address) => format!("http://{address}{path}"),
            Place::There(url) => format!("{url}{path}"),
        }
    }

    fn shown(&self) -> String {
        match &self.place {
            Place::Here(address) => address.to_string(),
            Place::There(url) => url.to_string(),
        }
    }

    /// GET, expecting JSON.
    pub(super) async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.json(&self.request(Method::GET, path, HeaderMap::new(), Bytes::new()).await?)
    }

    /// POST without a body, expecting JSON or nothing.
    pub(super) async fn act(&self, path: &str) -> Result<Value, ClientError> {
        self.json(&self.request(Method::POST, path, HeaderMap::new(), Bytes::new()).await?)
    }

    /// Any method with JSON (none for `null`), expecting JSON or nothing.
    pub(super) async fn send_json(&self, method: Method, path: &str, body: &Value) -> Result<Value, ClientError> {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        self.json(&self.request(method, path, HeaderMap::new(), body).await?)
    }

    /// PUT of JSON in the place of what is there now, whoever changed it last.
    pub(super) async fn replace_json(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let whichever = HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static("*"))]);
        self.json(&self.request(Method::PUT, path, whichever, body.to_string().into()).await?)
    }

    /// POST, taking any answer.
    pub(super) async fn post(&self, path: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, ClientError> {
        self.request(Method::POST, path, headers, body).await
    }

    /// GET of an endless list of lines.
    pub(super) async fn lines(&self, path: &str) -> Result<Lines, ClientError> {
        let response = self.bounded(self.send(Method::GET, path, HeaderMap::new(), Bytes::new())).await?;
        let status = response.status();
        if !status.is_success() {
            let body = self.bounded(self.whole(response.into_body())).await?;
            return Err(ClientError::Refused(Problem::read(status, &body)));
        }
        Ok(Lines { body: response.into_body(), buffer: Vec::new(), address: self.shown() })
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        self.bounded(async {
            let response = self.send(method, path, headers, body).await?;
            let status = response.status();
            Ok(Answer { status, body: self.whole(response.into_body()).await? })
        })
        .await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<Incoming>, ClientError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        let (path, host) = match &self.place {
            Place::Here(address) => (path.to_owned(), address.to_string()),
            Place::There(url) => (url.path(path), url.authority().to_owned()),
        };
        *request.uri_mut() = path.parse().map_err(|error| self.broken(error))?;
        *request.headers_mut() = headers;
        let host = HeaderValue::from_str(&host).map_err(|error| self.broken(error))?;
        request.headers_mut().insert(header::HOST, host);
        // Elsewhere it would not be believed.
        if let (Place::Here(_), Ok(name)) = (&self.place, HeaderValue::from_bytes(who::name().as_bytes())) {
            request.headers_mut().insert(BY, name);
        }
        if let Some(token) = &self.token {
            let bearer = format!("Bearer {}", token.expose());
            let mut value = HeaderValue::from_str(&bearer).map_err(|_| ClientError::Token)?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        self.connect().await?.send_request(request).await.map_err(|error| self.broken(error))
    }

    #[expect(clippy::disallowed_methods, reason = "the command line asks its own host, whose address is no delivery's")]
    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        match &self.place {
            Place::Here(address) => self.begin(async { Ok(TokioIo::new(TcpStream::connect(address).await?)) }).await,
            Place::There(url) => self.begin(tls::connect(url)).await,
        }
    }

    async fn begin<T>(
        &self,
        stream: impl Future<Output = io::Result<T>>,
    ) -> Result<SendRequest<Full<Bytes>>, ClientError>
    where
        T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let unreachable =
            |source| ClientError::Unreachable { address: self.shown(), remedy: self.remedy.clone(), source };
        let stream = match timeout(CONNECT_TIMEOUT, stream).await {
            Ok(stream) => stream.map_err(unreachable)?,
            Err(_) => return Err(unreachable(io::ErrorKind::TimedOut.into())),
        };
        let (sender, connection) = http1::handshake(stream).await.map_err(|error| self.broken(error))?;
        // What breaks the connection also ends the request on it, which says so.
        tasks::spawn("cli connection", OnPanic::Log, async { drop(connection.await) });
        Ok(sender)
    }

    async fn whole(&self, body: Incoming) -> Result<Bytes, ClientError> {
        match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(source) => Err(ClientError::Broken { address: self.shown(), source }),
        }
    }

    async fn bounded<T>(&self, work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        let silent = || ClientError::Silent { address: self.shown(), waited: ANSWER_TIMEOUT };
        timeout(ANSWER_TIMEOUT, work).await.map_err(|_| silent())?
    }

    fn json(&self, answer: &Answer) -> Result<Value, ClientError> {
        if !answer.status.is_success() {
            return Err(ClientError::Refused(Problem::read(answer.status, &answer.body)));
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|_| ClientError::NotJson { address: self.shown() })
    }

    fn broken(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::Broken { address: self.shown(), source: error.into() }
    }
}

/// A listener on all addresses is reached on the loopback one.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Lines of an endless answer.
pub(super) struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
    address: String,
}

/// A longer line than this ends the stream: a notice is a few hundred bytes.
const MAX_LINE_BYTES: usize = 1 << 20;

impl Lines {
    /// The next line that is not empty; none when the host ended the stream. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                if !line.is_empty() {
                    return Ok(Some(line));
                }
            }
            let broken = |source| ClientError::Broken { address: self.address.clone(), source };
            if self.buffer.len() > MAX_LINE_BYTES {
                return Err(broken("a line of the answer has no end".into()));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(broken(error.into())),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
            }
        }
    }
}

/// A refusal in words, out of `application/problem+json` or whatever came instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) title: String,
    pub(super) detail: String,
    /// `pointer`, `keyword`, `message` of each violation.
    pub(super) errors: Vec<(String, String, String)>,
}

/// So much of an answer that is no problem document is repeated.
const UNKNOWN_ANSWER_CHARS: usize = 200;

impl Problem {
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Self {
        let reason = status.canonical_reason().unwrap_or("refused");
        let Ok(value @ Value::Object(_)) = serde_json::from_slice(body) else {
            let text = String::from_utf8_lossy(body);
            let detail = super::screen::shortened(text.trim(), UNKNOWN_ANSWER_CHARS).into_owned();
            return Self { status: status.as_u16(), title: reason.to_owned(), detail, errors: Vec::new() };
        };
        let title = json::text(&value, "/title");
        let violation =
            |error| (json::text(error, "/pointer"), json::text(error, "/keyword"), json::text(error, "/message"));
        Self {
            status: status.as_u16(),
            title: if title.is_empty() { reason.to_owned() } else { title },
            detail: json::text(&value, "/detail"),
            errors: json::list(&value, "/errors").iter().map(violation).collect(),
        }
    }
}

impl Problem {
    /// Of what is absent, the detail says what; the title only that.
    fn detail_says_title(&self) -> bool {
        self.status == StatusCode::NOT_FOUND.as_u16() || self.detail.to_lowercase().contains(&self.title.to_lowercase())
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // With a list of places, the detail only repeats the first of them.
        if self.detail.is_empty() || !self.errors.is_empty() {
            write!(f, "{} {}", self.status, self.title)?;
        } else if self.detail_says_title() {
            write!(f, "{} {}", self.status, self.detail)?;
        } else {
            write!(f, "{} {}: {}", self.status, self.title, self.detail)?;
        }
        for (pointer, _, message) in &self.errors {
            let place = if pointer.is_empty() { "the body" } else { pointer };
            write!(f, "\n  {place}: {message}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_each_place() {
        let body = br#"{"title":"Schema violated","detail":"the body breaks the schema of entry.create","errors":[
            {"pointer":"/entry","keyword":"type","message":"is not an object"},{"message":"lacks model"}]}"#;
        let problem = Problem::read(StatusCode::UNPROCESSABLE_ENTITY, body);
        insta::assert_snapshot!(problem, @r"
        422 Schema violated
          /entry: is not an object
          the body: lacks model
        ");
    }

    #[test]
    fn any_answer_can_be_told() {
        let problem = Problem::read(StatusCode::BAD_GATEWAY, b"<html>\xff</html>");
        assert_eq!(problem.to_string(), "502 Bad Gateway: <html>\u{fffd}</html>");
    }

    #[test]
    fn nothing_is_said_twice() {
        let text = |status, title: &str, detail: &str| {
            let body = serde_json::json!({"title": title, "detail": detail}).to_string();
            Problem::read(status, body.as_bytes()).to_string()
        };
        let absent = text(StatusCode::NOT_FOUND, "There is nothing here", "There is no event evt_1.");
        assert_eq!(absent, "404 There is no event evt_1.");
        assert_eq!(text(StatusCode::CONFLICT, "Too late", "It is too late by 3 s."), "409 It is too late by 3 s.");
        assert_eq!(text(StatusCode::CONFLICT, "Too late", ""), "409 Too late");
    }

    #[tokio::test]
    async fn nobody_there_is_said_with_the_remedy() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let client = Client::new(address, None, "start one with `hookwright serve`".into());
        let error = client.get("/v1/status").await.expect_err("nobody listens");
        assert!(matches!(error, ClientError::Unreachable { .. }));
        assert_eq!(error.to_string(), format!("no hookwright answers at {address}; start one with `hookwright serve`"));
    }
}

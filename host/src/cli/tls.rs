//! Connections to a host that was named by its URL, encrypted if it says `https`. Certificates are judged by the
//! system's roots.

use std::io;

use http::Uri;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::sync::Arc;
use tokio::net::TcpStream;
use tower::Service as _;

use super::remote::BaseUrl;

pub(super) async fn connect(url: &BaseUrl) -> io::Result<MaybeHttpsStream<TokioIo<TcpStream>>> {
    let uri: Uri = url.to_string().parse().map_err(io::Error::other)?;
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls()?).https_or_http().enable_http1();
    connector.wrap_connector(http).call(uri).await.map_err(io::Error::other)
}

fn tls() -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let roots = builder.and_then(rustls::ConfigBuilder::try_with_platform_verifier).map_err(io::Error::other)?;
    Ok(roots.with_no_client_auth())
}

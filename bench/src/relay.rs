//! The bare relay, the ceiling of this machine: axum in, reqwest out, nothing between. It takes an event, posts it
//! on and answers with the receiver's status: no schema, no store, no retry.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use reqwest::{Client, Url, redirect};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, clap::Args)]
pub(crate) struct RelayArgs {
    /// The folder whose data/run.json says where this listens
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Where to post on
    #[arg(long, value_name = "URL")]
    to: Url,
}

/// Relays until SIGTERM.
///
/// # Errors
/// When it cannot listen or say where.
pub(crate) fn run(args: &RelayArgs) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(serve(args))
}

async fn serve(args: &RelayArgs) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    announce(&args.home, &listener.local_addr()?.to_string())?;
    let app = Router::new()
        .route("/health/ready", get(async || StatusCode::OK))
        .route("/v1/events", post(forward))
        .with_state((client()?, args.to.clone()));
    tokio::select! {
        served = async { axum::serve(listener, app).await } => Ok(served?),
        _ = terminate.recv() => Ok(()),
    }
}

async fn forward(State((client, to)): State<(Client, Url)>, mut headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut request = client.post(to).body(body);
    if let Some(content_type) = headers.remove(header::CONTENT_TYPE) {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    match request.send().await {
        Ok(answer) => answer.status(),
        Err(_) => StatusCode::BAD_GATEWAY,
    }
}

fn client() -> anyhow::Result<Client> {
    // Only the first call installs it; the client wants one even for plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().tls_certs_only([]).redirect(redirect::Policy::none()).no_proxy().build()?)
}

fn announce(home: &Path, listen: &str) -> std::io::Result<()> {
    let data = home.join("data");
    std::fs::create_dir_all(&data)?;
    let run = serde_json::json!({ "pid": std::process::id(), "listen": listen });
    std::fs::write(data.join("run.json"), run.to_string())
}

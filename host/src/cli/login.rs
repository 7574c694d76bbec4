//! `login`: a link that signs in to the pages of the running host.

use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::client::Client;
use super::{Exit, Format, discovery, json, screen};

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(home: &Path, args: LoginArgs) -> anyhow::Result<Exit> {
    let client = discovery::admin(home)?;
    let (url, mut answer) = link(&client).await?;
    if args.format.json {
        answer["url"] = url.into();
        screen::line(&answer.to_string())?;
        return Ok(Exit::Ok);
    }
    screen::line(&url)?;
    let role = json::text(&answer, "/role");
    screen::remark(&format!("good once, for ten minutes; whoever opens it is signed in with the role {role}"));
    Ok(Exit::Ok)
}

/// Asks for a link: where it leads to, and the answer it came in.
pub(super) async fn link(client: &Client) -> anyhow::Result<(String, Value)> {
    let answer = client.act("/v1/login-links").await?;
    Ok((client.url(&json::text(&answer, "/path")), answer))
}

//! `secret`: makes what deliveries are signed with.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Exit, Format, discovery, json, screen};
use crate::signing::SigningSecret;

#[derive(Debug, Subcommand)]
pub(super) enum SecretCommand {
    /// Make a signing secret, for .env and for the receiver
    New(NewArgs),
    /// Make a new master key and seal every secret of the store with it
    RotateKey(Format),
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct NewArgs {
    /// An Ed25519 key: the receiver gets its public half, which cannot sign
    #[arg(long)]
    ed25519: bool,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(home: &Path, command: &SecretCommand) -> anyhow::Result<Exit> {
    match *command {
        SecretCommand::New(args) => new(args),
        SecretCommand::RotateKey(format) => rotate_key(home, format).await,
    }
}

async fn rotate_key(home: &Path, format: Format) -> anyhow::Result<Exit> {
    let answer = discovery::admin(home)?.act("/v1/secrets/rotate-key").await?;
    let (webhooks, key) = (json::number(&answer, "/webhooks"), json::text(&answer, "/key"));
    let text = if answer.pointer("/fresh") == Some(&Value::Bool(false)) {
        format!(
            "Nothing changed: the secrets were sealed with the key {key} already. Put a new one before it in HOOKWRIGHT_KEY \
             (new, comma, old), restart, and do this again."
        )
    } else {
        let webhooks = screen::counted(usize::try_from(webhooks).unwrap_or(0), "webhook");
        format!("The secrets of {webhooks} are sealed with the key {key}.")
    };
    screen::line(&if format.json { answer.to_string() } else { text })?;
    Ok(Exit::Ok)
}

fn new(NewArgs { ed25519, format }: NewArgs) -> anyhow::Result<Exit> {
    let secret = if ed25519 { SigningSecret::generate_asymmetric() } else { SigningSecret::generate() };
    screen::line(&if format.json { as_json(&secret) } else { as_text(&secret) })?;
    Ok(Exit::Ok)
}

fn as_json(secret: &SigningSecret) -> String {
    json!({ "secret": secret.expose(), "receiver": for_the_receiver(secret) }).to_string()
}

fn as_text(secret: &SigningSecret) -> String {
    format!(
        "{}  for .env and the webhook's signing.secrets\n{}  for the receiver",
        secret.expose(),
        for_the_receiver(secret)
    )
}

/// What the receiver verifies with.
fn for_the_receiver(secret: &SigningSecret) -> String {
    match secret {
        SigningSecret::Symmetric(_) => secret.expose(),
        SigningSecret::Asymmetric(key) => key.public_text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::VerifyingKey;

    #[test]
    fn the_receivers_half_verifies() {
        for secret in [SigningSecret::generate(), SigningSecret::generate_asymmetric()] {
            let key: VerifyingKey = for_the_receiver(&secret).parse().expect("a key");
            assert_eq!(Some(key), VerifyingKey::of(&secret));
            assert_eq!(as_text(&secret).lines().count(), 2);
        }
    }
}

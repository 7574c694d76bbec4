//! Finds the host that runs in a home folder, and the tokens to speak to it.
//!
//! A running host writes `data/run.json` and `data/admin.token`; nothing here asks the network.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use super::client::Client;
use super::remote::{self, BaseUrl, Remote};
use super::screen;
use crate::config::{self, Home, Variables};
use crate::secret::Secret;

/// Where a running host listens, as it wrote into `data/run.json`.
#[derive(Debug, Deserialize)]
struct RunFile {
    listen: SocketAddr,
    admin: SocketAddr,
}

/// Speaks to the admin listener of the host that runs in `home`, or of the one that was named.
///
/// # Errors
/// When no host has been running there, or its token cannot be read.
pub(super) fn admin(home: &Path) -> anyhow::Result<Client> {
    match remote::asked() {
        Remote { url: Some(url), token } => elsewhere(url, token, "token create --role viewer --name NAME"),
        Remote { url: None, token: Some(token) } => Ok(Client::new(run_file(home)?.admin, Some(token), remedy(home))),
        Remote { url: None, token: None } => admin_at(home, run_file(home)?.admin),
    }
}

/// Speaks to a host that was named. Its token is none of this machine's files.
fn elsewhere(url: BaseUrl, token: Option<Secret>, command: &str) -> anyhow::Result<Client> {
    let Some(token) = token else {
        anyhow::bail!(
            "{url} needs a token: give one with --token or in HOOKWRIGHT_TOKEN; `hookwright {command}` makes one there"
        );
    };
    if url.is_open() {
        screen::remark(&format!("{url} is not encrypted: whoever is on the way can read the token"));
    }
    Ok(Client::at(url, Some(token)))
}

/// Speaks to the public listener of the host that runs in `home`, or was named, as the source whose token was given, or as
/// the first source that can be found.
///
/// # Errors
/// When no host has been running there, or no token can be found.
pub(super) fn public(home: &Path) -> anyhow::Result<Client> {
    let Remote { url, token } = remote::asked();
    let token = token.or_else(|| remote::token_variable().as_deref().map(Secret::new));
    if let Some(url) = url {
        return elsewhere(url, token, "token create --role source --name NAME");
    }
    let run = run_file(home)?;
    let token = match token {
        Some(token) => token,
        None => source_token(home)?,
    };
    Ok(Client::new(run.listen, Some(token), remedy(home)))
}

/// The signing secrets in the home's `.env`: what a receiver on this machine verifies with.
pub(super) fn signing_secrets(home: &Path) -> Vec<crate::signing::VerifyingKey> {
    let Ok(values) = dotenvy::from_path_iter(home.join(".env")) else { return Vec::new() };
    values.flatten().filter_map(|(_, value)| value.parse().ok()).collect()
}

/// Speaks to an admin listener at `address` with the token of the host in `home`.
///
/// # Errors
/// When the token cannot be read.
pub(super) fn admin_at(home: &Path, address: SocketAddr) -> anyhow::Result<Client> {
    let path = below(home, "data/admin.token");
    let token = read_token(&path).with_context(|| format!("cannot read the admin token in {}", path.display()))?;
    Ok(Client::new(address, Some(token), remedy(home)))
}

/// A command of ours as it must be typed to mean `home`.
pub(super) fn command(command: &str, home: &Path) -> String {
    if home == Path::new(".") {
        format!("hookwright {command}")
    } else {
        format!("hookwright {command} --home {}", quoted(home))
    }
}

/// A text of the host with our commands in it, each as it must be typed here: the host knows the home by another path.
pub(super) fn typed_in(text: &str, home: &Path) -> String {
    let typed = |(index, part): (usize, &str)| match part.strip_prefix("hookwright ") {
        Some(arguments) if index % 2 == 1 => command(arguments, home),
        _ => part.to_owned(),
    };
    text.split('`').enumerate().map(typed).collect::<Vec<_>>().join("`")
}

/// A path below `home`, without a `./` that says nothing.
pub(super) fn below(home: &Path, name: &str) -> PathBuf {
    if home == Path::new(".") { name.into() } else { home.join(name) }
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ',');
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn remedy(home: &Path) -> String {
    format!("start one with `{}`", command("serve", home))
}

fn run_file(home: &Path) -> anyhow::Result<RunFile> {
    let path = below(home, "data/run.json");
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            anyhow::bail!("no hookwright runs here ({} is absent); {}", path.display(), remedy(home))
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    serde_json::from_slice(&text)
        .with_context(|| format!("{} is damaged; stop the host and {}", path.display(), remedy(home)))
}

fn read_token(path: &Path) -> std::io::Result<Secret> {
    std::fs::read_to_string(path).map(|text| Secret::new(text.trim()))
}

/// The token of the first source: of the configuration, else the one the host made for its source `local`.
fn source_token(home: &Path) -> anyhow::Result<Secret> {
    if let Some(token) = configured_token(home) {
        return Ok(token);
    }
    let path = below(home, "data/source-local.token");
    read_token(&path).with_context(|| {
        format!("no source token found in config/server.json nor in {}; give one with --token", path.display())
    })
}

/// The token of the first source in `config/server.json` under its overlay.
fn configured_token(home: &Path) -> Option<Secret> {
    let home = Home::new(home);
    let variables = Variables::load(&home).ok()?;
    let [base, overlay] = home.server_files(&variables.environment().ok()?);
    let read = |path| -> Option<serde_json::Value> { serde_json::from_slice(&std::fs::read(path).ok()?).ok() };
    // Arrays are replaced whole, so the uppermost layer that lists sources has them all.
    let layers = [read(overlay), read(base)];
    let written = layers.iter().flatten().find_map(|layer| layer.pointer("/sources/0/token")?.as_str())?;
    config::interpolated(written, &variables).map(|token| Secret::new(&token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in files {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().expect("below home")).expect("creates");
            std::fs::write(path, text).expect("writes");
        }
        home
    }

    #[test]
    fn no_host_is_said_with_the_remedy() {
        let home = home_with(&[]);
        let error = admin(home.path()).expect_err("nothing runs").to_string();
        assert!(error.starts_with("no hookwright runs here"), "{error}");
        assert!(error.ends_with(&format!("start one with `hookwright serve --home {}`", home.path().display())));
    }

    #[test]
    fn commands_can_be_typed_as_shown() {
        assert_eq!(command("status", Path::new(".")), "hookwright status");
        assert_eq!(command("status", Path::new("a b")), "hookwright status --home 'a b'");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
        let text = "off; `hookwright webhook enable a` ends it, hookwright says; `url`";
        assert_eq!(typed_in(text, Path::new(".")), text);
        let typed = "off; `hookwright webhook enable a --home x` ends it, hookwright says; `url`";
        assert_eq!(typed_in(text, Path::new("x")), typed);
    }

    #[test]
    fn the_source_token_comes_from_the_overlay_then_the_base_then_the_host() {
        let base = ("config/server.json", r#"{"sources":[{"name":"a","token":"${ process.env.HW_TEST_TOKEN }"}]}"#);
        let env = (".env", "HW_TEST_TOKEN=from-env\n");
        let overlay = ("config/environments/development/server.json", r#"{"sources":[{"name":"b","token":"plain"}]}"#);
        let local = ("data/source-local.token", "made\n");
        let token = |files: &[_]| source_token(home_with(files).path()).map(|token| token.expose().to_owned()).ok();
        assert_eq!(token(&[base, env, overlay, local]).as_deref(), Some("plain"));
        assert_eq!(token(&[base, env, local]).as_deref(), Some("from-env"));
        assert_eq!(token(&[local]).as_deref(), Some("made"));
        assert_eq!(token(&[]), None);
    }

    #[test]
    fn finds_signing_secrets_whatever_they_are_called() {
        let home = home_with(&[(".env", "A=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nB=whsec_short\nC=other\n")]);
        assert_eq!(signing_secrets(home.path()).len(), 1);
    }
}

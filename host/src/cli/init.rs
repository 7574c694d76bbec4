//! `init`: a home folder that works at once. Makes folders and writes files that are absent; keeps every other.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use owo_colors::Style;

use super::{Exit, discovery, screen};
use crate::signing::SigningSecret;

/// For everyone who may read the folder.
const PUBLIC: u32 = 0o644;
/// Holds secrets.
const PRIVATE: u32 = 0o600;

/// Those that files are written into.
const FOLDERS: [&str; 3] = ["config/webhooks", "config/environments/development", "examples"];

/// Those that nothing is written into, and what belongs there.
const EMPTY_FOLDERS: [(&str, &str); 2] = [
    ("plugins", "*.wasm, which webhooks name in `plugins`"),
    ("schemas", "EVENT.json, instead of a built-in JSON Schema"),
];

/// An event to try with.
const EXAMPLE: &str = "examples/entry.create.json";

/// The names that the written configuration takes from `.env`.
const VARIABLES: [&str; 2] = ["STRAPI_TOKEN", "LOCAL_WEBHOOK_SECRET"];

/// What became of one file.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Written,
    Kept,
}

pub(super) fn run(home: &Path) -> anyhow::Result<Exit> {
    screen::line(&report(home, &furnish(home)?, &missing_variables(home)))?;
    Ok(Exit::Ok)
}

/// Makes the folders and writes the files that are absent.
fn furnish(home: &Path) -> anyhow::Result<Vec<(&'static str, Outcome)>> {
    for folder in FOLDERS.into_iter().chain(EMPTY_FOLDERS.map(|(folder, _)| folder)) {
        let path = home.join(folder);
        fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
    }
    let mut outcomes = Vec::new();
    for (name, mode, text) in files() {
        let path = home.join(name);
        let outcome = write_new(&path, mode, &text).with_context(|| format!("cannot write {}", path.display()))?;
        outcomes.push((name, outcome));
    }
    Ok(outcomes)
}

fn files() -> [(&'static str, u32, String); 6] {
    [
        ("config/server.json", PUBLIC, include_str!("init/server.json").into()),
        ("config/environments/development/server.json", PUBLIC, include_str!("init/development.json").into()),
        ("config/webhooks/local.json", PUBLIC, include_str!("init/local.json").into()),
        (EXAMPLE, PUBLIC, include_str!("init/entry.create.json").into()),
        (".env", PRIVATE, env_file()),
        (".gitignore", PUBLIC, "/data/\n/.env\n".into()),
    ]
}

fn env_file() -> String {
    let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let secret = SigningSecret::generate();
    format!(
        "# Secrets of this folder. Not for version control.\n\
         # The CMS sends this as `Authorization: Bearer …`:\n\
         STRAPI_TOKEN={token}\n\
         # Deliveries of the webhook `local` are signed with this; `hookwright listen` verifies with it:\n\
         LOCAL_WEBHOOK_SECRET={}\n",
        secret.expose()
    )
}

/// Writes a file that must not exist yet; whatever stands there is kept.
fn write_new(path: &Path, mode: u32, text: &str) -> io::Result<Outcome> {
    match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| Outcome::Written),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Outcome::Kept),
        Err(error) => Err(error),
    }
}

/// Variables that neither `.env` nor the environment has: of a `.env` that was kept.
fn missing_variables(home: &Path) -> Vec<&'static str> {
    let known: Vec<String> = dotenvy::from_path_iter(home.join(".env"))
        .map(|values| values.flatten().map(|(name, _)| name).collect())
        .unwrap_or_default();
    let missing = |name: &&str| !known.iter().any(|known| known == name) && std::env::var_os(name).is_none();
    VARIABLES.into_iter().filter(missing).collect()
}

fn report(home: &Path, outcomes: &[(&str, Outcome)], missing: &[&str]) -> String {
    let mut table = screen::Table::bare();
    for (name, outcome) in outcomes {
        table.row(match outcome {
            Outcome::Written => [screen::plain("written"), screen::plain(*name)],
            Outcome::Kept => [screen::dim("kept"), screen::dim(format!("{name} (it was there already)"))],
        });
    }
    for (folder, meaning) in EMPTY_FOLDERS {
        table.row([screen::plain("folder"), screen::plain(format!("{folder}/ ({meaning})"))]);
    }
    let title = screen::heading(&format!("A home for Hookwright in {}", home.display()));
    let mut parts = vec![format!("{title}\n{}", table.render(2))];
    parts.extend(missing.iter().map(|name| {
        let remedy = match *name {
            "STRAPI_TOKEN" => "a long random text, such as `openssl rand -hex 32` prints",
            _ => "whsec_ followed by what `openssl rand -base64 32` prints",
        };
        format!(".env was kept and lacks {name}: add it, {remedy}.")
    }));
    parts.push(format!("Next, each in a terminal of its own:\n{}", next_commands(home).render(2)));
    parts.join("\n\n")
}

fn next_commands(home: &Path) -> screen::Table {
    let mut table = screen::Table::bare();
    let example = discovery::quoted(&discovery::below(home, EXAMPLE));
    for (command, meaning) in [
        ("serve".to_owned(), "run the dispatcher"),
        ("listen".to_owned(), "receive what the webhook `local` sends, and verify it"),
        (format!("send {example}"), "post an event, as a CMS would"),
        ("login".to_owned(), "a link to the admin pages, where all this can be seen"),
    ] {
        table.row([(discovery::command(&command, home), Style::new().cyan()), screen::dim(meaning)]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn makes_a_home_and_touches_nothing_twice() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let outcomes = furnish(home.path()).expect("writes");
        assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Written));
        assert!(EMPTY_FOLDERS.iter().all(|(folder, _)| home.path().join(folder).is_dir()));
        let secrets = home.path().join(".env");
        let first = fs::read_to_string(&secrets).expect("was written");
        assert_eq!(fs::metadata(&secrets).expect("is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(discovery::signing_secrets(home.path()).len(), 1);
        assert_eq!(missing_variables(home.path()), [""; 0]);
        let outcomes = furnish(home.path()).expect("keeps");
        assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Kept));
        assert_eq!(fs::read_to_string(&secrets).expect("still there"), first);
    }

    #[test]
    fn the_configuration_takes_only_variables_that_are_generated() {
        let env = env_file();
        for (name, _, text) in files() {
            for used in text.split("process.env.").skip(1) {
                let used = used.split_whitespace().next().expect(name);
                assert!(env.contains(&format!("\n{used}=")), "{name}: {used}");
            }
        }
    }

    #[test]
    fn says_what_it_kept_and_what_that_lacks() {
        let outcomes = [("config/server.json", Outcome::Written), (".env", Outcome::Kept)];
        let text = report(Path::new("."), &outcomes, &["STRAPI_TOKEN"]);
        insta::assert_snapshot!(screen::uncoloured(&text), @r"
        A home for Hookwright in .
          written  config/server.json
          kept     .env (it was there already)
          folder   plugins/ (*.wasm, which webhooks name in `plugins`)
          folder   schemas/ (EVENT.json, instead of a built-in JSON Schema)

        .env was kept and lacks STRAPI_TOKEN: add it, a long random text, such as `openssl rand -hex 32` prints.

        Next, each in a terminal of its own:
          hookwright serve                            run the dispatcher
          hookwright listen                           receive what the webhook `local` sends, and verify it
          hookwright send examples/entry.create.json  post an event, as a CMS would
          hookwright login                            a link to the admin pages, where all this can be seen
        ");
    }
}

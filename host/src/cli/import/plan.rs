//! From what was found to files and variables. Every file is read as a host would read it before it is written: what it
//! would not take is left out and said.

mod document;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;

use self::document::Document;
use super::found::Found;
use super::{Read, env_file};
use crate::config::{Home, MAX_FILE_BYTES, Variables};
use crate::files;
use crate::ids::WebhookId;

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) webhooks: Vec<Planned>,
    /// To be added to `.env`.
    pub(super) variables: Vec<Variable>,
    /// Of the file as a whole, and of webhooks that cannot be taken.
    pub(super) notes: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Planned {
    pub(super) name: String,
    /// Relative to the home folder.
    pub(super) file: String,
    pub(super) text: String,
    pub(super) outcome: Outcome,
    /// What is not as it was.
    pub(super) notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    New,
    Replaced,
    /// It is there already, to the byte.
    Same,
}

impl Outcome {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Replaced => "replaced",
            Self::Same => "same",
        }
    }
}

/// A line of `.env`. Its `Debug` does not show the value.
#[derive(Clone, PartialEq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variable").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Names tried for one webhook.
const MOST_STEMS: usize = 200;
/// Characters of a stem, so that a number fits behind it.
const STEM_CHARS: usize = 56;

/// # Errors
/// When this home cannot be read.
pub(super) fn plan(home: &Path, read: Read, replace: bool) -> anyhow::Result<Plan> {
    let known = Variables::load(&Home::new(home)).context("its variables must be readable first")?;
    let mut planner = Planner { home, replace, known, taken: BTreeSet::new(), plan: Plan::default() };
    planner.plan.notes = read.notes;
    for found in read.found {
        let name = found.name.clone();
        if let Err(reason) = planner.add(found) {
            planner.plan.notes.push(format!("{}: {reason}; it is left out", shown(&name)));
        }
    }
    Ok(planner.plan)
}

struct Planner<'p> {
    home: &'p Path,
    replace: bool,
    known: Variables,
    /// Stems of this import.
    taken: BTreeSet<String>,
    plan: Plan,
}

/// Where a webhook may go.
enum Place {
    Free,
    /// A file of another webhook, or of an earlier import.
    Taken(Vec<u8>),
}

impl Planner<'_> {
    /// # Errors
    /// Why it cannot be taken, in words.
    fn add(&mut self, found: Found) -> Result<(), String> {
        let wished = stem(found.stem.as_deref().unwrap_or(&found.name), &found.url);
        for stem in numbered(&wished).take(MOST_STEMS) {
            if self.taken.contains(&stem) {
                continue;
            }
            let place = self.place(&stem)?;
            let id: WebhookId = stem.parse().map_err(|error| format!("{stem} is no name: {error}"))?;
            let document = Document::of(&found, &id, &self.known, &self.plan.variables)?;
            let outcome = match place {
                Place::Free => Outcome::New,
                Place::Taken(there) if there == document.text.as_bytes() => Outcome::Same,
                Place::Taken(_) if self.replace => Outcome::Replaced,
                Place::Taken(_) => continue,
            };
            self.taken.insert(stem.clone());
            self.plan.variables.extend(document.variables);
            let mut notes = found.notes;
            if stem != wished && outcome == Outcome::New {
                notes.push(format!(
                    "it is called {stem}, as there is a {wished} already; --replace would write over that"
                ));
            }
            notes.extend(document.notes);
            let file = format!("config/webhooks/{stem}.json");
            let name = shown(&found.name);
            self.plan.webhooks.push(Planned { name, file, text: document.text, outcome, notes });
            return Ok(());
        }
        Err(format!("there are too many webhooks that are called {wished}"))
    }

    fn place(&self, stem: &str) -> Result<Place, String> {
        let path = self.home.join(format!("config/webhooks/{stem}.json"));
        match files::read_capped(&path, MAX_FILE_BYTES as u64) {
            Ok(there) => Ok(Place::Taken(there)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Place::Free),
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Ok(Place::Taken(Vec::new())),
            Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        }
    }
}

/// A name for people to recognise it by.
fn shown(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    if name.trim().is_empty() { "a webhook without a name".to_owned() } else { name }
}

/// `Site build!` → `site-build`; of a name without letters, the host of the URL.
fn stem(name: &str, url: &str) -> String {
    let slug = |text: &str| {
        let mut slug = String::new();
        for c in text.chars() {
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
            if slug.len() >= STEM_CHARS {
                break;
            }
        }
        slug.trim_end_matches('-').to_owned()
    };
    let host = || url::Url::parse(url).ok().and_then(|url| url.host_str().map(slug));
    let of_name = Some(slug(name)).filter(|slug| !slug.is_empty());
    of_name.or_else(|| host().filter(|slug| !slug.is_empty())).unwrap_or_else(|| "webhook".to_owned())
}

/// `site`, `site-2`, …
fn numbered(stem: &str) -> impl Iterator<Item = String> {
    let stem = stem.to_owned();
    (1_u32..).map(move |number| if number == 1 { stem.clone() } else { format!("{stem}-{number}") })
}

/// Another name for it if a variable of this name says something else. True: it is to be added.
fn variable(name: &str, value: &str, known: &Variables, planned: &[Variable]) -> Option<(Variable, bool)> {
    let is_said = |name: &str| known.get(name).or_else(|| planned.iter().find(|v| v.name == name).map(|v| &*v.value));
    for name in numbered(name).take(MOST_STEMS).map(|name| name.replace('-', "_")) {
        let variable = Variable { name, value: value.to_owned() };
        match is_said(&variable.name) {
            Some(said) if said == value => return Some((variable, false)),
            Some(_) => {}
            None => return env_file::line(&variable).map(|_| (variable, true)),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn found(name: &str, change: impl FnOnce(&mut Found)) -> Found {
        let mut found = Found {
            name: name.to_owned(),
            url: "https://build.example/hook".to_owned(),
            enabled: true,
            events: vec!["entry.publish".to_owned()],
            ..Found::default()
        };
        change(&mut found);
        found
    }

    fn planned(home: &Path, found: Vec<Found>, replace: bool) -> Plan {
        plan(home, Read { found, notes: vec![] }, replace).expect("readable")
    }

    #[test]
    fn secrets_are_referred_to_and_said_once() {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::write(home.path().join(".env"), "SITE_BUILD_AUTHORIZATION=other\n").expect("written");
        let authorised = |name: &str| {
            found(name, |found| {
                found.headers =
                    vec![("Authorization".into(), "Bearer a'b".into()), ("X-Site".into(), "${main}".into())];
            })
        };
        let plan = planned(home.path(), vec![authorised("Site build"), authorised("Site build")], false);
        let names: Vec<_> = plan.variables.iter().map(|variable| &*variable.name).collect();
        assert_eq!(names, ["SITE_BUILD_AUTHORIZATION_2", "SITE_BUILD_2_AUTHORIZATION"]);
        insta::assert_snapshot!(plan.webhooks[0].text, @r#"
        {
          "name": "Site build",
          "url": "https://build.example/hook",
          "events": [
            "entry.publish"
          ],
          "headers": {
            "Authorization": "${SITE_BUILD_AUTHORIZATION_2}",
            "X-Site": "$${main}"
          }
        }
        "#);
        assert_eq!(plan.webhooks[1].file, "config/webhooks/site-build-2.json");
    }

    #[test]
    fn nothing_is_written_over_unasked_and_nothing_twice() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let site = || vec![found("Site", |_| ())];
        let first = planned(home.path(), site(), false);
        super::super::write::write(home.path(), &first).expect("written");
        let outcome = |plan: &Plan| (plan.webhooks[0].file.clone(), plan.webhooks[0].outcome);
        assert_eq!(outcome(&planned(home.path(), site(), false)), ("config/webhooks/site.json".into(), Outcome::Same));
        let path = home.path().join("config/webhooks/site.json");
        fs::write(&path, "{}").expect("written");
        let second = planned(home.path(), site(), false);
        assert_eq!(outcome(&second), ("config/webhooks/site-2.json".into(), Outcome::New));
        assert!(second.webhooks[0].notes[0].contains("--replace"), "{:?}", second.webhooks[0].notes);
        let third = planned(home.path(), site(), true);
        assert_eq!(outcome(&third), ("config/webhooks/site.json".into(), Outcome::Replaced));
        super::super::write::write(home.path(), &third).expect("written");
        assert_eq!(fs::read_to_string(path).expect("there"), first.webhooks[0].text);
    }

    #[test]
    fn what_a_host_would_not_take_is_left_out_and_said() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let odd = found("Odd\n", |found| {
            found.url = "https://ana:s3cr3t@build.example/hook?token=abc#top".into();
            found.events = vec!["entry.publish".into(), "no type!".into(), "entry.publish".into()];
            found.headers =
                [("Host", "a"), ("X-B", "line\nbreak"), ("webhook-id", "1"), ("x-b", "kept"), ("bad name", "x")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into();
            found.signing_secret = Some("not one".into());
            found.per_second = Some(1_000_000);
            found.enabled = false;
        });
        let none = found("None", |found| found.url = "ftp://x/".into());
        let plan = planned(home.path(), vec![odd, none], false);
        let said = [&plan.webhooks[0].notes[..], &plan.notes[..]].concat().join("\n");
        insta::assert_snapshot!(format!("{}{said}", plan.webhooks[0].text), @r#"
        {
          "name": "Odd",
          "url": "${ODD_URL}",
          "enabled": false,
          "events": [
            "entry.publish"
          ],
          "headers": {
            "Authorization": "${ODD_AUTHORIZATION}",
            "x-b": "kept"
          }
        }
        what stands after # in its URL was never sent, and is left out
        its URL has a secret in its query, so all of it is in .env
        "no type!" is no type of an event here, and is left out
        user name and password of its URL are an Authorization header now
        its signing secret is left out: expected a signing secret: whsec_ and base64 of 24 to 64 bytes, or whsk_ and an Ed25519 key (`hookwright secret new` makes either)
        /headers/Host is left out: the dispatcher writes this header itself; leave it out
        /headers/webhook-id is left out: the dispatcher writes this header itself; leave it out
        /headers/bad name is left out: expected the name of a header, such as X-Site: letters, digits and '-'
        /rateLimit is left out: expected attempts per second, minute or hour, such as "10/s", "600/m" or "1000/h", at most 10000
        None: /url expected a URL that begins with https:// or http://; it is left out
        "#);
    }

    #[test]
    fn stems_are_slugs() {
        for (name, url, expected) in [
            ("Site build!", "", "site-build"),
            ("../../etc/passwd", "", "etc-passwd"),
            ("Ünïcode", "", "n-code"),
            ("日本", "https://build.example/", "build-example"),
            ("", "nonsense", "webhook"),
            (&"x".repeat(500), "", &"x".repeat(STEM_CHARS)),
        ] {
            assert_eq!(stem(name, url), expected);
        }
    }
}

//! The variables that interpolation may use: the process environment first, then `.env`. Reads them once, and
//! never changes the environment of the process.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::str::FromStr;

use super::{ConfigError, Home};

/// A larger `.env` is refused: it is a mistake.
const MAX_ENV_FILE_BYTES: u64 = 1 << 20;

/// Names the environment.
const ENVIRONMENT: &str = "HOOKWRIGHT_ENV";

/// The values that interpolation may use. Shown nowhere: they are secrets as a rule.
#[derive(Clone, Default)]
pub struct Variables {
    values: BTreeMap<String, String>,
}

/// Which overlay is in force, `development` unless [`ENVIRONMENT`] says otherwise. A plain name: it is part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment(Box<str>);

/// Why a text does not name an environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a name of 1 to 64 letters, digits, '_' or '-', such as production")]
pub struct EnvironmentError;

impl Variables {
    /// Reads the process environment and the home folder's `.env`, if there is one.
    ///
    /// # Errors
    /// When `.env` cannot be read; names the line, never what it says.
    pub fn load(home: &Home) -> Result<Self, ConfigError> {
        let name = home.display(&home.env_file());
        let mut values = match File::open(home.env_file()) {
            Ok(file) => read_env_file(&name, file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(ConfigError::of_file(name, format!("cannot be read: {error}"))),
        };
        // What is not UTF-8 cannot stand in JSON either: it counts as not set.
        values.extend(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))));
        Ok(Self { values })
    }

    /// Just these, for tests and tools.
    pub fn from_pairs<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Self {
        Self { values: pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Whether somebody chose the environment: it is not the default one.
    pub fn names_environment(&self) -> bool {
        self.get(ENVIRONMENT).is_some_and(|name| !name.is_empty())
    }

    /// The environment named by `HOOKWRIGHT_ENV`.
    ///
    /// # Errors
    /// When that is not a plain name.
    pub fn environment(&self) -> Result<Environment, ConfigError> {
        let name = self.get(ENVIRONMENT).filter(|name| !name.is_empty()).unwrap_or("development");
        name.parse().map_err(|error: EnvironmentError| ConfigError {
            written: Some(crate::schemas::shortened(&name.into())),
            ..ConfigError::of_file(ENVIRONMENT, error.to_string())
        })
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variables({} values)", self.values.len())
    }
}

impl Environment {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Environment {
    type Err = EnvironmentError;

    fn from_str(text: &str) -> Result<Self, EnvironmentError> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if plain && (1..=64).contains(&text.len()) { Ok(Self(text.into())) } else { Err(EnvironmentError) }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn read_env_file(name: &str, file: impl Read) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut text = String::new();
    let read = file.take(MAX_ENV_FILE_BYTES + 1).read_to_string(&mut text);
    let refuse = |message: String| Err(ConfigError::of_file(name, message));
    match read {
        Err(error) => return refuse(format!("cannot be read: {error}")),
        Ok(read) if read as u64 > MAX_ENV_FILE_BYTES => {
            return refuse(format!("expected at most {MAX_ENV_FILE_BYTES} bytes"));
        }
        Ok(_) => {}
    }
    // The parser takes spaces at the end of a last line without line break for a value that goes on.
    text.push('\n');
    let line = Cell::new(0);
    let lines = Lines { rest: text.trim_start_matches('\u{feff}').as_bytes(), line: &line };
    let mut values = BTreeMap::new();
    for entry in dotenvy::Iter::new(lines) {
        match entry {
            Ok((name, value)) => values.insert(name, value),
            // The parser's own words repeat the line, and with it the secret.
            Err(_) => {
                return refuse(format!("line {}: expected NAME=value, quotes closed, # before a comment", line.get()));
            }
        };
    }
    Ok(values)
}

/// Hands out one line per read, so that the line an error was found in is known.
struct Lines<'a> {
    rest: &'a [u8],
    line: &'a Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let (taken, _) = line.split_at(line.len().min(buffer.len()));
        buffer.iter_mut().zip(taken).for_each(|(to, from)| *to = *from);
        self.rest = self.rest.get(taken.len()..).unwrap_or_default();
        self.line.set(self.line.get() + usize::from(taken.ends_with(b"\n")));
        Ok(taken.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
        read_env_file(".env", text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_people_write() {
        let values =
            read("\u{feff}# secrets\nA=1\r\n\nexport B='two words' # why\nC=\"x\\ny\"\nD=last  ").expect("valid");
        let values: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(values, [("A", "1"), ("B", "two words"), ("C", "x\ny"), ("D", "last")]);
    }

    #[test]
    fn names_the_line_and_not_the_secret() {
        let error = read("A=1\n\n# comment\nTOKEN hunter2\nB=2\n").expect_err("no equals sign");
        assert_eq!(error, ".env: line 4: expected NAME=value, quotes closed, # before a comment");
        let error = read("A=1\nTOKEN='hunter2\n").expect_err("open quote");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(read_env_file(".env", &b"A=\xff"[..]).is_err());
    }

    #[test]
    fn the_environment_is_a_plain_name() {
        let environment = |value| Variables::from_pairs([(ENVIRONMENT, value)]).environment();
        assert_eq!(Variables::default().environment().expect("default").as_str(), "development");
        assert_eq!(environment("").expect("default").as_str(), "development");
        assert_eq!(environment("staging-2").expect("plain").as_str(), "staging-2");
        let error = environment("../../etc").expect_err("a path").to_string();
        assert!(error.starts_with("HOOKWRIGHT_ENV: expected a name") && error.contains("../../etc"), "{error}");
    }

    #[test]
    fn the_process_environment_wins_over_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(".env"), "PATH=from-file\nHOOKWRIGHT_TEST_ONLY=from-file\n")
            .expect("written");
        let variables = Variables::load(&Home::new(folder.path())).expect("valid");
        assert_eq!(variables.get("PATH"), std::env::var("PATH").ok().as_deref());
        assert_eq!(variables.get("HOOKWRIGHT_TEST_ONLY"), Some("from-file"));
        assert!(std::env::var("HOOKWRIGHT_TEST_ONLY").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "([A-Z]=|[ \"'$#\\\\{}a\n\r=é])*") {
            let _ = read(&text);
        }
    }
}

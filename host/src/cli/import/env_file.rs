//! Lines for `.env`, written so that they are read as they were meant, and added at its end.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::plan::Variable;

/// Only its owner reads it.
const PRIVATE: u32 = 0o600;
/// Of others.
const READABLE_BY_OTHERS: u32 = 0o077;

/// `NAME='value'`, in the first way of writing it that is read as it was meant; none: no line can say that.
pub(super) fn line(Variable { name, value }: &Variable) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:+=@,".contains(c);
    let escaped = value.replace('\\', r"\\").replace('"', "\\\"").replace('$', r"\$").replace('\n', r"\n");
    let plain = Some(value.clone()).filter(|value| !value.is_empty() && value.chars().all(is_plain));
    let ways = plain.into_iter().chain([format!("'{value}'"), format!("\"{escaped}\"")]);
    ways.map(|written| format!("{name}={written}\n")).find(|line| {
        let read: Result<Vec<_>, _> = dotenvy::Iter::new(line.as_bytes()).collect();
        read.is_ok_and(|read| read == [(name.clone(), value.clone())])
    })
}

/// Adds lines, in a file that only its owner reads where there was none. True: others may read what was there.
pub(super) fn append(path: &Path, lines: &str) -> io::Result<bool> {
    let before = match fs::read(path) {
        Ok(before) => before,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let gap = if before.is_empty() || before.ends_with(b"\n") { "" } else { "\n" };
    let mut file = OpenOptions::new().append(true).create(true).mode(PRIVATE).open(path)?;
    // At once: a host that reads it meanwhile finds all of them or none.
    file.write_all(format!("{gap}{lines}").as_bytes())?;
    file.sync_all()?;
    Ok(file.metadata()?.permissions().mode() & READABLE_BY_OTHERS != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variable(value: &str) -> Variable {
        Variable { name: "A_B".to_owned(), value: value.to_owned() }
    }

    #[test]
    fn what_is_added_comes_after_what_was_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".env");
        assert!(!append(&path, "A=1\n").expect("written"));
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        fs::write(&path, "A=1\nB=2").expect("written");
        append(&path, "C=3\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "A=1\nB=2\nC=3\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(append(&path, "D=4\n").expect("written"));
    }

    #[test]
    fn values_are_quoted_where_they_must_be() {
        for (value, written) in [
            ("whsec_a+b/c=", "A_B=whsec_a+b/c=\n"),
            ("Bearer x$y \"z\" #", "A_B='Bearer x$y \"z\" #'\n"),
            ("it's $5\\", "A_B=\"it's \\$5\\\\\"\n"),
        ] {
            assert_eq!(line(&variable(value)).as_deref(), Some(written), "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_a_header_can_hold_can_be_said(value in "[ -~]*") {
            // That it is read as it was meant is made sure of whenever a line is made.
            prop_assert!(line(&variable(&value)).is_some(), "{value:?}");
        }

        #[test]
        fn never_panics(value in "([ -~]|[é\n\r'\"$\\\\#])*") {
            line(&variable(&value));
        }
    }
}

//! `${…}` in a text: variables, files, and `$${` for a literal `${`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Variables;

/// A larger secret file is refused: it is no secret.
const MAX_SECRET_FILE_BYTES: u64 = 64 << 10;

/// A text may expand to this much.
const MAX_EXPANDED_BYTES: usize = 256 << 10;

/// A text with its references filled in.
#[derive(PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// Whether any of it came from a variable or file: then it is not to be shown.
    pub(super) filled: bool,
}

/// Why a reference cannot be filled in. Names variables and paths, never what they hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReferenceError {
    #[error("the variable {0} is not set: set it in the environment or in .env, or write ${{{0}:-default}}")]
    Unset(String),
    #[error(
        "expected ${{NAME}}, ${{ process.env.NAME }}, ${{NAME:-default}} or ${{file:/path}}; $${{ stands for ${{ itself"
    )]
    Form,
    #[error("${{ is never closed; $${{ stands for ${{ itself")]
    Open,
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error("expected at most {MAX_EXPANDED_BYTES} bytes after filling in")]
    TooLong,
}

/// Fills in every reference.
///
/// # Errors
/// Every reference that cannot be filled in.
pub(super) fn expand(text: &str, variables: &Variables) -> Result<Expanded, Vec<ReferenceError>> {
    let mut expanded = Expanded { text: String::with_capacity(text.len()), filled: false };
    let mut errors = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            expanded.text.push_str(before);
            expanded.text.push_str("${");
            rest = &from["${".len()..];
            continue;
        }
        expanded.text.push_str(before);
        let Some((reference, after)) = from["${".len()..].split_once('}') else {
            errors.push(ReferenceError::Open);
            return Err(errors);
        };
        expanded.filled = true;
        match resolve(reference, variables) {
            Ok(value) if expanded.text.len() + value.len() > MAX_EXPANDED_BYTES => {
                errors.push(ReferenceError::TooLong);
                return Err(errors);
            }
            Ok(value) => expanded.text.push_str(&value),
            // The same mistake again says nothing new.
            Err(error) if errors.contains(&error) => {}
            Err(error) => errors.push(error),
        }
        rest = after;
    }
    expanded.text.push_str(rest);
    if errors.is_empty() { Ok(expanded) } else { Err(errors) }
}

/// What stands between `${` and `}`.
fn resolve(reference: &str, variables: &Variables) -> Result<String, ReferenceError> {
    if let Some(path) = reference.strip_prefix("file:") {
        return read_secret(path).map_err(|reason| ReferenceError::File { path: path.to_owned(), reason });
    }
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let name = name.trim();
    let name = name.strip_prefix("process.env.").unwrap_or(name);
    if !is_variable_name(name) || default.is_some_and(|default| default.contains("${")) {
        return Err(ReferenceError::Form);
    }
    match (variables.get(name), default) {
        (None | Some(""), Some(default)) => Ok(default.to_owned()),
        (Some(value), _) => Ok(value.to_owned()),
        (None, None) => Err(ReferenceError::Unset(name.to_owned())),
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Reads a mounted secret, without the line break editors put at its end.
fn read_secret(path: &str) -> Result<String, String> {
    let path = Path::new(path);
    if !path.is_absolute() {
        return Err("expected an absolute path, as in ${file:/run/secrets/x}".to_owned());
    }
    let readable = |error: std::io::Error| format!("cannot be read: {error}");
    // Before opening: to open a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(readable)?.is_file() {
        return Err("expected a regular file".to_owned());
    }
    let mut text = String::new();
    let file = File::open(path).map_err(readable)?;
    let read = file.take(MAX_SECRET_FILE_BYTES + 1).read_to_string(&mut text).map_err(readable)?;
    if read as u64 > MAX_SECRET_FILE_BYTES {
        return Err(format!("expected at most {MAX_SECRET_FILE_BYTES} bytes"));
    }
    let value = text.strip_suffix('\n').unwrap_or(&text);
    Ok(value.strip_suffix('\r').unwrap_or(value).to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expanded(text: &str) -> Result<String, Vec<ReferenceError>> {
        let variables = Variables::from_pairs([("TOKEN", "hunter2"), ("EMPTY", "")]);
        expand(text, &variables).map(|expanded| expanded.text)
    }

    #[test]
    fn fills_in_every_form() {
        for (text, result) in [
            ("Bearer ${ process.env.TOKEN }", "Bearer hunter2"),
            ("${process.env.TOKEN}${TOKEN}", "hunter2hunter2"),
            ("${ TOKEN }", "hunter2"),
            ("${TOKEN:-x}", "hunter2"),
            ("${ABSENT:-}", ""),
            ("${ABSENT:-a b:-c}", "a b:-c"),
            ("${EMPTY}|${EMPTY:-full}", "|full"),
            ("$${TOKEN} $TOKEN $ {} }", "${TOKEN} $TOKEN $ {} }"),
            ("$$${TOKEN}", "$${TOKEN}"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(result), "{text}");
        }
    }

    #[test]
    fn finds_everything_that_is_wrong() {
        let unset = |name: &str| ReferenceError::Unset(name.to_owned());
        assert_eq!(expanded("${A} ${TOKEN} ${B}"), Err(vec![unset("A"), unset("B")]));
        for bad in ["${}", "${a-b}", "${1A}", "${TOKEN:=x}", "${process.env.}", "${env:TOKEN}", "${A:-${TOKEN}}"] {
            assert_eq!(expanded(bad), Err(vec![ReferenceError::Form]), "{bad}");
        }
        assert_eq!(expanded("${}${A}${}${A}"), Err(vec![ReferenceError::Form, unset("A")]));
        assert_eq!(expanded("a ${TOKEN"), Err(vec![ReferenceError::Open]));
        let long = "x".repeat(MAX_EXPANDED_BYTES / 2);
        let variables = Variables::from_pairs([("LONG", long.as_str())]);
        assert_eq!(expand("${LONG}${LONG}${LONG}", &variables).err(), Some(vec![ReferenceError::TooLong]));
    }

    #[test]
    fn reads_secret_files_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        let reference = format!("${{file:{}}}", path.display());
        std::fs::write(&path, "one\ntwo\r\n").expect("written");
        assert_eq!(expanded(&reference).as_deref(), Ok("one\ntwo"));
        std::fs::write(&path, "x".repeat(65_537)).expect("written");
        for bad in [reference, format!("${{file:{}}}", folder.path().display()), "${file:secret}".to_owned()] {
            assert!(matches!(expanded(&bad).expect_err("refused")[..], [ReferenceError::File { .. }]), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_without_references_is_unchanged(text in "[^{]*") {
            prop_assert_eq!(expanded(&text), Ok(text));
        }

        #[test]
        fn never_panics(text in "(\\$\\{|\\$|\\}|:-|file:|TOKEN|[ é/])*") {
            let _ = expanded(&text);
        }
    }
}

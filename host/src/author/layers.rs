//! The texts of a home's configuration files, read for the workbench: what is there and cannot be read is an error, because
//! settings that are left out unsaid would judge a plugin by other rules than the host's.

use std::io;
use std::path::PathBuf;

use crate::config::{ConfigError, Home, Layer, MAX_FILE_BYTES};
use crate::files;

/// Of those that are there.
///
/// # Errors
/// In words, for the first that cannot be read or is larger than any configuration.
pub(crate) fn read(home: &Home, files: &[PathBuf]) -> Result<Vec<Layer>, String> {
    let mut layers = Vec::new();
    for path in files {
        let file = home.display(path);
        let bytes = files::read_capped(path, MAX_FILE_BYTES as u64);
        match bytes.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other)) {
            Ok(text) => layers.push(Layer { file, text: text.into() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{file} cannot be read: {error}")),
        }
    }
    Ok(layers)
}

/// All that is wrong, on one line.
pub(crate) fn in_words(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_there_and_cannot_be_read_is_no_empty_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = Home::new(folder.path());
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.json"), "{}").expect("written");
        fs::write(path("b.json"), [0xff]).expect("written");
        assert_eq!(read(&home, &[path("a.json"), path("none.json")]).map(|layers| layers.len()), Ok(1));
        let refused = read(&home, &[path("a.json"), path("b.json")]).expect_err("not UTF-8");
        assert!(refused.starts_with("b.json cannot be read: "), "{refused}");
    }
}

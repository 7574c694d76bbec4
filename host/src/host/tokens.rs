//! The tokens that the host makes for itself, in files that only their owner reads.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::access::{self, Role};

/// A shorter token in a file is refused: it was cut or typed by hand.
const SHORTEST: usize = 16;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("failed to read or write {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} holds no token of at least {SHORTEST} characters; remove the file to have a new one made", .0.display())]
    Short(PathBuf),
}

/// The token in the file; a fresh one is written (0600) if there is no file.
pub(super) fn read_or_make(path: &Path, role: Role) -> Result<String, TokenError> {
    let failed = |source| TokenError::File { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Ok(text) if text.trim().len() >= SHORTEST => Ok(text.trim().to_owned()),
        Ok(_) => Err(TokenError::Short(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = access::generate(role);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
            writeln!(file, "{token}").and_then(|()| file.sync_all()).map_err(failed)?;
            Ok(token)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        let made = read_or_make(&path, Role::Admin).unwrap();
        assert!(made.starts_with("hwa_") && made.len() > 40, "{made}");
        assert_eq!(read_or_make(&path, Role::Admin).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "\n").unwrap();
        assert!(matches!(read_or_make(&path, Role::Admin), Err(TokenError::Short(_))));
    }
}

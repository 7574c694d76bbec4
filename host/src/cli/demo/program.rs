//! How a command of ours is typed where `hookwright` may not be installed: `cargo xtask demo` runs one that is not.

use std::env;
use std::ffi::OsStr;
use std::path::Path;

use crate::cli::discovery;

const NAME: &str = "hookwright";

/// The command with the path of the running executable, unless `PATH` has its name.
pub(super) fn typed(command: &str) -> String {
    let Ok(running) = env::current_exe() else { return command.to_owned() };
    typed_as(command, env::var_os("PATH").as_deref(), &running)
}

fn typed_as(command: &str, path: Option<&OsStr>, running: &Path) -> String {
    let installed = path.is_some_and(|path| env::split_paths(path).any(|folder| folder.join(NAME).is_file()));
    match command.strip_prefix(NAME) {
        Some(arguments) if !installed => format!("{}{arguments}", discovery::quoted(running)),
        _ => command.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_enough_only_where_it_is_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = env::join_paths([Path::new("/nowhere"), folder.path()]).expect("is a PATH");
        let typed = |path| typed_as("hookwright why last", path, Path::new("/a b/hookwright"));
        assert_eq!(typed(Some(&path)), "'/a b/hookwright' why last");
        assert_eq!(typed(None), "'/a b/hookwright' why last");
        std::fs::write(folder.path().join(NAME), "").expect("writes");
        assert_eq!(typed(Some(&path)), "hookwright why last");
    }
}

//! What a plugin was built from, kept beside it word for word: it is built again when any of it has changed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Files with their names, one after the other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sources(Vec<u8>);

impl Sources {
    /// The files right in these folders; what is in folders of theirs was made by tools.
    pub(crate) fn read(folders: &[&Path]) -> Result<Self> {
        let mut all = Vec::new();
        for folder in folders {
            let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
            let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
            files.retain(|path| path.is_file());
            files.sort();
            for file in files {
                let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                all.extend(format!("{}\n{} bytes\n", file.display(), text.len()).bytes());
                all.extend(text);
            }
        }
        Ok(Self(all))
    }

    pub(crate) fn are_in(&self, stamp: &Path) -> bool {
        fs::read(stamp).is_ok_and(|kept| kept == self.0)
    }

    pub(crate) fn write(&self, stamp: &Path) -> Result<()> {
        fs::write(stamp, &self.0).with_context(|| format!("cannot write {}", stamp.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_any_file_is_noticed_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("hookwright-sources-{}", std::process::id()));
        let (sources, stamp) = (folder.join("sources"), folder.join("stamp"));
        fs::create_dir_all(sources.join("node_modules")).unwrap();
        fs::write(sources.join("a"), "one").unwrap();
        let read = || Sources::read(&[&sources]).unwrap();
        assert!(!read().are_in(&stamp));
        read().write(&stamp).unwrap();
        fs::write(sources.join("node_modules/x"), "from elsewhere").unwrap();
        assert!(read().are_in(&stamp));
        fs::rename(sources.join("a"), sources.join("b")).unwrap();
        assert!(!read().are_in(&stamp), "another name");
        read().write(&stamp).unwrap();
        fs::write(sources.join("b"), "two").unwrap();
        assert!(!read().are_in(&stamp), "other contents");
        fs::remove_dir_all(&folder).unwrap();
    }
}

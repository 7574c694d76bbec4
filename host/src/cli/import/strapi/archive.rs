//! The configuration in what `strapi export --no-encrypt --no-compress` writes: a tar archive, of which only that is read.
//! It may hold gigabytes of pictures: these are skipped.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::Context as _;

use crate::cli::import::MOST_FILE_BYTES;

const BLOCK: usize = 512;
/// More entries are not looked at.
const MOST_ENTRIES: usize = 1_000_000;

/// The texts of the files in `configuration/`.
pub(super) fn configuration(path: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut file = File::open(path)?;
    let (mut texts, mut room) = (Vec::new(), MOST_FILE_BYTES);
    let mut head = [0; BLOCK];
    for _ in 0..MOST_ENTRIES {
        if file.read_exact(&mut head).is_err() || head.iter().all(|byte| *byte == 0) {
            return Ok(texts);
        }
        let Entry { is_file, is_configuration, size } = Entry::read(&head).context("it is no archive, or cut short")?;
        let mut skip = size.div_ceil(BLOCK as u64).checked_mul(BLOCK as u64).context("an entry has no end")?;
        if is_file && is_configuration {
            room = room.checked_sub(size).context("its configuration is too large")?;
            let mut text = Vec::new();
            file.by_ref().take(size).read_to_end(&mut text)?;
            skip -= size;
            texts.push(text);
        }
        file.seek(SeekFrom::Current(i64::try_from(skip)?))?;
    }
    anyhow::bail!("it has more than {MOST_ENTRIES} entries")
}

struct Entry {
    is_file: bool,
    is_configuration: bool,
    size: u64,
}

impl Entry {
    fn read(head: &[u8; BLOCK]) -> Option<Self> {
        let kind = head.get(156)?;
        Some(Self {
            is_file: matches!(kind, b'0' | 0),
            is_configuration: text(head.get(..100)?).trim_start_matches("./").starts_with("configuration/"),
            size: octal(head.get(124..136)?)?,
        })
    }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
}

/// Sizes of eight gigabytes and more are written otherwise; what is so large is not of interest here, but ends it.
fn octal(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(field).trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn entry(name: &str, kind: u8, size: &str, data: &[u8]) -> Vec<u8> {
        let mut head = vec![0; BLOCK];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[124..124 + size.len()].copy_from_slice(size.as_bytes());
        head[156] = kind;
        head[257..262].copy_from_slice(b"ustar");
        let padding = data.len().div_ceil(BLOCK) * BLOCK - data.len();
        [head, data.to_vec(), vec![0; padding]].concat()
    }

    fn read(bytes: &[u8]) -> anyhow::Result<Vec<Vec<u8>>> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("export.tar");
        fs::write(&path, bytes).expect("written");
        configuration(&path)
    }

    #[test]
    fn only_the_configuration_is_read() {
        let archive = [
            entry("metadata.json", b'0', "00000000003", b"{}\n"),
            entry("configuration/", b'5', "00000000000", b""),
            entry("assets/uploads/a.png", b'0', "00000001130", &[7; 600]),
            entry("./configuration/configuration_00001.jsonl", b'0', "00000000002", b"a\n"),
            vec![0; 2 * BLOCK],
        ];
        assert_eq!(read(&archive.concat()).expect("an archive"), [b"a\n"]);
    }

    #[test]
    fn an_archive_that_lies_is_refused_or_ends() {
        for size in ["77777777777", "nonsense", "-1"] {
            let name = "configuration/a.jsonl";
            let read = read(&entry(name, b'0', size, b"a"));
            assert!(read.is_err() || read.is_ok_and(|texts| texts.len() <= 1), "{size}");
        }
        assert!(read(&[1; 40]).expect("nothing in it").is_empty());
    }
}

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use super::*;

fn key(plugin: u8) -> Key {
    Key { plugin: Digest::of(&[plugin]), fingerprint: Digest::of(b"engine"), engine: EngineKind::Small }
}

fn code(text: &[u8]) -> Artefact {
    Artefact::from_here(text.to_vec())
}

fn get(cache: &Cache, key: &Key) -> Option<Vec<u8>> {
    cache.code(key).map(|artefact| artefact.bytes().to_vec())
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn cache(&self) -> Cache {
        Cache::open(self.0.path()).expect("a cache")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.path(path)).expect("there").permissions().mode() & 0o777
    }
}

#[test]
fn code_outlives_the_host_and_nobody_else_may_read_or_write_it() {
    let folder = Folder::new();
    folder.cache().put_code(&key(1), &code(b"code"));
    assert_eq!(get(&folder.cache(), &key(1)).as_deref(), Some(&b"code"[..]));
    assert_eq!(get(&folder.cache(), &key(2)), None);
    assert_eq!((folder.mode("compiled"), folder.mode("compiled.key")), (0o700, 0o600));
    assert_eq!(folder.mode(&format!("compiled/{}", key(1).file_name(What::Code))), 0o600);
}

#[test]
fn a_file_is_code_only_for_what_it_was_written_for() {
    let folder = Folder::new();
    let cache = folder.cache();
    let others = [
        key(2),
        Key { fingerprint: Digest::of(b"another engine"), ..key(1) },
        Key { engine: EngineKind::Large, ..key(1) },
    ];
    for other in others {
        cache.put_code(&key(1), &code(b"code"));
        fs::rename(cache.path(&key(1), What::Code), cache.path(&other, What::Code)).expect("renamed");
        assert_eq!(get(&cache, &other), None);
        assert!(!cache.path(&other, What::Code).exists(), "deleted");
    }
}

#[test]
fn a_file_that_others_can_write_or_that_is_none_is_not_read() {
    let folder = Folder::new();
    let cache = folder.cache();
    let path = cache.path(&key(1), What::Code);
    cache.put_code(&key(1), &code(b"code"));
    fs::set_permissions(&path, Permissions::from_mode(0o620)).expect("ours");
    assert_eq!(get(&cache, &key(1)), None);
    assert!(!path.exists(), "deleted");
    cache.put_code(&key(1), &code(b"code"));
    fs::rename(&path, folder.path("elsewhere")).expect("renamed");
    symlink(folder.path("elsewhere"), &path).expect("linked");
    assert_eq!(get(&cache, &key(1)), None);
    assert!(folder.path("elsewhere").exists() && path.symlink_metadata().is_err(), "the link is deleted");
}

#[test]
fn a_key_that_others_know_is_replaced_and_nothing_it_vouched_for_is_taken() {
    for (change, text) in [(0o644, None), (0o600, Some("short"))] {
        let folder = Folder::new();
        folder.cache().put_code(&key(1), &code(b"code"));
        let file = folder.path("compiled.key");
        if let Some(text) = text {
            fs::write(&file, text).expect("ours");
        }
        fs::set_permissions(&file, Permissions::from_mode(change)).expect("ours");
        assert!(Cache::read_only(folder.0.path()).is_none());
        assert_eq!(get(&folder.cache(), &key(1)), None);
        assert_eq!((folder.mode("compiled.key"), fs::read(&file).expect("readable").len()), (0o600, 32));
    }
}

#[test]
fn what_was_not_used_for_longest_goes_first_and_never_what_is_new() {
    let folder = Folder::new();
    // Room for three.
    let cache = Cache { max_bytes: 3 * (TAG_BYTES as u64 + 4), ..folder.cache() };
    for plugin in 1..=3 {
        cache.put_code(&key(plugin), &code(b"code"));
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(plugin.into());
        fs::File::open(cache.path(&key(plugin), What::Code)).and_then(|file| file.set_modified(old)).expect("ours");
    }
    assert!(get(&cache, &key(1)).is_some(), "used, and therefore not the oldest any more");
    cache.put_code(&key(4), &code(b"code"));
    let there = [1, 2, 3, 4].map(|plugin| cache.path(&key(plugin), What::Code).exists());
    assert_eq!(there, [true, false, true, true]);
    cache.put_code(&key(5), &code(&[0; 1000]));
    assert!(!cache.path(&key(5), What::Code).exists(), "larger than all there is room for");
}

#[test]
fn what_was_too_much_is_remembered_for_a_day_and_never_taken_for_code() {
    let folder = Folder::new();
    let cache = folder.cache();
    cache.put_exceeded(&key(1), &Exceeded::Memory { mib: 512 });
    assert_eq!(folder.cache().exceeded(&key(1)), Some(Exceeded::Memory { mib: 512 }));
    assert_eq!((get(&cache, &key(1)), cache.exceeded(&key(2))), (None, None));
    let path = cache.path(&key(1), What::Exceeded);
    fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH)).expect("ours");
    assert_eq!(cache.exceeded(&key(1)), None);
    fs::rename(&path, cache.path(&key(1), What::Code)).expect("renamed");
    assert_eq!(get(&cache, &key(1)), None);
}

#[test]
fn a_look_without_writing_leaves_even_a_bad_file() {
    let folder = Folder::new();
    assert!(Cache::read_only(folder.0.path()).is_none());
    assert_eq!(fs::read_dir(folder.0.path()).expect("a folder").count(), 0);
    folder.cache().put_code(&key(1), &code(b"code"));
    let cache = Cache::read_only(folder.0.path()).expect("a cache");
    assert!(get(&cache, &key(1)).is_some());
    fs::write(cache.path(&key(1), What::Code), "bad").expect("ours");
    cache.put_code(&key(2), &code(b"code"));
    assert_eq!(
        (get(&cache, &key(1)), cache.path(&key(1), What::Code).exists(), cache.path(&key(2), What::Code).exists()),
        (None, true, false)
    );
}

#[test]
fn where_there_can_be_no_cache_there_is_none() {
    let folder = Folder::new();
    fs::write(folder.path("compiled"), "in the way").expect("ours");
    assert!(Cache::open(folder.0.path()).is_none());
    assert!(Cache::open(&folder.path("nowhere")).is_none());
}

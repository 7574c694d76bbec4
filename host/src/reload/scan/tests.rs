use tempfile::TempDir;

use super::*;
use crate::clock;

struct Home(TempDir);

impl Home {
    fn with(files: &[(&str, &str)]) -> Self {
        let home = Self(TempDir::new().expect("a temporary folder"));
        for (path, text) in files {
            home.write(path, text);
        }
        home
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let full = self.path(path);
        fs::create_dir_all(full.parent().expect("below home")).expect("folder");
        fs::write(full, text).expect("written");
    }

    fn scan(&self) -> Snapshot {
        self.scan_after(&Snapshot::default(), clock::now())
    }

    fn scan_after(&self, previous: &Snapshot, now: Timestamp) -> Snapshot {
        scan(self.0.path(), &Layout::new("test"), previous, now)
    }
}

fn reason<'a>(snapshot: &'a Snapshot, path: &str) -> &'a str {
    match &snapshot.files[path].content {
        Content::Unusable(reason) => reason,
        other => panic!("{path}: {other:?}"),
    }
}

fn text(snapshot: &Snapshot, path: &str) -> Arc<str> {
    match &snapshot.files[path].content {
        Content::Text(text) => Arc::clone(text),
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn finds_what_counts_and_nothing_else() {
    let counts = [
        ".env",
        "config/environments/test/server.json",
        "config/environments/test/webhooks/a.json",
        "config/server.json",
        "config/webhooks/a.json",
        "plugins/redact.wasm",
        "schemas/entry.create.json",
        "schemas/models/article.json",
    ];
    let others = [
        "config/.server.json.swp",
        "config/other.json",
        "config/environments/production/server.json",
        "config/webhooks/.#a.json",
        "config/webhooks/4913",
        "config/webhooks/a.json~",
        "config/webhooks/folder.json/b.json",
        "plugins/redact/src.wasm",
        "plugins/redact.wasm.part",
        "data/last-good/config/server.json",
    ];
    let home = Home::with(&counts.map(|path| (path, "{}")));
    for path in others {
        home.write(path, "{}");
    }
    let found = home.scan();
    assert_eq!(found.files.keys().map(String::as_str).collect::<Vec<_>>(), counts);
    assert_eq!(found.files["plugins/redact.wasm"].content, Content::Plugin(Digest::of(b"{}")));
}

#[test]
fn a_folder_that_does_not_exist_is_absent_and_one_that_is_a_file_unreadable() {
    let home = Home::with(&[("plugins", "not a folder")]);
    let found = home.scan();
    assert!(matches!(found.folders["plugins"], Folder::Unreadable(_)));
    assert!(!found.folders.contains_key("schemas"));
}

#[test]
fn what_cannot_be_used_says_why() {
    let home = Home::with(&[]);
    home.write("schemas/latin.json", b"\"\xe9\"");
    home.write("schemas/large.json", vec![b' '; 1 + (1 << 20)]);
    home.write("plugins/large.wasm", "");
    let large = File::options().write(true).open(home.path("plugins/large.wasm")).expect("file");
    large.set_len(MAX_PLUGIN_FILE_BYTES + 1).expect("sparse");
    let found = home.scan();
    assert_eq!(reason(&found, "schemas/latin.json"), "is not UTF-8 text (byte 1)");
    assert_eq!(reason(&found, "schemas/large.json"), "is larger than 1 MiB");
    assert_eq!(reason(&found, "plugins/large.wasm"), "is larger than 32 MiB");
}

#[test]
fn a_file_is_read_again_only_if_it_may_have_changed() {
    let home = Home::with(&[("schemas/a.json", "1")]);
    let soon = home.scan();
    let sure = home.scan_after(&soon, clock::now().after(Duration::from_secs(10)));
    assert!(!Arc::ptr_eq(&text(&soon, "schemas/a.json"), &text(&sure, "schemas/a.json")), "too fresh to be sure");
    let again = home.scan_after(&sure, clock::now().after(Duration::from_secs(11)));
    assert!(Arc::ptr_eq(&text(&sure, "schemas/a.json"), &text(&again, "schemas/a.json")));
    home.write("schemas/a.json", "2");
    let changed = home.scan_after(&again, clock::now().after(Duration::from_secs(12)));
    assert_eq!(&*text(&changed, "schemas/a.json"), "2");
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_config_map_is_followed_through_its_swap() {
        let home = Home::with(&[]);
        for (version, text) in [("..1", "old"), ("..2", "new")] {
            home.write(&format!("config/webhooks/{version}/a.json"), text);
        }
        symlink("..1", home.path("config/webhooks/..data")).expect("link");
        symlink("..data/a.json", home.path("config/webhooks/a.json")).expect("link");
        let before = home.scan_after(&Snapshot::default(), clock::now().after(Duration::from_secs(10)));
        assert_eq!((&*text(&before, "config/webhooks/a.json"), before.files.len()), ("old", 1));
        symlink("..2", home.path("config/webhooks/..tmp")).expect("link");
        fs::rename(home.path("config/webhooks/..tmp"), home.path("config/webhooks/..data")).expect("swap");
        assert_eq!(&*text(&home.scan_after(&before, clock::now()), "config/webhooks/a.json"), "new");
    }

    #[test]
    fn a_link_to_nothing_is_a_file_that_cannot_be_read() {
        let home = Home::with(&[("schemas/a.json", "{}")]);
        symlink("nowhere", home.path("schemas/b.json")).expect("link");
        assert!(reason(&home.scan(), "schemas/b.json").starts_with("cannot be read: "));
    }

    #[test]
    fn a_loop_of_links_ends_and_is_reported() {
        let home = Home::with(&[("schemas/a.json", "{}")]);
        symlink(".", home.path("schemas/loop")).expect("link");
        assert!(
            matches!(&home.scan().folders["schemas"], Folder::Unreadable(reason) if reason.contains("deeper than 4"))
        );
    }
}

//! The cases of file changes one by one, then a disk on which anything happens.

use proptest::prelude::*;

use super::*;
use crate::reload::scan::Content;

const A: &str = "config/webhooks/a.json";
const B: &str = "config/webhooks/b.json";
const SCHEMA: &str = "schemas/entry.create.json";

/// A disk, a clock and the settler that looks at it.
struct Bench {
    disk: Snapshot,
    now: i64,
    layout: Layout,
    settler: Settler,
    last: Settled,
}

impl Bench {
    fn with(files: &[&str]) -> Self {
        let mut disk = Snapshot::default();
        for folder in ["", "config", "config/webhooks", "schemas"] {
            disk.folders.insert(folder.to_owned(), Folder::Read((0, 0)));
        }
        for path in files {
            disk.files.insert((*path).to_owned(), Entry::text("1"));
        }
        let (now, layout) = (1_000_000, Layout::new("test"));
        let (settler, last) = Settler::start(BTreeSet::new(), &disk, &layout);
        Self { disk, now, layout, settler, last }
    }

    fn write(&mut self, path: &str, text: &str) -> &mut Self {
        self.disk.folders.insert(folder_of(path).to_owned(), Folder::Read((0, 0)));
        self.disk.files.insert(path.to_owned(), Entry::text(text));
        self
    }

    fn remove(&mut self, path: &str) -> &mut Self {
        self.disk.files.remove(path);
        self
    }

    fn remove_folder(&mut self, folder: &str) -> &mut Self {
        self.disk.folders.remove(folder);
        self.disk.files.retain(|path, _| folder_of(path) != folder);
        self
    }

    fn after(&mut self, ms: i64) -> &mut Self {
        self.now += ms;
        self.last = self.settler.settle(&self.disk, &self.layout, Timestamp::from_ms(self.now), false);
        self
    }

    fn accept_removals(&mut self) -> &mut Self {
        self.last = self.settler.settle(&self.disk, &self.layout, Timestamp::from_ms(self.now), true);
        self
    }

    /// Looks whenever the settler wants to, until it is content.
    fn rest(&mut self) -> &mut Self {
        self.after(0);
        for _ in 0..100 {
            let Some(at) = self.last.look_again else { return self };
            self.after((at.as_ms() - self.now).max(1));
        }
        panic!("never comes to rest");
    }

    fn text(&self, path: &str) -> Option<&str> {
        match &self.settler.accepted().get(path)?.content {
            Content::Text(text) => Some(text),
            _ => Some("?"),
        }
    }

    fn faults(&self) -> Vec<&str> {
        self.last.faults.iter().map(|fault| fault.message.as_str()).collect()
    }
}

#[test]
fn a_half_written_file_is_not_taken() {
    let mut bench = Bench::with(&[A]);
    for half in ["{", "{ \"na", "{ \"name"] {
        assert_eq!(bench.write(A, half).after(40).text(A), Some("1"));
    }
    bench.write(A, "2").after(40);
    assert_eq!(bench.last.look_again, Some(Timestamp::from_ms(bench.now + 50)));
    assert_eq!(bench.after(50).text(A), Some("2"));
    assert!(bench.last.changed && bench.last.look_again.is_none());
}

#[test]
fn unlink_and_create_never_removes() {
    let mut bench = Bench::with(&[A, B]);
    assert_eq!(bench.remove(A).after(10).text(A), Some("1"));
    assert_eq!(bench.after(480).text(A), Some("1"));
    assert_eq!(bench.write(A, "2").rest().text(A), Some("2"));
    assert!(bench.faults().is_empty());
}

#[test]
fn a_file_that_stays_away_is_removed() {
    let mut bench = Bench::with(&[A, B]);
    bench.remove(A).after(0);
    assert_eq!(bench.last.look_again, Some(Timestamp::from_ms(bench.now + 500)));
    assert!(bench.after(499).text(A).is_some());
    bench.after(1);
    assert_eq!((bench.text(A), bench.last.changed), (None, true));
}

#[test]
fn a_rename_is_one_step() {
    let mut bench = Bench::with(&[A, B]);
    bench.remove(A).write("config/webhooks/c.json", "1").after(0).after(200);
    assert_eq!((bench.text(A), bench.text("config/webhooks/c.json")), (Some("1"), None));
    bench.after(300);
    assert_eq!((bench.text(A), bench.text("config/webhooks/c.json")), (None, Some("1")));
}

#[test]
fn files_that_change_together_are_taken_together() {
    let mut bench = Bench::with(&[A, B, SCHEMA]);
    bench.write(A, "2").after(0).write(SCHEMA, "2").after(50);
    assert_eq!((bench.text(A), bench.text(SCHEMA)), (Some("1"), Some("1")));
    bench.after(50);
    assert_eq!((bench.text(A), bench.text(SCHEMA)), (Some("2"), Some("2")));
}

#[test]
fn a_restless_file_holds_up_no_other_and_is_reported() {
    let mut bench = Bench::with(&[A, B]);
    bench.write(A, "2").after(0);
    for round in 0..130 {
        bench.write(B, &round.to_string()).after(40);
    }
    assert_eq!((bench.text(A), bench.text(B)), (Some("2"), Some("1")));
    assert_eq!(bench.faults(), ["keeps changing; it is taken once it stays the same"]);
}

#[test]
fn a_folder_that_vanished_or_was_emptied_removes_nothing_until_accepted() {
    for empty in [false, true] {
        let mut bench = Bench::with(&[A, B, SCHEMA]);
        if empty { bench.remove(A).remove(B) } else { bench.remove_folder("config/webhooks") }.rest();
        assert_eq!((bench.text(A), bench.text(B), bench.text(SCHEMA)), (Some("1"), Some("1"), Some("1")));
        let what = if empty { "was emptied of" } else { "vanished with" };
        let message = format!("{what} its 2 webhooks; `hookwright reload --accept-removals` removes what is gone");
        assert_eq!(bench.faults(), [message]);
        bench.accept_removals();
        assert_eq!((bench.text(A), bench.faults().len()), (None, 0));
    }
}

#[test]
fn a_folder_deleted_slowly_still_counts_as_a_whole() {
    let mut bench = Bench::with(&[A, B, "config/webhooks/c.json"]);
    bench.remove(A).after(400).remove(B).after(400).remove("config/webhooks/c.json").after(400).rest();
    assert_eq!(bench.settler.accepted().len(), 3);
}

#[test]
fn a_folder_that_comes_back_slowly_loses_nothing() {
    let mut bench = Bench::with(&[A, B]);
    bench.remove_folder("config/webhooks").rest().after(10_000);
    assert_eq!(bench.write(B, "1").after(400).text(A), Some("1"));
    assert_eq!(bench.write(A, "1").rest().settler.accepted().len(), 2);
    assert!(bench.faults().is_empty());
}

#[test]
fn what_cannot_be_read_is_not_gone_even_when_removals_are_accepted() {
    let mut bench = Bench::with(&[A, B]);
    bench.remove(A).remove(B).disk.folders.insert("config/webhooks".into(), Folder::Unreadable("no".into()));
    assert_eq!(bench.rest().accept_removals().settler.accepted().len(), 2);
    assert_eq!(bench.faults(), ["no"]);
}

#[test]
fn the_servers_configuration_is_not_removed_by_accident() {
    let mut bench = Bench::with(&[layout::SERVER]);
    assert_eq!(bench.remove(layout::SERVER).rest().text(layout::SERVER), Some("1"));
    assert!(bench.faults()[0].starts_with("vanished with its settings;"));
    assert_eq!(bench.accept_removals().text(layout::SERVER), None);
}

#[test]
fn over_a_restart_single_files_may_go_and_whole_folders_not() {
    let known = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<BTreeSet<_>>();
    let Bench { disk, layout, .. } = Bench::with(&[A]);
    let start = |known| Settler::start(known, &disk, &layout);
    let (settler, settled) = start(known(&[A, B]));
    assert_eq!((settler.accepted().len(), settled.faults.len()), (1, 0));
    let (settler, settled) = start(known(&[A, "schemas/x.json", "schemas/y.json"]));
    assert_eq!((settler.accepted().len(), settled.faults.len()), (3, 1));
    assert_eq!(settler.accepted()["schemas/x.json"].content, Content::Absent);
    let (mut settler, started) = start(known(&[A, "schemas/x.json", "schemas/y.json"]));
    let next = settler.settle(&disk, &layout, Timestamp::from_ms(1_000_001), false);
    assert_eq!((next.faults, next.changed), (started.faults, false), "and it stays reported");
}

#[test]
fn a_clock_set_back_delays_but_does_not_block() {
    let mut bench = Bench::with(&[A, B]);
    bench.remove(B).write(A, "2").after(0).after(-3_600_000).after(50);
    assert_eq!(bench.text(A), Some("2"));
    assert_eq!(bench.rest().text(B), None);
}

#[derive(Debug, Clone)]
enum Step {
    Write(usize, u8),
    Remove(usize),
    RemoveFolder,
    Wait(i64),
    Accept,
}

const PATHS: [&str; 4] = [A, B, SCHEMA, layout::SERVER];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..PATHS.len(), 0..3u8).prop_map(|(path, text)| Step::Write(path, text)),
        2 => (0..PATHS.len()).prop_map(Step::Remove),
        1 => Just(Step::RemoveFolder),
        5 => (0..600i64).prop_map(Step::Wait),
        1 => Just(Step::Accept),
    ]
}

proptest! {
    #[test]
    fn whatever_happens(steps in proptest::collection::vec(step(), 0..60)) {
        let mut bench = Bench::with(&PATHS);
        let mut history = Vec::new();
        for step in steps {
            let before = bench.settler.accepted().clone();
            let accepting = matches!(step, Step::Accept);
            match step {
                Step::Write(path, text) => drop(bench.write(PATHS[path], &text.to_string()).after(0)),
                Step::Remove(path) => drop(bench.remove(PATHS[path]).after(0)),
                Step::RemoveFolder => drop(bench.remove_folder("config/webhooks").after(0)),
                Step::Wait(ms) => drop(bench.after(ms)),
                Step::Accept => drop(bench.accept_removals()),
            }
            history.push((bench.now, bench.disk.clone()));
            prop_assert!(bench.last.changed == (texts(&before) != texts(bench.settler.accepted())));
            for path in PATHS {
                taken_only_when_still(path, &before, &bench, &history)?;
                removed_only_when_sure(path, &before, &bench, &history, accepting)?;
            }
        }
        bench.rest();
        for (path, entry) in &bench.disk.files {
            prop_assert_eq!(&bench.settler.accepted()[path].content, &entry.content, "{} is up to date", path);
        }
        let kept = bench.settler.accepted().len() - bench.disk.files.len();
        prop_assert_eq!(kept > 0, !bench.last.faults.is_empty(), "what is kept is reported");
        bench.accept_removals();
        prop_assert_eq!(texts(bench.settler.accepted()), texts(&bench.disk.files));
    }
}

/// A new content in force was seen, unchanged, for at least [`STILL`].
fn taken_only_when_still(
    path: &str,
    before: &BTreeMap<String, Entry>,
    bench: &Bench,
    history: &[(i64, Snapshot)],
) -> Result<(), TestCaseError> {
    let now = bench.settler.accepted().get(path).map(|entry| &entry.content);
    if now.is_none() || now == before.get(path).map(|entry| &entry.content) {
        return Ok(());
    }
    let seen = |(_, disk): &&(i64, Snapshot)| disk.files.get(path).map(|entry| &entry.content) == now;
    let since = history.iter().rev().take_while(seen).last().map(|(at, _)| *at);
    prop_assert!(since.is_some_and(|since| bench.now - since >= 50), "{path} was taken too early");
    Ok(())
}

/// A file that is no longer in force was accepted as removed, or away for [`QUIET`] from a folder that is there.
fn removed_only_when_sure(
    path: &str,
    before: &BTreeMap<String, Entry>,
    bench: &Bench,
    history: &[(i64, Snapshot)],
    accepting: bool,
) -> Result<(), TestCaseError> {
    if accepting || !before.contains_key(path) || bench.settler.accepted().contains_key(path) {
        return Ok(());
    }
    let away = |(_, disk): &&(i64, Snapshot)| !disk.files.contains_key(path);
    let since = history.iter().rev().take_while(away).last().map(|(at, _)| *at);
    prop_assert!(since.is_some_and(|since| bench.now - since >= 500), "{path} was removed too early");
    prop_assert!(bench.disk.folders.contains_key(folder_of(path)) && path != layout::SERVER);
    Ok(())
}

fn texts(files: &BTreeMap<String, Entry>) -> BTreeMap<&String, &Content> {
    files.iter().map(|(path, entry)| (path, &entry.content)).collect()
}

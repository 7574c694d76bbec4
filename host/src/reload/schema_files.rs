//! The schema files: compiled together, because they refer to each other; each with its last good text.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::last_good::LastGood;
use super::layout::schema_path;
use super::scan::{Content, Entry};
use crate::revision::Fault;
use crate::schemas::SchemaFault;

type Texts = BTreeMap<String, Arc<str>>;

/// The set in force, and what it was made from. `S` is the compiled set.
#[derive(Default)]
pub(super) struct SchemaFiles<S> {
    tried: Option<BTreeMap<String, Content>>,
    /// The last text of each file that was good.
    good: Texts,
    set: Arc<S>,
    faults: Vec<Fault>,
}

impl<S> SchemaFiles<S> {
    /// Compiles the files, if any changed. Those that cannot be used are replaced by their last good text
    /// and all are compiled once more; those that cannot be used even then are left out.
    pub(super) fn advance(
        &mut self,
        files: &BTreeMap<String, Entry>,
        last_good: &LastGood,
        compile: impl Fn(&Texts) -> (S, Vec<SchemaFault>),
    ) {
        let wanted = schemas_of(files);
        if self.tried.as_ref() == Some(&wanted) {
            return;
        }
        if self.tried.is_none() {
            self.good = wanted.keys().filter_map(|path| Some((path.clone(), last_good.text(path)?))).collect();
        }
        let (mut texts, mut faults) = usable(&wanted);
        let (mut set, objections) = compile(&below_folder(&texts));
        faults.extend(objections.iter().map(fault_of));
        if needs_replacing(&wanted, &faults) {
            self.replace(&wanted, &faults, &mut texts);
            let left_out;
            (set, left_out) = compile(&below_folder(&texts));
            for fault in &left_out {
                texts.remove(&fault_of(fault).file);
            }
        }
        for fault in &mut faults {
            fault.last_good_in_force = texts.contains_key(&fault.file);
        }
        self.good.retain(|path, _| wanted.contains_key(path));
        self.good.extend(texts);
        (self.tried, self.set, self.faults) = (Some(wanted), Arc::new(set), faults);
    }

    /// Puts last good texts in the place of faulty and absent files.
    fn replace(&self, wanted: &BTreeMap<String, Content>, faults: &[Fault], texts: &mut Texts) {
        let absent = wanted.iter().filter(|(_, content)| matches!(content, Content::Absent)).map(|(path, _)| path);
        for path in faults.iter().map(|fault| &fault.file).chain(absent) {
            match self.good.get(path) {
                Some(text) => drop(texts.insert(path.clone(), Arc::clone(text))),
                None => drop(texts.remove(path)),
            }
        }
    }

    pub(super) fn set(&self) -> &Arc<S> {
        &self.set
    }

    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Every file, and whether what it says is in force.
    pub(super) fn files(&self) -> impl Iterator<Item = (&String, &Content, bool)> {
        self.tried.iter().flatten().map(|(path, content)| {
            let good = self.good.get(path);
            (path, content, matches!(content, Content::Text(text) if Some(text) == good))
        })
    }
}

fn schemas_of(files: &BTreeMap<String, Entry>) -> BTreeMap<String, Content> {
    let schemas = files.iter().filter(|(path, _)| schema_path(path).is_some());
    schemas.map(|(path, entry)| (path.clone(), entry.content.clone())).collect()
}

/// The texts, and a fault for each file that is none.
fn usable(tried: &BTreeMap<String, Content>) -> (Texts, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut texts = Texts::new();
    for (path, content) in tried {
        match content {
            Content::Text(text) => drop(texts.insert(path.clone(), Arc::clone(text))),
            Content::Unusable(reason) => faults.push(Fault::of_file(path, reason)),
            Content::Plugin(_) | Content::Absent => {}
        }
    }
    (texts, faults)
}

fn needs_replacing(tried: &BTreeMap<String, Content>, faults: &[Fault]) -> bool {
    !faults.is_empty() || tried.values().any(|content| matches!(content, Content::Absent))
}

fn below_folder(texts: &Texts) -> Texts {
    texts.iter().filter_map(|(path, text)| Some((schema_path(path)?.to_owned(), Arc::clone(text)))).collect()
}

fn fault_of(fault: &SchemaFault) -> Fault {
    Fault::of_file(&format!("schemas/{}", fault.file), &*fault.message)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::Timestamp;
    use crate::reload::layout::Layout;

    /// A set is the files in it, as `name=text`; a text that contains `bad`, or names a file that is not there
    /// or bad, cannot be used.
    fn compile(texts: &Texts) -> (Vec<String>, Vec<SchemaFault>) {
        let is_bad = |text: &str| text.contains("bad");
        let refers_badly =
            |text: &str| text.strip_prefix("ref ").is_some_and(|to| texts.get(to).is_none_or(|text| is_bad(text)));
        let (bad, good): (Vec<_>, Vec<_>) = texts.iter().partition(|(_, text)| is_bad(text) || refers_badly(text));
        let fault = |(file, _): (&String, _)| SchemaFault { file: file.clone(), message: "bad".to_owned() };
        (good.iter().map(|(name, text)| format!("{name}={text}")).collect(), bad.into_iter().map(fault).collect())
    }

    struct Bench {
        files: SchemaFiles<Vec<String>>,
        last_good: LastGood,
    }

    impl Bench {
        fn new() -> Self {
            let nowhere = Path::new("/nonexistent");
            let last_good = LastGood::open(nowhere, &Layout::new("test"), Timestamp::default());
            Self { files: SchemaFiles::default(), last_good }
        }

        /// The set and the faulty files, `!` marking those whose last good text is in force.
        fn advance(&mut self, texts: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
            let entry = |(name, text): &(&str, &str)| (format!("schemas/{name}"), Entry::text(text));
            self.files.advance(&texts.iter().map(entry).collect(), &self.last_good, compile);
            let mark = |fault: &Fault| format!("{}{}", fault.file, if fault.last_good_in_force { "!" } else { "" });
            (self.files.set().to_vec(), self.files.faults().iter().map(mark).collect())
        }
    }

    #[test]
    fn a_bad_file_is_replaced_by_its_last_good_text() {
        let mut bench = Bench::new();
        bench.advance(&[("a", "1"), ("b", "1")]);
        let (set, faults) = bench.advance(&[("a", "bad"), ("b", "2")]);
        assert_eq!((set, faults), (vec!["a=1".to_owned(), "b=2".to_owned()], vec!["schemas/a!".to_owned()]));
        let current = bench.files.files().filter(|(_, _, in_force)| *in_force).map(|(path, ..)| path);
        assert_eq!(current.collect::<Vec<_>>(), ["schemas/b"]);
    }

    #[test]
    fn a_bad_file_that_was_never_good_is_left_out_with_those_that_refer_to_it() {
        let (set, faults) = Bench::new().advance(&[("a", "bad"), ("b", "ref a"), ("c", "1")]);
        assert_eq!((set, faults), (vec!["c=1".to_owned()], vec!["schemas/a".to_owned(), "schemas/b".to_owned()]));
    }

    #[test]
    fn what_refers_to_a_file_that_went_bad_stays_with_its_last_good_text() {
        let mut bench = Bench::new();
        bench.advance(&[("a", "1"), ("b", "ref a")]);
        let (set, _) = bench.advance(&[("a", "bad"), ("b", "ref a")]);
        assert_eq!(set, ["a=1", "b=ref a"]);
        assert_eq!(bench.advance(&[("a", "2"), ("b", "ref a")]), (vec!["a=2".into(), "b=ref a".into()], vec![]));
    }

    #[test]
    fn the_set_is_the_same_while_no_schema_changed() {
        let mut bench = Bench::new();
        bench.advance(&[("a", "1")]);
        let set = Arc::clone(bench.files.set());
        bench.advance(&[("a", "1")]);
        assert!(Arc::ptr_eq(&set, bench.files.set()));
    }
}

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
            left_out.iter().for_each(|fault| drop(texts.remove(&fault_of(fault).file)));
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

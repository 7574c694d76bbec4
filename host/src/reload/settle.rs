//! Which changes on disk are taken, and when. Pure: looks and times are arguments.
//!
//! Promises:
//! - A changed file is taken only after it was the same in two looks at least [`STILL`] apart: never half written.
//! - Files that change together are taken together, unless one of them never comes to rest.
//! - A file that is gone is taken as removed only after the names in its folder stayed as they are for
//!   [`QUIET`]; new files of that folder wait with it, so that a rename is one step.
//! - A folder that vanished, or lost all of its (two or more) files, or cannot be read, removes nothing; nor
//!   does the absence of `config/server.json`. People are told, and may accept it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::layout::{self, Layout, folder_of};
use super::scan::{Entry, Folder, Snapshot};
use crate::clock::Timestamp;
use crate::revision::Fault;

/// So long a changed file must stay the same.
pub(super) const STILL: Duration = Duration::from_millis(50);
/// So long the names in a folder must stay the same before a missing one counts as removed. Also: a file that
/// has been still for so long is taken even if others keep changing.
pub(super) const QUIET: Duration = Duration::from_millis(500);

/// A file that keeps changing for so long is reported.
const RESTLESS: Duration = Duration::from_secs(5);

/// The files that were taken, and what is under way.
pub(super) struct Settler {
    accepted: BTreeMap<String, Entry>,
    moving: BTreeMap<String, Moving>,
    gaps: BTreeMap<String, Gap>,
}

/// What one look led to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// A file was taken, or taken as removed.
    pub(super) changed: bool,
    /// Something is under way: look again then.
    pub(super) look_again: Option<Timestamp>,
    pub(super) faults: Vec<Fault>,
}

/// A new or changed file that is not taken yet.
struct Moving {
    entry: Entry,
    /// Unchanged since.
    since: Timestamp,
    started: Timestamp,
}

/// A folder in which accepted files are missing.
#[derive(Clone, Copy)]
struct Gap {
    /// Of the names that are there, and of the folder's state.
    names: u64,
    /// Unchanged since.
    since: Timestamp,
}

impl Settler {
    /// Takes the first look as it is: there is nothing yet that a half-written file could spoil, and what
    /// cannot be used is replaced by its last good version. `known` are the files that were in force when
    /// the host last ran: single ones may have been removed since, whole folders not.
    pub(super) fn start(known: BTreeSet<String>, look: &Snapshot, layout: &Layout) -> (Self, Settled) {
        let accepted = known.into_iter().map(|path| (path, Entry::absent())).collect();
        let mut settler = Self { accepted, moving: BTreeMap::new(), gaps: BTreeMap::new() };
        settler.accepted.extend(look.files.clone());
        let mut settled = Settled { changed: true, ..Settled::default() };
        for (folder, missing) in settler.missing(look) {
            settler.judge_missing(look, layout, &folder, &missing, &mut settled, Removals::Single);
        }
        // What is missing was so before the host started: nothing to wait for.
        settler.gaps = settler.gaps(look, &settler.missing(look), Timestamp::default());
        settled.faults.extend(unreadable_folders(look));
        (settler, settled)
    }

    /// The files in force. One that is kept although it is gone keeps the entry it had.
    pub(super) fn accepted(&self) -> &BTreeMap<String, Entry> {
        &self.accepted
    }

    /// Takes what may be taken now.
    pub(super) fn settle(
        &mut self,
        look: &Snapshot,
        layout: &Layout,
        now: Timestamp,
        accept_removals: bool,
    ) -> Settled {
        let mut settled = Settled::default();
        let missing = self.missing(look);
        self.gaps = self.gaps(look, &missing, now);
        self.track(look, now);
        for (folder, missing) in missing {
            let since = self.gaps.get(&folder).map_or(now, |gap| gap.since);
            if accept_removals {
                self.judge_missing(look, layout, &folder, &missing, &mut settled, Removals::All);
            } else if now.since(since) >= QUIET {
                self.judge_missing(look, layout, &folder, &missing, &mut settled, Removals::Single);
            } else {
                settled.wake(since.after(QUIET));
            }
        }
        self.take_still(now, accept_removals, &mut settled);
        self.report_restless(now, &mut settled);
        settled.faults.extend(unreadable_folders(look));
        settled
    }

    /// Accepted files that are not there, by folder.
    fn missing(&self, look: &Snapshot) -> BTreeMap<String, Vec<String>> {
        let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for path in self.accepted.keys().filter(|path| !look.files.contains_key(*path)) {
            missing.entry(folder_of(path).to_owned()).or_default().push(path.clone());
        }
        missing
    }

    fn gaps(&self, look: &Snapshot, missing: &BTreeMap<String, Vec<String>>, now: Timestamp) -> BTreeMap<String, Gap> {
        let fresh = |folder: &String| {
            let names = fingerprint(look, folder);
            match self.gaps.get(folder) {
                // A `since` in the future: the clock was set back.
                Some(gap) if gap.names == names && gap.since <= now => *gap,
                _ => Gap { names, since: now },
            }
        };
        missing.keys().map(|folder| (folder.clone(), fresh(folder))).collect()
    }

    /// Compares every file with what is in force and with what was seen before.
    fn track(&mut self, look: &Snapshot, now: Timestamp) {
        self.moving.retain(|path, _| look.files.contains_key(path));
        for (path, entry) in &look.files {
            match self.accepted.get_mut(path) {
                Some(known) if known.content == entry.content => {
                    known.clone_from(entry);
                    self.moving.remove(path);
                }
                _ => self.track_moving(path, entry, now),
            }
        }
    }

    fn track_moving(&mut self, path: &str, entry: &Entry, now: Timestamp) {
        match self.moving.get_mut(path) {
            Some(moving) if moving.entry.same_as(entry) && moving.since <= now => {}
            Some(moving) => {
                let started = moving.started.min(now);
                *moving = Moving { entry: entry.clone(), since: now, started };
            }
            None => {
                self.moving.insert(path.to_owned(), Moving { entry: entry.clone(), since: now, started: now });
            }
        }
    }

    fn take_still(&mut self, now: Timestamp, accept_removals: bool, settled: &mut Settled) {
        let newest = self.moving.values().map(|moving| moving.since).max();
        let all_still = newest.is_some_and(|since| now.since(since) >= STILL);
        let (accepted, gaps) = (&self.accepted, &self.gaps);
        let may_be_taken = |path: &String, moving: &mut Moving| {
            let renaming = !accepted.contains_key(path) && !accept_removals;
            let gap = gaps.get(folder_of(path)).filter(|_| renaming);
            let waits_for_gap = gap.is_some_and(|gap| now.since(gap.since) < QUIET);
            (all_still || now.since(moving.since) >= QUIET) && !waits_for_gap
        };
        let taken: Vec<_> = self.moving.extract_if(.., may_be_taken).collect();
        settled.changed |= !taken.is_empty();
        self.accepted.extend(taken.into_iter().map(|(path, moving)| (path, moving.entry)));
        if let Some(since) = newest.filter(|_| !self.moving.is_empty()) {
            settled.wake(since.after(STILL).max(now.after(STILL)));
        }
    }

    fn report_restless(&self, now: Timestamp, settled: &mut Settled) {
        let restless = self.moving.iter().filter(|(_, moving)| now.since(moving.started) >= RESTLESS);
        for path in restless.map(|(path, _)| path) {
            let mut fault = Fault::of_file(path, "keeps changing; it is taken once it stays the same");
            fault.last_good_in_force = self.accepted.contains_key(path);
            settled.faults.push(fault);
        }
    }

    fn judge_missing(
        &mut self,
        look: &Snapshot,
        layout: &Layout,
        folder: &str,
        missing: &[String],
        settled: &mut Settled,
        removals: Removals,
    ) {
        let present = names_in(look, folder).count();
        let held = match (look.folders.get(folder), removals) {
            // Reported with the folder; even accepting removals does not make them known.
            (Some(Folder::Unreadable(_)), _) => return,
            (_, Removals::All) => None,
            (None, _) => Some((folder, "vanished with")),
            (Some(Folder::Read(_)), _) if present == 0 && missing.len() > 1 => Some((folder, "was emptied of")),
            _ if missing.iter().any(|path| path == layout::SERVER) => Some((layout::SERVER, "vanished with")),
            _ => None,
        };
        if let Some((place, what)) = held {
            settled.faults.push(held_fault(layout, folder, place, what, missing.len()));
            return;
        }
        settled.changed |= !missing.is_empty();
        for path in missing {
            self.accepted.remove(path);
        }
        self.gaps.remove(folder);
    }
}

/// Which removals are believed.
#[derive(Clone, Copy)]
enum Removals {
    Single,
    All,
}

impl Settled {
    fn wake(&mut self, at: Timestamp) {
        self.look_again = Some(self.look_again.map_or(at, |known| known.min(at)));
    }
}

impl Entry {
    fn same_as(&self, other: &Self) -> bool {
        self.stamp == other.stamp && self.content == other.content
    }
}

fn names_in<'a>(look: &'a Snapshot, folder: &'a str) -> impl Iterator<Item = &'a String> {
    look.files.keys().filter(move |path| folder_of(path) == folder)
}

fn fingerprint(look: &Snapshot, folder: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    look.folders.get(folder).map(|state| matches!(state, Folder::Read(_))).hash(&mut hasher);
    names_in(look, folder).for_each(|path| path.hash(&mut hasher));
    hasher.finish()
}

fn held_fault(layout: &Layout, folder: &str, place: &str, what: &str, count: usize) -> Fault {
    let place = if place.is_empty() { "the home folder" } else { place };
    let lost = match layout.noun(folder, count) {
        _ if place == layout::SERVER => "its settings".to_owned(),
        noun if count == 1 => format!("its {noun}"),
        noun => format!("its {count} {noun}"),
    };
    // Which file, and that it stays in force, is said with every such fault.
    let message = format!("{what} {lost}; `hookwright reload --accept-removals` removes what is gone");
    Fault { last_good_in_force: true, ..Fault::of_file(place, message) }
}

fn unreadable_folders(look: &Snapshot) -> impl Iterator<Item = Fault> {
    look.folders.iter().filter_map(|(folder, state)| match state {
        Folder::Read(_) => None,
        Folder::Unreadable(reason) => {
            let place = if folder.is_empty() { "." } else { folder };
            Some(Fault { last_good_in_force: true, ..Fault::of_file(place, reason) })
        }
    })
}

#[cfg(test)]
mod tests;

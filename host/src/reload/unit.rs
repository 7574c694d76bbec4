//! One thing made from files: taken when it is good, else its last good version stays.
//!
//! Knows nothing of files or what is made of them; whoever advances a unit says how it is made.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::revision::Fault;

/// A thing in force, the input it was last asked to become, and what was wrong with that.
pub(super) struct Unit<I, T> {
    /// `None`: to be tried again at the next look.
    tried: Option<I>,
    good: Option<Good<I, T>>,
    faults: Vec<Fault>,
}

struct Good<I, T> {
    /// `None`: made from a copy of an earlier run.
    input: Option<I>,
    value: Arc<T>,
}

/// Why nothing could be made of an input.
#[derive(Debug)]
pub(super) enum Failure {
    /// It stays so until the input changes. Without faults: someone else reports it.
    Bad(Vec<Fault>),
    /// It may be different the next time.
    Again(Fault),
}

impl<I: Clone + PartialEq, T> Unit<I, T> {
    /// Takes `input`. `make` is not called for an input that was tried or is in force already; it is given what
    /// is in force, so that it can answer with that when nothing changed. `last_good` is asked when nothing at
    /// all is in force. `file` is named when nobody else can be.
    pub(super) fn advance(
        &mut self,
        file: &str,
        input: I,
        make: impl FnOnce(&I, Option<&Arc<T>>) -> Result<Arc<T>, Failure>,
        last_good: impl FnOnce() -> Option<T>,
    ) {
        if self.tried.as_ref() == Some(&input) {
            return;
        }
        let known = self.good.as_ref().filter(|good| good.input.as_ref() == Some(&input));
        let result = match known {
            Some(good) => Ok(Arc::clone(&good.value)),
            None => guarded(file, || make(&input, self.value())),
        };
        match result {
            Ok(value) => {
                let good = Some(Good { input: Some(input.clone()), value });
                *self = Self { tried: Some(input), good, faults: Vec::new() };
            }
            Err(failure) => self.keep(file, input, failure, last_good),
        }
    }

    /// Lets an input that was found bad be tried again.
    pub(super) fn give_another_chance(&mut self) {
        if !self.faults.is_empty() {
            self.tried = None;
        }
    }

    /// Gives what is in force another form, if it was not made from the input as it is now.
    pub(super) fn amend(&mut self, form: impl FnOnce(&Arc<T>) -> Option<Arc<T>>) {
        if self.current().is_some() {
            return;
        }
        if let Some(value) = self.value().and_then(form) {
            // No input makes exactly this.
            self.good = Some(Good { input: None, value });
        }
    }

    /// What is in force.
    pub(super) fn value(&self) -> Option<&Arc<T>> {
        self.good.as_ref().map(|good| &good.value)
    }

    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The input, if what is in force was made from it.
    pub(super) fn current(&self) -> Option<&I> {
        let made_from = self.good.as_ref()?.input.as_ref();
        self.tried.as_ref().filter(|tried| made_from == Some(*tried))
    }

    pub(super) fn wants_another_try(&self) -> bool {
        self.tried.is_none()
    }

    fn keep(&mut self, file: &str, input: I, failure: Failure, last_good: impl FnOnce() -> Option<T>) {
        if self.good.is_none() {
            let copy = catch_unwind(AssertUnwindSafe(last_good)).ok().flatten();
            self.good = copy.map(|value| Good { input: None, value: Arc::new(value) });
        }
        (self.tried, self.faults) = match failure {
            Failure::Bad(faults) => (Some(input), faults),
            Failure::Again(fault) => (None, vec![fault]),
        };
        if self.good.is_none() && self.faults.is_empty() {
            self.faults.push(Fault::of_file(file, "is gone, and there is no usable last good version of it"));
        }
        for fault in &mut self.faults {
            fault.last_good_in_force = self.good.is_some();
        }
    }
}

/// Nothing was tried yet.
impl<I, T> Default for Unit<I, T> {
    fn default() -> Self {
        Self { tried: None, good: None, faults: Vec::new() }
    }
}

/// Nothing that a file contains may end the reload task, not even by a panic in a library.
fn guarded<T>(file: &str, make: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let panicked =
        || Failure::Bad(vec![Fault::of_file(file, "made its loader panic, which is a mistake of Hookwright")]);
    catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|_| Err(panicked()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made from a text that is a number.
    type Number = Unit<&'static str, u32>;

    fn advance(unit: Number, input: &'static str) -> Number {
        advance_by(unit, input, parse, || None)
    }

    fn advance_by(
        mut unit: Number,
        input: &'static str,
        make: impl FnOnce(&&'static str, Option<&Arc<u32>>) -> Result<Arc<u32>, Failure>,
        last_good: impl FnOnce() -> Option<u32>,
    ) -> Number {
        unit.advance("n", input, make, last_good);
        unit
    }

    fn good(input: &'static str) -> Number {
        advance(Number::default(), input)
    }

    fn parse(input: &&str, _in_force: Option<&Arc<u32>>) -> Result<Arc<u32>, Failure> {
        input.parse().map(Arc::new).map_err(|_| Failure::Bad(vec![Fault::of_file("n", "is not a number")]))
    }

    fn value(unit: &Number) -> Option<u32> {
        unit.value().map(|value| **value)
    }

    #[test]
    fn a_bad_input_keeps_what_is_in_force_until_it_is_mended() {
        let unit = advance(good("1"), "one");
        assert_eq!((value(&unit), unit.current()), (Some(1), None));
        assert!(unit.faults()[0].last_good_in_force);
        let unit = advance(unit, "2");
        assert_eq!((value(&unit), unit.current(), unit.faults()), (Some(2), Some(&"2"), &[][..]));
    }

    #[test]
    fn what_is_in_force_is_not_made_again() {
        let first = good("1");
        let made = Arc::clone(first.value().expect("good"));
        let unit = advance(advance(first, "one"), "1");
        assert!(Arc::ptr_eq(unit.value().expect("good"), &made));
        assert!(unit.current().is_some() && unit.faults().is_empty());
    }

    #[test]
    fn a_copy_stands_in_only_when_nothing_is_in_force() {
        let unit = advance_by(Number::default(), "one", parse, || Some(7));
        assert_eq!((value(&unit), unit.current()), (Some(7), None));
        assert_eq!(value(&advance_by(good("1"), "one", parse, || panic!("must not be asked"))), Some(1));
        let unit = good("one");
        assert!(value(&unit).is_none() && !unit.faults()[0].last_good_in_force);
    }

    #[test]
    fn an_input_is_tried_once_unless_it_may_differ_the_next_time() {
        let unit = advance_by(good("one"), "one", |_, _| panic!("tried already"), || None);
        assert_eq!(unit.faults()[0].message, "is not a number");
        let unit = advance_by(unit, "2", |_, _| Err(Failure::Again(Fault::of_file("n", "moved"))), || None);
        assert!(unit.wants_another_try());
        assert_eq!(value(&advance(unit, "2")), Some(2));
    }

    #[test]
    fn a_panic_is_a_fault_of_the_file() {
        let unit = advance_by(good("1"), "2", |_, _| panic!("a library's mistake"), || None);
        assert_eq!((value(&unit), unit.faults()[0].file.as_str()), (Some(1), "n"));
    }

    #[test]
    fn nothing_disappears_silently() {
        let unit = advance_by(Number::default(), "", |_, _| Err(Failure::Bad(Vec::new())), || None);
        assert_eq!(unit.faults().len(), 1);
    }
}

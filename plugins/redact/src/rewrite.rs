//! Edits JSON text at some places and copies the rest as it is: digits, escapes, white space and the order of keys stay,
//! and so does whatever is written twice.

use std::borrow::Cow;

use hookwright_sdk::pointer::{MAX_DEPTH, Segment};
use hookwright_sdk::scan::Scanner;
use hookwright_sdk::serde::de;
use hookwright_sdk::serde_json::{self, Result};

/// What to do where.
#[derive(Clone, Copy)]
pub(crate) struct Edit<'c> {
    /// The way from here.
    pub(crate) way: &'c [Segment],
    pub(crate) action: Action,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Remove,
    Mask,
}

/// Makes the edits and counts them; what is masked becomes `mask`.
///
/// # Errors
/// When the text is not JSON.
pub(crate) fn rewrite<'j>(text: &'j str, edits: &[Edit<'_>], mask: &str) -> Result<Rewriter<'j>> {
    let scanner = Scanner::new(text)?;
    let mask = serde_json::to_string(mask)?;
    let mut rewriter =
        Rewriter { text, scanner, copied: 0, mask, written: Vec::new(), depth: 0, removed: 0, masked: 0 };
    rewriter.value(edits)?;
    Ok(rewriter)
}

pub(crate) struct Rewriter<'j> {
    text: &'j str,
    scanner: Scanner<'j>,
    /// As JSON text.
    mask: String,
    written: Vec<u8>,
    /// What lies before is written, or left out.
    copied: usize,
    depth: usize,
    pub(crate) removed: usize,
    pub(crate) masked: usize,
}

/// What becomes of a member or an element.
enum Fate<'c> {
    Goes,
    /// And these edits concern it.
    Stays(Vec<Edit<'c>>),
}

impl<'j> Rewriter<'j> {
    /// The edited text.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.cut(self.text.len(), self.text.len());
        self.written
    }

    /// The value that begins here, up to its end.
    fn value(&mut self, edits: &[Edit<'_>]) -> Result<()> {
        let edits = &from_here(edits)[..];
        if edits.iter().any(|edit| edit.way.is_empty()) {
            self.mask();
            return Ok(());
        }
        match self.scanner.peek() {
            Some(b'{') if !edits.is_empty() => self.children(|scanner, _| {
                let name = scanner.name()?;
                Ok(fate(edits, |segment| segment.is_member(&name)))
            }),
            Some(b'[') if !edits.is_empty() => {
                self.children(|_, index| Ok(fate(edits, |segment| segment.is_element(index))))
            }
            _ => {
                self.scanner.skip_value();
                Ok(())
            }
        }
    }

    /// The object or array that begins here; `fate` goes up to the value of each child.
    fn children<'c>(&mut self, fate: impl Fn(&mut Scanner<'j>, usize) -> Result<Fate<'c>>) -> Result<()> {
        // Before the stack is full. Deeper JSON is read by few, `serde_json` not among them.
        if self.depth == MAX_DEPTH {
            return Err(de::Error::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        self.scanner.enter();
        // Behind the opening bracket, or behind the last child that stays: what is cut ends and begins there, so that
        // of the commas around what goes just one goes with it.
        let (mut end, mut stays) = (self.scanner.at(), false);
        let mut gone = None;
        let mut index = 0;
        while self.scanner.next_child() {
            let start = self.scanner.at();
            let fate = fate(&mut self.scanner, index)?;
            index += 1;
            match fate {
                Fate::Stays(edits) => {
                    if let Some(gone) = gone.take() {
                        // Where nothing stays before, the comma behind goes, and the space around it.
                        self.cut(end, if stays { gone } else { start });
                    }
                    self.value(&edits)?;
                    stays = true;
                    end = self.scanner.at();
                }
                Fate::Goes => {
                    self.scanner.skip_value();
                    self.removed += 1;
                    gone = Some(self.scanner.at());
                }
            }
        }
        if let Some(gone) = gone {
            self.cut(end, gone);
        }
        self.depth -= 1;
        Ok(())
    }

    fn mask(&mut self) {
        let start = self.scanner.at();
        self.scanner.skip_value();
        if self.text[start..self.scanner.at()] != self.mask {
            self.masked += 1;
            self.cut(start, self.scanner.at());
            self.written.extend_from_slice(self.mask.as_bytes());
        }
    }

    /// Leaves out what is between, and goes on writing there.
    fn cut(&mut self, from: usize, to: usize) {
        self.written.extend_from_slice(&self.text.as_bytes()[self.copied..from]);
        self.copied = to;
    }
}

/// What the edits say of a child.
fn fate<'c>(edits: &[Edit<'c>], is_on_the_way: impl Fn(&Segment) -> bool) -> Fate<'c> {
    let mut below = Vec::new();
    for edit in edits {
        let Some((next, way)) = edit.way.split_first() else { continue };
        if is_any_way(next) {
            below.push(*edit);
            continue;
        }
        if !is_on_the_way(next) {
            continue;
        }
        if way.is_empty() && edit.action == Action::Remove {
            return Fate::Goes;
        }
        below.push(Edit { way, ..*edit });
    }
    Fate::Stays(below)
}

/// `**`: no, one or several members or elements.
pub(crate) fn is_any_way(segment: &Segment) -> bool {
    matches!(segment, Segment::Name(name) if name == "**")
}

/// The edits, and those that begin here because any way leads here. None twice: `**` behind `**` would multiply them.
fn from_here<'e, 'c>(edits: &'e [Edit<'c>]) -> Cow<'e, [Edit<'c>]> {
    if !edits.iter().any(|edit| edit.way.first().is_some_and(is_any_way)) {
        return edits.into();
    }
    let mut all: Vec<Edit<'c>> = Vec::new();
    for edit in edits {
        let mut way = edit.way;
        loop {
            if !all.iter().any(|known| std::ptr::eq(known.way, way) && known.action == edit.action) {
                all.push(Edit { way, ..*edit });
            }
            match way {
                [first, rest @ ..] if is_any_way(first) => way = rest,
                _ => break,
            }
        }
    }
    all.into()
}

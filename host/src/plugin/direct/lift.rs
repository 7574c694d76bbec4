//! Reading an answer out of a module's memory, laid out as the canonical ABI says. Every refusal is in wasmtime's words
//! for components.

use wasmtime::{bail, format_err};

use crate::plugin::contract::{Changes, Dropped, Failure, FailureKind, FieldResult, Level, Verdict};

/// Of `result<verdict, failure>`: size, and alignment.
const ANSWER: (usize, usize) = (72, 8);
/// Of a `field`: two texts.
const FIELD: (usize, usize) = (16, 4);
/// Of a text or a list: a pointer and a length.
const PAIR: (usize, usize) = (8, 4);
const BYTE: (usize, usize) = (1, 1);

/// A module's memory, and how much may be copied out of it.
pub(super) struct Lift<'m> {
    memory: &'m [u8],
    may_copy: usize,
}

impl<'m> Lift<'m> {
    pub(super) const fn new(memory: &'m [u8], may_copy: usize) -> Self {
        Self { memory, may_copy }
    }

    /// What `transform` answered, which is at `answer`.
    pub(super) fn outcome(mut self, answer: u32) -> wasmtime::Result<Result<Verdict, Failure>> {
        let (at, (size, align)) = (answer as usize, ANSWER);
        if !at.is_multiple_of(align) {
            bail!("return pointer not aligned");
        }
        if at.checked_add(size).is_none_or(|end| end > self.memory.len()) {
            bail!("pointer out of bounds of memory");
        }
        match self.byte(at) {
            0 => Ok(Ok(self.verdict(at + 8)?)),
            1 => Ok(Err(self.failure(at + 8)?)),
            _ => bail!("invalid expected discriminant"),
        }
    }

    fn verdict(&mut self, at: usize) -> wasmtime::Result<Verdict> {
        match self.byte(at) {
            0 => Ok(Verdict::Deliver(self.changes(at + 4)?)),
            1 => Ok(Verdict::Drop(self.dropped(at + 4)?)),
            other => bail!("unexpected discriminant: {other}"),
        }
    }

    fn changes(&mut self, at: usize) -> wasmtime::Result<Changes> {
        Ok(Changes {
            data: self.option(at, 4, Self::bytes)?,
            content_type: self.option(at + 12, 4, Self::string)?,
            set_headers: self.list(at + 24, FIELD, Self::field)?,
            remove_headers: self.list(at + 32, PAIR, Self::string)?,
            annotations: self.list(at + 40, FIELD, Self::field)?,
            options: self.list(at + 48, FIELD, Self::field)?,
        })
    }

    fn dropped(&mut self, at: usize) -> wasmtime::Result<Dropped> {
        Ok(Dropped {
            reason: self.string(at)?,
            code: self.option(at + 8, 4, Self::string)?,
            annotations: self.list(at + 20, FIELD, Self::field)?,
        })
    }

    fn failure(&mut self, at: usize) -> wasmtime::Result<Failure> {
        let kind = match self.byte(at) {
            0 => FailureKind::Permanent,
            1 => FailureKind::Retryable(self.option(at + 8, 8, |lift, at| Ok(u64::from_le_bytes(lift.array(at))))?),
            other => bail!("unexpected discriminant: {other}"),
        };
        Ok(Failure {
            kind,
            message: self.string(at + 24)?,
            code: self.option(at + 32, 4, Self::string)?,
            annotations: self.list(at + 44, FIELD, Self::field)?,
        })
    }

    fn field(&mut self, at: usize) -> wasmtime::Result<FieldResult> {
        Ok(FieldResult { name: self.string(at)?, value: self.string(at + 8)? })
    }

    /// Of what is so many bytes behind the byte that says whether there is one.
    fn option<T>(
        &mut self,
        at: usize,
        behind: usize,
        one: impl FnOnce(&mut Self, usize) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<Option<T>> {
        match self.byte(at) {
            0 => Ok(None),
            1 => one(self, at + behind).map(Some),
            _ => bail!("invalid option discriminant"),
        }
    }

    fn list<T>(
        &mut self,
        at: usize,
        layout: (usize, usize),
        one: impl Fn(&mut Self, usize) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<Vec<T>> {
        let (start, count) = self.elements::<T>(at, layout)?;
        (0..count).map(|number| one(self, start + number * layout.0)).collect()
    }

    fn bytes(&mut self, at: usize) -> wasmtime::Result<Vec<u8>> {
        let (start, count) = self.elements::<u8>(at, BYTE)?;
        Ok(self.within(start, count).unwrap_or_default().to_vec())
    }

    /// Where the list is whose pointer and length are at `at`: all of it in memory.
    fn elements<T>(&mut self, at: usize, (size, align): (usize, usize)) -> wasmtime::Result<(usize, usize)> {
        let (start, count) = self.pair(at);
        if count.checked_mul(size).is_none_or(|bytes| self.within(start, bytes).is_none()) {
            bail!("list pointer/length out of bounds of memory");
        }
        self.copy(count.checked_mul(size_of::<T>()))?;
        if !start.is_multiple_of(align) {
            bail!("list pointer is not aligned");
        }
        Ok((start, count))
    }

    fn string(&mut self, at: usize) -> wasmtime::Result<String> {
        let (start, length) = self.pair(at);
        let text = self.raw_text(start, length)?;
        Ok(str::from_utf8(text)?.to_owned())
    }

    /// A text, as bytes: it is there, and not too much.
    pub(super) fn text(&mut self, at: u32, length: u32) -> wasmtime::Result<&'m [u8]> {
        self.raw_text(at as usize, length as usize)
    }

    fn raw_text(&mut self, at: usize, length: usize) -> wasmtime::Result<&'m [u8]> {
        let text =
            self.within(at, length).ok_or_else(|| format_err!("string pointer/length out of bounds of memory"))?;
        self.copy(Some(length))?;
        Ok(text)
    }

    /// Takes so many bytes from what may be copied.
    fn copy(&mut self, bytes: Option<usize>) -> wasmtime::Result<()> {
        match bytes.and_then(|bytes| self.may_copy.checked_sub(bytes)) {
            Some(left) => self.may_copy = left,
            None => bail!(
                "too much data is being copied between the host and the guest: fuel allocated for hostcalls has been \
                 exhausted"
            ),
        }
        Ok(())
    }

    fn pair(&self, at: usize) -> (usize, usize) {
        let word = |at| u32::from_le_bytes(self.array(at)) as usize;
        (word(at), word(at + 4))
    }

    fn byte(&self, at: usize) -> u8 {
        let [byte] = self.array(at);
        byte
    }

    /// Of a place that is known to be in memory.
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.within(at, N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
    }

    fn within(&self, at: usize, length: usize) -> Option<&'m [u8]> {
        self.memory.get(at..)?.get(..length)
    }
}

/// The `level` of this number.
pub(super) fn level(number: u32) -> wasmtime::Result<Level> {
    Ok(match number {
        0 => Level::Trace,
        1 => Level::Debug,
        2 => Level::Info,
        3 => Level::Warn,
        4 => Level::Error,
        5 => Level::Critical,
        other => bail!("unexpected discriminant: {other}"),
    })
}

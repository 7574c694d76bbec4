//! How much work a file would be for the compiler, told from its shape.
//!
//! Most code compiles in time proportional to its size. What does not: many blocks times many locals, and loops
//! inside loops: 30 KB of those took 15 s and hundreds of megabytes. An estimate that says at once, and precisely,
//! what is wrong with such shapes; the others end at the limits of the compiler's process.

use wasmparser::{FunctionBody, Operator};

use super::super::load::LoadError;
use super::{damaged, within};

/// Code of a file: a debug build of a Rust plugin has half of it, a stripped release build a fortieth.
const MAX_CODE_BYTES: u64 = 4 << 20;
/// One function. The largest of the regex crate has 56 KB.
const MAX_FUNCTION_BYTES: u64 = 256 << 10;
/// Blocks of one function times its locals. The largest of the regex crate: 180,000.
const MAX_FUNCTION_SHAPE: u64 = 1_000_000;
/// The same, summed over the file. One with the regex crate: 440,000.
const MAX_SHAPE: u64 = 2_000_000;
/// Blocks of one function. The largest of the regex crate: 459.
const MAX_BLOCKS: u64 = 2_500;
/// Loops inside of each other. Nobody writes ten.
const MAX_LOOP_DEPTH: u64 = 64;

/// What the functions of a file add up to.
#[derive(Default)]
pub(super) struct Effort {
    code_bytes: u64,
    shape: u64,
}

impl Effort {
    pub(super) fn add(&mut self, body: &FunctionBody<'_>) -> Result<(), LoadError> {
        let range = body.range();
        let bytes = range.end.saturating_sub(range.start);
        within("bytes of code in one function", bytes, MAX_FUNCTION_BYTES)?;
        let shape = shape(body)?;
        self.code_bytes = self.code_bytes.saturating_add(bytes);
        self.shape = self.shape.saturating_add(shape);
        within("bytes of code", self.code_bytes, MAX_CODE_BYTES)?;
        within("blocks times locals", self.shape, MAX_SHAPE)
    }
}

/// Blocks times locals.
fn shape(body: &FunctionBody<'_>) -> Result<u64, LoadError> {
    let mut locals = 0_u64;
    for group in body.get_locals_reader().map_err(|error| damaged(&error))? {
        locals = locals.saturating_add(u64::from(group.map_err(|error| damaged(&error))?.0));
    }
    let blocks = blocks(body)?;
    within("blocks in one function", blocks, MAX_BLOCKS)?;
    let shape = blocks.saturating_mul(locals);
    within("blocks times locals in one function", shape, MAX_FUNCTION_SHAPE)?;
    Ok(shape)
}

fn blocks(body: &FunctionBody<'_>) -> Result<u64, LoadError> {
    let (mut blocks, mut loops) = (0, 0);
    // Of each open block, whether it is a loop.
    let mut open = Vec::new();
    for operator in body.get_operators_reader().map_err(|error| damaged(&error))? {
        match operator.map_err(|error| damaged(&error))? {
            Operator::Loop { .. } => {
                loops += 1;
                within("loops inside of each other", loops, MAX_LOOP_DEPTH)?;
                open.push(true);
                blocks += 1;
            }
            Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                open.push(false);
                blocks += 1;
            }
            Operator::Else => blocks += 1,
            Operator::End if open.pop() == Some(true) => loops -= 1,
            _ => {}
        }
    }
    Ok(blocks)
}

//! How much work a file would be for the compiler, told from its shape.
//!
//! Most code compiles in time proportional to its size. What does not: many blocks times many locals, and loops
//! inside loops: 30 KB of those took 15 s and hundreds of megabytes. An estimate that says at once, and precisely,
//! what is wrong with such shapes; the others end at the limits of the compiler's process.

use wasmparser::{FunctionBody, Operator};

use super::super::load::LoadError;
use super::{damaged, within};

/// How much of it a file may be.
pub(super) struct Measure {
    code_bytes: u64,
    function_bytes: u64,
    /// Blocks of one function.
    blocks: u64,
    /// Blocks of each function times its locals, summed over the file.
    shape: u64,
}

/// What Rust makes. Code: a debug build has half of it, a stripped release build a fortieth. The regex crate: 56 KB,
/// 459 blocks, 440,000.
const SMALL: Measure = Measure { code_bytes: 4 << 20, function_bytes: 256 << 10, blocks: 2_500, shape: 2_000_000 };
/// Interpreters. `SpiderMonkey`: 9.2 MB, 172 KB, 5,400 blocks, 3,000,000; `CPython`: 6.5 MB, 427 KB, 3,100, 1,400,000.
const LARGE: Measure = Measure { code_bytes: 16 << 20, function_bytes: 1 << 20, blocks: 10_000, shape: 8_000_000 };
/// Blocks of one function times its locals. The largest of the regex crate: 180,000; of `SpiderMonkey`: 200,000.
const MAX_FUNCTION_SHAPE: u64 = 1_000_000;
/// Loops inside of each other. Nobody writes ten.
const MAX_LOOP_DEPTH: u64 = 64;

/// What the functions of a file add up to.
#[derive(Default)]
pub(super) struct Effort {
    code_bytes: u64,
    shape: u64,
    /// Of the largest function.
    function_bytes: u64,
    blocks: u64,
}

impl Effort {
    /// Refuses what no plugin of any kind may be.
    pub(super) fn add(&mut self, body: &FunctionBody<'_>) -> Result<(), LoadError> {
        let range = body.range();
        let bytes = range.end.saturating_sub(range.start);
        within("bytes of code in one function", bytes, LARGE.function_bytes)?;
        let (blocks, shape) = shape(body)?;
        self.function_bytes = self.function_bytes.max(bytes);
        self.blocks = self.blocks.max(blocks);
        self.code_bytes = self.code_bytes.saturating_add(bytes);
        self.shape = self.shape.saturating_add(shape);
        within("bytes of code", self.code_bytes, LARGE.code_bytes)?;
        within("blocks times locals", self.shape, LARGE.shape)
    }

    /// Whether a Rust plugin could be like this.
    pub(super) const fn is_small(&self) -> bool {
        self.code_bytes <= SMALL.code_bytes
            && self.function_bytes <= SMALL.function_bytes
            && self.blocks <= SMALL.blocks
            && self.shape <= SMALL.shape
    }
}

/// Blocks, and blocks times locals.
fn shape(body: &FunctionBody<'_>) -> Result<(u64, u64), LoadError> {
    let mut locals = 0_u64;
    for group in body.get_locals_reader().map_err(|error| damaged(&error))? {
        locals = locals.saturating_add(u64::from(group.map_err(|error| damaged(&error))?.0));
    }
    let blocks = blocks(body)?;
    within("blocks in one function", blocks, LARGE.blocks)?;
    let shape = blocks.saturating_mul(locals);
    within("blocks times locals in one function", shape, MAX_FUNCTION_SHAPE)?;
    Ok((blocks, shape))
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

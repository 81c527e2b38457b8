//! A first look at a body: how often each local is used and how often anything is called, where what stands in a loop
//! counts more; whether exceptions are caught; and how large it is as the limits count.

use super::reader::Reader;
use super::{Calls, operators};
use crate::limits::CompileLimits;

/// What a body does.
#[derive(Default)]
pub(in crate::quick) struct Scan {
    /// Weight of each local.
    pub uses: Vec<u32>,
    /// Weight of all calls.
    pub calls: u32,
    /// Whether an operator calls rarely, from behind the body.
    pub calls_rarely: bool,
    /// Whether there is a `try_table` or a `try`.
    pub catches: bool,
    pub size: Size,
    /// Weights and depths of loops outside of the open blocks.
    outer: Vec<(u32, u32)>,
}

/// What limits are on, estimated.
#[derive(Clone, Copy, Default)]
pub(in crate::quick) struct Size {
    operators: u32,
    blocks: u32,
    loops_inside_each_other: u32,
}

impl Size {
    /// Whether Cranelift's translation may have more of something than there may be.
    pub fn exceeds(self, limits: &CompileLimits) -> bool {
        let Self { operators, blocks, loops_inside_each_other } = self;
        u64::from(operators) > limits.max_function_values
            || u64::from(blocks) > limits.max_function_blocks
            || u64::from(loops_inside_each_other) > limits.max_loop_depth
    }
}

/// How much more a loop makes of what stands in it, and where that ends.
const LOOP_FACTOR: u32 = 8;
const MAX_WEIGHT: u32 = 512;

impl Scan {
    /// Looks at the operators of a body with so many locals.
    pub fn run(&mut self, mut reader: Reader<'_>, locals: usize) {
        self.uses.clear();
        self.uses.resize(locals, 0);
        self.outer.clear();
        (self.calls, self.calls_rarely, self.catches, self.size) = (0, false, false, Size::default());
        let (mut weight, mut loops) = (1u32, 0);
        while !reader.is_at_end() {
            let code = reader.byte();
            self.size.operators += 1;
            match code {
                // local.get, local.set, local.tee
                0x20..=0x22 => {
                    let uses = &mut self.uses[reader.u32() as usize];
                    *uses = uses.saturating_add(weight);
                }
                // block, if
                0x02 | 0x04 => {
                    reader.block();
                    self.outer.push((weight, loops));
                    self.size.blocks += 2;
                }
                // loop
                0x03 => {
                    reader.block();
                    self.outer.push((weight, loops));
                    weight = (weight * LOOP_FACTOR).min(MAX_WEIGHT);
                    loops += 1;
                    self.size.blocks += 2;
                    self.size.loops_inside_each_other = self.size.loops_inside_each_other.max(loops);
                }
                // try_table
                0x1f => {
                    operators::skip(code, &mut reader);
                    self.catches = true;
                    self.outer.push((weight, loops));
                    self.size.blocks += 2;
                }
                // br_if
                0x0d => {
                    reader.u32();
                    self.size.blocks += 1;
                }
                // try
                0x06 => {
                    reader.block();
                    self.catches = true;
                    self.outer.push((weight, loops));
                    self.size.blocks += 2;
                }
                // catch, catch_all
                0x07 | 0x19 => {
                    operators::skip(code, &mut reader);
                    self.size.blocks += 1;
                }
                // delegate
                0x18 => {
                    reader.u32();
                    (weight, loops) = self.outer.pop().unwrap_or((1, 0));
                }
                // end
                0x0b => (weight, loops) = self.outer.pop().unwrap_or((1, 0)),
                _ => match operators::skip(code, &mut reader) {
                    Calls::Never => {}
                    Calls::Rarely => {
                        self.calls_rarely = true;
                        // Those that branch have a block more than others at most.
                        self.size.blocks += 1;
                    }
                    Calls::Always => self.calls = self.calls.saturating_add(weight),
                },
            }
        }
    }
}

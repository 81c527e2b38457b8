//! How large a function may become while it is translated.
//!
//! The size of a body does not bound the CLIF that it becomes. An operator of two bytes can name a label of a thousand
//! values; and where edges meet, each local in use may become a block parameter with an argument on every edge, so that
//! a thousand locals in a thousand nested loops are a million values. What operators pass is refused beyond a limit.
//! The limits are those of [`CompileLimits`](crate::CompileLimits). When locals are what explodes, the function is translated again with its locals in memory, where they cannot.

use super::body::Size;
use super::variable::LocalsIn;
use super::{FuncTranslator, Translated};
use crate::error::CompileError;
use crate::estimate::FunctionSize;
use crate::limits::CompileLimit;
use epsilon_abi::FuncIndex;

/// Values for each byte of a body, beyond those passed by branches and calls, that make locals suspect. Real code has
/// about one, and with explicit checks of memory accesses five.
const SUSPECT_VALUES_PER_BYTE: u64 = 16;
/// Values that make no locals suspect, however short the body.
const UNSUSPECT_VALUES: u64 = 64 << 10;
/// Blocks times locals that make locals suspect: what the construction of values may have to keep and go through. The
/// first is for each byte of a body, the second is always granted, the third is never exceeded.
const SUSPECT_BLOCKS_TIMES_LOCALS: (u64, u64, u64) = (256, 4 << 20, 64 << 20);
/// Locals times the nesting depth of loops that make locals suspect: each becomes a parameter of each loop, if only to
/// be found equal to that of the loop around it.
const SUSPECT_LOOP_DEPTH_TIMES_LOCALS: u64 = 128 << 10;

/// Locals times the square of the number of targets, over all jump tables, that make locals suspect: each may become a
/// parameter of each target, and whenever one does, the builder goes through the whole table.
const SUSPECT_TABLES_TIMES_LOCALS: u64 = 512 << 20;

/// What a function has taken so far.
#[derive(Default)]
pub(super) struct Budget {
    /// Values passed by branches and calls.
    passed_values: u64,
    /// Edges between blocks.
    edges: u64,
    /// Squares of the lengths of jump tables.
    table_squares: u64,
    /// Loops around the current operator.
    pub loop_depth: u64,
    /// Locals that may be references to objects.
    pub traced_locals: u64,
    /// Operands and such locals at all calls together: what stack maps may have to list.
    held_over_calls: u64,
    /// Length of the body.
    pub body_bytes: u64,
    /// What there is known to be room for.
    held_bytes: u64,
    /// The function, for errors.
    pub func: Option<FuncIndex>,
}

impl FuncTranslator<'_> {
    /// Accounts for an edge between blocks, and the values that it passes.
    pub(super) fn charge_edge(&mut self, values: usize) -> Translated {
        self.budget.edges += 1;
        self.charge(values)
    }

    /// Accounts for what may be a reference to an object and live over a call.
    pub(super) fn charge_held(&mut self) {
        if self.env.info.uses_heap {
            self.budget.held_over_calls += self.stack.len() as u64 + self.budget.traced_locals;
        }
    }

    /// Accounts for a jump table. Its edges are accounted for one by one.
    pub(super) fn charge_table(&mut self, targets: u32) {
        self.budget.table_squares += u64::from(targets) * u64::from(targets);
    }

    /// Accounts for values passed by a branch or call.
    pub(super) fn charge(&mut self, values: usize) -> Translated {
        self.budget.passed_values += values as u64;
        let limit = self.env.limits.max_passed_values;
        if self.budget.passed_values > limit {
            return Err(self.too_large("values passed by its branches and calls", limit, "max_passed_values"));
        }
        self.charge_room()
    }

    /// Sees to it that there is room for what translation holds.
    pub(super) fn charge_room(&mut self) -> Translated {
        let dfg = &self.builder.func.dfg;
        let blocks = dfg.num_blocks() as u64;
        let size = FunctionSize {
            body_bytes: self.budget.body_bytes,
            values: dfg.num_values() as u64,
            instructions: dfg.num_insts() as u64,
            // What branches and calls pass is charged as such.
            operands: 0,
            blocks,
            edges: self.budget.edges,
            passed_values: self.budget.passed_values,
            locals_times_blocks: match self.locals.place() {
                LocalsIn::Values => blocks * self.locals.len() as u64,
                LocalsIn::Memory => 0,
            },
        };
        let bytes = size.translation_bytes();
        if bytes <= self.budget.held_bytes {
            return Ok(());
        }
        // In steps, so that it is not asked at every operator.
        let bytes = bytes + bytes / 4;
        self.budget.held_bytes = bytes;
        match self.env.room.hold(bytes) {
            true => Ok(()),
            false => Err(CompileError::NoRoom { func: self.budget.func.unwrap_or(FuncIndex(0)), bytes }),
        }
    }

    /// Whether the function still has a sensible size.
    pub(super) fn check_size(&self) -> Result<Size, CompileError> {
        let limits = self.env.limits;
        let values = self.builder.func.dfg.num_values() as u64;
        if self.builder.func.dfg.num_blocks() as u64 > limits.max_function_blocks {
            return Err(self.too_large("basic blocks", limits.max_function_blocks, "max_function_blocks"));
        }
        if self.budget.held_over_calls > limits.max_passed_values {
            return Err(self.too_large("values kept over its calls", limits.max_passed_values, "max_passed_values"));
        }
        if self.budget.loop_depth > limits.max_loop_depth {
            return Err(self.too_large("loops inside each other", limits.max_loop_depth, "max_loop_depth"));
        }
        match self.locals.place() {
            LocalsIn::Values if self.locals_are_suspect(values) => Ok(Size::TooManyLocalsInValues),
            LocalsIn::Memory if values > limits.max_function_values => {
                Err(self.too_large("values", limits.max_function_values, "max_function_values"))
            }
            _ => Ok(Size::Fits),
        }
    }

    fn locals_are_suspect(&self, values: u64) -> bool {
        let Budget { passed_values, edges, table_squares, loop_depth, body_bytes, .. } = self.budget;
        let unsuspect_values = UNSUSPECT_VALUES + SUSPECT_VALUES_PER_BYTE * body_bytes + passed_values;
        let (per_byte, always, never) = SUSPECT_BLOCKS_TIMES_LOCALS;
        let unsuspect_product = never.min(always + per_byte * body_bytes);
        let blocks = edges.max(self.builder.func.dfg.num_blocks() as u64);
        let locals = self.locals.len() as u64;
        values > unsuspect_values.min(self.env.limits.max_function_values)
            || blocks * locals > unsuspect_product
            || loop_depth * locals > SUSPECT_LOOP_DEPTH_TIMES_LOCALS
            || table_squares.saturating_mul(locals) > SUSPECT_TABLES_TIMES_LOCALS
    }

    #[cold]
    fn too_large(&self, what: &'static str, limit: u64, setting: &'static str) -> CompileError {
        let (func, offset) = (self.budget.func, Some(self.offset));
        CompileLimit { what, func, offset, limit, setting: Some(setting) }.into()
    }
}

//! Calls of small functions: the callee's body is translated where the call stands, as a block whose parameters have
//! become locals.
//!
//! The policy looks at the two functions and nothing else, so that the code of a function does not depend on what was
//! compiled before it.

use super::FuncTranslator;
use super::body::Size;
use super::control::FrameKind;
use super::variable::{Locals, LocalsIn};
use crate::error::CompileError;
use crate::parse::BodyKind;
use cranelift_codegen::ir;
use epsilon_abi::{DefinedFuncIndex, FuncIndex, InlinedSite, Position};

/// A call costs about as many instructions as a body of this size has.
const ALWAYS_BYTES: usize = 24;
/// Bodies without calls may be larger, and larger still inside of loops.
const LEAF_BYTES: usize = 48;
const LEAF_IN_LOOP_BYTES: usize = 128;
/// A function that calls itself is worth unrolling if it is as small as this.
const RECURSIVE_BYTES: usize = 96;
/// How often a function may stand inside of itself.
const MAX_RECURSION: usize = 3;
/// How deep inlined bodies may stand in each other.
const MAX_DEPTH: usize = 5;
/// What a function may take in.
const MAX_TAKEN_BYTES: usize = 448;
/// Functions larger than this have no registers to spare, and take in nothing.
const LARGE_BYTES: usize = 2 << 10;

/// What inlining needs to know while a function is translated.
#[derive(Default)]
pub(super) struct Inlining {
    /// The functions whose bodies are being translated, the outermost first.
    open: Vec<DefinedFuncIndex>,
    /// The call that the innermost one stands for.
    call: Option<Position>,
    /// Bytes of bodies that were taken in.
    taken_bytes: usize,
    /// Operators that were taken in.
    pub sites: Vec<InlinedSite>,
    /// Whether an inlined body was given up, and with it the function.
    pub gave_up: bool,
}

impl Inlining {
    /// The function that is compiled.
    pub fn function(&self) -> DefinedFuncIndex {
        self.open[0]
    }

    /// For a function.
    pub fn of(function: DefinedFuncIndex) -> Self {
        Self { open: vec![function], ..Self::default() }
    }
}

impl FuncTranslator<'_> {
    /// Notes where the current operator comes from, for the instructions that it becomes.
    pub(super) fn set_position(&mut self) {
        let position = match self.inlining.call {
            None => Position(self.offset as u32),
            Some(call) => {
                self.inlining.sites.push(InlinedSite { wasm_offset: self.offset as u32, call });
                Position::inlined(self.inlining.sites.len() - 1)
            }
        };
        self.position = position;
        self.builder.set_srcloc(ir::SourceLoc::new(position.0));
    }

    /// Translates a call by the body of its callee, if that is worth it.
    pub(super) fn try_inline(&mut self, callee: DefinedFuncIndex) -> Result<bool, CompileError> {
        if !self.is_worth_inlining(callee) {
            return Ok(false);
        }
        let module = self.env.module;
        let func = module.info.func_index(callee);
        let range = module.info.bodies[callee.index()].clone();
        self.inlining.taken_bytes += range.len();
        self.budget.body_bytes += range.len() as u64;
        self.inline(callee, func)?;
        Ok(true)
    }

    fn is_worth_inlining(&self, callee: DefinedFuncIndex) -> bool {
        if !self.env.inlining || self.locals.place() == LocalsIn::Memory || self.inlining.open.len() > MAX_DEPTH {
            return false;
        }
        let module = self.env.module;
        let bytes = module.info.bodies[callee.index()].len();
        let outer = self.inlining.function();
        if bytes > LEAF_IN_LOOP_BYTES
            || self.inlining.taken_bytes + bytes > MAX_TAKEN_BYTES
            || module.info.bodies[outer.index()].len() > LARGE_BYTES
        {
            return false;
        }
        let within = self.inlining.open.iter().filter(|open| **open == callee).count();
        if within > 0 {
            return bytes <= RECURSIVE_BYTES
                && within <= MAX_RECURSION
                && module.body_kind(self.env.wasm, callee) != BodyKind::Other;
        }
        bytes
            <= match module.body_kind(self.env.wasm, callee) {
                BodyKind::Leaf if self.budget.loop_depth > 0 => LEAF_IN_LOOP_BYTES,
                BodyKind::Leaf => LEAF_BYTES,
                BodyKind::Calling => ALWAYS_BYTES,
                BodyKind::Other => 0,
            }
    }

    fn inline(&mut self, callee: DefinedFuncIndex, func: FuncIndex) -> Result<(), CompileError> {
        let module = self.env.module;
        let ty = module.info.func_type(func);
        self.charge(ty.params.len() + ty.results.len())?;
        let outer_locals = std::mem::replace(&mut self.locals, Locals::Values(Vec::new()));
        let outer_sparse = self.sparse_locals.take();
        let outer = (self.offset, self.body_start, self.env.hints, self.body_frame, self.inlining.call, self.position);
        self.inlining.call = Some(self.position);
        self.inlining.open.push(callee);
        self.env.hints = module.hints.of(func);

        let at = self.stack.len() - ty.params.len();
        let args = self.stack.split_off(at);
        for (ty, value) in ty.params.iter().zip(args) {
            self.declare_local(*ty, value);
        }
        let mut validator = module.validator(func, Default::default());
        let mut reader = module.body(self.env.wasm, module.info.bodies[callee.index()].clone());
        self.body_start = reader.original_position();
        self.declare_locals(&mut reader, &mut validator)?;
        self.body_frame = self.frames.len();
        self.open_body(FrameKind::Inlined, &ty.results);
        if self.operators(reader, &mut validator)? == Size::TooManyLocalsInValues {
            // The translation of the body around this one looks here before it goes on.
            self.inlining.gave_up = true;
        }

        self.inlining.open.pop();
        (self.locals, self.sparse_locals) = (outer_locals, outer_sparse);
        (self.offset, self.body_start, self.env.hints, self.body_frame, self.inlining.call, self.position) = outer;
        Ok(())
    }
}

//! What a look at a function's body tells whether it may be translated in place of a call. Found on first use, by
//! any thread: it depends on the body alone, not on the number of threads or the order of compilation.

use super::ParsedModule;
use epsilon_abi::DefinedFuncIndex;
use std::sync::atomic::{AtomicU8, Ordering};
use wasmparser::{FunctionBody, Operator};

/// What stands in a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyKind {
    /// No calls and no loops.
    Leaf,
    /// Calls, but no loops.
    Calling,
    /// Loops, or what cannot stand in another function.
    Other,
}

/// Bodies longer than this are not looked at.
const MAX_BYTES: usize = 256;
/// As are functions with more locals.
const MAX_LOCALS: u32 = 16;

const UNKNOWN: u8 = 0;

/// The kinds of all bodies, as far as they have been asked for.
#[derive(Debug)]
pub(super) struct Bodies(Box<[AtomicU8]>);

impl Bodies {
    pub fn new(count: usize) -> Self {
        Self((0..count).map(|_| AtomicU8::new(UNKNOWN)).collect())
    }
}

impl ParsedModule {
    /// What stands in the body of a function.
    pub(crate) fn body_kind(&self, wasm: &[u8], index: DefinedFuncIndex) -> BodyKind {
        const KINDS: [BodyKind; 3] = [BodyKind::Leaf, BodyKind::Calling, BodyKind::Other];
        let known = &self.bodies.0[index.index()];
        match known.load(Ordering::Relaxed) {
            UNKNOWN => {
                let kind = self.look_at(wasm, index).unwrap_or(BodyKind::Other);
                known.store(kind as u8 + 1, Ordering::Relaxed);
                kind
            }
            kind => KINDS[kind as usize - 1],
        }
    }

    fn look_at(&self, wasm: &[u8], index: DefinedFuncIndex) -> Option<BodyKind> {
        let range = self.info.bodies[index.index()].clone();
        if range.len() > MAX_BYTES {
            return None;
        }
        let body = FunctionBody::new(self.body(wasm, range));
        let mut locals = 0u32;
        for group in body.get_locals_reader().ok()? {
            locals = locals.checked_add(group.ok()?.0)?;
        }
        if locals > MAX_LOCALS {
            return None;
        }
        let mut kind = BodyKind::Leaf;
        for operator in body.get_operators_reader().ok()? {
            match operator.ok()? {
                // A tail call frees the frame of its function, which an inlined one does not have.
                Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } | Operator::ReturnCallRef { .. } => {
                    return None;
                }
                Operator::Loop { .. } | Operator::TryTable { .. } | Operator::Try { .. } => return None,
                Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
                    kind = BodyKind::Calling;
                }
                _ => {}
            }
        }
        Some(kind)
    }
}

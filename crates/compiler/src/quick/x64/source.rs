//! Operands as an instruction takes them: immediates, registers, or memory in the frame.

use super::super::Ty;
use super::super::operand::{Held, Operand, Place};
use super::super::translator::Translator;

/// An operand as an instruction takes it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Imm(i32),
    Reg(Held),
    /// In the frame.
    Frame(i32),
}

impl Translator<'_> {
    /// A popped operand as an instruction takes it. Keeps the flags.
    pub(super) fn source_of(&mut self, operand: Operand) -> Source {
        let Operand { place, ty, slot } = operand;
        match place {
            Place::Const(bits) if !ty.is_float() => match immediate(ty, bits) {
                Some(imm) => Source::Imm(imm),
                None => Source::Reg(self.read(operand)),
            },
            Place::Slot if ty != Ty::V128 => Source::Frame(slot),
            Place::Local(local) if ty != Ty::V128 && self.locals[local as usize].register().is_none() => {
                Source::Frame(self.locals[local as usize].slot)
            }
            _ => Source::Reg(self.read(operand)),
        }
    }

    pub(super) fn done_source(&mut self, source: Source) {
        if let Source::Reg(held) = source {
            self.done(held);
        }
    }
}

/// A constant as an immediate of 32 bits that is sign-extended.
pub(super) fn immediate(ty: Ty, bits: u64) -> Option<i32> {
    if ty.is_wide() { i32::try_from(bits.cast_signed()).ok() } else { Some(bits as u32 as i32) }
}

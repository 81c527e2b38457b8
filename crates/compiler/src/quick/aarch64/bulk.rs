//! The instructions that move few bytes.

use super::super::translator::Translator;
use super::asm::{Access, Mem, Reg};
use super::ops::*;
use crate::pieces::Piece;

/// The instructions that load and store a piece.
const fn ops(piece: Piece) -> (Access, Access) {
    match piece.bytes {
        16 => (LDR_Q, STR_Q),
        8 => (LDR_X, STR_X),
        4 => (LDR_W, STR_W),
        2 => (LDRH, STRH),
        _ => (LDRB, STRB),
    }
}

impl Translator<'_> {
    pub fn load_piece(&mut self, piece: Piece, reg: Reg, base: Reg) {
        self.asm.access(ops(piece).0, reg, Mem::Base(base, piece.at));
    }

    pub fn store_piece(&mut self, piece: Piece, reg: Reg, base: Reg) {
        self.asm.access(ops(piece).1, reg, Mem::Base(base, piece.at));
    }

    /// Puts a byte into all bytes of a vector. The integer register has it in all of its bytes.
    pub fn fill_vector(&mut self, byte: u8, _: Reg, to: Reg) {
        self.asm.put(MOVI_BYTES_V.0 | u32::from(byte >> 5) << 16 | u32::from(byte & 31) << 5 | to.number());
    }
}

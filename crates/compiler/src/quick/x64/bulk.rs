//! The instructions that move few bytes.

use super::super::translator::Translator;
use super::asm::{Op, Reg, Rm};
use super::ops::*;
use crate::pieces::Piece;

/// The instructions that load and store a piece.
const fn ops(piece: Piece) -> (Op, Op) {
    match piece.bytes {
        16 => (MOVUPS, MOVUPS_STORE),
        8 | 4 => (MOV, MOV_STORE),
        2 => (MOVZX16, MOV_STORE16),
        _ => (MOVZX8, MOV_STORE8),
    }
}

impl Translator<'_> {
    pub fn load_piece(&mut self, piece: Piece, reg: Reg, base: Reg) {
        self.asm.rm(ops(piece).0, piece.bytes == 8, reg, Rm::Base(base, piece.at));
    }

    pub fn store_piece(&mut self, piece: Piece, reg: Reg, base: Reg) {
        self.asm.rm(ops(piece).1, piece.bytes == 8, reg, Rm::Base(base, piece.at));
    }

    /// Puts a byte into all bytes of a vector. The integer register has it in all of its bytes.
    pub fn fill_vector(&mut self, _: u8, bytes: Reg, to: Reg) {
        self.asm.rr(MOVD, true, to, bytes);
        self.asm.rri(PSHUFD, false, to, to, 0x44);
    }
}

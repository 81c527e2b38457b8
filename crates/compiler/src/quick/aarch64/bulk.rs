//! `memory.copy` and `memory.fill` of ordinary memories: bounds are checked here, then bytes are moved by instructions,
//! if a constant says that they are few, or by fixed code on the wasm stack ([`BulkRoutine`]).

use super::super::operand::Place;
use super::super::translator::Translator;
use super::super::{Ty, call::Callee};
use super::asm::{Access, Mem, Reg};
use super::memory::Len;
use super::ops::*;
use super::{CALLEE, INT_ARGS, SCRATCH};
use epsilon_abi::{BulkRoutine, Libcall, Slot};

/// Up to this many bytes are moved by instructions where they stand.
const MAX_INLINE_BYTES: u64 = 64;

/// The most pieces that so many bytes are moved in.
const MAX_PIECES: usize = 4;

impl Translator<'_> {
    /// Whether code moves bytes of this memory without the runtime's help.
    fn moves_bytes_itself(&self, memory: u32) -> bool {
        let ty = &self.env.info.memories[memory as usize];
        !ty.is_64 && !ty.shared
    }

    /// The constant on top of the stack, if it is one and few bytes.
    fn few_bytes(&self) -> Option<u64> {
        match self.stack.last()?.place {
            Place::Const(bits) if bits <= MAX_INLINE_BYTES => Some(bits),
            _ => None,
        }
    }

    pub fn memory_copy(&mut self, dst: u32, src: u32) {
        if !self.moves_bytes_itself(dst) || !self.moves_bytes_itself(src) {
            return self.libcall(Libcall::MemoryCopy, &[u64::from(dst), u64::from(src)], 3, None);
        }
        match self.few_bytes() {
            Some(len) => self.copy_inline(dst, src, len),
            None => self.call_bulk(BulkRoutine::Copy, &[(dst, INT_ARGS[0]), (src, INT_ARGS[1])]),
        }
    }

    pub fn memory_fill(&mut self, memory: u32) {
        if !self.moves_bytes_itself(memory) {
            return self.libcall(Libcall::MemoryFill, &[u64::from(memory)], 3, None);
        }
        let value = self.stack[self.stack.len() - 2].place;
        match (self.few_bytes(), value) {
            (Some(len), Place::Const(value)) => self.fill_inline(memory, value as u8, len),
            _ => self.call_bulk(BulkRoutine::Fill, &[(memory, INT_ARGS[0])]),
        }
    }

    pub fn memory_init(&mut self, segment: u32, memory: u32) {
        self.libcall(Libcall::MemoryInit, &[u64::from(memory), u64::from(segment)], 3, None);
    }

    pub fn data_drop(&mut self, segment: u32) {
        self.libcall(Libcall::DataDrop, &[u64::from(segment)], 0, None);
    }

    /// Calls fixed code with the three topmost operands, of which those in `starts` are checked and made addresses. All
    /// is checked before any byte is moved.
    fn call_bulk(&mut self, routine: BulkRoutine, starts: &[(u32, Reg)]) {
        let first = self.stack.len() - 3;
        self.spill_registers(first);
        self.register_args(first, &[Slot::Int(0), Slot::Int(1), Slot::Int(2)]);
        self.truncate(first);
        self.evict(CALLEE);
        for (memory, start) in starts {
            self.range_address(*memory, *start, Len::Reg(INT_ARGS[2]), CALLEE);
        }
        self.emit_call_instruction(Callee::Libcall(routine.slot()));
        self.reload_pins();
    }

    fn copy_inline(&mut self, dst: u32, src: u32, len: u64) {
        let (_, src_operand, dst_operand) = (self.pop(), self.pop(), self.pop());
        let (from, to) = (self.own(src_operand), self.own(dst_operand));
        let spare = self.allocate(false);
        self.range_address(dst, to, Len::Const(len as i32), spare);
        self.range_address(src, from, Len::Const(len as i32), spare);
        self.registers.release(spare);
        // All is read before anything is written: the ranges may overlap.
        let mut regs = [SCRATCH; MAX_PIECES];
        let pieces = pieces(len);
        for (reg, piece) in regs.iter_mut().zip(pieces.clone()) {
            *reg = self.allocate(piece.is_vector());
            let (load, _) = piece.ops();
            self.asm.access(load, *reg, Mem::Base(from, piece.at));
        }
        for (reg, piece) in regs.into_iter().zip(pieces) {
            let (_, store) = piece.ops();
            self.asm.access(store, reg, Mem::Base(to, piece.at));
            self.registers.release(reg);
        }
        self.registers.release(from);
        self.registers.release(to);
    }

    fn fill_inline(&mut self, memory: u32, value: u8, len: u64) {
        let (_, _, dst_operand) = (self.pop(), self.pop(), self.pop());
        let to = self.own(dst_operand);
        let spare = self.allocate(false);
        self.range_address(memory, to, Len::Const(len as i32), spare);
        let word = u64::from_le_bytes([value; 8]);
        self.const_to(Ty::I64, spare, word);
        let vector = (len >= 16).then(|| {
            let reg = self.allocate(true);
            self.asm.put(MOVI_BYTES_V.0 | u32::from(value >> 5) << 16 | u32::from(value & 31) << 5 | reg.number());
            reg
        });
        for piece in pieces(len) {
            let (_, store) = piece.ops();
            let reg = vector.filter(|_| piece.is_vector()).unwrap_or(spare);
            self.asm.access(store, reg, Mem::Base(to, piece.at));
        }
        vector.into_iter().for_each(|reg| self.registers.release(reg));
        self.registers.release(spare);
        self.registers.release(to);
    }
}

/// Bytes that are moved at once.
#[derive(Clone, Copy, Debug)]
struct Piece {
    at: i32,
    bytes: u64,
}

impl Piece {
    const fn is_vector(self) -> bool {
        self.bytes == 16
    }

    /// The instructions that load and store it.
    const fn ops(self) -> (Access, Access) {
        match self.bytes {
            16 => (LDR_Q, STR_Q),
            8 => (LDR_X, STR_X),
            4 => (LDR_W, STR_W),
            2 => (LDRH, STRH),
            _ => (LDRB, STRB),
        }
    }
}

/// The widest pieces that `len` bytes are made of. The last one may overlap the one before.
fn pieces(len: u64) -> impl Iterator<Item = Piece> + Clone {
    let bytes = [16, 8, 4, 2, 1].into_iter().find(|bytes| *bytes <= len).unwrap_or(1);
    let last = (!len.is_multiple_of(bytes)).then(|| (len - bytes) as i32);
    (0..len / bytes).map(move |n| (n * bytes) as i32).chain(last).map(move |at| Piece { at, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_all_bytes_and_no_others() {
        assert_eq!(pieces(0).count(), 0);
        for len in 1..=MAX_INLINE_BYTES {
            let mut covered = vec![false; len as usize];
            for piece in pieces(len) {
                covered[piece.at as usize..piece.at as usize + piece.bytes as usize].fill(true);
            }
            assert!(covered.iter().all(|covered| *covered), "{len} bytes");
            assert!(pieces(len).count() <= MAX_PIECES, "{len} bytes");
        }
    }
}

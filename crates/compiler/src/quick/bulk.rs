//! `memory.copy` and `memory.fill` of ordinary memories: bounds are checked here, then bytes are moved by instructions,
//! if a constant says that they are few, or by fixed code on the wasm stack ([`BulkRoutine`]).

use super::Ty;
use super::call::Callee;
use super::machine::{CALLEE, INT_ARGS, Reg, SCRATCH};
use super::memory::Len;
use super::operand::Place;
use super::translator::Translator;
use crate::pieces::{MAX_INLINE_BYTES, MAX_PIECES, pieces};
use epsilon_abi::{BulkRoutine, Libcall, Slot};

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
            self.load_piece(piece, *reg, from);
        }
        for (reg, piece) in regs.into_iter().zip(pieces) {
            self.store_piece(piece, reg, to);
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
            self.fill_vector(value, spare, reg);
            reg
        });
        for piece in pieces(len) {
            let reg = vector.filter(|_| piece.is_vector()).unwrap_or(spare);
            self.store_piece(piece, reg, to);
        }
        vector.into_iter().for_each(|reg| self.registers.release(reg));
        self.registers.release(spare);
        self.registers.release(to);
    }
}

//! `memory.copy` and `memory.fill` of ordinary memories: bounds are checked here, then bytes are moved by instructions,
//! if a constant says that they are few, or by fixed code on the wasm stack ([`BulkRoutine`]).
//!
//! Shared memories, whose accesses the host orders, and 64-bit ones, whose ends overflow, are left to libcalls.

use super::vm::constant_word;
use super::{FuncTranslator, PTR};
use crate::pieces::{MAX_INLINE_BYTES, Piece, pieces};
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, AbiParam, InstBuilder, MemFlagsData, SigRef, Signature, Value, types};
use cranelift_codegen::isa::CallConv;
use epsilon_abi::vm::VmContext;
use epsilon_abi::{BulkRoutine, MemoryIndex, TrapCode};
use std::mem::{offset_of, size_of};

impl FuncTranslator<'_> {
    /// Whether code moves bytes of this memory without the runtime's help.
    pub(super) fn moves_bytes_itself(&self, memory: u32) -> bool {
        let ty = &self.env.info.memories[memory as usize];
        !ty.is_64 && !ty.shared
    }

    /// `memory.copy` between the first and from the second of two memories.
    pub(super) fn bulk_copy(&mut self, memories: [MemoryIndex; 2], dst: Value, src: Value, len: Value) {
        let constant = self.constant_len(len);
        let (dst, src, len) = (self.widen(dst), self.widen(src), self.widen(len));
        // Both ranges are checked before any byte is moved: one that is refused leaves memory as it was.
        let dst_outside = self.range_is_outside(memories[0], dst, len);
        let src_outside = self.range_is_outside(memories[1], src, len);
        let outside = self.ins().bor(dst_outside, src_outside);
        self.ins().trapnz(outside, clif_trap(TrapCode::MemoryOutOfBounds));
        let dst = self.range_address(memories[0], dst, outside);
        let src = self.range_address(memories[1], src, outside);
        match constant {
            Some(len) if len <= MAX_INLINE_BYTES => {
                let flags = self.bulk_flags();
                let load = |piece| (self.ins().load(piece_type(piece), flags, src, piece.at), piece.at);
                let values: Vec<_> = pieces(len).map(load).collect();
                for (value, at) in values {
                    self.ins().store(flags, value, dst, at);
                }
            }
            _ => self.call_bulk(BulkRoutine::Copy, &[dst, src, len]),
        }
    }

    /// `memory.fill`.
    pub(super) fn bulk_fill(&mut self, memory: MemoryIndex, dst: Value, value: Value, len: Value) {
        let constant = self.constant_len(len);
        let (dst, len) = (self.widen(dst), self.widen(len));
        let outside = self.range_is_outside(memory, dst, len);
        self.ins().trapnz(outside, clif_trap(TrapCode::MemoryOutOfBounds));
        let dst = self.range_address(memory, dst, outside);
        match constant {
            Some(len) if len <= MAX_INLINE_BYTES => self.fill_inline(dst, value, len),
            _ => {
                let value = self.ins().uextend(types::I64, value);
                self.call_bulk(BulkRoutine::Fill, &[dst, value, len]);
            }
        }
    }

    fn fill_inline(&mut self, dst: Value, value: Value, len: u64) {
        let flags = self.bulk_flags();
        let byte = self.ins().ireduce(types::I8, value);
        let wide = self.ins().uextend(types::I64, byte);
        let ones = self.const_u64(0x0101_0101_0101_0101);
        let word = self.ins().imul(wide, ones);
        let vector = (len >= 16).then(|| self.ins().splat(types::I8X16, byte));
        for piece in pieces(len) {
            let bytes = match (piece.bytes, vector) {
                (16, Some(vector)) => vector,
                (8, _) => word,
                _ => self.ins().ireduce(piece_type(piece), word),
            };
            self.ins().store(flags, bytes, dst, piece.at);
        }
    }

    /// Accesses whose bounds have been checked.
    fn bulk_flags(&self) -> MemFlagsData {
        MemFlagsData::new()
            .with_notrap()
            .with_endianness(ir::Endianness::Little)
            .with_alias_region(Some(self.regions.memory))
    }

    /// The value of a constant operand.
    fn constant_len(&self, value: Value) -> Option<u64> {
        let dfg = &self.builder.func.dfg;
        match dfg.insts[dfg.value_def(value).inst()?] {
            ir::InstructionData::UnaryImm { opcode: ir::Opcode::Iconst, imm } => Some(imm.bits() as u64 & 0xffff_ffff),
            _ => None,
        }
    }

    /// Whether a range of a 32-bit memory leaves it. Neither sum overflows 64 bits.
    fn range_is_outside(&mut self, memory: MemoryIndex, start: Value, len: Value) -> Value {
        let end = self.ins().iadd(start, len);
        let size = self.memory_len(memory);
        self.ins().icmp(IntCC::UnsignedGreaterThan, end, size)
    }

    /// The host's address of a range; null on a wrongly predicted path.
    fn range_address(&mut self, memory: MemoryIndex, start: Value, outside: Value) -> Value {
        let ty = self.env.info.memories[memory.index()];
        let base = self.memory_base(memory, &ty);
        let address = self.ins().iadd(base, start);
        let null = self.const_u64(0);
        self.ins().select_spectre_guard(outside, null, address)
    }

    pub(super) fn call_bulk(&mut self, routine: BulkRoutine, args: &[Value; 3]) {
        let signature = self.bulk_signature();
        let addresses = self.near_pointer(VmContext::from_anchor(offset_of!(VmContext, libcalls)));
        let slot = (routine.slot() * size_of::<usize>()) as i32;
        let code = self.ins().load(PTR, constant_word(), addresses, slot);
        self.ins().call_indirect(signature, code, args);
        self.after_call();
    }

    fn bulk_signature(&mut self) -> SigRef {
        if let Some(known) = self.bulk_signature {
            return known;
        }
        let mut signature = Signature::new(CallConv::Tail);
        signature.params.extend([AbiParam::new(PTR); 3]);
        let known = self.builder.import_signature(signature);
        self.bulk_signature = Some(known);
        known
    }
}

/// The type that a piece is moved as.
const fn piece_type(piece: Piece) -> ir::Type {
    match piece.bytes {
        16 => types::I8X16,
        8 => types::I64,
        4 => types::I32,
        2 => types::I16,
        _ => types::I8,
    }
}

//! The shapes that touch memory.

use super::super::{FuncTranslator, PTR, Translated};
use cranelift_codegen::ir::types::I8X16;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Opcode, Type, Value};
use wasmparser::MemArg;

/// Bytes that a load which widens reads.
const HALF_BYTES: u64 = 8;

impl FuncTranslator<'_> {
    pub(super) fn load_v128(&mut self, memarg: &MemArg) -> Translated {
        self.load(memarg, I8X16);
        Ok(())
    }

    pub(super) fn store_v128(&mut self, memarg: &MemArg) -> Translated {
        self.store(memarg);
        Ok(())
    }

    /// Eight bytes whose lanes become twice as wide.
    pub(super) fn load_extend(&mut self, memarg: &MemArg, opcode: Opcode) -> Translated {
        let (flags, address, offset) = self.memory_address(memarg, HALF_BYTES);
        let lanes = self.load_of(opcode, flags, address, offset);
        self.push_lanes(lanes)
    }

    /// A load of which only the opcode differs.
    fn load_of(&mut self, opcode: Opcode, flags: MemFlagsData, address: Value, offset: i32) -> Value {
        let known = self.builder.func.dfg.mem_flags.insert(flags);
        let flags = known.expect("a function uses few kinds of memory flags");
        let (inst, dfg) = self.ins().Load(opcode, PTR, flags, offset.into(), address);
        dfg.first_result(inst)
    }

    /// One lane from memory.
    fn load_scalar(&mut self, memarg: &MemArg, lane: Type) -> Value {
        let (flags, address, offset) = self.memory_address(memarg, u64::from(lane.bytes()));
        self.ins().load(lane, flags, address, offset)
    }

    pub(super) fn load_splat(&mut self, ty: Type, memarg: &MemArg) -> Translated {
        let scalar = self.load_scalar(memarg, ty.lane_type());
        let lanes = self.ins().splat(ty, scalar);
        self.push_lanes(lanes)
    }

    /// One lane from memory, all others zero.
    pub(super) fn load_zero(&mut self, ty: Type, memarg: &MemArg) -> Translated {
        let scalar = self.load_scalar(memarg, ty.lane_type());
        let lanes = self.ins().scalar_to_vector(ty, scalar);
        self.push_lanes(lanes)
    }

    pub(super) fn load_lane(&mut self, ty: Type, memarg: &MemArg, lane: u8) -> Translated {
        let old = self.pop_lanes(ty);
        let scalar = self.load_scalar(memarg, ty.lane_type());
        let lanes = self.ins().insertlane(old, scalar, lane);
        self.push_lanes(lanes)
    }

    pub(super) fn store_lane(&mut self, ty: Type, memarg: &MemArg, lane: u8) -> Translated {
        let lanes = self.pop_lanes(ty);
        let (flags, address, offset) = self.memory_address(memarg, u64::from(ty.lane_type().bytes()));
        let scalar = self.ins().extractlane(lanes, lane);
        self.ins().store(flags, scalar, address, offset);
        Ok(())
    }
}

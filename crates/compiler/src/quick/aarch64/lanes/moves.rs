//! Loads and stores of vectors, and lanes that move.

use super::super::super::Ty;
use super::super::super::reader::MemArg;
use super::super::super::translator::Translator;
use super::super::asm::{Access, Op, Reg};
use super::super::ops::*;
use super::super::{FLOAT_SCRATCH, FLOAT_SCRATCH_BEFORE};
use super::Lanes;
use epsilon_abi::TrapCode;

/// The lane of an access, as it is spread over the instruction: its number in units of the lane's width.
pub(in super::super) const fn lane_bits(lanes: Lanes, lane: u8) -> u32 {
    let at = (lane as u32) << lanes.log2();
    let kind = match lanes.bytes() {
        1 => 0,
        2 => 0x4000,
        4 => 0x8000,
        _ => 0x8400,
    };
    kind | at >> 3 << 30 | (at & 7) << 10
}

/// Loads and stores.
impl Translator<'_> {
    /// A load into the lowest lane; the others are zero.
    pub fn load_zero(&mut self, op: Access, bytes: u64, at: MemArg) {
        let to = self.load_low(op, bytes, at);
        self.push_vector(to);
    }

    fn load_low(&mut self, op: Access, bytes: u64, at: MemArg) -> Reg {
        let index = self.pop();
        let address = self.address(at, index, bytes);
        let to = self.load_destination(Ty::V128, address);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.access(op, to, address.mem);
        to
    }

    /// A load of 8 bytes, each lane made twice as wide.
    pub fn load_wide(&mut self, op: Op, lanes: Lanes, at: MemArg) {
        let to = self.load_low(LDR_D, 8, at);
        self.asm.rr(Op(op.0 | lanes.left(0)), to, to);
        self.push_vector(to);
    }

    pub fn load_splat(&mut self, lanes: Lanes, at: MemArg) {
        let index = self.pop();
        let address = self.address(at, index, u64::from(lanes.bytes()));
        let from = self.address_in_register(address);
        let to = self.load_destination(Ty::V128, address);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rr(Op(LD1R_V.0 | lanes.log2() << 10), to, from);
        self.push_vector(to);
    }

    pub fn load_lane(&mut self, lanes: Lanes, at: MemArg, lane: u8) {
        let vector = self.pop_own();
        let index = self.pop();
        let address = self.address(at, index, u64::from(lanes.bytes()));
        let from = self.address_in_register(address);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rr(Op(LD1_LANE_V.0 | lane_bits(lanes, lane)), vector, from);
        self.done_address(address);
        self.push_vector(vector);
    }

    pub fn store_lane(&mut self, lanes: Lanes, at: MemArg, lane: u8) {
        let vector = self.pop_read();
        let index = self.pop();
        let address = self.address(at, index, u64::from(lanes.bytes()));
        let to = self.address_in_register(address);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rr(Op(ST1_LANE_V.0 | lane_bits(lanes, lane)), vector.reg, to);
        self.done_address(address);
        self.done(vector);
    }
}

/// Lanes that move.
impl Translator<'_> {
    pub fn splat(&mut self, lanes: Lanes) {
        let op = if matches!(lanes, Lanes::F32 | Lanes::F64) { DUP_LANE_V } else { DUP_V };
        self.one_vector(Op(op.0 | lanes.at(0)));
    }

    pub fn extract_lane(&mut self, lanes: Lanes, signed: bool, lane: u8) {
        let op = if signed { SMOV_V } else { UMOV_V };
        let op = Op(op.0 | u32::from(lanes == Lanes::I64) << 30 | lanes.at(lane));
        self.unary(op, lanes.scalar());
    }

    pub fn replace_lane(&mut self, lanes: Lanes, lane: u8) {
        let scalar = self.pop_read();
        let vector = self.pop_own();
        self.asm.rr(Op(INS_V.0 | lanes.at(lane)), vector, scalar.reg);
        self.done(scalar);
        self.push_vector(vector);
    }

    pub fn extract_float_lane(&mut self, lanes: Lanes, lane: u8) {
        self.unary(Op(DUP_LANE_V.0 | lanes.at(lane)), lanes.scalar());
    }

    pub fn replace_float_lane(&mut self, lanes: Lanes, lane: u8) {
        let scalar = self.pop_read();
        let vector = self.pop_own();
        self.asm.rr(Op(INS_LANE_V.0 | lanes.at(lane)), vector, scalar.reg);
        self.done(scalar);
        self.push_vector(vector);
    }

    /// Indices from 16 on give 0.
    pub fn swizzle(&mut self) {
        self.two_vectors(TBL_V);
    }

    pub fn shuffle(&mut self, lanes: [u8; 16]) {
        let (a, b) = self.read2();
        self.copy(FLOAT_SCRATCH_BEFORE, a.reg);
        self.copy(FLOAT_SCRATCH, b.reg);
        let to = self.result_of(&[a, b], true);
        self.vector_to(to, lanes);
        self.asm.rrr(TBL2_V, to, FLOAT_SCRATCH_BEFORE, to);
        self.push_vector(to);
    }
}

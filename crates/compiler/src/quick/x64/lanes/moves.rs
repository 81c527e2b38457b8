//! Loads and stores of vectors, and lanes that move.

use super::super::super::Ty;
use super::super::super::reader::MemArg;
use super::super::super::translator::Translator;
use super::super::asm::{Op, Reg};
use super::super::ops::*;
use super::super::{FLOAT_SCRATCH, SCRATCH};
use super::{HIGH_HALF, LOW_HALF_TWICE, Lanes};
use epsilon_abi::TrapCode;

/// Loads and stores.
impl Translator<'_> {
    /// A load by an instruction that reads so many bytes.
    pub fn load_vector(&mut self, op: Op, bytes: u64, at: MemArg) {
        let index = self.pop();
        let address = self.address(at, index, bytes);
        let to = self.load_destination(Ty::V128, address);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rm(op, false, to, address.rm);
        self.push_vector(to);
    }

    pub fn load_splat(&mut self, lanes: Lanes, at: MemArg) {
        let index = self.pop();
        let address = self.address(at, index, lanes.bytes());
        let to = self.load_destination(Ty::V128, address);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        match lanes {
            Lanes::I8 => self.asm.rm(MOVZX8, false, SCRATCH, address.rm),
            Lanes::I16 => self.asm.rm(MOVZX16, false, SCRATCH, address.rm),
            Lanes::I64 | Lanes::F64 => self.asm.rm(MOVDDUP, false, to, address.rm),
            Lanes::I32 | Lanes::F32 => {
                self.asm.rm(MOVSS, false, to, address.rm);
                self.asm.rri(PSHUFD, false, to, to, 0);
            }
        }
        if matches!(lanes, Lanes::I8 | Lanes::I16) {
            self.splat_int(lanes, to, SCRATCH);
        }
        self.push_vector(to);
    }

    pub fn load_lane(&mut self, lanes: Lanes, at: MemArg, lane: u8) {
        let vector = self.pop_own();
        let index = self.pop();
        let address = self.address(at, index, lanes.bytes());
        let (op, wide) = lanes.insert();
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.ins(op, wide, vector, address.rm, u32::from(lane), 1);
        self.done_address(address);
        self.push_vector(vector);
    }

    pub fn store_lane(&mut self, lanes: Lanes, at: MemArg, lane: u8) {
        let vector = self.pop_read();
        let index = self.pop();
        let address = self.address(at, index, lanes.bytes());
        let (op, wide) = lanes.extract();
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.ins(op, wide, vector.reg, address.rm, u32::from(lane), 1);
        self.done_address(address);
        self.done(vector);
    }
}

/// Lanes that move.
impl Translator<'_> {
    fn splat_int(&mut self, lanes: Lanes, to: Reg, from: Reg) {
        self.asm.rr(MOVD, lanes == Lanes::I64, to, from);
        match lanes {
            Lanes::I8 => {
                self.zero(FLOAT_SCRATCH);
                self.vv(PSHUFB, to, FLOAT_SCRATCH);
            }
            Lanes::I16 => {
                self.asm.rri(PSHUFLW, false, to, to, 0);
                self.asm.rri(PSHUFD, false, to, to, 0);
            }
            Lanes::I64 => self.asm.rri(PSHUFD, false, to, to, LOW_HALF_TWICE),
            _ => self.asm.rri(PSHUFD, false, to, to, 0),
        }
    }

    pub fn splat(&mut self, lanes: Lanes) {
        let held = self.pop_read();
        let to = match lanes {
            Lanes::F32 | Lanes::F64 => {
                let to = self.reuse(held, true);
                let order = if lanes == Lanes::F64 { LOW_HALF_TWICE } else { 0 };
                self.asm.rri(PSHUFD, false, to, held.reg, order);
                to
            }
            _ => {
                let to = self.allocate(true);
                self.splat_int(lanes, to, held.reg);
                self.done(held);
                to
            }
        };
        self.push_vector(to);
    }

    pub fn extract_lane(&mut self, lanes: Lanes, signed: bool, lane: u8) {
        let held = self.pop_read();
        let to = self.destination(false);
        let (op, wide) = lanes.extract();
        self.asm.rri(op, wide, held.reg, to, lane);
        match (lanes, signed) {
            (Lanes::I8, true) => self.asm.rr(MOVSX8, false, to, to),
            (Lanes::I16, true) => self.asm.rr(MOVSX16, false, to, to),
            _ => {}
        }
        self.done(held);
        self.push_reg(to, lanes.scalar());
    }

    pub fn replace_lane(&mut self, lanes: Lanes, lane: u8) {
        let scalar = self.pop_read();
        let vector = self.pop_own();
        let (op, wide) = lanes.insert();
        self.asm.rri(op, wide, vector, scalar.reg, lane);
        self.done(scalar);
        self.push_vector(vector);
    }

    pub fn extract_float_lane(&mut self, lanes: Lanes, lane: u8) {
        let held = self.pop_read();
        let to = self.reuse(held, true);
        match (lanes, lane) {
            (_, 0) => self.copy(to, held.reg),
            (Lanes::F64, _) => self.asm.rri(PSHUFD, false, to, held.reg, HIGH_HALF),
            _ => self.asm.rri(PSHUFD, false, to, held.reg, lane),
        }
        self.push_reg(to, lanes.scalar());
    }

    pub fn replace_float_lane(&mut self, lanes: Lanes, lane: u8) {
        let scalar = self.pop_read();
        let vector = self.pop_own();
        match (lanes, lane) {
            (Lanes::F32, _) => self.asm.rri(INSERTPS, false, vector, scalar.reg, lane << 4),
            (_, 0) => self.vv(MOVSD, vector, scalar.reg),
            _ => self.vv(MOVLHPS, vector, scalar.reg),
        }
        self.done(scalar);
        self.push_vector(vector);
    }

    pub fn swizzle(&mut self) {
        let (a, b) = self.pop_vectors();
        let indices = self.read(b);
        let to = self.own(a);
        // Indices from 16 on get their highest bit set, which gives 0.
        self.vector_to(FLOAT_SCRATCH, [0x70; 16]);
        self.vv(PADDUSB, FLOAT_SCRATCH, indices.reg);
        self.vv(PSHUFB, to, FLOAT_SCRATCH);
        self.done(indices);
        self.push_vector(to);
    }

    pub fn shuffle(&mut self, lanes: [u8; 16]) {
        /// An index that gives 0.
        const NONE: u8 = 0x80;
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = self.own(a);
        if lanes.iter().any(|lane| *lane >= 16) {
            let of_other = self.allocate(true);
            self.copy(of_other, other.reg);
            self.vector_to(FLOAT_SCRATCH, lanes.map(|lane| if lane >= 16 { lane - 16 } else { NONE }));
            self.vv(PSHUFB, of_other, FLOAT_SCRATCH);
            self.vector_to(FLOAT_SCRATCH, lanes.map(|lane| if lane < 16 { lane } else { NONE }));
            self.vv(PSHUFB, to, FLOAT_SCRATCH);
            self.vv(ORPS, to, of_other);
            self.registers.release(of_other);
        } else {
            self.vector_to(FLOAT_SCRATCH, lanes);
            self.vv(PSHUFB, to, FLOAT_SCRATCH);
        }
        self.done(other);
        self.push_vector(to);
    }
}

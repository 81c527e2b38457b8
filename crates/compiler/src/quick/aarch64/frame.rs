//! Frames: how a function begins and ends, what is pushed for a call, and where control goes by other means than a
//! conditional branch.
//!
//! ```text
//! x29 + 16   stack arguments, popped by this function
//! x29 + 8    return address
//! x29        the caller's x29
//!            registers that the caller wants preserved
//!            address of the area for further results
//!            slots of locals
//! x28        if there are many of them: somewhat below
//!            slots of operands
//! sp
//!            for a call: area for further results, then stack arguments
//! ```

use super::super::Ty;
use super::super::call::Callee;
use super::super::frame::STACK_ARGS;
use super::super::translator::Translator;
use super::asm::{Cond, FP, INSTRUCTION_BYTES, LINK, Label, Mem, Op, Reg, SP, ZERO, x};
use super::ops::*;
use super::{ANCHOR, CALLEE, FAR, FLOAT_SCRATCH, KEPT, SCRATCH, area_register};
use epsilon_abi::vm::VmContext;
use epsilon_abi::{DefinedFuncIndex, RelocKind, Relocation, TrapCode};
use std::mem::{offset_of, size_of};

/// Where the parts of a frame are.
#[derive(Default)]
pub(in crate::quick) struct Frame {
    /// Registers that are preserved. The first lies highest.
    saved: Vec<Reg>,
    /// The slot with the address of the area for further results.
    pub area: i32,
    /// How far [`BASE`] lies below the frame pointer, if it is used.
    pub base: Option<i32>,
    /// Where the instruction is that makes room.
    reserve_at: u32,
    /// Where the jump to the probes goes back to.
    reserved: Option<Label>,
}

/// What slots are reached by that no instruction reaches from the frame pointer.
pub(super) const BASE: Reg = x(28);

/// Frames with more bytes of locals than this use that register.
const MOST_WITHOUT_BASE: i32 = 160;
/// How far it lies below the locals: so much of the operands' slots is reached by one instruction.
const BASE_BELOW_LOCALS: i32 = 1 << 10;
/// The farthest that it may be below the frame pointer, so that one instruction computes it.
const MOST_BELOW: i32 = 4080;

/// Frames that reach farther down than this touch the stack on the way: the guard behind it has 64 KiB, of which what a
/// callee or a signal pushes takes some.
const UNPROBED_BYTES: u32 = 56 << 10;
/// Distance between two probes.
const PROBE_BYTES: i64 = 32 << 10;

/// Above so many bytes of locals, a loop sets them to zero.
const UNROLLED_ZERO_BYTES: i32 = 128;

/// Beginning and end.
impl Translator<'_> {
    pub fn prologue(&mut self) {
        self.asm.pair(STP_BEFORE, FP, LINK, SP, -16);
        self.asm.add_imm(true, false, FP, SP, 0);
        self.machine.frame.reserve_at = self.asm.at();
        self.asm.put(NOP.0);
        self.machine.frame.reserved = Some(self.asm.label_here());
        let params = self.layout.params.len();
        self.choose_saved();
        let mut top = -8 * self.machine.frame.saved.len() as i32;
        self.save();
        if let Some(below) = self.machine.frame.base {
            self.asm.add_imm(true, false, BASE, FP, i64::from(-below));
        }
        if let Some(reg) = area_register(&self.layout) {
            top -= 8;
            self.machine.frame.area = top;
            self.store_slot(Ty::I64, reg, top);
        }
        self.place_locals(0..params, &mut top);
        let zeroed_from = top;
        self.place_locals(params..self.locals.len(), &mut top);
        (self.operands_begin, self.lowest) = (top, top);
        self.receive_params();
        self.zero_locals(params, zeroed_from, top);
    }

    /// Which registers are preserved, and whether slots are counted from one of them.
    fn choose_saved(&mut self) {
        let pins = &self.pinned;
        let is_pin = |reg: Reg| pins.iter().any(|local| self.locals[*local as usize].pin == Some(reg));
        let mut saved: Vec<Reg> = KEPT.into_iter().filter(|reg| is_pin(*reg)).collect();
        let mut bottom = -8 * (saved.len() as i32 + 2);
        self.place_locals(0..self.locals.len(), &mut bottom);
        if bottom < -MOST_WITHOUT_BASE {
            let below = (BASE_BELOW_LOCALS - bottom).min(MOST_BELOW) / 16 * 16;
            self.machine.frame.base = Some(below);
            let at = saved.iter().position(|reg| reg.is_float()).unwrap_or(saved.len());
            saved.insert(at, BASE);
        }
        self.machine.frame.saved = saved;
    }

    /// Sets pins and slots of all locals but parameters to zero. The slots lie from `bottom` up to `top`.
    fn zero_locals(&mut self, params: usize, top: i32, bottom: i32) {
        for at in 0..self.pinned.len() {
            let index = self.pinned[at] as usize;
            if let (Some(pin), true) = (self.locals[index].pin, index >= params) {
                self.const_to(self.locals[index].ty, pin, 0);
            }
        }
        if top == bottom {
            return;
        }
        let mut at = bottom;
        if top - bottom > UNROLLED_ZERO_BYTES || bottom < -512 {
            let whole = (top - bottom) / 16 * 16;
            self.asm.add_any(SCRATCH, FP, i64::from(bottom));
            self.asm.add_any(FAR, FP, i64::from(bottom + whole));
            let next = self.asm.label_here();
            self.asm.pair(STP_BEHIND, ZERO, ZERO, SCRATCH, 16);
            self.asm.rrr(SUBS.wide(true), ZERO, SCRATCH, FAR);
            self.asm.jcc(Cond::Below, next);
            at = bottom + whole;
        }
        while at + 16 <= top {
            self.asm.pair(STP, ZERO, ZERO, FP, at);
            at += 16;
        }
        if at < top {
            self.store_slot(Ty::I64, ZERO, at);
        }
    }

    /// Returns. One result is in its register, several are in slots.
    pub fn epilogue(&mut self) {
        if let [_, _, ..] = self.stack[..] {
            self.return_many();
        }
        self.restore();
        self.leave();
        let bytes = i64::from(self.layout.stack_args_bytes);
        if bytes > 0 {
            self.asm.add_any(SP, SP, bytes);
        }
        self.asm.put(RET.0);
    }

    /// Gives the frame back.
    fn leave(&mut self) {
        self.asm.add_imm(true, false, SP, FP, 0);
        self.asm.pair(LDP_BEHIND, FP, LINK, SP, 16);
    }

    /// Keeps the registers that the caller wants preserved.
    fn save(&mut self) {
        self.for_saved((STP, STP_D), |this, reg, slot| this.store_slot(saved_type(reg), reg, slot));
    }

    /// Gives them back.
    fn restore(&mut self) {
        self.for_saved((LDP, LDP_D), |this, reg, slot| this.load_slot(saved_type(reg), reg, slot));
    }

    /// Two registers of a kind by one instruction, what is left over by another one.
    fn for_saved(&mut self, pairs: (Op, Op), one: impl Fn(&mut Self, Reg, i32)) {
        let saved = std::mem::take(&mut self.machine.frame.saved);
        let mut at = 0;
        while at < saved.len() {
            let slot = -8 * (at as i32 + 1);
            match saved[at..] {
                [first, second, ..] if first.is_float() == second.is_float() => {
                    let op = if first.is_float() { pairs.1 } else { pairs.0 };
                    self.asm.pair(op, second, first, FP, slot - 8);
                    at += 2;
                }
                _ => {
                    one(self, saved[at], slot);
                    at += 1;
                }
            }
        }
        self.machine.frame.saved = saved;
    }

    /// What a handler of exceptions finds lost beside the pins.
    pub fn restore_base(&mut self) {
        if let Some(below) = self.machine.frame.base {
            self.asm.add_imm(true, false, BASE, FP, i64::from(-below));
        }
    }

    /// Lays what stands behind the code, and fills in the size of the frame, which is returned.
    pub fn finish_frame(&mut self) -> u32 {
        let frame_bytes = self.lowest.unsigned_abs().next_multiple_of(16);
        let is_deep = frame_bytes + self.most_pushed > UNPROBED_BYTES;
        if is_deep || !super::asm::is_add_immediate(i64::from(frame_bytes)) {
            self.reserve_apart(frame_bytes, is_deep);
        } else if frame_bytes > 0 {
            let size = frame_bytes >> if frame_bytes < 4096 { 0 } else { 12 };
            let op = SUB_IMM.wide(true).0 | u32::from(frame_bytes >= 4096) << 22;
            let word = op | size << 10 | SP.number() << 5 | SP.number();
            self.asm.patch(self.machine.frame.reserve_at, word);
        }
        while !self.machine.constants.is_empty() && !self.asm.at().is_multiple_of(16) {
            self.asm.put(UDF.0);
        }
        for (label, bytes) in std::mem::take(&mut self.machine.constants) {
            self.asm.bind(label);
            for word in bytes.chunks_exact(4) {
                self.asm.put(u32::from_le_bytes(word.try_into().expect("four bytes")));
            }
        }
        self.fill_jump_tables();
        frame_bytes
    }

    /// The prologue branches here in place of making room, which takes more than one instruction; if the frame is deep, the
    /// stack is touched on the way down.
    fn reserve_apart(&mut self, frame_bytes: u32, is_deep: bool) {
        let at = self.machine.frame.reserve_at;
        let distance = (self.asm.at() - at) / INSTRUCTION_BYTES;
        self.asm.patch(at, B.0 | distance);
        if is_deep {
            let reach = u64::from(frame_bytes + self.most_pushed);
            self.asm.mov_imm(SCRATCH, reach);
            self.asm.add_imm(true, false, FAR, SP, 0);
            self.asm.rrr(SUB.wide(true), SCRATCH, FAR, SCRATCH);
            let (next, done) = (self.asm.label_here(), self.asm.new_label());
            self.asm.add_imm(true, false, FAR, FAR, -PROBE_BYTES);
            self.asm.rrr(SUBS.wide(true), ZERO, FAR, SCRATCH);
            self.asm.jcc(Cond::Below, done);
            self.asm.access(STR_X, ZERO, Mem::Base(FAR, 0));
            self.asm.jmp(next);
            self.asm.bind(done);
        }
        self.asm.mov_imm(SCRATCH, u64::from(frame_bytes));
        self.asm.rrr(SUB_UXTX, SP, SP, SCRATCH);
        let back = self.machine.frame.reserved.expect("a prologue has been laid");
        self.asm.jmp(back);
    }
}

const fn saved_type(reg: Reg) -> Ty {
    if reg.is_float() { Ty::F64 } else { Ty::I64 }
}

/// Calls.
impl Translator<'_> {
    /// Makes room for what a call takes and gives in memory.
    pub fn push_area(&mut self, bytes: u32) {
        if bytes > 0 {
            self.most_pushed = self.most_pushed.max(bytes);
            self.asm.add_any(SP, SP, -i64::from(bytes));
        }
    }

    pub fn pop_area(&mut self, bytes: u32) {
        if bytes > 0 {
            self.asm.add_any(SP, SP, i64::from(bytes));
        }
    }

    pub fn address_of_area(&mut self, to: Reg, above: u32) {
        self.asm.add_any(to, SP, i64::from(above));
    }

    pub fn call_instruction(&mut self, callee: Callee) {
        match callee {
            Callee::Direct(target) => self.branch_to(BL, target),
            Callee::Word(at) => {
                self.load_at(Ty::I64, SCRATCH, ANCHOR, at);
                self.asm.rr(BLR, Reg(0), SCRATCH);
            }
            Callee::Register => {
                self.asm.rr(BLR, Reg(0), CALLEE);
                self.registers.release(CALLEE);
            }
            Callee::Libcall(number) => {
                let at = VmContext::from_anchor(offset_of!(VmContext, libcalls));
                self.load_at(Ty::I64, SCRATCH, ANCHOR, at);
                self.load_at(Ty::I64, SCRATCH, SCRATCH, (number * size_of::<usize>()) as i32);
                self.asm.rr(BLR, Reg(0), SCRATCH);
            }
        }
    }

    /// A call or branch, which is one aligned instruction, so that it can be pointed elsewhere while threads run it.
    fn branch_to(&mut self, op: Op, target: DefinedFuncIndex) {
        let offset = self.asm.at();
        self.asm.put(op.0);
        self.relocations.push(Relocation { offset, kind: RelocKind::Arm64Call, target, addend: 0 });
    }

    /// Leaves this frame for a callee's. Its arguments are in their registers, and those in memory at the stack pointer.
    pub fn leave_for(&mut self, callee: Callee, stack_args_bytes: u32) {
        self.restore();
        let moved = self.layout.stack_args_bytes as i32 - stack_args_bytes as i32;
        if moved == 0 && stack_args_bytes == 0 {
            self.leave();
        } else {
            self.move_stack_args(stack_args_bytes as i32, moved);
        }
        self.source();
        match callee {
            Callee::Direct(target) => self.branch_to(B, target),
            Callee::Word(at) => {
                self.load_at(Ty::I64, SCRATCH, ANCHOR, at);
                self.asm.rr(BR, Reg(0), SCRATCH);
            }
            Callee::Register => {
                self.asm.rr(BR, Reg(0), CALLEE);
                self.registers.release(CALLEE);
            }
            Callee::Libcall(_) => unreachable!("no libcall is called last"),
        }
    }

    /// Puts stack arguments where those of this function were.
    fn move_stack_args(&mut self, bytes: i32, moved: i32) {
        self.asm.add_imm(true, false, SCRATCH, FP, 0);
        self.asm.pair(LDP, FP, LINK, SCRATCH, 0);
        // They go up, so that the highest one goes first.
        for at in (0..bytes).step_by(16).rev() {
            self.load_at(Ty::V128, FLOAT_SCRATCH, SP, at);
            self.store_at(Ty::V128, FLOAT_SCRATCH, SCRATCH, STACK_ARGS + moved + at);
        }
        self.asm.add_any(FAR, SCRATCH, i64::from(STACK_ARGS + moved));
        self.asm.add_imm(true, false, SP, FAR, 0);
    }
}

/// Traps and jump tables.
impl Translator<'_> {
    pub fn trap(&mut self, code: TrapCode) {
        self.trap_site(code);
        self.asm.put(UDF.0);
    }

    /// Branches through a table of `count` labels and a default, by the index in the scratch register. An index that is
    /// predicted wrongly stays in the table. All operands are in their slots.
    pub fn begin_jump_table(&mut self, count: u32) {
        let base = CALLEE;
        self.asm.mov_imm(base, u64::from(count));
        self.asm.rrr(SUBS.wide(true), ZERO, SCRATCH, base);
        self.asm.rrr(CSEL.wide(true).on(Cond::Above), SCRATCH, base, SCRATCH);
        self.asm.put(CSDB.0);
        let table = self.asm.new_label();
        self.asm.address_of(base, table);
        self.asm.rrr(LDRSW_SCALED, SCRATCH, base, SCRATCH);
        self.asm.rrr(ADD.wide(true), SCRATCH, SCRATCH, base);
        self.asm.rr(BR, Reg(0), SCRATCH);
        self.asm.bind(table);
        self.machine.table_begins = self.asm.at();
    }
}

//! Frames: how a function begins and ends, what is pushed for a call, and where control goes by other means than a
//! conditional jump.
//!
//! ```text
//! rbp + 16   stack arguments, popped by this function
//! rbp + 8    return address
//! rbp        the caller's rbp
//!            registers that the caller wants preserved
//!            address of the area for further results
//!            slots of locals
//!            slots of operands
//! rsp
//!            for a call: area for further results, then stack arguments
//! ```

use super::super::Ty;
use super::super::call::Callee;
use super::super::frame::STACK_ARGS;
use super::super::translator::Translator;
use super::asm::{Cond, Label, R11, RAX, RBP, RSP, Reg, Rm};
use super::ops::*;
use super::{ALIGN_BYTES, ANCHOR, CALLEE, FLOAT_SCRATCH, KEPT, SCRATCH, area_register};
use epsilon_abi::vm::VmContext;
use epsilon_abi::{RelocKind, Relocation, TrapCode};
use std::mem::{offset_of, size_of};

/// Where the parts of a frame are.
#[derive(Default)]
pub(in crate::quick) struct Frame {
    /// Registers that are preserved. The first lies highest.
    saved: Vec<Reg>,
    /// The slot with the address of the area for further results.
    pub area: i32,
    /// Where the jump to the probes goes back to.
    reserved: Option<Label>,
}

/// Frames that reach farther down than this touch the stack on the way: the guard behind it has 64 KiB, of which what a
/// callee or a signal pushes takes some.
const UNPROBED_BYTES: u32 = 56 << 10;
/// Distance between two probes.
const PROBE_BYTES: i32 = 32 << 10;

/// Above so many bytes of locals, a loop sets them to zero.
const UNROLLED_ZERO_BYTES: i32 = 128;

/// `push rbp`, `mov rbp, rsp`, `sub rsp, …`
const PROLOGUE: [u8; 11] = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x81, 0xec, 0, 0, 0, 0];
/// Where in it the last instruction begins.
const RESERVE_AT: u32 = 4;
/// And where its immediate does.
const FRAME_BYTES_AT: u32 = 7;

const UD2: [u8; 2] = [0x0f, 0x0b];
const INT3: [u8; 1] = [0xcc];

/// Beginning and end.
impl Translator<'_> {
    pub fn prologue(&mut self) {
        self.asm.raw(&PROLOGUE);
        self.machine.frame.reserved = Some(self.asm.label_here());
        let mut top = 0;
        for reg in KEPT {
            if self.pinned.iter().any(|local| self.locals[*local as usize].pin == Some(reg)) {
                top -= 8;
                self.store_slot(Ty::I64, reg, top);
                self.machine.frame.saved.push(reg);
            }
        }
        if let Some(reg) = area_register(&self.layout) {
            top -= 8;
            self.machine.frame.area = top;
            self.store_slot(Ty::I64, reg, top);
        }
        let params = self.layout.params.len();
        self.place_locals(0..params, &mut top);
        let zeroed_from = top;
        self.place_locals(params..self.locals.len(), &mut top);
        (self.operands_begin, self.lowest) = (top, top);
        self.receive_params();
        self.zero_locals(params, zeroed_from, top);
    }

    /// Sets pins and slots of all locals but parameters to zero. The slots lie from `bottom` up to `top`.
    fn zero_locals(&mut self, params: usize, top: i32, bottom: i32) {
        for at in 0..self.pinned.len() {
            let index = self.pinned[at] as usize;
            if let (Some(pin), true) = (self.locals[index].pin, index >= params) {
                let op = if pin.is_float() { XORPS } else { XOR };
                self.asm.rr(op, false, pin, pin);
            }
        }
        if top == bottom {
            return;
        }
        self.asm.rr(XORPS, false, FLOAT_SCRATCH, FLOAT_SCRATCH);
        let mut at = bottom;
        if top - bottom > UNROLLED_ZERO_BYTES {
            let whole = (top - bottom) / 16 * 16;
            self.asm.rm(LEA, true, SCRATCH, Rm::Base(RBP, bottom));
            self.asm.rm(LEA, true, RAX, Rm::Base(RBP, bottom + whole));
            let next = self.asm.label_here();
            self.asm.rm(MOVUPS_STORE, false, FLOAT_SCRATCH, Rm::Base(SCRATCH, 0));
            self.asm.arith_imm(true, 0, Rm::Reg(SCRATCH), 16);
            self.asm.rr(CMP, true, SCRATCH, RAX);
            self.asm.jcc(Cond::Below, next);
            at = bottom + whole;
        }
        while at + 16 <= top {
            self.asm.rm(MOVUPS_STORE, false, FLOAT_SCRATCH, Rm::Base(RBP, at));
            at += 16;
        }
        if at < top {
            self.asm.rm(MOVSD_STORE, false, FLOAT_SCRATCH, Rm::Base(RBP, at));
        }
    }

    /// Puts the return of a small function that calls nothing into one of four places, by the function's number. What
    /// processors of AMD remember of a return, to predict the indirect calls behind it, are bits 2 and 3 of its address: a loop
    /// that calls two small functions by turns mispredicts each call if these are equal.
    fn shift_return(&mut self) {
        const MAX_SMALL_BYTES: u32 = 64;
        const LEAVE_BYTES: u32 = 1;
        if self.scan.calls > 0 || self.asm.at() > MAX_SMALL_BYTES {
            return;
        }
        let at = self.asm.at() + LEAVE_BYTES;
        let further = self.index.0.wrapping_sub(at / 4) % 4;
        let missing = if further == 0 { 0 } else { further * 4 - at % 4 };
        for bytes in [missing.min(6), missing - missing.min(6)] {
            self.asm.raw(match bytes {
                0 => &[],
                1 => &[0x90],
                2 => &[0x66, 0x90],
                3 => &[0x0f, 0x1f, 0x00],
                4 => &[0x0f, 0x1f, 0x40, 0x00],
                5 => &[0x0f, 0x1f, 0x44, 0x00, 0x00],
                _ => &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
            });
        }
    }

    /// Returns. One result is in its register, several are in slots.
    pub fn epilogue(&mut self) {
        if let [_, _, ..] = self.stack[..] {
            self.return_many();
        }
        self.restore();
        self.shift_return();
        // leave
        self.asm.raw(&[0xc9]);
        match self.layout.stack_args_bytes {
            0 => self.asm.raw(&[0xc3]),
            bytes => {
                let bytes = u16::try_from(bytes).expect("validation allows a thousand parameters");
                self.asm.raw(&[0xc2, bytes as u8, (bytes >> 8) as u8]);
            }
        }
    }

    /// Gives the registers back that the caller wants preserved.
    fn restore(&mut self) {
        for at in 0..self.machine.frame.saved.len() {
            let reg = self.machine.frame.saved[at];
            self.load_slot(Ty::I64, reg, -8 * (at as i32 + 1));
        }
    }

    /// What a handler of exceptions finds lost beside the pins: slots are counted from the frame pointer alone.
    pub fn restore_base(&mut self) {}

    /// Lays what stands behind the code, and fills in the size of the frame, which is returned.
    pub fn finish_frame(&mut self) -> u32 {
        let frame_bytes = self.lowest.unsigned_abs().next_multiple_of(16);
        if frame_bytes + self.most_pushed > UNPROBED_BYTES {
            self.probes(frame_bytes);
        } else {
            self.asm.patch(FRAME_BYTES_AT, frame_bytes);
        }
        for (label, bytes) in std::mem::take(&mut self.machine.constants) {
            self.asm.bind(label);
            self.asm.raw(&bytes);
        }
        self.fill_jump_tables();
        frame_bytes
    }

    /// The prologue jumps here in place of making room, to touch the stack on the way down.
    fn probes(&mut self, frame_bytes: u32) {
        let jump = self.asm.at().wrapping_sub(RESERVE_AT + 5);
        // jmp …, nop, nop
        self.asm.patch(RESERVE_AT, 0xe9 | jump << 8);
        self.asm.patch(FRAME_BYTES_AT, jump >> 16 & 0xff | (jump >> 24) << 8 | 0x9090 << 16);
        let reach = (frame_bytes + self.most_pushed) as i32;
        self.asm.rm(LEA, true, R11, Rm::Base(RSP, -reach));
        self.asm.rr(MOV, true, RAX, RSP);
        let (next, done) = (self.asm.label_here(), self.asm.new_label());
        self.asm.arith_imm(true, 5, Rm::Reg(RAX), PROBE_BYTES);
        self.asm.rr(CMP, true, RAX, R11);
        self.asm.jcc(Cond::Below, done);
        self.asm.rm(MOV_STORE, true, RAX, Rm::Base(RAX, 0));
        self.asm.jmp(next);
        self.asm.bind(done);
        self.asm.arith_imm(true, 5, Rm::Reg(RSP), frame_bytes as i32);
        let back = self.machine.frame.reserved.expect("a prologue has been laid");
        self.asm.jmp(back);
    }
}

/// Calls.
impl Translator<'_> {
    /// Makes room for what a call takes and gives in memory.
    pub fn push_area(&mut self, bytes: u32) {
        if bytes > 0 {
            self.most_pushed = self.most_pushed.max(bytes);
            self.asm.arith_imm(true, 5, Rm::Reg(RSP), bytes as i32);
        }
    }

    pub fn pop_area(&mut self, bytes: u32) {
        if bytes > 0 {
            self.asm.arith_imm(true, 0, Rm::Reg(RSP), bytes as i32);
        }
    }

    pub fn address_of_area(&mut self, to: Reg, above: u32) {
        self.asm.rm(LEA, true, to, Rm::Base(RSP, above as i32));
    }

    pub fn call_instruction(&mut self, callee: Callee) {
        match callee {
            Callee::Direct(target) => {
                self.branch_to(0xe8, target);
            }
            Callee::Word(at) => self.asm.ext(GROUP5, false, 2, Rm::Base(ANCHOR, at)),
            Callee::Register => {
                self.asm.ext(GROUP5, false, 2, Rm::Reg(CALLEE));
                self.registers.release(CALLEE);
            }
            Callee::Libcall(number) => {
                self.libcall_table();
                self.asm.ext(GROUP5, false, 2, Rm::Base(SCRATCH, (number * size_of::<usize>()) as i32));
            }
        }
    }

    /// Loads the address of the runtime's table of calls into the scratch register.
    fn libcall_table(&mut self) {
        let at = VmContext::from_anchor(offset_of!(VmContext, libcalls));
        self.load_at(Ty::I64, SCRATCH, ANCHOR, at);
    }

    /// A call or jump whose displacement lies in one line of the cache, so that it can be pointed elsewhere while threads
    /// run it.
    fn branch_to(&mut self, opcode: u8, target: epsilon_abi::DefinedFuncIndex) {
        const DISPLACEMENT_BYTES: u32 = 4;
        let in_block = (self.asm.at() + 1) % ALIGN_BYTES;
        let missing = if in_block + DISPLACEMENT_BYTES > ALIGN_BYTES { ALIGN_BYTES - in_block } else { 0 };
        let nop: &[u8] = match missing {
            0 => &[],
            1 => &[0x90],
            2 => &[0x66, 0x90],
            _ => &[0x0f, 0x1f, 0x00],
        };
        self.asm.raw(nop);
        self.asm.raw(&[opcode]);
        let offset = self.asm.at();
        self.asm.raw(&[0; 4]);
        self.relocations.push(Relocation { offset, kind: RelocKind::X86CallPcRel4, target, addend: -4 });
    }

    /// Leaves this frame for a callee's. Its arguments are in their registers, and those in memory at the stack pointer.
    pub fn leave_for(&mut self, callee: Callee, stack_args_bytes: u32) {
        self.restore();
        let moved = self.layout.stack_args_bytes as i32 - stack_args_bytes as i32;
        if moved == 0 && stack_args_bytes == 0 {
            self.asm.raw(&[0xc9]);
        } else {
            self.move_stack_args(stack_args_bytes as i32, moved);
        }
        self.source();
        match callee {
            Callee::Direct(target) => {
                self.branch_to(0xe9, target);
            }
            Callee::Word(at) => self.asm.ext(GROUP5, false, 4, Rm::Base(ANCHOR, at)),
            Callee::Register => {
                self.asm.ext(GROUP5, false, 4, Rm::Reg(CALLEE));
                self.registers.release(CALLEE);
            }
            Callee::Libcall(_) => unreachable!("no libcall is called last"),
        }
    }

    /// Puts stack arguments where those of this function were, and the return address below them.
    fn move_stack_args(&mut self, bytes: i32, moved: i32) {
        self.load_at(Ty::I64, RAX, RBP, 8);
        self.asm.rr(MOV, true, R11, RBP);
        self.load_at(Ty::I64, RBP, R11, 0);
        // They go up, so that the highest one goes first.
        for at in (0..bytes).step_by(16).rev() {
            self.asm.rm(MOVUPS, false, FLOAT_SCRATCH, Rm::Base(RSP, at));
            self.asm.rm(MOVUPS_STORE, false, FLOAT_SCRATCH, Rm::Base(R11, STACK_ARGS + moved + at));
        }
        self.store_at(Ty::I64, RAX, R11, 8 + moved);
        self.asm.rm(LEA, true, RSP, Rm::Base(R11, 8 + moved));
    }
}

/// Traps and jump tables.
impl Translator<'_> {
    pub fn trap(&mut self, code: TrapCode) {
        self.trap_site(code);
        self.asm.raw(&UD2);
    }

    /// Jumps through a table of `count` labels and a default, by the index in the scratch register. An index that is
    /// predicted wrongly stays in the table. All operands are in their slots.
    pub fn begin_jump_table(&mut self, count: u32) {
        let base = CALLEE;
        self.asm.mov_imm(base, u64::from(count));
        self.asm.rr(CMP, true, SCRATCH, base);
        self.asm.rr(CMOV.on(Cond::Above), true, SCRATCH, base);
        let table = self.asm.new_label();
        self.asm.at_label(LEA, true, base, table);
        // movsxd r11, [r10 + 4 * r11]; add r11, r10; jmp r11
        self.asm.raw(&[0x4f, 0x63, 0x1c, 0x9a]);
        self.asm.rr(ADD, true, SCRATCH, base);
        self.asm.ext(GROUP5, false, 4, Rm::Reg(SCRATCH));
        while !self.asm.at().is_multiple_of(4) {
            self.asm.raw(&INT3);
        }
        self.asm.bind(table);
        self.machine.table_begins = self.asm.at();
    }
}

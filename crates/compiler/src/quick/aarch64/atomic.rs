//! Atomic operators: naturally aligned or trapped, sequentially consistent. Waiting and waking is the runtime's.
//!
//! Loads acquire and stores release, which makes them sequentially consistent on this machine. All else is an instruction
//! where the processor has them (`has_lse`), and a loop of exclusive loads and stores elsewhere.

use super::super::Ty;
use super::super::memory::{Load, Store};
use super::super::operand::{Held, Operand, Place};
use super::super::reader::MemArg;
use super::super::translator::Translator;
use super::asm::{Cond, Op, Reg, ZERO};
use super::integer::Alu;
use super::ops::*;
use super::{FAR, SCRATCH};
use epsilon_abi::{Libcall, TrapCode};

/// An instruction for so many bytes.
const fn sized(op: Op, bytes: u64) -> Op {
    Op(op.0 | bytes.trailing_zeros() << 30)
}

/// What becomes of what is in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Update {
    Add,
    Clear,
    Set,
    Flip,
    Exchange,
}

impl Translator<'_> {
    /// Traps unless an index leads to a multiple of the width. Gives the operand back to be read again.
    fn check_alignment(&mut self, at: MemArg, index: Operand, bytes: u64) -> Operand {
        if bytes == 1 {
            return index;
        }
        let held = self.read(index);
        // The low bits of a sum depend on the low bits alone.
        let mask = bytes - 1;
        self.asm.add_imm(false, false, SCRATCH, held.reg, (at.offset & mask).cast_signed());
        self.asm.logical_imm(ANDS_IMM, false, ZERO, SCRATCH, mask);
        self.trap_if(Cond::NotEqual, TrapCode::HeapMisaligned);
        if held.owned { Operand { place: Place::Reg(held.reg), ..index } } else { index }
    }

    /// The address of an access, in the scratch register or another one that stays as it is, and what has to be done with
    /// it afterwards.
    fn atomic_address(&mut self, at: MemArg, index: Operand, bytes: u64) -> (Reg, Option<Held>) {
        let index = self.check_alignment(at, index, bytes);
        let address = self.address(at, index, bytes);
        (self.address_in_register(address), address.index)
    }

    fn done_index(&mut self, index: Option<Held>) {
        index.into_iter().for_each(|held| self.done(held));
    }

    pub fn atomic_load(&mut self, ty: Ty, load: Load, at: MemArg) {
        let index = self.pop();
        let (address, index) = self.atomic_address(at, index, load.bytes());
        self.done_index(index);
        let to = self.allocate(false);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rr(sized(LDAR, load.bytes()), to, address);
        self.push_reg(to, ty);
    }

    pub fn atomic_store(&mut self, _: Ty, store: Store, at: MemArg) {
        let (value, index) = (self.pop(), self.pop());
        let held = self.read(value);
        let bytes = u64::from(store.bytes());
        let (address, index) = self.atomic_address(at, index, bytes);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rr(sized(STLR, bytes), held.reg, address);
        self.done(held);
        self.done_index(index);
    }

    pub fn atomic_exchange(&mut self, ty: Ty, width: Store, at: MemArg) {
        let value = self.pop();
        let held = self.read(value);
        self.update(ty, width, Update::Exchange, held, at);
    }

    pub fn atomic_add(&mut self, ty: Ty, width: Store, at: MemArg) {
        let value = self.pop();
        let held = self.read(value);
        self.update(ty, width, Update::Add, held, at);
    }

    pub fn atomic_sub(&mut self, ty: Ty, width: Store, at: MemArg) {
        let value = self.pop();
        let reg = self.own(value);
        self.asm.rrr(SUB.wide(ty.is_wide()), reg, ZERO, reg);
        self.update(ty, width, Update::Add, Held { reg, owned: true }, at);
    }

    pub fn atomic_loop(&mut self, ty: Ty, width: Store, alu: Alu, at: MemArg) {
        let value = self.pop();
        if alu == Alu::And {
            let reg = self.own(value);
            self.asm.rrr(ORN.wide(true), reg, ZERO, reg);
            return self.update(ty, width, Update::Clear, Held { reg, owned: true }, at);
        }
        let held = self.read(value);
        self.update(ty, width, if alu == Alu::Or { Update::Set } else { Update::Flip }, held, at);
    }

    /// Changes what is in memory, and pushes what was there.
    fn update(&mut self, ty: Ty, width: Store, update: Update, value: Held, at: MemArg) {
        let index = self.pop();
        let bytes = u64::from(width.bytes());
        let (address, index) = self.atomic_address(at, index, bytes);
        self.registers.locked |= value.reg.bit() | address.bit();
        let old = self.allocate(false);
        if self.machine.features.lse {
            let op = match update {
                Update::Add => LDADDAL,
                Update::Clear => LDCLRAL,
                Update::Set => LDSETAL,
                Update::Flip => LDEORAL,
                Update::Exchange => SWPAL,
            };
            self.trap_site(TrapCode::MemoryOutOfBounds);
            self.asm.rrr(sized(op, bytes), old, address, value.reg);
        } else {
            self.update_in_loop(update, bytes, old, address, value.reg);
        }
        self.done(value);
        self.done_index(index);
        self.push_reg(old, ty);
    }

    /// The same without instructions for it: tried until nobody has been in between.
    fn update_in_loop(&mut self, update: Update, bytes: u64, old: Reg, address: Reg, value: Reg) {
        let new = if update == Update::Exchange { value } else { self.allocate(false) };
        let again = self.asm.label_here();
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rr(sized(LDAXR, bytes), old, address);
        let op = match update {
            Update::Add => Some(ADD),
            Update::Clear => Some(BIC),
            Update::Set => Some(ORR),
            Update::Flip => Some(EOR),
            Update::Exchange => None,
        };
        if let Some(op) = op {
            self.asm.rrr(op.wide(true), new, old, value);
            self.registers.release(new);
        }
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rrr(sized(STLXR, bytes), new, address, FAR);
        self.test_zero(FAR, false);
        self.asm.jcc(Cond::NotEqual, again);
    }

    pub fn atomic_compare_exchange(&mut self, ty: Ty, width: Store, at: MemArg) {
        let (new, expected) = (self.pop(), self.pop());
        let new = self.read(new);
        self.registers.locked |= new.reg.bit();
        // It becomes the old value.
        let old = self.own(expected);
        self.registers.locked |= old.bit();
        let index = self.pop();
        let bytes = u64::from(width.bytes());
        let (address, index) = self.atomic_address(at, index, bytes);
        if self.machine.features.lse {
            self.trap_site(TrapCode::MemoryOutOfBounds);
            self.asm.rrr(sized(CASAL, bytes), new.reg, address, old);
        } else {
            self.compare_exchange_in_loop(bytes, old, address, new.reg);
        }
        self.done(new);
        self.done_index(index);
        self.push_reg(old, ty);
    }

    /// Of what is expected, no more bits count than there are in memory.
    fn compare_exchange_in_loop(&mut self, bytes: u64, old: Reg, address: Reg, new: Reg) {
        let expected = self.allocate(false);
        match bytes {
            8 => self.mov(Ty::I64, expected, old),
            _ => self.asm.bitfield(UBFM, false, expected, old, 0, 8 * bytes as u32 - 1),
        }
        let (again, done) = (self.asm.label_here(), self.asm.new_label());
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rr(sized(LDAXR, bytes), old, address);
        self.asm.rrr(SUBS.wide(true), ZERO, old, expected);
        self.asm.jcc(Cond::NotEqual, done);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rrr(sized(STLXR, bytes), new, address, FAR);
        self.test_zero(FAR, false);
        self.asm.jcc(Cond::NotEqual, again);
        self.asm.bind(done);
        self.registers.release(expected);
    }

    pub fn atomic_fence(&mut self, _ordering: u8) {
        self.asm.put(DMB_ISH.0);
    }
}

/// Waiting and waking.
impl Translator<'_> {
    /// Pushes an operand that has been popped.
    fn push_again(&mut self, operand: Operand) {
        if let Place::Local(local) = operand.place {
            self.locals[local as usize].pending += 1;
        }
        self.push(operand.place, operand.ty);
    }

    /// Makes an address of the index under `above` operands: the static offset added, within 64 bits.
    fn wait_address<const ABOVE: usize>(&mut self, at: MemArg, bytes: u64) {
        let above: [Operand; ABOVE] = std::array::from_fn(|_| self.pop());
        let index = self.pop();
        let index = self.check_alignment(at, index, bytes);
        let reg = self.own(index);
        if at.offset > 0 {
            self.asm.mov_imm(SCRATCH, at.offset);
            self.asm.rrr(ADDS.wide(true), reg, reg, SCRATCH);
            // The carry.
            self.trap_if(Cond::AboveOrEqual, TrapCode::MemoryOutOfBounds);
        }
        self.push_reg(reg, Ty::I64);
        above.into_iter().rev().for_each(|operand| self.push_again(operand));
    }

    pub fn atomic_wait(&mut self, libcall: Libcall, bytes: u64, at: MemArg) {
        self.wait_address::<2>(at, bytes);
        self.libcall(libcall, &[u64::from(at.memory)], 3, Some(Ty::I32));
    }

    pub fn atomic_notify(&mut self, at: MemArg) {
        self.wait_address::<1>(at, 4);
        self.libcall(Libcall::AtomicNotify, &[u64::from(at.memory)], 2, Some(Ty::I32));
    }
}

//! Atomic operators: naturally aligned or trapped, sequentially consistent. Waiting and waking is the runtime's.
//!
//! Plain loads, exchanges and locked instructions are sequentially consistent on this machine.

use super::super::memory::{Load, Store};
use super::super::operand::{Operand, Place};
use super::super::reader::MemArg;
use super::super::translator::Translator;
use super::super::{Ty, operand::Held};
use super::SCRATCH;
use super::asm::{Cond, Op, RAX, Reg, Rm};
use super::integer::Alu;
use super::memory::Address;
use super::ops::*;
use epsilon_abi::{Libcall, TrapCode};

/// The form of an instruction for a width, and whether it is 64 bits wide.
const fn sized(width: Store, eight: Op, sixteen: Op, whole: Op) -> (Op, bool) {
    match width {
        Store::Bits8 => (eight, false),
        Store::Bits16 => (sixteen, false),
        Store::Bits32 => (whole, false),
        _ => (whole, true),
    }
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
        self.asm.rm(LEA, false, SCRATCH, Rm::Base(held.reg, (at.offset & mask) as i32));
        self.asm.arith_imm(false, Alu::And as u8, Rm::Reg(SCRATCH), mask as i32);
        self.trap_if(Cond::NotEqual, TrapCode::HeapMisaligned);
        if held.owned { Operand { place: Place::Reg(held.reg), ..index } } else { index }
    }

    fn atomic_address(&mut self, at: MemArg, index: Operand, bytes: u64) -> Address {
        let index = self.check_alignment(at, index, bytes);
        self.address(at, index, bytes)
    }

    pub fn atomic_load(&mut self, ty: Ty, load: Load, at: MemArg) {
        let index = self.pop();
        let index = self.check_alignment(at, index, load.bytes());
        self.push_again(index);
        self.load(ty, load, at);
    }

    pub fn atomic_store(&mut self, _: Ty, store: Store, at: MemArg) {
        self.exchange(store, at, None);
    }

    pub fn atomic_exchange(&mut self, ty: Ty, width: Store, at: MemArg) {
        self.exchange(width, at, Some(ty));
    }

    /// Exchanges, and pushes the old value if it has a type.
    fn exchange(&mut self, width: Store, at: MemArg, result: Option<Ty>) {
        let (value, index) = (self.pop(), self.pop());
        let value = self.own(value);
        let address = self.atomic_address(at, index, u64::from(width.bytes()));
        let (op, wide) = sized(width, XCHG8, XCHG16, XCHG);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rm(op, wide, value, address.rm);
        self.done_address(address);
        match result {
            Some(ty) => self.push_old(ty, width, value),
            None => self.registers.release(value),
        }
    }

    /// Pushes an old value, zero-extended.
    fn push_old(&mut self, ty: Ty, width: Store, value: Reg) {
        match width {
            Store::Bits8 => self.asm.rr(MOVZX8, false, value, value),
            Store::Bits16 => self.asm.rr(MOVZX16, false, value, value),
            Store::Bits32 => self.zero_extend(value),
            _ => {}
        }
        self.push_reg(value, ty);
    }

    pub fn atomic_add(&mut self, ty: Ty, width: Store, at: MemArg) {
        let (value, index) = (self.pop(), self.pop());
        let value = self.own(value);
        self.add_atomically(ty, width, at, value, index);
    }

    pub fn atomic_sub(&mut self, ty: Ty, width: Store, at: MemArg) {
        let (value, index) = (self.pop(), self.pop());
        let value = self.own(value);
        // neg
        self.asm.ext(GROUP3, ty.is_wide(), 3, Rm::Reg(value));
        self.add_atomically(ty, width, at, value, index);
    }

    fn add_atomically(&mut self, ty: Ty, width: Store, at: MemArg, value: Reg, index: Operand) {
        let address = self.atomic_address(at, index, u64::from(width.bytes()));
        let (op, wide) = sized(width, LOCK_XADD8, LOCK_XADD16, LOCK_XADD);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rm(op, wide, value, address.rm);
        self.done_address(address);
        self.push_old(ty, width, value);
    }

    /// Puts an address into the scratch register.
    fn address_to_scratch(&mut self, address: Address) {
        self.asm.rm(LEA, true, SCRATCH, address.rm);
        self.done_address(address);
    }

    /// What no instruction gives the old value of: tried until nobody has been in between.
    pub fn atomic_loop(&mut self, ty: Ty, width: Store, alu: Alu, at: MemArg) {
        let (value, index) = (self.pop(), self.pop());
        let value: Held = self.read(value);
        let address = self.atomic_address(at, index, u64::from(width.bytes()));
        self.address_to_scratch(address);
        let value = self.out_of_rax(value);
        let new = self.allocate(false);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        let (load, wide) = sized(width, MOVZX8, MOVZX16, MOV);
        self.asm.rm(load, wide, RAX, Rm::Base(SCRATCH, 0));
        let again = self.asm.label_here();
        self.mov(Ty::I64, new, RAX);
        self.asm.rr(alu.op(), true, new, value.reg);
        self.compare_exchange(width, new);
        self.asm.jcc(Cond::NotEqual, again);
        self.registers.release(new);
        self.done(value);
        self.push_old(ty, width, RAX);
    }

    /// Takes `rax`, and moves a register that is held elsewhere if it is that one.
    fn out_of_rax(&mut self, held: Held) -> Held {
        self.registers.locked |= held.reg.bit();
        if held.reg != RAX {
            self.claim(RAX);
            return held;
        }
        let other = self.allocate(false);
        self.mov(Ty::I64, other, RAX);
        self.evict(RAX);
        self.registers.take(RAX);
        Held { reg: other, owned: true }
    }

    fn compare_exchange(&mut self, width: Store, new: Reg) {
        let (op, wide) = sized(width, LOCK_CMPXCHG8, LOCK_CMPXCHG16, LOCK_CMPXCHG);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rm(op, wide, new, Rm::Base(SCRATCH, 0));
    }

    pub fn atomic_compare_exchange(&mut self, ty: Ty, width: Store, at: MemArg) {
        let (new, expected, index) = (self.pop(), self.pop(), self.pop());
        let new = self.read(new);
        let expected = self.read(expected);
        let address = self.atomic_address(at, index, u64::from(width.bytes()));
        self.address_to_scratch(address);
        let new = if expected.reg == RAX && expected.owned {
            new
        } else {
            // The expected value stays where it is until `rax` is free for it.
            self.registers.locked |= expected.reg.bit();
            let new = self.out_of_rax(new);
            self.mov(Ty::I64, RAX, expected.reg);
            self.done(expected);
            self.registers.take(RAX);
            new
        };
        self.compare_exchange(width, new.reg);
        self.done(new);
        self.push_old(ty, width, RAX);
    }

    pub fn atomic_fence(&mut self, _ordering: u8) {
        // mfence
        self.asm.raw(&[0x0f, 0xae, 0xf0]);
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
            self.asm.rr(ADD, true, reg, SCRATCH);
            self.trap_if(Cond::Below, TrapCode::MemoryOutOfBounds);
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

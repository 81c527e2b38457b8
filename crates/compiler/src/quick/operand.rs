//! The stack of operands, and which registers hold what.
//!
//! Every operand has a slot of its own in the frame, whether it is there or not; the slots of those above lie below.
//! Only the topmost operands may be elsewhere than in their slot: see [`WINDOW`].

use super::Ty;
use super::machine::{self, Cond, Reg, RegSet};
use super::translator::Translator;

/// Where the value of an operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Place {
    /// Its bits. Vectors are never constants.
    Const(u64),
    /// The value that a local has now: it is not read before it is needed.
    Local(u32),
    /// A temporary register, which is the operand's own; or the pin of a local that is about to be set.
    Reg(Reg),
    Slot,
    /// 0 or 1, as the flags say.
    Flags(Cond),
}

/// An operand.
#[derive(Clone, Copy, Debug)]
pub(in crate::quick) struct Operand {
    pub place: Place,
    pub ty: Ty,
    /// Its slot, from the frame pointer.
    pub slot: i32,
}

/// A register that an operand is read from.
#[derive(Clone, Copy, Debug)]
pub(in crate::quick) struct Held {
    pub reg: Reg,
    /// Whether it was the operand's own, and is free for the result.
    pub owned: bool,
}

/// How many of the topmost operands may be elsewhere than in their slots. The bound keeps every search short, however
/// high the stack.
const WINDOW: usize = 32;

/// Which registers hold what.
pub(in crate::quick) struct Registers {
    /// Those that operands may be in.
    pub temporaries: RegSet,
    /// Those that no operand is in.
    pub free: RegSet,
    /// Those that hold a copy of a local, and are free for operands all the same.
    pub cached: RegSet,
    /// Those that the current operator reads from, and that it must not take.
    pub locked: RegSet,
    /// Which local a cached one is a copy of.
    copies: [u32; RegSet::BITS as usize],
}

impl Registers {
    pub const fn new(temporaries: RegSet) -> Self {
        Self { temporaries, free: temporaries, cached: 0, locked: 0, copies: [0; RegSet::BITS as usize] }
    }

    /// Takes registers away from operands, for pins.
    pub const fn reserve(&mut self, reg: Reg) {
        self.temporaries &= !reg.bit();
        self.free &= !reg.bit();
    }

    /// No operand is in a register any more.
    pub const fn release(&mut self, reg: Reg) {
        self.free |= reg.bit() & self.temporaries;
    }

    pub const fn take(&mut self, reg: Reg) {
        self.free &= !reg.bit();
    }

    /// Those that hold a copy of a local, and which.
    pub fn copies(&self) -> impl Iterator<Item = (Reg, u32)> + use<> {
        let (mut cached, copies) = (self.cached, self.copies);
        std::iter::from_fn(move || {
            let reg = lowest(cached)?;
            cached &= !reg.bit();
            Some((reg, copies[reg.0 as usize]))
        })
    }

    pub const fn is_temporary(&self, reg: Reg) -> bool {
        self.temporaries & reg.bit() != 0
    }
}

const fn lowest(set: RegSet) -> Option<Reg> {
    if set == 0 { None } else { Some(Reg(set.trailing_zeros() as u8)) }
}

/// The stack.
impl Translator<'_> {
    /// The slot of the next operand.
    pub fn next_slot(&self, ty: Ty) -> i32 {
        self.stack.last().map_or(self.operands_begin, |top| top.slot) - ty.slot_bytes()
    }

    #[inline]
    pub fn push(&mut self, place: Place, ty: Ty) {
        let slot = self.next_slot(ty);
        self.maps.pushed(self.stack.len(), ty);
        self.stack.push(Operand { place, ty, slot });
        if self.stack.len() > self.settled + WINDOW {
            self.settle_operands(self.stack.len() - WINDOW / 2);
        }
    }

    #[inline]
    pub fn push_reg(&mut self, reg: Reg, ty: Ty) {
        self.push(Place::Reg(reg), ty);
    }

    pub fn push_slot(&mut self, ty: Ty) {
        self.push(Place::Slot, ty);
        self.lowest = self.lowest.min(self.stack[self.stack.len() - 1].slot);
    }

    pub fn push_flags(&mut self, cond: Cond) {
        self.flags_at = Some(self.stack.len());
        self.push(Place::Flags(cond), Ty::I32);
    }

    #[inline]
    pub fn pop(&mut self) -> Operand {
        let operand = self.stack.pop().expect("a validated operator finds its operands");
        self.settled = self.settled.min(self.stack.len());
        self.maps.popped(self.stack.len(), operand.ty);
        match operand.place {
            Place::Local(local) => self.locals[local as usize].pending -= 1,
            Place::Flags(_) => self.flags_at = None,
            _ => {}
        }
        operand
    }

    /// Pops what nobody reads.
    pub fn drop_top(&mut self) {
        if let Place::Reg(reg) = self.pop().place {
            self.registers.release(reg);
        }
    }

    pub fn truncate(&mut self, height: usize) {
        while self.stack.len() > height {
            self.drop_top();
        }
    }

    /// Puts the lowest operands, up to a height, into their slots. Constants stay what they are. Keeps the flags.
    pub fn settle_operands(&mut self, height: usize) {
        for at in self.settled..height {
            if !matches!(self.stack[at].place, Place::Slot | Place::Const(_)) {
                self.spill(at);
            }
        }
        self.settled = self.settled.max(height);
    }

    /// Puts all operands into their slots.
    pub fn settle_all(&mut self) {
        self.settle_operands(self.stack.len());
    }

    /// Puts the operands below a height that are in registers into their slots: a call follows.
    pub fn spill_registers(&mut self, height: usize) {
        for at in self.settled..height {
            if let Place::Reg(_) = self.stack[at].place {
                self.spill(at);
            }
        }
    }

    /// Puts an operand into its slot. Keeps the flags.
    pub fn spill(&mut self, at: usize) {
        let Operand { place, ty, slot } = self.stack[at];
        self.lowest = self.lowest.min(slot);
        match place {
            Place::Slot => return,
            Place::Reg(reg) => {
                self.store_slot(ty, reg, slot);
                self.registers.release(reg);
            }
            Place::Local(local) => {
                let local = &mut self.locals[local as usize];
                local.pending -= 1;
                let local = *local;
                let reg = local.register().unwrap_or_else(|| {
                    let reg = machine::scratch(ty.is_float());
                    self.load_slot(ty, reg, local.slot);
                    reg
                });
                self.store_slot(ty, reg, slot);
            }
            Place::Const(bits) => self.store_const(ty, bits, slot),
            Place::Flags(cond) => {
                self.flags_at = None;
                self.flags_to(cond, machine::SCRATCH);
                self.store_slot(Ty::I32, machine::SCRATCH, slot);
            }
        }
        self.stack[at].place = Place::Slot;
    }

    /// Puts the operand that is a condition of the flags into a register, before they change.
    pub fn settle_flags(&mut self) {
        let Some(at) = self.flags_at.take() else { return };
        let Place::Flags(cond) = self.stack[at].place else { unreachable!("that operand is in the flags") };
        let reg = self.allocate(false);
        self.flags_to(cond, reg);
        self.stack[at].place = Place::Reg(reg);
    }
}

/// Registers.
impl Translator<'_> {
    /// The register holds no copy of a local any more.
    pub fn evict(&mut self, reg: Reg) {
        if self.registers.cached & reg.bit() != 0 {
            self.registers.cached &= !reg.bit();
            self.locals[self.registers.copies[reg.0 as usize] as usize].copy = None;
        }
    }

    /// No register holds a copy of a local any more.
    pub fn forget_copies(&mut self) {
        while let Some(reg) = lowest(self.registers.cached) {
            self.evict(reg);
        }
    }

    /// A register holds a copy of a local from now on, for as long as nobody needs it.
    pub fn note_copy(&mut self, reg: Reg, local: u32) {
        self.registers.cached |= reg.bit();
        self.registers.copies[reg.0 as usize] = local;
        self.locals[local as usize].copy = Some(reg);
    }

    /// A register for an operand. Keeps the flags.
    pub fn allocate(&mut self, is_float: bool) -> Reg {
        let free = self.registers.free & machine::class(is_float) & !self.registers.locked;
        let reg = match lowest(free & !self.registers.cached).or(lowest(free)) {
            Some(reg) => {
                self.evict(reg);
                reg
            }
            None => self.spill_one(machine::class(is_float)),
        };
        self.registers.take(reg);
        reg
    }

    fn spill_one(&mut self, class: RegSet) -> Reg {
        for at in self.settled..self.stack.len() {
            if let Place::Reg(reg) = self.stack[at].place
                && reg.bit() & class & self.registers.temporaries != 0
            {
                self.spill(at);
                return reg;
            }
        }
        unreachable!("an operator holds fewer registers than there are")
    }

    /// Takes a certain temporary register, and moves the operand that is in it elsewhere. Keeps the flags.
    pub fn claim(&mut self, reg: Reg) {
        let registers = &self.registers;
        if registers.is_temporary(reg) && registers.free & reg.bit() == 0 {
            let free = registers.free & machine::class(reg.is_float()) & !registers.locked & !registers.cached;
            let holder = (self.settled..self.stack.len()).find(|at| self.stack[*at].place == Place::Reg(reg));
            match (holder, lowest(free)) {
                (Some(at), Some(other)) => {
                    self.mov(self.stack[at].ty, other, reg);
                    self.registers.take(other);
                    self.stack[at].place = Place::Reg(other);
                }
                (Some(at), None) => self.spill(at),
                (None, _) => {}
            }
        }
        self.evict(reg);
        self.registers.take(reg);
    }

    pub fn done(&mut self, held: Held) {
        if held.owned {
            self.registers.release(held.reg);
        }
    }

    /// A popped operand in some register, to be read from only. Keeps the flags.
    pub fn read(&mut self, operand: Operand) -> Held {
        match operand.place {
            Place::Reg(reg) => Held { reg, owned: true },
            Place::Local(index) => {
                let local = self.locals[index as usize];
                if let Some(pin) = local.pin {
                    return Held { reg: pin, owned: false };
                }
                let reg = local.copy.unwrap_or_else(|| {
                    let reg = self.allocate(operand.ty.is_float());
                    self.load_slot(operand.ty, reg, local.slot);
                    self.registers.release(reg);
                    self.note_copy(reg, index);
                    reg
                });
                self.registers.locked |= reg.bit();
                Held { reg, owned: false }
            }
            _ => Held { reg: self.own(operand), owned: true },
        }
    }

    /// A popped operand in a register that may be changed. Keeps the flags.
    pub fn own(&mut self, operand: Operand) -> Reg {
        if let Place::Reg(reg) = operand.place {
            return reg;
        }
        let reg = self.allocate(operand.ty.is_float());
        self.read_into(operand, reg);
        reg
    }

    /// A popped operand into a certain register, which is taken already. Keeps the flags.
    pub fn read_into(&mut self, operand: Operand, to: Reg) {
        let ty = operand.ty;
        match operand.place {
            Place::Reg(reg) => {
                self.mov(ty, to, reg);
                if reg != to {
                    self.registers.release(reg);
                }
            }
            Place::Local(local) => {
                let local = self.locals[local as usize];
                match local.register() {
                    Some(reg) => self.mov(ty, to, reg),
                    None => self.load_slot(ty, to, local.slot),
                }
            }
            Place::Const(bits) => self.const_to(ty, to, bits),
            Place::Slot => self.load_slot(ty, to, operand.slot),
            Place::Flags(cond) => self.flags_to(cond, to),
        }
    }

    /// A register for a result: that of a popped operand, if it was the operand's own and of the right kind.
    pub fn reuse(&mut self, held: Held, is_float: bool) -> Reg {
        if held.owned && held.reg.is_float() == is_float {
            return held.reg;
        }
        self.done(held);
        self.allocate(is_float)
    }

    /// The pin of the local that the next operator sets, if a result may be put there at once.
    #[inline]
    pub fn hint(&self, is_float: bool) -> Option<Reg> {
        // local.set, local.tee
        if !matches!(self.reader.peek(0), 0x21 | 0x22) {
            return None;
        }
        let local = self.reader.peek(1);
        let local = self.locals.get(usize::from(local)).filter(|_| local < 0x80)?;
        local.pin.filter(|pin| local.pending == 0 && pin.is_float() == is_float)
    }

    /// Where a result goes: the hinted pin, or a new register.
    pub fn destination(&mut self, is_float: bool) -> Reg {
        match self.hint(is_float) {
            Some(pin) => pin,
            None => self.allocate(is_float),
        }
    }
}

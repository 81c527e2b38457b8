//! Locals: which have a register of their own, where the others are, and what reading and setting them does.
//!
//! | kind | where | survives a call |
//! |---|---|---|
//! | pinned, kept | a register that calls preserve | yes |
//! | pinned, written through | a register that calls do not preserve, and a slot that each `local.set` writes | reloaded |
//! | unpinned | a slot; a temporary register may hold a copy up to the next label or call | yes |
//!
//! References that the collector follows may move while a call runs: no pin of theirs survives one, whichever register it is.
//!
//! In a function that catches exceptions all pins are written through, since a handler finds no register as it was.

use super::Ty;
use super::machine::{self, Reg};
use super::operand::{Operand, Place};
use super::reader::TypeCode;
use super::translator::Translator;

/// A local.
#[derive(Clone, Copy, Debug)]
pub(in crate::quick) struct Local {
    pub ty: Ty,
    /// Its own register.
    pub pin: Option<Reg>,
    /// Whether its slot holds its value too.
    pub has_slot: bool,
    /// Its slot, from the frame pointer.
    pub slot: i32,
    /// A temporary register that holds a copy.
    pub copy: Option<Reg>,
    /// How many operands stand for its value as it is now.
    pub pending: u32,
}

impl Local {
    const fn new(ty: Ty) -> Self {
        Self { ty, pin: None, has_slot: false, slot: 0, copy: None, pending: 0 }
    }

    /// The register that holds it, if one does.
    pub fn register(&self) -> Option<Reg> {
        self.pin.or(self.copy)
    }
}

/// A call costs a pin that does not survive it two accesses or so; the factor keeps what gains little.
const WEIGHT_OF_CALL: u32 = 3;

impl Translator<'_> {
    /// Reads the declarations of locals.
    pub fn declare_locals(&mut self) {
        let info = self.env.info;
        self.locals.extend(info.type_func(self.type_index).params.iter().map(|ty| Local::new(Ty::of(*ty))));
        for _ in 0..self.reader.u32() {
            let count = self.reader.u32() as usize;
            let code = self.reader.ty();
            let ty = self.type_of(code);
            self.locals.resize(self.locals.len() + count, Local::new(ty));
        }
    }

    /// The machine's type for the code of a type.
    pub fn type_of(&self, code: TypeCode) -> Ty {
        match code {
            TypeCode::Number(ty) => ty,
            TypeCode::Ref(heap) => self.reference_type(heap),
        }
    }

    /// Gives the locals that are used most a register of their own, and slots to those that need one.
    pub fn pin_locals(&mut self) {
        self.pin_kind(false);
        self.pin_kind(true);
        for (index, local) in self.locals.iter_mut().enumerate() {
            local.has_slot |= local.pin.is_none() && self.scan.uses[index] > 0;
        }
    }

    fn pin_kind(&mut self, is_float: bool) {
        let (calls, calls_at_all) = (self.scan.calls, self.scan.calls > 0 || self.scan.calls_rarely);
        let choices = machine::pins(is_float, calls_at_all);
        let mut best: [(u32, u32); machine::MOST_PINS] = [(0, 0); machine::MOST_PINS];
        let best = &mut best[..choices.len()];
        for (index, local) in self.locals.iter().enumerate() {
            let weight = self.scan.uses[index];
            if local.ty.is_float() != is_float || weight < 2 || best.last().is_none_or(|least| weight <= least.0) {
                continue;
            }
            let at = best.partition_point(|(other, _)| *other >= weight);
            best[at..].rotate_right(1);
            best[at] = (weight, index as u32);
        }
        let (mut first, mut last) = (0, choices.len());
        for (weight, index) in best.iter().filter(|(weight, _)| *weight > 0) {
            let ty = self.locals[*index as usize].ty;
            // The collector finds references in slots alone: no register of theirs survives a call, so that those which calls
            // preserve are left to others.
            let moves = calls_at_all && ty == Ty::Ref;
            let pin = choices[if moves { last - 1 } else { first }];
            let survives = !calls_at_all || (machine::is_kept(pin, ty) && !moves);
            let pays = match survives {
                true if !calls_at_all => true,
                // Saving and restoring the register costs two accesses.
                true => *weight > 2,
                false => *weight > calls.saturating_mul(WEIGHT_OF_CALL),
            };
            if pays {
                if moves {
                    last -= 1;
                } else {
                    first += 1;
                }
                let local = &mut self.locals[*index as usize];
                local.pin = Some(pin);
                local.has_slot = !survives || self.scan.catches;
                self.registers.reserve(pin);
                self.pinned.push(*index);
                if !survives {
                    self.reloaded.push(*index);
                }
            }
        }
    }

    /// Loads the pins that a call has not preserved.
    pub fn reload_pins(&mut self) {
        self.forget_copies();
        self.reload_unkept_pins();
    }

    /// The same, if what temporary registers hold is cared for.
    pub fn reload_unkept_pins(&mut self) {
        for at in 0..self.reloaded.len() {
            self.reload(self.reloaded[at]);
        }
    }

    /// Loads all pins: an exception preserves none.
    pub fn reload_all_pins(&mut self) {
        self.restore_base();
        self.forget_copies();
        for at in 0..self.pinned.len() {
            self.reload(self.pinned[at]);
        }
    }

    fn reload(&mut self, local: u32) {
        let Local { ty, pin, slot, .. } = self.locals[local as usize];
        if let Some(pin) = pin {
            self.load_slot(ty, pin, slot);
        }
    }

    pub fn local_get(&mut self, index: u32) {
        let local = &mut self.locals[index as usize];
        local.pending += 1;
        let ty = local.ty;
        self.push(Place::Local(index), ty);
    }

    pub fn local_tee(&mut self, index: u32) {
        self.local_set(index);
        self.local_get(index);
    }

    pub fn local_set(&mut self, index: u32) {
        let value = self.pop();
        if value.place == Place::Local(index) {
            return;
        }
        self.save_pending(index);
        let Local { ty, pin, has_slot, slot, copy, .. } = self.locals[index as usize];
        if let Some(pin) = pin {
            self.read_into(value, pin);
            if has_slot {
                self.store_slot(ty, pin, slot);
            }
            return;
        }
        if let Place::Const(bits) = value.place {
            copy.into_iter().for_each(|reg| self.evict(reg));
            return self.store_const(ty, bits, slot);
        }
        self.set_unpinned(index, value);
    }

    fn set_unpinned(&mut self, index: u32, value: Operand) {
        let Local { ty, slot, .. } = self.locals[index as usize];
        let held = self.read(value);
        self.store_slot(ty, held.reg, slot);
        if let Some(old) = self.locals[index as usize].copy {
            self.evict(old);
        }
        if held.owned && self.registers.is_temporary(held.reg) {
            self.evict(held.reg);
            self.registers.release(held.reg);
            self.note_copy(held.reg, index);
        }
    }

    /// Operands that stand for a local's value take it with them before it changes.
    fn save_pending(&mut self, index: u32) {
        let mut at = self.stack.len();
        while self.locals[index as usize].pending > 0 {
            at -= 1;
            let operand = self.stack[at];
            if operand.place != Place::Local(index) {
                continue;
            }
            let is_float = operand.ty.is_float();
            if self.has_free(is_float) {
                let reg = self.allocate(is_float);
                self.read_into(operand, reg);
                self.locals[index as usize].pending -= 1;
                self.stack[at].place = Place::Reg(reg);
            } else {
                self.spill(at);
            }
        }
    }

    fn has_free(&self, is_float: bool) -> bool {
        self.registers.free & machine::class(is_float) & !self.registers.locked != 0
    }
}

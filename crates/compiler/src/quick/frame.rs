//! What is the same on every machine of frames: where locals lie, how parameters come and results go, and jump tables.

use super::Ty;
use super::machine::{self, INT_ARGS, INT_RESULTS, Label, Move, RESULT_AREA, Reg, STACK_POINTER, float_arg};
use super::operand::Place;
use super::translator::Translator;
use epsilon_abi::Slot;

/// Offset of the first stack argument from the frame pointer.
pub(in crate::quick) const STACK_ARGS: i32 = 16;

/// Locals, parameters and results.
impl Translator<'_> {
    /// Gives slots to locals that need one. Parameters that come on the stack have one.
    pub fn place_locals(&mut self, locals: std::ops::Range<usize>, top: &mut i32) {
        for index in locals {
            let param = self.layout.params.get(index);
            let local = &mut self.locals[index];
            if let Some(Slot::Stack(at)) = param {
                local.slot = STACK_ARGS + *at as i32;
            } else if local.has_slot {
                *top -= local.ty.slot_bytes();
                local.slot = *top;
            }
        }
    }

    pub fn receive_params(&mut self) {
        self.moves.clear();
        for index in 0..self.layout.params.len() {
            let local = self.locals[index];
            let from = match self.layout.params[index] {
                Slot::Int(n) => INT_ARGS[usize::from(n)],
                Slot::Float(n) => float_arg(n),
                Slot::Stack(_) => continue,
            };
            if local.has_slot {
                self.store_slot(local.ty, from, local.slot);
            }
            match local.pin {
                // Only a move gives an `i32` its upper half.
                Some(pin) if pin == from && local.ty.is_extended() => self.zero_extend(pin),
                Some(pin) => self.moves.push(Move { to: pin, from, ty: local.ty }),
                None => {}
            }
        }
        self.move_all();
        for index in 0..self.layout.params.len() {
            let local = self.locals[index];
            if let (Slot::Stack(_), Some(pin)) = (self.layout.params[index], local.pin) {
                self.load_slot(local.ty, pin, local.slot);
            }
        }
    }

    /// Puts several results, which are in slots, where the caller looks for them.
    pub fn return_many(&mut self) {
        let area = RESULT_AREA;
        if self.layout.ret_area_bytes > 0 {
            self.load_slot(Ty::I64, area, self.machine.frame.area);
        }
        // Those in memory first: they need a register on the way.
        for at in 0..self.stack.len() {
            if let Slot::Stack(offset) = self.layout.results[at] {
                let operand = self.stack[at];
                debug_assert_eq!(operand.place, Place::Slot);
                let reg = machine::scratch(operand.ty.is_float());
                self.load_slot(operand.ty, reg, operand.slot);
                self.store_at(operand.ty, reg, area, offset as i32);
            }
        }
        for at in 0..self.stack.len() {
            let operand = self.stack[at];
            match self.layout.results[at] {
                Slot::Int(n) => self.load_slot(operand.ty, INT_RESULTS[usize::from(n)], operand.slot),
                Slot::Float(n) => self.load_slot(operand.ty, float_arg(n), operand.slot),
                Slot::Stack(_) => {}
            }
        }
    }
}

/// The area that is pushed for a call, and the one that this function was given.
impl Translator<'_> {
    pub fn store_arg(&mut self, ty: Ty, reg: Reg, at: u32) {
        self.store_at(ty, reg, STACK_POINTER, at as i32);
    }

    pub fn load_area(&mut self, ty: Ty, to: Reg, at: u32) {
        self.load_at(ty, to, STACK_POINTER, at as i32);
    }

    /// The address of the area that this function was given.
    pub fn load_incoming_area(&mut self, to: Reg) {
        self.load_slot(Ty::I64, to, self.machine.frame.area);
    }
}

/// Jump tables.
impl Translator<'_> {
    pub fn jump_table_entry(&mut self, label: Label) {
        self.asm.use_label(label);
        let entry = (self.asm.at(), self.machine.table_begins, label);
        self.machine.table_entries.push(entry);
        self.asm.put(0);
    }

    pub fn fill_jump_tables(&mut self) {
        for (at, table, label) in std::mem::take(&mut self.machine.table_entries) {
            let to = self.asm.position(label);
            self.asm.patch(at, to.wrapping_sub(table));
        }
    }
}

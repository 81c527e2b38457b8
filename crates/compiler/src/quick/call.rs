//! Calls and tail calls, by the `Tail` convention: see [`epsilon_abi::call`].
//!
//! What is live over a call is in slots, or in pins that the callee preserves. A `i32` that comes in, as an argument or
//! as a result, has an undefined upper half: here it is always zero.

use super::Ty;
use super::machine::{self, Move, Reg};
use super::operand::Place;
use super::translator::Translator;
use epsilon_abi::{CallLayout, DefinedFuncIndex, FuncIndex, FuncType, Libcall, Slot, TypeIndex};

/// What a call goes to.
#[derive(Clone, Copy)]
pub(in crate::quick) enum Callee {
    /// A function of this module.
    Direct(DefinedFuncIndex),
    /// The address at an offset from the anchor.
    Word(i32),
    /// The address in [`machine::CALLEE`].
    Register,
    /// The address in the runtime's table of calls.
    Libcall(usize),
}

/// An argument of a libcall that is not an operand.
pub(in crate::quick) type Constants<'a> = &'a [u64];

/// Calls of wasm functions.
impl Translator<'_> {
    fn direct_callee(&self, func: u32) -> (Callee, TypeIndex) {
        let (info, func) = (self.env.info, FuncIndex(func));
        let callee = match info.defined(func) {
            Some(defined) => Callee::Direct(defined),
            None => Callee::Word(self.env.layout.imported_function(func)),
        };
        (callee, info.functions[func.index()])
    }

    pub fn call(&mut self, func: u32) {
        let (callee, ty) = self.direct_callee(func);
        self.emit_call(callee, ty);
    }

    pub fn return_call(&mut self, func: u32) {
        let (callee, ty) = self.direct_callee(func);
        self.emit_tail_call(callee, ty);
    }

    pub fn call_indirect(&mut self, ty: u32, table: u32) {
        self.table_callee(TypeIndex(ty), table);
        self.emit_call(Callee::Register, TypeIndex(ty));
    }

    pub fn return_call_indirect(&mut self, ty: u32, table: u32) {
        self.table_callee(TypeIndex(ty), table);
        self.emit_tail_call(Callee::Register, TypeIndex(ty));
    }

    pub fn call_ref(&mut self, ty: u32) {
        self.reference_callee();
        self.emit_call(Callee::Register, TypeIndex(ty));
    }

    pub fn return_call_ref(&mut self, ty: u32) {
        self.reference_callee();
        self.emit_tail_call(Callee::Register, TypeIndex(ty));
    }

    fn emit_call(&mut self, callee: Callee, ty: TypeIndex) {
        let ty = self.env.info.type_func(ty);
        self.charge(ty.params.len() + ty.results.len());
        let layout = CallLayout::new(ty, machine::ARCH);
        let first = self.stack.len() - ty.params.len();
        self.spill_registers(first);
        self.push_area(layout.ret_area_bytes + layout.stack_args_bytes);
        self.stack_args(first, &layout.params);
        self.register_args(first, &layout.params);
        if let Some(reg) = machine::area_register(&layout) {
            self.address_of_area(reg, layout.stack_args_bytes);
        }
        self.truncate(first);
        self.emit_call_instruction(callee);
        self.take_results(ty, &layout);
        self.reload_pins();
    }

    /// Pushes the results of a call: those in temporary registers as they are, all others in slots.
    fn take_results(&mut self, ty: &FuncType, layout: &CallLayout) {
        for (ty, slot) in ty.results.iter().zip(&layout.results) {
            let ty = Ty::of(*ty);
            let reg = match *slot {
                Slot::Int(n) => machine::INT_RESULTS[usize::from(n)],
                Slot::Float(n) => machine::float_arg(n),
                Slot::Stack(_) => continue,
            };
            self.registers.locked |= reg.bit();
            if self.registers.is_temporary(reg) {
                self.registers.take(reg);
            }
            if ty.is_extended() {
                self.zero_extend(reg);
            }
        }
        for (ty, slot) in ty.results.iter().zip(&layout.results) {
            self.take_result(Ty::of(*ty), *slot);
        }
        self.pop_area(layout.ret_area_bytes);
    }

    fn take_result(&mut self, ty: Ty, slot: Slot) {
        let reg = match slot {
            Slot::Int(n) => machine::INT_RESULTS[usize::from(n)],
            Slot::Float(n) => machine::float_arg(n),
            Slot::Stack(at) => {
                let reg = machine::scratch(ty.is_float());
                self.load_area(ty, reg, at);
                reg
            }
        };
        if self.registers.is_temporary(reg) {
            return self.push_reg(reg, ty);
        }
        self.push_slot(ty);
        let slot = self.stack[self.stack.len() - 1].slot;
        self.store_slot(ty, reg, slot);
    }

    fn emit_tail_call(&mut self, callee: Callee, ty: TypeIndex) {
        let ty = self.env.info.type_func(ty);
        self.charge(ty.params.len());
        let layout = CallLayout::new(ty, machine::ARCH);
        let first = self.stack.len() - ty.params.len();
        self.push_area(layout.stack_args_bytes);
        self.stack_args(first, &layout.params);
        self.register_args(first, &layout.params);
        if let Some(reg) = machine::area_register(&layout) {
            self.load_incoming_area(reg);
        }
        self.truncate(first);
        self.leave_for(callee, layout.stack_args_bytes);
        self.end_path();
    }

    /// Stores the operands from a height on that travel on the stack.
    fn stack_args(&mut self, first: usize, places: &[Slot]) {
        for (at, place) in places.iter().enumerate() {
            let Slot::Stack(offset) = *place else { continue };
            let operand = self.stack[first + at];
            let register = match operand.place {
                Place::Reg(reg) => Some(reg),
                Place::Local(local) => self.locals[local as usize].register(),
                _ => None,
            };
            let reg = register.unwrap_or_else(|| {
                let reg = machine::scratch(operand.ty.is_float());
                self.read_into(operand, reg);
                reg
            });
            self.store_arg(operand.ty, reg, offset);
        }
    }

    /// Moves the operands from a height on that travel in registers, all at once. They stay on the stack, but for what
    /// `truncate` does to it they are not there any more.
    pub fn register_args(&mut self, first: usize, places: &[Slot]) {
        self.moves.clear();
        for (at, place) in places.iter().enumerate() {
            let Some(to) = arg_register(*place) else { continue };
            let operand = self.stack[first + at];
            if let Some(from) = self.register_of(operand.place) {
                self.moves.push(Move { to, from, ty: operand.ty });
            }
        }
        self.move_all();
        for (at, place) in places.iter().enumerate() {
            let Some(to) = arg_register(*place) else { continue };
            let operand = self.stack[first + at];
            if self.register_of(operand.place).is_none() {
                self.read_into(operand, to);
            }
        }
    }

    /// The register that a place is, if it is one.
    pub fn register_of(&self, place: Place) -> Option<Reg> {
        match place {
            Place::Reg(reg) => Some(reg),
            Place::Local(local) => self.locals[local as usize].register(),
            _ => None,
        }
    }

    /// Makes the moves that have been collected as if all were made at once.
    pub fn move_all(&mut self) {
        let mut moves = std::mem::take(&mut self.moves);
        moves.retain(|m| m.from != m.to);
        while !moves.is_empty() {
            // A target that no other move reads from may be written.
            let ready = moves.iter().position(|m| moves.iter().all(|other| other.from != m.to));
            match ready {
                Some(at) => {
                    let Move { to, from, ty } = moves.swap_remove(at);
                    self.mov(ty, to, from);
                }
                None => {
                    // All that is left are cycles: one register is freed by way of the scratch register.
                    let Move { from, ty, .. } = moves[0];
                    let scratch = machine::scratch(from.is_float());
                    let whole = if from.is_float() { Ty::V128 } else { Ty::I64 };
                    self.mov(whole, scratch, from);
                    for m in moves.iter_mut().filter(|m| m.from == from) {
                        m.from = scratch;
                    }
                    debug_assert_eq!(ty.is_float(), from.is_float());
                }
            }
        }
        self.moves = moves;
    }
}

const fn arg_register(place: Slot) -> Option<Reg> {
    match place {
        Slot::Int(n) => Some(machine::INT_ARGS[n as usize]),
        Slot::Float(n) => Some(machine::float_arg(n)),
        Slot::Stack(_) => None,
    }
}

/// Calls into the runtime.
impl Translator<'_> {
    /// Calls the runtime with constants and then the topmost operands, and pushes the result, of a type.
    pub fn libcall(&mut self, libcall: Libcall, constants: Constants<'_>, operands: usize, result: Option<Ty>) {
        debug_assert_eq!(libcall.params().len(), constants.len() + operands, "{} takes others", libcall.name());
        debug_assert_eq!(libcall.result().is_some(), result.is_some(), "{} gives another", libcall.name());
        self.libcall_args(constants, operands);
        self.emit_call_instruction(Callee::Libcall(libcall as usize));
        self.after_libcall(result);
    }

    /// Puts the anchor, constants and then the topmost operands where a libcall takes them, and pops them.
    pub fn libcall_args(&mut self, constants: Constants<'_>, operands: usize) {
        let first = self.stack.len() - operands;
        self.spill_registers(first);
        let places: [Slot; 6] = std::array::from_fn(|at| Slot::Int((1 + constants.len() + at) as u8));
        self.register_args(first, &places[..operands]);
        for (at, constant) in constants.iter().enumerate() {
            self.const_to(Ty::I64, machine::INT_ARGS[1 + at], *constant);
        }
        self.mov(Ty::I64, machine::INT_ARGS[0], machine::ANCHOR);
        self.truncate(first);
    }

    pub fn after_libcall(&mut self, result: Option<Ty>) {
        self.reload_pins();
        if let Some(ty) = result {
            if ty.is_extended() {
                self.zero_extend(machine::RESULT);
            }
            self.registers.take(machine::RESULT);
            self.push_reg(machine::RESULT, ty);
        }
    }

    /// The call itself, with where references lie while it runs, and what may catch an exception that leaves it.
    pub fn emit_call_instruction(&mut self, callee: Callee) {
        debug_assert!(self.scan.calls > 0, "an operator that calls has a row that says so");
        self.source();
        let operands = self.operands_in_slots(false);
        self.call_instruction(callee);
        self.note_map(operands);
        self.note_catches();
    }
}

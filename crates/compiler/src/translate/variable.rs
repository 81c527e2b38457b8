//! Locals, globals, and the operators that only move operands.

use super::vm::{changing_word, constant_word};
use super::{FuncTranslator, PTR, Translated, clif_type};
use crate::error::CompileError;
use crate::parse::val_type;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind, Type, Value};
use cranelift_frontend::{FunctionBuilder, Variable};
use epsilon_abi::GlobalIndex;
use epsilon_abi::layout::GlobalPlace;
use wasmparser::ValType;

/// Where locals are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LocalsIn {
    /// In CLIF values, where the optimiser sees them.
    Values,
    /// In the stack frame, for functions with too many locals in too many blocks.
    Memory,
}

/// The locals of a function, parameters first.
pub(super) enum Locals {
    Values(Vec<Variable>),
    Memory(InFrame),
}

/// Locals in one slot of the stack frame. All hang on one address: an address for each would be as many values again.
pub(super) struct InFrame {
    slot: StackSlot,
    /// The address of the slot, taken in the entry block.
    address: Value,
    places: Vec<Place>,
    /// Where those lie that may be references to objects.
    traced: Vec<u32>,
}

/// Where in the stack slot a local lies.
#[derive(Clone, Copy)]
pub(super) struct Place {
    ty: Type,
    /// Whether it may be a reference to an object.
    is_traced: bool,
    offset: i32,
}

impl Locals {
    /// No locals yet; what they need is emitted into the current block.
    pub fn new(place: LocalsIn, builder: &mut FunctionBuilder<'_>) -> Self {
        match place {
            LocalsIn::Values => Self::Values(Vec::new()),
            LocalsIn::Memory => {
                let align_log2 = LARGEST_LOCAL_BYTES.trailing_zeros() as u8;
                // It grows with each local.
                let data = StackSlotData::new(StackSlotKind::ExplicitSlot, 0, align_log2);
                let slot = builder.create_sized_stack_slot(data);
                let address = builder.ins().stack_addr(PTR, slot, 0);
                Self::Memory(InFrame { slot, address, places: Vec::new(), traced: Vec::new() })
            }
        }
    }

    /// The slot of locals in the frame, and where in it those lie that may be references to objects.
    pub fn traced_in_frame(&self) -> Option<(StackSlot, Vec<u32>)> {
        match self {
            Self::Values(_) => None,
            Self::Memory(frame) => Some((frame.slot, frame.traced.clone())),
        }
    }

    pub const fn place(&self) -> LocalsIn {
        match self {
            Self::Values(_) => LocalsIn::Values,
            Self::Memory(_) => LocalsIn::Memory,
        }
    }

    pub const fn len(&self) -> usize {
        match self {
            Self::Values(variables) => variables.len(),
            Self::Memory(frame) => frame.places.len(),
        }
    }
}

/// Bytes of a vector. All locals in memory get as many: a validated function has at most 50,000.
const LARGEST_LOCAL_BYTES: u32 = 16;

impl FuncTranslator<'_> {
    /// Adds a local with its first value.
    pub(super) fn declare_local(&mut self, ty: epsilon_abi::ValType, value: Value) {
        let (is_traced, ty) = (ty.is_traced(), clif_type(ty));
        self.budget.traced_locals += u64::from(is_traced);
        match &mut self.locals {
            Locals::Values(variables) => {
                let variable = self.builder.declare_var(ty);
                if is_traced {
                    self.builder.declare_var_needs_stack_map(variable);
                }
                self.builder.def_var(variable, value);
                variables.push(variable);
            }
            Locals::Memory(frame) => {
                let size = &mut self.builder.func.sized_stack_slots[frame.slot].size;
                let offset = *size as i32;
                *size += LARGEST_LOCAL_BYTES;
                frame.places.push(Place { ty, is_traced, offset });
                if is_traced {
                    frame.traced.push(offset as u32);
                }
                self.builder.ins().store(MemFlagsData::trusted(), value, frame.address, offset);
            }
        }
    }

    /// Where in `locals` a local is.
    fn local_place(&self, local: u32) -> usize {
        self.sparse_locals.as_ref().map_or(local, |places| places[&local]) as usize
    }

    pub(super) fn local_get(&mut self, local: u32) -> Translated {
        let place = self.local_place(local);
        let value = match &self.locals {
            Locals::Values(variables) => self.builder.use_var(variables[place]),
            Locals::Memory(frame) => {
                let Place { ty, is_traced, offset } = frame.places[place];
                let value = self.builder.ins().load(ty, MemFlagsData::trusted(), frame.address, offset);
                if is_traced {
                    self.builder.declare_value_needs_stack_map(value);
                }
                value
            }
        };
        self.push(value);
        Ok(())
    }

    pub(super) fn local_set(&mut self, local: u32) -> Translated {
        let place = self.local_place(local);
        let value = self.pop();
        match &self.locals {
            Locals::Values(variables) => self.builder.def_var(variables[place], value),
            Locals::Memory(frame) => {
                let offset = frame.places[place].offset;
                self.builder.ins().store(MemFlagsData::trusted(), value, frame.address, offset);
            }
        }
        Ok(())
    }

    pub(super) fn local_tee(&mut self, local: u32) -> Translated {
        let value = self.pop();
        self.push(value);
        self.local_set(local)?;
        self.push(value);
        Ok(())
    }

    pub(super) fn global_get(&mut self, global: u32) -> Translated {
        let global = GlobalIndex(global);
        let ty = self.env.info.globals[global.index()];
        let (flags, address, offset) =
            if ty.mutable { self.global_place(global) } else { self.constant_global_place(global) };
        let value = self.ins().load(clif_type(ty.value), flags, address, offset);
        self.push_as(value, ty.value);
        Ok(())
    }

    pub(super) fn global_set(&mut self, global: u32) -> Translated {
        let value = self.pop();
        let (flags, address, offset) = self.global_place(GlobalIndex(global));
        self.ins().store(flags, value, address, offset);
        Ok(())
    }

    fn global_place(&mut self, global: GlobalIndex) -> (MemFlagsData, Value, i32) {
        let flags = changing_word(self.regions.global);
        match self.env.layout.global(global) {
            GlobalPlace::Inline(offset) => (flags, self.vmctx(), offset),
            GlobalPlace::Pointer(offset) => (flags, self.near_pointer(offset), 0),
        }
    }

    /// An immutable global has its value before any code runs.
    fn constant_global_place(&mut self, global: GlobalIndex) -> (MemFlagsData, Value, i32) {
        let (_, address, offset) = self.global_place(global);
        (constant_word(), address, offset)
    }

    pub(super) fn drop_operand(&mut self) -> Translated {
        self.pop();
        Ok(())
    }

    pub(super) fn select(&mut self) -> Translated {
        let (a, b, condition) = self.pop3();
        let chosen = self.ins().select(condition, a, b);
        self.push(chosen);
        Ok(())
    }

    pub(super) fn select_typed(&mut self, ty: ValType) -> Translated {
        self.select()?;
        let chosen = self.pop();
        self.push_as(chosen, val_type(ty, self.env.info, self.offset)?);
        Ok(())
    }

    pub(super) fn select_multi(&mut self, types: Vec<ValType>) -> Translated {
        match types[..] {
            [ty] => self.select_typed(ty),
            _ => Err(CompileError::unsupported("`select` with other than one type", self.offset)),
        }
    }
}

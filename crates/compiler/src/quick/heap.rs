//! Objects of the garbage-collected heap: their addresses, how they are made, and how fields and elements are kept.
//!
//! A reference is an offset into the store's region. Whatever its 32 bits are, what is computed from it stays in the region or
//! in the inaccessible memory behind it: sums with an index are made in 32 bits, masked if the region is smaller than 4 GiB, and
//! what is added then is less than [`heap::GUARD_BYTES`]. Null is offset 0, where nothing is accessible: an access through it faults, which is the null check.
//! An address never lives over a call.

use super::Ty;
use super::machine::{self, ANCHOR, Cond, Reg, SCRATCH};
use super::memory::{Load, Store};
use super::operand::{Held, Operand, Place};
use super::rare::Arg;
use super::table::word;
use super::translator::Translator;
use epsilon_abi::heap::{self, VmHeap};
use epsilon_abi::vm::{VmContext, VmFuncRef, VmStoreHead};
use epsilon_abi::{CompositeType, FieldType, HeapPlan, Libcall, RefRepr, StorageType, TrapCode, TypeIndex, ValType};
use std::mem::offset_of;

/// How a packed field is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::quick) enum Extend {
    /// It is not packed.
    No,
    Signed,
    Unsigned,
}

/// How many bytes a new object has.
#[derive(Clone, Copy)]
pub(in crate::quick) enum NewSize {
    /// A structure's, or those of an array with a known length.
    Fixed { bytes: u64, length: Option<u32> },
    /// Those of an array whose length is the topmost operand, and whose elements have a power of two of bytes.
    Elements { log2: u8 },
}

/// A new object, whose fields are still zero. [`Translator::commit`] makes it one.
#[derive(Clone, Copy)]
pub(in crate::quick) struct NewObject {
    pub reference: Reg,
    /// Its address.
    pub address: Reg,
    /// Where the next object will go.
    end: Reg,
}

/// Whether a field or element is a reference to a function, of which the store's number is kept.
pub(in crate::quick) const fn is_function(storage: StorageType) -> bool {
    matches!(storage, StorageType::Val(ValType::Ref(ty)) if matches!(ty.repr(), RefRepr::Func))
}

/// How a field or element is read, and what it is then.
fn load_of(storage: StorageType, extend: Extend) -> (Load, Ty) {
    match (storage, extend) {
        (StorageType::I8, Extend::Signed) => (Load::Signed8, Ty::I32),
        (StorageType::I8, _) => (Load::Unsigned8, Ty::I32),
        (StorageType::I16, Extend::Signed) => (Load::Signed16, Ty::I32),
        (StorageType::I16, _) => (Load::Unsigned16, Ty::I32),
        (StorageType::Val(_), _) if is_function(storage) => (Load::Whole32, Ty::I32),
        (StorageType::Val(ty), _) => match Ty::of(ty) {
            ty @ (Ty::I32 | Ty::Ref) => (Load::Whole32, ty),
            Ty::I64 => (Load::Whole64, Ty::I64),
            Ty::F32 => (Load::Single, Ty::F32),
            Ty::F64 => (Load::Double, Ty::F64),
            Ty::V128 => (Load::Vector, Ty::V128),
        },
    }
}

/// How a field or element is written.
pub(in crate::quick) fn store_of(storage: StorageType) -> Store {
    match storage {
        StorageType::I8 => Store::Bits8,
        StorageType::I16 => Store::Bits16,
        StorageType::Val(_) if is_function(storage) => Store::Bits32,
        StorageType::Val(ty) => match Ty::of(ty) {
            Ty::I32 | Ty::Ref => Store::Bits32,
            Ty::I64 => Store::Bits64,
            Ty::F32 => Store::Single,
            Ty::F64 => Store::Double,
            Ty::V128 => Store::Vector,
        },
    }
}

/// Words of the heap, and addresses. None of these changes the flags but where it says so.
impl Translator<'_> {
    /// The address of the store's `VmHeap` in the scratch register.
    pub fn load_heap(&mut self) {
        self.load_at(Ty::I64, SCRATCH, ANCHOR, VmContext::from_anchor(offset_of!(VmContext, heap)));
    }

    /// The address of offset 0 of the region in the scratch register.
    pub fn load_heap_base(&mut self) {
        self.load_heap();
        self.load_at(Ty::I64, SCRATCH, SCRATCH, word(offset_of!(VmHeap, base)));
    }

    /// What 32 bits are as an offset in the region, whatever they are: in the same register, or in another one. The scratch
    /// register is overwritten, and the flags are.
    pub fn in_region(&mut self, bits: Reg, other: Reg) -> Reg {
        match self.env.plan.heap {
            HeapPlan::Whole => bits,
            HeapPlan::Masked => {
                self.load_heap();
                self.mov(Ty::I32, other, bits);
                self.and_word(other, SCRATCH, word(offset_of!(VmHeap, mask)));
                other
            }
        }
    }

    /// Where the next object goes.
    pub fn load_alloc(&mut self, to: Reg) {
        self.load_heap();
        self.load_at(Ty::I32, to, SCRATCH, word(offset_of!(VmHeap, alloc)));
    }

    /// Where a field of a structure lies.
    pub fn field(&mut self, ty: u32, field: u32) -> (FieldType, i32) {
        let ty = TypeIndex(ty);
        let offset = self.struct_layout(ty).offset(field);
        (self.env.info.type_struct(ty)[field as usize], offset as i32)
    }

    /// The elements of an array type.
    pub fn element(&self, ty: u32) -> FieldType {
        match &self.env.info.types[ty as usize].composite {
            CompositeType::Array(element) => *element,
            other => unreachable!("validated to be an array type: {other:?}"),
        }
    }

    /// Compares a register with the length of an array. The base of the region is in the scratch register, and stays there.
    pub fn compare_with_length(&mut self, reg: Reg, array: Reg) {
        let length = heap::LENGTH_OFFSET as i32;
        self.compare_from(reg, SCRATCH, array, length, Some(TrapCode::NullArray));
    }

    /// Reads a field or element, at a sum of the base in the scratch register, an offset in the region and a further one. What is
    /// `held` for the address alone is free for the result, which is pushed.
    pub fn push_storage(
        &mut self,
        storage: StorageType,
        extend: Extend,
        held: Held,
        offset: i32,
        trap: Option<TrapCode>,
    ) {
        let (load, ty) = load_of(storage, extend);
        if is_function(storage) {
            let number = self.reuse(held, false);
            self.load_from(load, ty, number, SCRATCH, held.reg, offset, trap);
            return self.push_function(number);
        }
        let to = match self.hint(ty.is_float()) {
            Some(pin) => {
                self.done(held);
                pin
            }
            None => self.reuse(held, ty.is_float()),
        };
        self.load_from(load, ty, to, SCRATCH, held.reg, offset, trap);
        self.push_reg(to, ty);
    }

    /// Pushes the reference to the function with a number of the store, null for 0: the store's list has it, or the runtime.
    fn push_function(&mut self, number: Reg) {
        let to = self.allocate(false);
        let back = self.asm.new_label();
        let ask = self.rare_call(Libcall::FuncOfNumber, &[Arg::Reg(number)], (to, Ty::I64), None, back);
        self.load_at(Ty::I64, SCRATCH, ANCHOR, VmContext::from_anchor(offset_of!(VmContext, store)));
        self.load_at(Ty::I64, SCRATCH, SCRATCH, word(offset_of!(VmStoreHead, known_references)));
        self.known_place(to, number);
        self.asm.jcc(Cond::NotEqual, ask);
        self.asm.bind(back);
        self.registers.release(number);
        self.push_reg(to, Ty::I64);
    }

    /// Makes a reference to a function the store's number of it, 0 for null. Changes the flags.
    pub fn number_of_function(&mut self, reg: Reg) {
        let null = self.asm.new_label();
        self.test_zero(reg, true);
        self.asm.jcc(Cond::Equal, null);
        self.load_at(Ty::I32, reg, reg, word(offset_of!(VmFuncRef, entry)));
        self.asm.bind(null);
    }

    /// A popped operand as a field or element keeps it, in a register; `None` for a constant that an instruction stores.
    pub fn stored(&mut self, storage: StorageType, value: Operand) -> Result<Held, u64> {
        match value.place {
            Place::Const(bits) if machine::stores_const(value.ty, bits) && (bits == 0 || !is_function(storage)) => {
                Err(bits)
            }
            _ if is_function(storage) => {
                let reg = self.own(value);
                self.number_of_function(reg);
                Ok(Held { reg, owned: true })
            }
            _ => {
                let held = self.read(value);
                self.registers.locked |= held.reg.bit();
                Ok(held)
            }
        }
    }

    /// Writes what [`Self::stored`] has given, at a sum of the base in the scratch register, a register and an offset.
    pub fn store_stored(
        &mut self,
        storage: StorageType,
        value: Result<Held, u64>,
        index: Reg,
        offset: i32,
        trap: Option<TrapCode>,
    ) {
        let store = store_of(storage);
        match value {
            Ok(held) => {
                self.store_to(store, held.reg, SCRATCH, Some(index), offset, trap);
                self.done(held);
            }
            Err(bits) => self.store_const_to(store, bits, SCRATCH, Some(index), offset, trap),
        }
    }

    /// Notes that a reference is about to be stored into an object: the collector then looks for references from it to
    /// younger objects. It stands before the store, so that no store is ever without it, wherever a thread is stopped. Null
    /// and other constants need no note. Two registers are overwritten, the scratch register and `card`, and so are the flags.
    pub fn mark_card(&mut self, object: Reg, storage: StorageType, is_const: bool, card: Reg) {
        let StorageType::Val(ty) = storage else { return };
        if !ty.is_traced() || is_const {
            return;
        }
        let object = self.in_region(object, card);
        self.load_heap();
        self.load_at(Ty::I64, SCRATCH, SCRATCH, word(offset_of!(VmHeap, cards)));
        self.shift_right(card, object, heap::CARD_LOG2);
        self.mark_byte(card);
    }
}

/// New objects.
impl Translator<'_> {
    /// Memory for an object, with its header, and an array's length, as yet behind the heap's objects.
    pub fn new_object(&mut self, ty: TypeIndex, size: NewSize) -> NewObject {
        let [reference, end, address] = std::array::from_fn(|_| self.allocate(false));
        let record = self.env.layout.signature(ty);
        let length = match size {
            NewSize::Fixed { length, .. } => Arg::Const(length.unwrap_or(0).into()),
            NewSize::Elements { .. } => self.operand_arg(self.stack[self.stack.len() - 1]),
        };
        let back = self.asm.new_label();
        let args = [Arg::Word(record), length];
        let slow = self.rare_call(Libcall::GcAlloc, &args, (reference, Ty::Ref), Some(end), back);
        match size {
            NewSize::Fixed { bytes, .. } if bytes > u64::from(heap::LARGE_OBJECT_BYTES) => self.asm.jmp(slow),
            NewSize::Fixed { bytes, .. } => {
                self.load_alloc(reference);
                // The limit is so far below 2^32 that the sum does not overflow.
                self.add_const(end, reference, bytes as i32);
                self.compare_word(end, SCRATCH, word(offset_of!(VmHeap, limit)));
                self.asm.jcc(Cond::Above, slow);
            }
            NewSize::Elements { log2 } => {
                self.copy_into(self.stack[self.stack.len() - 1], end);
                self.shift_left(end, log2);
                let behind = heap::ELEMENTS_OFFSET as i32 + if log2 < 2 { 3 } else { 0 };
                self.add_const(end, end, behind);
                if log2 < 2 {
                    self.clear_low_bits(end);
                }
                self.compare_const(end, heap::LARGE_OBJECT_BYTES);
                self.asm.jcc(Cond::Above, slow);
                self.load_alloc(reference);
                self.add_wide(end, end, reference);
                self.compare_word(end, SCRATCH, word(offset_of!(VmHeap, limit)));
                self.asm.jcc(Cond::Above, slow);
            }
        }
        self.asm.bind(back);
        self.load_heap_base();
        self.add_wide(address, SCRATCH, reference);
        self.load_at(Ty::I32, SCRATCH, ANCHOR, record);
        self.store_at(Ty::I32, SCRATCH, address, 0);
        self.store_length(address, size);
        NewObject { reference, address, end }
    }

    fn store_length(&mut self, address: Reg, size: NewSize) {
        let length = match size {
            NewSize::Fixed { length: None, .. } => return,
            NewSize::Fixed { length: Some(length), .. } => {
                self.const_to(Ty::I32, SCRATCH, length.into());
                SCRATCH
            }
            NewSize::Elements { .. } => self.in_register(self.stack[self.stack.len() - 1]),
        };
        self.store_at(Ty::I32, length, address, heap::LENGTH_OFFSET as i32);
    }

    /// Writes an operand, which stays on the stack, into a field or element of new memory.
    pub fn initialise(&mut self, storage: StorageType, operand: Operand, address: Reg, offset: i32) {
        let store = store_of(storage);
        match operand.place {
            Place::Const(bits) if machine::stores_const(operand.ty, bits) && (bits == 0 || !is_function(storage)) => {
                self.store_const_to(store, bits, address, None, offset, None);
            }
            _ => {
                let reg = self.kept_form(storage, operand);
                self.store_to(store, reg, address, None, offset, None);
            }
        }
    }

    /// An operand, which stays on the stack, as a field or element keeps it, in a register that is to be read from at once: its
    /// own or a scratch one.
    pub fn kept_form(&mut self, storage: StorageType, operand: Operand) -> Reg {
        if !is_function(storage) {
            return self.in_register(operand);
        }
        self.copy_into(operand, SCRATCH);
        self.number_of_function(SCRATCH);
        SCRATCH
    }

    /// An operand, which stays on the stack, in a register that is to be read from at once: its own or a scratch one.
    pub fn in_register(&mut self, operand: Operand) -> Reg {
        self.register_of(operand.place).unwrap_or_else(|| {
            let scratch = machine::scratch(operand.ty.is_float());
            self.read_into(operand, scratch);
            scratch
        })
    }

    /// An operand, which stays on the stack, into a register.
    pub fn copy_into(&mut self, operand: Operand, to: Reg) {
        match self.register_of(operand.place) {
            Some(reg) => self.mov(operand.ty, to, reg),
            None => self.read_into(operand, to),
        }
    }

    /// Makes new memory an object, which the collector knows from now on. Its address is free for other uses.
    pub fn commit(&mut self, object: NewObject) {
        self.load_heap();
        self.store_at(Ty::I32, object.end, SCRATCH, word(offset_of!(VmHeap, alloc)));
        self.registers.release(object.end);
    }
}

//! Objects of the garbage-collected heap: their addresses, their headers, how they are made, and which values the
//! collector has to find.
//!
//! A reference is an offset into the store's region. Whatever its 32 bits are, what is computed from it stays in the region or
//! in the inaccessible memory behind it: sums with an index are made in 32 bits, masked if the region is smaller than 4 GiB, and
//! what is added then is less than [`heap::GUARD_BYTES`]. Null is offset 0, where nothing is accessible: an access through it faults, which is the null check.
//!
//! Values that may be references to objects are declared to Cranelift's builder, which keeps those that live over a call in
//! slots of the frame that a stack map lists. An address is computed from the reference where it is used, and never kept
//! over a call.
//!
//! Every place in an object is accessed under one alias region, the same one whatever type it is seen as: a field's is that of
//! its offset and kind, an element's that of its kind. So what a subtype and its supertypes share is one place.

use super::vm::{constant_word, field};
use super::{FuncTranslator, PTR, clif_type};
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    self, AliasRegion, AliasRegionData, Block, BlockArg, InstBuilder, MemFlagsData, UserStackMapEntry, Value, types,
};
use cranelift_frontend::FunctionBuilder;
use epsilon_abi::heap::{self, StructLayout, VmHeap};
use epsilon_abi::vm::{VmContext, VmFuncRef};
use epsilon_abi::{
    CompositeType, FieldType, HeapPlan, Libcall, RefRepr, RefType, StorageType, TrapCode, TypeIndex, ValType,
};
use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::offset_of;
use std::rc::Rc;

/// What is known of the module's types and of the heap's alias regions while a function is translated.
#[derive(Default)]
pub(super) struct HeapState {
    layouts: HashMap<TypeIndex, Rc<StructLayout>>,
    regions: HashMap<Place, AliasRegion>,
}

/// Places of the heap that are never the same memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Header,
    Length,
    Field(u32, Kind),
    Element(Kind),
    Cards,
    /// Where the next object goes, and how far objects may go.
    Alloc,
    Limit,
}

/// How a field or element is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
    V128,
    Reference,
    Function,
}

impl Kind {
    pub const fn of(storage: StorageType) -> Self {
        match storage {
            StorageType::I8 => Self::I8,
            StorageType::I16 => Self::I16,
            StorageType::Val(ValType::I32) => Self::I32,
            StorageType::Val(ValType::I64) => Self::I64,
            StorageType::Val(ValType::F32) => Self::F32,
            StorageType::Val(ValType::F64) => Self::F64,
            StorageType::Val(ValType::V128) => Self::V128,
            StorageType::Val(ValType::Ref(ty)) => match ty.repr() {
                RefRepr::Index => Self::Reference,
                RefRepr::Func => Self::Function,
            },
        }
    }
}

/// The least `user_id` of a region of the heap, and of one for a slot of the frame.
const FIRST_HEAP_REGION: u32 = 16;
const FIRST_SLOT_REGION: u32 = 1 << 24;

/// Of how many operands an operator may ask the type.
pub(super) const OPERANDS: usize = 5;

/// How a packed field is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extend {
    /// It is not packed.
    No,
    Signed,
    Unsigned,
}

/// What a new object's memory is.
pub(super) struct NewObject {
    pub reference: Value,
    /// Where the next object goes, to be stored when this one is whole; `None` if the runtime has done so.
    end: Option<Value>,
}

/// Slots that hold references over calls are memory of their own, each of them.
pub(super) fn name_slot_regions(builder: &mut FunctionBuilder<'_>) {
    builder.make_stack_map_alias_region(Box::new(|regions, _, slot, _| {
        let user_id = FIRST_SLOT_REGION + slot.as_u32();
        Some(regions.insert(AliasRegionData { user_id, description: Cow::Borrowed("a reference over calls") }))
    }));
}

/// Lists locals of the frame in the stack maps of all calls: bytes from the start of a slot, for each that may be a reference
/// to an object.
pub(super) fn list_locals(func: &mut ir::Function, slot: ir::StackSlot, offsets: &[u32]) {
    let blocks: Vec<Block> = func.layout.blocks().collect();
    for block in blocks {
        let calls: Vec<_> = func.layout.block_insts(block).filter(|inst| is_safepoint(func, *inst)).collect();
        for call in calls {
            for offset in offsets {
                let entry = UserStackMapEntry { ty: types::I32, slot, offset: *offset };
                func.dfg.append_user_stack_map_entry(call, entry);
            }
        }
    }
}

fn is_safepoint(func: &ir::Function, inst: ir::Inst) -> bool {
    let opcode = func.dfg.insts[inst].opcode();
    opcode.is_call() && !opcode.is_return()
}

impl FuncTranslator<'_> {
    /// Notes that a value may be a reference to an object, if its type says so.
    pub(super) fn declare(&mut self, value: Value, ty: ValType) {
        if ty.is_traced() {
            self.builder.declare_value_needs_stack_map(value);
        }
    }

    /// Pushes an operand of a type.
    pub(super) fn push_as(&mut self, value: Value, ty: ValType) {
        self.declare(value, ty);
        self.push(value);
    }

    /// Flags of accesses to a place that is known to be there.
    pub(super) fn place_flags(&mut self, place: Place) -> MemFlagsData {
        let next = FIRST_HEAP_REGION + self.heap.regions.len() as u32;
        let region = *self.heap.regions.entry(place).or_insert_with(|| {
            let data = AliasRegionData { user_id: next, description: Cow::Borrowed("heap") };
            self.builder.func.dfg.alias_regions.insert(data)
        });
        // Nothing in an object is aligned to more than four bytes. All accesses to a place have the same byte order, that of the
        // machine: else none would know what another one has stored.
        MemFlagsData::new().with_notrap().with_alias_region(Some(region))
    }

    /// Flags of accesses to a place through a reference that may be null, and which operand it is, counted from the top:
    /// unless validation knows better, null faults.
    pub(super) fn faulting_flags(&mut self, place: Place, operand: usize, trap: TrapCode) -> MemFlagsData {
        let flags = self.place_flags(place);
        if self.is_never_null(operand) { flags } else { flags.with_trap_code(Some(clif_trap(trap))) }
    }

    /// Whether an operand of the current operator, counted from the top, is of a type without null.
    pub(super) fn is_never_null(&self, operand: usize) -> bool {
        self.reference_types[operand].is_some_and(|ty| !ty.is_nullable())
    }

    /// The address of the store's `VmHeap`.
    fn heap_words(&mut self) -> Value {
        self.near_pointer(VmContext::from_anchor(offset_of!(VmContext, heap)))
    }

    /// A word of the `VmHeap` that never changes.
    fn heap_constant(&mut self, offset: usize) -> Value {
        let heap = self.heap_words();
        self.ins().load(PTR, constant_word(), heap, field(offset))
    }

    /// The address of an object, or of what lies at a sum of 32 bits in the region.
    pub(super) fn object_address(&mut self, reference: Value) -> Value {
        let base = self.heap_constant(offset_of!(VmHeap, base));
        let offset = self.region_offset(reference);
        let offset = self.ins().uextend(PTR, offset);
        self.ins().iadd(base, offset)
    }

    /// What 32 bits are as an offset in the region, whatever they are.
    fn region_offset(&mut self, bits: Value) -> Value {
        match self.env.plan.heap {
            HeapPlan::Whole => bits,
            HeapPlan::Masked => {
                let heap = self.heap_words();
                let mask = self.ins().load(types::I32, constant_word(), heap, field(offset_of!(VmHeap, mask)));
                self.ins().band(bits, mask)
            }
        }
    }

    /// The canonical word of a type: of structures and arrays the offset of its record, of functions the id.
    pub(super) fn type_word(&mut self, ty: TypeIndex) -> Value {
        let vmctx = self.vmctx();
        let place = self.env.layout.signature(ty);
        self.ins().load(types::I32, constant_word(), vmctx, place)
    }

    /// The header of an object; `trap` is what null is, if it may be null.
    pub(super) fn header(&mut self, reference: Value, trap: Option<TrapCode>) -> Value {
        let flags = self.place_flags(Place::Header).with_trap_code(trap.map(clif_trap));
        let address = self.object_address(reference);
        self.ins().load(types::I32, flags, address, 0)
    }

    /// The offset of the record that a header names, whatever its bits are.
    pub(super) fn record_of(&mut self, header: Value) -> Value {
        self.ins().band_imm_u(header, i64::from(heap::RECORD_MASK))
    }

    /// A word of the record that a header names.
    pub(super) fn record_word(&mut self, header: Value, offset: usize) -> Value {
        let record = self.record_of(header);
        let records = self.heap_constant(offset_of!(VmHeap, records));
        let record = self.ins().uextend(PTR, record);
        let address = self.ins().iadd(records, record);
        // Records of types that objects have do not change.
        self.ins().load(types::I32, MemFlagsData::trusted().with_readonly(), address, field(offset))
    }

    /// Where the fields of a structure type lie.
    pub(super) fn struct_layout(&mut self, ty: TypeIndex) -> Rc<StructLayout> {
        let info = self.env.info;
        let make = || Rc::new(StructLayout::new(info.type_struct(ty)));
        self.heap.layouts.entry(ty).or_insert_with(make).clone()
    }

    /// Reads a field or element.
    pub(super) fn load_storage(
        &mut self,
        storage: StorageType,
        extend: Extend,
        flags: MemFlagsData,
        address: Value,
        offset: i32,
    ) -> Value {
        match (storage, extend) {
            (StorageType::I8, Extend::Signed) => self.ins().sload8(types::I32, flags, address, offset),
            (StorageType::I8, _) => self.ins().uload8(types::I32, flags, address, offset),
            (StorageType::I16, Extend::Signed) => self.ins().sload16(types::I32, flags, address, offset),
            (StorageType::I16, _) => self.ins().uload16(types::I32, flags, address, offset),
            (StorageType::Val(ValType::Ref(ty)), _) if ty.repr() == RefRepr::Func => {
                let number = self.ins().load(types::I32, flags, address, offset);
                self.func_of_number(number)
            }
            (StorageType::Val(ty), _) => {
                let value = self.ins().load(clif_type(ty), flags, address, offset);
                self.declare(value, ty);
                value
            }
        }
    }

    /// An operand as it is kept in a field or element.
    pub(super) fn stored_value(&mut self, storage: StorageType, value: Value) -> Value {
        match storage {
            StorageType::I8 | StorageType::I16 => value,
            StorageType::Val(ValType::Ref(ty)) if ty.repr() == RefRepr::Func => self.number_of_func(value, ty),
            StorageType::Val(_) => value,
        }
    }

    /// Writes what [`Self::stored_value`] gives.
    pub(super) fn store_storage(
        &mut self,
        storage: StorageType,
        value: Value,
        flags: MemFlagsData,
        address: Value,
        offset: i32,
    ) {
        match storage {
            StorageType::I8 => self.ins().istore8(flags, value, address, offset),
            StorageType::I16 => self.ins().istore16(flags, value, address, offset),
            StorageType::Val(_) => self.ins().store(flags, value, address, offset),
        };
    }

    /// The address of the function with a number of the store; null for 0.
    fn func_of_number(&mut self, number: Value) -> Value {
        self.reference_of_number(number, |this| this.libcall_with_result(Libcall::FuncOfNumber, &[number]))
    }

    /// The store's number of a function; 0 for null.
    fn number_of_func(&mut self, reference: Value, ty: RefType) -> Value {
        let entry = field(offset_of!(VmFuncRef, entry));
        if !ty.nullable {
            return self.ins().load(types::I32, constant_function_word(), reference, entry);
        }
        let (there, next) = (self.builder.create_block(), self.builder.create_block());
        let number = self.builder.append_block_param(next, types::I32);
        let zero = self.ins().iconst(types::I32, 0);
        self.ins().brif(reference, there, &[], next, &[BlockArg::Value(zero)]);
        self.builder.seal_block(there);
        self.switch_to_only_successor(there);
        let known = self.ins().load(types::I32, constant_function_word(), reference, entry);
        self.ins().jump(next, &[BlockArg::Value(known)]);
        self.builder.seal_block(next);
        let vmctx = self.block_vmctx;
        self.switch_to(next);
        self.block_vmctx = vmctx;
        number
    }

    /// Notes that a reference is about to be stored into an object: the collector then looks for references from it to
    /// younger objects. It stands before the store, so that no store is ever without it, wherever a thread is stopped.
    pub(super) fn mark_card(&mut self, object: Value, ty: FieldType, value: Value) {
        let StorageType::Val(ty) = ty.storage else { return };
        if !ty.is_traced() || self.is_no_object(value) {
            return;
        }
        let cards = self.heap_constant(offset_of!(VmHeap, cards));
        let object = self.region_offset(object);
        let card = self.ins().ushr_imm_u(object, i64::from(heap::CARD_LOG2));
        let card = self.ins().uextend(PTR, card);
        let address = self.ins().iadd(cards, card);
        let flags = self.place_flags(Place::Cards);
        let one = self.ins().iconst(types::I8, 1);
        self.ins().store(flags, one, address, 0);
    }

    /// Whether a value is known to be null or an `i31`.
    fn is_no_object(&self, value: Value) -> bool {
        let dfg = &self.builder.func.dfg;
        let Some(inst) = dfg.value_def(dfg.resolve_aliases(value)).inst() else { return false };
        match dfg.insts[inst] {
            ir::InstructionData::UnaryImm { opcode: ir::Opcode::Iconst, imm } => imm.bits() == 0 || imm.bits() & 1 == 1,
            ir::InstructionData::Binary { opcode: ir::Opcode::Bor, args } => self.is_no_object(args[1]),
            _ => false,
        }
    }

    /// Memory for an object of a type that has so many bytes. Its fields are zero; [`Self::commit`] makes it one.
    pub(super) fn allocate(&mut self, ty: TypeIndex, bytes: u64, length: Option<Value>) -> NewObject {
        let record = self.type_word(ty);
        if bytes > u64::from(heap::LARGE_OBJECT_BYTES) {
            return self.allocate_by_runtime(record, length);
        }
        let words = self.heap_words();
        let (alloc, limit) = self.alloc_and_limit(words);
        // The limit is so far below 2^32 that the sum does not overflow.
        let end = self.ins().iadd_imm_u(alloc, bytes.cast_signed());
        let is_full = self.ins().icmp(IntCC::UnsignedGreaterThan, end, limit);
        self.allocate_unless(is_full, record, length, alloc, end)
    }

    /// Memory for an array with so many elements, a number that is not known before.
    pub(super) fn allocate_array(&mut self, ty: TypeIndex, element_log2: u32, length: Value) -> NewObject {
        let record = self.type_word(ty);
        let words = self.heap_words();
        let (alloc, limit) = self.alloc_and_limit(words);
        let len = self.ins().uextend(types::I64, length);
        let bytes = self.ins().ishl_imm_u(len, i64::from(element_log2));
        let behind = i64::from(heap::ELEMENTS_OFFSET) + if element_log2 < 2 { 3 } else { 0 };
        let bytes = self.ins().iadd_imm_u(bytes, behind);
        let bytes = if element_log2 < 2 { self.ins().band_imm_s(bytes, -4) } else { bytes };
        let (start, limit) = (self.ins().uextend(types::I64, alloc), self.ins().uextend(types::I64, limit));
        let end = self.ins().iadd(start, bytes);
        let is_full = self.ins().icmp(IntCC::UnsignedGreaterThan, end, limit);
        let largest = i64::from(heap::LARGE_OBJECT_BYTES);
        let is_large = self.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, bytes, largest);
        let is_full = self.ins().bor(is_full, is_large);
        let end = self.ins().ireduce(types::I32, end);
        self.allocate_unless(is_full, record, Some(length), alloc, end)
    }

    fn alloc_and_limit(&mut self, words: Value) -> (Value, Value) {
        let flags = self.place_flags(Place::Alloc);
        let alloc = self.ins().load(types::I32, flags, words, field(offset_of!(VmHeap, alloc)));
        let flags = self.place_flags(Place::Limit);
        let limit = self.ins().load(types::I32, flags, words, field(offset_of!(VmHeap, limit)));
        (alloc, limit)
    }

    /// Takes what lies from `alloc` to `end`, or has the runtime find memory where there is not so much.
    fn allocate_unless(
        &mut self,
        is_full: Value,
        record: Value,
        length: Option<Value>,
        alloc: Value,
        end: Value,
    ) -> NewObject {
        let [slow, fast, next] = std::array::from_fn(|_| self.builder.create_block());
        self.builder.set_cold_block(slow);
        let reference = self.builder.append_block_param(next, types::I32);
        let next_end = self.builder.append_block_param(next, types::I32);
        self.ins().brif(is_full, slow, &[], fast, &[]);
        self.builder.seal_block(slow);
        self.builder.seal_block(fast);

        self.switch_to(slow);
        let object = self.allocate_by_runtime(record, length);
        let words = self.heap_words();
        let (behind, _) = self.alloc_and_limit(words);
        self.ins().jump(next, &[BlockArg::Value(object.reference), BlockArg::Value(behind)]);

        self.switch_to(fast);
        let address = self.object_address(alloc);
        let flags = self.place_flags(Place::Header);
        self.ins().store(flags, record, address, 0);
        if let Some(length) = length {
            let flags = self.place_flags(Place::Length);
            self.ins().store(flags, length, address, heap::LENGTH_OFFSET as i32);
        }
        self.ins().jump(next, &[BlockArg::Value(alloc), BlockArg::Value(end)]);

        self.builder.seal_block(next);
        self.switch_to(next);
        self.builder.declare_value_needs_stack_map(reference);
        NewObject { reference, end: Some(next_end) }
    }

    fn allocate_by_runtime(&mut self, record: Value, length: Option<Value>) -> NewObject {
        let length = length.unwrap_or_else(|| self.builder.ins().iconst(types::I32, 0));
        let reference = self.libcall_with_result(Libcall::GcAlloc, &[record, length]);
        let reference = self.ins().ireduce(types::I32, reference);
        self.builder.declare_value_needs_stack_map(reference);
        NewObject { reference, end: None }
    }

    /// Makes new memory an object: from now on the collector knows it.
    pub(super) fn commit(&mut self, object: &NewObject) {
        let Some(end) = object.end else { return };
        let words = self.heap_words();
        let flags = self.place_flags(Place::Alloc);
        self.ins().store(flags, end, words, field(offset_of!(VmHeap, alloc)));
    }

    /// The elements of an array type.
    pub(super) fn element(&self, ty: u32) -> FieldType {
        match &self.env.info.types[ty as usize].composite {
            CompositeType::Array(element) => *element,
            other => unreachable!("validated to be an array type: {other:?}"),
        }
    }
}

/// Flags of what never changes in a function's `VmFuncRef`.
fn constant_function_word() -> MemFlagsData {
    MemFlagsData::trusted()
}

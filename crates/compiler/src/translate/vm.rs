//! Loads of the words behind the pinned register, and the alias regions that keep their accesses apart.
//!
//! The pinned register is read in two ways. Words that never change and are worth keeping hang on one read in the entry
//! block, so that the optimiser can share and hoist their loads. Everything else reads the register where it is needed:
//! a move costs less than a register that lives across calls.

use super::{FuncTranslator, PTR};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{self, AliasRegion, AliasRegionData, InstBuilder, MemFlagsData, Value};
use epsilon_abi::vm::{VmMemoryRef, VmTableRef};
use epsilon_abi::{MemoryIndex, TableIndex};
use std::borrow::Cow;
use std::mem::offset_of;

/// One region for each kind of memory. Two imports may be the same item, so kinds are not split further.
#[derive(Clone, Copy)]
pub(super) struct Regions {
    /// Linear memories.
    pub memory: AliasRegion,
    /// Elements of tables.
    pub table: AliasRegion,
    /// Values of globals.
    pub global: AliasRegion,
    /// Bases and sizes of memories and tables.
    pub bounds: AliasRegion,
}

impl Regions {
    pub fn new(func: &mut ir::Function) -> Self {
        let mut user_id = 0;
        let mut region = |description| {
            user_id += 1;
            func.dfg.alias_regions.insert(AliasRegionData { user_id, description: Cow::Borrowed(description) })
        };
        Self { memory: region("memory"), table: region("table"), global: region("global"), bounds: region("bounds") }
    }
}

/// Flags for words that never change while code of the instance runs.
pub(super) const fn constant_word() -> MemFlagsData {
    MemFlagsData::trusted().with_readonly().with_can_move()
}

/// Flags for words of the runtime that change.
pub(super) fn changing_word(region: AliasRegion) -> MemFlagsData {
    MemFlagsData::trusted().with_alias_region(Some(region))
}

impl FuncTranslator<'_> {
    /// The pinned register, for use in this block up to the next call.
    pub(super) fn vmctx(&mut self) -> Value {
        if let Some(value) = self.block_vmctx {
            return value;
        }
        let value = self.ins().get_pinned_reg(PTR);
        self.block_vmctx = Some(value);
        value
    }

    /// The pinned register as the entry block read it, for words that the optimiser may keep.
    pub(super) fn entry_vmctx(&mut self) -> Value {
        if let Some(value) = self.entry_vmctx {
            return value;
        }
        let mut at_entry = FuncCursor::new(self.builder.func).at_first_insertion_point(self.entry);
        let value = at_entry.ins().get_pinned_reg(PTR);
        self.entry_vmctx = Some(value);
        value
    }

    /// Calls leave nothing of what was read from the pinned register worth keeping in a register.
    pub(super) fn after_call(&mut self) {
        self.charge_held();
        self.block_vmctx = None;
    }

    /// Loads a pointer that never changes and may be kept, at an offset from the anchor.
    fn kept_pointer(&mut self, offset: i32) -> Value {
        let vmctx = self.entry_vmctx();
        self.ins().load(PTR, constant_word(), vmctx, offset)
    }

    /// Loads a pointer that never changes but is not worth keeping.
    pub(super) fn near_pointer(&mut self, offset: i32) -> Value {
        let vmctx = self.vmctx();
        self.ins().load(PTR, constant_word(), vmctx, offset)
    }

    /// The address of byte 0 of a memory that never moves.
    pub(super) fn constant_memory_base(&mut self, memory: MemoryIndex) -> Value {
        self.kept_pointer(self.env.layout.memory(memory) + field(offset_of!(VmMemoryRef, base)))
    }

    /// The address of a memory's `VmMemory`.
    pub(super) fn memory_def(&mut self, memory: MemoryIndex) -> Value {
        self.kept_pointer(self.env.layout.memory(memory) + field(offset_of!(VmMemoryRef, def)))
    }

    /// The address of element 0 of a table that never grows.
    pub(super) fn constant_table_base(&mut self, table: TableIndex) -> Value {
        self.near_pointer(self.env.layout.table(table) + field(offset_of!(VmTableRef, base)))
    }

    /// The address of a table's `VmTable`.
    pub(super) fn table_def(&mut self, table: TableIndex) -> Value {
        self.near_pointer(self.env.layout.table(table) + field(offset_of!(VmTableRef, def)))
    }

    /// Loads a word that the runtime changes: a base or a size.
    pub(super) fn bounds_word(&mut self, def: Value, offset: usize) -> Value {
        let flags = changing_word(self.regions.bounds);
        self.ins().load(PTR, flags, def, field(offset))
    }
}

/// The offset of a field as an immediate.
pub(super) const fn field(offset: usize) -> i32 {
    assert!(offset < 1 << 16, "fields of the runtime's words are near");
    offset as i32
}

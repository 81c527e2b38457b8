//! Where a module's own words lie behind the [`VmContext`] header. Compiler and runtime both ask here.

use crate::vm::{VmContext, VmGlobal, VmMemoryRef, VmTableRef};
use crate::{FuncIndex, GlobalIndex, MemoryIndex, ModuleInfo, TableIndex, TypeIndex};
use std::mem::size_of;

/// Offsets in bytes from the [`VmContext`].
///
/// ```text
/// 0                      VmContext
/// imported_functions     usize   × imported functions    code to call, under any anchor
/// memories               VmMemoryRef × memories
/// tables                 VmTableRef  × tables
/// imported_globals       *VmGlobal   × imported globals
/// signatures             u32     × types                 canonical ids of types
/// globals                VmGlobal × defined globals      16-byte aligned
/// size                   end
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmLayout {
    imported_functions: u32,
    memories: u32,
    tables: u32,
    imported_globals: u32,
    signatures: u32,
    globals: u32,
    size: u32,
    first_defined_global: u32,
}

impl VmLayout {
    /// The layout for a module.
    ///
    /// # Panics
    /// If the words exceed 2 GiB; the limits of validation keep them far below.
    pub fn new(info: &ModuleInfo) -> Self {
        let mut at = size_of::<VmContext>();
        let mut take = |count: usize, bytes: usize, align: usize| {
            at = at.next_multiple_of(align);
            let start = at;
            at += count * bytes;
            assert!(at < i32::MAX as usize, "the words of an instance fit 2 GiB");
            start as u32
        };
        let imported_functions = take(info.imported_functions, 8, 8);
        let memories = take(info.memories.len(), size_of::<VmMemoryRef>(), 8);
        let tables = take(info.tables.len(), size_of::<VmTableRef>(), 8);
        let imported_globals = take(info.imported_globals, 8, 8);
        let signatures = take(info.types.len(), 4, 4);
        let globals = take(info.global_inits.len(), size_of::<VmGlobal>(), 16);
        let size = take(0, 0, 16);
        Self {
            imported_functions,
            memories,
            tables,
            imported_globals,
            signatures,
            globals,
            size,
            first_defined_global: info.imported_globals as u32,
        }
    }

    /// Size of all the words in bytes, a multiple of 16.
    pub const fn size_bytes(&self) -> usize {
        self.size as usize
    }

    /// Where the code address of an imported function lies.
    pub const fn imported_function(&self, func: FuncIndex) -> i32 {
        (self.imported_functions + func.0 * 8) as i32
    }

    /// Where the [`VmMemoryRef`] of a memory lies.
    pub const fn memory(&self, memory: MemoryIndex) -> i32 {
        (self.memories + memory.0 * size_of::<VmMemoryRef>() as u32) as i32
    }

    /// Where the [`VmTableRef`] of a table lies.
    pub const fn table(&self, table: TableIndex) -> i32 {
        (self.tables + table.0 * size_of::<VmTableRef>() as u32) as i32
    }

    /// Where the `u32` canonical id of a type lies.
    pub const fn signature(&self, ty: TypeIndex) -> i32 {
        (self.signatures + ty.0 * 4) as i32
    }

    /// Where a global lies.
    pub const fn global(&self, global: GlobalIndex) -> GlobalPlace {
        match global.0.checked_sub(self.first_defined_global) {
            None => GlobalPlace::Pointer((self.imported_globals + global.0 * 8) as i32),
            Some(defined) => GlobalPlace::Inline((self.globals + defined * size_of::<VmGlobal>() as u32) as i32),
        }
    }
}

/// Where a global lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalPlace {
    /// The [`VmGlobal`] itself is at this offset from the [`VmContext`].
    Inline(i32),
    /// A pointer to the [`VmGlobal`] is at this offset from the [`VmContext`].
    Pointer(i32),
}

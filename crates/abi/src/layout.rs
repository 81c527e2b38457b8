//! Where a module's own words lie below the anchor, under the [`VmContext`] header. Compiler and runtime both ask here.

use crate::vm::{VmContext, VmGlobal, VmMemoryRef, VmTableRef};
use crate::{FuncIndex, GlobalIndex, MemoryIndex, ModuleInfo, TableIndex, TypeIndex};
use std::mem::size_of;

/// Offsets in bytes from the anchor. All are negative; what is used most lies nearest, within the reach of short
/// displacements.
///
/// ```text
/// -size                  start, 16-aligned
/// signatures             u32         × types                 canonical ids of types
/// imported_globals       *VmGlobal   × imported globals
/// imported_functions     usize       × imported functions    code to call, under any anchor
/// tables                 VmTableRef  × tables
/// memories               VmMemoryRef × memories
/// globals                VmGlobal    × defined globals       the first one highest
/// -size of VmContext     VmContext
/// 0                      the anchor
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmLayout {
    imported_functions: i32,
    memories: i32,
    tables: i32,
    imported_globals: i32,
    signatures: i32,
    size: u32,
    first_defined_global: u32,
}

impl VmLayout {
    /// The layout for a module.
    ///
    /// # Panics
    /// If the words exceed 2 GiB; the limits of validation keep them far below.
    pub fn new(info: &ModuleInfo) -> Self {
        let mut below = size_of::<VmContext>();
        let mut take = |count: usize, bytes: usize, align: usize| {
            below = (below + count * bytes).next_multiple_of(align);
            assert!(below < i32::MAX as usize, "the words of an instance fit 2 GiB");
            -(below as i32)
        };
        take(info.global_inits.len(), size_of::<VmGlobal>(), 16);
        let memories = take(info.memories.len(), size_of::<VmMemoryRef>(), 8);
        let tables = take(info.tables.len(), size_of::<VmTableRef>(), 8);
        let imported_functions = take(info.imported_functions, 8, 8);
        let imported_globals = take(info.imported_globals, 8, 8);
        let signatures = take(info.types.len(), 4, 4);
        let size = take(0, 0, 16).unsigned_abs();
        let first_defined_global = info.imported_globals as u32;
        Self { imported_functions, memories, tables, imported_globals, signatures, size, first_defined_global }
    }

    /// Size of all the words in bytes, a multiple of 16.
    pub const fn size_bytes(&self) -> usize {
        self.size as usize
    }

    /// Where the code address of an imported function lies.
    pub const fn imported_function(&self, func: FuncIndex) -> i32 {
        self.imported_functions + func.0 as i32 * 8
    }

    /// Where the [`VmMemoryRef`] of a memory lies.
    pub const fn memory(&self, memory: MemoryIndex) -> i32 {
        self.memories + memory.0 as i32 * size_of::<VmMemoryRef>() as i32
    }

    /// Where the [`VmTableRef`] of a table lies.
    pub const fn table(&self, table: TableIndex) -> i32 {
        self.tables + table.0 as i32 * size_of::<VmTableRef>() as i32
    }

    /// Where the `u32` canonical id of a type lies.
    pub const fn signature(&self, ty: TypeIndex) -> i32 {
        self.signatures + ty.0 as i32 * 4
    }

    /// Where a global lies.
    pub const fn global(&self, global: GlobalIndex) -> GlobalPlace {
        match global.0.checked_sub(self.first_defined_global) {
            None => GlobalPlace::Pointer(self.imported_globals + global.0 as i32 * 8),
            Some(defined) => {
                let below = size_of::<VmContext>() + (defined as usize + 1) * size_of::<VmGlobal>();
                GlobalPlace::Inline(-(below as i32))
            }
        }
    }
}

/// Where a global lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalPlace {
    /// The [`VmGlobal`] itself is at this offset from the anchor.
    Inline(i32),
    /// A pointer to the [`VmGlobal`] is at this offset from the anchor.
    Pointer(i32),
}

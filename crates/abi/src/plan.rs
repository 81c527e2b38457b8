//! [`MemoryPlan`]: the one struct from which both the code generator and the allocator take what is reserved, what is
//! guarded, and which checks may be dropped, for linear memories and for the garbage-collected heap. Fixed when an engine is made; part of every cache key.

use crate::{MemoryIndex, MemoryType, ModuleInfo, VmLayout};

/// What is reserved below byte 0 of every memory: room for the words of an instance whose anchor is that byte.
pub const MEMORY_HEAD_BYTES: usize = 64 << 10;

/// How linear memories are laid out, and what follows for generated code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemoryPlan {
    /// The style of ordinary 32-bit memories. All others (64-bit, custom page sizes) are `Checked` and may move.
    pub style: MemoryStyle,
    /// Whether memory 0 lies at its instance's anchor where that is possible.
    pub anchored: bool,
    /// What is reserved for garbage-collected heaps.
    pub heap: HeapPlan,
}

/// What keeps the 32 bits of a reference in the region of its heap ([`crate::heap`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HeapPlan {
    /// The region has 4 GiB, all that 32 bits can name.
    Whole,
    /// The region is a smaller power of two: code masks each reference before it becomes an address.
    Masked,
}

/// The style of ordinary 32-bit memories.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MemoryStyle {
    /// The whole 4 GiB index range is reserved and followed by a guard region: no check for static offsets below
    /// `guard_bytes`, no memory ever moves.
    Guarded {
        /// Inaccessible bytes behind the 4 GiB.
        guard_bytes: u64,
    },
    /// Every access is checked against the current size. A memory may move when it grows.
    Checked,
}

/// What a load or store must do before it may touch memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryAccess {
    /// Nothing: whatever the index, the access hits the memory or a guard.
    Unchecked,
    /// Compare `index + offset + width` with the current size in 64 bits, without wrapping.
    Checked,
}

impl MemoryPlan {
    /// Guard pages, the default where address space allows.
    pub const GUARDED: Self =
        Self { style: MemoryStyle::Guarded { guard_bytes: 32 << 20 }, anchored: false, heap: HeapPlan::Whole };
    /// Explicit checks everywhere.
    pub const CHECKED: Self = Self { style: MemoryStyle::Checked, anchored: false, heap: HeapPlan::Masked };

    /// Whether a memory's whole index range is reserved and guarded.
    pub const fn is_guarded(&self, ty: &MemoryType) -> bool {
        matches!(self.style, MemoryStyle::Guarded { .. }) && !ty.is_64 && ty.page_size_log2 == 16
    }

    /// Whether a memory's base address never changes, so that code may keep it.
    pub const fn base_is_constant(&self, ty: &MemoryType) -> bool {
        self.is_guarded(ty) || ty.shared
    }

    /// What an access of `width_bytes` at the static `offset_bytes` must do first.
    pub const fn access(&self, ty: &MemoryType, offset_bytes: u64, width_bytes: u64) -> MemoryAccess {
        match self.style {
            // The index reaches at most 2^32 - 1; the guard takes what offset and width add.
            MemoryStyle::Guarded { guard_bytes }
                if self.is_guarded(ty) && offset_bytes.saturating_add(width_bytes) <= guard_bytes =>
            {
                MemoryAccess::Unchecked
            }
            _ => MemoryAccess::Checked,
        }
    }

    /// Whether the anchor of a module's instance is byte 0 of its memory 0.
    pub fn memory_at_anchor(&self, info: &ModuleInfo, layout: &VmLayout) -> bool {
        self.anchored
            && info.imported_memories == 0
            && info.memories.first().is_some_and(|ty| self.is_guarded(ty) && !ty.shared)
            && layout.size_bytes() <= MEMORY_HEAD_BYTES
    }

    /// Whether `memory` is the one that lies at the anchor.
    pub fn is_at_anchor(&self, memory: MemoryIndex, info: &ModuleInfo, layout: &VmLayout) -> bool {
        memory.0 == 0 && self.memory_at_anchor(info, layout)
    }
}

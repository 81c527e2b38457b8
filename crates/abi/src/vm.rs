//! The `repr(C)` words that machine code reads and the runtime writes. Offsets come from `offset_of!` on these
//! structs; no second list exists. No cargo feature changes any of them.
//!
//! ```text
//! the module's own words, at offsets given by VmLayout:
//!    signature ids │ imported globals │ imported functions │ tables │ memories │ globals ─┐
//!                                                            header (VmContext) ──────────┤
//! pinned register, the anchor ──► ────────────────────────────────────────────────────────┘
//!                                 memory 0, where it lies at the anchor
//! ```
//!
//! All words lie below the anchor, so that a memory can begin there.

pub use crate::heap::VmHeap;

/// The head of an instance's words, which ends where the pinned register (`r15` on x86_64, `x21` on aarch64) points
/// while code of the instance runs: that is the instance's *anchor*.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct VmContext {
    /// The runtime's words of the store that the instance lives in, which begin with [`VmStoreHead`].
    pub store: *mut u8,
    /// Addresses of the runtime calls, indexed by [`crate::Libcall`], and behind them of [`crate::BulkRoutine`]s.
    pub libcalls: *const usize,
    /// The runtime's own record of the instance.
    pub instance: *mut u8,
    /// Where the jump-table slot of a function without code goes.
    pub materialise: usize,
    /// The heap of the store; null in instances of modules without such types ([`crate::ModuleInfo::has_object_types`]).
    pub heap: *mut VmHeap,
    /// [`VM_MAGIC`], so that a wrong anchor is seen in a debugger and by assertions.
    pub magic: u64,
}

impl VmContext {
    /// The `VmContext` that an anchor is the end of.
    pub const fn of_anchor(anchor: usize) -> *mut Self {
        (anchor - size_of::<Self>()) as *mut Self
    }

    /// The anchor of a `VmContext`.
    pub fn anchor(this: *const Self) -> usize {
        this as usize + size_of::<Self>()
    }

    /// The offset of a field from the anchor, from its offset in the struct.
    pub const fn from_anchor(field_offset: usize) -> i32 {
        field_offset as i32 - size_of::<Self>() as i32
    }
}

/// What [`VmContext::magic`] holds.
pub const VM_MAGIC: u64 = u64::from_le_bytes(*b"epsilon\0");

/// A linear memory as machine code sees it. Owned by the runtime's memory, pointed to by every instance that uses it.
#[repr(C)]
#[derive(Debug)]
pub struct VmMemory {
    /// Address of byte 0.
    pub base: *mut u8,
    /// Current size in bytes.
    pub len_bytes: usize,
}

/// An instance's view of one of its memories.
#[repr(C)]
#[derive(Debug)]
pub struct VmMemoryRef {
    /// Copy of [`VmMemory::base`]; valid to read only where [`crate::MemoryPlan::base_is_constant`] says so.
    pub base: *mut u8,
    /// The memory itself.
    pub def: *mut VmMemory,
}

/// A table as machine code sees it. Owned by the runtime's table.
#[repr(C)]
#[derive(Debug)]
pub struct VmTable {
    /// Address of element 0: [`VmFuncRow`]s for function tables, `u32`s for all others.
    pub base: *mut u8,
    /// Current size in elements.
    pub len_elements: usize,
}

/// An instance's view of one of its tables.
#[repr(C)]
#[derive(Debug)]
pub struct VmTableRef {
    /// Copy of [`VmTable::base`]; valid to read only where [`crate::ModuleInfo::table_is_fixed`] says so.
    pub base: *mut u8,
    /// The table itself.
    pub def: *mut VmTable,
}

/// An element of a function table. All zero is null. Only the runtime writes rows: a thread stopped between two
/// stores must never leave a mixed row.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmFuncRow {
    /// Code to call. Until another instance imports the table it may be for the anchor of the defining instance alone;
    /// from then on it switches anchors.
    pub code: usize,
    /// Canonical signature id; 0 for null.
    pub signature: u32,
    /// The store's number of the function, for `table.get` and equality.
    pub entry: u32,
}

/// What a function reference points to. Owned by the store; never moves while the store lives.
#[repr(C)]
#[derive(Debug)]
pub struct VmFuncRef {
    /// Code that may be called under any anchor: it switches to [`VmFuncRef::anchor`] and back.
    pub switching_code: usize,
    /// Code that may be called only while the pinned register holds [`VmFuncRef::anchor`].
    pub direct_code: usize,
    /// The anchor of the instance that defines the function; 0 for host functions.
    pub anchor: usize,
    /// Canonical signature id, never 0.
    pub signature: u32,
    /// The store's number of the function, never 0.
    pub entry: u32,
}

/// What machine code reads of a store.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VmStoreHead {
    /// [`KNOWN_REFERENCES`] places. That of a function, if the function is in it, is the one at its number's remainder.
    pub known_references: *const VmKnownReference,
}

/// A reference that the runtime has made, for `table.get` and fields of objects: the runtime alone writes it. All zero is null, as its number is.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub struct VmKnownReference {
    /// The store's number of the function.
    pub entry: u64,
    /// Its reference.
    pub reference: *const VmFuncRef,
}

/// How many references machine code finds without the runtime's help: a power of two.
pub const KNOWN_REFERENCES: usize = 2048;

/// A global's value: little-endian bytes, the low ones first; 128-bit vectors use all.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmGlobal {
    /// The value.
    pub bytes: [u8; 16],
}

//! [`InstanceData`]: an instance as its store owns it, and its words.

use crate::base::alloc;
use crate::base::error::Result;
use crate::base::pool::Places;
use crate::module::linked::LinkedModule;
use crate::store::global::GlobalKey;
use epsilon_abi::layout::GlobalPlace;
use epsilon_abi::vm::VmGlobal;
use epsilon_abi::{DataIndex, ElemIndex, EntityIndex, FuncIndex, GlobalIndex, ModuleInfo};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::sync::Arc;

/// An instance as its store owns it.
pub struct InstanceData {
    pub module: Arc<LinkedModule>,
    pub words: Words,
    pub index: u32,
    /// Number of the first function that the module defines.
    pub first_entry: u32,
    pub imported_functions: Box<[u32]>,
    pub imported_globals: Box<[GlobalKey]>,
    /// The store's number of each memory of the module.
    pub memories: Box<[u32]>,
    /// The store's number of each table of the module.
    pub tables: Box<[u32]>,
    /// The store's number of each tag of the module.
    pub tags: Box<[u32]>,
    pub dropped_data: Box<[bool]>,
    pub dropped_elements: Box<[bool]>,
    /// Globals that the instance defines and the collector looks at.
    pub traced_globals: Box<[u32]>,
    /// The elements of each segment whose references the collector follows, until it is dropped.
    pub segments: Box<[Option<Box<[u32]>>]>,
    /// Whether the start function was called.
    pub started: bool,
    /// The places of its engine's pool that it has.
    pub _places: Option<Places>,
}

/// What an instance is charged with beside what follows from its module.
const INSTANCE_BYTES: usize = size_of::<InstanceData>() + 256;

/// Whose memory is missing, when there is none for an instance.
pub const LISTS: &str = "the items of an instance";

/// What an instance of a module is charged with, beside its memories, tables and tags.
pub fn instance_bytes(module: &LinkedModule) -> usize {
    let info = module.info();
    let imports = 2 * (info.imported_functions * size_of::<u32>() + info.imported_globals * size_of::<GlobalKey>());
    let numbers = (info.memories.len() + info.tables.len() + info.tags.len()) * size_of::<u32>();
    INSTANCE_BYTES
        + module.layout().size_bytes()
        + imports
        + numbers
        + info.data.len()
        + info.elements.len()
        + traced_bytes(info)
}

/// What the collector's lists of an instance take.
pub fn traced_bytes(info: &ModuleInfo) -> usize {
    let elements = info.elements.iter().map(|segment| if segment.ty.is_traced() { segment.items.len() } else { 0 });
    let words = elements.sum::<usize>() + traced_globals(info).count();
    words * size_of::<u32>() + info.elements.len() * size_of::<Option<Box<[u32]>>>()
}

/// Which of the globals that a module defines the collector looks at.
pub fn traced_globals(info: &ModuleInfo) -> impl Iterator<Item = u32> {
    let defined = (0..).zip(&info.globals[info.imported_globals..]);
    defined.filter(|(_, global)| global.value.is_traced()).map(|(n, _)| n)
}

// SAFETY: the words go along with the instance, bound to no thread; machine code reaches them only while the store is borrowed
// exclusively (invariants 12 and 13).
unsafe impl Send for InstanceData {}
// SAFETY: `&InstanceData` gives addresses of words; they are followed under a borrow of the store (invariant 12).
unsafe impl Sync for InstanceData {}

/// An instance's words, which end at the anchor.
pub struct Words {
    pub anchor: *mut u8,
    /// How they were allocated; `None` where the words lie in the head of memory 0, which frees them.
    pub layout: Option<Layout>,
}

impl Words {
    pub fn allocate(len_bytes: usize) -> Result<Self> {
        let layout = Layout::from_size_align(len_bytes, 16).expect("VmLayout limits the size");
        // SAFETY: the allocator wants a size above 0: a `VmLayout` always has the header. The result is checked below
        // (invariant 16).
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            return Err(alloc::no_memory("the words of an instance", len_bytes));
        }
        // SAFETY: it is the end of the allocation of `len_bytes` (invariant 16).
        Ok(Self { anchor: unsafe { start.add(len_bytes) }, layout: Some(layout) })
    }

    /// # Safety
    /// `offset` must come from the instance's `VmLayout`, for a word of type `W`.
    pub unsafe fn at<W>(&self, offset: i32) -> *mut W {
        // SAFETY: the caller promises an offset of the `VmLayout`, whose size the words were made with (invariant 13).
        unsafe { self.anchor.offset(offset as isize).cast() }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        if let Some(layout) = self.layout {
            // SAFETY: `allocate` got the words at this place with this layout, and they have no other owner (invariant 16); an
            // instance is dropped when nothing can reach it (invariant 14).
            unsafe { dealloc(self.anchor.sub(layout.size()), layout) };
        }
    }
}

impl InstanceData {
    /// The anchor: the address at which the instance's words end.
    pub fn anchor(&self) -> usize {
        self.words.anchor as usize
    }

    /// The instance's number in its store.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The store's number of a function.
    pub fn entry_of(&self, func: FuncIndex) -> u32 {
        match self.module.info().defined(func) {
            Some(defined) => self.first_entry + defined.0,
            None => self.imported_functions[func.index()],
        }
    }

    /// Where a global lives.
    pub fn global_key(&self, global: GlobalIndex) -> GlobalKey {
        match global.index().checked_sub(self.imported_globals.len()) {
            Some(defined) => GlobalKey::Defined(self.index, defined as u32),
            None => self.imported_globals[global.index()],
        }
    }

    /// The words of a global that the instance defines.
    pub fn defined_global(&self, defined: u32) -> *mut VmGlobal {
        let global = GlobalIndex(self.imported_globals.len() as u32 + defined);
        match self.module.layout().global(global) {
            // SAFETY: the offset is the layout's, of the words of this global (invariant 13).
            GlobalPlace::Inline(offset) => unsafe { self.words.at(offset) },
            GlobalPlace::Pointer(_) => unreachable!("defined globals are inline"),
        }
    }

    /// The store's number of the memory exported as `memory`.
    pub fn exported_memory(&self) -> Option<u32> {
        match self.module.export("memory")? {
            EntityIndex::Memory(index) => Some(self.memories[index.index()]),
            _ => None,
        }
    }

    /// `data.drop`.
    pub fn drop_data(&mut self, segment: DataIndex) {
        self.dropped_data[segment.index()] = true;
    }

    /// The bytes of a data segment; none if it is dropped.
    pub fn data_bytes(&self, segment: DataIndex) -> &[u8] {
        let range = self.module.info().data[segment.index()].bytes.clone();
        if self.dropped_data[segment.index()] { &[] } else { &self.module.wasm()[range] }
    }

    /// How many elements a segment has; none if it is dropped.
    pub fn elements_len(&self, segment: ElemIndex) -> usize {
        let len = self.module.info().elements[segment.index()].items.len();
        if self.dropped_elements[segment.index()] { 0 } else { len }
    }

    /// The elements of a segment, if they are references that the collector follows.
    pub fn segment(&self, segment: ElemIndex) -> Option<&[u32]> {
        self.segments[segment.index()].as_deref()
    }

    /// Gives a segment elements that the collector follows.
    pub fn set_segment(&mut self, segment: ElemIndex, references: Box<[u32]>) {
        self.segments[segment.index()] = Some(references);
    }

    /// Sets an element that the collector follows.
    pub fn set_segment_reference(&mut self, segment: ElemIndex, at: usize, reference: u32) {
        if let Some(references) = &mut self.segments[segment.index()] {
            references[at] = reference;
        }
    }

    /// All elements of segments that the collector follows.
    pub fn segment_references(&mut self) -> impl Iterator<Item = &mut u32> {
        self.segments.iter_mut().flatten().flat_map(|references| references.iter_mut())
    }

    /// The words of globals that the instance defines and the collector looks at.
    pub fn traced_globals(&self) -> impl Iterator<Item = *mut VmGlobal> {
        self.traced_globals.iter().map(|defined| self.defined_global(*defined))
    }

    /// `elem.drop`.
    pub fn drop_elements(&mut self, segment: ElemIndex) {
        self.dropped_elements[segment.index()] = true;
        self.segments[segment.index()] = None;
    }
}

//! Linear memories: reserved, guarded, grown in place where the plan allows.
//!
//! ```text
//! guarded   ├─ head ─┤├─ accessible ─┤├─ rest of 4 GiB, no access ─┤├─ guard, no access ─┤
//!           64 KiB    ↑ base
//!           no access, or the instance's words where memory 0 lies at the anchor
//! checked   ├─ capacity, accessible up to the size ─┤   moves when it outgrows the capacity
//! ```

use crate::error::{Error, Result};
use crate::image::MemoryImage;
use crate::module::Runtime;
use crate::shared::{SharedMemory, StoreMemory};
use crate::space::{self, Space, SpacePool};
use crate::store::{AsContext, AsContextMut, StoreId, StoreInner};
use crate::sys::mapping::round_to_pages;
use epsilon_abi::vm::VmMemory;
use epsilon_abi::{Limits, MemoryStyle, MemoryType, seeded};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A memory that may move is given room to grow by this factor.
const GROWTH_FACTOR: usize = 2;

/// No memory is larger than this, whatever its type says: 2^46 bytes are beyond any machine's address space for users.
const MAX_BYTES: u64 = 1 << 46;

/// A linear memory as the store owns it.
pub struct MemoryData {
    ty: MemoryType,
    guarded: bool,
    /// The words that machine code reads; they stay where they are while the memory moves.
    def: NonNull<VmMemory>,
    /// There until the memory is dropped.
    space: Option<Space>,
    /// Bytes above the base that may become accessible without moving.
    capacity_bytes: usize,
    /// Who gets the space when the memory is dropped, if anybody.
    pool: Option<Arc<SpacePool>>,
}

// SAFETY: the pointers lead into the memory's own reservation; access goes through the store that owns it.
unsafe impl Send for MemoryData {}
// SAFETY: as above.
unsafe impl Sync for MemoryData {}

impl MemoryData {
    /// A memory of its type's minimum size, with zeroes or its image in it.
    pub fn new(ty: MemoryType, runtime: &Runtime, image: Option<&Arc<MemoryImage>>) -> Result<Self> {
        let plan = &runtime.settings().plan;
        let len_bytes = size_in_bytes(&ty, ty.limits.min).ok_or_else(|| too_large(&ty))?;
        let (capacity_bytes, space, pool) = match plan.style {
            MemoryStyle::Guarded { guard_bytes } if plan.is_guarded(&ty) => {
                let pool = runtime.memory_spaces();
                let total_bytes = (1usize << 32) + round_to_pages(guard_bytes as usize);
                (1 << 32, pool.take(total_bytes, len_bytes, image)?, Some(pool.clone()))
            }
            _ => {
                let capacity = round_to_pages(initial_capacity(&ty, len_bytes).max(1));
                (capacity, space::unpooled(capacity, len_bytes, image)?, None)
            }
        };
        let def = NonNull::from(Box::leak(Box::new(VmMemory { base: space.base(), len_bytes })));
        Ok(Self { ty, guarded: plan.is_guarded(&ty), def, space: Some(space), capacity_bytes, pool })
    }

    fn space(&self) -> &Space {
        self.space.as_ref().expect("there until the memory is dropped")
    }

    fn space_mut(&mut self) -> &mut Space {
        self.space.as_mut().expect("there until the memory is dropped")
    }

    /// The memory's type, with its present size as the minimum.
    pub fn ty(&self) -> MemoryType {
        let mut ty = self.ty;
        ty.limits.min = self.len_pages();
        ty
    }

    /// The words that machine code reads.
    pub fn def(&self) -> *mut VmMemory {
        self.def.as_ptr()
    }

    /// Address of byte 0.
    pub fn base(&self) -> *mut u8 {
        // SAFETY: the words live as long as the memory, and a base changes under `&mut self` alone.
        unsafe { (*self.def.as_ptr()).base }
    }

    /// Size in bytes.
    pub fn len_bytes(&self) -> usize {
        // SAFETY: the words live as long as the memory.
        unsafe { Self::len_of(self.def.as_ptr()) }
    }

    /// The size in bytes that the words of a memory name. Machine code of other threads may read it meanwhile.
    ///
    /// # Safety
    /// The memory must be alive.
    pub unsafe fn len_of(def: *mut VmMemory) -> usize {
        // SAFETY: as the caller promises; the size is never written but atomically.
        unsafe { AtomicUsize::from_ptr(&raw mut (*def).len_bytes) }.load(Ordering::SeqCst)
    }

    fn set_len(&mut self, len_bytes: usize) {
        // SAFETY: the words live as long as the memory.
        unsafe { AtomicUsize::from_ptr(&raw mut (*self.def.as_ptr()).len_bytes) }.store(len_bytes, Ordering::SeqCst);
    }

    /// Size in pages of the memory's type.
    pub fn len_pages(&self) -> u64 {
        (self.len_bytes() >> self.ty.page_size_log2) as u64
    }

    /// The contents.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the first `len_bytes` are accessible; machine code writes only under `&mut` of the store.
        unsafe { std::slice::from_raw_parts(self.base(), self.len_bytes()) }
    }

    /// The contents.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and the store is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.base(), self.len_bytes()) }
    }

    /// The address range of this memory's reservation, guards included.
    pub fn reserved(&self) -> Range<usize> {
        self.space().as_range()
    }

    /// Makes the whole pages below the base, where an anchored instance keeps its words, accessible; returns the
    /// anchor's address, which is the base.
    pub fn make_head(&mut self, len_bytes: usize) -> Result<*mut u8> {
        self.space_mut().make_head(len_bytes)
    }

    /// The size in bytes that growing by `delta_pages` would give; `None` beyond the type's maximum.
    pub fn grown_bytes(&self, delta_pages: u64) -> Option<usize> {
        let pages = self.len_pages().checked_add(delta_pages)?;
        if self.ty.limits.max.is_some_and(|max| pages > max) {
            return None;
        }
        size_in_bytes(&self.ty, pages)
    }

    /// The maximum in bytes that the type declares.
    pub fn max_bytes(&self) -> Option<usize> {
        self.ty.limits.max.and_then(|pages| size_in_bytes(&self.ty, pages))
    }

    /// Grows to `len_bytes`, which [`Self::grown_bytes`] gave.
    pub fn grow_to(&mut self, len_bytes: usize) -> Result<()> {
        if len_bytes > self.capacity_bytes {
            self.move_to(len_bytes)?;
        }
        if len_bytes > self.space().accessible_bytes() {
            let before = self.space().accessible_bytes();
            self.space_mut().set_accessible(len_bytes)?;
            self.space().expect_use_from(before);
        }
        self.set_len(len_bytes);
        Ok(())
    }

    /// Back to the minimum size and the initial contents.
    pub fn reset(&mut self, instantiated_pages: u64) -> Result<()> {
        let len_bytes = size_in_bytes(&self.ty, instantiated_pages).expect("the memory once had this size");
        self.space_mut().reset(len_bytes)?;
        self.set_len(len_bytes);
        Ok(())
    }

    /// Moves to a larger reservation.
    fn move_to(&mut self, len_bytes: usize) -> Result<()> {
        assert!(!self.guarded && !self.ty.shared, "MemoryPlan promised that this memory's base is constant");
        let limit = self.max_bytes().unwrap_or(usize::MAX).max(len_bytes);
        let capacity = round_to_pages(len_bytes.saturating_mul(GROWTH_FACTOR).min(limit));
        let mut moved = space::unpooled(capacity, self.space().accessible_bytes().max(len_bytes), None)?;
        // A copy is not a mapping of the image: resetting writes the image anew.
        if let Some(image) = self.space().image() {
            let copied = match image.is_mapped() {
                true => image.unmapped().map(Arc::new),
                false => Ok(image.clone()),
            };
            moved.set_copied_image(copied.map_err(|error| Error::system("read a memory's initial contents", error))?);
        }
        let from = self.base();
        // SAFETY: the words live as long as the memory; a memory that moves is not shared, and its store is borrowed.
        unsafe { (*self.def.as_ptr()).base = moved.base() };
        // SAFETY: both ranges are accessible, and in different spaces.
        unsafe { self.base().copy_from_nonoverlapping(from, self.len_bytes()) };
        (self.capacity_bytes, self.space) = (capacity, Some(moved));
        Ok(())
    }
}

impl Drop for MemoryData {
    fn drop(&mut self) {
        // SAFETY: made by leaking a box, and freed here alone; nothing reaches a memory that is dropped (invariant 7).
        drop(unsafe { Box::from_raw(self.def.as_ptr()) });
        if let (Some(space), Some(pool)) = (self.space.take(), &self.pool) {
            pool.give(space);
        }
    }
}

/// Bytes of so many pages, if they can be addressed at all.
fn size_in_bytes(ty: &MemoryType, pages: u64) -> Option<usize> {
    let bytes = pages.checked_mul(1 << ty.page_size_log2)?;
    let limit = ty.max_bytes_of_index().unwrap_or(MAX_BYTES);
    if bytes > limit { None } else { usize::try_from(bytes).ok() }
}

fn initial_capacity(ty: &MemoryType, len_bytes: usize) -> usize {
    let max = ty.limits.max.and_then(|pages| size_in_bytes(ty, pages));
    match max {
        // A shared memory never moves.
        Some(max) if ty.shared || max <= 16 << 20 => max,
        _ => len_bytes,
    }
}

/// Refuses types that no module could have; embedders can put together any.
pub fn check_type(ty: &MemoryType) -> Result<()> {
    let is_page_size = matches!(ty.page_size_log2, 0 | 16);
    let index_bits = if ty.is_64 { 64 } else { 32 };
    let fits = |pages: u64| u128::from(pages) << ty.page_size_log2 <= 1 << index_bits;
    let Limits { min, max } = ty.limits;
    if is_page_size && fits(min) && max.is_none_or(|max| min <= max && fits(max)) {
        return Ok(());
    }
    Err(Error::misuse(format!(
        "{ty:?} is no type of a memory: pages are of 1 or 65536 bytes, limits in order, and no more than the index reaches"
    )))
}

fn too_large(ty: &MemoryType) -> Error {
    Error::limit(format!("{ty} is larger than this machine can address"))
}

/// A linear memory of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub(crate) store: StoreId,
    pub(crate) index: u32,
}

impl Memory {
    /// A new memory, made by the host.
    ///
    /// # Errors
    /// If the type is that of a shared memory or no memory can have it, or limits are reached.
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Self> {
        if ty.shared {
            return Err(Error::misuse("a shared memory belongs to no store; make it with `SharedMemory::new`"));
        }
        check_type(&ty)?;
        let mut context = store.as_context_mut();
        let inner = context.inner();
        Ok(Self { index: inner.new_memory(ty, None)?, store: inner.id })
    }

    /// The type, with the present size as the minimum.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn ty(&self, store: impl AsContext) -> MemoryType {
        self.get(store.as_context().inner()).ty()
    }

    /// Size in pages.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn size(&self, store: impl AsContext) -> u64 {
        self.get(store.as_context().inner()).len_pages()
    }

    /// Size in bytes.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn data_size(&self, store: impl AsContext) -> usize {
        self.get(store.as_context().inner()).len_bytes()
    }

    /// Grows by `delta` pages and returns the old size in pages.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.check(self.store, "memory")?;
        match inner.grow_memory(self.index, delta)? {
            Some(old_pages) => Ok(old_pages),
            None => {
                let ty = inner.memories[self.index as usize].ty();
                Err(Error::limit(format!("{ty} cannot grow by {delta} pages")))
            }
        }
    }

    /// The contents.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn data<'a, T: 'static>(&self, store: impl Into<crate::store::StoreContext<'a, T>>) -> &'a [u8] {
        self.get(store.into().inner()).bytes()
    }

    /// The contents.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn data_mut<'a, T: 'static>(&self, store: impl Into<crate::store::StoreContextMut<'a, T>>) -> &'a mut [u8] {
        self.data_and_store_mut(store).0
    }

    /// The contents and the embedder's data at once.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn data_and_store_mut<'a, T: 'static>(
        &self,
        store: impl Into<crate::store::StoreContextMut<'a, T>>,
    ) -> (&'a mut [u8], &'a mut T) {
        let store = store.into().0;
        store.inner.assert_owns(self.store, "memory");
        (store.inner.memories[self.index as usize].own_mut().bytes_mut(), &mut store.data)
    }

    /// Copies from `offset` into `buffer`.
    pub fn read(&self, store: impl AsContext, offset: usize, buffer: &mut [u8]) -> Result<()> {
        let context = store.as_context();
        let inner = context.inner();
        inner.check(self.store, "memory")?;
        let bytes = self.get(inner).bytes();
        let range = offset..offset.saturating_add(buffer.len());
        let source = bytes.get(range).ok_or_else(|| outside(offset, buffer.len(), bytes.len()))?;
        buffer.copy_from_slice(source);
        Ok(())
    }

    /// Copies `buffer` to `offset`.
    pub fn write(&self, mut store: impl AsContextMut, offset: usize, buffer: &[u8]) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.check(self.store, "memory")?;
        let bytes = inner.memories[self.index as usize].own_mut().bytes_mut();
        let (len, range) = (bytes.len(), offset..offset.saturating_add(buffer.len()));
        let target = bytes.get_mut(range).ok_or_else(|| outside(offset, buffer.len(), len))?;
        target.copy_from_slice(buffer);
        Ok(())
    }

    fn get<'a>(&self, inner: &'a StoreInner) -> &'a MemoryData {
        inner.assert_owns(self.store, "memory");
        inner.memories[self.index as usize].own()
    }
}

#[cold]
pub fn outside(offset: usize, len: usize, size: usize) -> Error {
    Error::misuse(format!("{len} bytes at offset {offset} do not lie in a memory of {size} bytes"))
}

impl StoreInner {
    /// Makes a memory; returns its number in the store.
    pub(crate) fn new_memory(&mut self, ty: MemoryType, image: Option<&Arc<MemoryImage>>) -> Result<u32> {
        let desired = size_in_bytes(&ty, ty.limits.min).ok_or_else(|| too_large(&ty))?;
        let (count, max) = (self.memories.len(), ty.limits.max.and_then(|pages| size_in_bytes(&ty, pages)));
        if let Some(limiter) = self.limiter() {
            if count >= limiter.memories() {
                return Err(Error::limit(format!("the store may hold {count} memories")));
            }
            if !limiter.memory_growing(0, desired, max)? {
                return Err(Error::limit(format!("the store's limiter refuses {ty}")));
            }
        }
        self.memories.push(match ty.shared {
            true => StoreMemory::Shared(SharedMemory::with_image(&self.runtime, ty, image)?),
            false => StoreMemory::Own(MemoryData::new(ty, &self.runtime, image)?),
        });
        Ok(count as u32)
    }

    /// The number that a shared memory has in this store; it gets one if it has none yet.
    pub(crate) fn add_shared_memory(&mut self, memory: &SharedMemory) -> u32 {
        let known = self.memories.iter().position(|other| other.as_shared().is_some_and(|other| other.is_same(memory)));
        let index = known.unwrap_or(self.memories.len());
        if known.is_none() {
            self.memories.push(StoreMemory::Shared(memory.clone()));
        }
        index as u32
    }

    /// Grows a memory; `None` if its type, the limiter or the system refuses.
    pub(crate) fn grow_memory(&mut self, index: u32, delta_pages: u64) -> Result<Option<u64>> {
        if let Some(memory) = self.memories[index as usize].as_shared() {
            let memory = memory.clone();
            return memory.grow_if(delta_pages, |current, desired, max| match self.limiter() {
                Some(limiter) => limiter.memory_growing(current, desired, max),
                None => Ok(true),
            });
        }
        let memory = self.memories[index as usize].own();
        let (old_pages, current, max) = (memory.len_pages(), memory.len_bytes(), memory.max_bytes());
        let Some(desired) = memory.grown_bytes(delta_pages) else { return Ok(None) };
        if let Some(limiter) = self.limiter().filter(|_| !seeded::bug("growth-unlimited"))
            && !limiter.memory_growing(current, desired, max)?
        {
            return Ok(None);
        }
        let grown = self.memories[index as usize].own_mut().grow_to(desired);
        Ok(grown.is_ok().then_some(old_pages))
    }
}

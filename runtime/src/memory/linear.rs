//! Linear memories: reserved, guarded, grown in place where the plan allows.
//!
//! ```text
//! guarded   ├─ head ─┤├─ accessible ─┤├─ rest of 4 GiB, no access ─┤├─ guard, no access ─┤
//!           64 KiB    ↑ base
//!           no access, or the instance's words where memory 0 lies at the anchor
//! checked   ├─ capacity, accessible up to the size ─┤   moves when it outgrows the capacity
//! ```

use crate::base::alloc;
use crate::base::budget::{Budget, Charge};
use crate::base::error::{Error, Result};
use crate::base::limits::{NotGrown, ResourceLimiter};
use crate::memory::shared::{SharedMemory, StoreMemory};
use crate::module::linked::Runtime;
use crate::space::image::MemoryImage;
use crate::space::pool::{self, Space, SpacePool};
use crate::store::inner::{AsContext, AsContextMut, StoreId, StoreInner};
use crate::sys::mapping::round_to_pages;
use crate::types;
use epsilon_abi::vm::VmMemory;
use epsilon_abi::{Limits, MemoryStyle, MemoryType};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A memory that may move is given room to grow by this factor.
const GROWTH_FACTOR: usize = 2;

/// What a memory takes beside its bytes, roughly: mappings, page tables, our own records.
const FIXED_BYTES: usize = 4 << 10;

/// One byte is charged for so much address space: the process has no end of it either.
const RESERVED_PER_CHARGED_BYTE: usize = 1 << 20;

/// Of a shared memory, which never moves, so much is reserved beyond its minimum at most.
const MAX_SHARED_RESERVATION: usize = 1 << 40;

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
    /// How large it may become, whatever its type says.
    most_bytes: usize,
    /// Where the space goes when the memory is dropped, if it is kept.
    pool: Option<Arc<SpacePool>>,
    /// One for each budget: of the store or engine that made it, and of stores that made a shared one grow.
    charges: Vec<Charge>,
}

/// What is charged for memories.
const WHAT: &str = "linear memories";

// SAFETY: its words and its space are its own, bound to no thread; guests access them while the store is borrowed exclusively, or
// the memory is shared (invariants 12 and 18).
unsafe impl Send for MemoryData {}
// SAFETY: `&MemoryData` only reads: the words, and contents that nothing writes under a shared borrow of the store; those of a
// shared memory are not read through it (invariants 12 and 18).
unsafe impl Sync for MemoryData {}

impl MemoryData {
    /// A memory of its type's minimum size, with zeroes or its image in it, charged to `budget`.
    pub fn new(ty: MemoryType, runtime: &Runtime, budget: &Budget, image: Option<&Arc<MemoryImage>>) -> Result<Self> {
        let plan = &runtime.settings().plan;
        let len_bytes = size_in_bytes(&ty, ty.limits.min).ok_or_else(|| too_large(&ty))?;
        let mut charge = budget.charge(round_to_pages(len_bytes).saturating_add(FIXED_BYTES), WHAT)?;
        let (capacity_bytes, space, pool) = match plan.style {
            MemoryStyle::Guarded { guard_bytes } if plan.is_guarded(&ty) => {
                let pool = runtime.memory_spaces();
                let total_bytes = (1usize << 32) + round_to_pages(guard_bytes as usize);
                (1 << 32, pool.take(total_bytes, len_bytes, image)?, Some(pool.clone()))
            }
            _ => {
                let (capacity, space) = unpooled(&ty, len_bytes, image)?;
                (capacity, space, None)
            }
        };
        charge.resize(charge.bytes() + capacity_bytes / RESERVED_PER_CHARGED_BYTE)?;
        let def = NonNull::from(Box::leak(Box::new(VmMemory { base: space.base(), len_bytes })));
        let charges = vec![charge];
        Ok(Self {
            ty,
            guarded: plan.is_guarded(&ty),
            def,
            space: Some(space),
            capacity_bytes,
            pool,
            charges,
            most_bytes: runtime.settings().max_memory_size_bytes,
        })
    }

    /// Charges `budget` for `more` bytes.
    fn charge(&mut self, more: usize, budget: &Budget) -> Result<()> {
        match self.charges.iter_mut().find(|charge| charge.is_of(budget)) {
            Some(charge) => charge.resize(charge.bytes().saturating_add(more))?,
            None => self.charges.push(budget.charge(more, WHAT)?),
        }
        Ok(())
    }

    /// Gives back what [`Self::charge`] charged last.
    fn discharge(&mut self, less: usize, budget: &Budget) {
        if let Some(charge) = self.charges.iter_mut().find(|charge| charge.is_of(budget)) {
            charge.shrink(charge.bytes() - less);
        }
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
        // SAFETY: the words live as long as the memory (invariant 13); a base changes under `&mut self` alone, and that of a shared
        // memory never (invariant 18).
        unsafe { (*self.def.as_ptr()).base }
    }

    /// Size in bytes.
    pub fn len_bytes(&self) -> usize {
        // SAFETY: the words live as long as the memory (invariant 13).
        unsafe { Self::len_of(self.def.as_ptr()) }
    }

    /// The size in bytes that the words of a memory name. Machine code of other threads may read it meanwhile.
    ///
    /// # Safety
    /// The memory that the words belong to must be alive.
    pub unsafe fn len_of(def: *mut VmMemory) -> usize {
        // SAFETY: the words are there, as the caller promises (invariant 13), and the size is never written but atomically
        // (invariant 18).
        unsafe { AtomicUsize::from_ptr(&raw mut (*def).len_bytes) }.load(Ordering::SeqCst)
    }

    fn set_len(&mut self, len_bytes: usize) {
        // SAFETY: the words live as long as the memory (invariant 13), and the size is never accessed but atomically by Rust, and
        // by whole loads of machine code (invariant 18).
        unsafe { AtomicUsize::from_ptr(&raw mut (*self.def.as_ptr()).len_bytes) }.store(len_bytes, Ordering::SeqCst);
    }

    /// Size in pages of the memory's type.
    pub fn len_pages(&self) -> u64 {
        (self.len_bytes() >> self.ty.page_size_log2) as u64
    }

    /// The contents.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the first `len_bytes` of the space are accessible (invariant 16). The memory is not shared: `StoreMemory` keeps
        // those behind `SharedMemory`; so machine code writes under an exclusive borrow of the store alone (invariant 12).
        unsafe { std::slice::from_raw_parts(self.base(), self.len_bytes()) }
    }

    /// The contents.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes` (invariant 16), and the store that has the memory is borrowed exclusively, with it (invariant 12).
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
        size_in_bytes(&self.ty, pages).filter(|bytes| *bytes <= self.most_bytes)
    }

    /// Lets the memory never be larger than so many bytes, whatever its type says.
    pub fn limit_to(&mut self, most_bytes: usize) {
        self.most_bytes = self.most_bytes.min(most_bytes);
    }

    /// The maximum in bytes that the type declares.
    pub fn max_bytes(&self) -> Option<usize> {
        self.ty.limits.max.and_then(|pages| size_in_bytes(&self.ty, pages))
    }

    /// Grows to `len_bytes`, which [`Self::grown_bytes`] gave, and charges `budget` for what that adds.
    ///
    /// # Errors
    /// If the budget or the system refuses. The memory is what it was then.
    pub fn grow_to(&mut self, len_bytes: usize, budget: &Budget) -> Result<()> {
        let before = self.space().accessible_bytes();
        let more = round_to_pages(len_bytes).saturating_sub(before);
        if more > 0 {
            self.charge(more, budget)?;
            if let Err(error) = self.make_accessible(len_bytes) {
                self.discharge(more, budget);
                return Err(error);
            }
            self.space().expect_use_from(before);
        }
        self.set_len(len_bytes);
        Ok(())
    }

    fn make_accessible(&mut self, len_bytes: usize) -> Result<()> {
        if len_bytes > self.capacity_bytes {
            self.move_to(len_bytes)?;
        }
        self.space_mut().set_accessible(len_bytes)
    }

    /// Back to the minimum size and the initial contents. Only a memory of one store is ever reset.
    pub fn reset(&mut self, instantiated_pages: u64) -> Result<()> {
        let len_bytes = size_in_bytes(&self.ty, instantiated_pages).expect("the memory once had this size");
        let before = self.space().accessible_bytes();
        self.space_mut().reset(len_bytes)?;
        self.set_len(len_bytes);
        let less = before.saturating_sub(self.space().accessible_bytes());
        if let [charge] = &mut self.charges[..] {
            charge.shrink(charge.bytes() - less);
        }
        Ok(())
    }

    /// Moves to a larger reservation: with room to grow, or if the system has no address space for that, without.
    fn move_to(&mut self, len_bytes: usize) -> Result<()> {
        if self.guarded || self.ty.shared {
            // MemoryPlan promised that this memory's base is constant.
            let reserved = self.capacity_bytes;
            return Err(Error::limit(format!("a memory that never moves has only {reserved} bytes of address space")));
        }
        let limit = self.max_bytes().unwrap_or(usize::MAX).max(len_bytes);
        let roomy = round_to_pages(len_bytes.saturating_mul(GROWTH_FACTOR).min(limit));
        let exact = round_to_pages(len_bytes);
        let (capacity, mut moved) = match pool::unpooled(roomy, 0, None) {
            Ok(space) => (roomy, space),
            Err(_) if self.space_mut().remap(exact).is_ok() => {
                // SAFETY: the words live as long as the memory (invariant 13). A memory that moves is not shared, as was just checked,
                // and its store is borrowed exclusively (invariant 12): nothing has the old base.
                unsafe { (*self.def.as_ptr()).base = self.space().base() };
                self.capacity_bytes = exact;
                return Ok(());
            }
            Err(_) => (exact, pool::unpooled(exact, 0, None)?),
        };
        // A copy is not a mapping of the image: resetting writes the image anew.
        if let Some(image) = self.space().image() {
            moved.set_copied_image(image.clone());
        }
        moved.set_accessible(len_bytes)?;
        self.space_mut().move_contents(&moved)?;
        // SAFETY: as above: the words live (invariant 13), and the store is borrowed exclusively (invariant 12).
        unsafe { (*self.def.as_ptr()).base = moved.base() };
        (self.capacity_bytes, self.space) = (capacity, Some(moved));
        Ok(())
    }
}

impl Drop for MemoryData {
    fn drop(&mut self) {
        // SAFETY: `new` has made the words by leaking a box, and only this frees them (invariant 16); nothing reaches a memory that
        // is dropped (invariant 7).
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

/// A space for a memory that is not guarded, and its capacity in bytes.
fn unpooled(ty: &MemoryType, len_bytes: usize, image: Option<&Arc<MemoryImage>>) -> Result<(usize, Space)> {
    const SMALL_BYTES: usize = 16 << 20;
    let max = ty.limits.max.map(|pages| size_in_bytes(ty, pages).unwrap_or(usize::MAX));
    let mut wanted = match max {
        // A shared memory never moves: it grows as far as its address space goes.
        Some(max) if ty.shared => max.min(len_bytes.saturating_add(MAX_SHARED_RESERVATION)),
        Some(max) if max <= SMALL_BYTES => max,
        _ => len_bytes,
    };
    loop {
        let capacity = round_to_pages(wanted.max(1));
        match pool::unpooled(capacity, len_bytes, image) {
            Ok(space) => return Ok((capacity, space)),
            Err(error) if wanted <= len_bytes => return Err(error),
            Err(_) => wanted = (wanted / 2).max(len_bytes),
        }
    }
}

/// Refuses types that no module could have; embedders can put together any.
pub fn check_type(ty: &MemoryType) -> Result<()> {
    let is_page_size = matches!(ty.page_size_log2, 0 | 16);
    let index_bits = if ty.is_64 { 64 } else { 32 };
    let fits = |pages: u64| u128::from(pages) << ty.page_size_log2 <= 1 << index_bits;
    // No machine has so much, and sizes in bytes have 64 bits.
    let is_whole = |pages: u64| u128::from(pages) << ty.page_size_log2 < 1 << 64;
    let Limits { min, max } = ty.limits;
    if is_page_size && fits(min) && is_whole(min) && max.is_none_or(|max| min <= max && fits(max)) {
        return Ok(());
    }
    Err(Error::misuse(format!(
        "invalid memory type {ty:?}: the page size must be 1 or 65536, the minimum at most the maximum, and both within \
         the range of the index type"
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
    pub fn new(mut store: impl AsContextMut, ty: types::MemoryType) -> Result<Self> {
        let ty = ty.abi();
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
    pub fn ty(&self, store: impl AsContext) -> types::MemoryType {
        types::MemoryType::of_abi(self.get(store.as_context().inner()).ty())
    }

    /// Size in pages.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn size(&self, store: impl AsContext) -> u64 {
        self.get(store.as_context().inner()).len_pages()
    }

    /// Size of a page in bytes.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn page_size(&self, store: impl AsContext) -> u64 {
        1 << self.page_size_log2(store)
    }

    /// The binary logarithm of the size of a page in bytes.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn page_size_log2(&self, store: impl AsContext) -> u8 {
        self.get(store.as_context().inner()).ty().page_size_log2
    }

    /// Where the contents begin, for code that reads and writes them by itself. The pointer is valid until the memory grows
    /// or the store is dropped.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn data_ptr(&self, store: impl AsContext) -> *mut u8 {
        self.get(store.as_context().inner()).base()
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
        inner.grow_memory(self.index, delta).map_err(|not_grown| {
            let ty = inner.memories[self.index as usize].ty();
            not_grown.into_error(|| Error::limit(format!("{ty} cannot grow by {delta} pages")))
        })
    }

    /// The contents.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn data<'a, T: 'static, E: 'static>(
        &self,
        store: impl Into<crate::store::inner::StoreContext<'a, T, E>>,
    ) -> &'a [u8] {
        self.get(store.into().inner()).bytes()
    }

    /// The contents.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn data_mut<'a, T: 'static, E: 'static>(
        &self,
        store: impl Into<crate::store::inner::StoreContextMut<'a, T, E>>,
    ) -> &'a mut [u8] {
        self.data_and_store_mut(store).0
    }

    /// The contents and the embedder's data at once.
    ///
    /// # Panics
    /// If the memory is of another store.
    pub fn data_and_store_mut<'a, T: 'static, E: 'static>(
        &self,
        store: impl Into<crate::store::inner::StoreContextMut<'a, T, E>>,
    ) -> (&'a mut [u8], &'a mut T) {
        let store = store.into().into_box();
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
        let desired = size_in_bytes(&ty, ty.limits.min);
        let (count, max) = (self.memories.len(), ty.limits.max.and_then(|pages| size_in_bytes(&ty, pages)));
        if let Some(limiter) = self.limiter()
            && count >= limiter.memories()
        {
            return Err(Error::limit(format!("the store may hold {count} memories")));
        }
        // Of what is too large anyway, the limiter is told as well.
        if !self.allows(|limiter| limiter.memory_growing(0, desired.unwrap_or(usize::MAX), max))? {
            return Err(Error::limit(format!("the store's limiter refuses {ty}")));
        }
        if desired.is_none_or(|bytes| bytes > self.runtime.settings().max_memory_size_bytes) {
            return Err(too_large(&ty));
        }
        let memory = match ty.shared {
            true => StoreMemory::Shared(SharedMemory::with_image(&self.runtime, ty, &self.budget, image)?),
            false => StoreMemory::Own(MemoryData::new(ty, &self.runtime, &self.budget, image)?),
        };
        alloc::push(&mut self.memories, memory, "a list of memories")?;
        Ok(count as u32)
    }

    /// The number that a shared memory has in this store; it gets one if it has none yet.
    pub(crate) fn add_shared_memory(&mut self, memory: &SharedMemory) -> Result<u32> {
        let known = self.memories.iter().position(|other| other.as_shared().is_some_and(|other| other.is_same(memory)));
        let index = known.unwrap_or(self.memories.len());
        if known.is_none() {
            alloc::push(&mut self.memories, StoreMemory::Shared(memory.clone()), "a list of memories")?;
        }
        Ok(index as u32)
    }

    /// Grows a memory; returns its old size in pages.
    pub(crate) fn grow_memory(&mut self, index: u32, delta_pages: u64) -> Result<u64, NotGrown> {
        let budget = self.budget.clone();
        let grown = if let Some(memory) = self.memories[index as usize].as_shared().cloned() {
            let ask = |current, desired, max| self.allows(|limiter| limiter.memory_growing(current, desired, max));
            memory.grow_if(delta_pages, &budget, ask).map_err(NotGrown::Ended)?
        } else {
            let memory = self.memories[index as usize].own();
            let (old_pages, current, max) = (memory.len_pages(), memory.len_bytes(), memory.max_bytes());
            let Some(desired) = memory.grown_bytes(delta_pages) else { return Err(NotGrown::Refused(None)) };
            let ask = |limiter: &mut dyn ResourceLimiter| limiter.memory_growing(current, desired, max);
            match self.allows(ask).map_err(NotGrown::Ended)? {
                true => Some(self.memories[index as usize].own_mut().grow_to(desired, &budget).map(|()| old_pages)),
                false => None,
            }
        };
        match grown {
            Some(Ok(old_pages)) => Ok(old_pages),
            None => Err(NotGrown::Refused(None)),
            Some(Err(error)) => {
                self.limiter()
                    .map_or(Ok(()), |limiter| limiter.memory_grow_failed(Error::limit(error.to_string())))
                    .map_err(NotGrown::Ended)?;
                Err(NotGrown::Refused(Some(error)))
            }
        }
    }
}

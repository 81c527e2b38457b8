//! Shared memories: linear memories that several stores, on several threads, use at once; and waiting on them.
//!
//! Rust code never holds a reference into a shared memory, because guests write there whenever they like. It copies, as
//! if byte by byte with atomic accesses ([`copy_racing`]); what guests make of races is theirs.
//!
//! ```text
//! SharedMemory ── Arc ─► SharedData ─┬─ def, base      never change place or value
//!    (one in each store)             ├─ def.len_bytes  atomic; grows under `growing`
//!                                    └─ waiters        by address, first come first woken
//! ```

use crate::base::budget::Budget;
use crate::base::error::{Error, Result};
use crate::fixed::bytes;
use crate::memory::linear::MemoryData;
use crate::module::handle::AsEngine;
use crate::module::linked::Runtime;
use crate::space::image::MemoryImage;
use crate::threads::fork::{Guard, Mutex};
use crate::threads::waiting::{Expected, Sleeper, WaitList};
use crate::types;
use epsilon_abi::MemoryType;
use epsilon_abi::TrapCode as Trap;
use epsilon_abi::vm::VmMemory;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

pub use crate::threads::waiting::WaitResult;

/// A linear memory that threads share. Clones are the same memory; any number of stores of its engine may import it.
#[derive(Clone)]
pub struct SharedMemory(Arc<SharedData>);

struct SharedData {
    runtime: Arc<Runtime>,
    ty: MemoryType,
    def: *mut VmMemory,
    base: *mut u8,
    /// Address range of the reservation, guards included.
    reserved: Range<usize>,
    /// The memory itself, which only growth touches: its size last, when all of it is accessible. So what a panic leaves is a
    /// memory of the old size, and the lock is taken whether poisoned or not.
    growing: Mutex<MemoryData>,
    waiters: Arc<WaitList>,
}

// SAFETY: `def` and `base` are those of the memory in `growing`, which goes along, and never change. What lies there is accessed
// atomically, or by `copy_racing` and `bytes` (invariant 18).
unsafe impl Send for SharedData {}
// SAFETY: as above: all that threads access at the same time is accessed atomically or by fixed code (invariant 18), or behind
// the lock of `growing`.
unsafe impl Sync for SharedData {}

impl SharedMemory {
    /// A new memory for the stores of an engine.
    ///
    /// # Errors
    /// If the type is not that of a shared memory with a maximum, or the system refuses.
    pub fn new(engine: &impl AsEngine, ty: types::MemoryType) -> Result<Self> {
        let ty = ty.abi();
        if !ty.shared || ty.limits.max.is_none_or(|max| max < ty.limits.min) {
            return Err(Error::misuse(format!(
                "invalid shared memory type {ty}: it must be shared and have a maximum"
            )));
        }
        crate::memory::linear::check_type(&ty)?;
        let runtime = engine.as_engine().runtime();
        Self::with_image(runtime, ty, runtime.budget(), None)
    }

    pub(crate) fn with_image(
        runtime: &Arc<Runtime>,
        ty: MemoryType,
        budget: &Budget,
        image: Option<&Arc<MemoryImage>>,
    ) -> Result<Self> {
        if !runtime.settings().shared_memories {
            return Err(Error::misuse("the engine was made without shared memories; allow them with `shared_memory`"));
        }
        let memory = MemoryData::new(ty, runtime, budget, image)?;
        let (def, base, reserved) = (memory.def(), memory.base(), memory.reserved());
        let (growing, waiters) = (Mutex::new(memory), Arc::new(WaitList::default()));
        crate::threads::fork::register_list(&waiters);
        Ok(Self(Arc::new(SharedData { runtime: runtime.clone(), ty, def, base, reserved, growing, waiters })))
    }

    /// The type, with the present size as the minimum.
    pub fn ty(&self) -> types::MemoryType {
        types::MemoryType::of_abi(self.abi_type())
    }

    pub(crate) fn abi_type(&self) -> MemoryType {
        let mut ty = self.0.ty;
        ty.limits.min = self.size();
        ty
    }

    /// Size in pages.
    pub fn size(&self) -> u64 {
        (self.data_size() >> self.0.ty.page_size_log2) as u64
    }

    /// Size of a page in bytes.
    pub fn page_size(&self) -> u64 {
        1 << self.0.ty.page_size_log2
    }

    /// Size in bytes.
    pub fn data_size(&self) -> usize {
        // SAFETY: the memory in `growing`, whose words these are, lives as long as `self` (invariant 13).
        unsafe { MemoryData::len_of(self.0.def) }
    }

    /// Grows by `delta` pages and returns the old size in pages.
    ///
    /// # Errors
    /// If the type or the system refuses.
    pub fn grow(&self, delta: u64) -> Result<u64> {
        let refused = || Error::limit(format!("{} cannot grow by {delta} pages", self.ty()));
        self.grow_if(delta, self.0.runtime.budget(), |_, _, _| Ok(true))?.ok_or_else(refused)?
    }

    /// Grows, on `budget`, if `allowed`, asked with the present, the new and the largest size in bytes, says so: `None`
    /// if not, or if the type forbids it; an error inside if the budget or the system refuses.
    pub(crate) fn grow_if(
        &self,
        delta: u64,
        budget: &Budget,
        mut allowed: impl FnMut(usize, usize, Option<usize>) -> Result<bool>,
    ) -> Result<Option<Result<u64>>> {
        loop {
            let memory = self.growing();
            let (old_pages, current, max) = (memory.len_pages(), memory.len_bytes(), memory.max_bytes());
            let Some(desired) = memory.grown_bytes(delta) else { return Ok(None) };
            drop(memory);
            if !allowed(current, desired, max)? {
                return Ok(None);
            }
            let mut memory = self.growing();
            if memory.len_bytes() == current {
                return Ok(Some(memory.grow_to(desired, budget).map(|()| old_pages)));
            }
        }
    }

    /// Copies from `offset` into `buffer`. Other threads may write there meanwhile; each byte is one that was there.
    ///
    /// # Errors
    /// If the range does not lie in the memory.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) -> Result<()> {
        let from = self.at(offset, buffer.len())?;
        // SAFETY: `at` has checked the range, and a shared memory never shrinks, while `self` holds it (invariant 16); no reference
        // leads into it (invariant 18). The buffer is borrowed exclusively.
        unsafe { copy_racing(buffer.as_mut_ptr(), from, buffer.len()) };
        Ok(())
    }

    /// Copies `buffer` to `offset`. Other threads may see any part of it before the rest.
    ///
    /// # Errors
    /// If the range does not lie in the memory.
    pub fn write(&self, offset: usize, buffer: &[u8]) -> Result<()> {
        let to = self.at(offset, buffer.len())?;
        // SAFETY: `at` has checked the range, and a shared memory never shrinks, while `self` holds it (invariant 16); no reference
        // leads into it (invariant 18). The buffer is borrowed.
        unsafe { copy_racing(to, buffer.as_ptr(), buffer.len()) };
        Ok(())
    }

    /// Sets every byte of a range that lies in the memory.
    pub(crate) fn fill(&self, range: Range<usize>, value: u8) -> Result<()> {
        let start = self.at(range.start, range.len())?;
        // SAFETY: `at` has checked the range, and a shared memory never shrinks, while `self` holds it (invariant 16); no reference
        // leads into it (invariant 18).
        unsafe { bytes::fill(start, value, range.len()) };
        Ok(())
    }

    /// The contents, which other threads may write at any time: they are read and written through the cells, with atomic
    /// accesses where that matters.
    pub fn data(&self) -> &[UnsafeCell<u8>] {
        // SAFETY: so many bytes are mapped at the base, and a shared memory never shrinks, while `self` holds it (invariants 7 and
        // 16). The cells allow for writes by others, and the code that reads or writes one must do so atomically (invariant 18).
        unsafe { std::slice::from_raw_parts(self.0.base.cast(), self.data_size()) }
    }

    /// Wakes up to `count` threads that wait at `address`; returns how many.
    ///
    /// # Errors
    /// If the address is misaligned or outside: as the guest's operator, by a trap.
    pub fn atomic_notify(&self, address: u64, count: u32) -> Result<u32, Trap> {
        self.checked(address, 4)?;
        Ok(self.0.waiters.notify(address, count))
    }

    /// Waits at `address` as long as the value there is `expected`, until woken; `None` waits without end.
    ///
    /// # Errors
    /// If the address is misaligned or outside: as the guest's operator, by a trap.
    pub fn atomic_wait32(&self, address: u64, expected: u32, timeout: Option<Duration>) -> Result<WaitResult, Trap> {
        self.wait(address, Expected::I32(expected), timeout, None)
    }

    /// As [`SharedMemory::atomic_wait32`], for 64 bits.
    ///
    /// # Errors
    /// If the address is misaligned or outside: as the guest's operator, by a trap.
    pub fn atomic_wait64(&self, address: u64, expected: u64, timeout: Option<Duration>) -> Result<WaitResult, Trap> {
        self.wait(address, Expected::I64(expected), timeout, None)
    }

    /// Waits, for a guest if `store` is given: then an interruption of the store ends the wait.
    pub(crate) fn wait(
        &self,
        address: u64,
        expected: Expected,
        timeout: Option<Duration>,
        store: Option<&dyn Sleeper>,
    ) -> Result<WaitResult, Trap> {
        let at = self.checked(address, expected.width_bytes())?;
        // SAFETY: `checked` has looked at alignment and bounds; a shared memory never shrinks, and `self` holds this one
        // (invariants 7 and 16). The access is atomic, as those of guests there are (invariant 18).
        let differs = || unsafe {
            match expected {
                Expected::I32(value) => AtomicU32::from_ptr(at.cast()).load(Ordering::SeqCst).to_le() != value,
                Expected::I64(value) => AtomicU64::from_ptr(at.cast()).load(Ordering::SeqCst).to_le() != value,
            }
        };
        Ok(self.0.waiters.wait(address, differs, timeout, store))
    }

    /// The address of an aligned access inside the memory, or the trap.
    fn checked(&self, address: u64, width_bytes: usize) -> Result<*mut u8, Trap> {
        if !address.is_multiple_of(width_bytes as u64) {
            return Err(Trap::HeapMisaligned);
        }
        let range = crate::memory::bounds::memory_range(address, width_bytes as u64, self.data_size())?;
        // SAFETY: the range lies in the memory, as was just checked (invariant 16).
        Ok(unsafe { self.0.base.add(range.start) })
    }

    /// The address of `len_bytes` bytes inside the memory.
    fn at(&self, offset: usize, len_bytes: usize) -> Result<*mut u8> {
        let size = self.data_size();
        match offset.checked_add(len_bytes) {
            // SAFETY: the range lies in the memory, as was just checked (invariant 16).
            Some(end) if end <= size => Ok(unsafe { self.0.base.add(offset) }),
            _ => Err(crate::memory::linear::outside(offset, len_bytes, size)),
        }
    }

    fn growing(&self) -> Guard<MutexGuard<'_, MemoryData>> {
        self.0.growing.lock_sound()
    }

    pub(crate) fn is_of(&self, runtime: &Arc<Runtime>) -> bool {
        Arc::ptr_eq(&self.0.runtime, runtime)
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SharedMemory").field(&self.ty()).finish()
    }
}

/// A memory of a store: its own, or one that it shares.
pub enum StoreMemory {
    /// Reached through this store alone.
    Own(MemoryData),
    /// Reached by other threads at any time.
    Shared(SharedMemory),
}

impl StoreMemory {
    /// The type, with the present size as the minimum.
    pub fn ty(&self) -> MemoryType {
        match self {
            Self::Own(memory) => memory.ty(),
            Self::Shared(memory) => memory.abi_type(),
        }
    }

    /// The words that machine code reads.
    pub fn def(&self) -> *mut VmMemory {
        match self {
            Self::Own(memory) => memory.def(),
            Self::Shared(memory) => memory.0.def,
        }
    }

    /// Address of byte 0.
    pub fn base(&self) -> *mut u8 {
        match self {
            Self::Own(memory) => memory.base(),
            Self::Shared(memory) => memory.0.base,
        }
    }

    /// Size in bytes; a shared memory may be larger already.
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::Own(memory) => memory.len_bytes(),
            Self::Shared(memory) => memory.data_size(),
        }
    }

    /// Whether an address lies in the memory's reservation, guards included.
    pub fn reserves(&self, address: usize) -> bool {
        match self {
            Self::Own(memory) => memory.reserved().contains(&address),
            Self::Shared(memory) => memory.0.reserved.contains(&address),
        }
    }

    /// The memory, if it is the store's own.
    pub fn as_own(&mut self) -> Option<&mut MemoryData> {
        if let Self::Own(memory) = self { Some(memory) } else { None }
    }

    /// The memory, if it is shared.
    pub fn as_shared(&self) -> Option<&SharedMemory> {
        if let Self::Shared(memory) = self { Some(memory) } else { None }
    }

    /// The memory behind a [`crate::Memory`], which is never a shared one.
    pub fn own(&self) -> &MemoryData {
        match self {
            Self::Own(memory) => memory,
            Self::Shared(_) => unreachable!("shared memories are handed out as `SharedMemory`"),
        }
    }

    /// As [`Self::own`].
    pub fn own_mut(&mut self) -> &mut MemoryData {
        self.as_own().expect("shared memories are handed out as `SharedMemory`")
    }
}

/// Copies bytes that other threads, and guests, may access at the same time: as if each one by itself, atomically. The
/// ranges may overlap.
///
/// # Safety
/// Both ranges must be accessible for the whole time. No reference may lead into either, but for the one that the
/// caller made its pointer from.
pub unsafe fn copy_racing(to: *mut u8, from: *const u8, len_bytes: usize) {
    // SAFETY: both ranges are accessible, as the caller promises (invariant 16); what threads write meanwhile is accessed by fixed
    // code (invariant 18). What overlaps is copied from the end that the other range does not cover.
    unsafe {
        if (to as usize) <= from as usize || to as usize - from as usize >= len_bytes {
            bytes::copy_up(to, from, len_bytes);
        } else {
            bytes::copy_down(to, from, len_bytes);
        }
    }
}

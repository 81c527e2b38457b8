//! Address space of linear memories: reserved, made accessible as far as the memory reaches, and kept for the next
//! memory when one is dropped, because reserving and unmapping cost more than all else of making an instance.
//!
//! ```text
//! in use ── give ──► idle: reads as zeroes and its image, but for pages that a copied image will overwrite
//!    ▲                 │
//!    └───── take ──────┘   for the same image nothing is left to do; for another one this image goes first
//! ```

use crate::base::error::{Error, Result};
use crate::space::image::MemoryImage;
use crate::sys::mapping::{self, Mapping, page_size, round_to_pages};
use crate::threads::fork::{Guard, Mutex};
use epsilon_abi::plan::MEMORY_HEAD_BYTES;
use region::Protection;
use std::ops::Range;
use std::sync::{Arc, MutexGuard};

/// No more spaces are kept for later, in each engine.
const MAX_IDLE: usize = 64;

/// A space of which more was accessible is not kept: its page tables take memory of their own.
const MAX_IDLE_ACCESSIBLE_BYTES: usize = 64 << 20;

/// The address space of one memory.
pub struct Space {
    mapping: Mapping,
    /// Bytes of the mapping below the base.
    below_bytes: usize,
    /// Bytes above the base that are accessible; whole host pages.
    accessible_bytes: usize,
    /// Bytes below the base that are accessible, for the words of an instance; whole host pages.
    head_bytes: usize,
    /// The initial contents that were put into it. Without any it began as zeroes.
    image: Option<Arc<MemoryImage>>,
    /// Whether they are copied, though they could be mapped: the memory has moved here.
    copied: bool,
}

// SAFETY: a space is addresses that it owns, bound to no thread (invariant 16).
unsafe impl Send for Space {}
// SAFETY: `&Space` gives addresses, and advice that changes no contents; the code that reads or writes there has a reason of its
// own (invariants 12 and 18).
unsafe impl Sync for Space {}

impl Space {
    /// Reserves `below_bytes`, for a head, and `capacity_bytes` behind it.
    pub fn reserve(below_bytes: usize, capacity_bytes: usize) -> Result<Self> {
        debug_assert!(capacity_bytes.is_multiple_of(page_size()));
        let mapping = Mapping::reserve(below_bytes + capacity_bytes).map_err(reserve_error)?;
        Ok(Self { mapping, below_bytes, accessible_bytes: 0, head_bytes: 0, image: None, copied: false })
    }

    /// Address of byte 0.
    pub fn base(&self) -> *mut u8 {
        // SAFETY: `reserve` has made the mapping longer than what lies below the base by the capacity (invariant 16).
        unsafe { self.mapping.base().add(self.below_bytes) }
    }

    /// All of its addresses.
    pub fn as_range(&self) -> Range<usize> {
        let start = self.mapping.base() as usize;
        start..start + self.mapping.len_bytes()
    }

    /// Bytes above the base that are accessible.
    pub fn accessible_bytes(&self) -> usize {
        self.accessible_bytes
    }

    /// The initial contents that were put into it.
    pub fn image(&self) -> Option<&Arc<MemoryImage>> {
        self.image.as_ref()
    }

    /// Says that the initial contents are these, copied.
    pub fn set_copied_image(&mut self, image: Arc<MemoryImage>) {
        (self.image, self.copied) = (Some(image), true);
    }

    /// Makes so many bytes accessible, and no more.
    pub fn set_accessible(&mut self, len_bytes: usize) -> Result<()> {
        let (now, wanted) = (self.accessible_bytes, round_to_pages(len_bytes));
        let (range, protection) = match wanted > now {
            true => (now..wanted, Protection::READ_WRITE),
            false => (wanted..now, Protection::NONE),
        };
        if !range.is_empty() {
            // SAFETY: the range lies in our own mapping: callers ask for no more than the capacity. What is taken away lies behind
            // the size that the memory has from now on, and `&mut self` leaves no reference to it (invariant 16).
            unsafe { region::protect(self.base().add(range.start), range.len(), protection).map_err(space_error)? };
        }
        self.accessible_bytes = wanted;
        Ok(())
    }

    /// Moves all that is accessible to the same place in another space, in pieces, so that hardly anything is there twice.
    /// This space is good for nothing then but to be dropped.
    ///
    /// # Errors
    /// If the other space is not as large. Nothing is moved then.
    pub fn move_contents(&mut self, to: &Self) -> Result<()> {
        const PIECE_BYTES: usize = 4 << 20;
        let len_bytes = self.accessible_bytes;
        if to.accessible_bytes < len_bytes {
            return Err(Error::limit("a memory cannot shrink"));
        }
        for start in (0..len_bytes).step_by(PIECE_BYTES) {
            let piece = PIECE_BYTES.min(len_bytes - start);
            // SAFETY: both ranges are accessible, as was just checked, and lie in different mappings. Nothing refers into either:
            // this one is borrowed exclusively, and the other one is not in use yet (invariant 16).
            unsafe { to.base().add(start).copy_from_nonoverlapping(self.base().add(start), piece) };
            // What cannot be discarded is unmapped with the space.
            // SAFETY: the piece lies in our own mapping, and nothing refers into it: `&mut self` (invariant 16).
            let _ = unsafe { mapping::discard(self.base().add(start), piece) };
        }
        Ok(())
    }

    /// Makes the space larger, all of it accessible, wherever it comes to lie: takes no more address space than that.
    ///
    /// # Errors
    /// If the system refuses, or cannot move what is mapped in several pieces. The space is what it was then.
    pub fn remap(&mut self, capacity_bytes: usize) -> Result<()> {
        let has_pieces =
            self.below_bytes > 0 || self.image.as_ref().is_some_and(|image| image.is_mapped() && !self.copied);
        if has_pieces {
            return Err(Error::limit("a memory of several mappings is not moved by the system"));
        }
        self.set_accessible(self.mapping.len_bytes())?;
        // SAFETY: nothing refers into the mapping: `&mut self` (invariant 16). The memory's words, which keep its address, get the
        // new one by the caller, before anything follows them (invariant 12).
        unsafe { self.mapping.grow(capacity_bytes).map_err(reserve_error)? };
        self.accessible_bytes = capacity_bytes;
        Ok(())
    }

    /// Asks for large pages where so much became accessible at once, from `before_bytes` on, that whole ones fit: what
    /// is asked for in such pieces is filled soon, with a five-hundredth of the faults. Memories that grow by little, or
    /// are large from the start, may stay almost empty.
    pub fn expect_use_from(&self, before_bytes: usize) {
        const LARGE_PAGE_BYTES: usize = 2 << 20;
        let base = self.base() as usize;
        let start = (base + before_bytes).next_multiple_of(LARGE_PAGE_BYTES);
        let end = (base + self.accessible_bytes) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
        if start < end {
            // SAFETY: the range lies in the accessible part of our own mapping, and the advice changes no contents (invariant 16).
            unsafe { mapping::advise_large_pages(self.base().with_addr(start), end - start) };
        }
    }

    /// Makes the whole pages below the base accessible that hold `len_bytes`, with zeroes in those; returns the base.
    /// They are one piece with the memory above: the system allows a process few pieces.
    pub fn make_head(&mut self, len_bytes: usize) -> Result<*mut u8> {
        assert!(len_bytes <= MEMORY_HEAD_BYTES, "MemoryPlan allows only instances whose words fit");
        let (base, wanted) = (self.base(), round_to_pages(len_bytes));
        assert!(wanted <= self.below_bytes, "only a space with a head has a memory at an anchor");
        if wanted > self.head_bytes {
            // SAFETY: the range lies in our own mapping, below the base, as was just checked (invariant 16).
            unsafe { region::protect(base.sub(wanted), wanted, Protection::READ_WRITE) }.map_err(space_error)?;
            self.head_bytes = wanted;
        }
        // SAFETY: the range lies in the head, which is accessible now, and nothing refers into it yet: `&mut self`
        // (invariant 16).
        unsafe { base.sub(len_bytes).write_bytes(0, len_bytes) };
        Ok(base)
    }

    /// Makes a pristine memory of so many bytes, with zeroes and the image in it, of what was reserved or idle.
    fn prepare(&mut self, len_bytes: usize, image: Option<&Arc<MemoryImage>>) -> Result<()> {
        let is_there = self.holds(image);
        if let Some(old) = self.image.take().filter(|_| !is_there) {
            self.remove(&old).map_err(contents_error)?;
        }
        self.set_accessible(len_bytes)?;
        if let Some(image) = image {
            self.image = Some(image.clone());
            if !(is_there && image.is_mapped() && !self.copied) {
                // SAFETY: `len_bytes` are accessible, which is at least the minimum size of the memories that the image is for;
                // nothing refers into them: `&mut self` (invariant 16).
                unsafe { if self.copied { image.apply_copied(self.base()) } else { image.apply(self.base()) } }
                    .map_err(contents_error)?;
            }
        }
        Ok(())
    }

    fn holds(&self, image: Option<&Arc<MemoryImage>>) -> bool {
        match (&self.image, image) {
            (Some(own), Some(image)) => Arc::ptr_eq(own, image),
            (None, None) => true,
            _ => false,
        }
    }

    /// Whether its image will not be asked for again.
    fn is_abandoned(&self) -> bool {
        self.image.as_ref().is_some_and(|image| image.is_abandoned())
    }

    /// Back to a memory of so many bytes with its initial contents.
    pub fn reset(&mut self, len_bytes: usize) -> Result<()> {
        // SAFETY: the range is accessible and our own, and nothing refers into it: `&mut self` (invariant 16).
        unsafe { mapping::discard(self.base(), self.accessible_bytes).map_err(contents_error)? };
        let image = self.image.clone();
        self.prepare(len_bytes, image.as_ref())
    }

    /// Puts zeroes where an image was.
    fn remove(&self, image: &MemoryImage) -> std::io::Result<()> {
        let range = image.range();
        // SAFETY: the image was put into this space, where it lies in what is accessible (invariant 16).
        let start = unsafe { self.base().add(range.start) };
        // SAFETY: so the range is our own, and nothing refers into it: the space is idle, or about to be reset (invariant 16).
        unsafe {
            match image.is_mapped() {
                true => mapping::replace_with_zeroes(start, range.len()),
                false => mapping::discard(start, range.len()),
            }
        }
    }

    /// Forgets all contents; false if the space is not worth keeping.
    fn retire(&mut self) -> bool {
        if self.accessible_bytes > MAX_IDLE_ACCESSIBLE_BYTES {
            return false;
        }
        let kept = match &self.image {
            Some(image) if !image.is_mapped() => image.range(),
            _ => 0..0,
        };
        [0..kept.start, kept.end..self.accessible_bytes].into_iter().filter(|range| !range.is_empty()).all(|range| {
            // SAFETY: the range is accessible and our own, and nothing refers into it: its memory is gone (invariants 7 and 16).
            unsafe { mapping::discard(self.base().add(range.start), range.len()).is_ok() }
        })
    }
}

/// Spaces of guarded memories that are not in use. All of an engine are of one size. Each change of the list is one call of
/// `Vec`, and what is in it is whole: no panic leaves it half-changed.
#[derive(Default)]
pub struct SpacePool(Mutex<Vec<Space>>);

impl SpacePool {
    fn idle(&self) -> Guard<MutexGuard<'_, Vec<Space>>> {
        self.0.lock_sound()
    }

    /// A pristine memory of `len_bytes` with the image in it, in a space of `capacity_bytes`.
    pub fn take(&self, capacity_bytes: usize, len_bytes: usize, image: Option<&Arc<MemoryImage>>) -> Result<Space> {
        let accessible_bytes = round_to_pages(len_bytes);
        let mut idle = self.idle();
        let fitting = idle.iter().rposition(|space| space.accessible_bytes == accessible_bytes && space.holds(image));
        let found = match fitting {
            Some(at) => Some(idle.swap_remove(at)),
            None if idle.len() == MAX_IDLE => Some(idle.swap_remove(0)),
            None => None,
        };
        drop(idle);
        let mut space = match found {
            Some(space) => space,
            None => Space::reserve(MEMORY_HEAD_BYTES, capacity_bytes).or_else(|_| {
                // What is idle may be what is missing.
                self.idle().clear();
                Space::reserve(MEMORY_HEAD_BYTES, capacity_bytes)
            })?,
        };
        space.prepare(len_bytes, image)?;
        Ok(space)
    }

    /// Keeps the space of a memory that is gone, if it is worth it.
    pub fn give(&self, mut space: Space) {
        if !space.retire() {
            return;
        }
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE && !space.is_abandoned() {
            idle.push(space);
        }
    }

    /// Frees what is kept for images of a module that is gone: nobody will ask for them again.
    pub fn forget(&self, images: &[Option<Arc<MemoryImage>>]) {
        if images.iter().any(Option::is_some) {
            // Before the lock: a thread that gives a space afterwards sees it.
            images.iter().flatten().for_each(|image| image.abandon());
            self.idle().retain(|space| !space.is_abandoned());
        }
    }
}

/// A space of its own, that no pool gets back.
pub fn unpooled(capacity_bytes: usize, len_bytes: usize, image: Option<&Arc<MemoryImage>>) -> Result<Space> {
    let mut space = Space::reserve(0, capacity_bytes)?;
    space.prepare(len_bytes, image)?;
    Ok(space)
}

/// What can fail when a memory is made.
pub type MemoryError = region::Error;

#[cold]
fn reserve_error(error: std::io::Error) -> Error {
    Error::system("reserve address space for a memory", error)
}

#[cold]
fn space_error(error: MemoryError) -> Error {
    let source = error.as_io_error().unwrap_or_else(|| std::io::Error::other(error.to_string()));
    reserve_error(source)
}

#[cold]
fn contents_error(error: std::io::Error) -> Error {
    Error::system("map a memory's initial contents", error)
}

//! The nursery: where objects are made. It has two halves, of which one is in use. A collection copies what lives to the
//! other half, or, if it lived through one before, to old blocks: so the place of an object tells its age.
//!
//! ```text
//! half in use   ├ survivors of the last collection ┤├ made since then ┤├ zeroes, for code ┤├ later ─┤
//!               start                           aged_end           alloc                limit     end
//! ```

use super::region::Region;
use crate::base::error::Result;
use epsilon_abi::heap::NULL_BYTES;
use std::ops::Range;

/// Address space of a half.
const HALF_BYTES: u32 = 16 << 20;

/// Where the nursery ends and blocks begin.
pub const NURSERY_END: u32 = NULL_BYTES + 2 * HALF_BYTES;

/// Size of a half to begin with.
const FIRST_BYTES: u32 = 64 << 10;

/// Up to this size a half grows at each collection; beyond it, only if much of it survives.
const GROWS_TO_BYTES: u32 = 4 << 20;

/// How much is made ready for code at once: it is cleared, and then used while it is in the processor's cache.
const CHUNK_BYTES: u32 = 32 << 10;

/// The nursery of a heap, but for the words that code reads.
pub struct Nursery {
    /// The half in use.
    half: usize,
    /// How much of each half may be used.
    bytes: u32,
    /// How much of each half is accessible.
    shown: [u32; 2],
    /// How much of each half may be anything but zeroes.
    used: [u32; 2],
    /// Objects below have lived through a collection.
    pub aged_end: u32,
}

impl Nursery {
    /// An empty nursery.
    pub fn new() -> Self {
        Self { half: 0, bytes: FIRST_BYTES, shown: [0; 2], used: [0; 2], aged_end: Self::start_of(0) }
    }

    fn start_of(half: usize) -> u32 {
        NULL_BYTES + half as u32 * HALF_BYTES
    }

    /// Where the half in use begins.
    pub fn start(&self) -> u32 {
        Self::start_of(self.half)
    }

    /// Where the half in use ends.
    pub fn end(&self) -> u32 {
        self.start() + self.bytes
    }

    /// Where the other half begins.
    pub fn other_start(&self) -> u32 {
        Self::start_of(1 - self.half)
    }

    /// How much of a half may be used.
    pub fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Whether an object is in the nursery.
    #[inline(always)]
    pub fn contains(at: u32) -> bool {
        at < NURSERY_END
    }

    /// Makes memory ready for objects from `alloc` on, at least to `needed` and never beyond the half: gives where it ends.
    pub fn extend(&mut self, region: &Region, alloc: u32, limit: u32, needed: u32) -> Result<u32> {
        let end = needed.max(limit.saturating_add(CHUNK_BYTES)).min(self.end());
        debug_assert!(needed <= end && alloc <= limit);
        let (start, half) = (self.start(), self.half);
        self.show(region, half, end - start)?;
        let dirty_end = (start + self.used[half]).min(end);
        if limit < dirty_end {
            region.fill(limit..dirty_end, 0);
        }
        self.used[half] = self.used[half].max(end - start);
        Ok(end)
    }

    /// Makes the other half accessible, as far as survivors may need it.
    pub fn show_other(&mut self, region: &Region, bytes: u32) -> Result<()> {
        self.show(region, 1 - self.half, bytes)
    }

    fn show(&mut self, region: &Region, half: usize, bytes: u32) -> Result<()> {
        let shown = self.shown[half];
        if bytes > shown {
            let wanted = bytes.max(FIRST_BYTES).next_power_of_two();
            region.show(Self::start_of(half) + shown..Self::start_of(half) + wanted)?;
            self.shown[half] = wanted;
        }
        Ok(())
    }

    /// Survivors are in the other half, up to `top`: uses that from now on.
    pub fn swap(&mut self, top: u32) {
        self.half = 1 - self.half;
        self.used[self.half] = self.used[self.half].max(top - self.start());
        self.aged_end = top;
    }

    /// Nothing is left in it.
    pub fn clear(&mut self) {
        self.aged_end = self.start();
    }

    /// What it should grow to after a collection that so many bytes survived; the same if it should not.
    pub fn wanted_bytes(&self, survived_bytes: u32) -> u32 {
        let is_small = self.bytes < GROWS_TO_BYTES;
        let is_full = survived_bytes > self.bytes / 8;
        if is_small || is_full { (2 * self.bytes).min(HALF_BYTES) } else { self.bytes }
    }

    /// Lets each half have so many bytes.
    pub fn set_bytes(&mut self, bytes: u32) {
        self.bytes = bytes;
    }

    /// Lets each half have half as much, if its objects need no more; false if it cannot be less.
    pub fn shrink(&mut self, alloc: u32) -> bool {
        let half = self.bytes / 2;
        let fits = half >= FIRST_BYTES && alloc <= self.start() + half;
        if fits {
            self.bytes = half;
        }
        fits
    }

    /// For tests: no access to the half that is not in use, so that a reference that was not updated faults.
    pub fn hide_other(&mut self, region: &Region) {
        let half = 1 - self.half;
        let range = Self::start_of(half)..Self::start_of(half) + self.shown[half];
        if !range.is_empty() && region.hide(range) {
            (self.shown[half], self.used[half]) = (0, 0);
        }
    }

    /// The half in use, as far as it has objects.
    pub fn objects(&self, alloc: u32) -> Range<u32> {
        self.start()..alloc
    }
}

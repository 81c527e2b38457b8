//! The address space of a heap. References are offsets in it, of 32 bits: so whatever they are, they stay in it.
//!
//! ```text
//! base ├ null page ┤├ nursery, half A ┤├ nursery, half B ┤├ blocks: old and large objects … ┤├ guard ┤
//!      0           64 KiB                                                                   4 GiB
//! ```
//! All is reserved, and made accessible in parts. The null page and the guard never are. Beside it lie the cards: a byte for
//! each 512 bytes of the region.
//!
//! Where there is not so much address space, the region is a smaller power of two ([`HeapPlan::Masked`]), and offsets are masked.

use crate::base::error::{Error, Result};
use crate::sys::mapping::{self, Access, Mapping};
use epsilon_abi::HeapPlan;
use epsilon_abi::heap::{CARD_LOG2, GUARD_BYTES, NULL_BYTES};
use std::ops::Range;

/// What 32 bits can name.
const WHOLE_BYTES: usize = 1 << 32;

/// The least and the most that a smaller region has. The nursery takes half of the least.
const MASKED_BYTES: std::ops::RangeInclusive<usize> = 64 << 20..=2 << 30;

/// Bytes that share a card.
pub const CARD_BYTES: u32 = 1 << CARD_LOG2;

/// The reserved region of one heap, with its cards.
pub struct Region {
    mapping: Mapping,
    cards: Mapping,
    /// The size less one.
    mask: u32,
}

/// How large a region is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionSize {
    pub plan: HeapPlan,
    /// The most that a region may have which is not whole.
    pub max_bytes: u64,
}

impl RegionSize {
    /// Whether several whole regions can be reserved.
    pub fn can_be_whole() -> bool {
        Mapping::reserve(4 * WHOLE_BYTES).is_ok()
    }
}

impl Region {
    /// A region of which nothing is accessible.
    ///
    /// # Errors
    /// If the system has no address space for it.
    pub fn reserve(size: RegionSize) -> Result<Self> {
        let refused = |error| Error::system("reserve address space for a garbage-collected heap", error);
        let bytes = match size.plan {
            HeapPlan::Whole => WHOLE_BYTES,
            HeapPlan::Masked => Self::masked_bytes(size.max_bytes),
        };
        let mapping = Mapping::reserve(bytes + GUARD_BYTES as usize).map_err(refused)?;
        let cards = Mapping::anonymous(bytes >> CARD_LOG2, Access::ReadWrite).map_err(refused)?;
        Ok(Self { mapping, cards, mask: (bytes - 1) as u32 })
    }

    /// What can be had without taking more than half of the address space that is left.
    fn masked_bytes(max_bytes: u64) -> usize {
        let (least, most) = MASKED_BYTES.into_inner();
        let mut bytes = 1_usize << usize::try_from(max_bytes).unwrap_or(most).clamp(least, most).ilog2();
        while bytes > least && Mapping::reserve(2 * bytes).is_err() {
            bytes /= 2;
        }
        bytes
    }

    /// The size less one.
    pub fn mask(&self) -> u32 {
        self.mask
    }

    /// The address of offset 0.
    pub fn base(&self) -> *mut u8 {
        self.mapping.base()
    }

    /// The address of the first card.
    pub fn cards(&self) -> *mut u8 {
        self.cards.base()
    }

    /// Whether an address is one that null leads to.
    pub fn is_null_page(&self, address: usize) -> bool {
        (self.base() as usize..self.base() as usize + NULL_BYTES as usize).contains(&address)
    }

    /// Makes whole pages accessible. What was never accessible before, or was hidden, reads as zeroes.
    pub fn show(&self, range: Range<u32>) -> Result<()> {
        self.protect(range, Access::ReadWrite).map_err(|error| Error::system("make memory of a heap accessible", error))
    }

    /// Makes whole pages inaccessible, and forgets what was there. False if the system refuses.
    pub fn hide(&self, range: Range<u32>) -> bool {
        self.discard(range.clone()) && self.protect(range, Access::None).is_ok()
    }

    /// Makes whole pages read as zeroes, without memory. False if the system refuses.
    pub fn discard(&self, range: Range<u32>) -> bool {
        // SAFETY: the range lies in our own mapping, as `at` says, and no Rust reference leads into it: this file alone follows
        // addresses in it, and keeps none (invariant 16).
        unsafe { mapping::discard(self.at(range.start), range.len()).is_ok() }
    }

    fn protect(&self, range: Range<u32>, access: Access) -> std::io::Result<()> {
        assert!(range.start >= NULL_BYTES, "the null page stays inaccessible");
        // SAFETY: no Rust reference leads into the region: this file alone follows addresses in it, and keeps none
        // (invariant 16).
        unsafe { self.mapping.protect(range.start as usize, range.len(), access) }
    }

    /// The address of an offset.
    #[inline(always)]
    fn at(&self, offset: u32) -> *mut u8 {
        // SAFETY: the mapping has an address for every offset that the mask leaves (invariant 20).
        unsafe { self.mapping.base().add((offset & self.mask) as usize) }
    }

    /// Four bytes at an offset in what is accessible.
    #[inline(always)]
    pub fn word(&self, offset: u32) -> u32 {
        // SAFETY: the offset lies in the mapping; the caller gives one of an object, which lies in an accessible part
        // (invariant 20). Nothing else uses the store, and so the heap, meanwhile (invariant 12).
        unsafe { self.at(offset).cast::<u32>().read_unaligned() }
    }

    /// Writes four bytes.
    #[inline(always)]
    pub fn set_word(&self, offset: u32, word: u32) {
        // SAFETY: as for `word` (invariants 12 and 20).
        unsafe { self.at(offset).cast::<u32>().write_unaligned(word) }
    }

    /// Reads bytes of an object.
    pub fn read(&self, offset: u32, bytes: &mut [u8]) {
        // SAFETY: the caller gives a range of an object, which lies in an accessible part (invariant 20); `bytes` is memory of
        // Rust, to which no reference leads from there (invariant 12).
        unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(self.at(offset), bytes.len()) };
    }

    /// Writes bytes of an object.
    pub fn write(&self, offset: u32, bytes: &[u8]) {
        // SAFETY: as for `read` (invariants 12 and 20).
        unsafe { self.at(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Copies bytes between or within objects. The ranges may overlap.
    #[inline]
    pub fn copy(&self, to: u32, from: u32, len_bytes: u32) {
        // SAFETY: the caller gives ranges of objects, which lie in accessible parts (invariants 12 and 20).
        unsafe { self.at(to).copy_from(self.at(from), len_bytes as usize) };
    }

    /// Writes so many equal bytes.
    pub fn fill(&self, range: Range<u32>, byte: u8) {
        // SAFETY: the caller gives a range that is accessible (invariants 12 and 20).
        unsafe { self.at(range.start).write_bytes(byte, range.len()) };
    }

    /// The card that an offset is under.
    #[inline(always)]
    fn card(&self, offset: u32) -> *mut u8 {
        // SAFETY: there is a card for every offset that the mask leaves (invariant 20).
        unsafe { self.cards.base().add(((offset & self.mask) >> CARD_LOG2) as usize) }
    }

    /// Notes that an object that begins there may hold references to young objects.
    #[inline(always)]
    pub fn mark_card(&self, offset: u32) {
        // SAFETY: the cards are accessible as a whole (invariants 12 and 20).
        unsafe { self.card(offset).write(1) };
    }

    /// Whether the card that an offset is under is marked.
    pub fn is_card_marked(&self, offset: u32) -> bool {
        // SAFETY: as for `mark_card` (invariants 12 and 20).
        unsafe { self.card(offset).read() != 0 }
    }

    /// Takes the mark from the card that an offset is under.
    pub fn clear_card(&self, offset: u32) {
        // SAFETY: as for `mark_card` (invariants 12 and 20).
        unsafe { self.card(offset).write(0) };
    }

    /// The marks of eight cards, of which the first is the one that the offset is under.
    #[inline(always)]
    pub fn eight_cards(&self, offset: u32) -> u64 {
        debug_assert!(offset.is_multiple_of(8 * CARD_BYTES));
        // SAFETY: as for `mark_card`: the offset is one of eight cards that lie in the mapping as a whole (invariants 12 and 20).
        unsafe { self.card(offset).cast::<u64>().read_unaligned() }
    }
}

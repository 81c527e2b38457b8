//! Objects, by what their headers say: how large they are, and where in them references lie.

use super::records::RecordsView;
use super::region::Region;
use epsilon_abi::heap::{ELEMENTS_OFFSET, FIELDS_OFFSET, HOST_TAG, I31_BIT, LENGTH_OFFSET, TypeKind, array_bytes};

/// Set in the header of an object that has moved; the rest of the header is the new place.
pub const FORWARDED: u32 = 1;

/// Whether a reference names an object of the heap.
#[inline(always)]
pub const fn is_object(reference: u32) -> bool {
    reference != 0 && reference & (I31_BIT | HOST_TAG) == 0
}

/// The number of what is the host's, if a reference is to that.
#[inline(always)]
pub const fn host_number(reference: u32) -> Option<u32> {
    if reference & (I31_BIT | HOST_TAG) == HOST_TAG { Some(reference >> 2) } else { None }
}

/// The region as objects with types.
pub struct Objects {
    pub region: Region,
    pub records: RecordsView,
}

impl Objects {
    /// The header of an object.
    #[inline(always)]
    pub fn header(&self, at: u32) -> u32 {
        self.region.word(at)
    }

    /// The length of an array.
    #[inline(always)]
    pub fn len(&self, at: u32) -> u32 {
        self.region.word(at + LENGTH_OFFSET)
    }

    /// Size of the object with this header in bytes.
    #[inline(always)]
    pub fn size(&self, at: u32, header: u32) -> u32 {
        let record = self.records.record(header);
        if record.kind == TypeKind::Array as u32 { array_bytes(record.size, self.len(at)) as u32 } else { record.size }
    }

    /// Calls `found` with the offset of each word of an object that is a reference which the collector follows.
    #[inline(always)]
    pub fn for_each_reference(&self, at: u32, header: u32, found: impl FnMut(u32)) {
        self.for_each_word(at, header, |(references, _)| references, found);
    }

    /// Calls `found` with the offset of each word of an object that is a reference to an exception.
    pub fn for_each_exception(&self, at: u32, header: u32, found: impl FnMut(u32)) {
        self.for_each_word(at, header, |(_, exceptions)| exceptions, found);
    }

    #[inline(always)]
    fn for_each_word(&self, at: u32, header: u32, map: impl Fn((u64, u64)) -> u64, mut found: impl FnMut(u32)) {
        let record = self.records.record(header);
        if record.kind == TypeKind::Array as u32 {
            if map((record.ref_info, record.exn_info)) != 0 {
                let first = at + ELEMENTS_OFFSET;
                (0..self.len(at)).for_each(|n| found(first + 4 * n));
            }
            return;
        }
        let mut words = |first: u32, mut bits: u64| {
            while bits != 0 {
                found(first + 4 * bits.trailing_zeros());
                bits &= bits - 1;
            }
        };
        let first = at + FIELDS_OFFSET;
        words(first, map((record.ref_info, record.exn_info)));
        if record.more > 0 {
            for (n, maps) in self.records.maps(header).enumerate().skip(1) {
                words(first + 256 * n as u32, map(maps));
            }
        }
    }
}

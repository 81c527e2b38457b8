//! Where objects lie that are not in the nursery: old ones in blocks, one behind the other, and large ones alone in runs of
//! blocks, where they stay.

use super::nursery::NURSERY_END;
use super::object::Objects;
use super::region::{CARD_BYTES, Region};
use crate::base::alloc;
use crate::base::error::Result;
use epsilon_abi::heap::LARGE_OBJECT_BYTES;
use std::ops::Range;

/// Size of a block.
pub const BLOCK_BYTES: u32 = 32 << 10;

/// What a block is charged with: itself, its cards and its record.
pub const BLOCK_CHARGE: usize = BLOCK_BYTES as usize + (BLOCK_BYTES / CARD_BYTES) as usize + size_of::<Block>() + 160;

const CARDS: usize = (BLOCK_BYTES / CARD_BYTES) as usize;

const _: () = assert!(NURSERY_END.is_multiple_of(BLOCK_BYTES) && BLOCK_BYTES.is_multiple_of(8 * CARD_BYTES));

/// What a block is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Not accessible. Becomes `Free`.
    Hidden,
    /// Accessible, and takes no memory. Becomes `Old` or a part of a large object.
    Free,
    /// Holds old objects. Becomes `From` when a full collection begins.
    Old,
    /// Holds objects that a full collection moves away. Becomes `Free`, or `Hidden` in tests.
    From,
    /// A large object begins here. Becomes `Free`.
    Large,
    /// A large object goes on here. Becomes `Free`.
    Further,
}

/// What is known of a block.
pub struct Block {
    pub kind: Kind,
    /// Where its objects end, if it is old.
    pub top: u32,
    /// Size of the object, if it is large.
    pub large_bytes: u32,
    /// Whether a full collection has found the object, if it is large.
    pub is_marked: bool,
    /// For each card: which of its words the first object begins at, that begins there.
    firsts: [u8; CARDS],
}

/// Hidden blocks that are left alone for a while.
const MANY_HIDDEN: usize = 1024;

/// No object begins under a card.
const NO_FIRST: u8 = u8::MAX;

impl Block {
    const HIDDEN: Self =
        Self { kind: Kind::Hidden, top: 0, large_bytes: 0, is_marked: false, firsts: [NO_FIRST; CARDS] };
}

/// All blocks of a heap.
pub struct Blocks {
    /// How many there can be.
    max: usize,
    /// From the first one on, as far as any was ever used.
    all: Vec<Block>,
    /// Free blocks.
    free: Vec<u32>,
    /// Blocks that were in use and are hidden.
    hidden: usize,
    /// Old blocks, in the order in which they were taken.
    old: Vec<u32>,
    /// Large objects.
    pub large: Vec<u32>,
    /// Where the next old object goes, and where the room ends.
    top: u32,
    end: u32,
    /// Bytes of old objects, large ones not counted.
    pub old_bytes: usize,
    /// Bytes of pages that large objects take.
    pub large_bytes: usize,
}

/// The number of the block that an offset lies in.
#[inline(always)]
fn number_of(at: u32) -> usize {
    ((at - NURSERY_END) / BLOCK_BYTES) as usize
}

fn start_of(number: usize) -> u32 {
    NURSERY_END + number as u32 * BLOCK_BYTES
}

fn range_of(first: usize, count: usize) -> Range<u32> {
    start_of(first)..start_of(first + count)
}

/// How many blocks always suffice for objects of so many bytes together.
pub const fn blocks_for(bytes: usize) -> usize {
    bytes.div_ceil((BLOCK_BYTES - LARGE_OBJECT_BYTES) as usize) + 1
}

impl Blocks {
    /// None yet; there can be as many as the region has room for.
    pub fn new(region: &Region) -> Self {
        Self {
            // The last one is left out, so that ends are offsets.
            max: ((region.mask() - NURSERY_END) / BLOCK_BYTES) as usize,
            all: Vec::new(),
            free: Vec::new(),
            hidden: 0,
            old: Vec::new(),
            large: Vec::new(),
            top: 0,
            end: 0,
            old_bytes: 0,
            large_bytes: 0,
        }
    }

    /// What is known of the block that an offset lies in.
    #[inline(always)]
    pub fn at(&mut self, at: u32) -> &mut Block {
        &mut self.all[number_of(at)]
    }

    /// What the block is used for that an offset lies in, if it ever was.
    #[inline(always)]
    pub fn kind_at(&self, at: u32) -> Kind {
        self.all.get(number_of(at)).map_or(Kind::Hidden, |block| block.kind)
    }

    /// How many old blocks there are.
    pub fn old_count(&self) -> usize {
        self.old.len()
    }

    /// The offsets of the old blocks from the `from`-th on, in the order in which they were taken.
    pub fn old_at(&self, n: usize) -> Option<u32> {
        self.old.get(n).copied()
    }

    /// Where the next old object goes, if it fits there.
    pub fn top(&self) -> u32 {
        self.top
    }

    /// Makes sure that there are so many free blocks, so that nothing fails when they are used.
    pub fn prepare(&mut self, region: &Region, count: usize) -> Result<()> {
        alloc::reserve(&mut self.old, count, "a list of blocks")?;
        while self.free.len() < count {
            let missing = count - self.free.len();
            self.add_run(region, missing.min(256), 1)?;
        }
        Ok(())
    }

    /// Makes up to `wanted` blocks in a row accessible, and at least `needed`, which become free.
    fn add_run(&mut self, region: &Region, wanted: usize, needed: usize) -> Result<usize> {
        let (first, count) = self.hidden_run(wanted, needed)?;
        alloc::reserve(&mut self.free, count, "a list of blocks")?;
        region.show(range_of(first, count))?;
        for number in (first..first + count).rev() {
            self.all[number].kind = Kind::Free;
            self.free.push(start_of(number));
        }
        Ok(first)
    }

    /// Blocks in a row that are hidden, `wanted` of them or else as many as there are but at least `needed`.
    fn hidden_run(&mut self, wanted: usize, needed: usize) -> Result<(usize, usize)> {
        let left = self.max - self.all.len();
        // Tests hide blocks after use.
        let has_hidden = self.hidden > MANY_HIDDEN;
        if left >= needed && !has_hidden {
            let (first, count) = (self.all.len(), wanted.min(left));
            alloc::reserve(&mut self.all, count, "records of blocks")?;
            self.all.extend((0..count).map(|_| Block::HIDDEN));
            return Ok((first, count));
        }
        let Some(first) = self.find_run(needed, Kind::Hidden) else {
            self.hidden = 0;
            return if left >= needed { self.hidden_run(wanted, needed) } else { Err(no_addresses()) };
        };
        self.hidden -= needed.min(self.hidden);
        Ok((first, needed))
    }

    /// The first of so many blocks in a row of this kind.
    fn find_run(&self, count: usize, kind: Kind) -> Option<usize> {
        let mut len = 0;
        for (number, block) in self.all.iter().enumerate() {
            len = if block.kind == kind { len + 1 } else { 0 };
            if len == count {
                return Some(number + 1 - count);
            }
        }
        None
    }

    /// Room for an old object, in blocks that [`Self::prepare`] has made sure of.
    #[inline(always)]
    pub fn allocate_old(&mut self, bytes: u32) -> u32 {
        if self.end - self.top < bytes {
            self.begin_block();
        }
        let at = self.top;
        self.top += bytes;
        self.old_bytes += bytes as usize;
        let block = &mut self.all[number_of(at)];
        block.top = self.top;
        let place = at % BLOCK_BYTES;
        let first = &mut block.firsts[(place / CARD_BYTES) as usize];
        if *first == NO_FIRST {
            *first = (place % CARD_BYTES / 4) as u8;
        }
        at
    }

    #[cold]
    fn begin_block(&mut self) {
        let at = self.free.pop().expect("prepared for all that is moved");
        let block = &mut self.all[number_of(at)];
        *block = Block { kind: Kind::Old, top: at, ..Block::HIDDEN };
        self.old.push(at);
        (self.top, self.end) = (at, at + BLOCK_BYTES);
    }

    /// Room for a large object, which is zero.
    ///
    /// # Errors
    /// If the system or the region has no room.
    pub fn allocate_large(&mut self, region: &Region, bytes: u32) -> Result<u32> {
        let count = bytes.div_ceil(BLOCK_BYTES) as usize;
        alloc::reserve(&mut self.large, 1, "a list of large objects")?;
        let first = match self.find_run(count, Kind::Free) {
            Some(first) => first,
            None => self.add_run(region, count, count)?,
        };
        let taken = range_of(first, count);
        self.free.retain(|at| !taken.contains(at));
        self.all[first] = Block { kind: Kind::Large, large_bytes: bytes, ..Block::HIDDEN };
        self.all[first + 1..first + count].iter_mut().for_each(|block| block.kind = Kind::Further);
        self.large.push(start_of(first));
        self.large_bytes += Self::large_charge(bytes);
        Ok(start_of(first))
    }

    /// What a large object is charged with.
    pub fn large_charge(bytes: u32) -> usize {
        let pages = crate::sys::mapping::round_to_pages(bytes as usize);
        pages + pages / CARD_BYTES as usize + bytes.div_ceil(BLOCK_BYTES) as usize * size_of::<Block>()
    }

    /// A full collection begins: all old objects are to be moved.
    pub fn begin_full(&mut self) -> Vec<u32> {
        for at in &self.old {
            self.all[number_of(*at)].kind = Kind::From;
        }
        (self.top, self.end, self.old_bytes) = (0, 0, 0);
        std::mem::take(&mut self.old)
    }

    /// A full collection ends: frees what nothing was found in. `poisons`: so that using it faults until the next time.
    pub fn end_full(&mut self, region: &Region, mut from: Vec<u32>, poisons: bool) {
        from.sort_unstable();
        for run in from.chunk_by(|one, next| one + BLOCK_BYTES == *next) {
            self.free_run(region, number_of(run[0]), run.len(), poisons);
        }
        for at in std::mem::take(&mut self.large) {
            let block = &mut self.all[number_of(at)];
            if std::mem::take(&mut block.is_marked) {
                self.large.push(at);
                region.clear_card(at);
                continue;
            }
            let bytes = block.large_bytes;
            self.large_bytes -= Self::large_charge(bytes);
            self.free_run(region, number_of(at), bytes.div_ceil(BLOCK_BYTES) as usize, poisons);
        }
    }

    fn free_run(&mut self, region: &Region, first: usize, count: usize, poisons: bool) {
        let range = range_of(first, count);
        for card in range.clone().step_by(CARD_BYTES as usize) {
            region.clear_card(card);
        }
        let kind = match poisons {
            true if region.hide(range.clone()) => {
                self.hidden += count;
                Kind::Hidden
            }
            _ if region.discard(range.clone()) => Kind::Free,
            // The system has failed to forget what is there. So it is cleared: it may become a large object.
            _ => {
                region.fill(range, 0);
                Kind::Free
            }
        };
        for number in first..first + count {
            self.all[number] = Block { kind, ..Block::HIDDEN };
            if kind == Kind::Free && alloc::reserve(&mut self.free, 1, "a list of blocks").is_ok() {
                self.free.push(start_of(number));
            }
        }
    }

    /// The first object that begins under a card of an old block, and where such objects end.
    pub fn under_card(&self, card: u32) -> Option<(u32, u32)> {
        let block = &self.all[number_of(card)];
        let first = block.firsts[(card % BLOCK_BYTES / CARD_BYTES) as usize];
        (first != NO_FIRST).then(|| (card + 4 * u32::from(first), (card + CARD_BYTES).min(block.top)))
    }

    /// Where the objects of an old block end.
    pub fn top_of(&self, block: u32) -> u32 {
        self.all[number_of(block)].top
    }

    /// Calls `found` with each old and large object, and its header.
    pub fn for_each_object(&self, objects: &Objects, mut found: impl FnMut(u32, u32)) {
        for block in &self.old {
            let (mut at, end) = (*block, self.all[number_of(*block)].top);
            while at < end {
                let header = objects.header(at);
                found(at, header);
                at += objects.size(at, header);
            }
        }
        for at in &self.large {
            found(*at, objects.header(*at));
        }
    }
}

#[cold]
fn no_addresses() -> crate::base::error::Error {
    crate::base::error::Error::limit("the address space of the garbage-collected heap is used up")
}

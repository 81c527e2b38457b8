//! The garbage-collected heap of a store: objects, and the collector that finds those that are not used any more.
//!
//! Knows nothing of stores, instances or stacks: what refers into the heap from there comes from an [`Environment`].
//!
//! | file | what it owns |
//! |---|---|
//! | `region` | address space and cards |
//! | `records` | what is known of types, for a whole engine |
//! | `object` | what objects look like |
//! | `nursery`, `blocks` | where young objects lie, and all others |
//! | `collect`, `verify` | collections, and what has to hold before and after each |
//! | `roots`, `hosts` | what the host holds of guests, and guests of the host |

mod blocks;
mod collect;
pub mod hosts;
mod nursery;
mod object;
mod records;
mod region;
pub mod roots;
#[cfg(test)]
mod tests;
mod verify;

pub use collect::{Environment, HostMarks};
pub use object::{host_number, is_object};
pub use records::{Draft, Records, RecordsView};
pub use region::RegionSize;

use crate::base::budget::{Budget, Charge, Refused};
use crate::base::error::Result;
use blocks::{BLOCK_CHARGE, Blocks, blocks_for};
use epsilon_abi::heap::{
    LARGE_OBJECT_BYTES, LENGTH_OFFSET, MAX_OBJECT_BYTES, RECORD_MASK, TypeKind, TypeRecord, VmHeap, array_bytes,
};
use nursery::Nursery;
use object::Objects;
use region::Region;

/// Old objects and large ones take so much before the first full collection.
const FIRST_FULL_BYTES: usize = 32 << 20;

/// What a heap is charged for.
const WHAT: &str = "garbage-collected objects";

/// How much a collection looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Collection {
    /// The nursery.
    Minor,
    /// All.
    Full,
}

/// Why there is no new object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No heap has objects so large.
    TooLarge,
    /// The heap is full of objects in use.
    Full,
}

/// What a heap has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Collections of the nursery alone.
    pub minor_collections: u64,
    /// Collections of all.
    pub full_collections: u64,
    /// Bytes of objects that collections have copied.
    pub copied_bytes: u64,
}

/// The heap of a store.
pub struct Heap {
    objects: Objects,
    /// Boxed: machine code holds its address.
    vm: Box<VmHeap>,
    nursery: Nursery,
    blocks: Blocks,
    /// Where memory for new objects ends; code does not see it under stress.
    limit: u32,
    charge: Charge,
    /// Whether the charge covers all that is in use, and a full collection.
    is_covered: bool,
    /// How many bytes of old and large objects there may be before the next full collection.
    collect_at_bytes: usize,
    /// For tests: collects at each so many allocations. 0 if not.
    stress: u32,
    until_collection: u32,
    stats: Stats,
}

// SAFETY: the pointers of the words lead to the heap's own mappings, bound to no thread, and to the engine's records, which the
// store that owns the heap keeps (invariants 13 and 20).
unsafe impl Send for Heap {}
// SAFETY: `&Heap` only reads; code and collector write under an exclusive borrow of the store (invariant 12).
unsafe impl Sync for Heap {}

impl Heap {
    /// An empty heap for objects of these types. `stress`: collects at each so many allocations, and checks all that it can.
    ///
    /// # Errors
    /// If the budget or the system refuses.
    pub fn new(records: RecordsView, size: RegionSize, budget: &Budget, stress: u32) -> Result<Self> {
        let region = Region::reserve(size)?;
        let nursery = Nursery::new();
        let start = nursery.start();
        let vm = VmHeap {
            base: region.base(),
            cards: region.cards(),
            records: records.base(),
            alloc: start,
            limit: start,
            mask: region.mask(),
            rest: 0,
        };
        let mut heap = Self {
            blocks: Blocks::new(&region),
            objects: Objects { region, records },
            vm: Box::new(vm),
            nursery,
            limit: start,
            charge: budget.empty_charge(WHAT),
            is_covered: true,
            collect_at_bytes: FIRST_FULL_BYTES,
            stress,
            until_collection: stress,
            stats: Stats::default(),
        };
        heap.set_limit(start);
        heap.charge.resize(heap.needed_bytes(0, 0))?;
        Ok(heap)
    }

    /// The words that machine code reads.
    pub fn vm(&self) -> *mut VmHeap {
        (&raw const *self.vm).cast_mut()
    }

    /// Whether an address is one that null leads to.
    pub fn is_null_page(&self, address: usize) -> bool {
        self.objects.region.is_null_page(address)
    }

    /// What the heap has done.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Bytes of objects that are not known to be unused.
    pub fn used_bytes(&self) -> usize {
        self.live_bytes() + self.nursery.objects(self.vm.alloc).len()
    }

    fn live_bytes(&self) -> usize {
        self.blocks.old_bytes + self.blocks.large_bytes
    }

    fn is_stressed(&self) -> bool {
        self.stress > 0
    }

    fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
        self.vm.limit = if self.is_stressed() { 0 } else { limit };
    }

    /// A new object, which is zero but for its header and its length.
    ///
    /// # Errors
    /// If there is no room even after a full collection.
    pub fn allocate(&mut self, header: u32, len: u32, of: &mut dyn Environment) -> Result<u32, Refusal> {
        let record = self.objects.records.record(header);
        let bytes = match record.kind == TypeKind::Array as u32 {
            true => array_bytes(record.size, len),
            false => u64::from(record.size),
        };
        if bytes > MAX_OBJECT_BYTES.into() {
            return Err(Refusal::TooLarge);
        }
        let bytes = bytes as u32;
        let at = self.room(bytes, of)?;
        self.objects.region.set_word(at, header & RECORD_MASK);
        if record.kind == TypeKind::Array as u32 {
            self.objects.region.set_word(at + LENGTH_OFFSET, len);
        }
        Ok(at)
    }

    fn room(&mut self, bytes: u32, of: &mut dyn Environment) -> Result<u32, Refusal> {
        let is_due = self.is_stressed() && self.count_down();
        if !is_due && let Some(at) = self.take(bytes, self.collect_at_bytes) {
            return Ok(at);
        }
        let is_minor = match is_due {
            // Old objects move as well, now and then.
            true => !self.stats.minor_collections.wrapping_add(self.stats.full_collections).is_multiple_of(3),
            false => bytes <= LARGE_OBJECT_BYTES && self.live_bytes() < self.collect_at_bytes,
        };
        if is_minor
            && self.collect(Collection::Minor, of).is_ok()
            && let Some(at) = self.take(bytes, usize::MAX)
        {
            return Ok(at);
        }
        self.collect(Collection::Full, of).map_err(|_| Refusal::Full)?;
        self.take(bytes, usize::MAX).ok_or(Refusal::Full)
    }

    fn count_down(&mut self) -> bool {
        self.until_collection -= 1;
        if self.until_collection == 0 {
            self.until_collection = self.stress;
        }
        self.until_collection == self.stress
    }

    /// Room for an object of so many bytes, unless something has to be done for it first. Large ones have to leave it at
    /// `live_bytes` of old and large objects.
    fn take(&mut self, bytes: u32, live_bytes: usize) -> Option<u32> {
        if !self.is_covered && !self.cover() {
            return None;
        }
        if bytes > LARGE_OBJECT_BYTES {
            return self.take_large(bytes, live_bytes);
        }
        let (alloc, end) = (self.vm.alloc, self.vm.alloc + bytes);
        if end > self.limit {
            if end > self.nursery.end() {
                return None;
            }
            let limit = self.nursery.extend(&self.objects.region, alloc, self.limit, end).ok()?;
            self.set_limit(limit);
        }
        self.vm.alloc = end;
        Some(alloc)
    }

    fn take_large(&mut self, bytes: u32, live_bytes: usize) -> Option<u32> {
        let charge = Blocks::large_charge(bytes);
        if self.live_bytes() + charge > live_bytes {
            return None;
        }
        self.charge.resize(self.needed_bytes(0, 0) + charge).ok()?;
        let at = self.blocks.allocate_large(&self.objects.region, bytes).ok()?;
        // Code writes references to new objects without marks.
        self.objects.region.mark_card(at);
        Some(at)
    }

    /// What the heap takes, with so many more old blocks and bytes of old objects in them, and the reserve for a full
    /// collection: that moves all objects at once.
    fn needed_bytes(&self, more_blocks: usize, more_bytes: usize) -> usize {
        let nursery = self.nursery.bytes() as usize;
        let reserve = blocks_for(self.blocks.old_bytes + more_bytes + nursery);
        let blocks = self.blocks.old_count() + more_blocks + reserve;
        2 * nursery + blocks * BLOCK_CHARGE + self.blocks.large_bytes
    }

    /// Charges for a minor collection after which there may be so many more blocks and bytes of old objects.
    fn charge_for(&mut self, more_blocks: usize, more_bytes: usize) -> Result<(), Refused> {
        let needed = self.needed_bytes(more_blocks, more_bytes);
        if needed > self.charge.bytes() { self.charge.resize(needed) } else { Ok(()) }
    }

    /// Charges for a full collection, for which there have to be so many blocks beside those in use.
    fn charge_for_full(&mut self, more_blocks: usize) -> Result<(), Refused> {
        let blocks = self.blocks.old_count() + more_blocks;
        let needed = 2 * self.nursery.bytes() as usize + blocks * BLOCK_CHARGE + self.blocks.large_bytes;
        if needed > self.charge.bytes() { self.charge.resize(needed) } else { Ok(()) }
    }

    fn settle_charge(&mut self) {
        // Where there is no room for both, old objects need it more.
        while !self.cover() && self.nursery.shrink(self.vm.alloc) {}
    }

    fn cover(&mut self) -> bool {
        self.is_covered = self.charge.resize(self.needed_bytes(0, 0)).is_ok();
        self.is_covered
    }

    fn grow_nursery(&mut self, survived_bytes: u32) {
        let (bytes, wanted) = (self.nursery.bytes(), self.nursery.wanted_bytes(survived_bytes));
        if wanted == bytes || self.is_stressed() {
            return;
        }
        self.nursery.set_bytes(wanted);
        // A nursery that took most of what is left would be filled once, and then never be collected.
        if self.charge.resize(self.needed_bytes(0, 0) + 8 * wanted as usize).is_err() {
            self.nursery.set_bytes(bytes);
        }
    }

    /// After code was left by force, between allocation of an object and its end: makes the rest of the memory for new
    /// objects what code expects.
    pub fn clear_rest(&mut self) {
        if self.vm.alloc < self.limit {
            self.objects.region.fill(self.vm.alloc..self.limit, 0);
        }
    }

    /// What is known of the type of an object.
    pub fn record(&self, object: u32) -> &TypeRecord {
        self.objects.records.record(self.objects.header(object))
    }

    /// Offset of the record of an object's type.
    pub fn type_of(&self, object: u32) -> u32 {
        self.objects.header(object) & RECORD_MASK
    }

    /// The records of types.
    pub fn records(&self) -> RecordsView {
        self.objects.records
    }

    /// The length of an array.
    pub fn len(&self, array: u32) -> u32 {
        self.objects.len(array)
    }

    /// A value of up to 16 bytes in an object, zero-extended.
    pub fn get(&self, at: u32, bytes: u32) -> u128 {
        let mut value = [0; 16];
        self.objects.region.read(at, &mut value[..bytes as usize]);
        u128::from_le_bytes(value)
    }

    /// Sets a value of up to 16 bytes in an object.
    pub fn set(&self, at: u32, bytes: u32, value: u128) {
        self.objects.region.write(at, &value.to_le_bytes()[..bytes as usize]);
    }

    /// Reads bytes of an object.
    pub fn read(&self, at: u32, bytes: &mut [u8]) {
        self.objects.region.read(at, bytes);
    }

    /// Writes bytes of an object.
    pub fn write(&self, at: u32, bytes: &[u8]) {
        self.objects.region.write(at, bytes);
    }

    /// Copies within and between objects. The ranges may overlap.
    pub fn copy(&self, to: u32, from: u32, len_bytes: u32) {
        self.objects.region.copy(to, from, len_bytes);
    }

    /// A reference was written into an object: has the next collection look for it there.
    pub fn wrote_reference(&self, object: u32) {
        self.objects.region.mark_card(object);
    }

    /// Calls `found` with each reference to an exception in any object.
    pub fn for_each_exception(&self, found: &mut dyn FnMut(u32)) {
        let objects = &self.objects;
        let of_object = |at, header, found: &mut dyn FnMut(u32)| {
            objects.for_each_exception(at, header, |word| found(objects.region.word(word)))
        };
        let young = self.nursery.objects(self.vm.alloc);
        let mut at = young.start;
        while at < young.end {
            let header = objects.header(at);
            of_object(at, header, found);
            at += objects.size(at, header);
        }
        self.blocks.for_each_object(objects, |at, header| of_object(at, header, found));
    }
}

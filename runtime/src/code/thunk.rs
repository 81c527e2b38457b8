//! Thunks: code addresses made from data alone. A block is slots, all alike, and their data behind them, so that
//! instantiating and defining host functions generate no code.
//!
//! ```text
//! block  ├─ slot 0 │ slot 1 │ … ─┤├─ data 0 │ data 1 │ … ─┤
//!          16 bytes, executable      32 bytes, writable
//! ```
//! Slot *n* loads the address of datum *n* into the scratch register and jumps to `ThunkData::common`. All blocks have
//! their slots from the same pages, which are written as far as slots are used.

use crate::code::region;
use crate::code::registry::GRANULE_BYTES;
use crate::fixed::{THUNK_SLOT_BYTES, ThunkData, thunk_slot};
use crate::sys::machcode;
use crate::sys::mapping::{self, Access, Mapping, SharedPages};
use crate::threads::fork::{Guard, Mutex};
use std::collections::BTreeSet;
use std::io;
use std::mem::size_of;
use std::sync::MutexGuard;

/// A thunk. Its slot is reused after it is dropped, so it is dropped only when nothing can call it (invariant 7).
#[derive(Debug)]
pub struct Thunk {
    code: usize,
    block: u32,
    slot: u32,
}

/// Slots in a block.
const SLOTS: usize = 1 << 16;
const CODE_BYTES: usize = SLOTS * THUNK_SLOT_BYTES;
const DATA_BYTES: usize = SLOTS * size_of::<ThunkData>();
/// As many slots are written at once: whole pages of any host.
const SLOTS_AT_ONCE: usize = (64 << 10) / THUNK_SLOT_BYTES;
/// A block that is free again gives its data back to the system if more than this was in use.
const KEPT_SLOTS: u32 = 4096;

const _: () = assert!(CODE_BYTES.is_multiple_of(GRANULE_BYTES));

/// The blocks of the process. They stay where they are; what is free is used first.
#[derive(Default)]
struct Pool {
    /// The slots of all blocks; `None` before the first block, or where the system maps no pages twice.
    slots: Option<SharedPages>,
    /// Slots that are written in [`Self::slots`].
    written: usize,
    blocks: Vec<Block>,
    /// Numbers of blocks with a free slot.
    with_room: BTreeSet<u32>,
}

struct Block {
    /// Address of slot 0.
    code: usize,
    /// Thunks that live.
    used: u32,
    /// The first slot that was never used, or not since the block gave its data back.
    fresh: u32,
    /// The slot that was freed last, whose datum names the one that was freed before.
    freed: Option<u32>,
    _mapping: Mapping,
}

/// A panic in the midst of a change makes it unusable: [`pool`] says so.
static POOL: Mutex<Option<Pool>> = Mutex::new(None);

fn pool() -> io::Result<Guard<MutexGuard<'static, Option<Pool>>>> {
    POOL.lock().map_err(|_| io::Error::other("a panic has broken this process's pool of thunks; restart the process"))
}

impl Thunk {
    /// Memory that a thunk takes, in bytes: its datum, and its slot where those are not shared.
    #[allow(dead_code)] // for budgets
    pub const BYTES: usize = size_of::<ThunkData>() + THUNK_SLOT_BYTES;

    /// A thunk with this data.
    ///
    /// # Errors
    /// If the system has no memory for more of them.
    pub fn new(data: ThunkData) -> io::Result<Self> {
        pool()?.get_or_insert_default().take(data)
    }

    /// The address to call.
    pub fn code(&self) -> usize {
        self.code
    }
}

impl Drop for Thunk {
    fn drop(&mut self) {
        // Of a pool that a panic has broken, slots are not given out again anyway.
        if let Ok(mut pool) = pool()
            && let Some(pool) = &mut *pool
        {
            pool.give_back(self);
        }
    }
}

impl Pool {
    fn take(&mut self, data: ThunkData) -> io::Result<Thunk> {
        let number = match self.with_room.first() {
            Some(number) => *number,
            None => self.add_block()?,
        };
        self.write_slots(self.blocks[number as usize].fresh as usize + 1);
        let block = &mut self.blocks[number as usize];
        let slot = block.take();
        // SAFETY: the datum lies in the block's mapping (invariant 16). The slot was free: nothing can call it, and so nothing
        // reads the datum; the pool is locked (invariant 14).
        unsafe { block.datum(slot).write(data) };
        if block.is_full() {
            self.with_room.remove(&number);
        }
        Ok(Thunk { code: block.code + slot as usize * THUNK_SLOT_BYTES, block: number, slot })
    }

    fn give_back(&mut self, thunk: &Thunk) {
        self.blocks[thunk.block as usize].give_back(thunk.slot);
        self.with_room.insert(thunk.block);
    }

    /// Adds a block and returns its number.
    fn add_block(&mut self) -> io::Result<u32> {
        if self.blocks.is_empty() {
            // A process that cannot map pages twice has slots of its own in each block.
            self.slots = SharedPages::new(CODE_BYTES).ok();
        }
        let number = u32::try_from(self.blocks.len()).map_err(io::Error::other)?;
        let mapping = Mapping::anonymous(CODE_BYTES + DATA_BYTES + GRANULE_BYTES, Access::ReadWrite)?;
        let code = (mapping.base() as usize).next_multiple_of(GRANULE_BYTES);
        match &self.slots {
            // SAFETY: the range lies in our own mapping, which is fresh, so that nothing refers into it (invariant 16).
            Some(slots) => unsafe { slots.map_executable(code as *mut u8)? },
            None => {
                // SAFETY: the range lies in our own mapping, which is fresh and writable; nothing runs there yet (invariant 16).
                unsafe { write_slots(code as *mut u8, 0..SLOTS) };
                // SAFETY: as above, and nothing refers into it. It is executable instead of writable from here on
                // (invariants 2 and 16).
                unsafe { mapping::protect(code as *mut u8, CODE_BYTES, Access::ReadExecute)? };
            }
        }
        let written = if self.slots.is_some() { self.written * THUNK_SLOT_BYTES } else { CODE_BYTES };
        machcode::publish(code as *const u8, code as *const u8, written);
        region::register_thunks(code, CODE_BYTES);
        self.blocks.push(Block { code, used: 0, fresh: 0, freed: None, _mapping: mapping });
        self.with_room.insert(number);
        Ok(number)
    }

    /// Writes shared slots, so that there are at least so many.
    fn write_slots(&mut self, needed: usize) {
        let Some(slots) = &self.slots else { return };
        if needed <= self.written {
            return;
        }
        let new = self.written..needed.next_multiple_of(SLOTS_AT_ONCE).min(SLOTS);
        // SAFETY: the slots lie in the pages, at their writable view (invariant 16). They have not been given out, so that nothing
        // runs there yet (invariant 11); the pool is locked.
        unsafe { write_slots(slots.base(), new.clone()) };
        let (offset, len_bytes) = (new.start * THUNK_SLOT_BYTES, new.len() * THUNK_SLOT_BYTES);
        for block in &self.blocks {
            machcode::publish(
                slots.base().wrapping_add(offset),
                (block.code as *const u8).wrapping_add(offset),
                len_bytes,
            );
        }
        self.written = new.end;
    }
}

impl Block {
    fn is_full(&self) -> bool {
        self.freed.is_none() && self.fresh as usize == SLOTS
    }

    fn datum(&self, slot: u32) -> *mut ThunkData {
        (self.code as *mut u8).wrapping_add(CODE_BYTES + slot as usize * size_of::<ThunkData>()).cast()
    }

    /// Takes a free slot; there is one.
    fn take(&mut self) -> u32 {
        self.used += 1;
        let Some(slot) = self.freed else {
            self.fresh += 1;
            return self.fresh - 1;
        };
        // SAFETY: the datum lies in the block's mapping (invariant 16), and `give_back` has written it, as a link of this list:
        // nothing can call a freed slot (invariant 14).
        let next = unsafe { (*self.datum(slot)).target };
        self.freed = u32::try_from(next).ok().and_then(|next| next.checked_sub(1));
        slot
    }

    fn give_back(&mut self, slot: u32) {
        self.used -= 1;
        if self.used == 0 && self.fresh > KEPT_SLOTS {
            // SAFETY: the data lie in our own mapping, behind the slots (invariant 16), and no thunk of the block is left that could
            // be called (invariant 14).
            let discarded = unsafe { mapping::discard(self.datum(0).cast(), DATA_BYTES) };
            if discarded.is_ok() {
                (self.fresh, self.freed) = (0, None);
                return;
            }
        }
        let next = self.freed.map_or(0, |freed| freed as usize + 1);
        let unused = ThunkData { common: 0, target: next, context: 0, stack_args_bytes: 0, flags: 0 };
        // SAFETY: the datum lies in the block's mapping (invariant 16). The thunk is gone, so that nothing can call its slot and
        // read the datum; the pool is locked (invariant 14).
        unsafe { self.datum(slot).write(unused) };
        self.freed = Some(slot);
    }
}

/// Writes these slots of a block whose slots begin at `base`.
///
/// # Safety
/// The slots must lie in a mapping of ours and be writable there, and nothing may run them.
unsafe fn write_slots(base: *mut u8, slots: std::ops::Range<usize>) {
    for n in slots {
        let distance = CODE_BYTES + n * size_of::<ThunkData>() - n * THUNK_SLOT_BYTES;
        for (at, byte) in thunk_slot(distance as u32).into_iter().enumerate() {
            // SAFETY: the slot is writable, and nothing runs there, as the caller promises (invariant 16).
            unsafe { base.add(n * THUNK_SLOT_BYTES + at).write(byte) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thunks_are_known_distinct_and_reused() {
        let data = ThunkData { common: 1, target: 2, context: 3, stack_args_bytes: 0, flags: 0 };
        let many: Vec<_> = (0..3000).map(|_| Thunk::new(data).expect("a thunk")).collect();
        assert!(many.iter().all(|thunk| region::is_thunk(thunk.code())));
        let distinct: std::collections::HashSet<_> = many.iter().map(Thunk::code).collect();
        assert_eq!(distinct.len(), many.len());
        assert!(distinct.iter().all(|code| code.is_multiple_of(THUNK_SLOT_BYTES)));
    }

    #[test]
    fn a_block_takes_up_what_was_freed_and_begins_anew_when_it_is_empty() {
        let mut pool = Pool::default();
        let data = |n: usize| ThunkData { common: 1, target: n, context: 0, stack_args_bytes: 0, flags: 0 };
        let thunks: Vec<_> = (0..2 * SLOTS + 5).map(|n| pool.take(data(n)).expect("a thunk")).collect();
        assert_eq!(pool.blocks.len(), 3);
        let kept = |pool: &Pool, thunk: &Thunk| {
            // SAFETY: the thunk lives.
            unsafe { (*pool.blocks[thunk.block as usize].datum(thunk.slot)).target }
        };
        assert!(thunks.iter().enumerate().all(|(n, thunk)| kept(&pool, thunk) == n));
        // Every second one comes and goes; the others keep their data.
        for thunk in thunks.iter().step_by(2) {
            pool.give_back(thunk);
        }
        let again: Vec<_> = (0..SLOTS + 3).map(|n| pool.take(data(10 * n)).expect("a thunk")).collect();
        assert_eq!(pool.blocks.len(), 3, "freed slots serve again");
        assert!(thunks.iter().enumerate().skip(1).step_by(2).all(|(n, thunk)| kept(&pool, thunk) == n));
        let old = thunks.iter().skip(1).step_by(2);
        let distinct: std::collections::HashSet<_> = again.iter().chain(old).map(Thunk::code).collect();
        assert_eq!(distinct.len(), 2 * SLOTS + 5);
        again.iter().chain(thunks.iter().skip(1).step_by(2)).for_each(|thunk| pool.give_back(thunk));
        assert!(pool.blocks.iter().all(|block| block.used == 0));
        assert!(pool.blocks[..2].iter().all(|block| block.fresh == 0 && block.freed.is_none()));
        // These are of a pool of their own.
        thunks.into_iter().chain(again).for_each(std::mem::forget);
        std::mem::forget(pool);
    }
}

//! Thunks: code addresses made from data alone. A block is a page of identical slots and a page of data beside it, so
//! that instantiating and defining host functions generate no code.
//!
//! ```text
//! block  ├─ slot 0 │ slot 1 │ … ─┤├─ data 0 │ data 1 │ … ─┤
//!          16 bytes, executable      32 bytes, writable
//! ```
//! Slot *n* loads the address of datum *n* into the scratch register and jumps to `ThunkData::common`.

use crate::code;
use crate::sys::arch::{THUNK_SLOT_BYTES, ThunkData, thunk_slot};
use crate::sys::machcode;
use crate::sys::mapping::{Access, Mapping, MemoryFile, page_size};
use std::io;
use std::mem::size_of;
use std::sync::{Mutex, MutexGuard, OnceLock};

/// A thunk. Its slot is reused after it is dropped, so it is dropped only when nothing can call it (invariant 7).
#[derive(Debug)]
pub struct Thunk {
    code: usize,
    data: *mut ThunkData,
}

// SAFETY: the data is written before the thunk is shared and only read afterwards.
unsafe impl Send for Thunk {}
// SAFETY: as above.
unsafe impl Sync for Thunk {}

#[derive(Default)]
struct Blocks {
    mappings: Vec<Mapping>,
    free: Vec<Slot>,
}

struct Slot {
    code: usize,
    data: usize,
}

static BLOCKS: Mutex<Option<Blocks>> = Mutex::new(None);

fn blocks() -> MutexGuard<'static, Option<Blocks>> {
    BLOCKS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Bytes of slots in a block: a whole page of any host.
fn code_bytes() -> usize {
    page_size().max(16 << 10)
}

impl Thunk {
    /// A thunk with this data.
    pub fn new(data: ThunkData) -> io::Result<Self> {
        let mut blocks = blocks();
        let blocks = blocks.get_or_insert_default();
        if blocks.free.is_empty() {
            blocks.add()?;
        }
        let slot = blocks.free.pop().expect("a block has slots");
        let thunk = Self { code: slot.code, data: slot.data as *mut ThunkData };
        // SAFETY: the slot was free: nobody reads its data.
        unsafe { thunk.data.write(data) };
        Ok(thunk)
    }

    /// The address to call.
    pub fn code(&self) -> usize {
        self.code
    }
}

impl Drop for Thunk {
    fn drop(&mut self) {
        if let Some(blocks) = blocks().as_mut() {
            blocks.free.push(Slot { code: self.code, data: self.data as usize });
        }
    }
}

impl Blocks {
    fn add(&mut self) -> io::Result<()> {
        let (code_len, slots) = (code_bytes(), code_bytes() / THUNK_SLOT_BYTES);
        let mapping = Mapping::anonymous(code_len + slots * size_of::<ThunkData>(), Access::ReadWrite)?;
        // SAFETY: the mapping is fresh, nobody refers into it.
        unsafe { fill_slots(&mapping, code_len)? };
        machcode::publish(mapping.base(), mapping.base(), code_len);
        let base = mapping.base() as usize;
        code::register_thunks(base, code_len)?;
        self.free.extend(
            (0..slots).rev().map(|n| Slot {
                code: base + n * THUNK_SLOT_BYTES,
                data: base + code_len + n * size_of::<ThunkData>(),
            }),
        );
        self.mappings.push(mapping);
        Ok(())
    }
}

/// All blocks share the pages of one file, where the system has memory files; else each has its own.
unsafe fn fill_slots(mapping: &Mapping, code_len: usize) -> io::Result<()> {
    static TEMPLATE: OnceLock<Option<MemoryFile>> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let file = MemoryFile::new("epsilon-thunks").ok()?;
        file.write_at(&slots(code_len), 0).ok()?;
        Some(file)
    });
    // SAFETY: the caller's mapping is fresh.
    unsafe {
        match template {
            Some(file) => mapping.map_shared(0, file, 0, code_len, Access::ReadExecute),
            None => {
                let slots = slots(code_len);
                mapping.base().copy_from_nonoverlapping(slots.as_ptr(), slots.len());
                mapping.protect(0, code_len, Access::ReadExecute)
            }
        }
    }
}

fn slots(code_len: usize) -> Vec<u8> {
    let distance = |n: usize| code_len + n * size_of::<ThunkData>() - n * THUNK_SLOT_BYTES;
    (0..code_len / THUNK_SLOT_BYTES).flat_map(|n| thunk_slot(distance(n) as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thunks_are_known_distinct_and_reused() {
        let data = ThunkData { common: 1, target: 2, context: 3, stack_args_bytes: 0, flags: 0 };
        let many: Vec<_> = (0..3000).map(|_| Thunk::new(data).expect("a thunk")).collect();
        assert!(many.iter().all(|thunk| code::is_thunk(thunk.code())));
        let distinct: std::collections::HashSet<_> = many.iter().map(Thunk::code).collect();
        assert_eq!(distinct.len(), many.len());
        drop(many);
        assert!(distinct.contains(&Thunk::new(data).expect("a thunk").code()) || distinct.len() == 3000);
    }
}

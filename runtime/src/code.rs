//! Where machine code lies: regions reserved for the whole process, arenas carved from them, and the one question a
//! signal handler asks: is this pc ours?
//!
//! ```text
//! region (reserved)   ├── arena of module A ──┤├── arena of module B ──┤   free   ┤   executable view
//! alias of arena A    ├── the same pages ─────┤                                       writable view, elsewhere
//! ```
//! No page is ever writable and executable at one address (invariant 2).

use crate::registry::{Range, any_contains, append};
use crate::sys::machcode;
use crate::sys::mapping::{Access, Mapping, MemoryFile, keep_from_children};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard};

/// Sizes to try for a region, the largest first: a limit on address space may refuse the first ones.
const REGION_BYTES: [usize; 4] = [4 << 30, 1 << 30, 256 << 20, 64 << 20];

/// Arenas start and end at multiples of this.
const GRANULE_BYTES: usize = 64 << 10;

/// `bl` reaches 128 MiB on aarch64, and slots and veneers need room too.
const MAX_ARENA_BYTES: usize = 120 << 20;

const fn empty() -> Range {
    Range { start: AtomicUsize::new(0), end: AtomicUsize::new(0) }
}

/// Ranges are only ever appended: regions and thunk blocks live as long as the process.
static TEXT: [Range; 64] = [const { empty() }; 64];
static THUNKS: [Range; 256] = [const { empty() }; 256];

/// Whether `pc` is in compiled wasm. Safe to ask in a signal handler.
pub fn is_wasm_text(pc: usize) -> bool {
    any_contains(&TEXT, pc)
}

/// Whether `pc` is in a thunk slot. Safe to ask in a signal handler.
pub fn is_thunk(pc: usize) -> bool {
    any_contains(&THUNKS, pc)
}

/// Makes a block of thunk slots known. Called under the thunk allocator's lock, so that appends do not race.
pub fn register_thunks(start: usize, len_bytes: usize) -> io::Result<()> {
    append(&THUNKS, start, len_bytes)
}

#[derive(Default)]
struct Regions {
    mappings: Vec<Mapping>,
    /// Free ranges: start to length in bytes.
    free: BTreeMap<usize, usize>,
}

static REGIONS: Mutex<Option<Regions>> = Mutex::new(None);

fn regions() -> MutexGuard<'static, Option<Regions>> {
    REGIONS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Regions {
    fn take(&mut self, len_bytes: usize) -> io::Result<usize> {
        if let Some(start) = self.take_free(len_bytes) {
            return Ok(start);
        }
        self.add_region(len_bytes)?;
        self.take_free(len_bytes).ok_or_else(|| io::Error::other("no address space left for code"))
    }

    fn take_free(&mut self, len_bytes: usize) -> Option<usize> {
        let (&start, &free) = self.free.iter().find(|(_, free)| **free >= len_bytes)?;
        self.free.remove(&start);
        if free > len_bytes {
            self.free.insert(start + len_bytes, free - len_bytes);
        }
        Some(start)
    }

    fn add_region(&mut self, at_least_bytes: usize) -> io::Result<()> {
        let mut last_error = None;
        for bytes in REGION_BYTES.into_iter().chain([at_least_bytes + GRANULE_BYTES]) {
            if bytes < at_least_bytes + GRANULE_BYTES {
                continue;
            }
            match Mapping::reserve(bytes) {
                Ok(mapping) => {
                    let start = (mapping.base() as usize).next_multiple_of(GRANULE_BYTES);
                    let end = (mapping.base() as usize + bytes) & !(GRANULE_BYTES - 1);
                    append(&TEXT, start, end - start)?;
                    self.free.insert(start, end - start);
                    self.mappings.push(mapping);
                    return Ok(());
                }
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| io::Error::other("no size of region was tried")))
    }

    fn give_back(&mut self, mut start: usize, mut len_bytes: usize) {
        if let Some((&before, &len)) = self.free.range(..start).next_back()
            && before + len == start
        {
            self.free.remove(&before);
            (start, len_bytes) = (before, len + len_bytes);
        }
        if let Some(after) = self.free.remove(&(start + len_bytes)) {
            len_bytes += after;
        }
        self.free.insert(start, len_bytes);
    }
}

/// A module's code: one contiguous executable view, and a writable one elsewhere.
#[derive(Debug)]
pub struct Arena {
    executable: usize,
    len_bytes: usize,
    writable: Writable,
    /// The process that made the writable view.
    process: u32,
}

/// How an arena is written.
#[derive(Debug)]
enum Writable {
    /// The same pages mapped a second time.
    Alias(Mapping),
    /// The executable view itself, while it is not executable yet.
    Unsealed,
}

impl Arena {
    /// Reserves and maps at least `len_bytes`.
    ///
    /// # Errors
    /// If that exceeds what calls can reach (120 MiB), or the system has no memory.
    pub fn new(len_bytes: usize) -> io::Result<Self> {
        let len_bytes = len_bytes.max(1).next_multiple_of(GRANULE_BYTES);
        if len_bytes > MAX_ARENA_BYTES {
            let mib = len_bytes >> 20;
            let limit = MAX_ARENA_BYTES >> 20;
            return Err(io::Error::other(format!(
                "{mib} MiB of machine code exceed the {limit} MiB that calls can reach"
            )));
        }
        let executable = regions().get_or_insert_default().take(len_bytes)?;
        let process = std::process::id();
        let mut arena = Self { executable, len_bytes, writable: Writable::Unsealed, process };
        if let Ok(alias) = arena.new_alias() {
            arena.writable = Writable::Alias(alias);
        } else {
            arena.protect(Access::ReadWrite)?;
        }
        Ok(arena)
    }

    /// Maps fresh pages at both views, and returns the writable one.
    fn new_alias(&self) -> io::Result<Mapping> {
        let file = MemoryFile::new("epsilon-code")?;
        file.set_len(self.len_bytes)?;
        let alias = Mapping::reserve(self.len_bytes)?;
        self.map_twice(&file, &alias)?;
        Ok(alias)
    }

    fn map_twice(&self, file: &MemoryFile, alias: &Mapping) -> io::Result<()> {
        // SAFETY: both ranges are ours, and nobody refers into them: they are fresh, or the same code replaces them.
        unsafe {
            alias.map_shared(0, file, 0, self.len_bytes, Access::ReadWrite)?;
            with_region(self.executable, |region, offset| {
                region.map_shared(offset, file, 0, self.len_bytes, Access::ReadExecute)
            })?;
        }
        keep_from_children(alias);
        Ok(())
    }

    fn protect(&self, access: Access) -> io::Result<()> {
        // SAFETY: nothing refers into the range but the arena's owner, who asks for this.
        unsafe { with_region(self.executable, |region, offset| region.protect(offset, self.len_bytes, access)) }
    }

    /// The address at which code runs.
    pub fn executable(&self) -> usize {
        self.executable
    }

    /// The address at which code is written.
    pub fn writable(&self) -> *mut u8 {
        match &self.writable {
            Writable::Alias(mapping) => mapping.base(),
            Writable::Unsealed => self.executable as *mut u8,
        }
    }

    /// Size in bytes.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Whether code can be written while other code of the arena runs.
    pub fn has_alias(&self) -> bool {
        matches!(self.writable, Writable::Alias(_))
    }

    /// Makes freshly written code visible to every thread.
    pub fn publish(&self, offset: usize, len_bytes: usize) {
        // SAFETY: the offsets are the arena's.
        let written = unsafe { self.writable().add(offset) };
        machcode::publish(written, (self.executable + offset) as *const u8, len_bytes);
    }

    /// Ends writing where there is no second view. Called once, before any of the code runs.
    pub fn seal(&self) -> io::Result<()> {
        match &self.writable {
            Writable::Alias(_) => Ok(()),
            Writable::Unsealed => self.protect(Access::ReadExecute),
        }
    }

    /// In a child made by `fork`, gives the arena pages of its own at both views: the writable one was not inherited, and
    /// the pages are still those of the parent. Copies the first `used_bytes`; whether there was something to do.
    pub fn renew_in_child(&mut self, used_bytes: usize) -> io::Result<bool> {
        let process = std::process::id();
        let Writable::Alias(alias) = &self.writable else { return Ok(false) };
        if self.process == process {
            return Ok(false);
        }
        // Where it was: the linker knows linked functions by their addresses there.
        alias.reclaim()?;
        let file = MemoryFile::new("epsilon-code")?;
        file.set_len(self.len_bytes)?;
        // SAFETY: the executable view was inherited and is readable. Nothing is allocated until the views are there, so
        // that nothing else comes to lie where they were.
        file.write_at(unsafe { std::slice::from_raw_parts(self.executable as *const u8, used_bytes) }, 0)?;
        self.map_twice(&file, alias)?;
        self.process = process;
        Ok(true)
    }
}

/// # Safety
/// As the operation on the region demands.
unsafe fn with_region<R>(address: usize, f: impl FnOnce(&Mapping, usize) -> R) -> R {
    let regions = regions();
    let mut mappings = regions.iter().flat_map(|regions| &regions.mappings);
    let region = mappings
        .find(|region| (region.base() as usize..region.base() as usize + region.len_bytes()).contains(&address))
        .expect("an arena lies in a region");
    f(region, address - region.base() as usize)
}

impl Drop for Arena {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // The view was not inherited: there is nothing to unmap, whatever lies there now.
            std::mem::forget(std::mem::replace(&mut self.writable, Writable::Unsealed));
        }
        // SAFETY: an arena is dropped when nothing can run its code any more (invariant 7). Fresh anonymous pages
        // replace the shared ones, so that the range holds no code when it is given out again.
        let cleared =
            unsafe { crate::sys::mapping::replace_with_reservation(self.executable as *mut u8, self.len_bytes) };
        if cleared.is_ok()
            && let Some(regions) = regions().as_mut()
        {
            regions.give_back(self.executable, self.len_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arenas_are_known_apart_and_reused() {
        let first = Arena::new(1).expect("an arena");
        let second = Arena::new(GRANULE_BYTES + 1).expect("an arena");
        assert_eq!(second.len_bytes(), 2 * GRANULE_BYTES);
        assert!(is_wasm_text(first.executable()) && is_wasm_text(second.executable() + second.len_bytes() - 1));
        assert!(!is_wasm_text(first.writable() as usize));
        assert!(!is_wasm_text(&raw const first as usize));
    }

    #[test]
    fn code_written_through_the_alias_runs() {
        let arena = Arena::new(16).expect("an arena");
        #[cfg(target_arch = "x86_64")]
        let code: &[u8] = &[0xb8, 42, 0, 0, 0, 0xc3]; // mov eax, 42; ret
        #[cfg(target_arch = "aarch64")]
        let code: &[u8] = &[0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6]; // mov w0, 42; ret
        // SAFETY: the arena is at least as long as the code, which is a whole function.
        let result = unsafe {
            arena.writable().copy_from_nonoverlapping(code.as_ptr(), code.len());
            arena.publish(0, code.len());
            arena.seal().expect("sealing");
            std::mem::transmute::<usize, extern "C" fn() -> i32>(arena.executable())()
        };
        assert_eq!(result, 42);
    }

    #[test]
    fn too_much_code_is_an_error() {
        assert!(Arena::new(MAX_ARENA_BYTES + 1).unwrap_err().to_string().contains("120 MiB"));
    }
}

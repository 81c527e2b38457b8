//! Where machine code lies: regions reserved for the whole process, arenas carved from them, and the one question a
//! signal handler asks: is this pc ours?
//!
//! ```text
//! region (reserved)   ├── arena of module A ──┤├── arena of module B ──┤   free   ┤   executable view
//! alias of arena A    ├── the same pages ─────┤                                       writable view, elsewhere
//! ```
//! No page is ever writable and executable at one address (invariant 2).

use crate::base::fault::Faults;
use crate::code::registry::{GRANULE_BYTES, Ranges};
use crate::sys::machcode;
use crate::sys::mapping::{self, Access, Mapping, SharedPages, keep_from_children};
use crate::threads::fork::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicUsize;

/// Sizes to try for a region, the largest first. Where the process has a limit on its address space, regions are as large
/// as they have to be and no larger: what they take, memories lack.
const REGION_BYTES: [usize; 5] = [32 << 30, 8 << 30, 4 << 30, 1 << 30, 256 << 20];

/// `call` reaches 2 GiB on x86_64; `bl` reaches 128 MiB on aarch64, and slots and veneers need room too.
pub const MAX_ARENA_BYTES: usize = if cfg!(target_arch = "x86_64") { 1920 << 20 } else { 120 << 20 };

static TEXT: Ranges<64> = Ranges::new([const { AtomicUsize::new(0) }; 64]);
static THUNKS: Ranges<64> = Ranges::new([const { AtomicUsize::new(0) }; 64]);

/// Whether `pc` is in compiled wasm. Safe to ask in a signal handler.
pub fn is_wasm_text(pc: usize) -> bool {
    TEXT.contains(pc)
}

/// Whether `pc` is in a thunk slot. Safe to ask in a signal handler.
pub fn is_thunk(pc: usize) -> bool {
    THUNKS.contains(pc)
}

/// Makes a block of thunk slots known. Called under the thunk allocator's lock, so that changes do not race.
pub fn register_thunks(start: usize, len_bytes: usize) {
    THUNKS.insert(start, len_bytes);
}

#[derive(Default)]
struct Regions {
    /// Each with its range of whole granules: start and end.
    mappings: Vec<(Mapping, usize, usize)>,
    /// Free ranges: start to length in bytes.
    free: BTreeMap<usize, usize>,
}

static REGIONS: Mutex<Option<Regions>> = Mutex::new(None);

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
        let needed_bytes = at_least_bytes + GRANULE_BYTES;
        let generous = REGION_BYTES.into_iter().filter(|bytes| *bytes > needed_bytes);
        let generous = generous.filter(|_| !mapping::address_space_is_limited());
        let mapping = generous.map(Mapping::reserve).find_map(Result::ok);
        let mapping = mapping.map_or_else(|| Mapping::reserve(needed_bytes), Ok)?;
        let base = mapping.base() as usize;
        let start = base.next_multiple_of(GRANULE_BYTES);
        let end = (base + mapping.len_bytes()) & !(GRANULE_BYTES - 1);
        TEXT.insert(start, end - start);
        self.free.insert(start, end - start);
        self.mappings.push((mapping, start, end));
        Ok(())
    }

    fn give_back(&mut self, mut start: usize, mut len_bytes: usize) {
        let within = self.mappings.iter().position(|(_, first, end)| (*first..*end).contains(&start));
        let within = within.expect("an arena lies in a region");
        let (_, first, end) = self.mappings[within];
        if let Some((&before, &len)) = self.free.range(first..start).next_back()
            && before + len == start
        {
            self.free.remove(&before);
            (start, len_bytes) = (before, len + len_bytes);
        }
        if start + len_bytes < end
            && let Some(after) = self.free.remove(&(start + len_bytes))
        {
            len_bytes += after;
        }
        if (start, start + len_bytes) == (first, end) && mapping::address_space_is_limited() {
            // Others may need the addresses; no code is left there (invariant 7).
            TEXT.remove(first, end - first);
            drop(self.mappings.swap_remove(within));
            return;
        }
        self.free.insert(start, len_bytes);
    }
}

fn with_regions<R>(f: impl FnOnce(&mut Regions) -> R) -> io::Result<R> {
    let poisoned = |_| io::Error::other("a panic has broken the list of this process's code; restart the process");
    Ok(f(REGIONS.lock().map_err(poisoned)?.get_or_insert_default()))
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
    /// If that exceeds [`MAX_ARENA_BYTES`], or the system has no memory.
    pub fn new(len_bytes: usize, faults: &Faults) -> io::Result<Self> {
        let len_bytes = len_bytes.max(1).next_multiple_of(GRANULE_BYTES);
        if len_bytes > MAX_ARENA_BYTES {
            let mib = len_bytes >> 20;
            let limit = MAX_ARENA_BYTES >> 20;
            return Err(io::Error::other(format!(
                "{mib} MiB of machine code exceed the {limit} MiB that calls can reach"
            )));
        }
        faults.link_step()?;
        let executable = with_regions(|regions| regions.take(len_bytes))??;
        let process = std::process::id();
        let mut arena = Self { executable, len_bytes, writable: Writable::Unsealed, process };
        match faults.link_step().and_then(|()| SharedPages::new(len_bytes)).and_then(|pages| arena.show(pages)) {
            Ok(alias) => arena.writable = Writable::Alias(alias),
            Err(_) => {
                faults.link_step()?;
                arena.clear()?;
                arena.protect(Access::ReadWrite)?;
            }
        }
        Ok(arena)
    }

    /// Maps pages at the executable view as well, and returns the writable one.
    fn show(&self, pages: SharedPages) -> io::Result<Mapping> {
        // SAFETY: the range was taken from a region for this arena, as long as the pages are (invariant 16). Nothing refers into
        // it, or only code that the same code replaces at once (invariant 7).
        unsafe { pages.map_executable(self.executable as *mut u8)? };
        let alias = pages.into_view();
        keep_from_children(&alias)?;
        Ok(alias)
    }

    /// Makes the executable view a reservation again.
    fn clear(&self) -> io::Result<()> {
        // SAFETY: the range was taken from a region for this arena (invariant 16), and nothing in it can still run (invariant 7).
        unsafe { mapping::replace_with_reservation(self.executable as *mut u8, self.len_bytes) }
    }

    fn protect(&self, access: Access) -> io::Result<()> {
        // SAFETY: the range was taken from a region for this arena (invariant 16). It is made writable before there is code in
        // it, and executable instead of writable before any of the code runs (invariants 2 and 11).
        unsafe { mapping::protect(self.executable as *mut u8, self.len_bytes, access) }
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
        // SAFETY: callers give offsets of what they have written in this arena, so that the address lies in it (invariant 16).
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
    /// the pages are still those of the parent. Copies the first `used_bytes` and has `mend` change the copy, at its writable
    /// view, before anything can run it. Returns whether there was something to do.
    pub fn renew_in_child(&mut self, used_bytes: usize, mend: impl FnOnce(*mut u8)) -> io::Result<bool> {
        let process = std::process::id();
        let Writable::Alias(alias) = &self.writable else { return Ok(false) };
        if self.process == process {
            return Ok(false);
        }
        // Where it was: the linker knows linked functions by their addresses there. If anything fails, the view is as it
        // was, and can be tried again.
        let view = Mapping::at(alias.base(), self.len_bytes)?;
        let pages = SharedPages::new_at(view)?;
        // SAFETY: the executable view was inherited, is readable, and like the new one `len_bytes` long, which `used_bytes` does
        // not exceed; they are two mappings (invariant 16). What the parent may write meanwhile, slots and calls that it has
        // recorded, `mend` writes anew (invariant 18).
        unsafe { pages.base().copy_from_nonoverlapping(self.executable as *const u8, used_bytes) };
        mend(pages.base());
        let alias = self.show(pages)?;
        // What stood for the view that was not inherited is not to be unmapped.
        std::mem::forget(std::mem::replace(&mut self.writable, Writable::Alias(alias)));
        self.process = process;
        Ok(true)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // The view was not inherited: there is nothing to unmap, whatever lies there now.
            std::mem::forget(std::mem::replace(&mut self.writable, Writable::Unsealed));
        }
        // An arena is dropped when nothing can run its code any more (invariant 7). Fresh anonymous pages replace the shared
        // ones, so that the range holds no code when it is given out again; if that fails, it never is.
        if self.clear().is_ok() {
            let _ = with_regions(|regions| regions.give_back(self.executable, self.len_bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arenas_are_known_apart_and_reused() {
        let first = Arena::new(1, &Faults::default()).expect("an arena");
        let second = Arena::new(GRANULE_BYTES + 1, &Faults::default()).expect("an arena");
        assert_eq!(second.len_bytes(), 2 * GRANULE_BYTES);
        assert!(is_wasm_text(first.executable()) && is_wasm_text(second.executable() + second.len_bytes() - 1));
        assert!(!is_wasm_text(first.writable() as usize));
        assert!(!is_wasm_text(&raw const first as usize));
    }

    #[test]
    fn code_written_through_the_alias_runs() {
        let arena = Arena::new(16, &Faults::default()).expect("an arena");
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
        let limit = format!("{} MiB that calls can reach", MAX_ARENA_BYTES >> 20);
        assert!(Arena::new(MAX_ARENA_BYTES + 1, &Faults::default()).unwrap_err().to_string().contains(&limit));
    }
}

//! Mappings of anonymous memory and of memory files. Linear memories are reserved through `region` in `crate::memory`;
//! here is what that crate does not offer.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, ftruncate, memfd_create};
use rustix::mm::{Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags};
use rustix::mm::{madvise, mmap, mmap_anonymous, mprotect, mremap, mremap_fixed, munmap};
use rustix::process::{Resource, getrlimit};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};

/// Size of a page of the host in bytes.
pub fn page_size() -> usize {
    rustix::param::page_size()
}

/// Rounds up to whole pages of the host.
pub fn round_to_pages(bytes: usize) -> usize {
    bytes.next_multiple_of(page_size())
}

/// Whether the process has a limit on its address space (`ulimit -v`).
pub fn address_space_is_limited() -> bool {
    getrlimit(Resource::As).current.is_some()
}

/// How large files of this process may become. Making one larger raises a signal.
pub fn file_size_limit() -> u64 {
    getrlimit(Resource::Fsize).current.unwrap_or(i64::MAX as u64)
}

/// A file that lives in memory, for contents that are mapped more than once.
#[derive(Debug)]
pub struct MemoryFile(OwnedFd);

impl MemoryFile {
    /// An empty file.
    pub fn new(name: &str) -> io::Result<Self> {
        Ok(Self(memfd_create(name, MemfdFlags::CLOEXEC)?))
    }

    /// Makes the file `len_bytes` long. New bytes are zero.
    ///
    /// # Errors
    /// Also if the process may not have files so long (`ulimit -f`).
    pub fn set_len(&self, len_bytes: usize) -> io::Result<()> {
        refuse_long_file(len_bytes as u64)?;
        Ok(ftruncate(&self.0, len_bytes as u64)?)
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Also if the process may not have files so long (`ulimit -f`).
    pub fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        refuse_long_file(offset + bytes.len() as u64)?;
        while !bytes.is_empty() {
            let written = rustix::io::pwrite(&self.0, bytes, offset)?;
            bytes = &bytes[written..];
            offset += written as u64;
        }
        Ok(())
    }

    /// Fills `bytes` with what is at `offset`.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match rustix::io::pread(&self.0, &mut bytes[done..], offset + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => done += read,
            }
        }
        Ok(())
    }

    /// Gives the memory of a part back: it reads as zeroes.
    pub fn free(&self, offset: u64, len_bytes: usize) -> io::Result<()> {
        Ok(fallocate(&self.0, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len_bytes as u64)?)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A process that makes a file longer than it may is sent SIGXFSZ, which ends it: an error comes first.
fn refuse_long_file(len_bytes: u64) -> io::Result<()> {
    match getrlimit(Resource::Fsize).current {
        Some(limit) if limit < len_bytes => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(()),
    }
}

/// What a mapping may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Nothing: address space only.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing.
    ReadExecute,
}

impl Access {
    fn protection(self) -> ProtFlags {
        match self {
            Self::None => ProtFlags::empty(),
            Self::Read => ProtFlags::READ,
            Self::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
            Self::ReadExecute => ProtFlags::READ | ProtFlags::EXEC,
        }
    }
}

/// A mapping that is unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    base: *mut u8,
    len_bytes: usize,
}

// SAFETY: a mapping is address space that it owns, bound to no thread (invariant 16).
unsafe impl Send for Mapping {}
// SAFETY: `&Mapping` gives only the address; the code that reads or writes there has a reason of its own (invariant 16).
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Reserves address space without access and without commitment.
    pub fn reserve(len_bytes: usize) -> io::Result<Self> {
        Self::anonymous(len_bytes, Access::None)
    }

    /// Maps zeroed memory.
    pub fn anonymous(len_bytes: usize, access: Access) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh mapping at an address that the system chooses touches nothing that exists.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), len_bytes, access.protection(), flags)? };
        Ok(Self { base: base.cast(), len_bytes })
    }

    /// Reserves address space at this place.
    ///
    /// # Errors
    /// If something else lies there.
    pub fn at(base: *mut u8, len_bytes: usize) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED_NOREPLACE;
        // SAFETY: nothing that exists is replaced.
        let found = unsafe { mmap_anonymous(base.cast(), len_bytes, ProtFlags::empty(), flags)? };
        let mapping = Self { base: found.cast(), len_bytes };
        // A system that does not know the flag has made a fresh mapping elsewhere.
        if found == base.cast() { Ok(mapping) } else { Err(io::Error::other("the address space is taken")) }
    }

    /// Makes the mapping longer, wherever it comes to lie. All of it must have the same access, which what is new gets.
    ///
    /// # Safety
    /// Nobody may refer into it.
    pub unsafe fn grow(&mut self, len_bytes: usize) -> io::Result<()> {
        // SAFETY: a whole mapping of ours; the caller answers for references.
        let base = unsafe { mremap(self.base.cast(), self.len_bytes, len_bytes, MremapFlags::MAYMOVE)? };
        (self.base, self.len_bytes) = (base.cast(), len_bytes);
        Ok(())
    }

    /// A mapping again that its owner has forgotten.
    ///
    /// # Safety
    /// The values must be those of a mapping of ours that nobody else owns.
    pub unsafe fn from_raw(base: *mut u8, len_bytes: usize) -> Self {
        Self { base, len_bytes }
    }

    /// The first address.
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Size in bytes.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Asks for large pages, where the system has them. An advice: nothing depends on it.
    pub fn advise_large_pages(&self) {
        // SAFETY: the range is a whole mapping of ours.
        unsafe { advise_large_pages(self.base, self.len_bytes) };
    }

    /// Changes the access to a part.
    ///
    /// # Safety
    /// Nobody may hold a reference into the part that the new access forbids.
    pub unsafe fn protect(&self, offset: usize, len_bytes: usize, access: Access) -> io::Result<()> {
        assert!(offset + len_bytes <= self.len_bytes, "protection stays inside the mapping");
        // SAFETY: the range is inside our own mapping; the caller answers for references.
        unsafe { protect(self.base.add(offset), len_bytes, access) }
    }
}

/// Pages that are mapped readable and writable at one place and can be mapped executable at others. Shared anonymous
/// memory where the system maps it again, because that has no file size that could be limited and takes no descriptor;
/// else a memory file.
#[derive(Debug)]
pub struct SharedPages {
    view: Mapping,
    file: Option<MemoryFile>,
}

impl SharedPages {
    /// Zeroed pages.
    pub fn new(len_bytes: usize) -> io::Result<Self> {
        Self::new_at(Mapping::reserve(len_bytes)?)
    }

    /// Zeroed pages at the place of a mapping.
    pub fn new_at(place: Mapping) -> io::Result<Self> {
        let flags = MapFlags::SHARED | MapFlags::NORESERVE | MapFlags::FIXED;
        if maps_again() {
            // SAFETY: the range is our own mapping, which we were given.
            unsafe { mmap_anonymous(place.base.cast(), place.len_bytes, Access::ReadWrite.protection(), flags)? };
            return Ok(Self { view: place, file: None });
        }
        let file = MemoryFile::new("epsilon-code")?;
        file.set_len(place.len_bytes)?;
        // SAFETY: as above.
        unsafe { map_file_at(place.base, &file, 0, place.len_bytes, Access::ReadWrite, MapFlags::SHARED)? };
        Ok(Self { view: place, file: Some(file) })
    }

    /// The first address of the writable view.
    pub fn base(&self) -> *mut u8 {
        self.view.base
    }

    /// Maps the pages once more, readable and executable, in place of what is at `address`, which is replaced at once:
    /// code that is in both runs on meanwhile.
    ///
    /// # Safety
    /// The range must belong to a mapping of ours. References into it must only read what is in the pages too.
    pub unsafe fn map_executable(&self, address: *mut u8) -> io::Result<()> {
        let (base, len_bytes) = (self.view.base, self.view.len_bytes);
        if let Some(file) = &self.file {
            // SAFETY: as the caller promises.
            return unsafe { map_file_at(address, file, 0, len_bytes, Access::ReadExecute, MapFlags::SHARED) };
        }
        // SAFETY: an old size of 0 maps shared pages again and leaves the view alone; the new place is the system's choice.
        let again = unsafe { mremap(base.cast(), 0, len_bytes, MremapFlags::MAYMOVE)? };
        let again = Mapping { base: again.cast(), len_bytes };
        // SAFETY: the mapping is fresh, nobody refers into it.
        unsafe { protect(again.base, len_bytes, Access::ReadExecute)? };
        // SAFETY: the caller answers for what is replaced; the fresh mapping moves there as a whole.
        unsafe { mremap_fixed(again.base.cast(), len_bytes, len_bytes, MremapFlags::MAYMOVE, address.cast())? };
        // Nothing is left to unmap.
        std::mem::forget(again);
        Ok(())
    }

    /// The writable view alone: no more can be mapped.
    pub fn into_view(self) -> Mapping {
        self.view
    }
}

/// Whether the system maps shared anonymous memory a second time: Linux does, emulators of it may not.
fn maps_again() -> bool {
    const UNKNOWN: u8 = 0;
    /// Without a lock, which a child of `fork` could find taken. Threads that look at the same time find the same.
    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);
    if ANSWER.load(Ordering::Relaxed) == UNKNOWN {
        let answer = if try_to_map_again().unwrap_or(false) { 2 } else { 1 };
        ANSWER.store(answer, Ordering::Relaxed);
    }
    ANSWER.load(Ordering::Relaxed) == 2
}

fn try_to_map_again() -> io::Result<bool> {
    let (len_bytes, access) = (page_size(), Access::ReadWrite.protection());
    // SAFETY: fresh mappings at places that the system chooses; both are our own, and unmapped at the end.
    unsafe {
        let base = mmap_anonymous(ptr::null_mut(), len_bytes, access, MapFlags::SHARED)?;
        let view = Mapping { base: base.cast(), len_bytes };
        let again = mremap(base, 0, len_bytes, MremapFlags::MAYMOVE)?;
        let again = Mapping { base: again.cast(), len_bytes };
        view.base.write_volatile(42);
        Ok(again.base.read_volatile() == 42)
    }
}

/// Changes the access to a range. A signal handler may call it.
///
/// # Safety
/// The range must belong to a mapping of ours, and nobody may hold a reference into it that the new access forbids.
pub unsafe fn protect(address: *mut u8, len_bytes: usize, access: Access) -> io::Result<()> {
    let flags = match access {
        Access::None => MprotectFlags::empty(),
        Access::Read => MprotectFlags::READ,
        Access::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
        Access::ReadExecute => MprotectFlags::READ | MprotectFlags::EXEC,
    };
    // SAFETY: as the caller promises.
    unsafe { mprotect(address.cast(), len_bytes, flags)? };
    Ok(())
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping has no other owner (invariant 16), and owners drop it only when nothing can reach it (invariant 7).
        if let Err(error) = unsafe { munmap(self.base.cast(), self.len_bytes) } {
            debug_assert!(false, "munmap of our own mapping failed: {error}");
        }
    }
}

/// Maps a part of a memory file in place of what is at an address.
///
/// # Safety
/// The range must belong to a mapping of ours, and nothing may refer into it that the new mapping does not serve as well.
unsafe fn map_file_at(
    address: *mut u8,
    file: &MemoryFile,
    file_offset: u64,
    len_bytes: usize,
    access: Access,
    kind: MapFlags,
) -> io::Result<()> {
    let flags = kind | MapFlags::FIXED;
    // SAFETY: the range is our own, as the caller promises (invariant 16); the file is open.
    unsafe { mmap(address.cast(), len_bytes, access.protection(), flags, file.fd(), file_offset)? };
    Ok(())
}

/// Maps a memory file at an address as a private copy: reads see the file, writes stay here.
///
/// # Safety
/// The range must belong to a mapping of ours, with nobody holding references into it.
pub unsafe fn map_copy_on_write(
    address: *mut u8,
    file: &MemoryFile,
    file_offset: u64,
    len_bytes: usize,
) -> io::Result<()> {
    // SAFETY: as the caller promises.
    unsafe { map_file_at(address, file, file_offset, len_bytes, Access::ReadWrite, MapFlags::PRIVATE) }
}

/// Gives pages back: anonymous ones read zero again, private copies read their file again.
///
/// # Safety
/// The range must belong to a mapping of ours, with nobody holding references into it.
pub unsafe fn discard(address: *mut u8, len_bytes: usize) -> io::Result<()> {
    // SAFETY: as the caller promises.
    unsafe { madvise(address.cast(), len_bytes, Advice::LinuxDontNeed)? };
    Ok(())
}

/// Replaces part of a mapping of ours by readable and writable zeroes.
///
/// # Safety
/// As for [`discard`].
pub unsafe fn replace_with_zeroes(address: *mut u8, len_bytes: usize) -> io::Result<()> {
    let flags = MapFlags::PRIVATE | MapFlags::FIXED;
    // SAFETY: as the caller promises.
    unsafe { mmap_anonymous(address.cast(), len_bytes, Access::ReadWrite.protection(), flags)? };
    Ok(())
}

/// Asks for large pages, where the system has them. An advice: nothing depends on it, and contents stay.
///
/// # Safety
/// The range must belong to a mapping of ours.
pub unsafe fn advise_large_pages(address: *mut u8, len_bytes: usize) {
    // SAFETY: as the caller promises.
    let _ = unsafe { madvise(address.cast(), len_bytes, Advice::LinuxHugepage) };
}

/// Keeps a mapping out of children made by `fork`.
pub fn keep_from_children(mapping: &Mapping) -> io::Result<()> {
    // SAFETY: the range is a whole mapping of ours; the advice changes nothing in this process.
    unsafe { madvise(mapping.base.cast(), mapping.len_bytes, Advice::LinuxDontFork)? };
    Ok(())
}

/// Replaces part of a mapping of ours by a fresh reservation.
///
/// # Safety
/// The range must belong to a mapping of ours, with nothing referring into it.
pub unsafe fn replace_with_reservation(address: *mut u8, len_bytes: usize) -> io::Result<()> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
    // SAFETY: as the caller promises.
    unsafe { mmap_anonymous(address.cast(), len_bytes, ProtFlags::empty(), flags)? };
    Ok(())
}

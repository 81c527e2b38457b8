//! Initial contents of linear memories, made once for a module and mapped copy-on-write into each instance.
//!
//! ```text
//! memory file of the process  ├─ image ─┤├─ image ─┤├─ hole ─┤├─ image ─┤   free
//! ```
//! A process has few descriptors, and guests bring as many images as they like: so all lie in one file. After a `fork`
//! parent and child share it; each begins a new one then, and leaves what is in the old one alone.

use crate::base::alloc;
use crate::base::budget::Charge;
use crate::base::error::Result;
use crate::sys::mapping::{self, MemoryFile, page_size};
use crate::threads::fork::{self, Mutex};
use epsilon_abi::{ConstOp, MemoryIndex, ModuleInfo};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Images below this size are copied: cheaper than a mapping.
const MIN_MAPPED_BYTES: usize = 16 << 10;

/// A sparse image may be this much larger than its data, and no larger.
const MAX_SPREAD: usize = 32;

/// How much of a memory file is written at once.
const STEP_BYTES: usize = 256 << 10;

/// Where the system limits the size of files to less than this, images are copied: each file takes a descriptor.
const MIN_FILE_LIMIT_BYTES: u64 = 1 << 30;

/// The file that the next image is put into. A panic leaves either none, or one with a part that nobody uses.
static FILE: Mutex<Option<FileEnd>> = Mutex::new(None);

/// A file, and how much of it is taken.
struct FileEnd {
    file: Arc<ImageFile>,
    end: u64,
}

#[derive(Debug)]
struct ImageFile {
    file: MemoryFile,
    /// What [`fork::forks`] was when it was made.
    forks: u64,
}

/// A part of a file that is one image's alone.
#[derive(Debug)]
struct Extent {
    file: Arc<ImageFile>,
    offset: u64,
    len_bytes: usize,
}

impl Extent {
    /// Room for an image of so many bytes; they read as zeroes.
    fn new(len_bytes: usize) -> io::Result<Self> {
        let limit = mapping::file_size_limit();
        if limit < MIN_FILE_LIMIT_BYTES || len_bytes as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut current = FILE.lock_sound();
        let forks = fork::forks();
        let fits = |end: &FileEnd| end.file.forks == forks && limit - len_bytes as u64 >= end.end;
        let FileEnd { file, end: offset } = match current.take().filter(fits) {
            Some(current) => current,
            None => FileEnd { file: Arc::new(ImageFile { file: MemoryFile::new("epsilon-images")?, forks }), end: 0 },
        };
        let end = offset + len_bytes as u64;
        let grown = file.file.set_len(end as usize);
        *current = Some(FileEnd { file: file.clone(), end: if grown.is_ok() { end } else { offset } });
        grown.map(|()| Self { file, offset, len_bytes })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.file.write_at(bytes, self.offset + offset)
    }
}

impl Drop for Extent {
    fn drop(&mut self) {
        // A child may still map it. What is not freed here is freed with the file.
        if self.file.forks == fork::forks() {
            let _ = self.file.file.free(self.offset, self.len_bytes);
        }
    }
}

/// What a memory holds at instantiation. Bytes outside are zero.
#[derive(Debug)]
pub struct MemoryImage {
    /// Where the first byte belongs; a multiple of the host's page size.
    offset: usize,
    /// Whole pages.
    len_bytes: usize,
    contents: Contents,
    /// Whether the module is gone that it was made for.
    abandoned: AtomicBool,
}

#[derive(Debug)]
enum Contents {
    /// To be copied.
    Bytes(Vec<u8>),
    /// To be mapped: worth it, where the system has memory files.
    File(Extent),
}

impl MemoryImage {
    /// The image of a defined memory, if all its active data segments have constant offsets, fit its initial size, and
    /// lie close enough together; otherwise instantiation copies segment by segment. Added to `charge`. Forks are held
    /// off meanwhile.
    ///
    /// # Errors
    /// If the budget refuses.
    pub fn new(info: &ModuleInfo, wasm: &[u8], memory: MemoryIndex, charge: &mut Charge) -> Result<Option<Self>> {
        if memory.index() < info.imported_memories {
            return Ok(None);
        }
        let Some(segments) = segments(info, wasm, memory) else { return Ok(None) };
        Self::from_segments(&segments, charge)
    }

    /// Of segments that are not empty: those may lie anywhere, and say nothing of where an image begins.
    fn from_segments(segments: &[(usize, &[u8])], charge: &mut Charge) -> Result<Option<Self>> {
        let start = segments.iter().map(|(start, _)| *start).min().unwrap_or(0) & !(page_size() - 1);
        let end = segments.iter().map(|(start, bytes)| start + bytes.len()).max().unwrap_or(start);
        let len_bytes = (end - start).next_multiple_of(page_size());
        let data: usize = segments.iter().map(|(_, bytes)| bytes.len()).sum();
        if len_bytes > data.saturating_mul(MAX_SPREAD).max(1 << 20) {
            return Ok(None);
        }
        charge.resize(charge.bytes() + len_bytes + size_of::<Self>())?;
        let file = if len_bytes >= MIN_MAPPED_BYTES { make_file(segments, start, len_bytes).ok() } else { None };
        let contents = match file {
            Some(file) => Contents::File(file),
            None => {
                let mut bytes = alloc::zeroed(len_bytes, "the initial contents of a memory")?;
                for (at, data) in segments {
                    bytes[at - start..][..data.len()].copy_from_slice(data);
                }
                Contents::Bytes(bytes)
            }
        };
        Ok(Some(Self { offset: start, len_bytes, contents, abandoned: AtomicBool::new(false) }))
    }

    /// Puts the image into a memory whose bytes are zero and writable.
    ///
    /// # Safety
    /// `base` must be byte 0 of a memory of ours, page-aligned, that is readable and writable as far as the whole pages of its
    /// type's minimum go, and that nothing refers into.
    pub unsafe fn apply(&self, base: *mut u8) -> io::Result<()> {
        // SAFETY: `segments` has checked that the image lies inside the minimum size, and so inside the memory (invariant 16).
        let target = unsafe { base.add(self.offset) };
        match &self.contents {
            // SAFETY: the image's whole pages lie in the memory, which the caller promises that nothing refers into
            // (invariant 16); this part of the file is the image's alone.
            Contents::File(part) => unsafe {
                mapping::map_copy_on_write(target, &part.file.file, part.offset, self.len_bytes)
            },
            Contents::Bytes(bytes) => {
                // SAFETY: `bytes` is as long as the image, which lies in the memory; nothing refers into that, `bytes`
                // included (invariant 16).
                unsafe { target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
                Ok(())
            }
        }
    }

    /// The bytes of a memory that it fills: whole pages of the host.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len_bytes
    }

    /// As [`Self::apply`], by copying even what could be mapped: for a memory that has moved, and may move again.
    ///
    /// # Safety
    /// As for [`Self::apply`].
    pub unsafe fn apply_copied(&self, base: *mut u8) -> io::Result<()> {
        let Contents::File(part) = &self.contents else {
            // SAFETY: as the caller promises (invariant 16).
            return unsafe { self.apply(base) };
        };
        // SAFETY: `segments` has checked that the image lies inside the minimum size, all of which is accessible; nothing else
        // refers into it, as the caller promises (invariant 16).
        let target = unsafe { std::slice::from_raw_parts_mut(base.add(self.offset), self.len_bytes) };
        part.file.file.read_at(target, part.offset)
    }

    /// Says that no further memory will be made with it.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    /// Whether no further memory will be made with it.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Whether discarded pages read as the image again by themselves.
    pub fn is_mapped(&self) -> bool {
        matches!(self.contents, Contents::File(_))
    }
}

/// The active data segments of a memory that are not empty: where each begins, and its bytes. `None` if one has no
/// constant offset, or does not fit the memory's minimum size.
fn segments<'w>(info: &ModuleInfo, wasm: &'w [u8], memory: MemoryIndex) -> Option<Vec<(usize, &'w [u8])>> {
    let ty = &info.memories[memory.index()];
    let min_bytes = usize::try_from(ty.limits.min.checked_shl(u32::from(ty.page_size_log2))?).ok()?;
    let mut segments = Vec::new();
    for segment in &info.data {
        let Some((target, offset)) = &segment.active else { continue };
        if *target != memory {
            continue;
        }
        let start = match offset.0[..] {
            [ConstOp::I32(n)] => n as u32 as usize,
            [ConstOp::I64(n)] => usize::try_from(n as u64).ok()?,
            _ => return None,
        };
        let bytes = &wasm[segment.bytes.clone()];
        if start.checked_add(bytes.len())? > min_bytes {
            return None;
        }
        if !bytes.is_empty() {
            segments.try_reserve(1).ok()?;
            segments.push((start, bytes));
        }
    }
    Some(segments)
}

/// Room in a file with the segments in it, each written where it belongs behind `start`, in their order.
fn make_file(segments: &[(usize, &[u8])], start: usize, len_bytes: usize) -> io::Result<Extent> {
    let file = Extent::new(len_bytes)?;
    // Linkers make thousands of small segments, one behind the other: they are gathered, to be written together.
    let (mut gathered, mut at, mut highest) = (Vec::new(), start, start);
    for (target, data) in segments.iter().copied() {
        let end = at + gathered.len();
        // Zeroes between segments may be written where nothing has been yet.
        let gap = target.checked_sub(end).filter(|gap| *gap == 0 || (*gap < page_size() && end == highest));
        match gap {
            Some(gap) if gathered.len() + gap + data.len() <= STEP_BYTES => gathered.resize(gathered.len() + gap, 0),
            _ => {
                file.write_at(&gathered, (at - start) as u64)?;
                gathered.clear();
                at = target;
            }
        }
        gathered.extend_from_slice(data);
        highest = highest.max(target + data.len());
    }
    file.write_at(&gathered, (at - start) as u64)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_what_copies_would_have_left() {
        let bytes: Vec<u8> = (0..700_000).map(|n| (n % 250 + 1) as u8).collect();
        let at = |start: usize, range: std::ops::Range<usize>| (start, &bytes[range]);
        let cases: [&[(usize, &[u8])]; 5] = [
            &[at(0, 0..5000), at(5000, 100..20_000), at(30_000, 7..50)],
            &[at(9000, 0..500), at(100, 3..9000), at(9100, 50..60), at(9600, 0..10)],
            &[at(20_000, 0..100), at(8192, 5..6), at(8200, 9..14_000), at(20_050, 1..100)],
            &[at(0, 0..300_000), at(300_000, 1..300_000), at(600_010, 0..700_000)],
            &[at(40_000, 0..10), at(0, 0..10), at(20, 0..0), at(30, 0..30_000)],
        ];
        for segments in cases {
            let len = 1_400_832;
            let mut expected = vec![0; len];
            for (start, data) in segments {
                expected[*start..][..data.len()].copy_from_slice(data);
            }
            let part = make_file(segments, 0, len).expect("memory files are there");
            let mut found = vec![1; len];
            part.file.file.read_at(&mut found, part.offset).expect("the file is whole");
            assert!(found == expected);
        }
    }

    #[test]
    fn images_share_a_file_until_the_process_forks() {
        let part = || Extent::new(page_size()).expect("memory files are there");
        let (a, b) = (part(), part());
        assert!(Arc::ptr_eq(&a.file, &b.file) && a.offset != b.offset);
        a.write_at(&[7; 3], 1).expect("it is written");
        let mut found = [1; 5];
        b.file.file.read_at(&mut found, b.offset).expect("it is read");
        assert_eq!(found, [0; 5], "the other one's bytes are not there");
        fork::count();
        let c = part();
        assert!(!Arc::ptr_eq(&a.file, &c.file));
        // What a child may map stays, though the image is dropped here.
        let (file, offset) = (a.file.clone(), a.offset);
        drop(a);
        file.file.read_at(&mut found, offset).expect("it is read");
        assert_eq!(found, [0, 7, 7, 7, 0]);
        let (file, offset) = (c.file.clone(), c.offset);
        c.write_at(&[9; 3], 0).expect("it is written");
        drop(c);
        file.file.read_at(&mut found, offset).expect("it is read");
        assert_eq!(found, [0; 5], "and what no child knows is freed");
    }
}

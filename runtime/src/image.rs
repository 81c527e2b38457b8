//! Initial contents of linear memories, made once for a module and mapped copy-on-write into each instance.

use crate::sys::mapping::{self, MemoryFile, page_size};
use epsilon_abi::{ConstOp, MemoryIndex, ModuleInfo};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Images below this size are copied: cheaper than a mapping.
const MIN_MAPPED_BYTES: usize = 16 << 10;

/// A sparse image may be this much larger than its data, and no larger.
const MAX_SPREAD: usize = 32;

/// How much of a memory file is written at once.
const STEP_BYTES: usize = 256 << 10;

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
    File(MemoryFile),
}

impl MemoryImage {
    /// The image of a defined memory, if all its active data segments have constant offsets, fit its initial size, and
    /// lie close enough together; otherwise instantiation copies segment by segment.
    pub fn new(info: &ModuleInfo, wasm: &[u8], memory: MemoryIndex) -> Option<Self> {
        if memory.index() < info.imported_memories {
            return None;
        }
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
                segments.push((start, bytes));
            }
        }
        Self::from_segments(&segments)
    }

    /// Of segments that are not empty: those may lie anywhere, and say nothing of where an image begins.
    fn from_segments(segments: &[(usize, &[u8])]) -> Option<Self> {
        let start = segments.iter().map(|(start, _)| *start).min().unwrap_or(0) & !(page_size() - 1);
        let end = segments.iter().map(|(start, bytes)| start + bytes.len()).max().unwrap_or(start);
        let len_bytes = (end - start).next_multiple_of(page_size());
        let data: usize = segments.iter().map(|(_, bytes)| bytes.len()).sum();
        if len_bytes > data.saturating_mul(MAX_SPREAD).max(1 << 20) {
            return None;
        }
        let file = if len_bytes >= MIN_MAPPED_BYTES { make_file(segments, start, len_bytes).ok() } else { None };
        let contents = match file {
            Some(file) => Contents::File(file),
            None => {
                let mut bytes = vec![0; len_bytes];
                for (at, data) in segments {
                    bytes[at - start..][..data.len()].copy_from_slice(data);
                }
                Contents::Bytes(bytes)
            }
        };
        Some(Self { offset: start, len_bytes, contents, abandoned: AtomicBool::new(false) })
    }

    /// Puts the image into a memory whose bytes are zero and writable.
    ///
    /// # Safety
    /// `base` must be byte 0 of a mapped memory that is at least as large as the module's minimum, page-aligned, with
    /// nobody referring into it.
    pub unsafe fn apply(&self, base: *mut u8) -> io::Result<()> {
        // SAFETY: `new` has checked that the image lies inside the minimum size.
        unsafe {
            let target = base.add(self.offset);
            match &self.contents {
                Contents::File(file) => mapping::map_copy_on_write(target, file, 0, self.len_bytes),
                Contents::Bytes(bytes) => {
                    target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                    Ok(())
                }
            }
        }
    }

    /// The bytes of a memory that it fills: whole pages of the host.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len_bytes
    }

    /// The same contents, to be copied instead of mapped.
    pub fn unmapped(&self) -> io::Result<Self> {
        let bytes = match &self.contents {
            Contents::Bytes(bytes) => bytes.clone(),
            Contents::File(file) => file.read_at(self.len_bytes, 0)?,
        };
        let contents = Contents::Bytes(bytes);
        Ok(Self { offset: self.offset, len_bytes: self.len_bytes, contents, abandoned: AtomicBool::new(false) })
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

/// A file of the segments, each written where it belongs behind `start`, in their order.
fn make_file(segments: &[(usize, &[u8])], start: usize, len_bytes: usize) -> io::Result<MemoryFile> {
    let file = MemoryFile::new("epsilon-image")?;
    file.set_len(len_bytes)?;
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
            let file = make_file(segments, 0, len).expect("memory files are there");
            assert!(file.read_at(len, 0).expect("the file is whole") == expected);
        }
    }
}

//! Initial contents of linear memories, made once for a module and mapped copy-on-write into each instance.

use crate::sys::mapping::{self, MemoryFile, page_size};
use epsilon_abi::{ConstOp, MemoryIndex, ModuleInfo};
use std::io;

/// Images below this size are copied: cheaper than a mapping.
const MIN_MAPPED_BYTES: usize = 16 << 10;

/// A sparse image may be this much larger than its data, and no larger.
const MAX_SPREAD: usize = 32;

/// What a memory holds at instantiation. Bytes outside are zero.
#[derive(Debug)]
pub struct MemoryImage {
    /// Where the first byte belongs; a multiple of the host's page size.
    offset: usize,
    /// The contents; whole pages.
    bytes: Vec<u8>,
    /// The contents again, if they are worth a mapping and the system has memory files.
    file: Option<MemoryFile>,
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
            segments.push((start, bytes));
        }
        Self::from_segments(&segments)
    }

    fn from_segments(segments: &[(usize, &[u8])]) -> Option<Self> {
        let filled = segments.iter().filter(|(_, bytes)| !bytes.is_empty());
        let start = filled.clone().map(|(start, _)| *start).min().unwrap_or(0) & !(page_size() - 1);
        let end = filled.clone().map(|(start, bytes)| start + bytes.len()).max().unwrap_or(start);
        let len = (end - start).next_multiple_of(page_size());
        let data: usize = segments.iter().map(|(_, bytes)| bytes.len()).sum();
        if len > data.saturating_mul(MAX_SPREAD).max(1 << 20) {
            return None;
        }
        let mut bytes = vec![0; len];
        for (at, data) in filled {
            bytes[at - start..][..data.len()].copy_from_slice(data);
        }
        let file = if len >= MIN_MAPPED_BYTES { make_file(&bytes).ok() } else { None };
        Some(Self { offset: start, bytes, file })
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
            match &self.file {
                Some(file) => mapping::map_copy_on_write(target, file, 0, self.bytes.len()),
                None => {
                    target.copy_from_nonoverlapping(self.bytes.as_ptr(), self.bytes.len());
                    Ok(())
                }
            }
        }
    }

    /// The same contents, to be copied instead of mapped.
    pub fn unmapped(&self) -> Self {
        Self { offset: self.offset, bytes: self.bytes.clone(), file: None }
    }

    /// Whether discarded pages read as the image again by themselves.
    pub fn is_mapped(&self) -> bool {
        self.file.is_some()
    }
}

fn make_file(bytes: &[u8]) -> io::Result<MemoryFile> {
    let file = MemoryFile::new("epsilon-image")?;
    file.set_len(bytes.len())?;
    file.write_at(bytes, 0)?;
    Ok(file)
}

//! [`Bytes`]: what was compiled before, where it lies: in a file or in memory. Parts of it are read into memory of our own
//! and checked there, so that no later change of a file reaches what runs.

use epsilon_runtime::ModuleBytes;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A file, or bytes in memory, from a place on.
#[derive(Clone)]
pub struct Bytes {
    from: From,
    start: u64,
    /// From there to the end. A file may have become shorter since: then reading fails.
    len_bytes: u64,
}

#[derive(Clone)]
enum From {
    File(Arc<File>),
    Memory(Arc<ModuleBytes>),
}

impl Bytes {
    /// A file, from `start` on.
    pub fn file(file: File, start: u64) -> io::Result<Self> {
        let len_bytes = file.metadata()?.len().saturating_sub(start);
        Ok(Self { from: From::File(Arc::new(file)), start, len_bytes })
    }

    /// All of what lies in memory.
    pub fn memory(bytes: ModuleBytes) -> Self {
        let len_bytes = bytes.len() as u64;
        Self { from: From::Memory(Arc::new(bytes)), start: 0, len_bytes }
    }

    /// The rest, from `start` on.
    pub fn from(&self, start: u64) -> Self {
        let start = start.min(self.len_bytes);
        Self { from: self.from.clone(), start: self.start + start, len_bytes: self.len_bytes - start }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.len_bytes
    }

    /// The file that they are, if they are one.
    pub fn as_file(&self) -> Option<&File> {
        if let From::File(file) = &self.from { Some(file) } else { None }
    }

    /// Reads so many at an offset; `None` if they are not there.
    pub fn read_at(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        // What is asked for is not allocated before it is known to be there.
        if offset.checked_add(len as u64)? > self.len_bytes {
            return None;
        }
        let offset = self.start.checked_add(offset)?;
        match &self.from {
            From::File(file) => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, offset).ok()?;
                Some(bytes)
            }
            From::Memory(bytes) => {
                let start = usize::try_from(offset).ok()?;
                Some(bytes.get(start..start.checked_add(len)?)?.to_vec())
            }
        }
    }
}

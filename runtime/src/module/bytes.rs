//! A module's binary in memory of our own. It is read once, and no change or truncation of its file reaches it later
//! (invariant 3). It knows nothing of what the bytes mean.

use crate::sys::mapping::{Access, Mapping};
use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

/// Files of at least this size are read into a mapping with large pages: fewer faults than the memory of a vector costs.
const MIN_MAPPED_BYTES: usize = 1 << 20;

/// The bytes of a module, or of a file that is one.
#[derive(Debug)]
pub struct ModuleBytes(Contents);

#[derive(Debug)]
enum Contents {
    Owned(Vec<u8>),
    /// The first `len_bytes` of the mapping.
    Mapped {
        mapping: Mapping,
        len_bytes: usize,
    },
    /// A range of others.
    Part(Arc<ModuleBytes>, Range<usize>),
}

impl ModuleBytes {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let len_bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        if (MIN_MAPPED_BYTES..isize::MAX as usize).contains(&len_bytes)
            && let Ok(mapping) = Mapping::anonymous(len_bytes, Access::ReadWrite)
        {
            return Self::read_mapped(file, mapping);
        }
        let mut bytes = Vec::with_capacity(len_bytes.min(MIN_MAPPED_BYTES));
        file.read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }

    /// A part of other bytes, which it keeps alive.
    ///
    /// # Panics
    /// If the range does not lie in them.
    pub fn part(whole: &Arc<Self>, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= whole.len(), "a part lies in the whole");
        Self(Contents::Part(whole.clone(), range))
    }

    /// Reads as much as there is, into the mapping as far as it goes: the file may have changed since it was measured.
    fn read_mapped(mut file: File, mapping: Mapping) -> io::Result<Self> {
        mapping.advise_large_pages();
        // SAFETY: the mapping is ours alone, and fresh, so that nothing else refers into it; it is readable and writable, and its
        // bytes are zero (invariant 16).
        let buffer = unsafe { std::slice::from_raw_parts_mut(mapping.base(), mapping.len_bytes()) };
        let mut len_bytes = 0;
        while len_bytes < buffer.len() {
            match file.read(&mut buffer[len_bytes..]) {
                Ok(0) => break,
                Ok(read) => len_bytes += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let mut rest = Vec::new();
        file.read_to_end(&mut rest)?;
        if rest.is_empty() {
            return Ok(Self(Contents::Mapped { mapping, len_bytes }));
        }
        Ok([&buffer[..len_bytes], &rest].concat().into())
    }
}

impl Deref for ModuleBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Contents::Owned(bytes) => bytes,
            Contents::Part(whole, range) => &whole[range.clone()],
            Contents::Mapped { mapping, len_bytes } => {
                // SAFETY: the mapping lives as long as `self` and is at least this long (invariant 16); it is private, and nothing
                // writes to it once it has been read (invariant 3).
                unsafe { std::slice::from_raw_parts(mapping.base(), *len_bytes) }
            }
        }
    }
}

impl AsRef<[u8]> for ModuleBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for ModuleBytes {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl From<&[u8]> for ModuleBytes {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<&Vec<u8>> for ModuleBytes {
    fn from(bytes: &Vec<u8>) -> Self {
        bytes.clone().into()
    }
}

impl From<Vec<u8>> for ModuleBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Contents::Owned(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn files_of_all_sizes_are_read_whole() {
        let path = std::env::temp_dir().join(format!("epsilon-module-bytes-{}", std::process::id()));
        for len in [0, 1, 4096, MIN_MAPPED_BYTES - 1, MIN_MAPPED_BYTES, (3 << 20) + 17] {
            let contents: Vec<u8> = (0..len).map(|n| (n * 7 % 251) as u8).collect();
            File::create(&path).and_then(|mut file| file.write_all(&contents)).expect("a file is written");
            assert!(*ModuleBytes::read(&path).expect("the file is read") == *contents, "{len} bytes");
        }
        std::fs::remove_file(&path).expect("the file is there");
        assert_eq!(ModuleBytes::read(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_that_changes_its_size_is_read_as_it_is() {
        let path = std::env::temp_dir().join(format!("epsilon-module-bytes-grown-{}", std::process::id()));
        let contents = vec![9; MIN_MAPPED_BYTES];
        for measured in [MIN_MAPPED_BYTES / 2, MIN_MAPPED_BYTES * 2] {
            std::fs::write(&path, &contents).expect("a file is written");
            let mapping = Mapping::anonymous(measured, Access::ReadWrite).expect("memory");
            let bytes = ModuleBytes::read_mapped(File::open(&path).expect("the file"), mapping).expect("it is read");
            assert!(*bytes == *contents);
        }
        std::fs::remove_file(&path).expect("the file is there");
    }
}

//! The guest's memory as a call sees it: bytes behind checked addresses.
//!
//! Every address a guest gives is checked where it is used and read once; what was read is a copy, so nothing that
//! changes the memory meanwhile can matter. This file knows nothing of files or descriptors.
//!
//! A memory that threads share cannot be lent, because no reference into it would be true. What the host is to read is
//! copied out of it first, what the host has written is copied into it; nothing else of it is touched.

use std::borrow::Cow;
use std::io::IoSlice;
use std::ops::Range;

use crate::wire::errno::Errno;

/// The most buffers one vectored call passes on; a longer list is served partly, as a short read or write.
pub(crate) const IOV_MAX: usize = 1024;

/// The most bytes one call moves, as on Linux.
const TRANSFER_MAX: u64 = 0x7fff_f000;

/// The longest path, in bytes.
pub(crate) const PATH_MAX: u32 = 4096;

/// The most bytes of a shared memory that one call copies for a list of buffers; a longer list is served partly.
const COPY_MAX: usize = 1 << 20;

/// So many empty buffers are skipped: a list in 4 GiB would keep an interruption waiting for seconds. Systems refuse lists that
/// are much shorter.
const EMPTY_MAX: usize = 1 << 16;

/// A linear memory that threads share.
pub trait SharedBytes: std::fmt::Debug {
    /// Size in bytes; it never shrinks.
    fn len_bytes(&self) -> usize;
    /// Copies from an offset. The range lies inside.
    fn read(&self, offset: usize, buffer: &mut [u8]);
    /// Copies to an offset. The range lies inside.
    fn write(&self, offset: usize, bytes: &[u8]);
}

/// A guest's linear memory, lent to one call.
#[derive(Debug)]
pub struct GuestMemory<'a> {
    contents: Contents<'a>,
}

#[derive(Debug)]
enum Contents<'a> {
    Lent(&'a mut [u8]),
    Shared(&'a dyn SharedBytes),
}

impl<'a> GuestMemory<'a> {
    /// Wraps the bytes of a linear memory.
    pub fn new(bytes: &'a mut [u8]) -> GuestMemory<'a> {
        GuestMemory { contents: Contents::Lent(bytes) }
    }

    /// Wraps a linear memory that other threads use meanwhile.
    pub fn shared(memory: &'a dyn SharedBytes) -> GuestMemory<'a> {
        GuestMemory { contents: Contents::Shared(memory) }
    }

    fn len_bytes(&self) -> usize {
        match &self.contents {
            Contents::Lent(bytes) => bytes.len(),
            Contents::Shared(memory) => memory.len_bytes(),
        }
    }

    /// Checks that `len_bytes` bytes at `ptr` lie inside the memory.
    pub fn check(&self, ptr: u32, len_bytes: u64) -> Result<Range<usize>, Errno> {
        let start = u64::from(ptr);
        let end = start.checked_add(len_bytes).ok_or(Errno::Fault)?;
        if end > self.len_bytes() as u64 {
            return Err(Errno::Fault);
        }
        Ok(start as usize..end as usize)
    }

    /// The bytes at an address.
    pub fn slice(&self, ptr: u32, len_bytes: u32) -> Result<Cow<'_, [u8]>, Errno> {
        let range = self.check(ptr, len_bytes.into())?;
        Ok(self.at(range))
    }

    /// The bytes of a range that `check` gave.
    pub(crate) fn at(&self, range: Range<usize>) -> Cow<'_, [u8]> {
        match &self.contents {
            Contents::Lent(bytes) => Cow::Borrowed(&bytes[range]),
            Contents::Shared(memory) => {
                let mut copy = vec![0; range.len()];
                memory.read(range.start, &mut copy);
                Cow::Owned(copy)
            }
        }
    }

    /// Lets `write` fill a range that `check` gave, from its start; it returns how many bytes it has written.
    pub(crate) fn fill<E>(
        &mut self,
        range: Range<usize>,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        match &mut self.contents {
            Contents::Lent(bytes) => write(&mut bytes[range]),
            Contents::Shared(memory) => {
                let mut copy = vec![0; range.len()];
                let count = write(&mut copy)?.min(copy.len());
                memory.write(range.start, &copy[..count]);
                Ok(count)
            }
        }
    }

    /// A fixed number of bytes at an address.
    pub fn read<const N: usize>(&self, ptr: u32) -> Result<[u8; N], Errno> {
        let range = self.check(ptr, N as u64)?;
        let mut copy = [0; N];
        match &self.contents {
            Contents::Lent(bytes) => copy.copy_from_slice(&bytes[range]),
            Contents::Shared(memory) => memory.read(range.start, &mut copy),
        }
        Ok(copy)
    }

    /// Copies bytes to an address.
    pub fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), Errno> {
        let range = self.check(ptr, bytes.len() as u64)?;
        match &mut self.contents {
            Contents::Lent(room) => room[range].copy_from_slice(bytes),
            Contents::Shared(memory) => memory.write(range.start, bytes),
        }
        Ok(())
    }

    /// Reads a 32-bit word.
    pub fn read_u32(&self, ptr: u32) -> Result<u32, Errno> {
        Ok(u32::from_le_bytes(self.read(ptr)?))
    }

    /// Writes a 32-bit word.
    pub fn write_u32(&mut self, ptr: u32, word: u32) -> Result<(), Errno> {
        self.write(ptr, &word.to_le_bytes())
    }

    /// Writes a 64-bit word.
    pub fn write_u64(&mut self, ptr: u32, word: u64) -> Result<(), Errno> {
        self.write(ptr, &word.to_le_bytes())
    }

    /// A path: text without a zero byte, not empty, and no longer than a host would take.
    pub(crate) fn path(&self, ptr: u32, len_bytes: u32) -> Result<String, Errno> {
        self.check(ptr, len_bytes.into())?;
        if len_bytes > PATH_MAX {
            return Err(Errno::NameTooLong);
        }
        let bytes = self.slice(ptr, len_bytes)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Errno::Ilseq)?;
        match text {
            "" => Err(Errno::Noent),
            text if text.contains('\0') => Err(Errno::Inval),
            text => Ok(text.to_owned()),
        }
    }

    /// The buffers that a list of `iovec` or `ciovec` names: checked, without the empty ones.
    pub(crate) fn buffers(&self, list: u32, count: u32) -> Result<Vec<Range<usize>>, Errno> {
        let list = self.check(list, u64::from(count) * 8)?;
        let mut buffers = Vec::with_capacity((count as usize).min(IOV_MAX));
        let mut room_bytes = match &self.contents {
            Contents::Lent(_) => TRANSFER_MAX,
            Contents::Shared(_) => COPY_MAX as u64,
        };
        let mut empty = 0;
        for at in list.step_by(8) {
            let pair: [u8; 8] = self.read(at as u32)?;
            let word = |at: usize| u32::from_le_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]]);
            let mut buffer = self.check(word(0), word(4).into())?;
            if buffer.is_empty() {
                empty += 1;
                if empty > EMPTY_MAX {
                    return Err(Errno::Inval);
                }
                continue;
            }
            if buffers.len() == IOV_MAX || room_bytes == 0 {
                break;
            }
            buffer.end = buffer.end.min(buffer.start + room_bytes as usize);
            room_bytes -= buffer.len() as u64;
            buffers.push(buffer);
        }
        Ok(buffers)
    }

    /// What is in the buffers.
    pub(crate) fn contents_of(&self, buffers: &[Range<usize>]) -> Vec<Cow<'_, [u8]>> {
        buffers.iter().map(|range| self.at(range.clone())).collect()
    }
}

/// Contents of buffers as the operating system takes them for writing.
pub(crate) fn io_slices<'b>(contents: &'b [Cow<'_, [u8]>]) -> Vec<IoSlice<'b>> {
    contents.iter().map(|bytes| IoSlice::new(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_to_the_last_byte() {
        let mut bytes = [7; 16];
        let mut memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.slice(12, 4).map(|bytes| bytes.len()), Ok(4));
        assert_eq!(memory.slice(16, 0).map(|bytes| bytes.len()), Ok(0));
        assert_eq!(memory.slice(13, 4), Err(Errno::Fault));
        assert_eq!(memory.slice(17, 0), Err(Errno::Fault));
        assert_eq!(memory.slice(u32::MAX, u32::MAX), Err(Errno::Fault));
        assert_eq!(memory.check(0, u64::MAX), Err(Errno::Fault));
        assert_eq!(memory.write_u32(13, 1), Err(Errno::Fault));
        assert_eq!(memory.write_u64(8, 1), Ok(()));
        assert_eq!(memory.read_u32(8), Ok(1));
    }

    #[test]
    fn lists_of_buffers_are_bounded() {
        let mut bytes = vec![0; 65536];
        let mut memory = GuestMemory::new(&mut bytes);
        for i in 0..2000 {
            memory.write_u32(8 * i, 0).unwrap();
            memory.write_u32(8 * i + 4, 65536).unwrap();
        }
        assert_eq!(memory.buffers(0, 2000).unwrap().len(), IOV_MAX);
        assert_eq!(memory.buffers(0, u32::MAX), Err(Errno::Fault));
        // Their size in bytes does not fit 32 bits: 8, were it cut off.
        assert_eq!(memory.buffers(0, (1 << 29) + 1), Err(Errno::Fault));
        memory.write_u32(4, 65537).unwrap();
        assert_eq!(memory.buffers(0, 1), Err(Errno::Fault));
        memory.write_u32(4, 0).unwrap();
        assert_eq!(memory.buffers(0, 2).unwrap().len(), 1, "empty buffers are left out");
        let mut bytes = vec![0; 16 * (EMPTY_MAX + 1)];
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.buffers(0, EMPTY_MAX as u32), Ok(vec![]));
        assert_eq!(memory.buffers(0, EMPTY_MAX as u32 + 1), Err(Errno::Inval));
    }

    #[test]
    fn paths_are_text() {
        let mut bytes = *b"dir/file\0\xff";
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.path(0, 8).as_deref(), Ok("dir/file"));
        assert_eq!(memory.path(0, 9), Err(Errno::Inval));
        assert_eq!(memory.path(9, 1), Err(Errno::Ilseq));
        assert_eq!(memory.path(0, 0), Err(Errno::Noent));
        assert_eq!(memory.path(0, 11), Err(Errno::Fault));
        let mut long = vec![b'a'; 5000];
        assert_eq!(GuestMemory::new(&mut long).path(0, 4097), Err(Errno::NameTooLong));
    }
}

//! A reader for gimli that counts what it is asked for, and ends when enough has been read: so nothing that gimli does
//! with it takes longer than was allowed, whatever refers to what how often.

use gimli::{EndianSlice, Error, LittleEndian, Reader, ReaderOffsetId, Result};
use std::borrow::Cow;
use std::cell::Cell;

/// Bytes that are searched through at the price of one read.
const SEARCHED_BYTES: usize = 16;

/// A section, or a part of one.
#[derive(Clone, Debug)]
pub struct Metered<'a> {
    bytes: EndianSlice<'a, LittleEndian>,
    /// How many reads are left, for all readers together.
    reads: &'a Cell<u64>,
}

impl<'a> Metered<'a> {
    pub fn new(bytes: &'a [u8], reads: &'a Cell<u64>) -> Self {
        Self { bytes: EndianSlice::new(bytes, LittleEndian), reads }
    }

    /// All that is left to read. It costs nothing, and has any length.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes.slice()
    }

    /// Sets how many reads are left.
    pub fn set_reads(&self, reads: u64) {
        self.reads.set(reads);
    }

    /// How many reads are left.
    pub fn reads(&self) -> u64 {
        self.reads.get()
    }

    /// Pays for work.
    pub fn charge(&self, reads: usize) -> Result<()> {
        let Some(left) = self.reads.get().checked_sub(reads as u64) else {
            self.reads.set(0);
            return Err(Error::UnexpectedEof(self.bytes.offset_id()));
        };
        self.reads.set(left);
        Ok(())
    }
}

impl Reader for Metered<'_> {
    type Endian = LittleEndian;
    type Offset = usize;

    fn endian(&self) -> LittleEndian {
        LittleEndian
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn empty(&mut self) {
        self.bytes.empty();
    }

    fn truncate(&mut self, len: usize) -> Result<()> {
        self.bytes.truncate(len)
    }

    fn offset_from(&self, base: &Self) -> usize {
        self.bytes.offset_from(base.bytes)
    }

    fn offset_id(&self) -> ReaderOffsetId {
        self.bytes.offset_id()
    }

    fn lookup_offset_id(&self, id: ReaderOffsetId) -> Option<usize> {
        self.bytes.lookup_offset_id(id)
    }

    fn find(&self, byte: u8) -> Result<usize> {
        let found = Reader::find(&self.bytes, byte);
        let searched = found.as_ref().map_or(self.bytes.len(), |found| *found);
        self.charge(1 + searched / SEARCHED_BYTES)?;
        found
    }

    fn skip(&mut self, len: usize) -> Result<()> {
        self.charge(1)?;
        self.bytes.skip(len)
    }

    fn split(&mut self, len: usize) -> Result<Self> {
        self.charge(1)?;
        Ok(Self { bytes: self.bytes.split(len)?, reads: self.reads })
    }

    fn to_slice(&self) -> Result<Cow<'_, [u8]>> {
        self.charge(1 + self.bytes.len() / SEARCHED_BYTES)?;
        self.bytes.to_slice()
    }

    fn to_string(&self) -> Result<Cow<'_, str>> {
        self.charge(1 + self.bytes.len() / SEARCHED_BYTES)?;
        Reader::to_string(&self.bytes)
    }

    fn to_string_lossy(&self) -> Result<Cow<'_, str>> {
        self.charge(1 + self.bytes.len() / SEARCHED_BYTES)?;
        Reader::to_string_lossy(&self.bytes)
    }

    fn read_slice(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.charge(1)?;
        Reader::read_slice(&mut self.bytes, buffer)
    }

    fn read_u8(&mut self) -> Result<u8> {
        self.charge(1)?;
        self.bytes.read_u8()
    }
}

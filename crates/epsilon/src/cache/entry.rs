//! An entry of the cache: one file with the compiled functions of one module under one set of settings.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `EPSLCODE` |
//! | 4 | version of this format |
//! | 4 | number of functions that the module defines |
//! | 4 | number of records *n* |
//! | 4 | how many of the records, from the first, were called by guests: in the order of first use |
//! | 32 | what the entry is for: hash of the module and of everything that affects code |
//! | 4 | number of functions with a heat *h* |
//! | 48 × *n* | records: function (4), length (4), offset in the file (8), keyed hash of its bytes (32) |
//! | 8 × *h* | function (4), how often guests were found in it (4) |
//! | 32 | keyed hash of all of the above |
//! | … | bytes of the functions (see `codec`), in the order of the records |
//!
//! Bytes are read into our own memory first and hashed there, so that no change of the file reaches what runs. The
//! hashes are keyed with the user's secret, so that no one else can make an entry.

use crate::codec::{self, Reader};
use crate::hash;
use epsilon_abi::{CodeTier, CompiledFunction, DefinedFuncIndex, seeded};
use epsilon_runtime::ModuleBytes;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const MAGIC: &[u8; 8] = b"EPSLCODE";
const VERSION: u32 = 4;
const HEADER_BYTES: usize = 60;
const RECORD_BYTES: usize = 48;
const HEAT_BYTES: usize = 8;
const HASH_BYTES: usize = 32;

/// No entry has more functions: a module may define a million (the implementation limit of validation).
const MAX_RECORDS: usize = 1_000_000;
/// No function is larger: it comes from a body of at most 7 MB.
const MAX_RECORD_BYTES: usize = 512 << 20;

/// So many bytes of functions that were compiled but not called are read at once: one by one, they would take longer if
/// only a few of them are called now.
const FEW_BYTES: u64 = 128 << 10;

/// A secret that hashes are keyed with.
pub type Secret = [u8; 32];

/// What an entry is for.
pub type Key = [u8; 32];

/// An entry whose header and records have been checked. Functions are read and checked as they are asked for.
pub struct Entry {
    bytes: Bytes,
    secret: Secret,
    function_count: usize,
    records: Vec<Record>,
    by_function: HashMap<DefinedFuncIndex, usize>,
    called: usize,
    heat: Vec<(DefinedFuncIndex, u32)>,
}

#[derive(Clone, Copy)]
struct Record {
    function: DefinedFuncIndex,
    len_bytes: u32,
    offset: u64,
    hash: [u8; 32],
}

/// Where an entry is read from.
pub struct Bytes {
    from: From,
    /// Where the entry begins: inside an artifact it is the last section.
    start: u64,
    /// From there to the end. A file may have become shorter since: then reading fails.
    len_bytes: u64,
}

enum From {
    File(File),
    Memory(Arc<ModuleBytes>),
}

impl Bytes {
    /// An entry that is a file.
    pub fn file(file: File) -> io::Result<Self> {
        let len_bytes = file.metadata()?.len();
        Ok(Self { from: From::File(file), start: 0, len_bytes })
    }

    /// An entry that begins at `start` in memory.
    pub fn memory(bytes: Arc<ModuleBytes>, start: u64) -> Self {
        let len_bytes = (bytes.len() as u64).saturating_sub(start);
        Self { from: From::Memory(bytes), start, len_bytes }
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Option<()> {
        let offset = self.start.checked_add(offset)?;
        match &self.from {
            From::File(file) => file.read_exact_at(buffer, offset).ok(),
            From::Memory(bytes) => {
                let start = usize::try_from(offset).ok()?;
                buffer.copy_from_slice(bytes.get(start..start.checked_add(buffer.len())?)?);
                Some(())
            }
        }
    }
}

/// What a file that is no entry, or a damaged one, is refused with.
#[derive(Debug, PartialEq, Eq)]
pub struct Damaged;

impl Entry {
    /// Opens the entry at `path`.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none; [`io::ErrorKind::InvalidData`] if it is damaged or for something
    /// else.
    pub fn open(path: &Path, key: &Key, secret: &Secret) -> io::Result<Self> {
        let file = File::open(path)?;
        Self::read(Bytes::file(file)?, key, secret).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Reads an entry's header and records.
    pub fn read(bytes: Bytes, key: &Key, secret: &Secret) -> Result<Self, Damaged> {
        let mut header = vec![0; HEADER_BYTES];
        bytes.read_exact_at(&mut header, 0).ok_or(Damaged)?;
        let mut reader = Reader(&header);
        let magic = reader.take(8).ok_or(Damaged)?;
        let mut number = || reader.u32().ok_or(Damaged);
        let (version, function_count, count, called) =
            (number()?, number()? as usize, number()? as usize, number()? as usize);
        if magic != MAGIC || version != VERSION || count > MAX_RECORDS || called > count || reader.hash() != Some(*key)
        {
            return Err(Damaged);
        }
        let heat_count = reader.u32().ok_or(Damaged)? as usize;
        if heat_count > MAX_RECORDS {
            return Err(Damaged);
        }
        let records_bytes = count * RECORD_BYTES;
        let table_bytes = records_bytes + heat_count * HEAT_BYTES;
        if bytes.len_bytes < (HEADER_BYTES + table_bytes + HASH_BYTES) as u64 {
            return Err(Damaged);
        }
        header.resize(HEADER_BYTES + table_bytes + HASH_BYTES, 0);
        bytes.read_exact_at(&mut header[HEADER_BYTES..], HEADER_BYTES as u64).ok_or(Damaged)?;
        let (checked, hash) = header.split_at(HEADER_BYTES + table_bytes);
        if hash::keyed(secret, checked) != <[u8; 32]>::try_from(hash).map_err(|_| Damaged)? {
            return Err(Damaged);
        }
        let (records, heat) = checked[HEADER_BYTES..].split_at(records_bytes);
        let records: Vec<Record> = records.chunks_exact(RECORD_BYTES).filter_map(read_record).collect();
        let heat: Vec<_> = heat.chunks_exact(HEAT_BYTES).filter_map(read_heat).collect();
        let by_function = records.iter().enumerate().map(|(n, record)| (record.function, n)).collect();
        let valid =
            |record: &Record| record.function.index() < function_count && record.len_bytes as usize <= MAX_RECORD_BYTES;
        if records.len() != count || !records.iter().all(valid) {
            return Err(Damaged);
        }
        Ok(Self { bytes, secret: *secret, function_count, records, by_function, called, heat })
    }

    /// How often guests were found in functions.
    pub fn heat(&self) -> impl Iterator<Item = (DefinedFuncIndex, u32)> {
        let known = self.heat.iter().filter(|(function, _)| function.index() < self.function_count);
        known.copied()
    }

    /// Notes that the entry was used, unless that was noted less than `every` ago.
    pub fn touch(&self, every: Duration) {
        let From::File(file) = &self.bytes.from else { return };
        let age = file.metadata().and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
        if !matches!(age, Ok(Ok(age)) if age < every) {
            // Eviction is then less exact, no more.
            let _ = file.set_modified(SystemTime::now());
        }
    }

    /// Number of functions in the entry.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Size of all functions in bytes, with their tables, and what aligns them.
    pub fn code_bytes(&self) -> usize {
        const ALIGNMENT_BYTES: usize = 64;
        self.records.iter().map(|record| record.len_bytes as usize + ALIGNMENT_BYTES).sum()
    }

    /// Whether a function is in the entry.
    pub fn contains(&self, function: DefinedFuncIndex) -> bool {
        self.by_function.contains_key(&function)
    }

    /// Whether guests called a function.
    pub fn was_called(&self, function: DefinedFuncIndex) -> bool {
        self.by_function.get(&function).is_some_and(|record| *record < self.called)
    }

    /// The functions to begin with: those that guests called, in the order of first use, and the others too where they
    /// are few. How many of them are damaged comes second.
    pub fn beginning(&self) -> (Vec<(DefinedFuncIndex, CompiledFunction)>, usize) {
        let rest: u64 = self.records[self.called..].iter().map(|record| u64::from(record.len_bytes)).sum();
        let records = if rest <= FEW_BYTES { &self.records } else { &self.records[..self.called] };
        let Some(bytes) = self.read_together(records) else { return (Vec::new(), records.len()) };
        let mut functions = Vec::with_capacity(records.len());
        let mut at = 0;
        for record in records {
            let bytes = &bytes[at..at + record.len_bytes as usize];
            at += bytes.len();
            if let Some(function) = self.check(record, bytes) {
                functions.push((record.function, function));
            }
        }
        let damaged = records.len() - functions.len();
        (functions, damaged)
    }

    /// The bytes of records that lie one behind the other.
    fn read_together(&self, records: &[Record]) -> Option<Vec<u8>> {
        let Some(first) = records.first() else { return Some(Vec::new()) };
        let len: u64 = records.iter().map(|record| u64::from(record.len_bytes)).sum();
        let end = first.offset.checked_add(len)?;
        if end > self.bytes.len_bytes {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        self.bytes.read_exact_at(&mut bytes, first.offset)?;
        Some(bytes)
    }

    /// A function, if it is in the entry and intact.
    pub fn function(&self, function: DefinedFuncIndex) -> Option<CompiledFunction> {
        let record = &self.records[*self.by_function.get(&function)?];
        self.check(record, &self.read_together(std::slice::from_ref(record))?)
    }

    fn check(&self, record: &Record, bytes: &[u8]) -> Option<CompiledFunction> {
        if hash::keyed(&self.secret, bytes) != record.hash && !seeded::bug("entry-unchecked") {
            return None;
        }
        codec::decode(bytes, self.function_count)
    }

    /// The bytes of a function as they are in the file, if they are intact.
    fn raw(&self, record: &Record) -> Option<Vec<u8>> {
        let bytes = self.read_together(std::slice::from_ref(record))?;
        (hash::keyed(&self.secret, &bytes) == record.hash).then_some(bytes)
    }

    /// Number of records whose bytes are not intact.
    pub fn count_damaged(&self) -> usize {
        self.records.iter().filter(|record| self.raw(record).is_none()).count()
    }
}

fn read_record(bytes: &[u8]) -> Option<Record> {
    let mut reader = Reader(bytes);
    Some(Record {
        function: DefinedFuncIndex(reader.u32()?),
        len_bytes: reader.u32()?,
        offset: reader.u64()?,
        hash: reader.hash()?,
    })
}

fn read_heat(bytes: &[u8]) -> Option<(DefinedFuncIndex, u32)> {
    let mut reader = Reader(bytes);
    Some((DefinedFuncIndex(reader.u32()?), reader.u32()?))
}

/// Functions to be written as an entry.
#[derive(Default)]
pub struct Contents {
    /// Functions that guests called, in the order of first use.
    pub called: Vec<DefinedFuncIndex>,
    /// Bytes of functions that were compiled since the entry was opened.
    pub fresh: HashMap<DefinedFuncIndex, Vec<u8>>,
    /// How often guests were found in functions.
    pub heat: Vec<(DefinedFuncIndex, u32)>,
}

/// The file that these contents make, together with what of the `old` entry is intact.
pub fn to_bytes(
    contents: &Contents,
    old: Option<&Entry>,
    function_count: usize,
    key: &Key,
    secret: &Secret,
) -> Vec<u8> {
    let (mut order, mut called) = (contents.called.clone(), HashSet::new());
    // Twice, where its code was not what the second call asked for.
    order.retain(|function| called.insert(*function));
    let old_functions = old.map(|old| old.records.iter().map(|record| record.function).collect()).unwrap_or_default();
    let mut rest: Vec<DefinedFuncIndex> = contents.fresh.keys().copied().chain::<Vec<_>>(old_functions).collect();
    rest.retain(|function| !called.contains(function));
    rest.sort_unstable();
    rest.dedup();
    order.extend(rest);
    let bodies: Vec<Body<'_>> =
        order.into_iter().filter_map(|function| body_of(function, contents, old, secret)).collect();
    let called = bodies.iter().filter(|body| called.contains(&body.function)).count();

    let tables_bytes = bodies.len() * RECORD_BYTES + contents.heat.len() * HEAT_BYTES;
    let bytes: usize = bodies.iter().map(|body| body.bytes.len()).sum();
    let mut file = Vec::with_capacity(HEADER_BYTES + tables_bytes + HASH_BYTES + bytes);
    file.extend_from_slice(MAGIC);
    for number in [VERSION, function_count as u32, bodies.len() as u32, called as u32] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    file.extend_from_slice(key);
    file.extend_from_slice(&(contents.heat.len() as u32).to_le_bytes());
    let mut offset = (HEADER_BYTES + tables_bytes + HASH_BYTES) as u64;
    for body in &bodies {
        file.extend_from_slice(&body.function.0.to_le_bytes());
        file.extend_from_slice(&(body.bytes.len() as u32).to_le_bytes());
        file.extend_from_slice(&offset.to_le_bytes());
        file.extend_from_slice(&body.hash);
        offset += body.bytes.len() as u64;
    }
    for (function, notes) in &contents.heat {
        file.extend_from_slice(&function.0.to_le_bytes());
        file.extend_from_slice(&notes.to_le_bytes());
    }
    let hash = hash::keyed(secret, &file);
    file.extend_from_slice(hash.as_bytes());
    for body in &bodies {
        file.extend_from_slice(&body.bytes);
    }
    file
}

/// A function to be written.
struct Body<'a> {
    function: DefinedFuncIndex,
    bytes: Cow<'a, [u8]>,
    hash: [u8; 32],
}

/// The function from the contents, or from the old entry if it is intact there: the better code of both.
fn body_of<'a>(
    function: DefinedFuncIndex,
    contents: &'a Contents,
    old: Option<&Entry>,
    secret: &Secret,
) -> Option<Body<'a>> {
    let kept = || {
        let old = old?;
        let record = &old.records[*old.by_function.get(&function)?];
        Some(Body { function, bytes: old.raw(record)?.into(), hash: record.hash })
    };
    let Some(bytes) = contents.fresh.get(&function) else { return kept() };
    // Others may have written meanwhile.
    let tier = codec::tier(bytes);
    if tier == Some(CodeTier::Quick)
        && let Some(better) = kept().filter(|kept| codec::tier(&kept.bytes) > tier)
    {
        return Some(better);
    }
    let hash = *hash::keyed(secret, bytes).as_bytes();
    Some(Body { function, bytes: bytes.into(), hash })
}

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
//! | 4 | length of what lies before the next hash *t* |
//! | *t* | *n* records: distance of the function's index from the one before, length (numbers), keyed hash of its bytes (16); *h* times function, how often guests were found in it (numbers) |
//! | 32 | keyed hash of all of the above |
//! | … | bytes of the functions (see `codec`), in the order of the records |
//!
//! Numbers are as in [`numbers`]. Half of a function's hash is kept: damage is found all the same, and an attacker without
//! the secret would have to try 2^127 times.
//!
//! Bytes are read into our own memory first and hashed there, so that no change of the file reaches what runs. The
//! hashes are keyed with the user's secret, so that no one else can make an entry.

use crate::bytes::Bytes;
use crate::codec::{self, Reader};
use crate::hash;
use epsilon_abi::{CodeTier, CompiledFunction, DefinedFuncIndex, numbers};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

const MAGIC: &[u8; 8] = b"EPSLCODE";
const VERSION: u32 = 6;
const HEADER_BYTES: usize = 64;
const HASH_BYTES: usize = 32;
const FUNCTION_HASH_BYTES: usize = 16;

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
    /// The records' numbers, sorted by their functions.
    by_function: Vec<u32>,
    called: usize,
    heat: Vec<(DefinedFuncIndex, u32)>,
}

#[derive(Clone, Copy)]
struct Record {
    function: DefinedFuncIndex,
    len_bytes: u32,
    /// Where its bytes lie, from the start of the entry.
    offset: u64,
    hash: FunctionHash,
}

/// What is kept of the keyed hash of a function's bytes.
type FunctionHash = [u8; FUNCTION_HASH_BYTES];

/// The error for a file that is not an entry, or is damaged.
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
        Self::read(Bytes::file(file, 0)?, key, secret).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Reads an entry's header and records.
    pub fn read(bytes: Bytes, key: &Key, secret: &Secret) -> Result<Self, Damaged> {
        let header = bytes.read_at(0, HEADER_BYTES).ok_or(Damaged)?;
        let mut reader = Reader(&header);
        let magic = reader.take(8).ok_or(Damaged)?;
        let mut number = || reader.u32().ok_or(Damaged);
        let (version, function_count, count, called) =
            (number()?, number()? as usize, number()? as usize, number()? as usize);
        if magic != MAGIC || version != VERSION || count > MAX_RECORDS || called > count || reader.hash() != Some(*key)
        {
            return Err(Damaged);
        }
        let (heat_count, table_bytes) = (reader.u32().ok_or(Damaged)? as usize, reader.u32().ok_or(Damaged)? as usize);
        if heat_count > MAX_RECORDS {
            return Err(Damaged);
        }
        let header = bytes.read_at(0, HEADER_BYTES + table_bytes + HASH_BYTES).ok_or(Damaged)?;
        let (checked, hash) = header.split_at(HEADER_BYTES + table_bytes);
        if hash::keyed(secret, checked) != <[u8; 32]>::try_from(hash).map_err(|_| Damaged)? {
            return Err(Damaged);
        }
        let mut tables = &checked[HEADER_BYTES..];
        let start = (HEADER_BYTES + table_bytes + HASH_BYTES) as u64;
        let records = read_records(&mut tables, count, start).ok_or(Damaged)?;
        let heat = read_heat(&mut tables, heat_count).ok_or(Damaged)?;
        let valid =
            |record: &Record| record.function.index() < function_count && record.len_bytes as usize <= MAX_RECORD_BYTES;
        if !records.iter().all(valid) || !tables.is_empty() {
            return Err(Damaged);
        }
        let mut by_function: Vec<u32> = (0..records.len() as u32).collect();
        by_function.sort_unstable_by_key(|n| records[*n as usize].function);
        Ok(Self { bytes, secret: *secret, function_count, records, by_function, called, heat })
    }

    /// How often guests were found in functions.
    pub fn heat(&self) -> impl Iterator<Item = (DefinedFuncIndex, u32)> {
        let known = self.heat.iter().filter(|(function, _)| function.index() < self.function_count);
        known.copied()
    }

    /// Notes that the entry was used, unless that was noted less than `every` ago.
    pub fn touch(&self, every: Duration) {
        let Some(file) = self.bytes.as_file() else { return };
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

    /// Address space that suffices for the code of all functions, with what aligns them, and with what the linker adds on
    /// aarch64 to calls that have to reach far.
    pub fn code_bytes(&self) -> usize {
        const ALIGNMENT_BYTES: usize = 64;
        self.records.iter().map(|record| 2 * record.len_bytes as usize + ALIGNMENT_BYTES).sum()
    }

    /// The number of a function's record, if it is in the entry.
    fn record_of(&self, function: DefinedFuncIndex) -> Option<usize> {
        let at = self.by_function.binary_search_by_key(&function, |n| self.records[*n as usize].function).ok()?;
        Some(self.by_function[at] as usize)
    }

    /// Whether a function is in the entry.
    pub fn contains(&self, function: DefinedFuncIndex) -> bool {
        self.record_of(function).is_some()
    }

    /// Whether guests called a function.
    pub fn was_called(&self, function: DefinedFuncIndex) -> bool {
        self.record_of(function).is_some_and(|record| record < self.called)
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
        self.bytes.read_at(first.offset, usize::try_from(len).ok()?)
    }

    /// A function, if it is in the entry and intact.
    pub fn function(&self, function: DefinedFuncIndex) -> Option<CompiledFunction> {
        let record = &self.records[self.record_of(function)?];
        self.check(record, &self.read_together(std::slice::from_ref(record))?)
    }

    fn check(&self, record: &Record, bytes: &[u8]) -> Option<CompiledFunction> {
        if function_hash(&self.secret, bytes) != record.hash {
            return None;
        }
        codec::decode(bytes, self.function_count)
    }

    /// The bytes of a function, if it is in the entry and intact.
    pub fn bytes_of(&self, function: DefinedFuncIndex) -> Option<Vec<u8>> {
        self.raw(&self.records[self.record_of(function)?])
    }

    /// The bytes of a function as they are in the file, if they are intact.
    fn raw(&self, record: &Record) -> Option<Vec<u8>> {
        let bytes = self.read_together(std::slice::from_ref(record))?;
        (function_hash(&self.secret, &bytes) == record.hash).then_some(bytes)
    }

    /// Number of records whose bytes are not intact.
    pub fn count_damaged(&self) -> usize {
        self.records.iter().filter(|record| self.raw(record).is_none()).count()
    }
}

fn function_hash(secret: &Secret, bytes: &[u8]) -> FunctionHash {
    let hash = hash::keyed(secret, bytes);
    *hash.as_bytes().first_chunk().expect("a hash is longer")
}

/// The records of functions that lie one behind the other from `offset` on.
fn read_records(bytes: &mut &[u8], count: usize, mut offset: u64) -> Option<Vec<Record>> {
    let mut records = Vec::with_capacity(count.min(bytes.len() / FUNCTION_HASH_BYTES));
    let mut last = 0;
    for _ in 0..count {
        last = u32::try_from(numbers::read_signed(bytes)?.checked_add(last.into())?).ok()?;
        let len_bytes = numbers::read_u32(bytes)?;
        let (hash, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        records.push(Record { function: DefinedFuncIndex(last), len_bytes, offset, hash: *hash });
        offset = offset.checked_add(len_bytes.into())?;
    }
    Some(records)
}

fn read_heat(bytes: &mut &[u8], count: usize) -> Option<Vec<(DefinedFuncIndex, u32)>> {
    let read = |_| Some((DefinedFuncIndex(numbers::read_u32(bytes)?), numbers::read_u32(bytes)?));
    (0..count).map(read).collect()
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

    let tables = tables(&bodies, &contents.heat);
    let bytes: usize = bodies.iter().map(|body| body.bytes.len()).sum();
    let mut file = Vec::with_capacity(HEADER_BYTES + tables.len() + HASH_BYTES + bytes);
    file.extend_from_slice(MAGIC);
    for number in [VERSION, function_count as u32, bodies.len() as u32, called as u32] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    file.extend_from_slice(key);
    for len in [contents.heat.len(), tables.len()] {
        file.extend_from_slice(&(len as u32).to_le_bytes());
    }
    file.extend_from_slice(&tables);
    let hash = hash::keyed(secret, &file);
    file.extend_from_slice(hash.as_bytes());
    for body in &bodies {
        file.extend_from_slice(&body.bytes);
    }
    file
}

/// Records and heat, as they stand in the file.
fn tables(bodies: &[Body<'_>], heat: &[(DefinedFuncIndex, u32)]) -> Vec<u8> {
    let mut tables = Vec::with_capacity(bodies.len() * (FUNCTION_HASH_BYTES + 6) + heat.len() * 6);
    let mut last = 0;
    for body in bodies {
        numbers::write_signed(&mut tables, i64::from(body.function.0) - i64::from(last));
        numbers::write(&mut tables, body.bytes.len() as u64);
        tables.extend_from_slice(&body.hash);
        last = body.function.0;
    }
    for (function, notes) in heat {
        numbers::write(&mut tables, function.0.into());
        numbers::write(&mut tables, u64::from(*notes));
    }
    tables
}

/// A function to be written.
struct Body<'a> {
    function: DefinedFuncIndex,
    bytes: Cow<'a, [u8]>,
    hash: FunctionHash,
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
        let record = &old.records[old.record_of(function)?];
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
    let hash = function_hash(secret, bytes);
    Some(Body { function, bytes: bytes.into(), hash })
}

//! DWARF in custom sections (the tool conventions' `Dwarf.md`): addresses count from the code section's contents.
//!
//! What is kept of it are tables of numbers: which addresses the units have, and of those that were asked about the
//! functions and lines. All else is read again for each address.
//!
//! | | Bound |
//! |---|---|
//! | reads to make tables | a multiple of the debug information's size, over the module's life |
//! | reads to look an address up | a constant |
//! | entries of all tables | a constant, over the module's life |

use super::functions::{self, Extent, FunctionRange, Scope};
use super::lines::{self, Lines};
use super::meter::Metered;
use epsilon_abi::ByteRange;
use epsilon_runtime::Symbol;
use gimli::{
    DebugAbbrev, DebugInfoOffset, DebugLineOffset, Error, Reader as _, Result, Section as _, SectionId, UnitHeader,
};
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Reads to make tables, for each byte of debug information; a usual module takes one or two.
const READS_PER_BYTE: u64 = 16;
const LEAST_READS: u64 = 1 << 20;
/// A fraction of a second.
const MOST_READS: u64 = 48 << 20;

/// Reads to look one address up: milliseconds.
const LOOKUP_READS: u64 = 1 << 19;

/// Entries of all tables, of 12 to 16 bytes each.
const MAX_ENTRIES: usize = 768 << 10;

/// A unit's abbreviations are not read beyond this: gimli keeps some thirty bytes for each byte of them.
const MAX_ABBREVIATION_BYTES: usize = 256 << 10;

/// Units that are looked into for one address.
const MAX_UNITS: usize = 4;

/// Answers that are kept: a recursion asks the same again and again.
const MAX_ANSWERS: usize = 128;

/// Names and folders are cut at this length.
const MAX_TEXT_BYTES: usize = 4 << 10;

pub type Unit<'a> = gimli::Unit<Metered<'a>>;
pub type Value<'a> = gimli::AttributeValue<Metered<'a>>;
pub type Attribute<'a> = gimli::Attribute<Metered<'a>>;

/// A module's debug information. If reading it panics, nothing more is read of it.
pub struct DebugInfo {
    sections: HashMap<SectionId, Range<usize>>,
    tables: Mutex<Tables>,
}

/// What is known of the units so far.
struct Tables {
    reads_left: u64,
    entries_left: usize,
    units: Option<Units>,
    answers: VecDeque<(u32, Vec<Symbol>)>,
}

#[derive(Default)]
struct Units {
    units: Vec<UnitTables>,
    /// Addresses of units, by position in `units`.
    ranges: Vec<(u32, u32, u32)>,
}

/// The tables of one unit, made when an address of it is first asked about.
struct UnitTables {
    offset: DebugInfoOffset,
    has_ranges: bool,
    functions: Option<Arc<[FunctionRange]>>,
    lines: Option<Arc<Lines>>,
}

/// A unit that is read.
pub struct Opened<'a> {
    pub unit: Unit<'a>,
    extent: Extent<'a>,
    lines: Option<DebugLineOffset>,
}

/// All sections, and how many reads are left.
pub struct Reading<'a> {
    pub dwarf: gimli::Dwarf<Metered<'a>>,
    meter: Metered<'a>,
}

impl DebugInfo {
    /// Of a module that has any among its custom sections.
    pub fn of(custom: &[(String, ByteRange)]) -> Option<Self> {
        let mut sections = HashMap::new();
        for (name, range) in custom.iter().filter(|(name, _)| epsilon_compiler::is_debug_section(name)) {
            if let Some(id) = SECTIONS.into_iter().find(|id| id.name() == name) {
                sections.entry(id).or_insert_with(|| range.clone());
            }
        }
        if !sections.contains_key(&SectionId::DebugInfo) {
            return None;
        }
        let bytes: u64 = sections.values().map(|range| range.len() as u64).sum();
        let reads_left = bytes.saturating_mul(READS_PER_BYTE).saturating_add(LEAST_READS).min(MOST_READS);
        let tables = Tables { reads_left, entries_left: MAX_ENTRIES, units: None, answers: VecDeque::new() };
        Some(Self { sections, tables: Mutex::new(tables) })
    }

    /// The places at an address, inlined ones first.
    pub fn symbols(&self, wasm: &[u8], address: u32) -> Vec<Symbol> {
        let Ok(mut tables) = self.tables.lock() else { return Vec::new() };
        if let Some((_, answer)) = tables.answers.iter().find(|(asked, _)| *asked == address) {
            return answer.clone();
        }
        let reads = Cell::new(0);
        let reading = Reading::new(|id| &wasm[self.sections.get(&id).cloned().unwrap_or(0..0)], &reads);
        let answer = tables.find(&reading, address).unwrap_or_default();
        if tables.answers.len() == MAX_ANSWERS {
            tables.answers.pop_front();
        }
        tables.answers.push_back((address, answer.clone()));
        answer
    }
}

/// The sections that are read.
const SECTIONS: [SectionId; 9] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
];

impl<'a> Reading<'a> {
    fn new(section: impl Fn(SectionId) -> &'a [u8], reads: &'a Cell<u64>) -> Self {
        let dwarf = gimli::Dwarf::load(|id| Ok::<_, Error>(Metered::new(section(id), reads)));
        Self { dwarf: dwarf.expect("sections that are there"), meter: Metered::new(&[], reads) }
    }

    /// Pays for work that reads nothing.
    pub fn charge(&self, reads: usize) -> Result<()> {
        self.meter.charge(reads)
    }

    /// Whether a table of `len` entries may have one more.
    pub fn has_room(&self, len: usize, room: usize) -> Result<()> {
        if len < room { Ok(()) } else { Err(Error::UnexpectedEof(self.meter.offset_id())) }
    }

    /// The unit that an offset of `.debug_info` lies in.
    pub fn unit_with(&self, offset: DebugInfoOffset) -> Result<Opened<'a>> {
        let mut headers = self.dwarf.units();
        while let Some(header) = headers.next()? {
            if offset.to_unit_offset(&header).is_some() {
                return self.open(header);
            }
        }
        Err(Error::NoEntryAtGivenOffset(offset.0 as u64))
    }

    /// Reads what all entries of a unit need.
    fn open(&self, header: UnitHeader<Metered<'a>>) -> Result<Opened<'a>> {
        let mut abbreviations = self.dwarf.debug_abbrev.reader().clone();
        abbreviations.skip(header.debug_abbrev_offset().0)?;
        abbreviations.truncate(abbreviations.len().min(MAX_ABBREVIATION_BYTES))?;
        let abbreviations = DebugAbbrev::from(abbreviations).abbreviations(gimli::DebugAbbrevOffset(0))?;
        let (encoding, file) = (header.encoding(), gimli::DwarfFileType::Main);
        let unit = Unit {
            abbreviations: Arc::new(abbreviations),
            name: None,
            comp_dir: None,
            low_pc: 0,
            str_offsets_base: gimli::DebugStrOffsetsBase::default_for_encoding_and_file(encoding, file),
            addr_base: gimli::DebugAddrBase(0),
            loclists_base: gimli::DebugLocListsBase::default_for_encoding_and_file(encoding, file),
            rnglists_base: gimli::DebugRngListsBase::default_for_encoding_and_file(encoding, file),
            line_program: None,
            dwo_id: None,
            header,
        };
        self.read_root(unit)
    }

    /// Reads a unit's own entry. Values may refer to tables that attributes behind them name.
    fn read_root(&self, mut unit: Unit<'a>) -> Result<Opened<'a>> {
        let abbreviations = unit.abbreviations.clone();
        let mut entries = unit.header.entries_raw(&abbreviations, None)?;
        let root = entries.read_abbreviation()?.ok_or(Error::MissingUnitDie)?;
        self.charge(root.attributes().len())?;
        let (mut extent, mut lines, mut name, mut folder) = (Extent::default(), None, None, None);
        for attribute in root.attributes() {
            let attribute = entries.read_attribute(*attribute)?;
            extent.take(&attribute);
            match (attribute.name(), attribute.value()) {
                (gimli::DW_AT_name, value) => name = Some(value),
                (gimli::DW_AT_comp_dir, value) => folder = Some(value),
                (gimli::DW_AT_stmt_list, Value::DebugLineRef(offset)) => lines = Some(offset),
                (gimli::DW_AT_str_offsets_base, Value::DebugStrOffsetsBase(base)) => unit.str_offsets_base = base,
                (gimli::DW_AT_addr_base, Value::DebugAddrBase(base)) => unit.addr_base = base,
                (gimli::DW_AT_rnglists_base, Value::DebugRngListsBase(base)) => unit.rnglists_base = base,
                _ => {}
            }
        }
        let string = |value: Option<Value<'a>>| self.dwarf.attr_string(&unit, value?).ok();
        let (name, folder) = (string(name), string(folder));
        let low = extent.low().and_then(|low| self.dwarf.attr_address(&unit, low.clone()).ok()?);
        unit.low_pc = low.unwrap_or(0);
        (unit.name, unit.comp_dir) = (name, folder);
        Ok(Opened { unit, extent, lines })
    }
}

impl Tables {
    /// Lets `make` read as much as all tables together may still take.
    fn make<'a, T>(reads_left: &mut u64, reading: &Reading<'a>, make: impl FnOnce() -> T) -> T {
        reading.meter.set_reads(*reads_left);
        let made = make();
        *reads_left = reading.meter.reads();
        made
    }

    fn find(&mut self, reading: &Reading<'_>, address: u32) -> Option<Vec<Symbol>> {
        if self.units.is_none() {
            let (reads, entries) = (&mut self.reads_left, &mut self.entries_left);
            let units = Self::make(reads, reading, || Units::read(reading, *entries));
            *entries -= units.units.len() + units.ranges.len();
            self.units = Some(units);
        }
        self.candidates(address).into_iter().find_map(|unit| {
            let symbols = self.find_in(reading, unit, address)?;
            Some(symbols).filter(|symbols| !symbols.is_empty())
        })
    }

    /// The units that may have an address: those that say so, and if there is none, those that do not say.
    fn candidates(&self, address: u32) -> Vec<usize> {
        let Some(Units { units, ranges }) = &self.units else { return Vec::new() };
        let here = ranges.iter().filter(|(begin, end, _)| (*begin..*end).contains(&address));
        let mut found: Vec<usize> = here.map(|(_, _, unit)| *unit as usize).take(MAX_UNITS).collect();
        if found.is_empty() {
            let silent = units.iter().enumerate().filter(|(_, unit)| !unit.has_ranges);
            found.extend(silent.map(|(n, _)| n).take(MAX_UNITS));
        }
        found
    }

    /// The places at an address of a unit.
    fn find_in(&mut self, reading: &Reading<'_>, unit: usize, address: u32) -> Option<Vec<Symbol>> {
        let tables = &mut self.units.as_mut()?.units[unit];
        reading.meter.set_reads(LOOKUP_READS);
        let opened = reading.dwarf.unit_header(tables.offset).and_then(|header| reading.open(header)).ok()?;
        let (reads, entries) = (&mut self.reads_left, &mut self.entries_left);
        let functions = tables.functions.get_or_insert_with(|| {
            let made = Self::make(reads, reading, || functions::functions(reading, &opened.unit, *entries));
            *entries -= made.len();
            made.into()
        });
        let lines = tables.lines.get_or_insert_with(|| {
            let made = opened.lines.map_or_else(Lines::default, |offset| {
                Self::make(reads, reading, || Lines::read(reading, &opened.unit, offset, *entries))
            });
            *entries -= made.len();
            Arc::new(made)
        });
        reading.meter.set_reads(LOOKUP_READS);
        Some(symbols(reading, &opened, functions, lines, address))
    }
}

/// The places at an address of a unit: where the innermost function is, then from where each was inlined.
fn symbols(
    reading: &Reading<'_>,
    opened: &Opened<'_>,
    functions: &[FunctionRange],
    lines: &Lines,
    address: u32,
) -> Vec<Symbol> {
    let scopes = functions::function_at(functions, address)
        .and_then(|entry| functions::scopes_at(reading, &opened.unit, entry, address).ok())
        .unwrap_or_default();
    let place = |file: u64, line: u64, column: u64| {
        let narrow = |value: u64| u32::try_from(value).ok().filter(|value| *value != 0);
        let path = opened.lines.and_then(|offset| lines::path(reading, &opened.unit, offset, file).ok()?);
        Symbol { name: None, file: path, line: narrow(line), column: narrow(column) }
    };
    let row = lines.at(address).map(|row| place(row.file.into(), row.line.into(), row.column.into()));
    let mut next = row.or_else(|| (!scopes.is_empty()).then(|| place(u64::MAX, 0, 0)));
    let mut symbols = Vec::new();
    for Scope { entry, call_file, call_line, call_column, .. } in scopes.into_iter().rev() {
        let Some(symbol) = next.replace(place(call_file, call_line, call_column)) else { break };
        let name = functions::name(reading, &opened.unit, entry).ok().flatten();
        symbols.push(Symbol { name, ..symbol });
    }
    if symbols.is_empty() {
        symbols.extend(next);
    }
    symbols
}

impl Units {
    /// Finds all units, and the addresses that they say to have: as much as `room` has a place for.
    fn read(reading: &Reading<'_>, room: usize) -> Self {
        let mut found = Self::default();
        // What was found in front of a unit that cannot be read, or is one too many, is as good as ever.
        let _ = found.push_all(reading, room);
        found
    }

    fn push_all(&mut self, reading: &Reading<'_>, room: usize) -> Result<()> {
        let mut headers = reading.dwarf.units();
        while let Some(header) = headers.next()? {
            reading.has_room(self.units.len() + self.ranges.len(), room)?;
            let has_code = matches!(header.type_(), gimli::UnitType::Compilation | gimli::UnitType::Skeleton(_));
            let Some(offset) = header.debug_info_offset().filter(|_| has_code) else { continue };
            let Ok(opened) = reading.open(header) else { continue };
            let (unit, before) = (self.units.len() as u32, self.ranges.len());
            let ranges = &mut self.ranges;
            let units = self.units.len();
            let _ = opened.extent.for_each(reading, &opened.unit, |begin, end| {
                reading.has_room(units + 1 + ranges.len(), room)?;
                ranges.push((begin, end, unit));
                Ok(())
            });
            let has_ranges = self.ranges.len() > before;
            self.units.push(UnitTables { offset, has_ranges, functions: None, lines: None });
        }
        Ok(())
    }
}

/// The beginning of a string of any length and encoding.
pub fn text(string: &Metered<'_>) -> String {
    let bytes = string.bytes();
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT_BYTES)]).into_owned()
}

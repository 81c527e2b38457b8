//! The line table of a unit: for each address a file, a line and a column.

use super::dwarf::{Reading, Unit, text};
use super::meter::Metered;
use gimli::{DebugLineOffset, Error, LineRow, Reader as _, Result, Section as _};

/// A header, with its lists of folders and files, is not read if it is longer: gimli keeps some hundred bytes for each
/// byte of it.
const MAX_HEADER_BYTES: usize = 128 << 10;

/// Sequences whose range may hold an address, of those that begin at or before it.
const MAX_OVERLAPPING: usize = 32;

/// Paths are cut at this length.
const MAX_PATH_BYTES: usize = 4 << 10;

/// The rows of a unit.
#[derive(Debug, Default)]
pub struct Lines {
    rows: Vec<Row>,
    /// Ordered by where they begin.
    sequences: Vec<Sequence>,
}

/// What holds from an address on.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    address: u32,
    pub file: u32,
    pub line: u32,
    pub column: u32,
}

/// Rows without a gap.
#[derive(Debug)]
struct Sequence {
    begin: u32,
    end: u32,
    rows: std::ops::Range<u32>,
}

type Header<'a> = gimli::LineProgramHeader<Metered<'a>>;

impl Lines {
    /// Reads the table at `offset`: as many rows as `room` has a place for.
    pub fn read<'a>(reading: &Reading<'a>, unit: &Unit<'a>, offset: DebugLineOffset, room: usize) -> Self {
        let mut lines = Self::default();
        // What was read in front of an error is as good as ever.
        let _ = lines.read_rows(reading, unit, offset, room);
        let whole = lines.sequences.last().map_or(0, |last| last.rows.end);
        lines.rows.truncate(whole as usize);
        lines.rows.shrink_to_fit();
        lines.sequences.shrink_to_fit();
        lines.sequences.sort_by_key(|sequence| sequence.begin);
        lines
    }

    fn read_rows<'a>(
        &mut self,
        reading: &Reading<'a>,
        unit: &Unit<'a>,
        offset: DebugLineOffset,
        room: usize,
    ) -> Result<()> {
        let mut program = program(reading, unit, offset)?;
        let mut instructions = program.header().instructions();
        let mut row = LineRow::new(program.header());
        let mut first = 0;
        while let Some(instruction) = instructions.next_instruction(program.header())? {
            // A file that the program defines would be kept, however many there are.
            if matches!(instruction, gimli::LineInstruction::DefineFile(_)) {
                continue;
            }
            if row.execute(instruction, &mut program)? {
                reading.has_room(self.rows.len() + self.sequences.len(), room)?;
                first = self.push(&row, first);
                row.reset(program.header());
            }
        }
        Ok(())
    }

    /// Adds a row to the sequence that begins with row `first`; returns where the next row's sequence begins.
    fn push(&mut self, row: &LineRow, first: usize) -> usize {
        let address = u32::try_from(row.address()).unwrap_or(u32::MAX);
        if row.end_sequence() {
            let begin = self.rows.get(first).map_or(0, |row| row.address);
            // Linkers leave the lines of functions that they drop, at address 0 or the highest one.
            if begin == 0 || begin >= address || address == u32::MAX {
                self.rows.truncate(first);
            } else {
                let rows = first as u32..self.rows.len() as u32;
                self.sequences.push(Sequence { begin, end: address, rows });
            }
            return self.rows.len();
        }
        let column = match row.column() {
            gimli::ColumnType::LeftEdge => 0,
            gimli::ColumnType::Column(column) => column.get(),
        };
        let narrow = |value: u64| u32::try_from(value).unwrap_or(0);
        let line = row.line().map_or(0, |line| line.get());
        let row = Row { address, file: narrow(row.file_index()), line: narrow(line), column: narrow(column) };
        match self.rows[first..].last_mut() {
            Some(last) if last.address == address => *last = row,
            _ => self.rows.push(row),
        }
        first
    }

    /// How much of its room it takes.
    pub fn len(&self) -> usize {
        self.rows.len() + self.sequences.len()
    }

    /// The row that holds at an address.
    pub fn at(&self, address: u32) -> Option<Row> {
        let behind = self.sequences.partition_point(|sequence| sequence.begin <= address);
        let mut near = self.sequences[..behind].iter().rev().take(MAX_OVERLAPPING);
        let sequence = near.find(|sequence| address < sequence.end)?;
        let rows = &self.rows[sequence.rows.start as usize..sequence.rows.end as usize];
        let behind = rows.partition_point(|row| row.address <= address);
        rows.get(behind.checked_sub(1)?).copied()
    }
}

/// The program that makes the rows, with its header.
fn program<'a>(
    reading: &Reading<'a>,
    unit: &Unit<'a>,
    offset: DebugLineOffset,
) -> Result<gimli::IncompleteLineProgram<Metered<'a>>> {
    let mut header = reading.dwarf.debug_line.reader().clone();
    header.skip(offset.0)?;
    let (_, format) = header.read_initial_length()?;
    if header.read_u16()? >= 5 {
        header.skip(2)?;
    }
    if header.read_length(format)? > MAX_HEADER_BYTES {
        return Err(Error::OffsetOutOfBounds(offset.0 as u64));
    }
    let (folder, name) = (unit.comp_dir.clone(), unit.name.clone());
    reading.dwarf.debug_line.program(offset, unit.encoding().address_size, folder, name)
}

/// The path of a file of the table at `offset`.
pub fn path<'a>(reading: &Reading<'a>, unit: &Unit<'a>, offset: DebugLineOffset, file: u64) -> Result<Option<String>> {
    let program = program(reading, unit, offset)?;
    let header: &Header<'a> = program.header();
    let Some(file) = header.file(file) else { return Ok(None) };
    let mut path = unit.comp_dir.as_ref().map_or_else(String::new, text);
    if file.directory_index() != 0
        && let Some(folder) = file.directory(header)
    {
        push(&mut path, &text(&reading.dwarf.attr_string(unit, folder)?));
    }
    push(&mut path, &text(&reading.dwarf.attr_string(unit, file.path_name())?));
    Ok(Some(path))
}

/// Goes from a path to one below it, or to another one, in the notation of either family of systems.
fn push(path: &mut String, part: &str) {
    let is_absolute = |path: &str| path.starts_with(['/', '\\']) || matches!(path.get(1..3), Some(":/") | Some(":\\"));
    if is_absolute(part) {
        path.clear();
    }
    let separator = if path.starts_with('\\') || path.get(1..3) == Some(":\\") { '\\' } else { '/' };
    if !path.is_empty() && !path.ends_with(separator) {
        path.push(separator);
    }
    path.push_str(part);
    let end = path.floor_char_boundary(MAX_PATH_BYTES);
    path.truncate(end);
}

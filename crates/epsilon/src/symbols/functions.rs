//! Functions of a unit, and what is inlined into them: entries of `.debug_info`, walked in order. They are nested as
//! deeply as their author likes; the walk keeps what holds one address, and does not recurse.

use super::dwarf::{Attribute, Reading, Unit, Value};
use gimli::{Result, UnitOffset};
use std::collections::VecDeque;

/// Frames that one address has at most: the function, and the innermost of those inlined there.
const MAX_FRAMES: usize = 24;

/// Functions whose range may hold an address, of those that begin at or before it.
const MAX_OVERLAPPING: usize = 32;

/// Entries that a name is looked for in, each referring to the next.
const MAX_ORIGINS: usize = 16;

/// Addresses of a function. Code offsets and sizes of modules fit into 32 bits.
#[derive(Clone, Copy, Debug)]
pub struct FunctionRange {
    begin: u32,
    end: u32,
    entry: u32,
}

/// A function inlined at an address, or the one that it is inlined into.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    pub entry: UnitOffset,
    pub call_file: u64,
    pub call_line: u64,
    pub call_column: u64,
    depth: isize,
}

/// The attributes that say which addresses an entry has.
#[derive(Default)]
pub struct Extent<'a> {
    low: Option<Value<'a>>,
    high: Option<Value<'a>>,
    ranges: Option<Value<'a>>,
}

impl<'a> Extent<'a> {
    /// Takes in an attribute, if it is one of them.
    pub fn take(&mut self, attribute: &Attribute<'a>) {
        let place = match attribute.name() {
            gimli::DW_AT_low_pc => &mut self.low,
            gimli::DW_AT_high_pc => &mut self.high,
            gimli::DW_AT_ranges => &mut self.ranges,
            _ => return,
        };
        *place = Some(attribute.value());
    }

    /// The lower end of a unit, which lists of ranges count from.
    pub fn low(&self) -> Option<&Value<'a>> {
        self.low.as_ref()
    }

    /// Calls `each` with every range that is not empty.
    pub fn for_each(
        &self,
        reading: &Reading<'a>,
        unit: &Unit<'a>,
        mut each: impl FnMut(u32, u32) -> Result<()>,
    ) -> Result<()> {
        let mut add = |begin: u64, end: u64| match (u32::try_from(begin), u32::try_from(end)) {
            (Ok(begin), Ok(end)) if begin < end => each(begin, end),
            _ => Ok(()),
        };
        if let Some(list) = &self.ranges {
            let Some(mut ranges) = reading.dwarf.attr_ranges(unit, list.clone())? else { return Ok(()) };
            while let Some(range) = ranges.next()? {
                add(range.begin, range.end)?;
            }
            return Ok(());
        }
        let (Some(low), Some(high)) = (&self.low, &self.high) else { return Ok(()) };
        let Some(begin) = reading.dwarf.attr_address(unit, low.clone())? else { return Ok(()) };
        match (high.udata_value(), high) {
            (Some(size), _) => add(begin, begin.saturating_add(size)),
            (None, high) => match reading.dwarf.attr_address(unit, high.clone())? {
                Some(end) => add(begin, end),
                None => Ok(()),
            },
        }
    }
}

/// The functions of a unit by address: as many as `room` has a place for.
pub fn functions<'a>(reading: &Reading<'a>, unit: &Unit<'a>, room: usize) -> Vec<FunctionRange> {
    let mut found = Vec::new();
    // What was found in front of an entry that cannot be read, or is one too many, is as good as ever.
    let _ = push_functions(reading, unit, room, &mut found);
    found.sort_by_key(|function| function.begin);
    found
}

fn push_functions<'a>(
    reading: &Reading<'a>,
    unit: &Unit<'a>,
    room: usize,
    found: &mut Vec<FunctionRange>,
) -> Result<()> {
    let mut entries = unit.entries_raw(None)?;
    while !entries.is_empty() {
        let entry = entries.next_offset().0 as u32;
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        reading.charge(abbreviation.attributes().len())?;
        if abbreviation.tag() != gimli::DW_TAG_subprogram {
            entries.skip_attributes(abbreviation.attributes())?;
            continue;
        }
        let mut extent = Extent::default();
        for attribute in abbreviation.attributes() {
            extent.take(&entries.read_attribute(*attribute)?);
        }
        extent.for_each(reading, unit, |begin, end| {
            reading.has_room(found.len(), room)?;
            found.push(FunctionRange { begin, end, entry });
            Ok(())
        })?;
    }
    Ok(())
}

/// The entry of the function that an address is in.
pub fn function_at(functions: &[FunctionRange], address: u32) -> Option<UnitOffset> {
    let behind = functions.partition_point(|function| function.begin <= address);
    let near = functions[..behind].iter().rev().take(MAX_OVERLAPPING);
    near.into_iter().find(|function| address < function.end).map(|function| UnitOffset(function.entry as usize))
}

/// The function at `entry` and what is inlined at an address of it, the outermost first.
pub fn scopes_at<'a>(
    reading: &Reading<'a>,
    unit: &Unit<'a>,
    entry: UnitOffset,
    address: u32,
) -> Result<VecDeque<Scope>> {
    let mut entries = unit.entries_raw(Some(entry))?;
    let outermost = entries.next_depth();
    let function = Scope { entry, call_file: 0, call_line: 0, call_column: 0, depth: outermost };
    let mut scopes = VecDeque::from([function]);
    if let Some(abbreviation) = entries.read_abbreviation()? {
        entries.skip_attributes(abbreviation.attributes())?;
    }
    // Functions that are declared inside are others, wherever their code lies.
    let mut hidden_below = None;
    while !entries.is_empty() && entries.next_depth() > outermost {
        let (entry, depth) = (entries.next_offset(), entries.next_depth());
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        reading.charge(abbreviation.attributes().len())?;
        hidden_below = hidden_below.filter(|hiding| depth > *hiding);
        let is_inlined = abbreviation.tag() == gimli::DW_TAG_inlined_subroutine;
        if hidden_below.is_some() || !is_inlined {
            entries.skip_attributes(abbreviation.attributes())?;
            if abbreviation.tag() == gimli::DW_TAG_subprogram && hidden_below.is_none() {
                hidden_below = Some(depth);
            }
            continue;
        }
        let mut scope = Scope { entry, call_file: 0, call_line: 0, call_column: 0, depth };
        let mut extent = Extent::default();
        for attribute in abbreviation.attributes() {
            let attribute = entries.read_attribute(*attribute)?;
            extent.take(&attribute);
            scope.take(&attribute);
        }
        let mut is_here = false;
        extent.for_each(reading, unit, |begin, end| {
            is_here |= (begin..end).contains(&address);
            Ok(())
        })?;
        if is_here {
            push_scope(&mut scopes, scope);
        }
    }
    Ok(scopes)
}

impl Scope {
    fn take(&mut self, attribute: &Attribute<'_>) {
        let place = match attribute.name() {
            gimli::DW_AT_call_file => &mut self.call_file,
            gimli::DW_AT_call_line => &mut self.call_line,
            gimli::DW_AT_call_column => &mut self.call_column,
            _ => return,
        };
        *place = match attribute.value() {
            gimli::AttributeValue::FileIndex(index) => index,
            value => value.udata_value().unwrap_or(0),
        };
    }
}

/// Adds a scope further in; those that it is not inside of are none of this address. The function itself stays.
fn push_scope(scopes: &mut VecDeque<Scope>, scope: Scope) {
    while scopes.len() > 1 && scopes.back().is_some_and(|last| last.depth >= scope.depth) {
        scopes.pop_back();
    }
    scopes.push_back(scope);
    if scopes.len() > MAX_FRAMES {
        scopes.remove(1);
    }
}

/// The name of the function at an entry: its own, or that of what the entry is a copy of.
pub fn name<'a>(reading: &Reading<'a>, unit: &Unit<'a>, entry: UnitOffset) -> Result<Option<String>> {
    let (mut other, mut entry) = (None, entry);
    for _ in 0..MAX_ORIGINS {
        let unit = other.as_ref().unwrap_or(unit);
        let (name, origin) = name_or_origin(reading, unit, entry)?;
        if name.is_some() {
            return Ok(name);
        }
        match origin {
            Some(gimli::AttributeValue::UnitRef(offset)) => entry = offset,
            Some(gimli::AttributeValue::DebugInfoRef(offset)) => {
                let found = reading.unit_with(offset)?;
                entry = offset.to_unit_offset(&found.unit.header).ok_or(gimli::Error::OffsetOutOfBounds(0))?;
                other = Some(found.unit);
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}

fn name_or_origin<'a>(
    reading: &Reading<'a>,
    unit: &Unit<'a>,
    entry: UnitOffset,
) -> Result<(Option<String>, Option<Value<'a>>)> {
    let mut entries = unit.entries_raw(Some(entry))?;
    let (mut name, mut linkage_name, mut origin) = (None, None, None);
    let Some(abbreviation) = entries.read_abbreviation()? else { return Ok((None, None)) };
    reading.charge(abbreviation.attributes().len())?;
    for attribute in abbreviation.attributes() {
        let attribute = entries.read_attribute(*attribute)?;
        match attribute.name() {
            gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => linkage_name = Some(attribute.value()),
            gimli::DW_AT_name => name = Some(attribute.value()),
            gimli::DW_AT_abstract_origin | gimli::DW_AT_specification => origin = Some(attribute.value()),
            _ => {}
        }
    }
    let name = linkage_name.or(name).and_then(|name| reading.dwarf.attr_string(unit, name).ok());
    Ok((name.map(|name| super::dwarf::text(&name)), origin))
}

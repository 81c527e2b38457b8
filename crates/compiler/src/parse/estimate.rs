//! How much memory parsing and validating a module takes at most: estimates from above, made from the lengths and counts
//! that stand in its sections' beginnings, before anything is allocated. tests/memory.rs holds them against what an
//! allocator counts.
//!
//! A count that is a lie is more than the section has bytes for, and is cut to that. What is estimated by bytes is what
//! the smallest item takes, for each of its bytes.

use super::ParsedModule;
use std::ops::Range;
use wasmparser::{KnownCustom, Name, Parser, Payload};

/// What is there whatever the module is.
const LEAST: usize = 64 << 10;

/// A type, and what each byte of it becomes: a parameter, in three forms.
const TYPE: usize = 1300;
const TYPE_BYTE: usize = 80;
/// A byte of a section in which types stand in groups, that have counts of their own.
const GROUPED_TYPE_BYTE: usize = TYPE / 3 + TYPE_BYTE;
/// What marks a group.
const GROUP: u8 = 0x4e;

/// A byte of the import section: an import has four at least.
const IMPORT_BYTE: usize = 128;
const FUNCTION: usize = 48;
/// A table, memory, global or tag.
const ITEM: usize = 450;
const EXPORT: usize = 450;
const EXPORT_BYTE: usize = 8;
const SEGMENT: usize = 256;
/// A byte of a constant expression or of a segment of elements: an operator has two, an expression three.
const EXPRESSION_BYTE: usize = 40;
const BODY: usize = 100;
const CUSTOM_SECTION: usize = 160;
const FUNCTION_NAME: usize = 80;
const HINT_BYTE: usize = 48;

/// A byte of a body, while it is validated: a block has two, and each begins another level.
const BODY_BYTE: usize = 56;
/// What validating takes for each thread, whatever the body.
const VALIDATING: usize = 128 << 10;
/// What is noted of each body that is valid.
const VALID_BODY: usize = 224;

/// How much memory parsing a module takes, with all that is held when it is done.
pub(crate) fn parsing_bytes(wasm: &[u8]) -> usize {
    let mut bytes = LEAST;
    for payload in Parser::new(0).parse_all(wasm) {
        // What cannot be read ends parsing as well.
        let Ok(payload) = payload else { break };
        bytes = bytes.saturating_add(payload_bytes(wasm, &payload));
    }
    bytes
}

fn payload_bytes(wasm: &[u8], payload: &Payload<'_>) -> usize {
    let items = |count: u32, range: Range<u64>, item: usize, byte: usize| {
        let len = len(&range);
        (count as usize).min(len).saturating_mul(item).saturating_add(len.saturating_mul(byte))
    };
    match payload {
        Payload::TypeSection(section) => {
            let range = section.range();
            let contents = wasm.get(range.start as usize..range.end as usize).unwrap_or(&[]);
            // Behind the count, which ends with the first byte below 128.
            let types = contents.splitn(2, |byte| *byte < 0x80).nth(1).unwrap_or(&[]);
            match types.contains(&GROUP) {
                true => contents.len().saturating_mul(GROUPED_TYPE_BYTE),
                false => items(section.count(), range, TYPE, TYPE_BYTE),
            }
        }
        Payload::ImportSection(section) => len(&section.range()).saturating_mul(IMPORT_BYTE),
        Payload::FunctionSection(section) => items(section.count(), section.range(), FUNCTION, 0),
        Payload::TableSection(section) => items(section.count(), section.range(), ITEM, EXPRESSION_BYTE),
        Payload::MemorySection(section) => items(section.count(), section.range(), ITEM, 0),
        Payload::TagSection(section) => items(section.count(), section.range(), ITEM, 0),
        Payload::GlobalSection(section) => items(section.count(), section.range(), ITEM, EXPRESSION_BYTE),
        Payload::ExportSection(section) => items(section.count(), section.range(), EXPORT, EXPORT_BYTE),
        Payload::ElementSection(section) => items(section.count(), section.range(), SEGMENT, EXPRESSION_BYTE),
        Payload::DataSection(section) => {
            // Their contents stay where they are.
            let expressions = section.clone().into_iter().map_while(Result::ok).map(|segment| match segment.kind {
                wasmparser::DataKind::Passive => 0,
                wasmparser::DataKind::Active { offset_expr, .. } => {
                    len(&offset_expr.get_binary_reader().range()).saturating_mul(EXPRESSION_BYTE)
                }
            });
            items(section.count(), section.range(), SEGMENT, 0).saturating_add(expressions.sum())
        }
        Payload::CodeSectionEntry(_) => BODY,
        Payload::CustomSection(section) => {
            let known = match section.as_known() {
                KnownCustom::Name(names) => names.into_iter().map_while(Result::ok).map(name_bytes).sum(),
                KnownCustom::BranchHints(_) => section.data().len().saturating_mul(HINT_BYTE),
                _ => 0,
            };
            CUSTOM_SECTION + 4 * section.name().len() + known
        }
        _ => 0,
    }
}

fn name_bytes(name: Name<'_>) -> usize {
    match name {
        Name::Module { name, .. } => 2 * name.len(),
        Name::Function(names) => names.into_iter().map_while(Result::ok).count() * FUNCTION_NAME,
        _ => 0,
    }
}

fn len(range: &Range<u64>) -> usize {
    (range.end - range.start) as usize
}

impl ParsedModule {
    /// How much memory validating its bodies takes on so many threads.
    pub fn validating_bytes(&self, threads: usize) -> usize {
        let mut largest: Vec<usize> = self.info.bodies.iter().map(|body| body.len()).collect();
        largest.sort_unstable_by(|a, b| b.cmp(a));
        let body_bytes: usize = largest.iter().take(threads.max(1)).map(|body| body * BODY_BYTE).sum();
        threads.max(1) * VALIDATING + body_bytes + largest.len() * VALID_BODY
    }
}

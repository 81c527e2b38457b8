//! How much memory a parsed module holds: an estimate from above, by counts, which tests/memory.rs holds against what an
//! allocator counts.

use super::ParsedModule;
use epsilon_abi::{
    CompositeType, ConstExpr, ConstOp, DataSegment, ElementItems, ElementMode, ElementSegment, Export, Import, TypeDef,
};

/// What every allocation takes besides its contents.
const ALLOCATION: usize = 16;

/// What is there without any contents.
const LEAST: usize = 16 << 10;

impl ParsedModule {
    /// How many bytes it holds, with what validates bodies, and with what is made of it once for all of its instances.
    pub fn held_bytes(&self) -> usize {
        let info = &self.info;
        let items = info.tables.len() + info.memories.len() + info.globals.len() + info.tags.len();
        let inits = info.global_inits.iter().chain(info.table_inits.iter().flatten());
        // A list grows to twice what it had.
        let names = 2 * info.function_names.len() * size_of_val(&(0u32, 0usize..0usize));
        LEAST
            + info.types.iter().map(type_bytes).sum::<usize>()
            + info.imports.iter().map(import_bytes).sum::<usize>()
            + info.exports.iter().map(export_bytes).sum::<usize>()
            + info.functions.len() * 40
            + items * 256
            + inits.map(|init| 64 + expression_bytes(init)).sum::<usize>()
            + info.elements.iter().map(element_bytes).sum::<usize>()
            + info.data.iter().map(data_bytes).sum::<usize>()
            + info.bodies.len() * 48
            + info.custom_sections.iter().map(|(name, _)| 96 + 2 * name.len()).sum::<usize>()
            + names
            + self.hints.held_bytes()
    }
}

/// A type is kept as the module has it, as the validator has it, and ready for calls.
fn type_bytes(ty: &TypeDef) -> usize {
    let parts = match &ty.composite {
        CompositeType::Func(ty) => ty.params.len() + ty.results.len(),
        CompositeType::Struct(fields) => fields.len(),
        CompositeType::Array(_) => 1,
    };
    2 * size_of::<TypeDef>() + 768 + parts * 64
}

fn import_bytes(import: &Import) -> usize {
    3 * (size_of::<Import>() + 3 * ALLOCATION) + 3 * (import.module.len() + import.name.len())
}

/// By name twice: for the validator, and for those that look an export up.
fn export_bytes(export: &Export) -> usize {
    6 * (size_of::<Export>() + 2 * ALLOCATION) + 4 * export.name.len()
}

fn expression_bytes(expression: &ConstExpr) -> usize {
    2 * (size_of::<ConstExpr>() + ALLOCATION) + expression.0.len() * size_of::<ConstOp>()
}

fn element_bytes(segment: &ElementSegment) -> usize {
    let items = match &segment.items {
        ElementItems::Functions(functions) => functions.len() * 8,
        ElementItems::Exprs(expressions) => expressions.iter().map(expression_bytes).sum(),
    };
    let offset = if let ElementMode::Active { offset, .. } = &segment.mode { expression_bytes(offset) } else { 0 };
    2 * size_of::<ElementSegment>() + ALLOCATION + items + offset
}

fn data_bytes(segment: &DataSegment) -> usize {
    2 * size_of::<DataSegment>() + segment.active.as_ref().map_or(0, |(_, offset)| expression_bytes(offset))
}

//! wasmparser's payloads to [`ModuleInfo`]. Everything is validated here but the function bodies.

mod bodies;
mod const_expr;
mod estimate;
mod held;
mod hints;
mod names;
mod parts;
mod types;

use crate::error::CompileError;
use crate::limits::{CompileLimit, CompileLimits};
use const_expr::const_expr;
use epsilon_abi::{
    DataIndex, DataSegment, DefinedFuncIndex, ElementItems, ElementMode, ElementSegment, EntityIndex, Export,
    FuncIndex, GlobalIndex, Import, MemoryIndex, ModuleInfo, RefType, TableIndex, TagIndex, TypeIndex, VmLayout,
};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasmparser::{
    BinaryReader, DataKind, ElementKind, ExternalKind, FuncToValidate, FuncValidator, FuncValidatorAllocations,
    KnownCustom, Parser, Payload, TableInit, TypeRef, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

pub(crate) use bodies::BodyKind;
pub(crate) use estimate::parsing_bytes;
pub(crate) use hints::BranchHints;
pub use parts::{CodePlaces, ModuleParts, custom_sections, is_debug_section};
pub(crate) use types::{heap_type, ref_repr, val_type};

/// A module of which everything is validated but the function bodies.
#[derive(Debug)]
pub struct ParsedModule {
    /// All of the module but its code.
    pub info: Arc<ModuleInfo>,
    /// Where the module's words lie below the anchor.
    pub layout: VmLayout,
    /// Which branches are likely to be taken, where the module says so.
    pub(crate) hints: BranchHints,
    /// What has been found out of function bodies.
    bodies: bodies::Bodies,
    /// What bodies are validated against; `None` if there are none.
    resources: Option<ValidatorResources>,
    features: WasmFeatures,
    /// Whether all bodies have been validated.
    validated: AtomicBool,
}

impl ParsedModule {
    /// Refuses what would take too long in any case.
    pub(crate) fn check_limits(&self, limits: &CompileLimits) -> Result<(), CompileError> {
        let too_large =
            |what, setting, limit| CompileLimit { what, func: None, offset: None, limit, setting: Some(setting) };
        let mut values = 0;
        for (n, body) in self.info.bodies.iter().enumerate() {
            let func = self.info.func_index(DefinedFuncIndex::new(n));
            if body.len() as u64 > limits.max_function_bytes {
                let limit = too_large("bytes of code", "max_function_bytes", limits.max_function_bytes);
                return Err(CompileLimit { func: Some(func), offset: Some(body.start as u64), ..limit }.into());
            }
            let ty = self.info.func_type(func);
            values += (ty.params.len() + ty.results.len()) as u64;
        }
        if values > limits.max_signature_values {
            let what = "parameters and results of functions";
            return Err(too_large(what, "max_signature_values", limits.max_signature_values).into());
        }
        Ok(())
    }

    /// Notes that all bodies have been validated.
    pub(crate) fn note_validated(&self) {
        self.validated.store(true, Ordering::Relaxed);
    }

    /// Whether all bodies are known to be valid.
    pub(crate) fn is_validated(&self) -> bool {
        self.validated.load(Ordering::Relaxed)
    }

    /// What validates the body of a function.
    pub(crate) fn validator(
        &self,
        func: FuncIndex,
        allocations: FuncValidatorAllocations,
    ) -> FuncValidator<ValidatorResources> {
        let resources = self.resources.clone().expect("a module with a body has resources");
        let ty = self.info.functions[func.index()].0;
        FuncToValidate { resources, index: func.0, ty, features: self.features }.into_validator(allocations)
    }

    /// Reads a function's body, from its locals on.
    pub(crate) fn body<'w>(&self, wasm: &'w [u8], range: Range<usize>) -> BinaryReader<'w> {
        BinaryReader::new_features(&wasm[range.clone()], range.start as u64, self.features)
    }
}

/// Parses a module; of one without its code, `places` tells where that lay, and nothing of it can be compiled.
pub(crate) fn parse(
    wasm: &[u8],
    features: WasmFeatures,
    with_hints: bool,
    places: Option<CodePlaces>,
) -> Result<ParsedModule, CompileError> {
    check_header(wasm)?;
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut validator = Validator::new_with_features(features);
    let mut module =
        Parse { wasm, info: ModuleInfo::default(), hints: BranchHints::default(), with_hints, resources: None };
    for payload in parser.parse_all(wasm) {
        let payload = payload?;
        if let ValidPayload::Func(to_validate, body) = validator.payload(&payload)? {
            module.resources.get_or_insert(to_validate.resources);
            module.info.bodies.push(byte_range(body.range()));
        } else {
            module.payload(payload)?;
        }
    }
    if let Some(places) = places {
        if places.bodies.len() != module.info.defined_functions() {
            return Err(CompileError::NotWasm);
        }
        (module.info.bodies, module.info.code_section_start) = (places.bodies, places.section_start);
    }
    module.note_reachability();
    module.info.note_heap();
    let layout = VmLayout::new(&module.info);
    let bodies = bodies::Bodies::new(module.info.bodies.len());
    let (info, hints, resources) = (Arc::new(module.info), module.hints, module.resources);
    Ok(ParsedModule { info, layout, hints, bodies, resources, features, validated: AtomicBool::new(false) })
}

/// Tells bytes that are not a core module from a damaged core module.
fn check_header(wasm: &[u8]) -> Result<(), CompileError> {
    if !wasm.starts_with(b"\0asm") {
        return Err(CompileError::NotWasm);
    }
    // Source positions are 32 bits wide, and so are sections.
    if u32::try_from(wasm.len()).is_err() {
        let (what, limit) = ("bytes", u64::from(u32::MAX));
        return Err(CompileLimit { what, func: None, offset: None, limit, setting: None }.into());
    }
    // Version and layer; layer 1 is the component model.
    if wasm.get(6..8) == Some(&[1, 0]) {
        return Err(CompileError::Component);
    }
    Ok(())
}

fn byte_range(range: Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// A module while it is parsed.
struct Parse<'w> {
    wasm: &'w [u8],
    info: ModuleInfo,
    hints: BranchHints,
    with_hints: bool,
    resources: Option<ValidatorResources>,
}

impl<'w> Parse<'w> {
    /// Takes in a payload that is valid.
    fn payload(&mut self, payload: Payload<'w>) -> Result<(), CompileError> {
        match payload {
            Payload::TypeSection(section) => self.types(section),
            Payload::ImportSection(section) => self.imports(section),
            Payload::FunctionSection(section) => self.functions(section),
            Payload::TableSection(section) => self.tables(section),
            Payload::MemorySection(section) => self.memories(section),
            Payload::TagSection(section) => self.tags(section),
            Payload::GlobalSection(section) => self.globals(section),
            Payload::ExportSection(section) => self.exports(section),
            Payload::ElementSection(section) => self.elements(section),
            Payload::DataSection(section) => self.data(section),
            Payload::StartSection { func, .. } => {
                self.info.start = Some(FuncIndex(func));
                Ok(())
            }
            Payload::CodeSectionStart { unchecked_range, .. } => {
                self.info.code_section_start = unchecked_range.start as usize;
                Ok(())
            }
            Payload::CustomSection(section) => {
                let range = byte_range(section.data_range());
                self.info.custom_sections.push((section.name().to_owned(), range));
                match section.as_known() {
                    KnownCustom::Name(names) => names::read(&mut self.info, self.wasm, names),
                    KnownCustom::BranchHints(hints) if self.with_hints => self.hints.read(hints),
                    _ => {}
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn imports(&mut self, section: wasmparser::ImportSectionReader<'w>) -> Result<(), CompileError> {
        for import in section.into_imports_with_offsets() {
            let (offset, import) = import?;
            let info = &mut self.info;
            let entity = match import.ty {
                TypeRef::Func(ty) => {
                    info.functions.push(TypeIndex(ty));
                    EntityIndex::Func(FuncIndex::new(info.functions.len() - 1))
                }
                TypeRef::Table(ty) => {
                    info.tables.push(types::table_type(ty, info, offset)?);
                    EntityIndex::Table(TableIndex::new(info.tables.len() - 1))
                }
                TypeRef::Memory(ty) => {
                    info.memories.push(types::memory_type(ty));
                    EntityIndex::Memory(MemoryIndex::new(info.memories.len() - 1))
                }
                TypeRef::Global(ty) => {
                    info.globals.push(types::global_type(ty, info, offset)?);
                    EntityIndex::Global(GlobalIndex::new(info.globals.len() - 1))
                }
                TypeRef::Tag(ty) => {
                    info.tags.push(TypeIndex(ty.func_type_idx));
                    EntityIndex::Tag(TagIndex::new(info.tags.len() - 1))
                }
                TypeRef::FuncExact(_) => return Err(CompileError::unsupported("exact function imports", offset)),
            };
            info.imports.push(Import { module: import.module.into(), name: import.name.into(), entity });
        }
        let info = &mut self.info;
        info.imported_functions = info.functions.len();
        info.imported_tables = info.tables.len();
        info.imported_memories = info.memories.len();
        info.imported_globals = info.globals.len();
        info.imported_tags = info.tags.len();
        Ok(())
    }

    fn functions(&mut self, section: wasmparser::FunctionSectionReader<'w>) -> Result<(), CompileError> {
        for ty in section {
            self.info.functions.push(TypeIndex(ty?));
        }
        Ok(())
    }

    fn tables(&mut self, section: wasmparser::TableSectionReader<'w>) -> Result<(), CompileError> {
        for table in section.into_iter_with_offsets() {
            let (offset, table) = table?;
            let init = match table.init {
                TableInit::RefNull => None,
                TableInit::Expr(expr) => Some(const_expr(&expr, &self.info)?),
            };
            let ty = types::table_type(table.ty, &self.info, offset)?;
            self.info.tables.push(ty);
            self.info.table_inits.push(init);
        }
        Ok(())
    }

    fn memories(&mut self, section: wasmparser::MemorySectionReader<'w>) -> Result<(), CompileError> {
        for ty in section {
            self.info.memories.push(types::memory_type(ty?));
        }
        Ok(())
    }

    fn tags(&mut self, section: wasmparser::TagSectionReader<'w>) -> Result<(), CompileError> {
        for ty in section {
            self.info.tags.push(TypeIndex(ty?.func_type_idx));
        }
        Ok(())
    }

    fn globals(&mut self, section: wasmparser::GlobalSectionReader<'w>) -> Result<(), CompileError> {
        for global in section.into_iter_with_offsets() {
            let (offset, global) = global?;
            let ty = types::global_type(global.ty, &self.info, offset)?;
            let init = const_expr(&global.init_expr, &self.info)?;
            self.info.globals.push(ty);
            self.info.global_inits.push(init);
        }
        Ok(())
    }

    fn exports(&mut self, section: wasmparser::ExportSectionReader<'w>) -> Result<(), CompileError> {
        for export in section {
            let export = export?;
            let entity = match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact => EntityIndex::Func(FuncIndex(export.index)),
                ExternalKind::Table => EntityIndex::Table(TableIndex(export.index)),
                ExternalKind::Memory => EntityIndex::Memory(MemoryIndex(export.index)),
                ExternalKind::Global => EntityIndex::Global(GlobalIndex(export.index)),
                ExternalKind::Tag => EntityIndex::Tag(TagIndex(export.index)),
            };
            self.info.exports.push(Export { name: export.name.into(), entity });
        }
        Ok(())
    }

    fn elements(&mut self, section: wasmparser::ElementSectionReader<'w>) -> Result<(), CompileError> {
        for element in section.into_iter_with_offsets() {
            let (offset, element) = element?;
            let info = &self.info;
            let mode = match element.kind {
                ElementKind::Passive => ElementMode::Passive,
                ElementKind::Declared => ElementMode::Declared,
                ElementKind::Active { table_index, offset_expr } => ElementMode::Active {
                    table: TableIndex(table_index.unwrap_or(0)),
                    offset: const_expr(&offset_expr, info)?,
                },
            };
            let (ty, items) = match element.items {
                wasmparser::ElementItems::Functions(functions) => {
                    let functions: Result<_, _> = functions.into_iter().map(|f| f.map(FuncIndex)).collect();
                    (RefType::FUNCREF, ElementItems::Functions(functions?))
                }
                wasmparser::ElementItems::Expressions(ty, exprs) => {
                    let exprs: Result<_, CompileError> = exprs.into_iter().map(|e| const_expr(&e?, info)).collect();
                    (types::ref_type(ty, info, offset)?, ElementItems::Exprs(exprs?))
                }
            };
            self.info.elements.push(ElementSegment { mode, ty, items });
        }
        Ok(())
    }

    fn data(&mut self, section: wasmparser::DataSectionReader<'w>) -> Result<(), CompileError> {
        for data in section {
            let data = data?;
            let active = match data.kind {
                DataKind::Passive => None,
                DataKind::Active { memory_index, offset_expr } => {
                    Some((MemoryIndex(memory_index), const_expr(&offset_expr, &self.info)?))
                }
            };
            let end = data.range.end as usize;
            self.info.data.push(DataSegment { active, bytes: end - data.data.len()..end });
        }
        debug_assert!(DataIndex::new(self.info.data.len()).index() == self.info.data.len());
        Ok(())
    }
}

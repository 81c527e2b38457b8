//! Finding out what is in a module. All of it is validated but the bodies of functions, with every proposal allowed:
//! a module can be looked into that Epsilon cannot run.

use super::contents::{Contents, Export, Import, Producer, Section};
use epsilon::CompileError;
use std::fmt::Write as _;
use wasmparser::types::{CoreTypeId, EntityType, Types, TypesRef};
use wasmparser::{
    BinaryReader, CustomSectionReader, GlobalType, KnownCustom, MemoryType, Parser, Payload, ProducersSectionReader,
    TableType, ValType, ValidPayload, Validator, WasmFeatures,
};

/// The page size that every memory has unless its type says otherwise.
const PAGE_SIZE_LOG2: u32 = 16;

/// What is in a module.
pub fn contents(wasm: &[u8]) -> Result<Contents, CompileError> {
    if !wasm.starts_with(b"\0asm") {
        return Err(CompileError::NotWasm);
    }
    let mut contents = Contents { size_bytes: wasm.len(), ..Contents::default() };
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let Some((id, range)) = payload.as_section() {
            let (kind, count) = describe(&payload, id);
            let name =
                if let Payload::CustomSection(custom) = &payload { Some(custom.name().to_owned()) } else { None };
            contents.sections.push(Section {
                kind,
                name,
                offset: range.start,
                size_bytes: range.end - range.start,
                count,
            });
        }
        match &payload {
            Payload::CustomSection(section) => contents.custom(section),
            Payload::StartSection { func, .. } => contents.start = Some(*func),
            Payload::ElementSection(section) => contents.element_segments = section.count(),
            Payload::DataSection(section) => contents.data_segments = section.count(),
            Payload::CodeSectionStart { count, .. } => contents.functions.defined = *count as usize,
            _ => {}
        }
        if let ValidPayload::End(types) = validator.payload(&payload)? {
            contents.types(&types);
        }
    }
    Ok(contents)
}

/// A section's kind, in the specification's words, and how many items it has.
fn describe(payload: &Payload<'_>, id: u8) -> (&'static str, Option<u32>) {
    match payload {
        Payload::TypeSection(section) => ("type", Some(section.count())),
        Payload::ImportSection(section) => ("import", Some(section.count())),
        Payload::FunctionSection(section) => ("function", Some(section.count())),
        Payload::TableSection(section) => ("table", Some(section.count())),
        Payload::MemorySection(section) => ("memory", Some(section.count())),
        Payload::TagSection(section) => ("tag", Some(section.count())),
        Payload::GlobalSection(section) => ("global", Some(section.count())),
        Payload::ExportSection(section) => ("export", Some(section.count())),
        Payload::StartSection { .. } => ("start", None),
        Payload::ElementSection(section) => ("element", Some(section.count())),
        Payload::DataCountSection { .. } => ("data count", None),
        Payload::DataSection(section) => ("data", Some(section.count())),
        Payload::CodeSectionStart { count, .. } => ("code", Some(*count)),
        _ if id == 0 => ("custom", None),
        _ => ("unknown", None),
    }
}

impl Contents {
    /// Takes in a custom section. One that is not as it should be is passed over: nothing depends on it.
    fn custom(&mut self, section: &CustomSectionReader<'_>) {
        match section.as_known() {
            KnownCustom::Name(names) => {
                self.has_names = true;
                self.name = names.into_iter().find_map(|name| match name {
                    Ok(wasmparser::Name::Module { name, .. }) => Some(name.to_owned()),
                    _ => None,
                });
            }
            KnownCustom::Producers(producers) => self.producers = read_producers(producers).unwrap_or_default(),
            _ if section.name() == "target_features" => {
                self.target_features = read_target_features(section.data_reader()).unwrap_or_default();
            }
            _ => self.has_dwarf |= section.name() == ".debug_info",
        }
    }

    /// Takes in the types of everything, once they are known.
    fn types(&mut self, types: &Types) {
        let types = types.as_ref();
        for (module, name, ty) in types.core_imports().into_iter().flatten() {
            self.functions.imported += usize::from(matches!(ty, EntityType::Func(_) | EntityType::FuncExact(_)));
            self.wasi = self.wasi.or(match module {
                "wasi_snapshot_preview1" => Some("preview 1"),
                "wasi_unstable" => Some("unstable, the version before preview 1"),
                _ => None,
            });
            self.imports.push(Import { module: module.into(), name: name.into(), ty: entity(&types, ty) });
        }
        for (name, ty) in types.core_exports().into_iter().flatten() {
            self.exports.push(Export { name: name.into(), ty: entity(&types, ty) });
        }
        let is_export = |name: &str| self.exports.iter().any(|export| export.name == name);
        self.kind = match (is_export("_start"), is_export("_initialize")) {
            (true, _) => "command",
            (false, true) => "reactor",
            (false, false) => "library",
        };
        self.tables = (0..types.table_count()).map(|n| table(types.table_at(n))).collect();
        self.memories = (0..types.memory_count()).map(|n| memory(types.memory_at(n))).collect();
        self.globals = (0..types.global_count()).map(|n| global(types.global_at(n))).collect();
        self.tags = (0..types.tag_count()).map(|n| function(&types, types.tag_at(n))).collect();
    }
}

fn entity(types: &TypesRef<'_>, ty: EntityType) -> String {
    match ty {
        EntityType::Func(id) | EntityType::FuncExact(id) => format!("func {}", function(types, id)),
        EntityType::Table(ty) => format!("table {}", table(ty)),
        EntityType::Memory(ty) => format!("memory {}", memory(ty)),
        EntityType::Global(ty) => format!("global {}", global(ty)),
        EntityType::Tag(id) => format!("tag {}", function(types, id)),
    }
}

fn function(types: &TypesRef<'_>, id: CoreTypeId) -> String {
    let ty = types[id].unwrap_func();
    let list = |types: &[ValType]| types.iter().map(ValType::to_string).collect::<Vec<_>>().join(", ");
    format!("({}) -> ({})", list(ty.params()), list(ty.results()))
}

fn table(ty: TableType) -> String {
    let wide = if ty.table64 { "64-bit, " } else { "" };
    format!("{} of {wide}{} elements", ty.element_type, limits(ty.initial, ty.maximum))
}

fn memory(ty: MemoryType) -> String {
    let mut text = format!("{} pages", limits(ty.initial, ty.maximum));
    match ty.page_size_log2.unwrap_or(PAGE_SIZE_LOG2) {
        PAGE_SIZE_LOG2 => text += " of 64 KiB",
        log2 => drop(write!(text, " of {} bytes", 1u64 << log2)),
    }
    text += if ty.memory64 { ", 64-bit" } else { "" };
    text += if ty.shared { ", shared" } else { "" };
    text
}

fn global(ty: GlobalType) -> String {
    let shared = if ty.shared { "shared " } else { "" };
    format!("{shared}{}{}", if ty.mutable { "mut " } else { "" }, ty.content_type)
}

fn limits(min: u64, max: Option<u64>) -> String {
    match max {
        Some(max) if max == min => format!("{min}"),
        Some(max) => format!("{min} to {max}"),
        None => format!("{min} or more"),
    }
}

fn read_producers(section: ProducersSectionReader<'_>) -> wasmparser::Result<Vec<Producer>> {
    let mut producers = Vec::new();
    for field in section {
        let field = field?;
        for value in field.values {
            let value = value?;
            producers.push(Producer {
                field: field.name.into(),
                name: value.name.into(),
                version: value.version.into(),
            });
        }
    }
    Ok(producers)
}

/// The tool conventions' section: a vector of names, each behind a sign; `+` for what is used.
fn read_target_features(mut reader: BinaryReader<'_>) -> wasmparser::Result<Vec<String>> {
    let mut features = Vec::new();
    for _ in 0..reader.read_var_u32()? {
        let sign = char::from(reader.read_u8()?);
        let name = reader.read_string()?;
        features.push(if sign == '+' { name.to_owned() } else { format!("{sign}{name}") });
    }
    Ok(features)
}

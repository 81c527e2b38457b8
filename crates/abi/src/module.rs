//! All of a validated module but its code. Made once by the compiler's parser, read by everything after it.

use crate::{
    DefinedFuncIndex, FuncIndex, FuncType, GlobalIndex, GlobalType, MemoryIndex, MemoryType, RefType, TableIndex,
    TableType, TagIndex, TypeIndex, ValType,
};
use std::ops::Range;

/// A byte range of the module's binary.
pub type ByteRange = Range<usize>;

/// All of a validated module but its code.
#[derive(Clone, Debug, Default)]
pub struct ModuleInfo {
    /// The module's name, from the `name` section.
    pub name: Option<String>,
    /// The type section, flattened: every type of every recursion group in order.
    pub types: Vec<TypeDef>,
    /// Imports in the order of the import section.
    pub imports: Vec<Import>,
    /// Exports in the order of the export section.
    pub exports: Vec<Export>,
    /// Type of each function, imported ones first.
    pub functions: Vec<TypeIndex>,
    /// How many of `functions` are imported.
    pub imported_functions: usize,
    /// Type of each table, imported ones first.
    pub tables: Vec<TableType>,
    /// How many of `tables` are imported.
    pub imported_tables: usize,
    /// For each defined table: the expression that its elements start as; `None` for null.
    pub table_inits: Vec<Option<ConstExpr>>,
    /// Type of each memory, imported ones first.
    pub memories: Vec<MemoryType>,
    /// How many of `memories` are imported.
    pub imported_memories: usize,
    /// Type of each global, imported ones first.
    pub globals: Vec<GlobalType>,
    /// How many of `globals` are imported.
    pub imported_globals: usize,
    /// For each defined global: its initial value.
    pub global_inits: Vec<ConstExpr>,
    /// Type of each tag, imported ones first.
    pub tags: Vec<TypeIndex>,
    /// How many of `tags` are imported.
    pub imported_tags: usize,
    /// The start function.
    pub start: Option<FuncIndex>,
    /// Element segments.
    pub elements: Vec<ElementSegment>,
    /// Data segments.
    pub data: Vec<DataSegment>,
    /// For each defined function: where its body lies in the binary, and the offset of its first byte.
    pub bodies: Vec<ByteRange>,
    /// Where the contents of the code section begin: DWARF addresses count from here.
    pub code_section_start: usize,
    /// Custom sections in order: name, and where the contents lie.
    pub custom_sections: Vec<(String, ByteRange)>,
    /// Function names of the `name` section, sorted by index; a range of the binary each.
    pub function_names: Vec<(FuncIndex, ByteRange)>,
    /// For each function: whether it is exported, or referenced by an element segment, a global or `ref.func`.
    pub escaping_functions: Vec<bool>,
    /// Whether the module can make or meet objects of the garbage-collected heap: it has a structure or array type, or a type,
    /// table or global of it holds references to what may be one.
    pub uses_heap: bool,
    /// Whether the module declares a structure or array type. Instances of others have no [`crate::vm::VmContext::heap`]: their
    /// code can meet objects of other modules, and asks the runtime about them.
    pub has_object_types: bool,
}

impl ModuleInfo {
    /// The type of a function.
    ///
    /// # Panics
    /// If `func` is not of this module.
    pub fn func_type(&self, func: FuncIndex) -> &FuncType {
        self.type_func(self.functions[func.index()])
    }

    /// The function type at a type index.
    ///
    /// # Panics
    /// If the index is not of this module or names no function type; validation has excluded both.
    pub fn type_func(&self, ty: TypeIndex) -> &FuncType {
        match &self.types[ty.index()].composite {
            CompositeType::Func(f) => f,
            other => panic!("type {} is {other:?}, not a function type", ty.0),
        }
    }

    /// The fields of a structure type.
    ///
    /// # Panics
    /// If the index is not of this module or names no structure type; validation has excluded both.
    pub fn type_struct(&self, ty: TypeIndex) -> &[FieldType] {
        match &self.types[ty.index()].composite {
            CompositeType::Struct(fields) => fields,
            other => panic!("type {} is {other:?}, not a structure type", ty.0),
        }
    }

    /// The elements of an array type.
    ///
    /// # Panics
    /// If the index is not of this module or names no array type; validation has excluded both.
    pub fn type_array(&self, ty: TypeIndex) -> FieldType {
        match &self.types[ty.index()].composite {
            CompositeType::Array(element) => *element,
            other => panic!("type {} is {other:?}, not an array type", ty.0),
        }
    }

    /// Works out [`Self::uses_heap`] and [`Self::has_object_types`].
    pub fn note_heap(&mut self) {
        self.has_object_types = self.types.iter().any(|ty| !matches!(ty.composite, CompositeType::Func(_)));
        self.uses_heap = self.has_object_types || self.may_hold_objects();
    }

    fn may_hold_objects(&self) -> bool {
        let holds = |ty: &TypeDef| match &ty.composite {
            CompositeType::Func(ty) => ty.params.iter().chain(&ty.results).any(|ty| ty.is_traced()),
            CompositeType::Struct(_) | CompositeType::Array(_) => true,
        };
        self.types.iter().any(holds)
            || self.tables.iter().any(|table| table.element.is_traced())
            || self.globals.iter().any(|global| global.value.is_traced())
            || self.elements.iter().any(|segment| segment.ty.is_traced())
    }

    /// How many supertypes a type has, one above the other.
    pub fn type_depth(&self, ty: TypeIndex) -> usize {
        // A supertype comes before its subtypes, so this ends.
        std::iter::successors(self.types[ty.index()].supertype, |ty| self.types[ty.index()].supertype).count()
    }

    /// The position of a function among the defined ones; `None` if it is imported.
    pub fn defined(&self, func: FuncIndex) -> Option<DefinedFuncIndex> {
        func.index().checked_sub(self.imported_functions).map(DefinedFuncIndex::new)
    }

    /// The index of a defined function in the whole function index space.
    pub fn func_index(&self, defined: DefinedFuncIndex) -> FuncIndex {
        FuncIndex::new(self.imported_functions + defined.index())
    }

    /// The function whose body holds an offset of the module's binary.
    pub fn function_at(&self, wasm_offset: u32) -> Option<FuncIndex> {
        let offset = wasm_offset as usize;
        let at = self.bodies.partition_point(|body| body.end <= offset);
        self.bodies.get(at)?.contains(&offset).then(|| self.func_index(DefinedFuncIndex::new(at)))
    }

    /// Whether a table always has its least size, and so lies at one address: code may rely on both. Only tables that the
    /// module defines: an imported one may be put back to a smaller size by the instance that it belongs to.
    pub fn table_is_fixed(&self, table: TableIndex) -> bool {
        let limits = self.tables[table.index()].limits;
        table.index() >= self.imported_tables && limits.max == Some(limits.min)
    }

    /// Number of functions that the module defines.
    pub fn defined_functions(&self) -> usize {
        self.functions.len() - self.imported_functions
    }

    /// The name of a function as the `name` section of `wasm` gives it.
    pub fn function_name<'a>(&self, wasm: &'a [u8], func: FuncIndex) -> Option<&'a str> {
        let at = self.function_names.binary_search_by_key(&func, |(index, _)| *index).ok()?;
        std::str::from_utf8(wasm.get(self.function_names[at].1.clone())?).ok()
    }

    /// The type of an importable or exportable item.
    pub fn entity_type(&self, entity: EntityIndex) -> EntityType {
        match entity {
            EntityIndex::Func(i) => EntityType::Func(self.functions[i.index()]),
            EntityIndex::Table(i) => EntityType::Table(self.tables[i.index()]),
            EntityIndex::Memory(i) => EntityType::Memory(self.memories[i.index()]),
            EntityIndex::Global(i) => EntityType::Global(self.globals[i.index()]),
            EntityIndex::Tag(i) => EntityType::Tag(self.tags[i.index()]),
        }
    }
}

/// A type of the type section with its place in the subtype hierarchy.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TypeDef {
    /// Whether no type may declare it as its supertype.
    pub is_final: bool,
    /// The declared supertype.
    pub supertype: Option<TypeIndex>,
    /// The recursion group, as a range of type indices.
    pub rec_group: Range<u32>,
    /// The structure of the type.
    pub composite: CompositeType,
}

/// The structure of a type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CompositeType {
    /// A function type.
    Func(FuncType),
    /// A structure type, by its fields.
    Struct(Box<[FieldType]>),
    /// An array type, by its elements.
    Array(FieldType),
}

/// A field of a structure, or the elements of an array.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FieldType {
    /// What is stored.
    pub storage: StorageType,
    /// Whether it can be written after allocation.
    pub mutable: bool,
}

/// What a field stores.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the specification's names
pub enum StorageType {
    I8,
    I16,
    Val(ValType),
}

impl TypeDef {
    /// The same type with every reference to a type, the supertype included, named anew.
    pub fn map_types(&self, f: &impl Fn(TypeIndex) -> TypeIndex) -> Self {
        let field = |field: &FieldType| match field.storage {
            StorageType::Val(ty) => FieldType { storage: StorageType::Val(ty.map_types(f)), ..*field },
            _ => *field,
        };
        let composite = match &self.composite {
            CompositeType::Func(ty) => CompositeType::Func(ty.map_types(f)),
            CompositeType::Struct(fields) => CompositeType::Struct(fields.iter().map(field).collect()),
            CompositeType::Array(element) => CompositeType::Array(field(element)),
        };
        Self { is_final: self.is_final, supertype: self.supertype.map(f), rec_group: self.rec_group.clone(), composite }
    }
}

/// An import.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    /// The first of its two names.
    pub module: String,
    /// The second of its two names.
    pub name: String,
    /// The index that the imported item gets.
    pub entity: EntityIndex,
}

/// An export.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// Its name, unique in the module.
    pub name: String,
    /// What is exported.
    pub entity: EntityIndex,
}

/// An index together with its index space.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the index types say it
pub enum EntityIndex {
    Func(FuncIndex),
    Table(TableIndex),
    Memory(MemoryIndex),
    Global(GlobalIndex),
    Tag(TagIndex),
}

/// The type of an importable or exportable item; function and tag types by their index in the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum EntityType {
    Func(TypeIndex),
    Table(TableType),
    Memory(MemoryType),
    Global(GlobalType),
    Tag(TypeIndex),
}

/// An element segment.
#[derive(Clone, Debug)]
pub struct ElementSegment {
    /// When and where it is copied.
    pub mode: ElementMode,
    /// Type of its elements.
    pub ty: RefType,
    /// Its elements.
    pub items: ElementItems,
}

/// What an element segment holds.
#[derive(Clone, Debug)]
pub enum ElementItems {
    /// Functions by index: the common and compact form.
    Functions(Box<[FuncIndex]>),
    /// Arbitrary constant expressions.
    Exprs(Box<[ConstExpr]>),
}

impl ElementItems {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Functions(f) => f.len(),
            Self::Exprs(e) => e.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// When and where an element segment is copied.
#[derive(Clone, Debug)]
pub enum ElementMode {
    /// Copied into a table at instantiation, and dropped then.
    Active {
        /// The table.
        table: TableIndex,
        /// Where in the table.
        offset: ConstExpr,
    },
    /// Copied by `table.init`.
    Passive,
    /// Only declares functions that `ref.func` may name; dropped at instantiation.
    Declared,
}

/// A data segment.
#[derive(Clone, Debug)]
pub struct DataSegment {
    /// `None` for a passive segment; else the memory and the offset to copy it to at instantiation.
    pub active: Option<(MemoryIndex, ConstExpr)>,
    /// Where its bytes lie in the binary.
    pub bytes: ByteRange,
}

/// A constant expression: operators in postfix order, without the final `end`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ConstExpr(pub Box<[ConstOp]>);

/// An operator of a constant expression (specification section 3.4.14).
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ConstOp {
    /// `i32.const`.
    I32(i32),
    /// `i64.const`.
    I64(i64),
    /// `f32.const`, as bits.
    F32(u32),
    /// `f64.const`, as bits.
    F64(u64),
    /// `v128.const`, little-endian.
    V128([u8; 16]),
    /// `global.get`.
    GlobalGet(GlobalIndex),
    /// `ref.null`.
    RefNull(RefType),
    /// `ref.func`.
    RefFunc(FuncIndex),
    /// `struct.new`: takes the fields, the last one topmost.
    StructNew(TypeIndex),
    /// `struct.new_default`.
    StructNewDefault(TypeIndex),
    /// `array.new`: takes the value of all elements, and the length.
    ArrayNew(TypeIndex),
    /// `array.new_default`: takes the length.
    ArrayNewDefault(TypeIndex),
    /// `array.new_fixed`: takes so many elements.
    ArrayNewFixed(TypeIndex, u32),
    /// `ref.i31`.
    RefI31,
    /// `any.convert_extern`.
    AnyConvertExtern,
    /// `extern.convert_any`.
    ExternConvertAny,
    /// `i32.add`.
    I32Add,
    /// `i32.sub`.
    I32Sub,
    /// `i32.mul`.
    I32Mul,
    /// `i64.add`.
    I64Add,
    /// `i64.sub`.
    I64Sub,
    /// `i64.mul`.
    I64Mul,
}

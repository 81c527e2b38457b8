//! Types of the specification (section 2.3), resolved and small enough to be copied where that helps.

use crate::TypeIndex;
use std::fmt;

/// A value type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit IEEE 754 number.
    F32,
    /// 64-bit IEEE 754 number.
    F64,
    /// 128-bit vector.
    V128,
    /// A reference.
    Ref(RefType),
}

impl ValType {
    /// `(ref null func)`.
    pub const FUNCREF: Self = Self::Ref(RefType::FUNCREF);
    /// `(ref null extern)`.
    pub const EXTERNREF: Self = Self::Ref(RefType::EXTERNREF);
    /// `(ref null exn)`.
    pub const EXNREF: Self = Self::Ref(RefType::EXNREF);

    /// Whether values of this type may be references to objects that the collector moves.
    pub const fn is_traced(self) -> bool {
        matches!(self, Self::Ref(ty) if ty.is_traced())
    }

    /// Whether values of this type travel in floating-point (vector) registers.
    pub const fn is_float_class(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::V128)
    }

    /// Bytes of a value in a stack slot, a global or a register image: 8, or 16 for vectors.
    pub const fn slot_bytes(self) -> u32 {
        match self {
            Self::V128 => 16,
            _ => 8,
        }
    }
}

/// A reference type: nullability and what it points to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RefType {
    /// Whether null is a value of the type.
    pub nullable: bool,
    /// What the reference points to.
    pub heap: HeapType,
}

impl RefType {
    /// `(ref null func)`.
    pub const FUNCREF: Self = Self { nullable: true, heap: HeapType::Func };
    /// `(ref null extern)`.
    pub const EXTERNREF: Self = Self { nullable: true, heap: HeapType::Extern };
    /// `(ref null exn)`.
    pub const EXNREF: Self = Self { nullable: true, heap: HeapType::Exn };

    /// Whether the reference is to an exception.
    pub const fn is_exception(self) -> bool {
        matches!(self.heap, HeapType::Exn | HeapType::NoExn)
    }

    /// Whether the reference may be to an object of the garbage-collected heap, which the collector moves: it has to know
    /// where such references are. An `externref` may be one that `extern.convert_any` has given.
    pub const fn is_traced(self) -> bool {
        matches!(self.repr(), RefRepr::Index) && !self.is_exception()
    }

    /// The machine shape of the reference.
    pub const fn repr(self) -> RefRepr {
        match self.heap {
            HeapType::Func | HeapType::NoFunc | HeapType::ConcreteFunc(_) => RefRepr::Func,
            _ => RefRepr::Index,
        }
    }
}

/// How references of a type are represented in registers, tables and globals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RefRepr {
    /// A 64-bit pointer to a [`crate::vm::VmFuncRef`], or 0 for null. In tables: a [`crate::vm::VmFuncRow`].
    Func,
    /// A 32-bit offset or index into a region of the store, 0 for null. In tables: the 4 bytes.
    Index,
}

/// What a reference points to: an abstract heap type, or a type of the module. In what a running store says of itself,
/// such as the type of a function, the index is the engine's number of the type, the same for all modules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the specification's names
pub enum HeapType {
    Func,
    Extern,
    Any,
    Eq,
    I31,
    Struct,
    Array,
    Exn,
    None,
    NoFunc,
    NoExtern,
    NoExn,
    /// A function type, by its index in the module's type section.
    ConcreteFunc(TypeIndex),
    /// A structure type.
    ConcreteStruct(TypeIndex),
    /// An array type.
    ConcreteArray(TypeIndex),
}

/// A function type: what goes in and what comes out.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct FuncType {
    /// Types of the parameters, in order.
    pub params: Box<[ValType]>,
    /// Types of the results, in order.
    pub results: Box<[ValType]>,
}

macro_rules! map_types {
    ($($ty:ident { $($field:ident),* })*) => {$(
        impl $ty {
            /// The same type with every reference to a type of the module named anew.
            pub fn map_types(&self, f: &impl Fn(TypeIndex) -> TypeIndex) -> Self {
                Self { $($field: self.$field.map_types(f),)* ..*self }
            }
        }
    )*};
}
map_types! {
    RefType { heap }
    TableType { element }
    GlobalType { value }
}

impl HeapType {
    /// The same type with a reference to a type of the module named anew.
    pub fn map_types(self, f: &impl Fn(TypeIndex) -> TypeIndex) -> Self {
        match self {
            Self::ConcreteFunc(index) => Self::ConcreteFunc(f(index)),
            Self::ConcreteStruct(index) => Self::ConcreteStruct(f(index)),
            Self::ConcreteArray(index) => Self::ConcreteArray(f(index)),
            other => other,
        }
    }
}

impl ValType {
    /// The same type with a reference to a type of the module named anew.
    pub fn map_types(self, f: &impl Fn(TypeIndex) -> TypeIndex) -> Self {
        match self {
            Self::Ref(ty) => Self::Ref(ty.map_types(f)),
            other => other,
        }
    }
}

impl FuncType {
    /// The same type with every reference to a type of the module named anew.
    pub fn map_types(&self, f: &impl Fn(TypeIndex) -> TypeIndex) -> Self {
        let list = |types: &[ValType]| types.iter().map(|ty| ty.map_types(f)).collect();
        Self { params: list(&self.params), results: list(&self.results) }
    }

    /// A function type from its parts.
    pub fn new(params: impl Into<Box<[ValType]>>, results: impl Into<Box<[ValType]>>) -> Self {
        Self { params: params.into(), results: results.into() }
    }
}

/// Limits of a table or memory, in elements or pages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// The size at instantiation.
    pub min: u64,
    /// The size that growth may not exceed; `None` leaves it to the index type.
    pub max: Option<u64>,
}

/// A table type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TableType {
    /// Type of the elements.
    pub element: RefType,
    /// Size in elements.
    pub limits: Limits,
    /// Whether indices are 64-bit (the memory64 proposal).
    pub is_64: bool,
}

/// A linear memory's type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemoryType {
    /// Size in pages of `1 << page_size_log2` bytes.
    pub limits: Limits,
    /// Whether addresses are 64-bit (the memory64 proposal).
    pub is_64: bool,
    /// Whether threads may share it.
    pub shared: bool,
    /// 16 for the ordinary page of 64 KiB; 0 under the custom page sizes proposal.
    pub page_size_log2: u8,
}

impl MemoryType {
    /// The largest size in bytes that the index type can address; `None` for 2^64.
    pub const fn max_bytes_of_index(self) -> Option<u64> {
        if self.is_64 { None } else { Some(1 << 32) }
    }
}

/// A global's type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GlobalType {
    /// Type of its value.
    pub value: ValType,
    /// Whether it can be written after instantiation.
    pub mutable: bool,
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32 => f.write_str("i32"),
            Self::I64 => f.write_str("i64"),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::V128 => f.write_str("v128"),
            Self::Ref(r) => r.fmt(f),
        }
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.nullable, self.heap) {
            (true, HeapType::Func) => f.write_str("funcref"),
            (true, HeapType::Extern) => f.write_str("externref"),
            (true, HeapType::Exn) => f.write_str("exnref"),
            (true, heap) => write!(f, "(ref null {heap})"),
            (false, heap) => write!(f, "(ref {heap})"),
        }
    }
}

impl fmt::Display for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Func => "func",
            Self::Extern => "extern",
            Self::Any => "any",
            Self::Eq => "eq",
            Self::I31 => "i31",
            Self::Struct => "struct",
            Self::Array => "array",
            Self::Exn => "exn",
            Self::None => "none",
            Self::NoFunc => "nofunc",
            Self::NoExtern => "noextern",
            Self::NoExn => "noexn",
            Self::ConcreteFunc(i) | Self::ConcreteStruct(i) | Self::ConcreteArray(i) => return write!(f, "{}", i.0),
        })
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, types: &[ValType]| {
            f.write_str("(")?;
            for (i, ty) in types.iter().enumerate() {
                write!(f, "{}{ty}", if i == 0 { "" } else { ", " })?;
            }
            f.write_str(")")
        };
        list(f, &self.params)?;
        f.write_str(" -> ")?;
        list(f, &self.results)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max {
            Some(max) => write!(f, "{}..={max}", self.min),
            None => write!(f, "{}..", self.min),
        }
    }
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}{} of {}", if self.is_64 { "i64 " } else { "" }, self.limits, self.element)
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = if self.is_64 { "i64 " } else { "" };
        let shared = if self.shared { " shared" } else { "" };
        write!(f, "memory {wide}{} pages{shared}", self.limits)
    }
}

impl fmt::Display for GlobalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "global {}{}", if self.mutable { "mut " } else { "" }, self.value)
    }
}

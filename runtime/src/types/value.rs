//! Types of values.

use super::composite::{ArrayType, FuncType, StructType};
use super::registered::Registered;
use crate::base::error::Result;
use crate::embed::value::Val;
use crate::module::signature::{Signatures, heap_matches};
use epsilon_abi::{HeapType as AbiHeap, RefType as AbiRef, TypeIndex, ValType as AbiVal};
use std::fmt;
use std::sync::Arc;

/// Whether something can be written after it was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mutability {
    /// It keeps the value that it begins with.
    Const,
    /// It can be written.
    Var,
}

impl Mutability {
    /// Whether it keeps its value.
    pub fn is_const(&self) -> bool {
        *self == Self::Const
    }

    /// Whether it can be written.
    pub fn is_var(&self) -> bool {
        *self == Self::Var
    }

    pub(crate) fn of(mutable: bool) -> Self {
        if mutable { Self::Var } else { Self::Const }
    }
}

/// A value type.
///
/// ```
/// use epsilon::{HeapType, RefType, ValType};
/// assert!(ValType::I32.is_num() && ValType::FUNCREF.is_ref());
/// let never_null = ValType::Ref(RefType::new(false, HeapType::Func));
/// assert!(never_null.matches(&ValType::FUNCREF) && !ValType::FUNCREF.matches(&never_null));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
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

macro_rules! abstract_references {
    ($on:ident, $wrap:expr; $($(#[$doc:meta])* $name:ident = $nullable:literal $heap:ident;)*) => {
        impl $on {
            $($(#[$doc])* pub const $name: Self = $wrap(RefType { nullable: $nullable, heap: HeapType::$heap });)*
        }
    };
}

const fn itself(ty: RefType) -> RefType {
    ty
}

macro_rules! both {
    ($($list:tt)*) => {
        abstract_references! { ValType, ValType::Ref; $($list)* }
        abstract_references! { RefType, itself; $($list)* }
    };
}

both! {
    /// `(ref null func)`.
    FUNCREF = true Func;
    /// `(ref null nofunc)`.
    NULLFUNCREF = true NoFunc;
    /// `(ref null extern)`.
    EXTERNREF = true Extern;
    /// `(ref null noextern)`.
    NULLEXTERNREF = true NoExtern;
    /// `(ref null any)`.
    ANYREF = true Any;
    /// `(ref null eq)`.
    EQREF = true Eq;
    /// `(ref null i31)`.
    I31REF = true I31;
    /// `(ref null array)`.
    ARRAYREF = true Array;
    /// `(ref null struct)`.
    STRUCTREF = true Struct;
    /// `(ref null none)`.
    NULLREF = true None;
    /// `(ref null exn)`.
    EXNREF = true Exn;
    /// `(ref null noexn)`.
    NULLEXNREF = true NoExn;
}

macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident = $pattern:pat,)*) => {
        $($(#[$doc])* pub fn $name(&self) -> bool { matches!(self, $pattern) })*
    };
}

impl ValType {
    questions! {
        /// Whether it is a type of numbers.
        is_num = Self::I32 | Self::I64 | Self::F32 | Self::F64,
        /// Whether it is `i32`.
        is_i32 = Self::I32,
        /// Whether it is `i64`.
        is_i64 = Self::I64,
        /// Whether it is `f32`.
        is_f32 = Self::F32,
        /// Whether it is `f64`.
        is_f64 = Self::F64,
        /// Whether it is `v128`.
        is_v128 = Self::V128,
        /// Whether it is a type of references.
        is_ref = Self::Ref(_),
        /// Whether it is `funcref`.
        is_funcref = Self::Ref(RefType { nullable: true, heap: HeapType::Func }),
        /// Whether it is `externref`.
        is_externref = Self::Ref(RefType { nullable: true, heap: HeapType::Extern }),
        /// Whether it is `anyref`.
        is_anyref = Self::Ref(RefType { nullable: true, heap: HeapType::Any }),
    }

    /// The reference type, if it is one.
    pub fn as_ref(&self) -> Option<&RefType> {
        if let Self::Ref(ty) = self { Some(ty) } else { None }
    }

    /// The reference type.
    ///
    /// # Panics
    /// If it is not one.
    pub fn unwrap_ref(&self) -> &RefType {
        self.as_ref().expect("a reference type")
    }

    /// Whether every value of this type is one of the other.
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ref(ty), Self::Ref(of)) => ty.matches(of),
            _ => self == other,
        }
    }

    /// Whether the types are the same.
    #[allow(clippy::should_implement_trait, reason = "the name that embedders know; both are there")]
    pub fn eq(a: &Self, b: &Self) -> bool {
        a == b
    }

    /// The value that a variable of this type starts with; `None` for references that cannot be null.
    pub fn default_value(&self) -> Option<Val> {
        Val::default_for(self.to_abi())
    }

    pub(crate) fn to_abi(&self) -> AbiVal {
        match self {
            Self::I32 => AbiVal::I32,
            Self::I64 => AbiVal::I64,
            Self::F32 => AbiVal::F32,
            Self::F64 => AbiVal::F64,
            Self::V128 => AbiVal::V128,
            Self::Ref(ty) => AbiVal::Ref(ty.to_abi()),
        }
    }

    /// A type that is named by the engine's numbers, which something keeps.
    pub(crate) fn of_abi(signatures: &Arc<Signatures>, ty: AbiVal) -> Self {
        match ty {
            AbiVal::I32 => Self::I32,
            AbiVal::I64 => Self::I64,
            AbiVal::F32 => Self::F32,
            AbiVal::F64 => Self::F64,
            AbiVal::V128 => Self::V128,
            AbiVal::Ref(ty) => Self::Ref(RefType::of_abi(signatures, ty)),
        }
    }

    /// Refuses a type of another engine.
    pub(crate) fn check_engine(&self, signatures: &Arc<Signatures>) -> Result<()> {
        self.as_ref().map_or(Ok(()), |ty| ty.check_engine(signatures))
    }
}

impl From<RefType> for ValType {
    fn from(ty: RefType) -> Self {
        Self::Ref(ty)
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_abi().fmt(f)
    }
}

impl fmt::Debug for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A reference type: what is referred to, and whether null is one of the values.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RefType {
    nullable: bool,
    heap: HeapType,
}

impl RefType {
    /// The type of references to what `heap` says.
    pub fn new(is_nullable: bool, heap: HeapType) -> Self {
        Self { nullable: is_nullable, heap }
    }

    /// Whether null is a value of the type.
    pub fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// What is referred to.
    pub fn heap_type(&self) -> &HeapType {
        &self.heap
    }

    /// Whether every reference of this type is one of the other.
    pub fn matches(&self, other: &Self) -> bool {
        (other.nullable || !self.nullable) && self.heap.matches(&other.heap)
    }

    /// Whether the types are the same.
    #[allow(clippy::should_implement_trait, reason = "the name that embedders know; both are there")]
    pub fn eq(a: &Self, b: &Self) -> bool {
        a == b
    }

    pub(crate) fn to_abi(&self) -> AbiRef {
        AbiRef { nullable: self.nullable, heap: self.heap.to_abi() }
    }

    pub(crate) fn of_abi(signatures: &Arc<Signatures>, ty: AbiRef) -> Self {
        Self { nullable: ty.nullable, heap: HeapType::of_abi(signatures, ty.heap) }
    }

    pub(crate) fn check_engine(&self, signatures: &Arc<Signatures>) -> Result<()> {
        self.heap.registered().map_or(Ok(()), |ty| ty.check_engine(signatures))
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.heap.registered() {
            Some(_) => write!(f, "(ref {}{})", if self.nullable { "null " } else { "" }, self.heap),
            None => self.to_abi().fmt(f),
        }
    }
}

impl fmt::Debug for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a reference points to.
#[derive(Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the specification's names
#[non_exhaustive]
pub enum HeapType {
    Extern,
    NoExtern,
    Func,
    /// A function of this type.
    ConcreteFunc(FuncType),
    NoFunc,
    Any,
    Eq,
    I31,
    Array,
    /// An array of this type.
    ConcreteArray(ArrayType),
    Struct,
    /// A structure of this type.
    ConcreteStruct(StructType),
    Exn,
    NoExn,
    None,
}

macro_rules! concrete {
    ($($variant:ident $ty:ident $is:ident $as:ident $unwrap:ident $what:literal;)*) => {$(
        impl HeapType {
            #[doc = concat!("Whether it is ", $what, ".")]
            pub fn $is(&self) -> bool {
                self.$as().is_some()
            }

            #[doc = concat!("The type, if it is ", $what, ".")]
            pub fn $as(&self) -> Option<&$ty> {
                if let Self::$variant(ty) = self { Some(ty) } else { None }
            }

            #[doc = concat!("The type.\n\n# Panics\nIf it is not ", $what, ".")]
            pub fn $unwrap(&self) -> &$ty {
                self.$as().expect(concat!("expected ", $what))
            }
        }

        impl From<$ty> for HeapType {
            fn from(ty: $ty) -> Self {
                Self::$variant(ty)
            }
        }
    )*};
}

concrete! {
    ConcreteFunc FuncType is_concrete_func as_concrete_func unwrap_concrete_func "a function type that is defined";
    ConcreteArray ArrayType is_concrete_array as_concrete_array unwrap_concrete_array "an array type that is defined";
    ConcreteStruct StructType is_concrete_struct as_concrete_struct unwrap_concrete_struct "a structure type that is defined";
}

impl HeapType {
    questions! {
        /// Whether it is `extern`.
        is_extern = Self::Extern,
        /// Whether it is `func`.
        is_func = Self::Func,
        /// Whether it is `nofunc`.
        is_no_func = Self::NoFunc,
        /// Whether it is `any`.
        is_any = Self::Any,
        /// Whether it is `i31`.
        is_i31 = Self::I31,
        /// Whether it is `none`.
        is_none = Self::None,
        /// Whether it is `exn`.
        is_exn = Self::Exn,
        /// Whether it is `noexn`.
        is_no_exn = Self::NoExn,
        /// Whether it is a type that a module or the host has defined.
        is_concrete = Self::ConcreteFunc(_) | Self::ConcreteArray(_) | Self::ConcreteStruct(_),
        /// Whether all types of its kind match it.
        is_top = Self::Extern | Self::Func | Self::Any | Self::Exn,
        /// Whether it matches all types of its kind.
        is_bottom = Self::NoExtern | Self::NoFunc | Self::None | Self::NoExn,
    }

    /// Whether it is one of the specification's own types.
    pub fn is_abstract(&self) -> bool {
        !self.is_concrete()
    }

    /// The type that all types of its kind match.
    #[must_use]
    pub fn top(&self) -> Self {
        match self {
            Self::Extern | Self::NoExtern => Self::Extern,
            Self::Func | Self::ConcreteFunc(_) | Self::NoFunc => Self::Func,
            Self::Exn | Self::NoExn => Self::Exn,
            _ => Self::Any,
        }
    }

    /// The type that matches all types of its kind.
    #[must_use]
    pub fn bottom(&self) -> Self {
        match self.top() {
            Self::Extern => Self::NoExtern,
            Self::Func => Self::NoFunc,
            Self::Exn => Self::NoExn,
            _ => Self::None,
        }
    }

    /// Whether what this type refers to is also of the other.
    pub fn matches(&self, other: &Self) -> bool {
        let is_subtype = |_: u32, _: u32| match (self.registered(), other.registered()) {
            (Some(ty), Some(of)) => ty.matches(of),
            _ => false,
        };
        match self.is_concrete() && other.is_concrete() {
            true => is_subtype(0, 0),
            false => heap_matches(self.to_abi(), other.to_abi(), &is_subtype),
        }
    }

    /// Whether the types are the same.
    #[allow(clippy::should_implement_trait, reason = "the name that embedders know; both are there")]
    pub fn eq(a: &Self, b: &Self) -> bool {
        a == b
    }

    /// What the engine keeps of it.
    pub(super) fn registered(&self) -> Option<&Arc<Registered>> {
        match self {
            Self::ConcreteFunc(FuncType(ty))
            | Self::ConcreteArray(ArrayType(ty))
            | Self::ConcreteStruct(StructType(ty)) => Some(ty),
            _ => None,
        }
    }

    pub(crate) fn to_abi(&self) -> AbiHeap {
        match self {
            Self::Extern => AbiHeap::Extern,
            Self::NoExtern => AbiHeap::NoExtern,
            Self::Func => AbiHeap::Func,
            Self::NoFunc => AbiHeap::NoFunc,
            Self::Any => AbiHeap::Any,
            Self::Eq => AbiHeap::Eq,
            Self::I31 => AbiHeap::I31,
            Self::Array => AbiHeap::Array,
            Self::Struct => AbiHeap::Struct,
            Self::Exn => AbiHeap::Exn,
            Self::NoExn => AbiHeap::NoExn,
            Self::None => AbiHeap::None,
            Self::ConcreteFunc(ty) => AbiHeap::ConcreteFunc(TypeIndex(ty.0.id)),
            Self::ConcreteArray(ty) => AbiHeap::ConcreteArray(TypeIndex(ty.0.id)),
            Self::ConcreteStruct(ty) => AbiHeap::ConcreteStruct(TypeIndex(ty.0.id)),
        }
    }

    pub(crate) fn of_abi(signatures: &Arc<Signatures>, heap: AbiHeap) -> Self {
        match heap {
            AbiHeap::Extern => Self::Extern,
            AbiHeap::NoExtern => Self::NoExtern,
            AbiHeap::Func => Self::Func,
            AbiHeap::NoFunc => Self::NoFunc,
            AbiHeap::Any => Self::Any,
            AbiHeap::Eq => Self::Eq,
            AbiHeap::I31 => Self::I31,
            AbiHeap::Array => Self::Array,
            AbiHeap::Struct => Self::Struct,
            AbiHeap::Exn => Self::Exn,
            AbiHeap::NoExn => Self::NoExn,
            AbiHeap::None => Self::None,
            AbiHeap::ConcreteFunc(id) => Self::ConcreteFunc(FuncType(Registered::of_id(signatures, id.0))),
            AbiHeap::ConcreteArray(id) => Self::ConcreteArray(ArrayType(Registered::of_id(signatures, id.0))),
            AbiHeap::ConcreteStruct(id) => Self::ConcreteStruct(StructType(Registered::of_id(signatures, id.0))),
        }
    }
}

impl fmt::Display for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConcreteFunc(ty) => write!(f, "(func {ty})"),
            Self::ConcreteArray(ty) => ty.fmt(f),
            Self::ConcreteStruct(ty) => ty.fmt(f),
            other => other.to_abi().fmt(f),
        }
    }
}

impl fmt::Debug for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

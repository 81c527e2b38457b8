//! Types that modules and the host define: of functions, structures, arrays, and exceptions.

use super::item::TagType;
use super::registered::Registered;
use super::value::{Mutability, RefType, ValType};
use crate::base::error::{Error, Result};
use crate::module::handle::AsEngine;
use crate::module::linked::LinkedModule;
use crate::module::signature::{Signatures, TypeIds};
use epsilon_abi::{CompositeType, FieldType as AbiField, FuncType as AbiFunc, StorageType as AbiStorage, TypeIndex};
use std::fmt;
use std::sync::Arc;

/// Whether other types may declare a type as their supertype.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Finality {
    /// None may.
    Final,
    /// Others may.
    NonFinal,
}

impl Finality {
    /// Whether no type may.
    pub fn is_final(&self) -> bool {
        *self == Self::Final
    }

    /// Whether others may.
    pub fn is_non_final(&self) -> bool {
        *self == Self::NonFinal
    }
}

macro_rules! registered {
    ($($ty:ident $what:literal;)*) => {$(
        impl $ty {
            /// Whether other types may declare this one as their supertype.
            pub fn finality(&self) -> Finality {
                if self.0.def.is_final { Finality::Final } else { Finality::NonFinal }
            }

            /// The supertype that it declares.
            pub fn supertype(&self) -> Option<Self> {
                let supertype = self.0.def.supertype?;
                Some(Self(Registered::of_id(&self.0.signatures, supertype.0)))
            }

            /// Whether it is the other type, or declares it as its supertype, at once or in several steps.
            pub fn matches(&self, other: &Self) -> bool {
                self.0.matches(&other.0)
            }

            /// Whether the types are the same.
            #[allow(clippy::should_implement_trait, reason = "the name that embedders know; both are there")]
            pub fn eq(a: &Self, b: &Self) -> bool {
                a == b
            }
        }

        impl fmt::Debug for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($what, "{}"), self)
            }
        }
    )*};
}

registered! {
    FuncType "func ";
    StructType "";
    ArrayType "";
}

/// The type of a function, in an engine.
///
/// ```
/// use epsilon::{Engine, FuncType, ValType};
/// let engine = Engine::default();
/// let ty = FuncType::new(&engine, [ValType::I32, ValType::I64], [ValType::F64]);
/// assert_eq!((ty.params().len(), ty.param(1), ty.result(0)), (2, Some(ValType::I64), Some(ValType::F64)));
/// assert_eq!(ty.to_string(), "(i32, i64) -> (f64)");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FuncType(pub(super) Arc<Registered>);

impl FuncType {
    /// The type of functions with these parameters and results.
    ///
    /// # Panics
    /// If [`FuncType::try_new`] gives an error.
    pub fn new(
        engine: &impl AsEngine,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Self {
        Self::try_new(engine, params, results)
            .unwrap_or_else(|error| panic!("cannot make the type of a function: {error}"))
    }

    /// As [`FuncType::new`], with an error where that panics.
    ///
    /// # Errors
    /// If a type is of another engine, or the engine's limit is reached.
    pub fn try_new(
        engine: &impl AsEngine,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Result<Self> {
        Self::with_finality_and_supertype(engine, Finality::Final, None, params, results)
    }

    /// As [`FuncType::try_new`], with a place in the hierarchy of types.
    ///
    /// # Errors
    /// As there, and if the supertype is final or the type does not match it.
    pub fn with_finality_and_supertype(
        engine: &impl AsEngine,
        finality: Finality,
        supertype: Option<&Self>,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Result<Self> {
        let signatures = engine.as_engine().runtime().signatures();
        let list = |types: Vec<ValType>| -> Result<Box<[epsilon_abi::ValType]>> {
            types.iter().map(|ty| ty.check_engine(signatures).map(|()| ty.to_abi())).collect()
        };
        // The types are kept until this one, which names them, is there.
        let (params, results): (Vec<_>, Vec<_>) = (params.into_iter().collect(), results.into_iter().collect());
        let ty = AbiFunc::new(list(params.clone())?, list(results.clone())?);
        let supertype = supertype.map(|ty| &ty.0);
        Registered::define(signatures, CompositeType::Func(ty), finality.is_final(), supertype).map(Self)
    }

    /// The type at an index of a module.
    #[doc(hidden)]
    pub fn of_module(module: &LinkedModule, ty: TypeIndex) -> Self {
        Self(Registered::of_id(module.runtime().signatures(), module.canonical(ty).0))
    }

    /// The type that an engine has under a number.
    pub(crate) fn of_id(signatures: &Arc<Signatures>, id: u32) -> Self {
        Self(Registered::of_id(signatures, id))
    }

    pub(crate) fn abi(&self) -> &AbiFunc {
        match &self.0.def.composite {
            CompositeType::Func(ty) => ty,
            other => unreachable!("{other:?} is not the type of a function"),
        }
    }

    /// The type's number, kept as long as the result lives.
    pub(crate) fn keep(&self) -> TypeIds {
        self.0.signatures.keep(self.0.id).expect("a type that somebody has").0
    }

    /// The type as machine code has it.
    ///
    /// # Errors
    /// If it is of another engine.
    pub(crate) fn to_abi(&self, signatures: &Arc<Signatures>) -> Result<AbiFunc> {
        self.0.check_engine(signatures)?;
        Ok(self.abi().clone())
    }

    /// The parameters' types.
    pub fn params(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.abi().params.iter().map(|ty| ValType::of_abi(&self.0.signatures, *ty))
    }

    /// The type of a parameter.
    pub fn param(&self, n: usize) -> Option<ValType> {
        self.abi().params.get(n).map(|ty| ValType::of_abi(&self.0.signatures, *ty))
    }

    /// The results' types.
    pub fn results(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.abi().results.iter().map(|ty| ValType::of_abi(&self.0.signatures, *ty))
    }

    /// The type of a result.
    pub fn result(&self, n: usize) -> Option<ValType> {
        self.abi().results.get(n).map(|ty| ValType::of_abi(&self.0.signatures, *ty))
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.abi().fmt(f)
    }
}

/// What a field of a structure or an element of an array holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum StorageType {
    /// 8 bits of an integer.
    I8,
    /// 16 bits of an integer.
    I16,
    /// A value.
    ValType(ValType),
}

impl StorageType {
    /// Whether it is 8 bits of an integer.
    pub fn is_i8(&self) -> bool {
        *self == Self::I8
    }

    /// Whether it is 16 bits of an integer.
    pub fn is_i16(&self) -> bool {
        *self == Self::I16
    }

    /// Whether it is a value.
    pub fn is_val_type(&self) -> bool {
        self.as_val_type().is_some()
    }

    /// The type of the value, if it is one.
    pub fn as_val_type(&self) -> Option<&ValType> {
        if let Self::ValType(ty) = self { Some(ty) } else { None }
    }

    /// The type of the value.
    ///
    /// # Panics
    /// If it is part of an integer.
    pub fn unwrap_val_type(&self) -> &ValType {
        self.as_val_type().expect("a value type")
    }

    /// The type of value that it is read as: `i32` for parts of integers.
    pub fn unpack(&self) -> &ValType {
        self.as_val_type().unwrap_or(&ValType::I32)
    }

    /// Whether what this holds can stand where the other is.
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ValType(ty), Self::ValType(of)) => ty.matches(of),
            _ => self == other,
        }
    }

    /// Whether the types are the same.
    #[allow(clippy::should_implement_trait, reason = "the name that embedders know; both are there")]
    pub fn eq(a: &Self, b: &Self) -> bool {
        a == b
    }

    fn to_abi(&self) -> AbiStorage {
        match self {
            Self::I8 => AbiStorage::I8,
            Self::I16 => AbiStorage::I16,
            Self::ValType(ty) => AbiStorage::Val(ty.to_abi()),
        }
    }

    fn of_abi(signatures: &Arc<Signatures>, ty: AbiStorage) -> Self {
        match ty {
            AbiStorage::I8 => Self::I8,
            AbiStorage::I16 => Self::I16,
            AbiStorage::Val(ty) => Self::ValType(ValType::of_abi(signatures, ty)),
        }
    }
}

impl fmt::Display for StorageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I8 => f.write_str("i8"),
            Self::I16 => f.write_str("i16"),
            Self::ValType(ty) => ty.fmt(f),
        }
    }
}

impl From<ValType> for StorageType {
    fn from(ty: ValType) -> Self {
        Self::ValType(ty)
    }
}

impl From<RefType> for StorageType {
    fn from(ty: RefType) -> Self {
        Self::ValType(ty.into())
    }
}

/// A field of a structure, an exception, or the elements of an array.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FieldType {
    mutability: Mutability,
    element: StorageType,
}

impl FieldType {
    /// A field that holds this.
    pub fn new(mutability: Mutability, element_type: StorageType) -> Self {
        Self { mutability, element: element_type }
    }

    /// Whether it can be written.
    pub fn mutability(&self) -> Mutability {
        self.mutability
    }

    /// What it holds.
    pub fn element_type(&self) -> &StorageType {
        &self.element
    }

    /// Whether this field can stand where the other is: what can be written has the same type.
    pub fn matches(&self, other: &Self) -> bool {
        match other.mutability {
            Mutability::Var => self == other,
            Mutability::Const => self.mutability.is_const() && self.element.matches(&other.element),
        }
    }

    /// Whether the fields are the same.
    #[allow(clippy::should_implement_trait, reason = "the name that embedders know; both are there")]
    pub fn eq(a: &Self, b: &Self) -> bool {
        a == b
    }

    fn to_abi(&self, signatures: &Arc<Signatures>) -> Result<AbiField> {
        self.element.as_val_type().map_or(Ok(()), |ty| ty.check_engine(signatures))?;
        Ok(AbiField { storage: self.element.to_abi(), mutable: self.mutability.is_var() })
    }

    fn of_abi(signatures: &Arc<Signatures>, ty: &AbiField) -> Self {
        Self { mutability: Mutability::of(ty.mutable), element: StorageType::of_abi(signatures, ty.storage) }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mutability {
            Mutability::Var => write!(f, "(mut {})", self.element),
            Mutability::Const => self.element.fmt(f),
        }
    }
}

/// The type of a structure, in an engine.
///
/// ```
/// use epsilon::{Engine, FieldType, Mutability, StorageType, StructType, ValType};
/// let point = [ValType::F32, ValType::F32].map(|ty| FieldType::new(Mutability::Var, ty.into()));
/// let point = StructType::new(&Engine::default(), point).unwrap();
/// assert_eq!((point.fields().len(), point.to_string()), (2, "(struct (field (mut f32)) (field (mut f32)))".into()));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StructType(pub(super) Arc<Registered>);

impl StructType {
    /// The type of structures with these fields.
    ///
    /// # Errors
    /// If a type is of another engine, or the engine's limit is reached.
    pub fn new(engine: &impl AsEngine, fields: impl IntoIterator<Item = FieldType>) -> Result<Self> {
        Self::with_finality_and_supertype(engine, Finality::Final, None, fields)
    }

    /// As [`StructType::new`], with a place in the hierarchy of types.
    ///
    /// # Errors
    /// As there, and if the supertype is final or the type does not match it.
    pub fn with_finality_and_supertype(
        engine: &impl AsEngine,
        finality: Finality,
        supertype: Option<&Self>,
        fields: impl IntoIterator<Item = FieldType>,
    ) -> Result<Self> {
        let signatures = engine.as_engine().runtime().signatures();
        let fields: Vec<FieldType> = fields.into_iter().collect();
        let composite =
            CompositeType::Struct(fields.iter().map(|field| field.to_abi(signatures)).collect::<Result<_>>()?);
        Registered::define(signatures, composite, finality.is_final(), supertype.map(|ty| &ty.0)).map(Self)
    }

    pub(crate) fn check_engine(&self, signatures: &Arc<Signatures>) -> Result<()> {
        self.0.check_engine(signatures)
    }

    /// The engine's number of it.
    pub(crate) fn id(&self) -> u32 {
        self.0.id
    }

    pub(crate) fn abi(&self) -> &[AbiField] {
        match &self.0.def.composite {
            CompositeType::Struct(fields) => fields,
            other => unreachable!("{other:?} is not the type of a structure"),
        }
    }

    /// A field.
    pub fn field(&self, n: usize) -> Option<FieldType> {
        self.abi().get(n).map(|field| FieldType::of_abi(&self.0.signatures, field))
    }

    /// The fields.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = FieldType> + '_ {
        self.abi().iter().map(|field| FieldType::of_abi(&self.0.signatures, field))
    }
}

impl fmt::Display for StructType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(struct")?;
        self.fields().try_for_each(|field| write!(f, " (field {field})"))?;
        f.write_str(")")
    }
}

/// The type of an array, in an engine.
///
/// ```
/// use epsilon::{ArrayType, Engine, FieldType, Mutability, StorageType};
/// let bytes = ArrayType::new(&Engine::default(), FieldType::new(Mutability::Var, StorageType::I8));
/// assert!(bytes.element_type().is_i8() && bytes.mutability().is_var());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ArrayType(pub(super) Arc<Registered>);

impl ArrayType {
    /// The type of arrays of such elements.
    ///
    /// # Panics
    /// If [`ArrayType::with_finality_and_supertype`] gives an error.
    pub fn new(engine: &impl AsEngine, field_type: FieldType) -> Self {
        Self::with_finality_and_supertype(engine, Finality::Final, None, field_type)
            .unwrap_or_else(|error| panic!("cannot make the type of an array: {error}"))
    }

    /// The type of arrays of such elements, with a place in the hierarchy of types.
    ///
    /// # Errors
    /// If a type is of another engine, or the engine's limit is reached; if the supertype is final or the type does not match
    /// it.
    pub fn with_finality_and_supertype(
        engine: &impl AsEngine,
        finality: Finality,
        supertype: Option<&Self>,
        field_type: FieldType,
    ) -> Result<Self> {
        let signatures = engine.as_engine().runtime().signatures();
        let composite = CompositeType::Array(field_type.to_abi(signatures)?);
        Registered::define(signatures, composite, finality.is_final(), supertype.map(|ty| &ty.0)).map(Self)
    }

    pub(crate) fn check_engine(&self, signatures: &Arc<Signatures>) -> Result<()> {
        self.0.check_engine(signatures)
    }

    /// The engine's number of it.
    pub(crate) fn id(&self) -> u32 {
        self.0.id
    }

    pub(crate) fn abi(&self) -> AbiField {
        match &self.0.def.composite {
            CompositeType::Array(field) => *field,
            other => unreachable!("{other:?} is not the type of an array"),
        }
    }

    /// What the elements are.
    pub fn field_type(&self) -> FieldType {
        match &self.0.def.composite {
            CompositeType::Array(field) => FieldType::of_abi(&self.0.signatures, field),
            other => unreachable!("{other:?} is not the type of an array"),
        }
    }

    /// Whether the elements can be written.
    pub fn mutability(&self) -> Mutability {
        self.field_type().mutability
    }

    /// What an element holds.
    pub fn element_type(&self) -> StorageType {
        self.field_type().element
    }
}

impl fmt::Display for ArrayType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(array {})", self.field_type())
    }
}

/// The type of an exception: what it carries.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ExnType {
    tag: TagType,
}

impl ExnType {
    /// The type of exceptions that carry these values.
    ///
    /// # Errors
    /// If a type is of another engine, or the engine's limit is reached.
    pub fn new(engine: &impl AsEngine, fields: impl IntoIterator<Item = ValType>) -> Result<Self> {
        Ok(Self { tag: TagType::new(FuncType::try_new(engine, fields, [])?) })
    }

    /// The type of the exceptions of a tag.
    ///
    /// # Errors
    /// If the tag's type has results.
    pub fn from_tag_type(tag: &TagType) -> Result<Self> {
        match tag.ty().results().len() {
            0 => Ok(Self { tag: tag.clone() }),
            _ => Err(Error::mismatch("type of a tag", "no results", tag.ty())),
        }
    }

    /// The engine's number of the type of their tag.
    pub(crate) fn id(&self) -> u32 {
        self.tag.ty().0.id
    }

    /// The type of their tag.
    pub fn tag_type(&self) -> TagType {
        self.tag.clone()
    }

    /// What a field holds.
    pub fn field(&self, n: usize) -> Option<FieldType> {
        self.tag.ty().param(n).map(|ty| FieldType::new(Mutability::Const, ty.into()))
    }

    /// What the fields hold.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = FieldType> + '_ {
        self.tag.ty().params().map(|ty| FieldType::new(Mutability::Const, ty.into()))
    }

    /// Whether the types are the same.
    pub fn matches(&self, other: &Self) -> bool {
        self == other
    }
}

impl fmt::Display for ExnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(exn")?;
        self.fields().try_for_each(|field| write!(f, " (field {field})"))?;
        f.write_str(")")
    }
}

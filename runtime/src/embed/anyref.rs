//! References of the family of `anyref`, as embedders hold them.

use crate::base::error::Result;
use crate::embed::rooted::{AnyRef, ArrayRef, EqRef, ExternRef, Held, Rooted, StructRef};
use crate::embed::value::{Ref, Val};
use crate::heap::{host_number, is_object};
use crate::store::inner::{AsContext, AsContextMut, StoreInner};
use crate::types;
use epsilon_abi::heap::{I31_BIT, TypeKind};
use epsilon_abi::{HeapType, TypeIndex};

/// A number of 31 bits, which is a reference by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct I31(u32);

impl I31 {
    /// The bits of the reference that it is.
    pub(crate) const fn bits(self) -> u32 {
        self.0 << 1 | I31_BIT
    }

    /// The number that a reference is.
    pub(crate) const fn of_bits(bits: u32) -> Self {
        Self(bits >> 1)
    }

    /// The number, if it has no more than 31 bits.
    pub const fn new_u32(value: u32) -> Option<Self> {
        if value >> 31 == 0 { Some(Self(value)) } else { None }
    }

    /// The number, if it has no more than 31 bits with its sign.
    pub const fn new_i32(value: i32) -> Option<Self> {
        if (value << 1) >> 1 == value { Some(Self::wrapping_i32(value)) } else { None }
    }

    /// The low 31 bits.
    pub const fn wrapping_u32(value: u32) -> Self {
        Self(value & (u32::MAX >> 1))
    }

    /// The low 31 bits.
    pub const fn wrapping_i32(value: i32) -> Self {
        Self::wrapping_u32(value as u32)
    }

    /// The number without a sign.
    pub const fn get_u32(self) -> u32 {
        self.0
    }

    /// The number with its sign.
    pub const fn get_i32(self) -> i32 {
        ((self.0 << 1) as i32) >> 1
    }
}

/// A type without values: `Option<NoFunc>` is the type of null function references, [`HeapType::NoFunc`](crate::HeapType).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NoFunc {}

/// A type without values: `Option<NoExtern>` is the type of null external references,
/// [`HeapType::NoExtern`](crate::HeapType).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NoExtern {}

/// A type without values: `Option<NoneRef>` is the type of null references of the family of `anyref`,
/// [`HeapType::None`](crate::HeapType).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NoneRef {}

macro_rules! null_references {
    ($($ty:ident, $method:ident, $variant:ident;)*) => {$(
        impl $ty {
            /// The null reference of this family.
            pub const fn null() -> Option<Self> {
                None
            }

            /// The null reference of this family, as a value.
            pub const fn null_val() -> Val {
                Val::$variant(None)
            }

            /// The null reference of this family.
            pub const fn null_ref() -> Ref {
                Ref::$method(None)
            }
        }
    )*};
}

null_references! {
    NoFunc, Func, FuncRef;
    NoExtern, Extern, ExternRef;
    NoneRef, Any, AnyRef;
}

/// What references of the family of `anyref` are asked.
macro_rules! both {
    ($($kind:ident)*) => {$(
        impl $kind {
            /// A reference that is a number.
            pub fn from_i31(mut store: impl AsContextMut, value: I31) -> Rooted<Self> {
                store.as_context_mut().inner().hold(value.bits())
            }

            /// The number, if it is one.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            pub fn as_i31(&self, store: impl AsContext) -> Result<Option<I31>> {
                let bits = self.bits(store.as_context().inner())?;
                Ok((bits & I31_BIT != 0).then_some(I31::of_bits(bits)))
            }

            /// The number.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            ///
            /// # Panics
            /// If it is not a number.
            pub fn unwrap_i31(&self, store: impl AsContext) -> Result<I31> {
                Ok(self.as_i31(store)?.expect("an i31"))
            }

            /// Whether it is a number.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            pub fn is_i31(&self, store: impl AsContext) -> Result<bool> {
                is_of(self.0, store, HeapType::I31)
            }

            /// Whether it is to a structure.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            pub fn is_struct(&self, store: impl AsContext) -> Result<bool> {
                is_of(self.0, store, HeapType::Struct)
            }

            /// The structure, if it is a reference to one.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            pub fn as_struct(&self, store: impl AsContext) -> Result<Option<Rooted<StructRef>>> {
                Ok(self.is_struct(store)?.then_some(Rooted(StructRef(self.0))))
            }

            /// The structure.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            ///
            /// # Panics
            /// If it is not a reference to a structure.
            pub fn unwrap_struct(&self, store: impl AsContext) -> Result<Rooted<StructRef>> {
                Ok(self.as_struct(store)?.expect("a structure"))
            }

            /// Whether it is to an array.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            pub fn is_array(&self, store: impl AsContext) -> Result<bool> {
                is_of(self.0, store, HeapType::Array)
            }

            /// The array, if it is a reference to one.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            pub fn as_array(&self, store: impl AsContext) -> Result<Option<Rooted<ArrayRef>>> {
                Ok(self.is_array(store)?.then_some(Rooted(ArrayRef(self.0))))
            }

            /// The array.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            ///
            /// # Panics
            /// If it is not a reference to an array.
            pub fn unwrap_array(&self, store: impl AsContext) -> Result<Rooted<ArrayRef>> {
                Ok(self.as_array(store)?.expect("an array"))
            }

            /// The most special type that it has.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            pub fn ty(&self, store: impl AsContext) -> Result<types::HeapType> {
                let context = store.as_context();
                let inner = context.inner();
                Ok(types::HeapType::of_abi(inner.runtime.signatures(), inner.heap_type_of(self.bits(inner)?)))
            }

            /// Whether it can stand where a reference to this is asked for.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            pub fn matches_ty(&self, store: impl AsContext, ty: &types::HeapType) -> Result<bool> {
                Ok(self.ty(store)?.matches(ty))
            }
        }
    )*};
}

both! { AnyRef EqRef }

fn is_of(held: Held, store: impl AsContext, heap: HeapType) -> Result<bool> {
    let context = store.as_context();
    Ok(context.inner().is_of_type(held.bits(context.inner(), "reference")?, heap))
}

impl AnyRef {
    /// As `any.convert_extern`.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn convert_extern(mut store: impl AsContextMut, external: Rooted<ExternRef>) -> Result<Rooted<Self>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let bits = external.bits(inner)?;
        Ok(inner.hold(bits))
    }

    /// Whether guests can compare it: it is not something of the host.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn is_eqref(&self, store: impl AsContext) -> Result<bool> {
        is_of(self.0, store, HeapType::Eq)
    }

    /// The reference as one that guests can compare, if it is one.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn as_eqref(&self, store: impl AsContext) -> Result<Option<Rooted<EqRef>>> {
        Ok(self.is_eqref(store)?.then_some(Rooted(EqRef(self.0))))
    }

    /// The reference as one that guests can compare.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    ///
    /// # Panics
    /// If it is something of the host.
    pub fn unwrap_eqref(&self, store: impl AsContext) -> Result<Rooted<EqRef>> {
        Ok(self.as_eqref(store)?.expect("a reference that guests can compare"))
    }
}

impl StoreInner {
    /// The most special type that a reference of the family of `anyref` has, which is not null. Canonical.
    pub(crate) fn heap_type_of(&self, bits: u32) -> HeapType {
        if !is_object(bits) {
            return if host_number(bits).is_some() { HeapType::Any } else { HeapType::I31 };
        }
        let record = self.heap().record(bits);
        match record.kind == TypeKind::Array as u32 {
            true => HeapType::ConcreteArray(TypeIndex(record.id)),
            false => HeapType::ConcreteStruct(TypeIndex(record.id)),
        }
    }

    /// What a reference is to, for errors.
    pub(crate) fn kind_of(&self, bits: u32) -> &'static str {
        match host_number(bits) {
            Some(_) => "something of the host",
            None if !is_object(bits) => "an i31",
            None if self.is_of_type(bits, HeapType::Struct) => "a structure of another type",
            None => "an array of another type",
        }
    }
}

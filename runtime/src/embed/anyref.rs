//! References of the family of `anyref`, as embedders hold them.

use crate::base::error::Result;
use crate::embed::value::ExternRef;
use crate::heap::roots::RootId;
use crate::heap::{host_number, is_object};
use crate::serve::collector::forgotten;
use crate::store::inner::{AsContext, AsContextMut, StoreId, StoreInner};
use epsilon_abi::heap::{I31_BIT, TypeKind};
use epsilon_abi::{HeapType, TypeIndex};

/// A number of 31 bits, which is a reference by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct I31(u32);

impl I31 {
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

/// A reference to an object of guests, an [`I31`], or something of the host that was converted. Held as [`ExternRef`]s
/// are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnyRef {
    pub(crate) store: StoreId,
    pub(crate) root: RootId,
}

impl AnyRef {
    /// A reference that is a number.
    pub fn from_i31(mut store: impl AsContextMut, value: I31) -> Self {
        store.as_context_mut().inner().hold_any(value.0 << 1 | I31_BIT)
    }

    /// As `any.convert_extern`.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn convert_extern(mut store: impl AsContextMut, external: ExternRef) -> Result<Self> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let bits = external.bits(inner)?;
        Ok(inner.hold_any(bits))
    }

    /// As `extern.convert_any`.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn convert_any(&self, mut store: impl AsContextMut) -> Result<ExternRef> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let bits = self.bits(inner)?;
        Ok(ExternRef { store: inner.id, root: inner.roots.push(bits) })
    }

    /// Whether two references are the same one, as by `ref.eq`.
    ///
    /// # Errors
    /// If one is of another store, or no longer held.
    pub fn ref_eq(store: impl AsContext, one: &Self, other: &Self) -> Result<bool> {
        let context = store.as_context();
        Ok(one.bits(context.inner())? == other.bits(context.inner())?)
    }

    /// The number, if it is one.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn as_i31(&self, store: impl AsContext) -> Result<Option<I31>> {
        let bits = self.bits(store.as_context().inner())?;
        Ok((bits & I31_BIT != 0).then_some(I31(bits >> 1)))
    }

    /// Whether it is a number.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn is_i31(&self, store: impl AsContext) -> Result<bool> {
        self.is_of(store, HeapType::I31)
    }

    /// Whether it can be compared: it is not something of the host.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn is_eqref(&self, store: impl AsContext) -> Result<bool> {
        self.is_of(store, HeapType::Eq)
    }

    /// Whether it is to a structure.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn is_struct(&self, store: impl AsContext) -> Result<bool> {
        self.is_of(store, HeapType::Struct)
    }

    /// Whether it is to an array.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn is_array(&self, store: impl AsContext) -> Result<bool> {
        self.is_of(store, HeapType::Array)
    }

    fn is_of(self, store: impl AsContext, heap: HeapType) -> Result<bool> {
        let context = store.as_context();
        Ok(context.inner().is_of_type(self.bits(context.inner())?, heap))
    }

    pub(crate) fn bits(self, inner: &StoreInner) -> Result<u32> {
        inner.check(self.store, "reference")?;
        inner.roots.get(self.root).ok_or_else(|| forgotten("reference"))
    }
}

impl StoreInner {
    /// A reference of the family of `anyref`, from now on held by the host.
    pub(crate) fn hold_any(&mut self, bits: u32) -> AnyRef {
        AnyRef { store: self.id, root: self.roots.push(bits) }
    }

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

//! Values without their types, for embedders that check by themselves what they call with what.

use crate::base::error::Result;
use crate::embed::func::{Func, TypedFunc};
use crate::embed::rooted::{AnyRef, ExnRef, ExternRef, GcRef, Rooted};
use crate::embed::v128::V128;
use crate::embed::value::Val;
use crate::heap::host_number;
use crate::store::exception::{number_of_root, root_of_number};
use crate::store::inner::{AsContext, AsContextMut, StoreInner};
use crate::types;
use epsilon_abi::heap::I31_BIT;
use epsilon_abi::{RefRepr, ValType};
use std::ffi::c_void;
use std::fmt;

/// A value without its type, of 16 bytes. Which one it is, is up to its user.
///
/// References are bits that mean something to their store alone, and to objects only until garbage is collected, which moves
/// them.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct ValRaw {
    bits: [u8; 16],
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $make:ident, $get:ident: $ty:ty;)*) => {
        impl ValRaw {$(
            $(#[$doc])*
            pub fn $make(value: $ty) -> Self {
                // What is narrower than 64 bits is zero-extended, or sign-extended if it has a sign, and nobody looks at it.
                Self::of_bits(value as u128)
            }

            $(#[$doc])*
            pub fn $get(&self) -> $ty {
                u128::from_le_bytes(self.bits) as $ty
            }
        )*}
    };
}

numbers! {
    /// An integer of 32 bits.
    i32, get_i32: i32;
    /// An integer of 32 bits.
    u32, get_u32: u32;
    /// An integer of 64 bits.
    i64, get_i64: i64;
    /// An integer of 64 bits.
    u64, get_u64: u64;
    /// A number of 32 bits, as bits.
    f32, get_f32: u32;
    /// A number of 64 bits, as bits.
    f64, get_f64: u64;
    /// A vector of 128 bits.
    v128, get_v128: u128;
    /// A reference to something of the host; 0 is null.
    externref, get_externref: u32;
    /// A reference of the family of `anyref`; 0 is null.
    anyref, get_anyref: u32;
    /// A reference to an exception; 0 is null.
    exnref, get_exnref: u32;
}

impl ValRaw {
    pub(crate) fn of_bits(bits: u128) -> Self {
        Self { bits: bits.to_le_bytes() }
    }

    /// The bits that a value of a type has.
    pub(crate) fn bits_as(&self, ty: ValType) -> u128 {
        let bits = u128::from_le_bytes(self.bits);
        match ty {
            ValType::I32 | ValType::F32 => bits & u128::from(u32::MAX),
            ValType::I64 | ValType::F64 => bits & u128::from(u64::MAX),
            ValType::V128 => bits,
            ValType::Ref(ty) if ty.repr() == RefRepr::Func => bits & u128::from(u64::MAX),
            ValType::Ref(_) => bits & u128::from(u32::MAX),
        }
    }

    /// A function reference; null is null.
    pub fn funcref(reference: *mut c_void) -> Self {
        Self::of_bits(reference as usize as u128)
    }

    /// A function reference; null is null.
    pub fn get_funcref(&self) -> *mut c_void {
        u128::from_le_bytes(self.bits) as usize as *mut c_void
    }
}

impl fmt::Debug for ValRaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValRaw({:#x})", u128::from_le_bytes(self.bits))
    }
}

impl Val {
    /// The value without its type.
    ///
    /// # Errors
    /// If it is a reference that is of another store, or no longer held; or there is no room for a function's reference.
    pub fn to_raw(&self, mut store: impl AsContextMut) -> Result<ValRaw> {
        Ok(match self {
            Self::I32(number) => ValRaw::i32(*number),
            Self::I64(number) => ValRaw::i64(*number),
            Self::F32(bits) => ValRaw::f32(*bits),
            Self::F64(bits) => ValRaw::f64(*bits),
            Self::V128(vector) => ValRaw::v128(vector.as_u128()),
            Self::FuncRef(None) | Self::ExternRef(None) | Self::AnyRef(None) | Self::ExnRef(None) => ValRaw::u64(0),
            Self::FuncRef(Some(func)) => {
                let mut context = store.as_context_mut();
                ValRaw::funcref(func.address(context.inner())?)
            }
            Self::ExternRef(Some(reference)) => ValRaw::externref(reference.to_raw(store)?),
            Self::AnyRef(Some(reference)) => ValRaw::anyref(reference.to_raw(store)?),
            Self::ExnRef(Some(reference)) => ValRaw::exnref(reference.to_raw(store)?),
        })
    }

    /// The value of this type.
    ///
    /// # Safety
    /// `raw` must be a value of this type, made by this store; and no garbage was collected since if it is a reference to an
    /// object.
    pub unsafe fn from_raw(mut store: impl AsContextMut, raw: ValRaw, ty: types::ValType) -> Self {
        let mut context = store.as_context_mut();
        let ty = ty.to_abi();
        // SAFETY: the bits are of this type and this store, as the caller promises (invariant 17).
        unsafe { context.inner().val_from_bits(raw.bits_as(ty), ty) }
    }
}

impl From<V128> for ValRaw {
    fn from(vector: V128) -> Self {
        Self::v128(vector.as_u128())
    }
}

impl Func {
    fn address(&self, inner: &mut StoreInner) -> Result<*mut c_void> {
        inner.check(self.store, "function")?;
        Ok(inner.func_ref(self.entry)?.cast_mut().cast())
    }

    /// The reference as bits, which its store understands as long as it lives.
    ///
    /// # Panics
    /// If the function is of another store, or there is no room for a reference.
    pub fn to_raw(&self, mut store: impl AsContextMut) -> *mut c_void {
        let mut context = store.as_context_mut();
        self.address(context.inner()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The function that bits stand for; `None` if they are null.
    ///
    /// # Safety
    /// `raw` must be null, or from [`Func::to_raw`] or [`ValRaw::get_funcref`] with the same store.
    pub unsafe fn from_raw(mut store: impl AsContextMut, raw: *mut c_void) -> Option<Self> {
        let mut context = store.as_context_mut();
        // SAFETY: as the caller promises (invariant 17).
        unsafe { context.inner().func_from_bits(raw as usize as u64) }
    }
}

impl<P, R> TypedFunc<P, R>
where
    P: crate::WasmParams,
    R: crate::WasmResults,
{
    /// The function with its type known to Rust.
    ///
    /// # Safety
    /// The function must take these parameters and give these results.
    ///
    /// # Panics
    /// If it does not, which is looked at in any case, or is of another store.
    pub unsafe fn new_unchecked(store: impl AsContext, func: Func) -> Self {
        func.typed(store).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// What bits of a reference must be for safe Rust to be given the reference: a number, something of the host that is there, or
/// what the host holds.
fn is_known(inner: &StoreInner, root: u32) -> bool {
    let is_host = || host_number(root).is_some_and(|number| inner.hosts.get(number).is_some());
    root & I31_BIT != 0 || is_host() || inner.roots.all().any(|held| held == root)
}

fn from_raw<T: GcRef>(inner: &mut StoreInner, root: u32) -> Rooted<T> {
    assert!(is_known(inner, root), "the raw reference is not one that the store holds now");
    inner.hold(root)
}

macro_rules! raw_references {
    ($($kind:ident)*) => {$(
        impl $kind {
            /// The reference as bits, which its store understands until garbage is collected: that moves objects.
            ///
            /// # Errors
            /// If the reference is of another store, or no longer held.
            pub fn to_raw(&self, mut store: impl AsContextMut) -> Result<u32> {
                let mut context = store.as_context_mut();
                self.bits(context.inner())
            }

            /// The reference that bits stand for; `None` if they are 0.
            ///
            /// # Panics
            /// If they are not those of a reference that the host holds now, of something of the host, or of a number.
            pub fn from_raw(mut store: impl AsContextMut, raw: u32) -> Option<Rooted<Self>> {
                let mut context = store.as_context_mut();
                let inner = context.inner();
                (raw != 0).then(|| from_raw(inner, raw))
            }
        }
    )*};
}

raw_references! { ExternRef AnyRef }

impl ExnRef {
    /// The reference as bits, which its store understands as long as anything holds it.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn to_raw(&self, mut store: impl AsContextMut) -> Result<u32> {
        let mut context = store.as_context_mut();
        Ok(number_of_root(self.bits(context.inner())?))
    }

    /// The reference that bits stand for; `None` if they are 0.
    ///
    /// # Panics
    /// If they are not those of an exception that is there.
    pub fn from_raw(mut store: impl AsContextMut, raw: u32) -> Option<Rooted<Self>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        if raw == 0 {
            return None;
        }
        assert!(inner.exceptions.look(raw).is_some(), "the raw reference is not to an exception that is there");
        Some(inner.hold(root_of_number(raw)))
    }
}

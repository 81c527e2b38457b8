//! Values as embedders see them, and their bits as machine code holds them.

use crate::base::error::{Error, Result};
use crate::embed::func::Func;
use crate::embed::rooted::{AnyRef, ArrayRef, EqRef, ExnRef, ExternRef, Held, Rooted, StructRef};
use crate::embed::v128::V128;
use crate::heap::roots::Owner;
use crate::store::exception::number_of_root;
use crate::store::inner::{AsContext, StoreInner};
use crate::types;
use epsilon_abi::{HeapType, RefRepr, RefType, ValType};

/// A WebAssembly value.
#[derive(Clone, Copy, Debug)]
pub enum Val {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// 32-bit number, as bits.
    F32(u32),
    /// 64-bit number, as bits.
    F64(u64),
    /// 128-bit vector, little-endian.
    V128(V128),
    /// Function reference; `None` is null.
    FuncRef(Option<Func>),
    /// Reference to something of the host; `None` is null.
    ExternRef(Option<Rooted<ExternRef>>),
    /// Reference to an exception; `None` is null.
    ExnRef(Option<Rooted<ExnRef>>),
    /// Reference to an object, an `i31` or, converted, to something of the host; `None` is null.
    AnyRef(Option<Rooted<AnyRef>>),
}

/// A reference.
#[derive(Clone, Copy, Debug)]
pub enum Ref {
    /// Function reference; `None` is null.
    Func(Option<Func>),
    /// Reference to something of the host; `None` is null.
    Extern(Option<Rooted<ExternRef>>),
    /// Reference to an exception; `None` is null.
    Exn(Option<Rooted<ExnRef>>),
    /// Reference to an object, an `i31` or, converted, to something of the host; `None` is null.
    Any(Option<Rooted<AnyRef>>),
}

impl Val {
    /// The type of the value; of a null reference the one that matches all types of its kind, such as `nullfuncref`.
    ///
    /// # Errors
    /// If the value is of another store.
    pub fn ty(&self, store: impl AsContext) -> Result<types::ValType> {
        match self.ref_() {
            Some(reference) => Ok(reference.ty(store)?.into()),
            None => Ok(types::ValType::of_abi(store.as_context().inner().runtime.signatures(), self.plain_type())),
        }
    }

    fn plain_type(&self) -> ValType {
        match self {
            Self::I32(_) => ValType::I32,
            Self::I64(_) => ValType::I64,
            Self::F32(_) => ValType::F32,
            Self::F64(_) => ValType::F64,
            Self::V128(_) => ValType::V128,
            Self::FuncRef(_) => ValType::FUNCREF,
            Self::ExternRef(_) => ValType::EXTERNREF,
            Self::ExnRef(_) => ValType::EXNREF,
            Self::AnyRef(_) => ValType::Ref(RefType { nullable: true, heap: HeapType::Any }),
        }
    }

    /// The value that a variable of this type starts with.
    pub(crate) fn default_for(ty: ValType) -> Option<Self> {
        Some(match ty {
            ValType::I32 => Self::I32(0),
            ValType::I64 => Self::I64(0),
            ValType::F32 => Self::F32(0),
            ValType::F64 => Self::F64(0),
            ValType::V128 => Self::V128(V128::from(0)),
            ValType::Ref(r) if !r.nullable => return None,
            ValType::Ref(r) => match r.repr() {
                RefRepr::Func => Self::FuncRef(None),
                RefRepr::Index if r.is_exception() => Self::ExnRef(None),
                RefRepr::Index if is_external(r.heap) => Self::ExternRef(None),
                RefRepr::Index => Self::AnyRef(None),
            },
        })
    }

    /// The value that a variable of this type starts with; `None` for references that cannot be null.
    pub fn default_for_ty(ty: &types::ValType) -> Option<Self> {
        Self::default_for(ty.to_abi())
    }

    /// The null reference of the kind of this type.
    pub fn null_ref(heap: &types::HeapType) -> Self {
        Ref::null(heap).into()
    }

    /// A null function reference.
    pub const fn null_func_ref() -> Self {
        Self::FuncRef(None)
    }

    /// A null reference of the family of `anyref`.
    pub const fn null_any_ref() -> Self {
        Self::AnyRef(None)
    }

    /// A null external reference.
    pub const fn null_extern_ref() -> Self {
        Self::ExternRef(None)
    }

    /// Whether the value can stand where this type is asked for.
    ///
    /// # Errors
    /// If the value is of another store.
    pub fn matches_ty(&self, store: impl AsContext, ty: &types::ValType) -> Result<bool> {
        ty.check_engine(store.as_context().inner().runtime.signatures())?;
        Ok(self.ty(store)?.matches(ty))
    }

    /// The integer, if it is one of 32 bits.
    pub fn i32(&self) -> Option<i32> {
        if let Self::I32(n) = self { Some(*n) } else { None }
    }

    /// The integer, if it is one of 64 bits.
    pub fn i64(&self) -> Option<i64> {
        if let Self::I64(n) = self { Some(*n) } else { None }
    }

    /// The number, if it is one of 32 bits.
    pub fn f32(&self) -> Option<f32> {
        if let Self::F32(bits) = self { Some(f32::from_bits(*bits)) } else { None }
    }

    /// The number, if it is one of 64 bits.
    pub fn f64(&self) -> Option<f64> {
        if let Self::F64(bits) = self { Some(f64::from_bits(*bits)) } else { None }
    }

    /// The vector, if it is one.
    pub fn v128(&self) -> Option<V128> {
        if let Self::V128(bits) = self { Some(*bits) } else { None }
    }

    /// The reference, if it is one.
    pub fn ref_(&self) -> Option<Ref> {
        Some(match self {
            Self::FuncRef(func) => Ref::Func(*func),
            Self::ExternRef(reference) => Ref::Extern(*reference),
            Self::ExnRef(reference) => Ref::Exn(*reference),
            Self::AnyRef(reference) => Ref::Any(*reference),
            _ => return None,
        })
    }

    /// As [`Val::funcref`].
    pub fn func_ref(&self) -> Option<Option<&Func>> {
        self.funcref()
    }

    /// As [`Val::externref`].
    pub fn extern_ref(&self) -> Option<Option<&Rooted<ExternRef>>> {
        self.externref()
    }

    /// As [`Val::anyref`].
    pub fn any_ref(&self) -> Option<Option<&Rooted<AnyRef>>> {
        self.anyref()
    }

    /// The function reference, if it is one; `Some(None)` is null.
    pub fn funcref(&self) -> Option<Option<&Func>> {
        if let Self::FuncRef(func) = self { Some(func.as_ref()) } else { None }
    }

    /// The external reference, if it is one; `Some(None)` is null.
    pub fn externref(&self) -> Option<Option<&Rooted<ExternRef>>> {
        if let Self::ExternRef(reference) = self { Some(reference.as_ref()) } else { None }
    }

    /// The reference to an exception, if it is one; `Some(None)` is null.
    pub fn exnref(&self) -> Option<Option<&Rooted<ExnRef>>> {
        if let Self::ExnRef(reference) = self { Some(reference.as_ref()) } else { None }
    }

    /// The reference of the family of `anyref`, if it is one; `Some(None)` is null.
    pub fn anyref(&self) -> Option<Option<&Rooted<AnyRef>>> {
        if let Self::AnyRef(reference) = self { Some(reference.as_ref()) } else { None }
    }
}

/// Methods for when the kind is known, which panic where it is another.
macro_rules! unwraps {
    ($on:ty: $($(#[$doc:meta])* $name:ident -> $result:ty = $get:ident, $expected:literal;)*) => {
        impl $on {$(
            $(#[$doc])*
            ///
            /// # Panics
            /// If it is of another kind.
            pub fn $name(&self) -> $result {
                self.$get().expect(concat!("expected ", $expected))
            }
        )*}
    };
}

unwraps! { Val:
    /// The integer of 32 bits.
    unwrap_i32 -> i32 = i32, "i32";
    /// The integer of 64 bits.
    unwrap_i64 -> i64 = i64, "i64";
    /// The number of 32 bits.
    unwrap_f32 -> f32 = f32, "f32";
    /// The number of 64 bits.
    unwrap_f64 -> f64 = f64, "f64";
    /// The vector.
    unwrap_v128 -> V128 = v128, "v128";
    /// The function reference; `None` is null.
    unwrap_funcref -> Option<&Func> = funcref, "funcref";
    /// As [`Val::unwrap_funcref`].
    unwrap_func_ref -> Option<&Func> = funcref, "funcref";
    /// As [`Val::unwrap_externref`].
    unwrap_extern_ref -> Option<&Rooted<ExternRef>> = externref, "externref";
    /// As [`Val::unwrap_anyref`].
    unwrap_any_ref -> Option<&Rooted<AnyRef>> = anyref, "anyref";
    /// The external reference; `None` is null.
    unwrap_externref -> Option<&Rooted<ExternRef>> = externref, "externref";
    /// The reference to an exception; `None` is null.
    unwrap_exnref -> Option<&Rooted<ExnRef>> = exnref, "exnref";
    /// The reference of the family of `anyref`; `None` is null.
    unwrap_anyref -> Option<&Rooted<AnyRef>> = anyref, "anyref";
}

impl Ref {
    /// The null reference of the kind of this heap type.
    pub fn null(heap: &types::HeapType) -> Self {
        let ty = ValType::Ref(RefType { nullable: true, heap: heap.to_abi() });
        Val::default_for(ty).and_then(|null| null.ref_()).expect("a nullable type has null")
    }

    /// The type of the reference; of a null reference the one that matches all types of its kind.
    ///
    /// # Errors
    /// If the reference is of another store.
    pub fn ty(&self, store: impl AsContext) -> Result<types::RefType> {
        use types::HeapType;
        let context = store.as_context();
        let inner = context.inner();
        Ok(match self {
            Self::Func(None) => types::RefType::NULLFUNCREF,
            Self::Extern(None) => types::RefType::NULLEXTERNREF,
            Self::Exn(None) => types::RefType::NULLEXNREF,
            Self::Func(Some(func)) => {
                inner.check(func.store, "function")?;
                types::RefType::new(false, func.ty(context).into())
            }
            Self::Extern(Some(reference)) => {
                reference.bits(inner)?;
                types::RefType::new(false, HeapType::Extern)
            }
            Self::Exn(Some(reference)) => {
                reference.bits(inner)?;
                types::RefType::new(false, HeapType::Exn)
            }
            Self::Any(None) => types::RefType::NULLREF,
            Self::Any(Some(reference)) => {
                let heap = inner.heap_type_of(reference.bits(inner)?);
                types::RefType::new(false, HeapType::of_abi(inner.runtime.signatures(), heap))
            }
        })
    }

    /// Whether the reference can stand where this type is asked for.
    ///
    /// # Errors
    /// If it, or the type, is of another store or engine.
    pub fn matches_ty(&self, store: impl AsContext, ty: &types::RefType) -> Result<bool> {
        Val::from(*self).matches_ty(store, &types::ValType::Ref(ty.clone()))
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Func(None) | Self::Extern(None) | Self::Exn(None) | Self::Any(None))
    }

    /// Whether it is not null.
    pub fn is_non_null(&self) -> bool {
        !self.is_null()
    }

    /// Whether it is a function reference, null or not.
    pub fn is_func(&self) -> bool {
        self.as_func().is_some()
    }

    /// Whether it is an external reference, null or not.
    pub fn is_extern(&self) -> bool {
        self.as_extern().is_some()
    }

    /// Whether it is a reference to an exception, null or not.
    pub fn is_exn(&self) -> bool {
        self.as_exn().is_some()
    }

    /// The function reference, if it is one; `Some(None)` is null.
    pub fn as_func(&self) -> Option<Option<&Func>> {
        if let Self::Func(func) = self { Some(func.as_ref()) } else { None }
    }

    /// The external reference, if it is one; `Some(None)` is null.
    pub fn as_extern(&self) -> Option<Option<&Rooted<ExternRef>>> {
        if let Self::Extern(reference) = self { Some(reference.as_ref()) } else { None }
    }

    /// The reference to an exception, if it is one; `Some(None)` is null.
    pub fn as_exn(&self) -> Option<Option<&Rooted<ExnRef>>> {
        if let Self::Exn(reference) = self { Some(reference.as_ref()) } else { None }
    }

    /// Whether it is a reference of the family of `anyref`, null or not.
    pub fn is_any(&self) -> bool {
        self.as_any().is_some()
    }

    /// The reference of the family of `anyref`, if it is one; `Some(None)` is null.
    pub fn as_any(&self) -> Option<Option<&Rooted<AnyRef>>> {
        if let Self::Any(reference) = self { Some(reference.as_ref()) } else { None }
    }
}

unwraps! { Ref:
    /// The function reference; `None` is null.
    unwrap_func -> Option<&Func> = as_func, "a function reference";
    /// The external reference; `None` is null.
    unwrap_extern -> Option<&Rooted<ExternRef>> = as_extern, "an external reference";
    /// The reference to an exception; `None` is null.
    unwrap_exn -> Option<&Rooted<ExnRef>> = as_exn, "a reference to an exception";
    /// The reference of the family of `anyref`; `None` is null.
    unwrap_any -> Option<&Rooted<AnyRef>> = as_any, "a reference of the family of anyref";
}

macro_rules! from_rust {
    ($on:ty: $($rust:ty => $variant:ident, $convert:expr;)*) => {$(
        impl From<$rust> for $on {
            fn from(value: $rust) -> Self {
                #[allow(clippy::redundant_closure_call)]
                Self::$variant(($convert)(value))
            }
        }
    )*};
}

from_rust! { Ref:
    Func => Func, Some;
    Option<Func> => Func, |func| func;
    Rooted<ExternRef> => Extern, Some;
    Option<Rooted<ExternRef>> => Extern, |reference| reference;
    Rooted<ExnRef> => Exn, Some;
    Option<Rooted<ExnRef>> => Exn, |reference| reference;
    Rooted<AnyRef> => Any, Some;
    Option<Rooted<AnyRef>> => Any, |reference| reference;
    Rooted<EqRef> => Any, |reference: Rooted<EqRef>| Some(reference.to_anyref());
    Option<Rooted<EqRef>> => Any, |reference: Option<Rooted<EqRef>>| reference.map(Rooted::<EqRef>::to_anyref);
    Rooted<StructRef> => Any, |reference: Rooted<StructRef>| Some(reference.to_anyref());
    Option<Rooted<StructRef>> => Any, |reference: Option<Rooted<StructRef>>| reference.map(Rooted::<StructRef>::to_anyref);
    Rooted<ArrayRef> => Any, |reference: Rooted<ArrayRef>| Some(reference.to_anyref());
    Option<Rooted<ArrayRef>> => Any, |reference: Option<Rooted<ArrayRef>>| reference.map(Rooted::<ArrayRef>::to_anyref);
}

from_rust! { Val:
    i32 => I32, |n| n;
    u32 => I32, |n: u32| n as i32;
    i64 => I64, |n| n;
    u64 => I64, |n: u64| n as i64;
    f32 => F32, f32::to_bits;
    f64 => F64, f64::to_bits;
    V128 => V128, |n| n;
    u128 => V128, V128::from;
    Func => FuncRef, Some;
    Option<Func> => FuncRef, |f| f;
    Rooted<ExternRef> => ExternRef, Some;
    Option<Rooted<ExternRef>> => ExternRef, |r| r;
    Rooted<ExnRef> => ExnRef, Some;
    Option<Rooted<ExnRef>> => ExnRef, |r| r;
    Rooted<AnyRef> => AnyRef, Some;
    Option<Rooted<AnyRef>> => AnyRef, |r| r;
    Rooted<EqRef> => AnyRef, |r: Rooted<EqRef>| Some(r.to_anyref());
    Option<Rooted<EqRef>> => AnyRef, |r: Option<Rooted<EqRef>>| r.map(Rooted::<EqRef>::to_anyref);
    Rooted<StructRef> => AnyRef, |r: Rooted<StructRef>| Some(r.to_anyref());
    Option<Rooted<StructRef>> => AnyRef, |r: Option<Rooted<StructRef>>| r.map(Rooted::<StructRef>::to_anyref);
    Rooted<ArrayRef> => AnyRef, |r: Rooted<ArrayRef>| Some(r.to_anyref());
    Option<Rooted<ArrayRef>> => AnyRef, |r: Option<Rooted<ArrayRef>>| r.map(Rooted::<ArrayRef>::to_anyref);
}

impl From<Ref> for Val {
    fn from(reference: Ref) -> Self {
        match reference {
            Ref::Func(func) => Self::FuncRef(func),
            Ref::Extern(reference) => Self::ExternRef(reference),
            Ref::Exn(reference) => Self::ExnRef(reference),
            Ref::Any(reference) => Self::AnyRef(reference),
        }
    }
}

/// Whether a heap type is of the family of `externref`.
pub(crate) fn is_external(heap: HeapType) -> bool {
    matches!(heap, HeapType::Extern | HeapType::NoExtern)
}

impl StoreInner {
    /// The bits of a value, checked against the type that `what` must have.
    pub(crate) fn val_to_bits(&mut self, value: &Val, ty: ValType, what: impl Fn() -> String) -> Result<u128> {
        Ok(match (value, ty) {
            (Val::I32(n), ValType::I32) => *n as u32 as u128,
            (Val::I64(n), ValType::I64) => *n as u64 as u128,
            (Val::F32(bits), ValType::F32) => u128::from(*bits),
            (Val::F64(bits), ValType::F64) => u128::from(*bits),
            (Val::V128(vector), ValType::V128) => vector.as_u128(),
            (Val::FuncRef(func), ValType::Ref(r)) if r.repr() == RefRepr::Func => {
                u128::from(self.ref_to_bits(&Ref::Func(*func), r)?)
            }
            (Val::ExternRef(reference), ValType::Ref(r)) if r.repr() == RefRepr::Index => {
                u128::from(self.ref_to_bits(&Ref::Extern(*reference), r)?)
            }
            (Val::ExnRef(reference), ValType::Ref(r)) if r.is_exception() => {
                u128::from(self.ref_to_bits(&Ref::Exn(*reference), r)?)
            }
            (Val::AnyRef(reference), ValType::Ref(r)) if r.is_traced() => {
                u128::from(self.ref_to_bits(&Ref::Any(*reference), r)?)
            }
            _ => return Err(Error::mismatch(what(), ty, value.plain_type())),
        })
    }

    /// The bits of a reference, checked against a reference type.
    pub(crate) fn ref_to_bits(&mut self, reference: &Ref, ty: RefType) -> Result<u64> {
        let mismatch = |found: &str| Error::mismatch("reference", ty, found);
        match (reference, ty.repr()) {
            (Ref::Func(None), RefRepr::Func) if ty.nullable => Ok(0),
            (Ref::Extern(None), RefRepr::Index) if ty.nullable && is_external(ty.heap) => Ok(0),
            (Ref::Any(None), RefRepr::Index) if ty.nullable && ty.is_traced() && !is_external(ty.heap) => Ok(0),
            (Ref::Exn(None), RefRepr::Index) if ty.nullable && ty.is_exception() => Ok(0),
            (Ref::Exn(Some(reference)), RefRepr::Index) if matches!(ty.heap, HeapType::Exn) => {
                Ok(u64::from(number_of_root(reference.bits(self)?)))
            }
            (Ref::Func(Some(func)), RefRepr::Func) => {
                self.check(func.store, "function")?;
                let (found, _, signature) = self.signature_of(func.entry);
                let fits = match ty.heap {
                    HeapType::ConcreteFunc(of) => self.runtime.signatures().is_subtype(signature, of.0),
                    heap => heap == HeapType::Func,
                };
                if !fits {
                    return Err(mismatch(&format!("a function {found}")));
                }
                Ok(self.func_ref(func.entry)? as u64)
            }
            (Ref::Extern(Some(reference)), RefRepr::Index) if matches!(ty.heap, HeapType::Extern) => {
                Ok(reference.bits(self)?.into())
            }
            (Ref::Any(Some(reference)), RefRepr::Index) if ty.is_traced() && !is_external(ty.heap) => {
                let bits = reference.bits(self)?;
                if !self.is_of_type(bits, ty.heap) {
                    return Err(mismatch(self.kind_of(bits)));
                }
                Ok(bits.into())
            }
            (Ref::Any(None), _) => Err(mismatch("a null reference")),
            (Ref::Any(_), _) => Err(mismatch("a reference of the family of anyref")),
            (Ref::Func(None), _) => Err(mismatch("a null function reference")),
            (Ref::Extern(None), _) => Err(mismatch("a null external reference")),
            (Ref::Func(_), _) => Err(mismatch("a function reference")),
            (Ref::Extern(_), _) => Err(mismatch("an external reference")),
            (Ref::Exn(None), _) => Err(mismatch("a null exception reference")),
            (Ref::Exn(_), _) => Err(mismatch("an exception reference")),
        }
    }

    /// The value that bits of a type stand for, from now on held by the host.
    ///
    /// # Safety
    /// The bits must have been made as this type by this store: function references are followed.
    pub(crate) unsafe fn val_from_bits(&mut self, bits: u128, ty: ValType) -> Val {
        match ty {
            ValType::I32 => Val::I32(bits as u32 as i32),
            ValType::I64 => Val::I64(bits as u64 as i64),
            ValType::F32 => Val::F32(bits as u32),
            ValType::F64 => Val::F64(bits as u64),
            ValType::V128 => Val::V128(V128::from(bits)),
            ValType::Ref(r) => match r.repr() {
                // SAFETY: the bits were made as a function reference of this store, as the caller promises (invariant 17).
                RefRepr::Func => Val::FuncRef(unsafe { self.func_from_bits(bits as u64) }),
                RefRepr::Index => self.index_ref_from_bits(bits as u32, r).into(),
            },
        }
    }

    /// The reference of an index type that bits stand for.
    pub(crate) fn index_ref_from_bits(&mut self, bits: u32, ty: RefType) -> Ref {
        match (ty.is_exception(), bits) {
            (true, 0) => Ref::Exn(None),
            (true, number) => Ref::Exn(Some(self.hold_exception(number))),
            (false, bits) if is_external(ty.heap) => self.extern_from_bits(bits),
            (false, 0) => Ref::Any(None),
            (false, bits) => Ref::Any(Some(self.hold(bits))),
        }
    }

    /// The external reference that bits stand for.
    pub(crate) fn extern_from_bits(&mut self, bits: u32) -> Ref {
        Ref::Extern((bits != 0).then(|| self.hold(bits)))
    }

    /// The same value, held as long as its owner lives.
    pub(crate) fn own_val(&mut self, value: &Val) -> Result<(Val, Option<Owner>)> {
        let bits = match value {
            Val::ExternRef(Some(reference)) => reference.bits(self)?,
            Val::AnyRef(Some(reference)) => reference.bits(self)?,
            Val::ExnRef(Some(reference)) => reference.bits(self)?,
            other => return Ok((*other, None)),
        };
        let (root, owner) = self.roots.own(bits);
        let held = Held { store: self.id, root };
        let value = match value {
            Val::ExternRef(_) => Val::ExternRef(Some(Rooted::of_held(held))),
            Val::AnyRef(_) => Val::AnyRef(Some(Rooted::of_held(held))),
            _ => Val::ExnRef(Some(Rooted::of_held(held))),
        };
        Ok((value, Some(owner)))
    }
}

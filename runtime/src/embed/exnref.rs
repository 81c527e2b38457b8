//! References to exceptions, as embedders make and look at them.

use crate::base::error::{Error, Result};
use crate::embed::rooted::{ExnRef, OwnedRooted, Rooted};
use crate::embed::value::Val;
use crate::store::exception::{Exception, Tag, ThrownException, number_of_root};
use crate::store::inner::{AsContext, AsContextMut, Store, StoreContextMut, StoreId};
use crate::types::{ExnType, HeapType, TagType};

/// What exceptions of a type are made with.
#[derive(Clone, Debug)]
pub struct ExnRefPre {
    store: StoreId,
    ty: ExnType,
}

impl ExnRefPre {
    /// For exceptions of this type.
    ///
    /// # Panics
    /// If the type is of another engine.
    pub fn new(mut store: impl AsContextMut, ty: ExnType) -> Self {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let checked = ty.tag_type().ty().to_abi(inner.runtime.signatures());
        checked.unwrap_or_else(|error| panic!("{error}"));
        Self { store: inner.id, ty }
    }
}

impl Exception {
    /// Puts the exception into the store, for guests to throw.
    ///
    /// # Errors
    /// If it is of another store, or a limit is reached.
    pub fn to_exnref(&self, mut store: impl AsContextMut) -> Result<Rooted<ExnRef>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let number = inner.add_exception(self)?;
        Ok(inner.hold_exception(number))
    }
}

impl ExnRef {
    /// A new exception, for guests to throw.
    ///
    /// # Errors
    /// If the fields are not what the tag's type says, or a limit is reached.
    ///
    /// # Panics
    /// If the tag or what it is made with is of another store.
    pub fn new(mut store: impl AsContextMut, allocator: &ExnRefPre, tag: &Tag, fields: &[Val]) -> Result<Rooted<Self>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.assert_owns(allocator.store, "what exceptions are made with");
        inner.assert_owns(tag.store, "tag");
        let of_tag = inner.tags[tag.index as usize].type_id;
        if allocator.ty.id() != of_tag {
            return Err(Error::mismatch("exception", allocator.ty.to_string(), "a tag of another type"));
        }
        let number = inner.exception_of(*tag, fields)?;
        Ok(inner.hold_exception(number))
    }

    /// The exception, with what it carries.
    ///
    /// # Panics
    /// If the reference is of another store, or no longer held.
    pub fn exception(&self, mut store: impl AsContextMut) -> Exception {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let bits = self.bits(inner).unwrap_or_else(|error| panic!("{error}"));
        inner.exception(number_of_root(bits))
    }

    /// The type of the exception.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn ty(&self, store: impl AsContext) -> Result<ExnType> {
        let context = store.as_context();
        let inner = context.inner();
        let (tag, _) = inner.look_at(*self)?;
        let ty = crate::types::FuncType::of_id(inner.runtime.signatures(), inner.tags[tag as usize].type_id);
        ExnType::from_tag_type(&TagType::new(ty))
    }

    /// Whether it can stand where a reference to this is asked for.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn matches_ty(&self, store: impl AsContext, ty: &HeapType) -> Result<bool> {
        self.bits(store.as_context().inner())?;
        Ok(HeapType::Exn.matches(ty))
    }

    /// The tag.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn tag(&self, mut store: impl AsContextMut) -> Result<Tag> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        Ok(Tag { store: inner.id, index: inner.look_at(*self)?.0 })
    }

    /// What a field holds.
    ///
    /// # Errors
    /// If there is no such field, or the reference is of another store, or no longer held.
    pub fn field(&self, mut store: impl AsContextMut, index: usize) -> Result<Val> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let (tag, words) = inner.look_at(*self)?;
        let ty = inner.tags[tag as usize].ty.params.get(index).copied();
        let ty = ty.ok_or_else(|| Error::misuse(format!("the exception has no field {index}")))?;
        let bits = u128::from_le_bytes(words[1 + index].bytes);
        // SAFETY: validated code or `add_exception` has written the fields of this store's exception as the types of its tag
        // (invariant 17); what they refer to is there as long as the exception is (invariant 14).
        Ok(unsafe { inner.val_from_bits(bits, ty) })
    }

    /// What the fields hold.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn fields<'a, T: 'static, E: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T, E>>,
    ) -> Result<impl ExactSizeIterator<Item = Val> + 'a> {
        let mut context: StoreContextMut<'a, T, E> = store.into();
        let inner = context.inner();
        let (tag, _) = inner.look_at(*self)?;
        let (count, this) = (inner.tags[tag as usize].ty.params.len(), *self);
        Ok((0..count).map(move |index| this.field(&mut context, index).expect("a field of an exception that is held")))
    }
}

macro_rules! throwing {
    ($($(#[$doc:meta])* $on:ty;)*) => {$(
        impl<T: 'static, E: 'static> $on {
            $(#[$doc])*
            ///
            /// The result is always an error, [`ThrownException`], for a host function to return: so it throws the exception in
            /// the guest that has called it. Returning an [`Exception`] as the error is another way to throw.
            ///
            /// # Errors
            /// Always. Another one if the reference is of another store, or no longer held.
            pub fn throw<R>(&mut self, exception: Rooted<ExnRef>) -> Result<R> {
                let inner = self.inner();
                let bits = exception.bits(inner)?;
                inner.pending_exception = Some(OwnedRooted::new(inner, bits));
                Err(ThrownException.into())
            }

            /// Takes the exception that was thrown last and not caught.
            pub fn take_pending_exception(&mut self) -> Option<Rooted<ExnRef>> {
                let inner = self.inner();
                let pending = inner.pending_exception.take()?;
                let bits = pending.bits(inner).ok()?;
                Some(inner.hold(bits))
            }
        }
    )*};
}

throwing! {
    /// Makes an exception the store's pending one, which the error of a host function throws.
    Store<T, E>;
    /// Makes an exception the store's pending one, which the error of a host function throws.
    StoreContextMut<'_, T, E>;
}

impl<T: 'static, E: 'static> Store<T, E> {
    /// Whether there is an exception that was thrown and not caught.
    pub fn has_pending_exception(&self) -> bool {
        self.as_context().inner().pending_exception.is_some()
    }
}

impl<T: 'static, E: 'static> StoreContextMut<'_, T, E> {
    /// Whether there is an exception that was thrown and not caught.
    pub fn has_pending_exception(&self) -> bool {
        self.as_context().inner().pending_exception.is_some()
    }
}

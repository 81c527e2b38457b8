//! How the host holds references: to the end of a scope, or as long as a handle of its own lives.
//!
//! A [`Rooted`] is a place in the store's list of roots, checked each time it is used: one whose scope has ended is an error,
//! and never another reference.

use crate::base::error::Result;
use crate::heap::roots::{Owner, RootId, ScopeMark};
use crate::serve::collector::forgotten;
use crate::store::exception::root_of_number;
use crate::store::inner::{AsContext, AsContextMut, StoreContext, StoreContextMut, StoreId, StoreInner};
use epsilon_abi::{HeapType, RefType};
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Where a reference is held.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Held {
    pub store: StoreId,
    pub root: RootId,
}

impl Held {
    /// The reference's bits.
    ///
    /// # Errors
    /// If it is of another store, or no longer held.
    pub fn bits(self, inner: &StoreInner, what: &'static str) -> Result<u32> {
        inner.check(self.store, what)?;
        inner.roots.get(self.root).ok_or_else(|| forgotten(what))
    }
}

/// A kind of references that the host holds: [`ExternRef`](crate::ExternRef), [`AnyRef`](crate::AnyRef),
/// [`EqRef`](crate::EqRef), [`StructRef`](crate::StructRef), [`ArrayRef`](crate::ArrayRef) and [`ExnRef`](crate::ExnRef).
pub trait GcRef: kind::Kind {}

impl<T: kind::Kind> GcRef for T {}

/// What a [`Rooted`] and an [`OwnedRooted`] have in common.
pub trait RootedGcRef<T: GcRef>: kind::Holds<T> {}

impl<T: GcRef, R: kind::Holds<T>> RootedGcRef<T> for R {}

pub(crate) mod kind {
    use super::Held;
    use crate::embed::value::Ref;
    use epsilon_abi::HeapType;

    /// A kind of references; out of reach of other crates.
    pub trait Kind: Copy + std::fmt::Debug + Send + Sync + 'static {
        /// The type of all of the kind.
        #[doc(hidden)]
        const HEAP: HeapType;
        /// What errors call one.
        #[doc(hidden)]
        const WHAT: &'static str;
        #[doc(hidden)]
        fn of_held(held: Held) -> Self;
        #[doc(hidden)]
        fn held(self) -> Held;
        /// As a reference of its family.
        #[doc(hidden)]
        fn into_ref(held: Held) -> Ref;
    }

    /// What holds a reference of a kind.
    pub trait Holds<T> {
        #[doc(hidden)]
        fn where_held(&self) -> Held;
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $heap:ident, $what:literal, $into:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $kind(pub(crate) Held);

        impl kind::Kind for $kind {
            const HEAP: HeapType = HeapType::$heap;
            const WHAT: &'static str = $what;

            fn of_held(held: Held) -> Self {
                Self(held)
            }

            fn held(self) -> Held {
                self.0
            }

            fn into_ref(held: Held) -> crate::embed::value::Ref {
                #[allow(clippy::redundant_closure_call)]
                ($into)(held)
            }
        }

        impl $kind {
            /// The reference's bits, if it is still held.
            pub(crate) fn bits(self, inner: &StoreInner) -> Result<u32> {
                self.0.bits(inner, $what)
            }
        }
    )*};
}

kinds! {
    /// Something of the host that guests can hold but not look into; or something of guests that they have converted.
    ///
    /// The host has it in a [`Rooted`] or an [`OwnedRooted`]. What guests hold lives as long as they do.
    ///
    /// ```
    /// use epsilon::{Engine, ExternRef, Store};
    /// let mut store = Store::new(&Engine::default(), ());
    /// let reference = ExternRef::new(&mut store, "a file")?;
    /// assert_eq!(reference.data(&store)?.and_then(|data| data.downcast_ref()), Some(&"a file"));
    /// # Ok::<(), epsilon::Error>(())
    /// ```
    ExternRef, Extern, "external reference", |held| crate::embed::value::Ref::Extern(Some(Rooted(Self(held))));
    /// A reference to an object of guests, an [`I31`](crate::I31), or something of the host that was converted.
    ///
    /// ```
    /// use epsilon::{AnyRef, Engine, I31, Store};
    /// let mut store = Store::new(&Engine::default(), ());
    /// let reference = AnyRef::from_i31(&mut store, I31::wrapping_u32(7));
    /// assert_eq!(reference.unwrap_i31(&store)?.get_u32(), 7);
    /// # Ok::<(), epsilon::Error>(())
    /// ```
    AnyRef, Any, "reference", |held| crate::embed::value::Ref::Any(Some(Rooted(Self(held))));
    /// A reference that guests can compare: to a structure, an array, or an [`I31`](crate::I31).
    ///
    /// ```
    /// use epsilon::{AnyRef, Engine, EqRef, I31, Store};
    /// let mut store = Store::new(&Engine::default(), ());
    /// let number = EqRef::from_i31(&mut store, I31::wrapping_u32(7));
    /// assert!(number.is_i31(&store)? && number.to_anyref().is_eqref(&store)?);
    /// # Ok::<(), epsilon::Error>(())
    /// ```
    EqRef, Eq, "reference", |held| crate::embed::value::Ref::Any(Some(Rooted(AnyRef(held))));
    /// A reference to a structure.
    ///
    /// ```
    /// use epsilon::{Engine, FieldType, Mutability, Store, StructRef, StructRefPre, StructType, Val, ValType};
    /// let mut store = Store::new(&Engine::default(), ());
    /// let field = FieldType::new(Mutability::Var, ValType::I32.into());
    /// let ty = StructType::new(store.engine(), [field])?;
    /// let pre = StructRefPre::new(&mut store, ty);
    /// let counter = StructRef::new(&mut store, &pre, &[Val::I32(1)])?;
    /// counter.set_field(&mut store, 0, Val::I32(2))?;
    /// assert_eq!(counter.field(&mut store, 0)?.unwrap_i32(), 2);
    /// # Ok::<(), epsilon::Error>(())
    /// ```
    StructRef, Struct, "reference", |held| crate::embed::value::Ref::Any(Some(Rooted(AnyRef(held))));
    /// A reference to an array.
    ///
    /// ```
    /// use epsilon::{ArrayRef, ArrayRefPre, ArrayType, Engine, FieldType, Mutability, StorageType, Store, Val};
    /// let mut store = Store::new(&Engine::default(), ());
    /// let bytes = ArrayType::new(store.engine(), FieldType::new(Mutability::Var, StorageType::I8));
    /// let pre = ArrayRefPre::new(&mut store, bytes);
    /// let array = ArrayRef::new(&mut store, &pre, &Val::I32(7), 3)?;
    /// assert_eq!((array.len(&store)?, array.get(&mut store, 2)?.unwrap_i32()), (3, 7));
    /// # Ok::<(), epsilon::Error>(())
    /// ```
    ArrayRef, Array, "reference", |held| crate::embed::value::Ref::Any(Some(Rooted(AnyRef(held))));
    /// A reference to an exception, which a guest caught or the host made.
    ///
    /// ```
    /// use epsilon::{Engine, ExnRef, ExnRefPre, FuncType, Store, Tag, TagType, Val, ValType};
    /// let mut store = Store::new(&Engine::default(), ());
    /// let ty = TagType::new(FuncType::new(store.engine(), [ValType::I32], []));
    /// let tag = Tag::new(&mut store, &ty)?;
    /// let pre = ExnRefPre::new(&mut store, epsilon::ExnType::from_tag_type(&ty)?);
    /// let exception = ExnRef::new(&mut store, &pre, &tag, &[Val::I32(7)])?;
    /// assert_eq!(exception.field(&mut store, 0)?.unwrap_i32(), 7);
    /// # Ok::<(), epsilon::Error>(())
    /// ```
    ExnRef, Exn, "exception", |held| crate::embed::value::Ref::Exn(Some(Rooted(Self(held))));
}

/// A reference that the host holds to the end of the scope that it was made in: that of the innermost [`RootScope`], or of the
/// host function that made it or got it; outside of those as long as the store lives. Using it later is an error.
///
/// Its kind's methods are there as well. `==` is not: [`Rooted::ref_eq`] compares what two refer to.
pub struct Rooted<T: GcRef>(pub(crate) T);

impl<T: GcRef> Clone for Rooted<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: GcRef> Copy for Rooted<T> {}

impl<T: GcRef> Debug for Rooted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rooted").field(&self.0.held()).finish()
    }
}

impl<T: GcRef> Deref for Rooted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: GcRef> kind::Holds<T> for Rooted<T> {
    fn where_held(&self) -> Held {
        self.0.held()
    }
}

impl<T: GcRef> Rooted<T> {
    pub(crate) fn of_held(held: Held) -> Self {
        Self(T::of_held(held))
    }

    pub(crate) fn as_kind<U: GcRef>(self) -> Rooted<U> {
        Rooted::of_held(self.0.held())
    }

    /// The same reference, held as long as the result or a clone of it lives.
    ///
    /// # Errors
    /// If it is of another store, or no longer held.
    pub fn to_owned_rooted(&self, mut store: impl AsContextMut) -> Result<OwnedRooted<T>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let bits = self.0.held().bits(inner, T::WHAT)?;
        Ok(OwnedRooted::new(inner, bits))
    }

    /// Whether these are two of the same place: two places may hold one reference, for which there is [`Rooted::ref_eq`].
    pub fn rooted_eq(a: Self, b: Self) -> bool {
        a.0.held() == b.0.held()
    }

    /// Whether two references are to the same thing.
    ///
    /// # Errors
    /// If one is of another store, or no longer held.
    pub fn ref_eq(store: impl AsContext, a: &impl RootedGcRef<T>, b: &impl RootedGcRef<T>) -> Result<bool> {
        let context = store.as_context();
        let inner = context.inner();
        Ok(a.where_held().bits(inner, T::WHAT)? == b.where_held().bits(inner, T::WHAT)?)
    }

    /// A hash that agrees with [`Rooted::rooted_eq`].
    pub fn rooted_hash<H: Hasher>(&self, state: &mut H) {
        self.0.held().hash(state);
    }

    /// A hash that agrees with [`Rooted::ref_eq`] until garbage is collected, which moves objects.
    ///
    /// # Errors
    /// If it is of another store, or no longer held.
    pub fn ref_hash<H: Hasher>(&self, store: impl AsContext, state: &mut H) -> Result<()> {
        self.0.held().bits(store.as_context().inner(), T::WHAT)?.hash(state);
        Ok(())
    }
}

/// A reference that the host holds as long as this or a clone of it lives, whatever scopes end meanwhile.
///
/// ```
/// use epsilon::{Engine, ExternRef, RootScope, Store};
/// let mut store = Store::new(&Engine::default(), ());
/// let (rooted, owned) = {
///     let mut scope = RootScope::new(&mut store);
///     let rooted = ExternRef::new(&mut scope, 7)?;
///     (rooted, rooted.to_owned_rooted(&mut scope)?)
/// };
/// assert!(rooted.data(&store).is_err() && owned.data(&store).is_ok());
/// # Ok::<(), epsilon::Error>(())
/// ```
pub struct OwnedRooted<T: GcRef> {
    rooted: Rooted<T>,
    owner: Owner,
}

impl<T: GcRef> Clone for OwnedRooted<T> {
    fn clone(&self) -> Self {
        Self { rooted: self.rooted, owner: self.owner.clone() }
    }
}

impl<T: GcRef> Debug for OwnedRooted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedRooted").field(&self.rooted.0.held()).finish()
    }
}

impl<T: GcRef> Deref for OwnedRooted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.rooted.0
    }
}

impl<T: GcRef> kind::Holds<T> for OwnedRooted<T> {
    fn where_held(&self) -> Held {
        self.rooted.0.held()
    }
}

impl<T: GcRef> OwnedRooted<T> {
    pub(crate) fn new(inner: &mut StoreInner, bits: u32) -> Self {
        let (root, owner) = inner.roots.own(bits);
        Self { rooted: Rooted::of_held(Held { store: inner.id, root }), owner }
    }

    pub(crate) fn into_kind<U: GcRef>(self) -> OwnedRooted<U> {
        OwnedRooted { rooted: self.rooted.as_kind(), owner: self.owner }
    }

    pub(crate) fn rooted(&self) -> Rooted<T> {
        self.rooted
    }

    /// The same reference, held to the end of the present scope.
    ///
    /// # Panics
    /// If it is of another store.
    pub fn to_rooted(&self, mut store: impl AsContextMut) -> Rooted<T> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.assert_owns(self.rooted.0.held().store, T::WHAT);
        let bits = self.rooted.0.held().bits(inner, T::WHAT).expect("held as long as this lives");
        inner.hold(bits)
    }

    /// As [`Rooted::ref_eq`].
    ///
    /// # Errors
    /// If one is of another store, or no longer held.
    pub fn ref_eq(store: impl AsContext, a: &impl RootedGcRef<T>, b: &impl RootedGcRef<T>) -> Result<bool> {
        Rooted::ref_eq(store, a, b)
    }

    /// A hash of the place that holds it: clones have the same.
    pub fn rooted_hash<H: Hasher>(&self, state: &mut H) {
        self.rooted.rooted_hash(state);
    }

    /// As [`Rooted::ref_hash`].
    ///
    /// # Panics
    /// If it is of another store.
    pub fn ref_hash<H: Hasher>(&self, store: impl AsContext, state: &mut H) {
        let hashed = self.rooted.ref_hash(store, state);
        hashed.unwrap_or_else(|error| panic!("{error}"));
    }
}

impl StoreInner {
    /// A reference, held to the end of the present scope.
    #[inline]
    pub(crate) fn hold<T: GcRef>(&mut self, bits: u32) -> Rooted<T> {
        Rooted::of_held(Held { store: self.id, root: self.roots.push(bits) })
    }
}

/// The bits that a root has of a reference: exceptions have numbers there that the collector does not follow.
fn root_bits<T: GcRef>(bits: u32) -> u32 {
    if matches!(T::HEAP, HeapType::Exn) { root_of_number(bits) } else { bits }
}

impl StoreInner {
    /// A reference that machine code has, held to the end of the present scope; `None` if it is null.
    pub(crate) fn hold_bits<T: GcRef>(&mut self, bits: u32) -> Option<Rooted<T>> {
        (bits != 0).then(|| self.hold(root_bits::<T>(bits)))
    }

    /// A reference that machine code has, held as long as the result lives; `None` if it is null.
    pub(crate) fn own_bits<T: GcRef>(&mut self, bits: u32) -> Option<OwnedRooted<T>> {
        (bits != 0).then(|| OwnedRooted::new(self, root_bits::<T>(bits)))
    }
}

/// The type of a reference of a kind.
pub const fn type_of<T: GcRef>(nullable: bool) -> RefType {
    RefType { nullable, heap: T::HEAP }
}

macro_rules! upcasts {
    ($($from:ident => $to:ident, $method:ident;)*) => {$(
        impl Rooted<$from> {
            #[doc = concat!("As [`", stringify!($to), "`].")]
            pub fn $method(self) -> Rooted<$to> {
                self.as_kind()
            }
        }

        impl OwnedRooted<$from> {
            #[doc = concat!("As [`", stringify!($to), "`].")]
            pub fn $method(self) -> OwnedRooted<$to> {
                self.into_kind()
            }
        }

        impl From<Rooted<$from>> for Rooted<$to> {
            fn from(reference: Rooted<$from>) -> Self {
                reference.as_kind()
            }
        }

        impl From<OwnedRooted<$from>> for OwnedRooted<$to> {
            fn from(reference: OwnedRooted<$from>) -> Self {
                reference.into_kind()
            }
        }
    )*};
}

upcasts! {
    EqRef => AnyRef, to_anyref;
    StructRef => AnyRef, to_anyref;
    StructRef => EqRef, to_eqref;
    ArrayRef => AnyRef, to_anyref;
    ArrayRef => EqRef, to_eqref;
}

/// A scope: what is made through it is held until it is dropped.
///
/// ```
/// use epsilon::{Engine, ExternRef, RootScope, Store};
/// let mut store = Store::new(&Engine::default(), ());
/// let reference = {
///     let mut scope = RootScope::new(&mut store);
///     ExternRef::new(&mut scope, "short-lived")?
/// };
/// assert!(reference.data(&store).is_err());
/// # Ok::<(), epsilon::Error>(())
/// ```
#[derive(Debug)]
pub struct RootScope<C: AsContextMut> {
    store: C,
    begin: ScopeMark,
}

impl<C: AsContextMut> RootScope<C> {
    /// Begins a scope.
    pub fn new(mut store: C) -> Self {
        let begin = store.as_context_mut().inner().roots.enter();
        Self { store, begin }
    }

    /// Makes room for so many more references.
    pub fn reserve(&mut self, additional: usize) {
        self.store.as_context_mut().inner().roots.reserve(additional);
    }
}

impl<C: AsContextMut> Drop for RootScope<C> {
    fn drop(&mut self) {
        self.store.as_context_mut().inner().roots.leave(self.begin);
    }
}

impl<C: AsContextMut> AsContext for RootScope<C> {
    type Data = C::Data;
    type Engine = C::Engine;

    fn as_context(&self) -> StoreContext<'_, C::Data, C::Engine> {
        self.store.as_context()
    }
}

impl<C: AsContextMut> AsContextMut for RootScope<C> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data, C::Engine> {
        self.store.as_context_mut()
    }
}

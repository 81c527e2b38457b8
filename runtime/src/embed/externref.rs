//! References to things of the host, as embedders make and look at them.

use crate::base::error::Result;
use crate::embed::rooted::{AnyRef, ExternRef, Rooted};
use crate::heap::host_number;
use crate::store::inner::{AsContextMut, StoreContext, StoreContextMut};
use std::any::Any;
use std::fmt;

impl ExternRef {
    /// Puts a value into the store and returns the reference to it.
    ///
    /// # Errors
    /// If a limit is reached or memory has run out: a [`GcHeapOutOfMemory`] with the value is found in it.
    pub fn new<V: Any + Send + Sync>(mut store: impl AsContextMut, value: V) -> Result<Rooted<Self>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        match inner.add_host_value(Box::new(value)) {
            Ok(reference) => Ok(inner.hold(reference)),
            Err((value, error)) => {
                let value: Box<dyn Any> = value;
                let value = *value.downcast::<V>().expect("the value that was given");
                let reason = error.to_string();
                Err(error.context(GcHeapOutOfMemory { value, reason }))
            }
        }
    }

    /// As `extern.convert_any`.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn convert_any(mut store: impl AsContextMut, any: Rooted<AnyRef>) -> Result<Rooted<Self>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let bits = any.bits(inner)?;
        Ok(inner.hold(bits))
    }

    /// The value. `None` if the reference is to something of guests, which has no data.
    ///
    /// # Errors
    /// If the reference is of another store, or is no longer held.
    pub fn data<'a, T: 'static, E: 'static>(
        &self,
        store: impl Into<StoreContext<'a, T, E>>,
    ) -> Result<Option<&'a (dyn Any + Send + Sync)>> {
        let inner = store.into().inner();
        let number = host_number(self.bits(inner)?);
        Ok(number.and_then(|number| inner.hosts.get(number)))
    }

    /// The value, to be changed. `None` if the reference is to something of guests, which has no data.
    ///
    /// # Errors
    /// If the reference is of another store, or is no longer held.
    pub fn data_mut<'a, T: 'static, E: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T, E>>,
    ) -> Result<Option<&'a mut (dyn Any + Send + Sync)>> {
        let inner = store.into().into_inner();
        let number = host_number(self.bits(inner)?);
        Ok(number.and_then(|number| inner.hosts.get_mut(number)))
    }
}

/// There was no room for a value that guests could hold. It holds the value, which can be tried again when there is room.
///
/// ```
/// use epsilon::{Engine, ExternRef, GcHeapOutOfMemory, Store, StoreLimits, StoreLimitsBuilder};
/// let limits = StoreLimitsBuilder::new().total_memory(0).build();
/// let mut store = Store::new(&Engine::default(), limits);
/// store.limiter(|limits| limits);
/// let error = ExternRef::new(&mut store, "a file").unwrap_err();
/// let (value, _) = error.downcast::<GcHeapOutOfMemory<&str>>().expect("no room").into_inner();
/// assert_eq!(value, "a file");
/// ```
pub struct GcHeapOutOfMemory<T> {
    value: T,
    reason: String,
}

impl<T> GcHeapOutOfMemory<T> {
    /// The value, and the error without it.
    pub fn into_inner(self) -> (T, GcHeapOutOfMemory<()>) {
        (self.value, GcHeapOutOfMemory { value: (), reason: self.reason })
    }
}

impl<T> fmt::Display for GcHeapOutOfMemory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl<T> fmt::Debug for GcHeapOutOfMemory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcHeapOutOfMemory").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<T> std::error::Error for GcHeapOutOfMemory<T> {}

//! References to things of the host, as embedders make and look at them.

use crate::base::error::Result;
use crate::embed::rooted::{AnyRef, ExternRef, Rooted};
use crate::heap::host_number;
use crate::store::inner::{AsContextMut, StoreContext, StoreContextMut};
use std::any::Any;

impl ExternRef {
    /// Puts a value into the store and returns the reference to it.
    ///
    /// # Errors
    /// If a limit is reached or memory has run out.
    pub fn new(mut store: impl AsContextMut, value: impl Any + Send + Sync) -> Result<Rooted<Self>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let reference = inner.add_host_value(Box::new(value))?;
        Ok(inner.hold(reference))
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

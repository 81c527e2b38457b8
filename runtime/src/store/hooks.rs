//! What the embedder wants to be asked or told while guests run: closures beside the data of a store.

use crate::base::error::Result;
use crate::store::inner::{Store, StoreBox, StoreContextMut, StoreInner};

/// A step between the host and wasm: see [`Store::call_hook`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallHook {
    /// The host calls a function of a store.
    CallingWasm,
    /// That call is back.
    ReturningFromWasm,
    /// Wasm calls a function of the host.
    CallingHost,
    /// That call is back.
    ReturningFromHost,
}

impl CallHook {
    /// Whether the host is about to run.
    pub fn entering_host(&self) -> bool {
        matches!(self, Self::ReturningFromWasm | Self::CallingHost)
    }

    /// Whether wasm is about to run.
    pub fn exiting_host(&self) -> bool {
        matches!(self, Self::ReturningFromHost | Self::CallingWasm)
    }
}

type OnCall<T> = Box<dyn FnMut(&mut StoreBox<T>, CallHook) -> Result<()> + Send + Sync>;

/// The closures of a store.
pub(crate) struct Hooks<T> {
    on_call: Option<OnCall<T>>,
}

impl<T> Default for Hooks<T> {
    fn default() -> Self {
        Self { on_call: None }
    }
}

/// How the part of a store that does not know the embedder's data gets to its closures.
#[derive(Clone, Copy)]
pub(crate) struct HooksOf {
    on_call: unsafe fn(*mut StoreInner, CallHook) -> Result<()>,
}

impl HooksOf {
    pub(crate) const fn of<T: 'static>() -> Self {
        Self { on_call: on_call::<T> }
    }
}

/// Tells the embedder of a call. Its closure is not there while it runs: what it calls itself is not told.
///
/// # Safety
/// `block` must lead to a whole `StoreBox<T>`, which nothing else uses meanwhile.
unsafe fn on_call<T: 'static>(block: *mut StoreInner, step: CallHook) -> Result<()> {
    // SAFETY: as the caller promises (invariant 12).
    unsafe { &mut *block.cast::<StoreBox<T>>() }.tell_of_call(step)
}

impl<T> StoreBox<T> {
    fn tell_of_call(&mut self, step: CallHook) -> Result<()> {
        let Some(mut hook) = self.hooks.on_call.take() else { return Ok(()) };
        let told = hook(self, step);
        self.hooks.on_call.get_or_insert(hook);
        told
    }

    /// Has a function of the host called, and the embedder told before and after. As of [`StoreInner::told`], what machine code
    /// has passed is held by roots before, and what it gets is made of roots after.
    ///
    /// # Errors
    /// Those of the call, or of the embedder's closure.
    #[inline(always)]
    pub(crate) fn told<R>(&mut self, call: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let tells = self.inner.has_call_hook;
        if tells {
            self.tell_of_call(CallHook::CallingHost)?;
        }
        let outcome = call(self);
        if tells {
            self.tell_of_call(CallHook::ReturningFromHost)?;
        }
        outcome
    }
}

impl StoreInner {
    /// Calls wasm, and tells the embedder before and after. Its closure may collect garbage: so `call` takes arguments from
    /// handles, and leaves handles to results.
    ///
    /// # Errors
    /// Those of the call, or of the embedder's closure.
    #[inline(always)]
    pub(crate) fn told<R>(&mut self, call: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let tells = self.has_call_hook;
        if tells {
            self.tell_of_call(CallHook::CallingWasm)?;
        }
        let outcome = call(self);
        if tells {
            self.tell_of_call(CallHook::ReturningFromWasm)?;
        }
        outcome
    }

    #[cold]
    fn tell_of_call(&mut self, step: CallHook) -> Result<()> {
        // SAFETY: `of_block` noted `block` when this borrow of the store began; it leads to the `StoreBox<T>` whose `T` made
        // `hooks_of`. The borrow is exclusive, and this uses nothing of it until the closure is back (invariant 12).
        unsafe { (self.hooks_of.on_call)(self.block, step) }
    }
}

impl<T: 'static, E: 'static> Store<T, E> {
    /// Has a closure called at each step between the host and wasm: before and after calls of functions of the store, start
    /// functions among them, and of functions of the host. An error of the closure ends the call. There is one closure; what
    /// it calls itself it is not told of.
    ///
    /// ```
    /// use epsilon::{CallHook, Engine, Func, Store};
    /// let mut store = Store::new(&Engine::default(), 0);
    /// store.call_hook(|mut store, step| {
    ///     if step == CallHook::CallingHost {
    ///         *store.data_mut() += 1;
    ///     }
    ///     Ok(())
    /// });
    /// let func = Func::wrap(&mut store, || {});
    /// func.call(&mut store, &[], &mut [])?;
    /// assert_eq!(*store.data(), 1);
    /// # Ok::<(), epsilon::Error>(())
    /// ```
    pub fn call_hook(
        &mut self,
        mut hook: impl FnMut(StoreContextMut<'_, T, E>, CallHook) -> Result<()> + Send + Sync + 'static,
    ) {
        let store = self.whole();
        store.inner.has_call_hook = true;
        store.hooks.on_call = Some(Box::new(move |store, step| hook(StoreContextMut::new(store), step)));
    }
}

//! Deadlines of stores, in epochs of their engine.

use crate::store::inner::{Store, StoreContextMut, StoreInner};
use crate::threads::epoch::DEADLINE;
use crate::threads::words::NO_DEADLINE;
use std::sync::atomic::Ordering;

impl StoreInner {
    /// Sets the deadline so many epochs from now on.
    pub(crate) fn set_epoch_deadline(&mut self, ticks_beyond_current: u64) {
        let epochs = self.runtime.epochs();
        let deadline = epochs.now().saturating_add(ticks_beyond_current);
        if self.vm.deadline.swap(deadline, Ordering::SeqCst) == NO_DEADLINE {
            epochs.watch(&self.vm);
        }
        self.vm.pending.fetch_and(!DEADLINE, Ordering::SeqCst);
        self.look_at_deadline();
    }

    /// Notes that the deadline is reached, if it is: nobody tells a store that runs nothing.
    #[inline]
    pub(crate) fn look_at_deadline(&self) {
        let deadline = self.vm.deadline.load(Ordering::SeqCst);
        if deadline != NO_DEADLINE && deadline <= self.runtime.epochs().now() {
            self.vm.pending.fetch_or(DEADLINE, Ordering::SeqCst);
        }
    }
}

impl<T: 'static, E: 'static> Store<T, E> {
    /// Sets a deadline: when the engine's epoch has been incremented `ticks_beyond_current` times from now on, what runs in
    /// the store traps, with [`Trap::Interrupt`](crate::Trap), and so does what is called later, until there is a new
    /// deadline. Of effect whether or not the engine was made with `Config::epoch_interruption`; with it, a new store has
    /// a deadline that is reached.
    ///
    /// ```
    /// use epsilon::{Engine, Instance, Module, Store, Trap};
    /// # fn main() -> epsilon::Result<()> {
    /// let engine = Engine::default();
    /// let module = Module::new(&engine, r#"(module (func (export "spin") (loop (br 0))))"#)?;
    /// let mut store = Store::new(&engine, ());
    /// let spin = Instance::new(&mut store, &module, &[])?.get_typed_func::<(), ()>(&mut store, "spin")?;
    /// store.set_epoch_deadline(1);
    /// std::thread::spawn(move || engine.increment_epoch());
    /// assert_eq!(spin.call(&mut store, ()).unwrap_err().downcast_ref(), Some(&Trap::Interrupt));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_epoch_deadline(&mut self, ticks_beyond_current: u64) {
        self.inner().set_epoch_deadline(ticks_beyond_current);
    }

    /// Has a reached deadline trap, which it always does.
    pub fn epoch_deadline_trap(&mut self) {}
}

impl<T: 'static, E: 'static> StoreContextMut<'_, T, E> {
    /// As [`Store::set_epoch_deadline`].
    pub fn set_epoch_deadline(&mut self, ticks_beyond_current: u64) {
        self.inner().set_epoch_deadline(ticks_beyond_current);
    }

    /// As [`Store::epoch_deadline_trap`].
    pub fn epoch_deadline_trap(&mut self) {}
}

//! Who is at work on what: of several threads that want the same thing done, one does it and the others wait for it.

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::collections::HashSet;
use std::hash::Hash;

/// Things that some thread is at work on. Each change is one call of the set, which no panic leaves half-done: the lock is
/// taken whether poisoned or not.
pub struct Claims<T> {
    in_work: Mutex<HashSet<T>>,
    work_done: Condvar,
}

impl<T> Default for Claims<T> {
    fn default() -> Self {
        Self { in_work: Mutex::new(HashSet::new()), work_done: Condvar::new() }
    }
}

/// What this thread is at work on, until dropped.
pub struct Claim<'a, T: Eq + Hash + Copy> {
    claims: &'a Claims<T>,
    thing: T,
}

impl<T: Eq + Hash + Copy> Claims<T> {
    fn lock(&self) -> MutexGuard<'_, HashSet<T>> {
        self.in_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the thing is `done`, and gives what that gave; or lets this thread be the one to do it. Nobody waits
    /// for another thing.
    pub fn claim<R>(&self, thing: T, done: impl Fn() -> Option<R>) -> Result<R, Claim<'_, T>> {
        let mut in_work = self.lock();
        loop {
            if let Some(result) = done() {
                return Ok(result);
            }
            if in_work.insert(thing) {
                return Err(Claim { claims: self, thing });
            }
            in_work = self.work_done.wait(in_work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets this thread be the one to do it, unless another one is at work on it.
    pub fn try_claim(&self, thing: T) -> Option<Claim<'_, T>> {
        self.lock().insert(thing).then(|| Claim { claims: self, thing })
    }
}

impl<T: Eq + Hash + Copy> Drop for Claim<'_, T> {
    fn drop(&mut self) {
        self.claims.lock().remove(&self.thing);
        self.claims.work_done.notify_all();
    }
}

//! Claims on work: of several threads that want the same thing done, one does it and the others wait for it.
//!
//! Threads that run a guest wait as they do on a shared memory (`waiting`), so that an interruption ends it.

use crate::threads::sync::{AtomicBool, Mutex, MutexGuard, PoisonError};
use crate::threads::waiting::{Sleeper, WaitList};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Things that some thread is at work on. Each change is one call of the map, which no panic leaves half-done: the lock is
/// taken whether poisoned or not. The caller of a method holds off forks, except for [`Claims::wait`].
pub struct Claims<T> {
    in_work: Mutex<HashMap<T, Arc<Work>>>,
    /// Those that wait for work to end, by its number.
    waiting: Arc<WaitList>,
}

/// What one thread is at work on.
pub struct Work {
    number: u64,
    ended: AtomicBool,
}

impl Work {
    /// Whether it has ended, however.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}

impl<T> Default for Claims<T> {
    fn default() -> Self {
        Self { in_work: Mutex::new(HashMap::new()), waiting: Arc::default() }
    }
}

/// Whose turn it is.
pub enum Turn<T: Eq + Hash + Copy, R> {
    /// The thing is done.
    Done(R),
    /// This thread's.
    Ours(Claim<T>),
    /// That of another thread; [`Claims::wait`] waits for it.
    Theirs(Arc<Work>),
}

/// What a thread is at work on, until dropped. It may be handed on to another thread.
pub struct Claim<T: Eq + Hash + Copy> {
    claims: Arc<Claims<T>>,
    work: Arc<Work>,
    thing: T,
}

impl<T: Eq + Hash + Copy> Claims<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<T, Arc<Work>>> {
        self.in_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that wait, so that a fork can wait until nobody changes the list.
    pub fn waiting(&self) -> &Arc<WaitList> {
        &self.waiting
    }

    /// Finds out whether the thing is `done`, and if not, lets this thread be the one to do it, unless another one is at
    /// work on it.
    pub fn claim<R>(self: &Arc<Self>, thing: T, done: impl FnOnce() -> Option<R>) -> Turn<T, R> {
        let mut in_work = self.lock();
        if let Some(result) = done() {
            return Turn::Done(result);
        }
        if let Some(work) = in_work.get(&thing) {
            return Turn::Theirs(work.clone());
        }
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let work = Arc::new(Work { number, ended: AtomicBool::new(false) });
        in_work.insert(thing, work.clone());
        Turn::Ours(Claim { claims: self.clone(), work, thing })
    }

    /// Waits until another thread's work has ended, however; or until the store is interrupted. Nobody waits for other
    /// work.
    pub fn wait(&self, work: &Work, store: Option<&dyn Sleeper>) {
        self.waiting.wait(work.number, || work.has_ended(), None, store);
    }

    /// In a child of `fork`: forgets the work of threads that are not there.
    pub fn forget(&self) {
        self.lock().clear();
    }
}

impl<T: Eq + Hash + Copy> Claim<T> {
    /// The work, for those that wait for its end.
    pub fn work(&self) -> &Arc<Work> {
        &self.work
    }
}

impl<T: Eq + Hash + Copy> Drop for Claim<T> {
    fn drop(&mut self) {
        self.claims.lock().remove(&self.thing);
        self.work.ended.store(true, Ordering::SeqCst);
        // A waiting thread has looked before it entered the list, or looks afterwards.
        self.claims.waiting.notify(self.work.number, u32::MAX);
    }
}

//! `fork`: what a child needs so that guests go on in it. Linked code lies in pages that parent and child share, so the
//! child gets its own copy before anything else runs there; else it would see what the parent links from then on. And
//! every lock of the runtime is free in the child: a thread that holds one holds off the fork.
//!
//! ```text
//! prepare   nobody holds a lock, nobody links, nobody asks a source for a function: all of that holds the gate for reading
//! parent    the gate opens
//! child     the gate opens; every module's code is copied, and put back to what was linked when the child began
//! ```
//! Threads that compile do not exist in the child; there, functions are compiled when they are called.

use crate::sys::thread;
use crate::threads::waiting::{Queues, WaitList};
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LockResult, MutexGuard, PoisonError, RwLockReadGuard, RwLockWriteGuard, Weak};

/// Held for reading by threads that hold off forks, for writing by the forking thread. It guards nothing that a panic could leave
/// half-done, so that it is taken whether poisoned or not.
static GATE: std::sync::RwLock<()> = std::sync::RwLock::new(());

/// What a child has to put right: modules, whose code it has to copy. Changes are single calls of `Vec`, which no panic leaves half-done.
static MODULES: Mutex<Vec<Weak<dyn Forked>>> = Mutex::new(Vec::new());

/// Lists of waiting threads, which cannot hold the gate while they wait: the forking thread takes their locks. Likewise.
static LISTS: Mutex<Vec<Weak<WaitList>>> = Mutex::new(Vec::new());

/// How many times this process has forked, and begun and ended to; counted on in children.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// What a child of `fork` has to put right.
pub trait Forked: Send + Sync {
    /// Puts it right, in the child.
    fn put_right(&self);
}

/// A number that changes whenever this process forks, and in its children.
pub fn forks() -> u64 {
    FORKS.load(Ordering::SeqCst)
}

/// Counts a fork, or its end.
pub fn count() {
    FORKS.fetch_add(1, Ordering::SeqCst);
}

/// What a thread holds while it forks.
struct Held {
    // Given back in this order.
    lists: Vec<HeldList>,
    _gate: RwLockWriteGuard<'static, ()>,
}

/// A list of waiting threads, locked.
struct HeldList {
    // Given back before what it borrows from.
    queues: MutexGuard<'static, Queues>,
    _list: Arc<WaitList>,
}

impl HeldList {
    fn new(list: Arc<WaitList>) -> Self {
        // SAFETY: the list lies behind an `Arc`, which does not move with `Self`, and which `Self` holds and drops after the guard
        // that borrows from it, by the order of its fields (invariant 16).
        let queues = unsafe { &*Arc::as_ptr(&list) }.queues();
        Self { queues, _list: list }
    }
}

thread_local! {
    /// What the thread holds while it forks.
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
    /// How many [`HoldOff`]s the thread has.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// The gate, held for all of them together. Never dropped by the end of the thread, so that there is no time at which
    /// it cannot be reached.
    static SHARE: Cell<Option<ManuallyDrop<RwLockReadGuard<'static, ()>>>> = const { Cell::new(None) };
}

/// Keeps this process from forking as long as it lives. A thread may have several: a second share of the gate would wait
/// for a fork that waits for the first.
#[derive(Debug)]
pub struct HoldOff(PhantomData<*const ()>);

/// Keeps this process from forking as long as the guard lives.
pub fn hold_off() -> HoldOff {
    install();
    if DEPTH.replace(DEPTH.get() + 1) == 0 {
        SHARE.set(Some(ManuallyDrop::new(GATE.read().unwrap_or_else(PoisonError::into_inner))));
    }
    HoldOff(PhantomData)
}

/// As [`hold_off`], for a thread that works for another one which holds off forks and waits for it: that one's share of
/// the gate is enough. A share of its own would wait for a fork that waits for both.
pub fn hold_off_for_spawner() -> HoldOff {
    DEPTH.set(DEPTH.get() + 1);
    HoldOff(PhantomData)
}

impl Drop for HoldOff {
    fn drop(&mut self) {
        if DEPTH.replace(DEPTH.get() - 1) == 1 {
            SHARE.take().map(ManuallyDrop::into_inner);
        }
    }
}

/// A lock that no child finds taken.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

/// As [`Mutex`].
#[derive(Debug, Default)]
pub struct RwLock<T>(std::sync::RwLock<T>);

/// What a lock guards, as long as it is held.
pub struct Guard<G> {
    // Given back in this order.
    guard: G,
    _hold_off: HoldOff,
}

impl<T> Mutex<T> {
    /// With these contents.
    pub const fn new(contents: T) -> Self {
        Self(std::sync::Mutex::new(contents))
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// If a thread panicked while it held the lock: what is there may be half-changed.
    pub fn lock(&self) -> LockResult<Guard<MutexGuard<'_, T>>> {
        let _hold_off = hold_off();
        match self.0.lock() {
            Ok(guard) => Ok(Guard { guard, _hold_off }),
            Err(poisoned) => Err(PoisonError::new(Guard { guard: poisoned.into_inner(), _hold_off })),
        }
    }

    /// Takes the lock of contents that no panic leaves half-changed: the declaration says why.
    pub fn lock_sound(&self) -> Guard<MutexGuard<'_, T>> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> RwLock<T> {
    /// With these contents.
    pub const fn new(contents: T) -> Self {
        Self(std::sync::RwLock::new(contents))
    }

    /// Takes the lock for reading, of contents that no panic leaves half-changed: the declaration says why.
    pub fn read(&self) -> Guard<RwLockReadGuard<'_, T>> {
        let _hold_off = hold_off();
        Guard { guard: self.0.read().unwrap_or_else(PoisonError::into_inner), _hold_off }
    }

    /// Takes the lock for writing, of such contents.
    pub fn write(&self) -> Guard<RwLockWriteGuard<'_, T>> {
        let _hold_off = hold_off();
        Guard { guard: self.0.write().unwrap_or_else(PoisonError::into_inner), _hold_off }
    }
}

impl<G: Deref> Deref for Guard<G> {
    type Target = G::Target;
    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Guard<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

/// Lets children put something right.
pub fn register(module: &Arc<impl Forked + 'static>) {
    let module = Arc::downgrade(module);
    remember(&MODULES, module);
}

/// Lets forks wait until nobody changes a list, and children forget the threads that they lack.
pub fn register_list(list: &Arc<WaitList>) {
    remember(&LISTS, Arc::downgrade(list));
}

fn remember<T: ?Sized>(all: &Mutex<Vec<Weak<T>>>, one: Weak<T>) {
    let mut all = all.lock_sound();
    if all.len() == all.capacity() {
        all.retain(|one| one.strong_count() > 0);
    }
    all.push(one);
}

/// Has the system call the handlers below. Without a lock, which a child could find taken; threads that do this at the
/// same time install them twice, and the second call of each does nothing.
fn install() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if !INSTALLED.load(Ordering::Relaxed) {
        thread::at_fork(prepare, in_parent, in_child);
        INSTALLED.store(true, Ordering::Relaxed);
    }
}

extern "C" fn prepare() {
    // A thread that forks while it holds off forks goes on in the child, and gives its locks back there.
    if DEPTH.get() > 0 {
        return;
    }
    // Only a thread that ends has lost its place for the guard; then nothing is held, as without this handler.
    let _ = HELD.try_with(|held| {
        let mut held = held.borrow_mut();
        if held.is_none() {
            let _gate = GATE.write().unwrap_or_else(PoisonError::into_inner);
            count();
            DEPTH.set(1); // the gate is this thread's
            let lists = LISTS.lock_sound().iter().filter_map(Weak::upgrade).map(HeldList::new).collect();
            DEPTH.set(0);
            *held = Some(Held { lists, _gate });
        }
    });
}

extern "C" fn in_parent() {
    count();
    let _ = HELD.try_with(|held| drop(held.borrow_mut().take()));
}

extern "C" fn in_child() {
    count();
    let _ = HELD.try_with(|held| {
        let held = held.borrow_mut().take();
        // Threads that wait do not exist here, and would be woken in place of others.
        held.into_iter().flat_map(|held| held.lists).for_each(|mut list| list.queues.clear());
    });
    crate::sys::signal::forget_timer();
    let modules: Vec<_> = MODULES.lock_sound().iter().filter_map(Weak::upgrade).collect();
    modules.iter().for_each(|module| module.put_right());
}

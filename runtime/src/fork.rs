//! `fork`: what a child needs so that guests go on in it. Linked code lies in pages that parent and child share, so the
//! child gets its own copy before anything else runs there; else it would see what the parent links from then on.
//!
//! ```text
//! prepare   nobody links, nobody asks a source for a function: all of that holds the gate for reading
//! parent    the gate opens
//! child     the gate opens; every module's code is copied, and put back to what was linked when the child began
//! ```
//! Threads that compile do not exist in the child; there, functions are compiled when they are called.

use crate::module::LinkedModule;
use crate::sys::thread;
use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

static GATE: RwLock<()> = RwLock::new(());

/// Modules whose code a child has to copy.
static MODULES: Mutex<Vec<Weak<LinkedModule>>> = Mutex::new(Vec::new());

fn modules() -> MutexGuard<'static, Vec<Weak<LinkedModule>>> {
    MODULES.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// What the thread holds while it forks.
    static HELD: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// Keeps this process from forking as long as the guard lives. Not to be taken twice by one thread.
pub fn hold_off() -> RwLockReadGuard<'static, ()> {
    GATE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Lets children have code of their own for a module.
pub fn register(module: &std::sync::Arc<LinkedModule>) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| thread::at_fork(prepare, in_parent, in_child));
    let mut modules = modules();
    if modules.len() == modules.capacity() {
        modules.retain(|module| module.strong_count() > 0);
    }
    modules.push(std::sync::Arc::downgrade(module));
}

extern "C" fn prepare() {
    let gate = GATE.write().unwrap_or_else(PoisonError::into_inner);
    // Only a thread that ends has lost its place for the guard; then nothing is held, as without this handler.
    let _ = HELD.try_with(|held| *held.borrow_mut() = Some(gate));
}

extern "C" fn in_parent() {
    let _ = HELD.try_with(|held| held.borrow_mut().take());
}

extern "C" fn in_child() {
    let _ = HELD.try_with(|held| held.borrow_mut().take());
    for module in modules().iter().filter_map(Weak::upgrade) {
        // Without memory for a copy the code can still run; linking more tries again, and gives the error.
        let _ = module.code().renew_in_child();
    }
}

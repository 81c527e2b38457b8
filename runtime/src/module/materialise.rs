//! Getting code for a function that has none yet: which thread compiles it, and how others wait.
//!
//! ```text
//! guest calls ─┬─ short ──────────────────────► compiles it in place ──► code
//!              ├─ long ─► a thread compiles it ─┐
//!              └─ another thread is at it ──────┴─► waits ──┬─ work has ended ──► code, or tries itself
//!                                                          └─ interrupted ──► trap; the work goes on
//! ```
//! Cranelift cannot be interrupted in the middle of a function. So a guest never compiles one itself that may take long:
//! it waits as for a notification (`waiting`), and an interruption ends that at once.

use crate::base::error::Result;
use crate::module::linked::{Demand, LinkedModule};
use crate::threads::claims::{Claim, Turn};
use crate::threads::fork::hold_off;
use crate::threads::words::VmStore;
use epsilon_abi::DefinedFuncIndex;
use epsilon_abi::TrapCode as Trap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// A body that is longer is compiled by a thread of its own when a guest calls it: one of this length takes a millisecond
/// or two, and starting a thread a twentieth of that.
const IN_PLACE_BYTES: usize = 8 << 10;

/// Stack of a thread that compiles.
const STACK_BYTES: usize = 4 << 20;

/// What has come of a compilation. Set once, before its work ends.
type Outcome = Arc<Mutex<Option<Result<usize>>>>;

impl LinkedModule {
    /// The address of a function's code, which is asked for from the source if it is not there yet. Threads that want
    /// the same function wait for one of them; nobody waits for another function.
    ///
    /// # Errors
    /// Those of the source; if there is no memory or no room for the code; or if the module is broken, and the function is
    /// not there yet.
    ///
    /// # Panics
    /// If the source panics. That breaks the module.
    pub fn materialise(self: &Arc<Self>, index: DefinedFuncIndex, demand: Demand) -> Result<usize> {
        loop {
            // A child of a fork in between would wait for threads that it does not have.
            let held_off = hold_off();
            match self.claim(index, demand) {
                Turn::Done(address) => return Ok(address),
                Turn::Ours(_claim) => return self.compile_here(index, demand, &|| false),
                Turn::Theirs(work) => {
                    drop(held_off);
                    self.in_work().wait(&work, None);
                }
            }
        }
    }

    /// As [`Self::materialise`], for a call of the guest that runs in `store`: an interruption ends it at once.
    ///
    /// # Errors
    /// Likewise; if the source panics on a thread of its own; and the trap of an interruption.
    ///
    /// # Panics
    /// Likewise.
    pub(crate) fn materialise_for_call(self: &Arc<Self>, index: DefinedFuncIndex, store: &VmStore) -> Result<usize> {
        let is_interrupted = || store.pending.load(Ordering::SeqCst) != 0;
        let mut in_place = self.info().bodies[index.index()].len() <= IN_PLACE_BYTES;
        loop {
            let held_off = hold_off();
            let work = match self.claim(index, Demand::Call) {
                Turn::Done(address) => return Ok(address),
                Turn::Ours(_claim) if in_place => return self.compile_here(index, Demand::Call, &is_interrupted),
                Turn::Ours(claim) => {
                    let work = claim.work().clone();
                    let Some(outcome) = self.compile_apart(index, claim) else {
                        in_place = true;
                        continue;
                    };
                    // The other thread holds off forks itself; it could not begin to if one waited for this one.
                    drop(held_off);
                    self.in_work().wait(&work, Some(store));
                    if let Some(result) = outcome.lock().unwrap_or_else(PoisonError::into_inner).take() {
                        return result;
                    }
                    work
                }
                Turn::Theirs(work) => {
                    drop(held_off);
                    self.in_work().wait(&work, Some(store));
                    work
                }
            };
            if is_interrupted() {
                return Err(Trap::Interrupt.into());
            }
            debug_assert!(work.has_ended(), "a wait without a limit ends with what it waits for, or is interrupted");
        }
    }

    /// As [`Self::materialise`], for a thread that does not need the function now: nothing is done if another thread is at
    /// it.
    ///
    /// # Errors
    /// As for [`Self::materialise`]. If the source panics, the module is broken, and the error says so.
    pub fn materialise_ahead(self: &Arc<Self>, index: DefinedFuncIndex) -> Result<()> {
        self.compile_unless_claimed(index, Demand::Ahead)
    }

    /// Lets the best code take the place of what a function has for now. Nothing is done if another thread is at it.
    ///
    /// # Errors
    /// As for [`Self::materialise_ahead`].
    pub fn optimise(self: &Arc<Self>, index: DefinedFuncIndex) -> Result<()> {
        self.compile_unless_claimed(index, Demand::Hot)
    }

    fn compile_unless_claimed(self: &Arc<Self>, index: DefinedFuncIndex, demand: Demand) -> Result<()> {
        let _held_off = hold_off();
        match self.claim(index, demand) {
            Turn::Ours(_claim) => self.compile_caught(index, demand).map(drop),
            Turn::Done(_) | Turn::Theirs(_) => Ok(()),
        }
    }

    /// Whose turn it is to get the code that is wanted.
    fn claim(&self, index: DefinedFuncIndex, demand: Demand) -> Turn<DefinedFuncIndex, usize> {
        self.in_work().claim(index, || match demand {
            Demand::Call | Demand::Ahead => self.code().address(index),
            Demand::Background | Demand::Hot => self.code().last_address(index),
        })
    }

    /// Compiles a function that this thread has claimed.
    fn compile_here(
        &self,
        index: DefinedFuncIndex,
        demand: Demand,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<usize> {
        match catch_unwind(AssertUnwindSafe(|| self.compile_and_link(index, demand, cancelled))) {
            Ok(result) => result,
            Err(panic) => {
                self.break_down(index, &*panic);
                resume_unwind(panic)
            }
        }
    }

    /// The same; a panic becomes an error.
    fn compile_caught(&self, index: DefinedFuncIndex, demand: Demand) -> Result<usize> {
        match catch_unwind(AssertUnwindSafe(|| self.compile_and_link(index, demand, &|| false))) {
            Ok(result) => result,
            Err(panic) => Err(self.break_down(index, &*panic).into()),
        }
    }

    /// Lets another thread compile a function that this one has claimed; it goes on whatever becomes of this one. `None` if
    /// there is no thread to be had; then the function is no longer claimed.
    fn compile_apart(self: &Arc<Self>, index: DefinedFuncIndex, claim: Claim<DefinedFuncIndex>) -> Option<Outcome> {
        let outcome = Outcome::default();
        let (module, result) = (self.clone(), outcome.clone());
        let compile = move || {
            // Until here a fork does not wait for this thread, and a child forgets what it is about to do.
            let _held_off = hold_off();
            let compiled = module.compile_caught(index, Demand::Call);
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(compiled);
            drop(claim);
        };
        let thread = std::thread::Builder::new().name("epsilon-compile".into()).stack_size(STACK_BYTES);
        thread.spawn(compile).ok().map(|_| outcome)
    }

    fn compile_and_link(
        &self,
        index: DefinedFuncIndex,
        demand: Demand,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<usize> {
        let function = self.ask_source(index, demand, cancelled)?;
        self.code().link(&[(index, &function)])?;
        Ok(self.code().address(index).expect("just linked"))
    }
}

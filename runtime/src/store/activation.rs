//! [`Activation`]: what the host's side of an activation keeps.

use crate::threads::words::Owner;

/// An activation's record on the host's stack: what the exit record said before, for frames further out.
#[derive(Debug)]
pub struct Activation {
    pub previous: *const Activation,
    pub exit_fp: usize,
    pub exit_sp: usize,
    /// The store as its activations further out reach it.
    pub owner: *mut Owner,
    /// What is known of the stack that this record is on.
    pub looked: Looked,
}

impl Activation {
    /// This one and those further out.
    pub fn outwards(&self) -> impl Iterator<Item = &Self> {
        // SAFETY: `previous` is null, or the record of a call further out, which has not returned as long as this one has not
        // (invariant 15).
        std::iter::successors(Some(self), |activation| unsafe { activation.previous.as_ref() })
    }
}

/// What an activation knows of a stack that is not the thread's own: nothing of the thread's own.
#[derive(Clone, Copy, Debug)]
pub struct Looked {
    /// Where it was when it was first seen.
    pub first: usize,
    /// The stack is there down to here.
    pub low: usize,
    /// Down to here, enough of that is left.
    pub lowest_call: usize,
}

impl Looked {
    /// What is known of the thread's own stack here.
    pub const NOTHING: Self = Self { first: usize::MAX, low: usize::MAX, lowest_call: usize::MAX };
}

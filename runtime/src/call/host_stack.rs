//! The host's stack below a call: whether enough of it is left for what a guest calls there.
//!
//! A thread's own stack is known, and a look at it is one comparison. A stack that somebody has switched to, as
//! coroutines do, is found out by reading it down to where it ends, a piece at a time. What was found is kept in the
//! activation that asked, and counts for those further in, which are on the same stack while that one lasts: nothing is
//! remembered of a stack beyond that, so that nothing is believed of one that came to lie in its place.

use crate::base::error::Error;
use crate::exit::trap::Trap;
use crate::fixed;
use crate::store::activation::{Activation, Looked};
use crate::sys::thread;
use std::cell::Cell;
use std::ops::Range;

/// What must be left of a large stack when a guest is called: host functions run on it.
const ENOUGH_BYTES: usize = 64 << 10;

/// What must be left of a small one: the most that the runtime itself takes, and two thirds of that again.
const LEAST_BYTES: usize = 16 << 10;

/// Stacks of less are small.
const LARGE_BYTES: usize = 4 * ENOUGH_BYTES;

/// So much of a stack is looked at when it is first seen, and each time that it is used farther down.
const PIECE_BYTES: usize = ENOUGH_BYTES;

thread_local! {
    /// Where on its own stack this thread may call guests; empty until asked.
    static OWN: Cell<Own> = const { Cell::new(Own { lowest: 0, len_bytes: 0 }) };
}

#[derive(Clone, Copy)]
struct Own {
    lowest: usize,
    len_bytes: usize,
}

/// Whether `here` is on this thread's own stack, as far as it is known by now, with enough left below for a call. If not,
/// [`check`] says what there is.
#[inline]
pub fn is_enough_of_own(here: usize) -> bool {
    let own = OWN.get();
    here.wrapping_sub(own.lowest) < own.len_bytes
}

/// Refuses a call for which the host's stack, used down to `here`, has too little left. Calls from `outer` have looked
/// before.
#[cold]
pub fn check(here: usize, outer: Option<&Activation>) -> Result<Looked, Error> {
    let own = own_stack();
    if own.contains(&here) {
        let left_bytes = here.saturating_sub(own.start);
        let needed_bytes = needed_bytes(own.len());
        let lowest = own.start + needed_bytes;
        OWN.set(Own { lowest, len_bytes: own.end.saturating_sub(lowest) });
        return if left_bytes >= needed_bytes { Ok(Looked::NOTHING) } else { Err(refusal(left_bytes, needed_bytes)) };
    }
    let here_on = |outer: &&Activation| (outer.looked.low..std::ptr::from_ref(*outer) as usize).contains(&here);
    match outer.filter(here_on) {
        Some(outer) if here >= outer.looked.lowest_call => Ok(outer.looked),
        Some(outer) => look(here, outer.looked.first, outer.looked.low),
        None => look(here, here, here),
    }
}

/// Whether the activations from `innermost` outwards, and `here`, which is further in, lie on one stack that can be read
/// from `here` to the outermost of them. False if that is not known.
pub fn are_on_one_stack(here: usize, innermost: &Activation) -> bool {
    let looked = innermost.looked;
    let from_here_on = if looked.first == Looked::NOTHING.first { own_stack() } else { looked.low..looked.first + 1 };
    from_here_on.contains(&here)
        && innermost.outwards().all(|activation| {
            let at = std::ptr::from_ref(activation) as usize;
            activation.looked.first == looked.first && from_here_on.contains(&at) && here < at
        })
}

/// Looks at a stack that is used down to `here`, was first seen at `first`, and is known down to `low`. It is taken for a
/// small one until it is known to be large.
fn look(here: usize, first: usize, low: usize) -> Result<Looked, Error> {
    let to = here.saturating_sub(if low == here { PIECE_BYTES } else { ENOUGH_BYTES + PIECE_BYTES });
    // SAFETY: the stack is in use at `here`, and was read down to `low` by this activation or one further out on the same stack
    // (invariant 15). `invoke` has prepared the thread: the signal handler ends the look at the first page that is not there.
    let low = unsafe { fixed::readable_down_to(low, to) };
    let (left_bytes, needed_bytes) = (here - low, needed_bytes(first - low));
    if left_bytes < needed_bytes {
        return Err(refusal(left_bytes, needed_bytes));
    }
    Ok(Looked { first, low, lowest_call: low + needed_bytes })
}

fn needed_bytes(stack_bytes: usize) -> usize {
    if stack_bytes < LARGE_BYTES { LEAST_BYTES } else { ENOUGH_BYTES }
}

fn own_stack() -> Range<usize> {
    thread_local!(static STACK: Cell<(usize, usize)> = const { Cell::new((0, 0)) });
    if STACK.get() == (0, 0) {
        let found = thread::own_stack();
        STACK.set((found.start, found.end));
    }
    let (start, end) = STACK.get();
    start..end
}

/// Bytes left on this thread's own stack, as seen from this call; 0 on a stack that the thread did not make, of which
/// little is known.
pub fn host_stack_left_bytes() -> usize {
    let here = 0u8;
    let here = &raw const here as usize;
    let own = own_stack();
    if own.contains(&here) { here - own.start } else { 0 }
}

#[cold]
fn refusal(left_bytes: usize, needed_bytes: usize) -> Error {
    let (left, needed) = (left_bytes >> 10, needed_bytes >> 10);
    Error::from(Trap::StackOverflow).with_note(format!(
        "{left} KiB are left of the host's stack, and calling a guest takes {needed} KiB; call it from a thread or \
         coroutine with a larger stack (the main thread's is set by `ulimit -s`)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::mapping::{Access, Mapping};

    #[test]
    fn a_thread_is_told_of_its_own_stack() {
        const STACK_BYTES: usize = 256 << 10;
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let left_bytes = thread.spawn(host_stack_left_bytes).expect("a thread").join().expect("an answer");
        assert!(left_bytes > STACK_BYTES / 2 && left_bytes <= STACK_BYTES, "{left_bytes} bytes");
    }

    /// A stack of 40 pages above one that cannot be read.
    #[test]
    fn a_foreign_stack_is_read_down_to_its_end() {
        assert!(crate::exit::signal::prepare(crate::sys::signal::NO_SAMPLES_KEY).is_ok());
        const PAGE: usize = 4096;
        let stack = Mapping::anonymous(41 * PAGE, Access::ReadWrite).expect("memory");
        // SAFETY: the mapping is fresh.
        unsafe { stack.protect(0, PAGE, Access::None).expect("a guard") };
        let low = stack.base() as usize + PAGE;
        let top = low + 40 * PAGE;
        let all = check(top - 8, None).expect("much is left");
        assert!(all.low > low && all.lowest_call == all.low + LEAST_BYTES);
        let little = check(low + LEAST_BYTES, None).expect("enough is left");
        assert_eq!((little.low, little.lowest_call), (low, low + LEAST_BYTES));
        let error = check(low + LEAST_BYTES - 8, None).expect_err("too little is left");
        assert_eq!(error.trap(), Some(Trap::StackOverflow));
        assert!(error.to_string().contains("15 KiB are left of the host's stack"), "{error}");
    }
}

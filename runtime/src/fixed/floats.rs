//! The floating-point environment: rounding, flushing to zero, exceptions that trap. Guests have one of their own, which
//! fixed code sees to; here is what else must not depend on the host's.

use crate::fixed;

/// Runs `body` in the floating-point environment of guests. What computes on a guest's behalf, as a compiler does that
/// folds constants, then computes what the guest would, whatever the caller's environment is; which is put back at the
/// end, even by a panic.
pub fn in_guest_float_environment<R>(body: impl FnOnce() -> R) -> R {
    struct PutBack(u64);
    impl Drop for PutBack {
        fn drop(&mut self) {
            // SAFETY: `float_environment` gave it on this thread, in this call: the thread came with it (invariant 19).
            unsafe { fixed::set_float_environment(self.0) };
        }
    }
    let before = fixed::float_environment();
    if fixed::computes_as_guests(before) {
        return body();
    }
    let _put_back = PutBack(before);
    // SAFETY: it is that of guests, and is put back at the end (invariant 19).
    unsafe { fixed::set_float_environment(fixed::GUEST_FLOATS) };
    body()
}

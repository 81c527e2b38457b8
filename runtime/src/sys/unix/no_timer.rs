//! Where there are no timers of threads: nothing ever ticks.

/// No signal is a tick.
///
/// # Safety
/// None is needed.
pub unsafe fn is_tick(_: *const libc::siginfo_t) -> bool {
    false
}

/// Nothing runs.
pub fn run(_: i32) {}

/// Not called.
pub fn hit() {}

/// Not called.
pub fn missed(_: bool) -> bool {
    true
}

/// Nothing is there to forget.
pub fn forget() {}

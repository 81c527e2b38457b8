//! Waiting for a word to change, and waking those that wait: by means that a signal handler may use as well.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Waits until the word is not `expected`, somebody wakes, or so long; or for no reason.
#[cfg(target_os = "linux")]
pub fn wait(word: &AtomicU32, expected: u32, limit: Duration) {
    use rustix::thread::futex;
    let limit = futex::Timespec { tv_sec: limit.as_secs() as _, tv_nsec: limit.subsec_nanos().into() };
    // Whatever the reason for its end: the caller looks.
    let _ = futex::wait(word, futex::Flags::PRIVATE, expected, Some(&limit));
}

/// Wakes so many of those that wait for the word. Safe to call in a signal handler.
#[cfg(target_os = "linux")]
pub fn wake(word: &AtomicU32, count: u32) {
    use rustix::thread::futex;
    let _ = futex::wake(word, futex::Flags::PRIVATE, count.min(i32::MAX as u32));
}

/// Waits a while.
#[cfg(not(target_os = "linux"))]
pub fn wait(word: &AtomicU32, expected: u32, limit: Duration) {
    const LOOK_AGAIN: Duration = Duration::from_millis(10);
    if word.load(std::sync::atomic::Ordering::SeqCst) == expected {
        std::thread::sleep(limit.min(LOOK_AGAIN));
    }
}

/// Those that wait look by themselves.
#[cfg(not(target_os = "linux"))]
pub fn wake(_: &AtomicU32, _: u32) {}

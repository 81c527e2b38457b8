//! A timer for each thread that runs guests, on the processor time that the thread takes. It sends the interrupt signal,
//! which the handler tells from others by what it carries.

use super::SAMPLE_PERIOD as PERIOD;
use super::thread;
use std::cell::Cell;
use std::ptr;
use std::time::Duration;

/// After so many ticks outside of wasm, one after the other, the next ones come less often.
const MISSES: u32 = 8;
const SLOW_PERIOD: Duration = Duration::from_millis(32);

thread_local! {
    /// What the handler looks at too: without destructors.
    static TIMER: Cell<Timer> = const { Cell::new(Timer { id: None, period: Duration::ZERO, missed: 0 }) };
    /// Frees the timer when the thread ends.
    static AT_END: DeleteTimer = const { DeleteTimer };
}

#[derive(Clone, Copy)]
struct Timer {
    /// The system's number of it.
    id: Option<i32>,
    /// Zero while it is stopped.
    period: Duration,
    /// Ticks outside of wasm since the last one inside.
    missed: u32,
}

struct DeleteTimer;

impl Drop for DeleteTimer {
    fn drop(&mut self) {
        let Timer { id, .. } = TIMER.take();
        if let Some(id) = id {
            // SAFETY: the timer is this thread's own, and nobody knows its number any more.
            unsafe { libc::syscall(libc::SYS_timer_delete, id) };
        }
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self { id: None, period: Duration::ZERO, missed: 0 }
    }
}

/// What the signal of a timer of ours carries: its address.
static MARK: u8 = 0;

/// Whether a signal comes from a timer of ours.
///
/// # Safety
/// `info` must be what a handler was given.
pub unsafe fn is_tick(info: *const libc::siginfo_t) -> bool {
    // SAFETY: as the caller promises; a timer's signal carries a value.
    unsafe { thread::carries(info, libc::SI_TIMER, &raw const MARK) }
}

/// Lets this thread's timer run, whose ticks are a signal. Where the system has none to give, nothing happens.
pub fn run(signal: i32) {
    let mut timer = TIMER.get();
    if !timer.period.is_zero() {
        return;
    }
    if timer.id.is_none() {
        // The end of the thread is near where nothing can be freed any more.
        if AT_END.try_with(|_| ()).is_err() {
            return;
        }
        timer.id = create(signal);
        TIMER.set(timer);
    }
    set_period(PERIOD);
}

fn create(signal: i32) -> Option<i32> {
    // SAFETY: the event is valid, and the number is written where it may be.
    unsafe {
        let mut event = std::mem::zeroed::<libc::sigevent>();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_value.sival_ptr = (&raw const MARK).cast_mut().cast();
        event.sigev_notify_thread_id = thread::current_id();
        let mut id = 0;
        let clock = libc::CLOCK_THREAD_CPUTIME_ID;
        (libc::syscall(libc::SYS_timer_create, clock, &raw mut event, &raw mut id) == 0).then_some(id)
    }
}

/// Changes the time between ticks; zero stops them. Safe to call in a signal handler.
fn set_period(period: Duration) {
    let mut timer = TIMER.get();
    let Some(id) = timer.id else { return };
    let time = libc::timespec { tv_sec: 0, tv_nsec: period.subsec_nanos().into() };
    let times = libc::itimerspec { it_interval: time, it_value: time };
    // SAFETY: the times are valid, and the timer is this thread's own.
    let result =
        unsafe { libc::syscall(libc::SYS_timer_settime, id, 0, &raw const times, ptr::null::<libc::itimerspec>()) };
    if result == 0 {
        timer.period = period;
    }
    timer.missed = 0;
    TIMER.set(timer);
}

/// In the handler: the thread was in wasm.
pub fn hit() {
    let mut timer = TIMER.get();
    if timer.period == SLOW_PERIOD {
        set_period(PERIOD);
    } else {
        timer.missed = 0;
        TIMER.set(timer);
    }
}

/// In the handler: the thread was elsewhere. Whether the timer has stopped, as the thread runs no guest any more.
pub fn missed(runs_guests: bool) -> bool {
    if !runs_guests {
        set_period(Duration::ZERO);
        return true;
    }
    let mut timer = TIMER.get();
    timer.missed += 1;
    TIMER.set(timer);
    if timer.missed == MISSES && timer.period == PERIOD {
        set_period(SLOW_PERIOD);
    }
    false
}

/// In a child of `fork`: timers stay with the parent.
pub fn forget() {
    TIMER.set(Timer::default());
}

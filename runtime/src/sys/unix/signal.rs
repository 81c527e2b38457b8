//! Signals: faults of machine code and the interrupt signal go to [`Handlers`] first, everything else goes where it went
//! before. Knows nothing of wasm.
//!
//! The handlers take no lock, allocate nothing and cannot panic (invariant 5).

use super::mapping::{Access, Mapping, page_size};
pub use super::stopped::Stopped;
use super::{thread, timer};
use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is done about signals, by functions that obey invariant 5.
pub struct Handlers {
    /// Told of a fault that the kernel raised. Whether the thread goes on, as the registers say; else it goes where it
    /// went before.
    pub fault: unsafe fn(&Fault, &mut Stopped<'_>) -> bool,
    /// Told of the interrupt signal, with its number and whether it is a timer's tick.
    pub interrupt: unsafe fn(i32, bool, &mut Stopped<'_>) -> Answer,
    /// Whether this thread runs a guest.
    pub runs_guests: fn() -> bool,
}

/// What became of an interrupt signal.
#[derive(PartialEq, Eq)]
pub enum Answer {
    /// The thread goes on as the registers say.
    Taken,
    /// The signal may be somebody else's as well.
    Left,
}

/// What a fault was, as the kernel tells it.
pub struct Fault {
    /// The signal.
    pub signal: i32,
    code: i32,
    /// The address that was accessed.
    pub address: usize,
}

/// Why a thread is not ready to run wasm.
pub enum Unready {
    /// The handlers cannot be installed.
    Handlers(io::Error),
    /// The thread is about to end, and has no place for its signal stack any more.
    ThreadEnds,
    /// There is no signal stack.
    Stack(io::Error),
}

/// Of stores whose engine wants no notes of where threads are. No address of notes is this.
pub const NO_SAMPLES_KEY: usize = 1;

/// The signal of an access to memory that is not there.
pub const ACCESS_FAULT: i32 = libc::SIGSEGV;

/// The signals that faults of machine code arrive as.
const FAULTS: [i32; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

/// Alternate stacks smaller than this are replaced: a saved context with wide vectors takes several KiB, and a handler
/// that we chain to needs room as well.
const ALTERNATE_STACK_BYTES: usize = 64 << 10;

static mut PREVIOUS: [MaybeUninit<libc::sigaction>; 65] = [const { MaybeUninit::uninit() }; 65];
/// Null until the first thread gets ready.
static HANDLERS: AtomicPtr<Handlers> = AtomicPtr::new(std::ptr::null_mut());
static INTERRUPT_SIGNAL: AtomicI32 = AtomicI32::new(libc::SIGURG);

/// The signal that interrupts a thread that runs wasm.
pub fn interrupt_signal() -> i32 {
    INTERRUPT_SIGNAL.load(Ordering::Relaxed)
}

/// Whether a signal reports an access to memory.
pub fn is_access_fault(signal: i32) -> bool {
    signal == libc::SIGSEGV || signal == libc::SIGBUS
}

/// Whether the thread is ready to run wasm of a store with this key.
#[inline]
pub fn is_ready(key: usize) -> bool {
    READY.get() == key
}

/// Makes this process and this thread ready to run wasm of a store with this key. The caller holds off forks.
///
/// # Errors
/// If the system refuses, or the thread is ending and no longer can. The next call tries again.
pub fn prepare(key: usize, handlers: &'static Handlers) -> Result<(), Unready> {
    HANDLERS.store(std::ptr::from_ref(handlers).cast_mut(), Ordering::Release);
    if READY.get() == NOT_READY {
        install().map_err(Unready::Handlers)?;
        ALTERNATE.try_with(prepare_thread).map_err(|_| Unready::ThreadEnds)?.map_err(Unready::Stack)?;
    }
    // First: if a tick finds the thread outside of wasm from here on, that is to be the last word.
    READY.set(key);
    if key != NO_SAMPLES_KEY {
        timer::run(interrupt_signal());
    }
    Ok(())
}

/// What is done about signals. Safe to call in a handler: it was set before the handler was installed, and lasts.
fn handlers() -> &'static Handlers {
    // SAFETY: it comes from a reference that lasts, stored before any handler of ours was installed.
    unsafe { &*HANDLERS.load(Ordering::Acquire) }
}

/// Installs the handlers, once.
fn install() -> io::Result<()> {
    /// How many of ours are installed.
    static INSTALLED: Mutex<usize> = Mutex::new(0);
    let ours = FAULTS.map(|signal| (signal, handle_fault as *const () as usize, libc::SA_NODEFER));
    let ours = ours.into_iter().chain([(interrupt_signal(), handle_interrupt as *const () as usize, libc::SA_RESTART)]);
    // A panic there would leave the number as it was: what it counts is done.
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    for (signal, handler, flags) in ours.skip(*installed) {
        // SAFETY: the handlers are those of this file, which obey invariant 5; each signal comes here once, with the lock held.
        unsafe { install_one(signal, handler, flags)? };
        *installed += 1;
        if signal == interrupt_signal() {
            move_handlers_to_signal_stacks();
        }
    }
    Ok(())
}

/// Installs a handler and keeps the action that was there.
///
/// # Safety
/// `handler` must be a function of a signal handler with three arguments that obeys invariant 5; called once for each signal,
/// under the lock of [`install`].
unsafe fn install_one(signal: i32, handler: usize, flags: i32) -> io::Result<()> {
    // SAFETY: sigaction gets valid pointers; PREVIOUS has a place for every signal number, which is filled before our handler can
    // run and read it. A zeroed action is a value: it holds integers, a set and addresses.
    unsafe {
        let previous = (&raw mut PREVIOUS).cast::<libc::sigaction>().add(signal as usize);
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | flags;
        // Other signals wait: their handlers may be without SA_ONSTACK, and run on our signal stack then.
        libc::sigfillset(&mut action.sa_mask);
        for fault in FAULTS {
            libc::sigdelset(&mut action.sa_mask, fault);
        }
        succeed(libc::sigaction(signal, std::ptr::null(), previous))?;
        succeed(libc::sigaction(signal, &action, std::ptr::null_mut()))
    }
}

/// Adds `SA_ONSTACK` to the handlers that the host has by now, so that they do not run on the stacks of guests. Without
/// a signal stack, as in threads that never run guests, it means nothing. What the system refuses, stays as it was.
fn move_handlers_to_signal_stacks() {
    for signal in (1..=libc::SIGRTMAX()).filter(|signal| !FAULTS.contains(signal) && *signal != interrupt_signal()) {
        // SAFETY: sigaction gets valid pointers; the action differs from the present one in one flag.
        unsafe {
            let mut action = std::mem::zeroed::<libc::sigaction>();
            let is_known = libc::sigaction(signal, std::ptr::null(), &mut action) == 0;
            let has_handler = ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction);
            if is_known && has_handler && action.sa_flags & libc::SA_ONSTACK == 0 {
                action.sa_flags |= libc::SA_ONSTACK;
                libc::sigaction(signal, &action, std::ptr::null_mut());
            }
        }
    }
}

/// The error of a call of the C library that says -1.
fn succeed(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The handler of faults.
///
/// # Safety
/// Called by the kernel alone, on the thread that was stopped.
unsafe extern "C" fn handle_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let _kept = thread::KeptErrno::new();
    // SAFETY: the kernel passes valid pointers, which nothing else uses until this returns, and registers as they were.
    unsafe {
        let mut stopped = Stopped::new(context);
        let fault = Fault { signal, code: (*info).si_code, address: (*info).si_addr() as usize };
        let sent_by_kernel = fault.code > 0;
        if sent_by_kernel && (handlers().fault)(&fault, &mut stopped) {
            return;
        }
        chain(signal, info, context);
    }
}

impl Fault {
    /// What the kernel raises where it cannot push the frame of a handler.
    pub fn is_refused_frame(&self) -> bool {
        const SI_KERNEL: i32 = 0x80;
        self.signal == libc::SIGSEGV && self.code == SI_KERNEL
    }
}

/// The most that the kernel pushes for a handler: the registers, what lies below the stack pointer and belongs to the
/// code that was stopped, and what aligns the two.
pub fn frame_bytes() -> usize {
    const AT_MINSIGSTKSZ: libc::c_ulong = 51;
    const LEAST_BYTES: usize = 4 << 10;
    const RED_ZONE_BYTES: usize = 1 << 10;
    // SAFETY: getauxval takes a number and reads what the process was given at its start; 0 where it knows nothing.
    let registers_bytes = unsafe { libc::getauxval(AT_MINSIGSTKSZ) } as usize;
    registers_bytes.max(LEAST_BYTES) + RED_ZONE_BYTES
}

/// Lets the interrupt signal come when the handler of the host has returned that runs on a guest's stack: the guest ends
/// then. If another one of them begins at that moment, the signal finds that one, and waits again.
pub fn wait_for_handler(stopped: &mut Stopped<'_>) {
    stopped.block(interrupt_signal());
    // Without it the guest goes on, and reaches the end a little later.
    drop(thread::interrupt(thread::current_id(), interrupt_signal()));
}

/// Writes to the standard error, from a handler. Whether anybody reads it or not.
pub fn say(message: &[u8]) {
    let _ = rustix::io::write(rustix::stdio::stderr(), message);
}

/// In the handler: a tick has found the thread in wasm of an engine that wants notes.
pub fn hit_tick() {
    timer::hit();
}

/// In the handler: a tick has found the thread elsewhere; outside of all wasm, or inside of that of another engine.
pub fn missed_tick(is_outside: bool) {
    if timer::missed((handlers().runs_guests)()) && is_outside && READY.get() != NOT_READY {
        READY.set(TIMER_STOPPED);
    }
}

/// The handler of interruptions, and of the ticks of timers.
///
/// # Safety
/// Called by the kernel alone, on the thread that was stopped.
unsafe extern "C" fn handle_interrupt(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let _kept = thread::KeptErrno::new();
    // SAFETY: the kernel passes valid pointers, which nothing else uses until this returns, and registers as they were. PREVIOUS was
    // filled for the signal before this handler was installed.
    unsafe {
        let mut stopped = Stopped::new(context);
        let is_tick = timer::is_tick(info);
        if (handlers().interrupt)(signal, is_tick, &mut stopped) == Answer::Taken {
            return;
        }
        // Where no wasm runs, the flag is looked at on the way back. A foreign use of the signal goes on to its handler.
        if is_tick || thread::is_interruption(info) {
            return;
        }
        let previous = (*(&raw const PREVIOUS).cast::<libc::sigaction>().add(signal as usize)).sa_sigaction;
        if previous != libc::SIG_DFL && previous != libc::SIG_IGN {
            chain(signal, info, context);
        }
    }
}

/// In a child of `fork`: this thread's timer is not there, and runs anew when it is wanted.
pub fn forget_timer() {
    timer::forget();
    if READY.get() != NOT_READY {
        READY.set(TIMER_STOPPED);
    }
}

/// Does what would have happened without us.
///
/// # Safety
/// Called in a handler of ours, with its arguments.
unsafe fn chain(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: PREVIOUS was filled for this signal before our handler was installed; the arguments are the kernel's.
    unsafe {
        // With the signals that were blocked before.
        let mask = &raw const (*context.cast::<libc::ucontext_t>()).uc_sigmask;
        libc::pthread_sigmask(libc::SIG_SETMASK, mask.cast(), std::ptr::null_mut());
        let previous = &*(&raw const PREVIOUS).cast::<libc::sigaction>().add(signal as usize);
        match previous.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {
                // Let the instruction run again with the previous action, which then ends the process.
                libc::sigaction(signal, previous, std::ptr::null_mut());
                if (*info).si_code <= 0 {
                    libc::raise(signal);
                }
            }
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: unsafe extern "C" fn(i32) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}

/// An alternate signal stack of our own, and what was there before.
struct AlternateStack {
    mapping: Option<Mapping>,
    previous: libc::stack_t,
}

/// Of a thread that is not ready to run wasm. The keys of [`prepare`] are others.
const NOT_READY: usize = 0;

/// Of one that is, and whose timer has stopped: no store has this key either.
const TIMER_STOPPED: usize = usize::MAX;

thread_local! {
    /// What the thread is ready for: see `prepare`.
    static READY: Cell<usize> = const { Cell::new(NOT_READY) };
    static ALTERNATE: RefCell<Option<AlternateStack>> = const { RefCell::new(None) };
}

fn prepare_thread(slot: &RefCell<Option<AlternateStack>>) -> io::Result<()> {
    unblock_signals()?;
    // SAFETY: sigaltstack reads and writes valid structs; the new stack is a mapping that lives until it is disabled.
    unsafe {
        let mut previous = std::mem::zeroed::<libc::stack_t>();
        succeed(libc::sigaltstack(std::ptr::null(), &mut previous))?;
        let enough = previous.ss_flags & libc::SS_DISABLE == 0 && previous.ss_size >= ALTERNATE_STACK_BYTES;
        let mapping = if enough { None } else { Some(install_alternate_stack()?) };
        *slot.borrow_mut() = Some(AlternateStack { mapping, previous });
    }
    Ok(())
}

/// Gives this thread a signal stack.
///
/// # Safety
/// The mapping must live until the stack is disabled or the thread ends.
unsafe fn install_alternate_stack() -> io::Result<Mapping> {
    let guard = page_size();
    let mapping = Mapping::anonymous(ALTERNATE_STACK_BYTES + guard, Access::ReadWrite)?;
    // SAFETY: the mapping is our own and fresh (invariant 16); from here on only signal handlers of this thread use it. sigaltstack
    // reads a valid struct.
    unsafe {
        mapping.protect(0, guard, Access::None)?;
        let stack =
            libc::stack_t { ss_sp: mapping.base().add(guard).cast(), ss_flags: 0, ss_size: ALTERNATE_STACK_BYTES };
        succeed(libc::sigaltstack(&stack, std::ptr::null_mut()))?;
    }
    Ok(mapping)
}

/// Lets this thread have the signals that its guests need. A thread begins with those blocked that its maker had blocked,
/// or the parent of the process; the kernel ends a process that raises a blocked one by a fault.
fn unblock_signals() -> io::Result<()> {
    // SAFETY: the set is ours, made empty before it is filled; the signals have the handlers of this file.
    let result = unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        for signal in FAULTS.into_iter().chain([interrupt_signal()]) {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        READY.set(NOT_READY);
        let Some(mapping) = &self.mapping else { return };
        // SAFETY: as in `prepare_thread`. Ours is disabled before the mapping is freed, unless someone replaced it.
        unsafe {
            let mut current = std::mem::zeroed::<libc::stack_t>();
            libc::sigaltstack(std::ptr::null(), &mut current);
            if current.ss_sp as usize == mapping.base() as usize + page_size() {
                libc::sigaltstack(&self.previous, std::ptr::null_mut());
            }
        }
    }
}

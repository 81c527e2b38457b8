//! What the runtime needs to know of the thread it is on: where its stack lies, and how to signal it.

use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static THREAD_ID: Cell<i32> = const { Cell::new(0) };
}

/// The kernel's id of this thread.
#[inline]
pub fn current_id() -> i32 {
    match THREAD_ID.get() {
        0 => find_id(),
        id => id,
    }
}

#[cold]
fn find_id() -> i32 {
    // Without a lock, which a child could find taken. If two threads do this at the same time, it is done twice, with the same result.
    static AFTER_FORK: AtomicBool = AtomicBool::new(false);
    extern "C" fn forget() {
        THREAD_ID.set(0);
    }
    if !AFTER_FORK.load(Ordering::Relaxed) {
        // SAFETY: the handler touches one thread-local without destructor, which is allowed after `fork`.
        unsafe { libc::pthread_atfork(None, None, Some(forget)) };
        AFTER_FORK.store(true, Ordering::Relaxed);
    }
    let id = rustix::thread::gettid().as_raw_nonzero().get();
    THREAD_ID.set(id);
    id
}

/// What tells this thread from all others that live. Unlike [`current_id`], the same in a child made by `fork`.
#[inline]
pub fn marker() -> usize {
    THREAD_ID.with(|id| &raw const *id as usize)
}

/// The number of this thread's last error, put back when this is dropped: it belongs to what a handler interrupts.
pub struct KeptErrno(i32);

impl KeptErrno {
    /// As it is now.
    pub fn new() -> Self {
        // SAFETY: it is this thread's, and lives as long as the thread.
        Self(unsafe { *errno() })
    }
}

impl Drop for KeptErrno {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { *errno() = self.0 };
    }
}

fn errno() -> *mut i32 {
    // SAFETY: it takes nothing and only says where the number is.
    unsafe {
        #[cfg(target_os = "linux")]
        return libc::__errno_location();
        #[cfg(not(target_os = "linux"))]
        return libc::__error();
    }
}

/// Has functions called around every `fork`: before it, then after it in the parent, and in the child.
pub fn at_fork(prepare: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) {
    // SAFETY: the functions live as long as the process, and are safe to call on any thread.
    let result = unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
    debug_assert_eq!(result, 0, "there is memory for three pointers");
}

/// The addresses of the stack that the system or its library made for this thread.
pub fn own_stack() -> Range<usize> {
    main_stack().or_else(thread_stack).unwrap_or(0..0)
}

/// The main thread's, which grows down from the name of the program to its limit. The C library would read the list of
/// all mappings to know.
#[cfg(target_os = "linux")]
fn main_stack() -> Option<Range<usize>> {
    // The limit counts from the page behind the name.
    const NAME_BYTES: usize = 8 << 10;
    // So much lies free below, whatever the limit was when the process began and has been raised to since.
    const MOST_BYTES: usize = 64 << 20;
    if rustix::thread::gettid() != rustix::process::getpid() {
        return None;
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current?;
    let limit_bytes = usize::try_from(limit).ok()?.min(MOST_BYTES);
    // SAFETY: getauxval takes a number and answers with one, 0 where it knows nothing.
    let name = unsafe { libc::getauxval(libc::AT_EXECFN) } as usize;
    Some(name.checked_sub(limit_bytes)? + NAME_BYTES..name)
}

#[cfg(not(target_os = "linux"))]
fn main_stack() -> Option<Range<usize>> {
    None
}

fn thread_stack() -> Option<Range<usize>> {
    // SAFETY: plain libc calls on an attribute object of our own, initialised by the first and destroyed by the last.
    unsafe {
        let mut attributes = std::mem::zeroed::<libc::pthread_attr_t>();
        let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return None;
        }
        libc::pthread_attr_getstack(&attributes, &mut low, &mut size);
        libc::pthread_attr_getguardsize(&attributes, &mut guard);
        libc::pthread_attr_destroy(&mut attributes);
        Some(low as usize + guard..low as usize + size)
    }
}

/// Sends a thread of this process the interrupt signal, in a form that [`is_interruption`] knows.
///
/// # Errors
/// When the thread has ended.
pub fn interrupt(thread_id: i32, signal: i32) -> io::Result<()> {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    #[cfg(target_os = "linux")]
    {
        let info = Sent {
            signal,
            error: 0,
            code: SI_QUEUE,
            padding: 0,
            process,
            user: 0,
            value: &raw const MARK as usize,
            rest: [0; 12],
        };
        // SAFETY: the information is as long as the system wants it to be. The call names this process, so that a reused id
        // elsewhere is never hit.
        let result = unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread_id, signal, &raw const info) };
        if result == 0 {
            return Ok(());
        }
    }
    // SAFETY: tgkill takes numbers only, and names this process likewise.
    match unsafe { libc::syscall(libc::SYS_tgkill, process, thread_id, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether a signal was sent by [`interrupt`]. Not known of all: some systems refuse to carry the mark.
///
/// # Safety
/// `info` must be what a handler was given.
pub unsafe fn is_interruption(info: *const libc::siginfo_t) -> bool {
    // SAFETY: as the caller promises.
    unsafe { carries(info, SI_QUEUE, &raw const MARK) }
}

/// Whether a signal of this code carries a mark: an address that is nobody else's.
///
/// # Safety
/// `info` must be what a handler was given, and signals of this code carry a value.
pub unsafe fn carries(info: *const libc::siginfo_t, code: i32, mark: *const u8) -> bool {
    // SAFETY: as the caller promises.
    unsafe { (*info).si_code == code && (*info).si_value().sival_ptr.cast_const() == mark.cast() }
}

const SI_QUEUE: i32 = -1;

static MARK: u8 = 0;

/// The system's `siginfo_t`, of a signal that carries a value.
#[cfg(target_os = "linux")]
#[repr(C)]
struct Sent {
    signal: i32,
    error: i32,
    code: i32,
    padding: i32,
    process: i32,
    user: u32,
    value: usize,
    rest: [usize; 12],
}

#[cfg(target_os = "linux")]
const _: () = assert!(size_of::<Sent>() == size_of::<libc::siginfo_t>());

/// Makes every thread of this process pass a full memory barrier. False where the system cannot.
pub fn fence_all_threads() -> bool {
    const PRIVATE_EXPEDITED: i32 = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: i32 = 1 << 4;
    // Without a lock, as above: registering twice is the same as once.
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    let membarrier = |command: i32| {
        // SAFETY: membarrier takes numbers only.
        (unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }) == 0
    };
    if !REGISTERED.load(Ordering::Relaxed) {
        REGISTERED.store(membarrier(REGISTER_PRIVATE_EXPEDITED), Ordering::Relaxed);
    }
    REGISTERED.load(Ordering::Relaxed) && membarrier(PRIVATE_EXPEDITED)
}

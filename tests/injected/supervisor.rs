//! Makes system calls of a thread fail at the n-th time: the kernel asks another thread what becomes of each call. Threads
//! that it starts are asked about too, and spared: the standard library ends the process if a thread cannot begin.

use std::io;
use std::mem::{offset_of, zeroed};
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering};

/// Calls until one fails; not above 0 while none is to fail.
static COUNTDOWN: AtomicI64 = AtomicI64::new(0);
/// What the call that fails gives.
static ERROR: AtomicI32 = AtomicI32::new(libc::ENOMEM);
/// Calls that have failed so far.
static FAILED: AtomicU64 = AtomicU64::new(0);

/// The flag that sets the runtime's mappings apart from those of the allocator, whose failures end any program in Rust.
const NO_RESERVE: u32 = libc::MAP_NORESERVE as u32;

/// Calls that the filter asks about, beside `mmap`.
const ASKED: &[i64] = &[
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    libc::SYS_pwrite64,
    libc::SYS_pread64,
    libc::SYS_sigaltstack,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_openat,
    libc::SYS_statx,
];

/// Starts the supervisor, and puts this thread under it; whether the system allows that.
pub fn supervise() -> bool {
    let (send, receive) = std::sync::mpsc::channel();
    let supervised = rustix::thread::gettid().as_raw_nonzero().get() as u32;
    std::thread::spawn(move || receive.recv().map(|listener| answer_for_ever(listener, supervised)));
    match install_filter() {
        Ok(listener) => send.send(listener).is_ok(),
        Err(error) => {
            println!("skipped: this system lets no thread decide over system calls: {error}");
            false
        }
    }
}

/// From now on the n-th call fails, counted from 1.
pub fn fail_at(n: usize, error: i32) {
    ERROR.store(error, Ordering::SeqCst);
    COUNTDOWN.store(n as i64, Ordering::SeqCst);
}

/// From now on no call fails.
pub fn fail_none() {
    COUNTDOWN.store(0, Ordering::SeqCst);
}

/// Calls that have failed so far.
pub fn failed() -> u64 {
    FAILED.load(Ordering::SeqCst)
}

fn install_filter() -> io::Result<i32> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, k, jt, jf| libc::sock_filter { code, k, jt, jf };
    let flags_at = offset_of!(libc::seccomp_data, args) + 3 * size_of::<u64>();
    let mut filter = vec![step(LOAD, offset_of!(libc::seccomp_data, nr) as u32, 0, 0)];
    for (n, call) in ASKED.iter().enumerate() {
        // To the end, where the supervisor is asked: over the other comparisons and the five steps for `mmap`.
        filter.push(step(EQUAL, *call as u32, (ASKED.len() - 1 - n + 4) as u8, 0));
    }
    filter.push(step(EQUAL, libc::SYS_mmap as u32, 0, 2));
    filter.push(step(LOAD, flags_at as u32, 0, 0));
    filter.push(step(ANY_BIT, NO_RESERVE, 1, 0));
    filter.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    filter.push(step(RETURN, libc::SECCOMP_RET_USER_NOTIF, 0, 0));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: plain system calls; the program lives until they return.
    let listener = unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    };
    if listener < 0 { Err(io::Error::last_os_error()) } else { Ok(listener as i32) }
}

/// Decides over each call, until the process ends.
fn answer_for_ever(listener: i32, supervised: u32) {
    const RECEIVE: libc::Ioctl = 0xc050_2100u32 as libc::Ioctl;
    const SEND: libc::Ioctl = 0xc018_2101u32 as libc::Ioctl;
    loop {
        // SAFETY: the kernel's structs are all zeros when they are handed to it, and it fills them.
        unsafe {
            let mut asked: libc::seccomp_notif = zeroed();
            if libc::ioctl(listener, RECEIVE, &raw mut asked) != 0 {
                continue; // The caller has been interrupted, and asks again.
            }
            let mut answer: libc::seccomp_notif_resp = zeroed();
            answer.id = asked.id;
            let counts = asked.pid == supervised && COUNTDOWN.load(Ordering::SeqCst) > 0;
            if counts && COUNTDOWN.fetch_sub(1, Ordering::SeqCst) == 1 {
                FAILED.fetch_add(1, Ordering::SeqCst);
                answer.error = -ERROR.load(Ordering::SeqCst);
            } else {
                answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
            }
            libc::ioctl(listener, SEND, &raw mut answer);
        }
    }
}

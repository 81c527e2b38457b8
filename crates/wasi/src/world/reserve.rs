//! Descriptors kept back for calls on names. Looking up a name in steps takes descriptors for a moment, where a native
//! program's `stat`, `mkdir` or `rename` takes none: with these, such calls work when all others are used up.
//!
//! The process has one reserve, whatever the number of its guests. What opens something for the guest does not use it.

use std::fs::File;
use std::io;

use epsilon::ForkMutex;
use rustix::io::Errno;

/// As many as a call takes at most: two directories, or a file and the three of `/proc`.
const KEPT: usize = 4;

/// The list cannot be left half-changed. It is the process's: a child of `fork` that runs guests of its own needs it too.
static RESERVE: ForkMutex<Vec<File>> = ForkMutex::new(Vec::new());

/// The most descriptors that the process may have; no number if there is no limit.
pub(crate) fn process_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Fills the reserve, as far as there are descriptors: where there are few, fewer are kept.
pub(crate) fn keep() {
    fill(&mut RESERVE.lock_sound());
}

fn fill(reserve: &mut Vec<File>) {
    let few = process_limit().map_or(KEPT, |limit| usize::try_from(limit / 16).unwrap_or(KEPT).max(1));
    while reserve.len() < KEPT.min(few) {
        match File::open("/dev/null") {
            Ok(file) => reserve.push(file),
            Err(_) => return,
        }
    }
}

/// Does something that opens descriptors for a moment, with the reserve if there are no others. It has done nothing
/// when it fails for lack of one.
pub(crate) fn with_spare<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    match call() {
        Err(error) if is_exhaustion(&error) => {}
        result => return result,
    }
    let mut reserve = RESERVE.lock_sound();
    reserve.clear();
    let result = call();
    fill(&mut reserve);
    result
}

/// Whether the process or the system has no descriptors left.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

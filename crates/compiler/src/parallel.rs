//! Work on all function bodies, on as many threads as there are, with a result that does not depend on how many.

use crate::compiler::Scratch;
use epsilon_abi::{ByteRange, DefinedFuncIndex};
use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What one thread has done: results by position.
type Done<T, E> = Vec<(usize, Result<T, E>)>;

/// Works on each body, the large ones first. Of several errors, gives that of the first body.
///
/// # Panics
/// If `work` panics.
pub(crate) fn for_each_body<T: Send, E: Send>(
    bodies: &[ByteRange],
    parallel_from_bytes: usize,
    work: impl Fn(&mut Scratch, DefinedFuncIndex) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let bytes: usize = bodies.iter().map(ExactSizeIterator::len).sum();
    let threads = if bytes < parallel_from_bytes { 1 } else { thread_count().min(bodies.len()) };
    if threads <= 1 {
        let mut scratch = Scratch::default();
        return (0..bodies.len()).map(|at| work(&mut scratch, DefinedFuncIndex::new(at))).collect();
    }
    let mut order: Vec<usize> = (0..bodies.len()).collect();
    order.sort_by_key(|at| (Reverse(bodies[*at].len()), *at));
    let share = Share { order: &order, next: AtomicUsize::new(0), first_failed: AtomicUsize::new(usize::MAX) };
    let parts: Vec<Done<T, E>> = thread::scope(|scope| {
        // Where there are no more threads, there are fewer at work.
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, || share.work_off(&work)).ok();
        let others: Vec<_> = (1..threads).map_while(spawn).collect();
        let mut parts = vec![share.work_off(&work)];
        parts.extend(others.into_iter().map(|other| match other.join() {
            Ok(part) => part,
            Err(panic) => std::panic::resume_unwind(panic),
        }));
        parts
    });
    let mut all: Done<T, E> = parts.into_iter().flatten().collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, result)| result).collect()
}

/// How many threads do work in parallel: one for each processor that this process may use.
pub fn thread_count() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What the threads share.
struct Share<'a> {
    order: &'a [usize],
    /// Position in `order` of the next body to take.
    next: AtomicUsize,
    /// The first body known to have failed. Bodies behind it are skipped; those before it never are, so that which
    /// error is reported does not depend on timing.
    first_failed: AtomicUsize,
}

impl Share<'_> {
    fn work_off<T, E>(&self, work: &impl Fn(&mut Scratch, DefinedFuncIndex) -> Result<T, E>) -> Done<T, E> {
        let mut scratch = Scratch::default();
        let mut done = Vec::new();
        while let Some(&at) = self.order.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if at > self.first_failed.load(Ordering::Relaxed) {
                continue;
            }
            let result = work(&mut scratch, DefinedFuncIndex::new(at));
            if result.is_err() {
                self.first_failed.fetch_min(at, Ordering::Relaxed);
            }
            done.push((at, result));
        }
        done
    }
}

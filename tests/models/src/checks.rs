//! The models: a few threads, and what must hold whatever their order.

use crate::code::registry::{GRANULE_BYTES, Ranges};
use crate::sys::thread::Kernel;
use crate::threads::claims::{Claim, Claims, Turn};
use crate::threads::interrupt::InterruptHandle;
use crate::threads::waiting::{WaitList, WaitResult};
use crate::threads::words::VmStore;
use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use loom::thread;
use std::sync::Arc;

/// The thread that runs wasm.
const RUNNER: i32 = 7;

/// The interruption protocol. The runner publishes itself with a plain store and looks at the flag with a plain load, as
/// fixed code does; the sender is the runtime's own.
fn interruption(has_no_barrier: bool) {
    let kernel = Kernel::new(has_no_barrier);
    let vm = Arc::new(VmStore::default());
    let runner = {
        let (kernel, vm) = (kernel.clone(), vm.clone());
        thread::spawn(move || {
            kernel.between_instructions();
            vm.running_thread.store(RUNNER, Ordering::Relaxed);
            kernel.between_instructions();
            let sees_it = vm.pending.load(Ordering::Relaxed) != 0;
            kernel.pass();
            sees_it
        })
    };
    kernel.serve(|| InterruptHandle::new(&vm).interrupt());
    let sees_it = runner.join().expect("no panic");
    let is_signalled = kernel.signalled.load(Ordering::SeqCst) == RUNNER;
    assert!(sees_it || is_signalled, "the runner has entered wasm, and nobody ends it");
}

#[test]
fn no_interruption_is_lost() {
    loom::model(|| interruption(false));
}

/// That the model sees what the barrier is for.
#[test]
#[should_panic = "nobody ends it"]
fn without_the_barrier_an_interruption_can_be_lost() {
    loom::model(|| interruption(true));
}

/// A signal handler looks while regions come and go.
#[test]
fn a_registry_never_shows_half_a_range() {
    loom::model(|| {
        // Two in a chunk, so that the third one begins another.
        let ranges: Arc<Ranges<2>> = Arc::new(Ranges::new([AtomicUsize::new(0), AtomicUsize::new(0)]));
        let changed = Arc::new(AtomicUsize::new(0));
        let at = |granule: usize| granule * GRANULE_BYTES;
        ranges.insert(at(1), at(1));
        let linker = {
            let (ranges, changed) = (ranges.clone(), changed.clone());
            thread::spawn(move || {
                ranges.insert(at(4), at(1));
                ranges.insert(at(6), at(2));
                // Only now can anything reach code there; and nothing any more what is removed.
                changed.store(1, Ordering::Release);
                ranges.remove(at(1), at(1));
                ranges.insert(at(9), at(1));
            })
        };
        assert!(!ranges.contains(at(1) - 1) && !ranges.contains(at(2)) && !ranges.contains(at(8)), "of no range");
        if changed.load(Ordering::Acquire) == 1 {
            assert!(ranges.contains(at(4)) && ranges.contains(at(8) - 1), "code that runs is known");
        }
        linker.join().expect("no panic");
        assert!(ranges.contains(at(9)) && !ranges.contains(at(1)), "what was removed is gone");
    });
}

/// Waits until the thing is done, or lets this thread be the one to do it.
fn done_or_ours<R>(claims: &Arc<Claims<u32>>, done: impl Fn() -> Option<R>) -> Result<R, Claim<u32>> {
    loop {
        match claims.claim(3, &done) {
            Turn::Done(result) => return Ok(result),
            Turn::Ours(claim) => return Err(claim),
            Turn::Theirs(work) => claims.wait(&work, None),
        }
    }
}

/// Two threads call a function without code, and a third one is at it ahead of them: one compiles, all get the code.
#[test]
fn what_is_wanted_by_many_is_done_once() {
    loom::model(|| {
        let claims = Arc::new(Claims::<u32>::default());
        let (code, compilations) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let materialise = |claims: &Arc<Claims<u32>>, code: &AtomicUsize, compilations: &AtomicUsize| {
            let linked = || Some(code.load(Ordering::Acquire)).filter(|address| *address != 0);
            match done_or_ours(claims, linked) {
                Ok(address) => address,
                Err(_claim) => {
                    compilations.fetch_add(1, Ordering::Relaxed);
                    code.store(0x40, Ordering::Release);
                    0x40
                }
            }
        };
        let other = {
            let (claims, code, compilations) = (claims.clone(), code.clone(), compilations.clone());
            thread::spawn(move || materialise(&claims, &code, &compilations))
        };
        assert_eq!(materialise(&claims, &code, &compilations), 0x40);
        assert_eq!(other.join().expect("no panic"), 0x40);
        assert_eq!(compilations.load(Ordering::Relaxed), 1);
    });
}

/// A worker leaves alone what another thread is doing or has done; a thread that needs the result waits for the worker.
#[test]
fn work_ahead_is_not_done_twice() {
    loom::model(|| {
        let claims = Arc::new(Claims::<u32>::default());
        let (code, compilations) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let compile = |code: &AtomicUsize, compilations: &AtomicUsize| {
            compilations.fetch_add(1, Ordering::Relaxed);
            code.store(0x40, Ordering::Release);
        };
        let linked = |code: &AtomicUsize| Some(code.load(Ordering::Acquire)).filter(|address| *address != 0);
        let ahead = {
            let (claims, code, compilations) = (claims.clone(), code.clone(), compilations.clone());
            thread::spawn(move || {
                if let Turn::Ours(_claim) = claims.claim(3, || linked(&code)) {
                    compile(&code, &compilations);
                }
            })
        };
        if let Err(_claim) = done_or_ours(&claims, || linked(&code)) {
            compile(&code, &compilations);
        }
        ahead.join().expect("no panic");
        assert_eq!((code.load(Ordering::Relaxed), compilations.load(Ordering::Relaxed)), (0x40, 1));
    });
}

/// Who fails lets the next one try; nobody waits for ever.
#[test]
fn failures_pass_the_work_on() {
    loom::model(|| {
        let claims = Arc::new(Claims::<u32>::default());
        let attempts = Arc::new(AtomicUsize::new(0));
        let attempt = |claims: &Arc<Claims<u32>>, attempts: &AtomicUsize| {
            let claim = done_or_ours(claims, || None::<()>);
            assert!(claim.is_err(), "it is never done");
            attempts.fetch_add(1, Ordering::Relaxed);
        };
        let other = {
            let (claims, attempts) = (claims.clone(), attempts.clone());
            thread::spawn(move || attempt(&claims, &attempts))
        };
        attempt(&claims, &attempts);
        other.join().expect("no panic");
        assert_eq!(attempts.load(Ordering::Relaxed), 2);
    });
}

/// Who waits for the work of another is interrupted, whenever that comes; and the work goes on.
#[test]
fn a_wait_for_work_is_interrupted() {
    loom::model(|| {
        let (claims, vm) = (Arc::new(Claims::<u32>::default()), Arc::new(VmStore::default()));
        let Turn::Ours(claim) = claims.claim(3, || None::<()>) else { panic!("nobody else is there") };
        let waiter = {
            let (claims, vm, work) = (claims.clone(), vm.clone(), claim.work().clone());
            thread::spawn(move || claims.wait(&work, Some(&*vm)))
        };
        vm.pending.store(1, Ordering::SeqCst);
        vm.waiting.interrupt();
        waiter.join().expect("the wait ends");
        assert!(!claim.work().has_ended());
    });
}

/// A thread that changes a value and then notifies wakes every thread that still saw the old one. A wake-up that is lost is a deadlock here.
#[test]
fn no_notification_is_lost() {
    loom::model(|| {
        let (list, value) = (Arc::new(WaitList::default()), Arc::new(AtomicU32::new(0)));
        let waiter = {
            let (list, value) = (list.clone(), value.clone());
            thread::spawn(move || list.wait(8, || value.load(Ordering::SeqCst) != 0, None, None))
        };
        value.store(1, Ordering::SeqCst);
        let woken = list.notify(8, 1);
        let result = waiter.join().expect("no panic");
        assert_eq!(result == WaitResult::Ok, woken == 1, "who is woken and who is counted");
    });
}

/// Two wait; two notifications of one each wake both, none twice, and none of another address.
#[test]
fn notifications_wake_as_many_as_they_count() {
    loom::model(|| {
        let (list, value) = (Arc::new(WaitList::default()), Arc::new(AtomicU32::new(0)));
        let waiters: [_; 2] = std::array::from_fn(|_| {
            let (list, value) = (list.clone(), value.clone());
            thread::spawn(move || list.wait(8, || value.load(Ordering::SeqCst) != 0, None, None))
        });
        assert_eq!(list.notify(16, 9), 0, "nobody waits there");
        let early = list.notify(8, 1);
        value.store(1, Ordering::SeqCst);
        let late = list.notify(8, u32::MAX);
        let woken = waiters.into_iter().filter_map(|waiter| waiter.join().ok()).filter(|end| *end == WaitResult::Ok);
        assert_eq!(woken.count() as u32, early + late);
    });
}

/// An interruption ends a wait, whenever it comes: also between the look at the value and the sleep.
#[test]
fn interruptions_end_waits() {
    loom::model(|| {
        let kernel = Kernel::new(true);
        let (list, vm) = (Arc::new(WaitList::default()), Arc::new(VmStore::default()));
        let waiter = {
            let (list, vm) = (list.clone(), vm.clone());
            thread::spawn(move || list.wait(8, || false, None, Some(&*vm)))
        };
        kernel.serve(|| InterruptHandle::new(&vm).interrupt());
        assert_eq!(waiter.join().expect("no panic"), WaitResult::TimedOut);
        assert_eq!(list.notify(8, 1), 0, "it has left the queue");
    });
}

//! Where guests spend their time: a timer of each thread that runs them, on the time that its processor takes, has the
//! signal handler note where the thread is. Others read the notes and decide what is worth better code.
//!
//! ```text
//! enters wasm ─► timer runs ─┬─ thread is in wasm ─────────► note, wake the reader
//!                            ├─ in a host function, or in wasm of another engine ─► nothing; if that goes on, ask less often
//!                            └─ has left wasm ─────────────► timer stops, until the next entry
//! ```
//! Without timers, as under a strict filter of system calls, there are no notes, and guests run on as they are.

use crate::sys::signal::NO_SAMPLES_KEY;
use crate::sys::wake;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// So many notes are kept. A reader that is slower loses the older ones.
const KEPT: usize = 256;

/// Notes of one engine. Written by signal handlers, without a lock.
#[derive(Debug)]
pub struct Samples {
    /// Changes whenever notes are wanted anew; no two engines of which they are have the same.
    key: AtomicUsize,
    wanted: AtomicBool,
    /// Whether nothing can run any more that notes would be made of.
    ended: AtomicBool,
    /// How many notes were made; readers wait for it to change.
    made: AtomicU32,
    /// How many readers wait.
    waiting: AtomicU32,
    /// How many notes were read.
    read: AtomicU32,
    /// Program counters; 0 where there is none.
    notes: [AtomicUsize; KEPT],
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            key: AtomicUsize::new(NO_SAMPLES_KEY),
            wanted: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            made: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            read: AtomicU32::new(0),
            notes: [const { AtomicUsize::new(0) }; KEPT],
        }
    }
}

fn next_key() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(NO_SAMPLES_KEY + 1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Samples {
    /// What threads compare with what they are prepared for.
    #[inline]
    pub fn key(&self) -> usize {
        self.key.load(Ordering::Relaxed)
    }

    /// Whether notes are wanted. Safe to ask in a signal handler.
    pub fn are_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Asks for notes: threads begin when they enter wasm.
    pub fn begin(&self) {
        if !self.wanted.swap(true, Ordering::SeqCst) {
            self.key.store(next_key(), Ordering::SeqCst);
        }
    }

    /// Asks for no more notes: timers stop by themselves.
    fn stop(&self) {
        self.wanted.store(false, Ordering::SeqCst);
        self.key.store(NO_SAMPLES_KEY, Ordering::SeqCst);
    }

    /// Asks for no more notes, and ends the work of those that read them.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.stop();
        self.wake_all();
    }

    /// Whether nothing can run any more that notes would be made of.
    pub fn have_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Makes a note, and wakes a reader. Called in a signal handler.
    pub fn note(&self, pc: usize) {
        let n = self.made.fetch_add(1, Ordering::SeqCst) as usize;
        self.notes[n % KEPT].store(pc, Ordering::Release);
        if self.waiting.load(Ordering::SeqCst) != 0 {
            wake::wake(&self.made, 1);
        }
    }

    /// Gives the notes that were made since the last time to `take`. One thread at a time.
    pub fn read(&self, mut take: impl FnMut(usize)) {
        let made = self.made.load(Ordering::SeqCst);
        let new = made.wrapping_sub(self.read.swap(made, Ordering::Relaxed)) as usize;
        for n in 0..new.min(KEPT) {
            // A note whose maker was stopped between its two steps is lost, or read as the next one.
            match self.notes[(made as usize).wrapping_sub(1 + n) % KEPT].swap(0, Ordering::Acquire) {
                0 => {}
                pc => take(pc),
            }
        }
    }

    /// How many notes were made: what a wait begins with.
    pub fn made(&self) -> u32 {
        self.made.load(Ordering::SeqCst)
    }

    /// Waits for a note beyond so many as were `made`, or until [`Self::wake_all`], at most so long. A thread that looks at `made` before
    /// it looks for something to do misses nothing of what comes in between, though another reader may have read it.
    pub fn wait(&self, made: u32, limit: Duration) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        wake::wait(&self.made, made, limit);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Ends all waits.
    pub fn wake_all(&self) {
        // An empty note: those that are about to wait do not begin to.
        self.made.fetch_add(1, Ordering::SeqCst);
        wake::wake(&self.made, u32::MAX);
    }

    /// In a child of `fork`: nobody waits, and what was noted belongs to the parent. Notes are wanted when there is again
    /// somebody to read them.
    pub fn forget(&self) {
        self.stop();
        self.waiting.store(0, Ordering::SeqCst);
        self.read(|_| ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_once_and_old_ones_are_lost() {
        let samples = Samples::default();
        let read = || {
            let mut all = Vec::new();
            samples.read(|pc| all.push(pc));
            all.sort_unstable();
            all
        };
        (1..=3).for_each(|pc| samples.note(pc));
        assert_eq!(read(), [1, 2, 3]);
        assert_eq!(read(), []);
        (1..=KEPT + 2).for_each(|pc| samples.note(pc));
        assert_eq!(read(), (3..=KEPT + 2).collect::<Vec<_>>());
        samples.wake_all();
        assert_eq!(read(), []);
    }

    #[test]
    fn readers_are_woken() {
        let samples = &Samples::default();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| samples.wait(0, Duration::from_secs(600)));
            while samples.waiting.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            samples.note(1);
            reader.join().expect("no panic");
            samples.read(|_| ());
            let made = samples.made();
            let reader = scope.spawn(move || samples.wait(made, Duration::from_secs(600)));
            samples.wake_all();
            reader.join().expect("no panic");
        });
        assert_eq!(samples.waiting.load(Ordering::SeqCst), 0);
    }

    /// What was to wake a reader that is not there yet may be read by another one.
    #[test]
    fn what_others_read_wakes_as_well() {
        let samples = Samples::default();
        let made = samples.made();
        samples.end();
        samples.read(|_| ());
        samples.wait(made, Duration::from_secs(600));
        assert!(samples.have_ended() && !samples.are_wanted());
    }

    #[test]
    fn beginning_anew_changes_the_key() {
        let samples = Samples::default();
        assert_eq!(samples.key(), NO_SAMPLES_KEY);
        samples.begin();
        let first = samples.key();
        samples.begin();
        assert_eq!(samples.key(), first, "they are wanted already");
        samples.stop();
        assert_eq!(samples.key(), NO_SAMPLES_KEY);
        samples.begin();
        assert!(![NO_SAMPLES_KEY, first].contains(&samples.key()));
    }
}

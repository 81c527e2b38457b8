//! Address ranges that a signal handler can look through at any time: words in chunks that are never freed or moved, each
//! word a whole range, so that nobody ever sees half of one.
//!
//! ```text
//! word    63 ─────────── 20 19 ───────── 0
//!          start / granule   len / granule      0: no range
//! ```

use crate::threads::sync::AtomicUsize;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// Ranges start and end at multiples of this.
pub const GRANULE_BYTES: usize = 64 << 10;

const LEN_BITS: u32 = 20;

/// Any number of ranges, `N` in a chunk.
pub struct Ranges<const N: usize> {
    words: [AtomicUsize; N],
    /// Further ones. Looking whether they are there takes no lock.
    next: OnceLock<Box<Self>>,
}

impl<const N: usize> Ranges<N> {
    /// No ranges: the words are zero.
    pub const fn new(words: [AtomicUsize; N]) -> Self {
        Self { words, next: OnceLock::new() }
    }

    /// Whether one of the ranges contains `pc`. Safe to ask in a signal handler.
    pub fn contains(&self, pc: usize) -> bool {
        let granule = pc / GRANULE_BYTES;
        let mut chunk = self;
        loop {
            let holds = |word: usize| granule.wrapping_sub(word >> LEN_BITS) < word & ((1 << LEN_BITS) - 1);
            if chunk.words.iter().any(|word| holds(word.load(Ordering::Acquire))) {
                return true;
            }
            let Some(next) = chunk.next.get() else { return false };
            chunk = next;
        }
    }

    /// Adds a range of whole granules. Changes must not race with each other.
    pub fn insert(&self, start: usize, len_bytes: usize) {
        let new = word(start, len_bytes);
        let mut chunk = self;
        loop {
            if let Some(free) = chunk.words.iter().find(|word| word.load(Ordering::Relaxed) == 0) {
                return free.store(new, Ordering::Release);
            }
            let empty = || Box::new(Self::new(std::array::from_fn(|_| AtomicUsize::new(0))));
            chunk = chunk.next.get_or_init(empty);
        }
    }

    /// Removes a range that nothing can run in any more. Changes must not race with each other.
    pub fn remove(&self, start: usize, len_bytes: usize) {
        let old = word(start, len_bytes);
        let mut chunk = self;
        loop {
            if let Some(found) = chunk.words.iter().find(|word| word.load(Ordering::Relaxed) == old) {
                return found.store(0, Ordering::Release);
            }
            let Some(next) = chunk.next.get() else { return };
            chunk = next;
        }
    }
}

fn word(start: usize, len_bytes: usize) -> usize {
    let (granule, len) = (start / GRANULE_BYTES, len_bytes / GRANULE_BYTES);
    assert!(start.is_multiple_of(GRANULE_BYTES) && len_bytes.is_multiple_of(GRANULE_BYTES), "whole granules");
    assert!(len < 1 << LEN_BITS && granule < 1 << (usize::BITS - LEN_BITS), "a range fits its word");
    granule << LEN_BITS | len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_ranges_come_and_go() {
        if crate::threads::sync::IS_MODEL {
            // tests/models looks at orders, of a few ranges.
            return;
        }
        let ranges = Ranges::<4>::new(std::array::from_fn(|_| AtomicUsize::new(0)));
        let start = |n: usize| (2 * n + 1) * GRANULE_BYTES;
        (0..1000).for_each(|n| ranges.insert(start(n), GRANULE_BYTES));
        assert!((0..1000).all(|n| ranges.contains(start(n)) && ranges.contains(start(n) + GRANULE_BYTES - 1)));
        assert!((0..1000).all(|n| !ranges.contains(start(n) - 1) && !ranges.contains(start(n) + GRANULE_BYTES)));
        (0..1000).step_by(2).for_each(|n| ranges.remove(start(n), GRANULE_BYTES));
        assert!((0..1000).all(|n| ranges.contains(start(n)) == (n % 2 == 1)));
        assert!(!ranges.contains(0) && !ranges.contains(usize::MAX));
        // Words that were given back serve again.
        (0..1000).step_by(2).for_each(|n| ranges.insert(start(n), GRANULE_BYTES));
        let mut chunks = 0;
        let mut chunk = Some(&ranges);
        while let Some(one) = chunk {
            chunks += 1;
            chunk = one.next.get().map(|next| &**next);
        }
        assert_eq!(chunks, 1000 / 4);
    }
}

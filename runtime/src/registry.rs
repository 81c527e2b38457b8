//! Address ranges that are only ever appended, and that a signal handler can look through at any time.

use crate::sync::AtomicUsize;
use std::io;
use std::sync::atomic::Ordering;

/// A range of addresses. Empty while `end` is 0.
pub struct Range {
    /// The first address. Written before `end`.
    pub start: AtomicUsize,
    /// The first address behind it.
    pub end: AtomicUsize,
}

impl Range {
    fn contains(&self, pc: usize) -> bool {
        pc >= self.start.load(Ordering::Relaxed) && pc < self.end.load(Ordering::Acquire)
    }
}

/// Whether one of the ranges contains `pc`. Safe to ask in a signal handler.
pub fn any_contains(ranges: &[Range], pc: usize) -> bool {
    ranges.iter().take_while(|range| range.end.load(Ordering::Acquire) != 0).any(|range| range.contains(pc))
}

/// Appends a range. Appends must not race with each other.
pub fn append(ranges: &[Range], start: usize, len_bytes: usize) -> io::Result<()> {
    let free = ranges.iter().find(|range| range.end.load(Ordering::Acquire) == 0);
    let free = free.ok_or_else(|| io::Error::other("too many code regions in one process"))?;
    free.start.store(start, Ordering::Relaxed);
    free.end.store(start + len_bytes, Ordering::Release);
    Ok(())
}

//! Whether a range lies inside of a memory or a table.

use epsilon_abi::TrapCode as Trap;

/// The range of `len` bytes at `start`, or the trap.
pub fn memory_range(start: u64, len: u64, size: usize) -> Result<std::ops::Range<usize>, Trap> {
    match start.checked_add(len) {
        Some(end) if end <= size as u64 => Ok(start as usize..end as usize),
        _ => Err(Trap::MemoryOutOfBounds),
    }
}

/// The range of `len` elements at `start`, or the trap.
pub fn checked_range(start: u64, len: u64, size: usize) -> Result<std::ops::Range<usize>, Trap> {
    match start.checked_add(len) {
        Some(end) if end <= size as u64 => Ok(start as usize..end as usize),
        _ => Err(Trap::TableOutOfBounds),
    }
}

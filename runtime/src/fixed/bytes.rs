//! Bytes that threads and guests may access while they are copied: in machine code, where no access is undefined.
//!
//! To Rust each function does what a loop over single bytes with relaxed atomic accesses would do: both processors
//! access the bytes of a wider or repeated access one by one, in any order. Ranges may overlap.

use std::arch::asm;

/// Copies from the lowest byte up: right for a target below the source, or apart from it.
///
/// # Safety
/// Both ranges must be accessible for the whole time.
pub unsafe fn copy_up(to: *mut u8, from: *const u8, len_bytes: usize) {
    // SAFETY: touches the two ranges and the named registers alone; the direction flag is clear in Rust code.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") len_bytes => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags)
        );
    }
    // SAFETY: touches the two ranges and the named registers alone.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "2: cmp {len}, #8",
            "b.lo 3f",
            "ldr {word}, [{from}], #8",
            "str {word}, [{to}], #8",
            "sub {len}, {len}, #8",
            "b 2b",
            "3: cbz {len}, 4f",
            "ldrb {word:w}, [{from}], #1",
            "strb {word:w}, [{to}], #1",
            "sub {len}, {len}, #1",
            "b 3b",
            "4:",
            len = inout(reg) len_bytes => _, to = inout(reg) to => _, from = inout(reg) from => _, word = out(reg) _,
            options(nostack)
        );
    }
}

/// Copies from the highest byte down: right for a target above the source.
///
/// # Safety
/// As for [`copy_up`].
pub unsafe fn copy_down(to: *mut u8, from: *const u8, len_bytes: usize) {
    // SAFETY: touches the two ranges and the named registers alone.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "2: cmp {len}, 8",
            "jb 3f",
            "mov {word}, [{from} + {len} - 8]",
            "mov [{to} + {len} - 8], {word}",
            "sub {len}, 8",
            "jmp 2b",
            "3: test {len}, {len}",
            "jz 4f",
            "movzx {word:e}, byte ptr [{from} + {len} - 1]",
            "mov [{to} + {len} - 1], {word:l}",
            "dec {len}",
            "jmp 3b",
            "4:",
            len = inout(reg) len_bytes => _, to = in(reg) to, from = in(reg) from, word = out(reg) _,
            options(nostack)
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "2: cmp {len}, #8",
            "b.lo 3f",
            "sub {len}, {len}, #8",
            "ldr {word}, [{from}, {len}]",
            "str {word}, [{to}, {len}]",
            "b 2b",
            "3: cbz {len}, 4f",
            "sub {len}, {len}, #1",
            "ldrb {word:w}, [{from}, {len}]",
            "strb {word:w}, [{to}, {len}]",
            "b 3b",
            "4:",
            len = inout(reg) len_bytes => _, to = in(reg) to, from = in(reg) from, word = out(reg) _,
            options(nostack)
        );
    }
}

/// Sets bytes.
///
/// # Safety
/// The range must be accessible for the whole time.
pub unsafe fn fill(to: *mut u8, value: u8, len_bytes: usize) {
    // SAFETY: touches the range and the named registers alone; the direction flag is clear in Rust code.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "rep stosb",
            inout("rcx") len_bytes => _, inout("rdi") to => _, in("al") value,
            options(nostack, preserves_flags)
        );
    }
    // SAFETY: touches the range and the named registers alone.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "2: cmp {len}, #8",
            "b.lo 3f",
            "str {word}, [{to}], #8",
            "sub {len}, {len}, #8",
            "b 2b",
            "3: cbz {len}, 4f",
            "strb {word:w}, [{to}], #1",
            "sub {len}, {len}, #1",
            "b 3b",
            "4:",
            len = inout(reg) len_bytes => _, to = inout(reg) to => _, word = in(reg) u64::from_le_bytes([value; 8]),
            options(nostack)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_whatever_their_number_and_overlap() {
        let fresh: Vec<u8> = (0..64).collect();
        for len in 0..32 {
            for (to, from) in [(0, 32), (32, 0), (3, 10), (10, 3), (4, 5), (5, 4), (7, 7)] {
                let (mut found, mut wanted) = (fresh.clone(), fresh.clone());
                wanted.copy_within(from..from + len, to);
                let base = found.as_mut_ptr();
                // SAFETY: both ranges lie in the vector, which nobody else uses.
                unsafe {
                    let copy = if to <= from { copy_up } else { copy_down };
                    copy(base.add(to), base.add(from), len);
                }
                assert_eq!(found, wanted, "{len} bytes from {from} to {to}");
                wanted[to..to + len].fill(0xa5);
                // SAFETY: as above.
                unsafe { fill(found.as_mut_ptr().add(to), 0xa5, len) };
                assert_eq!(found, wanted, "{len} bytes at {to}");
            }
        }
    }
}

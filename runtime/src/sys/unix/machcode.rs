//! Making freshly written machine code visible to every thread that may run it.

/// Makes code that was written through the alias at `written` visible at `executed`.
///
/// On x86_64 stores are seen by instruction fetch; nothing is to be done. On aarch64 the data cache is cleaned by the
/// address that was written and the instruction cache invalidated by the address that will be executed, then every
/// running thread of the process is made to serialise.
pub fn publish(written: *const u8, executed: *const u8, len_bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    let _ = (written, executed, len_bytes);
    #[cfg(target_arch = "aarch64")]
    aarch64::publish(written as usize, executed as usize, len_bytes);
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use std::arch::asm;
    use std::sync::OnceLock;

    pub fn publish(written: usize, executed: usize, len_bytes: usize) {
        let (data_line, code_line) = line_sizes();
        for line in lines(written, len_bytes, data_line) {
            // SAFETY: cleaning a cache line changes no memory; the address is inside a mapping of ours.
            unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags)) };
        }
        // SAFETY: a barrier.
        unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
        for line in lines(executed, len_bytes, code_line) {
            // SAFETY: invalidating an instruction cache line changes no memory.
            unsafe { asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags)) };
        }
        // SAFETY: barriers.
        unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
        serialise_other_threads();
    }

    fn lines(start: usize, len_bytes: usize, line: usize) -> impl Iterator<Item = usize> {
        (start & !(line - 1)..start + len_bytes).step_by(line)
    }

    /// Smallest line sizes of the data and instruction caches, from `CTR_EL0`.
    fn line_sizes() -> (usize, usize) {
        static SIZES: OnceLock<(usize, usize)> = OnceLock::new();
        *SIZES.get_or_init(|| {
            let register: u64;
            // SAFETY: user code may read CTR_EL0 on Linux.
            unsafe { asm!("mrs {}, ctr_el0", out(reg) register, options(nostack, preserves_flags)) };
            (4 << ((register >> 16) & 15), 4 << (register & 15))
        })
    }

    fn serialise_other_threads() {
        const REGISTER_SYNC_CORE: i32 = 1 << 6;
        const SYNC_CORE: i32 = 1 << 5;
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        let call = |command: i32| {
            // SAFETY: membarrier takes numbers only.
            (unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }) == 0
        };
        if *REGISTERED.get_or_init(|| call(REGISTER_SYNC_CORE)) {
            call(SYNC_CORE);
        }
    }
}

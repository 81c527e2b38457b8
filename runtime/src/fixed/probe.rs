//! Finding out how far a stack reaches down, by reading it page after page. The signal handler ends a read that faults:
//! it knows this code by its labels.

use super::labels::mark;
use std::arch::naked_asm;

/// Pages are at least this large.
const STEP_BYTES: usize = 4096;

unsafe extern "C" {
    fn epsilon_probe_start();
    fn epsilon_probe_end();
}

/// Whether `pc` is in the code that reads where there may be nothing.
pub fn is_probe(pc: usize) -> bool {
    (epsilon_probe_start as *const () as usize..epsilon_probe_end as *const () as usize).contains(&pc)
}

/// Where a read that has faulted goes on.
pub fn probe_end() -> usize {
    epsilon_probe_end as *const () as usize
}

/// The lowest address down to which every page below `from` can be read. It stops looking at `to`, or at most a page
/// below.
///
/// # Safety
/// The page of `from` must be readable, and the handler of faults installed.
pub unsafe fn readable_down_to(from: usize, to: usize) -> usize {
    // SAFETY: a read changes nothing, wherever it goes; if it faults, the handler ends it.
    unsafe { probe(from & !(STEP_BYTES - 1), to) }
}

#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn probe(_from: usize, _to: usize) -> usize {
    naked_asm!(
        "mov rax, rdi",
        "2:",
        "cmp rax, rsi",
        "jbe epsilon_probe_end",
        mark!("epsilon_probe_start"),
        "mov cl, [rax - {step}]",
        "sub rax, {step}",
        "jmp 2b",
        mark!("epsilon_probe_end"),
        "ret",
        step = const STEP_BYTES,
    )
}

#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn probe(_from: usize, _to: usize) -> usize {
    naked_asm!(
        "2:",
        "cmp x0, x1",
        "b.ls epsilon_probe_end",
        mark!("epsilon_probe_start"),
        "sub x9, x0, #{step}",
        "ldrb w10, [x9]",
        "mov x0, x9",
        "b 2b",
        mark!("epsilon_probe_end"),
        "ret",
        step = const STEP_BYTES,
    )
}

/// The code that holds the labels, so that it is linked wherever one is named.
#[used]
static HOLDER: unsafe extern "C" fn(usize, usize) -> usize = probe;

//! `memory.copy` and `memory.fill` for wasm: leaves that run on the wasm stack, called under the `Tail` convention by
//! code that has checked the bounds ([`BulkRoutine`]). They know addresses alone. An activation may be interrupted and
//! ended anywhere in them; their frames are those of compiled functions.
//!
//! Up to 64 bytes all of the source is loaded before anything is stored, so that overlaps need no thought. Beyond, the
//! last (going up) or first (going down) 64 bytes are kept in registers and stored at the end, over what the loop left.

use epsilon_abi::BulkRoutine;
use std::arch::naked_asm;

/// The addresses, in the order of [`BulkRoutine`].
pub fn bulk_routines() -> [usize; BulkRoutine::COUNT] {
    [copy as *const () as usize, fill as *const () as usize]
}

/// Target in `rdi`, source in `rsi`, length in `rdx`.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn copy() {
    naked_asm!(
        ".globl epsilon_bulk_copy",
        ".hidden epsilon_bulk_copy",
        "epsilon_bulk_copy:",
        "push rbp",
        "mov rbp, rsp",
        "cmp rdx, 16",
        "jb 5f",
        "cmp rdx, 32",
        "ja 2f",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + rdx - 16], xmm1",
        "pop rbp",
        "ret",
        "2:",
        "cmp rdx, 64",
        "ja {many}",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + rdx - 32]",
        "movups xmm3, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + rdx - 32], xmm2",
        "movups [rdi + rdx - 16], xmm3",
        "pop rbp",
        "ret",
        // Below 16 bytes.
        "5:",
        "cmp edx, 8",
        "jb 2f",
        "mov rax, [rsi]",
        "mov rcx, [rsi + rdx - 8]",
        "mov [rdi], rax",
        "mov [rdi + rdx - 8], rcx",
        "pop rbp",
        "ret",
        "2:",
        "cmp edx, 4",
        "jb 2f",
        "mov eax, [rsi]",
        "mov ecx, [rsi + rdx - 4]",
        "mov [rdi], eax",
        "mov [rdi + rdx - 4], ecx",
        "pop rbp",
        "ret",
        "2:",
        "cmp edx, 2",
        "jb 2f",
        "movzx eax, word ptr [rsi]",
        "movzx ecx, word ptr [rsi + rdx - 2]",
        "mov [rdi], ax",
        "mov [rdi + rdx - 2], cx",
        "pop rbp",
        "ret",
        "2:",
        "test edx, edx",
        "je 2f",
        "movzx eax, byte ptr [rsi]",
        "mov [rdi], al",
        "2:",
        "pop rbp",
        "ret",
        ".globl epsilon_bulk_copy_end",
        ".hidden epsilon_bulk_copy_end",
        "epsilon_bulk_copy_end:",
        "ud2",
        many = sym copy_many,
    )
}

/// Behind `copy`, for more than 64 bytes.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn copy_many() {
    naked_asm!(
        ".globl epsilon_bulk_many",
        ".hidden epsilon_bulk_many",
        "epsilon_bulk_many:",
        // Does the target begin inside of the source?
        "mov rax, rdi",
        "sub rax, rsi",
        "cmp rax, rdx",
        "jb 7f",
        // Going up.
        "neg rax",
        "cmp rax, rdx",
        "jb 6f",
        "cmp rdx, {REP}",
        "jae 9f",
        "6:",
        "movups xmm4, [rsi + rdx - 64]",
        "movups xmm5, [rsi + rdx - 48]",
        "movups xmm6, [rsi + rdx - 32]",
        "movups xmm7, [rsi + rdx - 16]",
        "lea rcx, [rdi + rdx - 64]",
        "4:",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + 32]",
        "movups xmm3, [rsi + 48]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + 32], xmm2",
        "movups [rdi + 48], xmm3",
        "add rsi, 64",
        "add rdi, 64",
        "cmp rdi, rcx",
        "jb 4b",
        "movups [rcx], xmm4",
        "movups [rcx + 16], xmm5",
        "movups [rcx + 32], xmm6",
        "movups [rcx + 48], xmm7",
        "pop rbp",
        "ret",
        // Long, and apart.
        "9:",
        "mov rcx, rdx",
        "rep movsb",
        "pop rbp",
        "ret",
        // Going down.
        "7:",
        "movups xmm4, [rsi]",
        "movups xmm5, [rsi + 16]",
        "movups xmm6, [rsi + 32]",
        "movups xmm7, [rsi + 48]",
        "lea rcx, [rdi + 64]",
        "add rsi, rdx",
        "add rdx, rdi",
        "8:",
        "movups xmm0, [rsi - 16]",
        "movups xmm1, [rsi - 32]",
        "movups xmm2, [rsi - 48]",
        "movups xmm3, [rsi - 64]",
        "movups [rdx - 16], xmm0",
        "movups [rdx - 32], xmm1",
        "movups [rdx - 48], xmm2",
        "movups [rdx - 64], xmm3",
        "sub rsi, 64",
        "sub rdx, 64",
        "cmp rdx, rcx",
        "ja 8b",
        "movups [rdi], xmm4",
        "movups [rdi + 16], xmm5",
        "movups [rdi + 32], xmm6",
        "movups [rdi + 48], xmm7",
        "pop rbp",
        "ret",
        ".globl epsilon_bulk_many_end",
        ".hidden epsilon_bulk_many_end",
        "epsilon_bulk_many_end:",
        "ud2",
        // From here on the processor's own loop is as fast.
        REP = const 4096,
    )
}

/// Target in `rdi`, value in `sil`, length in `rdx`.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn fill() {
    naked_asm!(
        ".globl epsilon_bulk_fill",
        ".hidden epsilon_bulk_fill",
        "epsilon_bulk_fill:",
        "push rbp",
        "mov rbp, rsp",
        "movzx eax, sil",
        "movabs rcx, 0x0101010101010101",
        "imul rax, rcx",
        "cmp rdx, 16",
        "jb 5f",
        "movq xmm0, rax",
        "punpcklqdq xmm0, xmm0",
        "cmp rdx, 32",
        "jbe 3f",
        "cmp rdx, {REP}",
        "jae 9f",
        "lea rcx, [rdi + rdx - 32]",
        "2:",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm0",
        "add rdi, 32",
        "cmp rdi, rcx",
        "jb 2b",
        "movups [rcx], xmm0",
        "movups [rcx + 16], xmm0",
        "pop rbp",
        "ret",
        "3:",
        "movups [rdi], xmm0",
        "movups [rdi + rdx - 16], xmm0",
        "pop rbp",
        "ret",
        "9:",
        "mov rcx, rdx",
        "rep stosb",
        "pop rbp",
        "ret",
        // Below 16 bytes.
        "5:",
        "cmp edx, 8",
        "jb 2f",
        "mov [rdi], rax",
        "mov [rdi + rdx - 8], rax",
        "pop rbp",
        "ret",
        "2:",
        "cmp edx, 4",
        "jb 2f",
        "mov [rdi], eax",
        "mov [rdi + rdx - 4], eax",
        "pop rbp",
        "ret",
        "2:",
        "cmp edx, 2",
        "jb 2f",
        "mov [rdi], ax",
        "mov [rdi + rdx - 2], ax",
        "pop rbp",
        "ret",
        "2:",
        "test edx, edx",
        "je 2f",
        "mov [rdi], al",
        "2:",
        "pop rbp",
        "ret",
        ".globl epsilon_bulk_fill_end",
        ".hidden epsilon_bulk_fill_end",
        "epsilon_bulk_fill_end:",
        "ud2",
        REP = const 2048,
    )
}

/// Target in `x2`, source in `x3`, length in `x4`.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn copy() {
    naked_asm!(
        ".globl epsilon_bulk_copy",
        ".hidden epsilon_bulk_copy",
        "epsilon_bulk_copy:",
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        "add x5, x3, x4",
        "add x6, x2, x4",
        "cmp x4, #16",
        "b.lo 5f",
        "cmp x4, #32",
        "b.hi 2f",
        "ldr q0, [x3]",
        "ldur q1, [x5, #-16]",
        "str q0, [x2]",
        "stur q1, [x6, #-16]",
        "ldp x29, x30, [sp], #16",
        "ret",
        "2:",
        "cmp x4, #64",
        "b.hi 3f",
        "ldp q0, q1, [x3]",
        "ldp q2, q3, [x5, #-32]",
        "stp q0, q1, [x2]",
        "stp q2, q3, [x6, #-32]",
        "ldp x29, x30, [sp], #16",
        "ret",
        // Below 16 bytes.
        "5:",
        "cmp x4, #8",
        "b.lo 2f",
        "ldr x7, [x3]",
        "ldur x8, [x5, #-8]",
        "str x7, [x2]",
        "stur x8, [x6, #-8]",
        "ldp x29, x30, [sp], #16",
        "ret",
        "2:",
        "cmp x4, #4",
        "b.lo 2f",
        "ldr w7, [x3]",
        "ldur w8, [x5, #-4]",
        "str w7, [x2]",
        "stur w8, [x6, #-4]",
        "ldp x29, x30, [sp], #16",
        "ret",
        "2:",
        "cmp x4, #2",
        "b.lo 2f",
        "ldrh w7, [x3]",
        "ldurh w8, [x5, #-2]",
        "strh w7, [x2]",
        "sturh w8, [x6, #-2]",
        "ldp x29, x30, [sp], #16",
        "ret",
        "2:",
        "cbz x4, 2f",
        "ldrb w7, [x3]",
        "strb w7, [x2]",
        "2:",
        "ldp x29, x30, [sp], #16",
        "ret",
        "3:",
        "b {many}",
        ".globl epsilon_bulk_copy_end",
        ".hidden epsilon_bulk_copy_end",
        "epsilon_bulk_copy_end:",
        "udf #0",
        many = sym copy_many,
    )
}

/// Behind `copy`, for more than 64 bytes; the end of the source is in `x5`, that of the target in `x6`.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn copy_many() {
    naked_asm!(
        ".globl epsilon_bulk_many",
        ".hidden epsilon_bulk_many",
        "epsilon_bulk_many:",
        // Does the target begin inside of the source?
        "sub x7, x2, x3",
        "cmp x7, x4",
        "b.lo 7f",
        // Going up.
        "ldp q4, q5, [x5, #-64]",
        "ldp q6, q7, [x5, #-32]",
        "sub x5, x6, #64",
        "4:",
        "ldp q0, q1, [x3], #32",
        "ldp q2, q3, [x3], #32",
        "stp q0, q1, [x2], #32",
        "stp q2, q3, [x2], #32",
        "cmp x2, x5",
        "b.lo 4b",
        "stp q4, q5, [x5]",
        "stp q6, q7, [x5, #32]",
        "ldp x29, x30, [sp], #16",
        "ret",
        // Going down.
        "7:",
        "ldp q4, q5, [x3]",
        "ldp q6, q7, [x3, #32]",
        "add x7, x2, #64",
        "8:",
        "ldp q0, q1, [x5, #-32]!",
        "ldp q2, q3, [x5, #-32]!",
        "stp q0, q1, [x6, #-32]!",
        "stp q2, q3, [x6, #-32]!",
        "cmp x6, x7",
        "b.hi 8b",
        "stp q4, q5, [x2]",
        "stp q6, q7, [x2, #32]",
        "ldp x29, x30, [sp], #16",
        "ret",
        ".globl epsilon_bulk_many_end",
        ".hidden epsilon_bulk_many_end",
        "epsilon_bulk_many_end:",
        "udf #0",
    )
}

/// Target in `x2`, value in the low byte of `w3`, length in `x4`.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn fill() {
    naked_asm!(
        ".globl epsilon_bulk_fill",
        ".hidden epsilon_bulk_fill",
        "epsilon_bulk_fill:",
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        "dup v0.16b, w3",
        "add x6, x2, x4",
        "cmp x4, #16",
        "b.lo 5f",
        "cmp x4, #32",
        "b.ls 3f",
        "sub x5, x6, #32",
        "2:",
        "stp q0, q0, [x2], #32",
        "cmp x2, x5",
        "b.lo 2b",
        "stp q0, q0, [x5]",
        "ldp x29, x30, [sp], #16",
        "ret",
        "3:",
        "str q0, [x2]",
        "stur q0, [x6, #-16]",
        "ldp x29, x30, [sp], #16",
        "ret",
        // Below 16 bytes.
        "5:",
        "cmp x4, #8",
        "b.lo 2f",
        "str d0, [x2]",
        "stur d0, [x6, #-8]",
        "ldp x29, x30, [sp], #16",
        "ret",
        "2:",
        "cmp x4, #4",
        "b.lo 2f",
        "str s0, [x2]",
        "stur s0, [x6, #-4]",
        "ldp x29, x30, [sp], #16",
        "ret",
        "2:",
        "cmp x4, #2",
        "b.lo 2f",
        "str h0, [x2]",
        "stur h0, [x6, #-2]",
        "ldp x29, x30, [sp], #16",
        "ret",
        "2:",
        "cbz x4, 2f",
        "str b0, [x2]",
        "2:",
        "ldp x29, x30, [sp], #16",
        "ret",
        ".globl epsilon_bulk_fill_end",
        ".hidden epsilon_bulk_fill_end",
        "epsilon_bulk_fill_end:",
        "udf #0",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls a routine from Rust. What it clobbers, the C convention lets it.
    unsafe fn call(routine: usize, to: *mut u8, argument: usize, len_bytes: usize) {
        // SAFETY: both routines keep to the C convention, but for where aarch64 passes arguments.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            std::arch::asm!(
                "call {routine}",
                routine = in(reg) routine,
                in("rdi") to, in("rsi") argument, in("rdx") len_bytes, clobber_abi("C")
            );
            #[cfg(target_arch = "aarch64")]
            std::arch::asm!(
                "blr {routine}",
                routine = in(reg) routine,
                in("x2") to, in("x3") argument, in("x4") len_bytes, clobber_abi("C")
            );
        }
    }

    #[test]
    fn every_length_and_overlap_ends_as_a_model_says() {
        let fresh: Vec<u8> = (0..24_000u32).map(|n| (n * 7 + (n >> 8)) as u8).collect();
        let [copy, fill] = bulk_routines();
        let lengths = (0..200).chain([255, 256, 257, 1000, 2047, 2048, 2049, 4095, 4096, 4097, 6000]);
        for len in lengths {
            for distance in [0isize, 1, -1, 3, -3, 15, -15, 16, -16, 33, -33, 64, -64, 65, -65, 200, -200, 7000, -7000]
            {
                let (from, to) = (8000usize, 8000usize.checked_add_signed(distance).expect("in range"));
                let (mut found, mut wanted) = (fresh.clone(), fresh.clone());
                wanted.copy_within(from..from + len, to);
                let base = found.as_mut_ptr();
                // SAFETY: both ranges lie in the vector, which nobody else uses.
                unsafe { call(copy, base.add(to), base.add(from) as usize, len) };
                assert!(found == wanted, "{len} bytes from {from} to {to}");
            }
            for to in 100..117 {
                let (mut found, mut wanted) = (fresh.clone(), fresh.clone());
                wanted[to..to + len].fill(0xa5);
                // SAFETY: as above.
                unsafe { call(fill, found.as_mut_ptr().add(to), 0x1_23a5, len) };
                assert!(found == wanted, "{len} bytes at {to}");
            }
        }
    }
}

//! aarch64: the pinned register is `x21`. Scratch registers that hold neither arguments nor the anchor at a call are
//! `x0`, `x1` and `x9` to `x17`; at a return `x8` as well. `x18` belongs to the platform and is never touched.
//!
//! Branches to code of another function are unconditional ones: a linker extends those where the target is far, and it
//! may use `x16` and `x17` for that.

use super::labels::{Label, mark};
use super::{EntryFrame, LibcallReturn, RegFile, ThunkData, flag, status};
use crate::serve::libcalls;
use crate::threads::words::VmStore;
use epsilon_abi::Libcall;
use epsilon_abi::vm::VmContext;
use std::arch::naked_asm;
use std::mem::{offset_of, size_of};
use std::sync::atomic::{AtomicU32, Ordering};

const INTS: usize = offset_of!(RegFile, ints);
const FLOATS: usize = offset_of!(RegFile, floats);
const REGS: usize = offset_of!(EntryFrame, regs);
/// Register images, then padding to keep the stack aligned to 16, then the thunk's data.
const HOST_FRAME: usize = size_of::<RegFile>() + 16;
const _: () = assert!(HOST_FRAME.is_multiple_of(16) && FLOATS == 64 && REGS == 0 && INTS == 0);

/// From `host_sp`: the host's FPCR, while a guest runs. That of guests is 0: no exception traps, rounding to nearest,
/// nothing flushed to zero.
const HOST_FPCR: usize = 16;

/// Enters wasm: switches to the wasm stack, calls, and comes back with 0; or 1 if the activation was landed.
///
/// The registers that C functions preserve are restored from the host's stack in both cases: code that was landed has
/// not restored them.
///
/// ```text
/// x29+96   d8 to d15
/// x29+16   x19 to x28
/// x29      caller's x29 and x30
/// x29-16   the host's FPCR
/// x29-24   frame
/// x29-32   the outer activation's host_sp; the host's stack is used from here down while wasm runs
/// ```
///
/// # Safety
/// `frame` must hold what [`EntryFrame`] says, for a live anchor of the store that `store` belongs to, and
/// `stack_top` must lie on the store's wasm stack below all of its live frames.
#[unsafe(naked)]
pub unsafe extern "C" fn enter(frame: *mut EntryFrame, store: *mut VmStore) -> u64 {
    naked_asm!(
        "stp x29, x30, [sp, #-160]!",
        "mov x29, sp",
        "stp x19, x20, [sp, #16]\nstp x21, x22, [sp, #32]\nstp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]\nstp x27, x28, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "ldr x9, [x1, #{host_sp}]",
        "mrs x10, fpcr",
        "stp x9, x0, [sp, #-32]!",
        "str x10, [sp, #{HOST_FPCR}]",
        "mov x9, sp",
        "str x9, [x1, #{host_sp}]",
        "cbz x10, 8f",
        "msr fpcr, xzr",
        "8:",
        "mov x16, x0",
        "ldr x21, [x16, #{anchor}]",
        "ldr x9, [x16, #{stack_top}]",
        "mov sp, x9",
        mark!("epsilon_enter_switched"),
        // Stack arguments.
        "ldr x9, [x16, #{stack_args_bytes}]",
        "cbz x9, 2f",
        "ldr x10, [x16, #{stack_args}]",
        "sub sp, sp, x9",
        "mov x11, sp",
        "3:",
        "ldp x12, x13, [x10], #16",
        "stp x12, x13, [x11], #16",
        "subs x9, x9, #16",
        "b.ne 3b",
        "2:",
        "ldr w9, [x16, #{flags}]",
        "tst w9, #{FLOAT_PARAMS}",
        "b.eq 4f",
        "ldp q0, q1, [x16, #64]",
        "ldp q2, q3, [x16, #96]",
        "ldp q4, q5, [x16, #128]",
        "ldp q6, q7, [x16, #160]",
        "4:",
        "ldp x2, x3, [x16]",
        "ldp x4, x5, [x16, #16]",
        "ldp x6, x7, [x16, #32]",
        "ldr x8, [x16, #48]",
        // An interruption before this line is seen by the test; one behind it finds its pc in the window.
        mark!("epsilon_enter_window"),
        "ldr x9, [x21, #{store}]",
        "ldr w9, [x9, #{pending}]",
        "cbnz w9, epsilon_landing_pad",
        "ldr x9, [x16, #{code}]",
        "blr x9",
        mark!("epsilon_enter_return"),
        "ldr x9, [x21, #{store}]",
        "ldr x10, [x9, #{host_sp}]",
        "mov sp, x10",
        mark!("epsilon_enter_left"),
        "ldr x11, [sp, #{HOST_FPCR}]",
        "ldp x10, x16, [sp], #32",
        "str x10, [x9, #{host_sp}]",
        "cbz x11, 7f",
        "msr fpcr, x11",
        "7:",
        "str x2, [x16]",
        "ldr w9, [x16, #{flags}]",
        "tst w9, #{RESULTS}",
        "b.eq 5f",
        "str x3, [x16, #8]",
        "stp x4, x5, [x16, #16]",
        "stp x6, x7, [x16, #32]",
        "stp q0, q1, [x16, #64]",
        "stp q2, q3, [x16, #96]",
        "stp q4, q5, [x16, #128]",
        "stp q6, q7, [x16, #160]",
        "5:",
        "mov x0, #0",
        "6:",
        "ldp d14, d15, [sp, #144]",
        "ldp d12, d13, [sp, #128]",
        "ldp d10, d11, [sp, #112]",
        "ldp d8, d9, [sp, #96]",
        "ldp x27, x28, [sp, #80]",
        "ldp x25, x26, [sp, #64]",
        "ldp x23, x24, [sp, #48]",
        "ldp x21, x22, [sp, #32]",
        "ldp x19, x20, [sp, #16]",
        "ldp x29, x30, [sp], #160",
        "ret",
        // Traps, host errors and interruptions end here. Only the anchor in x21 is needed.
        mark!("epsilon_landing_pad"),
        "ldr x9, [x21, #{store}]",
        "ldr x10, [x9, #{host_sp}]",
        "mov sp, x10",
        mark!("epsilon_landing_left"),
        "ldr x11, [sp, #{HOST_FPCR}]",
        "ldp x10, x16, [sp], #32",
        "str x10, [x9, #{host_sp}]",
        "cbz x11, 9f",
        "msr fpcr, x11",
        "9:",
        "mov x0, #1",
        "b 6b",
        host_sp = const offset_of!(VmStore, host_sp),
        pending = const offset_of!(VmStore, pending),
        store = const VmContext::from_anchor(offset_of!(VmContext, store)),
        anchor = const offset_of!(EntryFrame, anchor),
        code = const offset_of!(EntryFrame, code),
        stack_args = const offset_of!(EntryFrame, stack_args),
        stack_args_bytes = const offset_of!(EntryFrame, stack_args_bytes),
        stack_top = const offset_of!(EntryFrame, stack_top),
        flags = const offset_of!(EntryFrame, flags),
        HOST_FPCR = const HOST_FPCR,
        FLOAT_PARAMS = const flag::FLOAT_PARAMS,
        RESULTS = const flag::FLOAT_RESULTS | flag::MANY_RESULTS,
    )
}

/// From wasm to a host function, on the host's stack. `x16` holds the slot's [`ThunkData`].
///
/// ```text
/// x29+16   stack arguments, popped on return
/// x29+8    return address into wasm
/// x29      caller's x29
/// x29-8    padding
/// x29-16   thunk data
/// x29-208  RegFile
/// ```
#[unsafe(naked)]
unsafe extern "C" fn host_common() {
    naked_asm!(
        mark!("epsilon_host_start"),
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        "sub sp, sp, #{frame}",
        "stp x2, x3, [sp]",
        "stp x4, x5, [sp, #16]",
        "stp x6, x7, [sp, #32]",
        "stp x8, xzr, [sp, #48]",
        "ldr w9, [x16, #{flags}]",
        "tst w9, #{FLOAT_PARAMS}",
        "b.eq 2f",
        "stp q0, q1, [sp, #64]",
        "stp q2, q3, [sp, #96]",
        "stp q4, q5, [sp, #128]",
        "stp q6, q7, [sp, #160]",
        "2:",
        "str x16, [x29, #-16]",
        "ldr x9, [x21, #{store}]",
        "mov x1, sp",
        "str x29, [x9, #{exit_fp}]",
        "str x1, [x9, #{exit_sp}]",
        "mov x0, x16",
        "mov x2, x21",
        "add x3, x29, #16",
        "ldr x10, [x16, #{target}]",
        "ldr x9, [x9, #{host_sp}]",
        "mov sp, x9",
        "ldr x11, [sp, #{HOST_FPCR}]",
        "cbz x11, 7f",
        "msr fpcr, x11",
        "7:",
        "blr x10",
        "mrs x11, fpcr",
        "str x11, [sp, #{HOST_FPCR}]",
        "cbz x11, 8f",
        "msr fpcr, xzr",
        "8:",
        "sub sp, x29, #{frame}",
        "cbz w0, 3f",
        "cmp w0, #{CAUGHT}",
        "b.ne 9f",
        "b epsilon_catch",
        "9:",
        "b epsilon_landing_pad",
        "3:",
        // An interruption while the host ran is seen here; one behind this line finds its pc in the window.
        mark!("epsilon_host_window"),
        "ldr x9, [x21, #{store}]",
        "ldr w9, [x9, #{pending}]",
        "cbz w9, 4f",
        "b epsilon_landing_pad",
        "4:",
        "ldr x16, [x29, #-16]",
        "ldr x2, [sp]",
        "ldr w9, [x16, #{flags}]",
        "tst w9, #{RESULTS}",
        "b.eq 5f",
        "ldr x3, [sp, #8]",
        "ldp x4, x5, [sp, #16]",
        "ldp x6, x7, [sp, #32]",
        "ldp q0, q1, [sp, #64]",
        "ldp q2, q3, [sp, #96]",
        "ldp q4, q5, [sp, #128]",
        "ldp q6, q7, [sp, #160]",
        "5:",
        "ldr w9, [x16, #{stack_args_bytes}]",
        "mov sp, x29",
        "ldp x29, x30, [sp], #16",
        "add sp, sp, x9",
        "ret",
        mark!("epsilon_host_end"),
        "udf #0",
        frame = const HOST_FRAME,
        store = const VmContext::from_anchor(offset_of!(VmContext, store)),
        host_sp = const offset_of!(VmStore, host_sp),
        HOST_FPCR = const HOST_FPCR,
        exit_fp = const offset_of!(VmStore, exit_fp),
        exit_sp = const offset_of!(VmStore, exit_sp),
        pending = const offset_of!(VmStore, pending),
        target = const offset_of!(ThunkData, target),
        flags = const offset_of!(ThunkData, flags),
        stack_args_bytes = const offset_of!(ThunkData, stack_args_bytes),
        FLOAT_PARAMS = const flag::FLOAT_PARAMS,
        RESULTS = const flag::FLOAT_RESULTS | flag::MANY_RESULTS,
        CAUGHT = const status::CAUGHT,
    )
}

/// From one instance to another. `x16` holds the slot's [`ThunkData`].
///
/// ```text
/// x29+16   stack arguments, popped on return
/// x29+8    return address into the calling instance
/// x29      caller's x29
/// x29-8    caller's anchor
/// x29-16   thunk data
/// sp       copy of the stack arguments, popped by the callee
/// ```
///
/// A callee that tail-calls on into another instance comes here with `epsilon_switch_restore` as its return address:
/// this frame restores the anchor in any case, and pops what its own caller passed, whatever the last callee took. So
/// no second frame is made, and tail calls between instances run in constant stack.
#[unsafe(naked)]
unsafe extern "C" fn switch_common() {
    naked_asm!(
        mark!("epsilon_switch_start"),
        "adr x9, epsilon_switch_restore",
        "cmp x30, x9",
        "b.eq 4f",
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        "stp x16, x21, [sp, #-16]!",
        "ldr w9, [x16, #{stack_args_bytes}]",
        "cbz w9, 3f",
        "add x10, x29, #16",
        "sub sp, sp, x9",
        "mov x11, sp",
        "2:",
        "ldp x12, x13, [x10], #16",
        "stp x12, x13, [x11], #16",
        "subs x9, x9, #16",
        "b.ne 2b",
        "3:",
        "ldp x9, x21, [x16, #{target}]",
        "blr x9",
        mark!("epsilon_switch_restore"),
        "ldp x16, x21, [x29, #-16]",
        "ldr w9, [x16, #{stack_args_bytes}]",
        "mov sp, x29",
        "ldp x29, x30, [sp], #16",
        "add sp, sp, x9",
        "ret",
        "4:",
        "ldp x9, x21, [x16, #{target}]",
        "br x9",
        mark!("epsilon_switch_end"),
        "udf #0",
        target = const {
            assert!(offset_of!(ThunkData, context) == offset_of!(ThunkData, target) + 8, "loaded as a pair");
            offset_of!(ThunkData, target)
        },
        stack_args_bytes = const offset_of!(ThunkData, stack_args_bytes),
    )
}

/// From wasm to the libcall whose number is in `w9`, on the host's stack. The `Tail` convention passes integers from
/// `x2` on, and C from `x0` on.
#[unsafe(naked)]
unsafe extern "C" fn libcall_common() {
    naked_asm!(
        mark!("epsilon_libcall_start"),
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        "ldr x10, [x21, #{store}]",
        "str x29, [x10, #{exit_fp}]",
        "str x29, [x10, #{exit_sp}]",
        "ldr x10, [x10, #{host_sp}]",
        "mov sp, x10",
        "ldr x11, [sp, #{HOST_FPCR}]",
        "cbz x11, 7f",
        "msr fpcr, x11",
        "7:",
        "adrp x11, {table}",
        "add x11, x11, :lo12:{table}",
        "ldr x9, [x11, w9, uxtw #3]",
        "mov x0, x2",
        "mov x1, x3",
        "mov x2, x4",
        "mov x3, x5",
        "mov x4, x6",
        "mov x5, x7",
        "blr x9",
        "mrs x11, fpcr",
        "str x11, [sp, #{HOST_FPCR}]",
        "cbz x11, 8f",
        "msr fpcr, xzr",
        "8:",
        "mov sp, x29",
        "cbnz x1, 9f",
        mark!("epsilon_libcall_window"),
        "ldr x9, [x21, #{store}]",
        "ldr w9, [x9, #{pending}]",
        "cbz w9, 3f",
        "b epsilon_landing_pad",
        "3:",
        "mov x2, x0",
        "ldp x29, x30, [sp], #16",
        "ret",
        "9:",
        "cmp w1, #{CAUGHT}",
        "b.eq epsilon_catch",
        "b epsilon_landing_pad",
        // To where an exception is caught: host functions come here as well.
        mark!("epsilon_catch"),
        "ldr x9, [x21, #{store}]",
        "ldr w10, [x9, #{pending}]",
        "cbz w10, 4f",
        "b epsilon_landing_pad",
        "4:",
        "ldr x10, [x9, #{landing_sp}]",
        "mov sp, x10",
        "ldr x29, [x9, #{landing_fp}]",
        "ldr x21, [x9, #{landing_anchor}]",
        "ldr x0, [x9, #{landing_exception}]",
        "ldr x1, [x9, #{landing_fields}]",
        "ldr x9, [x9, #{landing_pc}]",
        "br x9",
        mark!("epsilon_libcall_end"),
        "udf #0",
        store = const VmContext::from_anchor(offset_of!(VmContext, store)),
        host_sp = const offset_of!(VmStore, host_sp),
        HOST_FPCR = const HOST_FPCR,
        exit_fp = const offset_of!(VmStore, exit_fp),
        exit_sp = const offset_of!(VmStore, exit_sp),
        pending = const offset_of!(VmStore, pending),
        table = sym libcalls::TABLE,
        CAUGHT = const status::CAUGHT,
        landing_pc = const offset_of!(VmStore, landing.pc),
        landing_sp = const offset_of!(VmStore, landing.sp),
        landing_fp = const offset_of!(VmStore, landing.fp),
        landing_anchor = const offset_of!(VmStore, landing.anchor),
        landing_exception = const offset_of!(VmStore, landing.exception),
        landing_fields = const offset_of!(VmStore, landing.fields),
    )
}

/// From the slot of a function that is not linked yet: asks for its code on the host's stack, then goes there with all
/// arguments as they were. `w9` holds the function's number. The frame is the one of [`host_common`].
#[unsafe(naked)]
unsafe extern "C" fn materialise_common() {
    naked_asm!(
        mark!("epsilon_materialise_start"),
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        "sub sp, sp, #{frame}",
        "stp x2, x3, [sp]",
        "stp x4, x5, [sp, #16]",
        "stp x6, x7, [sp, #32]",
        "str x8, [sp, #48]",
        "stp q0, q1, [sp, #64]",
        "stp q2, q3, [sp, #96]",
        "stp q4, q5, [sp, #128]",
        "stp q6, q7, [sp, #160]",
        "ldr x10, [x21, #{store}]",
        "mov x11, sp",
        "str x29, [x10, #{exit_fp}]",
        "str x11, [x10, #{exit_sp}]",
        "mov x0, x21",
        "mov w1, w9",
        "ldr x10, [x10, #{host_sp}]",
        "mov sp, x10",
        "ldr x11, [sp, #{HOST_FPCR}]",
        "cbz x11, 7f",
        "msr fpcr, x11",
        "7:",
        "bl {body}",
        "mrs x11, fpcr",
        "str x11, [sp, #{HOST_FPCR}]",
        "cbz x11, 8f",
        "msr fpcr, xzr",
        "8:",
        "sub sp, x29, #{frame}",
        "cbz x1, 2f",
        "b epsilon_landing_pad",
        "2:",
        mark!("epsilon_materialise_window"),
        "ldr x9, [x21, #{store}]",
        "ldr w9, [x9, #{pending}]",
        "cbz w9, 3f",
        "b epsilon_landing_pad",
        "3:",
        "ldp x2, x3, [sp]",
        "ldp x4, x5, [sp, #16]",
        "ldp x6, x7, [sp, #32]",
        "ldr x8, [sp, #48]",
        "ldp q0, q1, [sp, #64]",
        "ldp q2, q3, [sp, #96]",
        "ldp q4, q5, [sp, #128]",
        "ldp q6, q7, [sp, #160]",
        "mov sp, x29",
        "ldp x29, x30, [sp], #16",
        "br x0",
        mark!("epsilon_materialise_end"),
        "udf #0",
        frame = const HOST_FRAME,
        store = const VmContext::from_anchor(offset_of!(VmContext, store)),
        host_sp = const offset_of!(VmStore, host_sp),
        HOST_FPCR = const HOST_FPCR,
        exit_fp = const offset_of!(VmStore, exit_fp),
        exit_sp = const offset_of!(VmStore, exit_sp),
        pending = const offset_of!(VmStore, pending),
        body = sym libcalls::materialise,
    )
}

macro_rules! libcall_entries {
    ($($variant:ident, $name:ident ($($param:ident: $ty:ident),*) $(-> $result:ident)?;)*) => {
        /// Addresses that machine code calls, in the order of [`Libcall::ALL`].
        pub fn libcall_entries() -> [usize; Libcall::ALL.len()] {
            [$({
                #[unsafe(naked)]
                unsafe extern "C" fn $name() -> LibcallReturn {
                    naked_asm!(
                        "mov w9, #{number}",
                        "b {common}",
                        number = const Libcall::$variant as u32,
                        common = sym libcall_common,
                    )
                }
                $name as *const () as usize
            },)*]
        }
    };
}
epsilon_abi::for_each_libcall!(libcall_entries);

/// The code that holds the labels below, so that it is linked wherever a label is named.
#[used]
static HOLDERS: [Label; 4] = [host_common, switch_common, libcall_common, materialise_common];
#[used]
static ENTER: unsafe extern "C" fn(*mut EntryFrame, *mut VmStore) -> u64 = enter;

/// This thread's floating-point environment: FPCR.
pub fn float_environment() -> u64 {
    let control;
    // SAFETY: it reads a register.
    unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack, preserves_flags)) };
    control
}

/// Changes this thread's floating-point environment.
///
/// # Safety
/// `environment` must be what [`float_environment`] gave, or that of guests. Rust computes in that of guests, which is
/// the one that threads begin with: another one may only be put back.
pub unsafe fn set_float_environment(environment: u64) {
    // SAFETY: as the caller promises.
    unsafe { std::arch::asm!("msr fpcr, {}", in(reg) environment, options(nostack)) };
}

/// The floating-point environment of guests.
pub const GUEST_FLOATS: u64 = 0;

/// Whether code computes in a floating-point environment as guests do.
pub fn computes_as_guests(environment: u64) -> bool {
    environment == GUEST_FLOATS
}

/// The words that hold what the caller keeps in registers across calls. Always inlined: the registers are this
/// function's own.
#[inline(always)]
pub fn kept_registers() -> [usize; 10] {
    let mut kept = [0usize; 10];
    // SAFETY: it stores registers into an array that is long enough, and changes nothing else.
    unsafe {
        std::arch::asm!(
            "stp x19, x20, [{at}]", "stp x21, x22, [{at}, #16]", "stp x23, x24, [{at}, #32]",
            "stp x25, x26, [{at}, #48]", "stp x27, x28, [{at}, #64]",
            at = in(reg) kept.as_mut_ptr(), options(nostack, preserves_flags),
        );
    }
    kept
}

/// The address of the code behind host-call thunks.
pub fn host_common_address() -> usize {
    host_common as *const () as usize
}

/// The address that slots of functions without code go to.
pub fn materialise_address() -> usize {
    materialise_common as *const () as usize
}

/// The address of the code behind instance-switching thunks.
pub fn switch_common_address() -> usize {
    switch_common as *const () as usize
}

/// Bytes of an instruction.
const INSTRUCTION_BYTES: usize = 4;

/// `udf #0`, which is undefined for ever: behind code that never goes on.
const UDF: u32 = 0;

/// Instructions as memory holds them, then padding up to the size of a slot.
fn slot_bytes<const BYTES: usize>(instructions: &[u32]) -> [u8; BYTES] {
    let mut code = [0; BYTES];
    let padded = instructions.iter().chain(std::iter::repeat(&UDF));
    for (bytes, instruction) in code.chunks_exact_mut(INSTRUCTION_BYTES).zip(padded) {
        bytes.copy_from_slice(&instruction.to_le_bytes());
    }
    code
}

/// Bytes of a thunk slot's code.
pub const THUNK_SLOT_BYTES: usize = 16;

/// Code of a thunk slot whose data lies `distance` bytes above the slot: less than 16 MiB, which is more than `adr` alone
/// reaches.
pub fn thunk_slot(distance: u32) -> [u8; THUNK_SLOT_BYTES] {
    assert!(distance < 1 << 24, "a thunk's data is near");
    let (low, high) = (distance & 0xfff, distance >> 12);
    slot_bytes(&[
        0x1000_0010 | (low & 3) << 29 | (low >> 2) << 5, // adr x16, low
        0x9140_0210 | high << 10,                        // add x16, x16, high, lsl #12
        0xf940_0211,                                     // ldr x17, [x16]
        0xd61f_0220,                                     // br x17
    ])
}

/// Bytes of a jump-table slot.
pub const JUMP_SLOT_BYTES: usize = 32;

/// Code of the slot of a function that is not linked yet: its number to `materialise`.
///
/// ```text
/// 0   nop                           replaced by  b target  once there is code
/// 4   mov w9, index                 stays, as all that follows, for a thread that stands there
/// 12  ldur x10, [x21, materialise]
/// 16  br x10
/// ```
/// The first instruction is a `nop` because few may be replaced while other threads run them: `nop`, `b` and `bl` may,
/// by each other; a `mov` may not.
pub fn lazy_slot(index: u32) -> [u8; JUMP_SLOT_BYTES] {
    const MATERIALISE: i32 = VmContext::from_anchor(offset_of!(VmContext, materialise));
    const { assert!(-256 <= MATERIALISE && MATERIALISE < 256, "what ldur can encode") };
    slot_bytes(&[
        0xd503_201f,                                      // nop
        0x5280_0009 | (index & 0xffff) << 5,              // movz w9, low half
        0x72a0_0009 | (index >> 16) << 5,                 // movk w9, high half, lsl #16
        0xf840_02aa | (MATERIALISE as u32 & 0x1ff) << 12, // ldur x10, [x21, materialise]
        0xd61f_0140,                                      // br x10
    ])
}

/// A branch's distance in its low 26 bits.
///
/// # Panics
/// If the target is farther than 128 MiB: arenas are smaller than that.
fn branch_distance(executed: usize, target: usize) -> u32 {
    let instructions = (target as i64 - executed as i64) / INSTRUCTION_BYTES as i64;
    assert!((-(1 << 25)..1 << 25).contains(&instructions), "an arena is small enough for near branches");
    instructions as u32 & DISTANCE
}

/// The bits of `b` and `bl` that hold the distance.
const DISTANCE: u32 = (1 << 26) - 1;

/// Makes the slot at `executed`, written through `written`, go to `target`. Threads may run it meanwhile.
///
/// # Safety
/// `written` must be the writable address of a slot, aligned to its size, and `target` in the same arena.
pub unsafe fn link_slot(written: *mut u8, executed: usize, target: usize) {
    let b = 0x1400_0000 | branch_distance(executed, target);
    // SAFETY: as the caller promises; one aligned store replaces the first instruction as a whole.
    unsafe { &*written.cast::<AtomicU32>() }.store(b, Ordering::Release);
}

/// Whether the call whose relocation lies at `written` can be pointed elsewhere while threads run it: always, as it is
/// one aligned instruction, a `bl` or, for a tail call, a `b`.
pub fn can_repoint_call(_written: *mut u8) -> bool {
    true
}

/// Points such a call at another target.
///
/// # Safety
/// `written` must be the writable address of a `bl` or `b` at `executed` when run, and `target` in the same arena.
pub unsafe fn repoint_call(written: *mut u8, executed: usize, target: usize) {
    // SAFETY: as the caller promises; instructions are aligned, and one store replaces this one as a whole.
    let word = unsafe { &*written.cast::<AtomicU32>() };
    let branch = word.load(Ordering::Relaxed) & !DISTANCE;
    word.store(branch | branch_distance(executed, target), Ordering::Release);
}

/// The return address of a function stopped `pc_offset` bytes into its prologue, before its own frame is complete:
/// in front of `stp fp, lr, [sp, #-16]!`, or between that and `mov fp, sp`. `None` once the frame stands.
///
/// # Safety
/// `link` must be the link register of a thread stopped in wasm code at that offset.
pub unsafe fn prologue_return_address(pc_offset: u32, _sp: usize, link: usize) -> Option<usize> {
    (pc_offset <= 4).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::super::labels::*;
    use super::*;

    #[test]
    fn fixed_code_ranges_are_in_order() {
        let at = |f: unsafe extern "C" fn()| f as *const () as usize;
        assert!(at(epsilon_enter_window) < enter_return() && enter_return() < landing_pad());
        assert!(at(epsilon_host_start) == host_common_address());
        assert!(at(epsilon_switch_start) == switch_common_address());
        assert!(at(epsilon_libcall_start) < at(epsilon_libcall_window));
    }

    #[test]
    fn slots_encode_their_distance() {
        // adr x16, #4; add x16, x16, #0x104, lsl #12; ldr x17, [x16]; br x17
        let slot = [0x30, 0, 0, 0x10, 0x10, 0x12, 0x44, 0x91, 0x11, 0x02, 0x40, 0xf9, 0x20, 0x02, 0x1f, 0xd6];
        assert_eq!(thunk_slot(0x10_4004), slot);
        assert_eq!(thunk_slot(3)[..4], [0x10, 0x00, 0x00, 0x70]);
    }

    #[test]
    fn slots_and_calls_are_pointed_at_code() {
        let words = |bytes: [u8; JUMP_SLOT_BYTES]| {
            std::array::from_fn::<u32, 8, _>(|n| u32::from_le_bytes(std::array::from_fn(|byte| bytes[4 * n + byte])))
        };
        let mut slot = words(lazy_slot(0x0003_0007));
        let rest = [0x5280_00e9, 0x72a0_0069, slot[3], 0xd61f_0140, UDF, UDF, UDF];
        assert_eq!((slot[0], &slot[1..]), (0xd503_201f, &rest[..]));
        let written = slot.as_mut_ptr().cast::<u8>();
        // SAFETY: a slot's aligned words.
        unsafe { link_slot(written, 0x1000, 0x1008) };
        assert_eq!((slot[0], &slot[1..]), (0x1400_0002, &rest[..]));
        let mut repointed = |call: u32, executed: usize, target: usize| {
            slot[0] = call;
            // SAFETY: an aligned word.
            unsafe { repoint_call(slot.as_mut_ptr().cast(), executed, target) };
            slot[0]
        };
        assert_eq!(repointed(0x9400_0002, 0x1008, 0x1000), 0x97ff_fffe);
        assert_eq!(repointed(0x17ff_fffe, 0, (128 << 20) - 4), 0x15ff_ffff);
    }
}

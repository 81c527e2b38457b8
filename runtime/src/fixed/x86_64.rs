//! x86_64: the pinned register is `r15`. Scratch registers that hold neither arguments nor the anchor at a call are
//! `rax`, `r10` and `r11`; at a return only `r11`.

use super::labels::{Label, mark};
use super::{EntryFrame, LibcallReturn, RegFile, ThunkData, flag, status};
use crate::serve::libcalls;
use crate::threads::words::VmStore;
use epsilon_abi::Libcall;
use epsilon_abi::vm::VmContext;
use std::arch::naked_asm;
use std::mem::{offset_of, size_of};
use std::sync::atomic::{AtomicU64, Ordering};

const INTS: usize = offset_of!(RegFile, ints);
const FLOATS: usize = offset_of!(RegFile, floats);
const REGS: usize = offset_of!(EntryFrame, regs);
/// Register images, then the thunk's data, then padding to keep the stack aligned to 16.
const HOST_FRAME: usize = size_of::<RegFile>() + 16;
const _: () = assert!(HOST_FRAME.is_multiple_of(16) && FLOATS == 64 && REGS == 0 && INTS == 0);

/// What guests compute in: all exceptions masked, rounding to nearest, nothing flushed to zero.
const GUEST_CONTROL: u32 = 0x1f80;
static GUEST_MXCSR: u32 = GUEST_CONTROL;
/// From `host_sp`: the host's MXCSR, while a guest runs.
const HOST_MXCSR: usize = 8;
/// From `host_sp`: its control bits, less the guest's; 0 where there is nothing to change.
const HOST_DIFFERS: usize = 12;
/// The bits of MXCSR that say what has happened: all others control what happens.
const STATUS_BITS: u32 = 0x3f;

/// Loads the float registers from the [`RegFile`] that a register leads to.
#[rustfmt::skip]
macro_rules! load_floats {
    ($regs:literal) => {
        concat!(
            "movaps xmm0, [", $regs, " + 64]\n",
            "movaps xmm1, [", $regs, " + 80]\n",
            "movaps xmm2, [", $regs, " + 96]\n",
            "movaps xmm3, [", $regs, " + 112]\n",
            "movaps xmm4, [", $regs, " + 128]\n",
            "movaps xmm5, [", $regs, " + 144]\n",
            "movaps xmm6, [", $regs, " + 160]\n",
            "movaps xmm7, [", $regs, " + 176]"
        )
    };
}

/// Stores the float registers to the [`RegFile`] that a register leads to.
#[rustfmt::skip]
macro_rules! store_floats {
    ($regs:literal) => {
        concat!(
            "movaps [", $regs, " + 64], xmm0\n",
            "movaps [", $regs, " + 80], xmm1\n",
            "movaps [", $regs, " + 96], xmm2\n",
            "movaps [", $regs, " + 112], xmm3\n",
            "movaps [", $regs, " + 128], xmm4\n",
            "movaps [", $regs, " + 144], xmm5\n",
            "movaps [", $regs, " + 160], xmm6\n",
            "movaps [", $regs, " + 176], xmm7"
        )
    };
}

/// Enters wasm: switches to the wasm stack, calls, and comes back with 0; or 1 if the activation was landed.
///
/// ```text
/// rbp       caller's rbp
/// rbp-40    rbx, r12 to r15
/// rbp-48    frame
/// rbp-52    by how much the control bits of the host's MXCSR differ from the guest's
/// rbp-56    the host's MXCSR
/// rbp-64    the outer activation's host_sp; the host's stack is used from here down while wasm runs
/// ```
///
/// # Safety
/// `frame` must hold what [`EntryFrame`] says, for a live anchor of the store that `store` belongs to, and
/// `stack_top` must lie on the store's wasm stack below all of its live frames.
#[unsafe(naked)]
pub unsafe extern "C" fn enter(frame: *mut EntryFrame, store: *mut VmStore) -> u64 {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12\npush r13",
        "push r14\npush r15",
        "push rdi",
        "sub rsp, 8",
        "push qword ptr [rsi + {host_sp}]",
        "mov [rsi + {host_sp}], rsp",
        "stmxcsr [rsp + {HOST_MXCSR}]",
        "mov eax, [rsp + {HOST_MXCSR}]",
        "and eax, {CONTROL_BITS}",
        "sub eax, {GUEST_CONTROL}",
        "mov [rsp + {HOST_DIFFERS}], eax",
        "jne 7f",
        "8:",
        "mov r11, rdi",
        "mov r15, [r11 + {anchor}]",
        "mov rsp, [r11 + {stack_top}]",
        mark!("epsilon_enter_switched"),
        // Stack arguments, from the last to the first.
        "mov rcx, [r11 + {stack_args_bytes}]",
        "test rcx, rcx",
        "je 2f",
        "mov r10, [r11 + {stack_args}]",
        "sub rsp, rcx",
        "3:",
        "mov rax, [r10 + rcx - 8]",
        "mov [rsp + rcx - 8], rax",
        "sub rcx, 8",
        "jne 3b",
        "2:",
        "test dword ptr [r11 + {flags}], {FLOAT_PARAMS}",
        "je 4f",
        load_floats!("r11"),
        "4:",
        "mov rdi, [r11]",
        "mov rsi, [r11 + 8]",
        "mov rdx, [r11 + 16]",
        "mov rcx, [r11 + 24]",
        "mov r8, [r11 + 32]",
        "mov r9, [r11 + 40]",
        // An interruption before this line is seen by the test; one behind it finds its pc in the window.
        mark!("epsilon_enter_window"),
        "mov rax, [r15 + {store}]",
        "cmp dword ptr [rax + {pending}], 0",
        "jne epsilon_landing_pad",
        "call qword ptr [r11 + {code}]",
        mark!("epsilon_enter_return"),
        "mov r11, [r15 + {store}]",
        "mov rsp, [r11 + {host_sp}]",
        mark!("epsilon_enter_left"),
        "cmp dword ptr [rsp + {HOST_DIFFERS}], 0",
        "jne 9f",
        "20:",
        "pop qword ptr [r11 + {host_sp}]",
        "add rsp, 8",
        "pop r11",
        "mov [r11], rax",
        "test dword ptr [r11 + {flags}], {RESULTS}",
        "je 5f",
        "mov [r11 + 8], rcx",
        "mov [r11 + 16], rdx",
        "mov [r11 + 24], rsi",
        "mov [r11 + 32], rdi",
        "mov [r11 + 40], r8",
        "mov [r11 + 48], r9",
        "mov [r11 + 56], r10",
        store_floats!("r11"),
        "5:",
        "xor eax, eax",
        "6:",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        // Traps, host errors and interruptions end here. Only the anchor in r15 is needed.
        mark!("epsilon_landing_pad"),
        "mov r11, [r15 + {store}]",
        "mov rsp, [r11 + {host_sp}]",
        mark!("epsilon_landing_left"),
        "cmp dword ptr [rsp + {HOST_DIFFERS}], 0",
        "je 21f",
        "ldmxcsr [rsp + {HOST_MXCSR}]",
        "21:",
        "pop qword ptr [r11 + {host_sp}]",
        "add rsp, 16",
        "mov eax, 1",
        "jmp 6b",
        // The host has a floating-point environment of its own.
        "7:",
        "ldmxcsr [rip + {guest}]",
        "jmp 8b",
        "9:",
        "ldmxcsr [rsp + {HOST_MXCSR}]",
        "jmp 20b",
        host_sp = const offset_of!(VmStore, host_sp),
        pending = const offset_of!(VmStore, pending),
        store = const VmContext::from_anchor(offset_of!(VmContext, store)),
        anchor = const offset_of!(EntryFrame, anchor),
        code = const offset_of!(EntryFrame, code),
        stack_args = const offset_of!(EntryFrame, stack_args),
        stack_args_bytes = const offset_of!(EntryFrame, stack_args_bytes),
        stack_top = const offset_of!(EntryFrame, stack_top),
        flags = const offset_of!(EntryFrame, flags),
        HOST_MXCSR = const HOST_MXCSR,
        HOST_DIFFERS = const HOST_DIFFERS,
        CONTROL_BITS = const !STATUS_BITS as i32,
        GUEST_CONTROL = const GUEST_CONTROL,
        guest = sym GUEST_MXCSR,
        FLOAT_PARAMS = const flag::FLOAT_PARAMS,
        RESULTS = const flag::FLOAT_RESULTS | flag::MANY_RESULTS,
    )
}

/// From wasm to a host function, on the host's stack. `r11` holds the slot's [`ThunkData`].
///
/// ```text
/// rbp+16   stack arguments, popped on return
/// rbp+8    return address into wasm
/// rbp      caller's rbp
/// rbp-16   thunk data
/// rbp-208  RegFile
/// ```
#[unsafe(naked)]
unsafe extern "C" fn host_common() {
    naked_asm!(
        mark!("epsilon_host_start"),
        "push rbp",
        "mov rbp, rsp",
        "sub rsp, {frame}",
        "mov [rsp], rdi",
        "mov [rsp + 8], rsi",
        "mov [rsp + 16], rdx",
        "mov [rsp + 24], rcx",
        "mov [rsp + 32], r8",
        "mov [rsp + 40], r9",
        "test dword ptr [r11 + {flags}], {FLOAT_PARAMS}",
        "je 2f",
        store_floats!("rsp"),
        "2:",
        "mov [rsp + {frame} - 16], r11",
        "mov r10, [r15 + {store}]",
        "mov [r10 + {exit_fp}], rbp",
        "mov [r10 + {exit_sp}], rsp",
        "mov rdi, r11",
        "mov rsi, rsp",
        "mov rdx, r15",
        "lea rcx, [rbp + 16]",
        "mov rsp, [r10 + {host_sp}]",
        "cmp dword ptr [rsp + {HOST_DIFFERS}], 0",
        "jne 5f",
        "6:",
        "call qword ptr [r11 + {target}]",
        "stmxcsr [rsp + {HOST_MXCSR}]",
        "mov ecx, [rsp + {HOST_MXCSR}]",
        "and ecx, {CONTROL_BITS}",
        "sub ecx, {GUEST_CONTROL}",
        "mov [rsp + {HOST_DIFFERS}], ecx",
        "jne 7f",
        "8:",
        "lea rsp, [rbp - {frame}]",
        "test eax, eax",
        "jne 9f",
        // An interruption while the host ran is seen here; one behind this line finds its pc in the window.
        mark!("epsilon_host_window"),
        "mov r10, [r15 + {store}]",
        "cmp dword ptr [r10 + {pending}], 0",
        "jne epsilon_landing_pad",
        "mov r11, [rsp + {frame} - 16]",
        "mov rax, [rsp]",
        "test dword ptr [r11 + {flags}], {RESULTS}",
        "je 3f",
        "mov rcx, [rsp + 8]",
        "mov rdx, [rsp + 16]",
        "mov rsi, [rsp + 24]",
        "mov rdi, [rsp + 32]",
        "mov r8, [rsp + 40]",
        "mov r9, [rsp + 48]",
        "mov r10, [rsp + 56]",
        load_floats!("rsp"),
        "3:",
        // Most calls have no stack arguments.
        "mov r11d, [r11 + {stack_args_bytes}]",
        "test r11, r11",
        "jne 4f",
        "mov rsp, rbp",
        "pop rbp",
        "ret",
        // Pop the stack arguments: the return address moves above them.
        "4:",
        "add r11, rbp",
        "push qword ptr [rbp + 8]",
        "pop qword ptr [r11 + 8]",
        "add r11, 8",
        "mov rbp, [rbp]",
        "mov rsp, r11",
        "ret",
        "9:",
        "cmp eax, {CAUGHT}",
        "je epsilon_catch",
        "jmp epsilon_landing_pad",
        // The host has a floating-point environment of its own.
        "5:",
        "ldmxcsr [rsp + {HOST_MXCSR}]",
        "jmp 6b",
        "7:",
        "ldmxcsr [rip + {guest}]",
        "jmp 8b",
        mark!("epsilon_host_end"),
        "ud2",
        frame = const HOST_FRAME,
        store = const VmContext::from_anchor(offset_of!(VmContext, store)),
        host_sp = const offset_of!(VmStore, host_sp),
        exit_fp = const offset_of!(VmStore, exit_fp),
        exit_sp = const offset_of!(VmStore, exit_sp),
        pending = const offset_of!(VmStore, pending),
        target = const offset_of!(ThunkData, target),
        flags = const offset_of!(ThunkData, flags),
        stack_args_bytes = const offset_of!(ThunkData, stack_args_bytes),
        FLOAT_PARAMS = const flag::FLOAT_PARAMS,
        RESULTS = const flag::FLOAT_RESULTS | flag::MANY_RESULTS,
        HOST_MXCSR = const HOST_MXCSR,
        HOST_DIFFERS = const HOST_DIFFERS,
        CONTROL_BITS = const !STATUS_BITS as i32,
        GUEST_CONTROL = const GUEST_CONTROL,
        guest = sym GUEST_MXCSR,
        CAUGHT = const status::CAUGHT,
    )
}

/// From one instance to another. `r11` holds the slot's [`ThunkData`].
///
/// ```text
/// rbp+16   stack arguments, popped on return
/// rbp+8    return address into the calling instance
/// rbp      caller's rbp
/// rbp-8    caller's anchor
/// rbp-16   thunk data
/// rsp      copy of the stack arguments, popped by the callee
/// ```
///
/// A callee that tail-calls on into another instance comes here with `epsilon_switch_restore` as its return address:
/// this frame restores the anchor in any case, and pops what its own caller passed, whatever the last callee took. So
/// no second frame is made, and tail calls between instances run in constant stack.
#[unsafe(naked)]
unsafe extern "C" fn switch_common() {
    naked_asm!(
        mark!("epsilon_switch_start"),
        "lea rax, [rip + epsilon_switch_restore]",
        "cmp [rsp], rax",
        "je 4f",
        "push rbp",
        "mov rbp, rsp",
        "push r15",
        "push r11",
        "mov r10d, [r11 + {stack_args_bytes}]",
        "test r10, r10",
        "je 3f",
        "sub rsp, r10",
        "2:",
        "mov rax, [rbp + r10 + 8]",
        "mov [rsp + r10 - 8], rax",
        "sub r10, 8",
        "jne 2b",
        "3:",
        "mov r15, [r11 + {context}]",
        "call qword ptr [r11 + {target}]",
        mark!("epsilon_switch_restore"),
        "mov r15, [rbp - 8]",
        "mov r11, [rbp - 16]",
        "mov r11d, [r11 + {stack_args_bytes}]",
        "test r11, r11",
        "jne 5f",
        "mov rsp, rbp",
        "pop rbp",
        "ret",
        "5:",
        "add r11, rbp",
        "push qword ptr [rbp + 8]",
        "pop qword ptr [r11 + 8]",
        "add r11, 8",
        "mov rbp, [rbp]",
        "mov rsp, r11",
        "ret",
        "4:",
        "mov r15, [r11 + {context}]",
        "jmp qword ptr [r11 + {target}]",
        mark!("epsilon_switch_end"),
        "ud2",
        target = const offset_of!(ThunkData, target),
        context = const offset_of!(ThunkData, context),
        stack_args_bytes = const offset_of!(ThunkData, stack_args_bytes),
    )
}

/// From wasm to the libcall whose number is in `eax`, on the host's stack. Arguments stay where they are: the `Tail`
/// and C conventions agree on the six integer registers.
#[unsafe(naked)]
unsafe extern "C" fn libcall_common() {
    naked_asm!(
        mark!("epsilon_libcall_start"),
        "push rbp",
        "mov rbp, rsp",
        "mov r10, [r15 + {store}]",
        "mov [r10 + {exit_fp}], rbp",
        "mov [r10 + {exit_sp}], rsp",
        "mov rsp, [r10 + {host_sp}]",
        "cmp dword ptr [rsp + {HOST_DIFFERS}], 0",
        "jne 5f",
        "6:",
        "lea r11, [rip + {table}]",
        "call qword ptr [r11 + 8*rax]",
        "stmxcsr [rsp + {HOST_MXCSR}]",
        "mov ecx, [rsp + {HOST_MXCSR}]",
        "and ecx, {CONTROL_BITS}",
        "sub ecx, {GUEST_CONTROL}",
        "mov [rsp + {HOST_DIFFERS}], ecx",
        "jne 7f",
        "8:",
        "mov rsp, rbp",
        "test edx, edx",
        "jne 9f",
        mark!("epsilon_libcall_window"),
        "mov r10, [r15 + {store}]",
        "cmp dword ptr [r10 + {pending}], 0",
        "jne epsilon_landing_pad",
        "pop rbp",
        "ret",
        "9:",
        "cmp edx, {CAUGHT}",
        "jne epsilon_landing_pad",
        // To where an exception is caught: host functions come here as well.
        mark!("epsilon_catch"),
        "mov r10, [r15 + {store}]",
        "cmp dword ptr [r10 + {pending}], 0",
        "jne epsilon_landing_pad",
        "mov rsp, [r10 + {landing_sp}]",
        "mov rbp, [r10 + {landing_fp}]",
        "mov r15, [r10 + {landing_anchor}]",
        "mov rax, [r10 + {landing_exception}]",
        "mov rdx, [r10 + {landing_fields}]",
        "jmp qword ptr [r10 + {landing_pc}]",
        // The host has a floating-point environment of its own.
        "5:",
        "ldmxcsr [rsp + {HOST_MXCSR}]",
        "jmp 6b",
        "7:",
        "ldmxcsr [rip + {guest}]",
        "jmp 8b",
        mark!("epsilon_libcall_end"),
        "ud2",
        store = const VmContext::from_anchor(offset_of!(VmContext, store)),
        host_sp = const offset_of!(VmStore, host_sp),
        exit_fp = const offset_of!(VmStore, exit_fp),
        exit_sp = const offset_of!(VmStore, exit_sp),
        pending = const offset_of!(VmStore, pending),
        table = sym libcalls::TABLE,
        HOST_MXCSR = const HOST_MXCSR,
        HOST_DIFFERS = const HOST_DIFFERS,
        CONTROL_BITS = const !STATUS_BITS as i32,
        GUEST_CONTROL = const GUEST_CONTROL,
        guest = sym GUEST_MXCSR,
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
/// arguments as they were. `eax` holds the function's number.
#[unsafe(naked)]
unsafe extern "C" fn materialise_common() {
    naked_asm!(
        mark!("epsilon_materialise_start"),
        "push rbp",
        "mov rbp, rsp",
        "sub rsp, {frame}",
        "mov [rsp], rdi",
        "mov [rsp + 8], rsi",
        "mov [rsp + 16], rdx",
        "mov [rsp + 24], rcx",
        "mov [rsp + 32], r8",
        "mov [rsp + 40], r9",
        store_floats!("rsp"),
        "mov r10, [r15 + {store}]",
        "mov [r10 + {exit_fp}], rbp",
        "mov [r10 + {exit_sp}], rsp",
        "mov rdi, r15",
        "mov esi, eax",
        "mov rsp, [r10 + {host_sp}]",
        "cmp dword ptr [rsp + {HOST_DIFFERS}], 0",
        "jne 5f",
        "6:",
        "call {body}",
        "stmxcsr [rsp + {HOST_MXCSR}]",
        "mov ecx, [rsp + {HOST_MXCSR}]",
        "and ecx, {CONTROL_BITS}",
        "sub ecx, {GUEST_CONTROL}",
        "mov [rsp + {HOST_DIFFERS}], ecx",
        "jne 7f",
        "8:",
        "lea rsp, [rbp - {frame}]",
        "test edx, edx",
        "jne epsilon_landing_pad",
        mark!("epsilon_materialise_window"),
        "mov r10, [r15 + {store}]",
        "cmp dword ptr [r10 + {pending}], 0",
        "jne epsilon_landing_pad",
        "mov rdi, [rsp]",
        "mov rsi, [rsp + 8]",
        "mov rdx, [rsp + 16]",
        "mov rcx, [rsp + 24]",
        "mov r8, [rsp + 32]",
        "mov r9, [rsp + 40]",
        load_floats!("rsp"),
        "mov rsp, rbp",
        "pop rbp",
        "jmp rax",
        // The host has a floating-point environment of its own.
        "5:",
        "ldmxcsr [rsp + {HOST_MXCSR}]",
        "jmp 6b",
        "7:",
        "ldmxcsr [rip + {guest}]",
        "jmp 8b",
        mark!("epsilon_materialise_end"),
        "ud2",
        frame = const HOST_FRAME,
        store = const VmContext::from_anchor(offset_of!(VmContext, store)),
        host_sp = const offset_of!(VmStore, host_sp),
        exit_fp = const offset_of!(VmStore, exit_fp),
        exit_sp = const offset_of!(VmStore, exit_sp),
        pending = const offset_of!(VmStore, pending),
        HOST_MXCSR = const HOST_MXCSR,
        HOST_DIFFERS = const HOST_DIFFERS,
        CONTROL_BITS = const !STATUS_BITS as i32,
        GUEST_CONTROL = const GUEST_CONTROL,
        guest = sym GUEST_MXCSR,
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
                        "mov eax, {number}",
                        "jmp {common}",
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

/// This thread's floating-point environment: MXCSR.
pub fn float_environment() -> u64 {
    #[unsafe(naked)]
    unsafe extern "C" fn read() -> u64 {
        naked_asm!("push 0", "stmxcsr [rsp]", "pop rax", "ret")
    }
    // SAFETY: it reads a register.
    unsafe { read() }
}

/// Changes this thread's floating-point environment.
///
/// # Safety
/// `environment` must be what [`float_environment`] gave, or that of guests. Rust computes in that of guests, which is
/// the one that threads begin with: another one may only be put back.
pub unsafe fn set_float_environment(environment: u64) {
    #[unsafe(naked)]
    unsafe extern "C" fn write(_mxcsr: u64) {
        naked_asm!("push rdi", "ldmxcsr [rsp]", "pop rdi", "ret")
    }
    // SAFETY: as the caller promises: no reserved bit is set.
    unsafe { write(environment) }
}

/// The floating-point environment of guests.
pub const GUEST_FLOATS: u64 = GUEST_CONTROL as u64;

/// Whether code computes in a floating-point environment as guests do.
pub fn computes_as_guests(environment: u64) -> bool {
    environment as u32 & !STATUS_BITS == GUEST_CONTROL
}

/// The words that hold what the caller keeps in registers across calls. Always inlined: the registers are this
/// function's own.
#[inline(always)]
pub fn kept_registers() -> [usize; 6] {
    let mut kept = [0usize; 6];
    // SAFETY: it stores registers into an array that is long enough, and changes nothing else.
    unsafe {
        std::arch::asm!(
            "mov [{at}], rbx", "mov [{at} + 8], rbp", "mov [{at} + 16], r12",
            "mov [{at} + 24], r13", "mov [{at} + 32], r14", "mov [{at} + 40], r15",
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

/// Bytes of a thunk slot's code.
pub const THUNK_SLOT_BYTES: usize = 16;

/// Code of a thunk slot whose data lies `distance` bytes above the slot.
pub fn thunk_slot(distance: u32) -> [u8; THUNK_SLOT_BYTES] {
    let mut code = [0xcc; THUNK_SLOT_BYTES];
    code[..3].copy_from_slice(&[0x4c, 0x8d, 0x1d]); // lea r11, [rip + rel32]
    code[3..7].copy_from_slice(&(distance - 7).to_le_bytes());
    code[7..10].copy_from_slice(&[0x41, 0xff, 0x23]); // jmp [r11]
    code
}

/// Bytes of a jump-table slot.
pub const JUMP_SLOT_BYTES: usize = 16;

/// Where the address of `materialise` lies from the anchor, as a displacement of one byte.
const MATERIALISE: i8 = VmContext::from_anchor(offset_of!(VmContext, materialise)) as i8;
const _: () = assert!(MATERIALISE as i32 == VmContext::from_anchor(offset_of!(VmContext, materialise)));

/// Code of the slot of a function that is not linked yet: its number to `materialise`.
///
/// ```text
/// 0   mov eax, index          replaced by  jmp rel32  once there is code
/// 5   jmp [r15 + materialise] stays, for a thread that stands between the two
/// ```
pub fn lazy_slot(index: u32) -> [u8; JUMP_SLOT_BYTES] {
    let mut code = [0xcc; JUMP_SLOT_BYTES];
    code[0] = 0xb8;
    code[1..5].copy_from_slice(&index.to_le_bytes());
    code[5..8].copy_from_slice(&[0x41, 0xff, 0x67]);
    code[8] = MATERIALISE as u8;
    code
}

/// Makes the slot at `executed`, written through `written`, go to `target`. Threads may run it meanwhile.
///
/// # Safety
/// `written` must be the writable address of a slot, aligned to its size, and `target` at most 2 GiB away from it.
pub unsafe fn link_slot(written: *mut u8, executed: usize, target: usize) {
    // SAFETY: as the caller promises; one aligned store of eight bytes replaces the first instruction as a whole.
    unsafe {
        let word = &*written.cast::<AtomicU64>();
        let mut code = word.load(Ordering::Relaxed).to_le_bytes();
        code[0] = 0xe9;
        code[1..5].copy_from_slice(&((target as i64 - (executed as i64 + 5)) as i32).to_le_bytes());
        word.store(u64::from_le_bytes(code), Ordering::Release);
    }
}

/// Whether the call whose relocation lies at `written` can be pointed elsewhere while threads run it: its four bytes
/// lie in one cache line.
pub fn can_repoint_call(written: *mut u8) -> bool {
    written as usize % 64 <= 60
}

/// Points such a call at another target.
///
/// # Safety
/// `written` must be the writable address of a call's 32-bit displacement for which [`can_repoint_call`] holds, at
/// `executed` when run, and `target` at most 2 GiB away.
pub unsafe fn repoint_call(written: *mut u8, executed: usize, target: usize) {
    let displacement = (target as i64 - (executed as i64 + 4)) as i32;
    // SAFETY: as the caller promises. The store is one instruction inside a cache line, which processors fetch whole.
    unsafe { written.cast::<i32>().write_unaligned(displacement) };
}

/// The return address of a function stopped `pc_offset` bytes into its prologue, before its own frame is complete:
/// in front of `push rbp`, or between that and `mov rbp, rsp`. `None` once the frame stands.
///
/// # Safety
/// `sp` must be the stack pointer of a thread stopped in wasm code at that offset.
pub unsafe fn prologue_return_address(pc_offset: u32, sp: usize, _link: usize) -> Option<usize> {
    let at = match pc_offset {
        0 => sp,
        1 => sp + 8,
        _ => return None,
    };
    // SAFETY: the call that entered the function has just stored there.
    Some(unsafe { *(at as *const usize) })
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
        assert_eq!(thunk_slot(0x1007)[..10], [0x4c, 0x8d, 0x1d, 0, 0x10, 0, 0, 0x41, 0xff, 0x23]);
        let mut slot = lazy_slot(7);
        assert_eq!(slot[..9], [0xb8, 7, 0, 0, 0, 0x41, 0xff, 0x67, MATERIALISE as u8]);
        let mut aligned = [0u64; 2];
        // SAFETY: sixteen aligned bytes.
        unsafe {
            let written = aligned.as_mut_ptr().cast::<u8>();
            written.copy_from_nonoverlapping(slot.as_ptr(), slot.len());
            link_slot(written, 0x1000, 0x2005);
            written.copy_to_nonoverlapping(slot.as_mut_ptr(), slot.len());
        }
        assert_eq!(slot[..9], [0xe9, 0, 0x10, 0, 0, 0x41, 0xff, 0x67, MATERIALISE as u8]);
    }
}

//! Fixed machine code, one file per architecture with the same names in each.
//!
//! | name | what it is |
//! |---|---|
//! | `enter` | from Rust onto the wasm stack and back |
//! | `landing pad` | where traps, host errors and interruptions end an activation |
//! | `host_common` | a thunk's way from wasm to a host function on the host's stack |
//! | `switch_common` | a thunk's way from one instance to another |
//! | `epsilon_catch` | from the host's stack to where an exception is caught |
//! | `libcall_entries` | from wasm to a runtime call on the host's stack |
//! | `bulk` | copying and filling for wasm, on its own stack |
//! | `bytes` | copying what others may write meanwhile |
//! | `probe` | looking how far a stack reaches down |
//!
//! The rules that all of them keep: the pinned register holds a valid anchor from before the first to after the last
//! wasm instruction; the return address of the outermost wasm frame of an activation is `enter`'s; while Rust code
//! runs, the store's exit record names the frame that left wasm.
//!
//! Guests compute in one floating-point environment, whatever the host's is. `enter` keeps the host's on the host's
//! stack; host functions and libcalls run in it, and leave what it is to be from then on.

use crate::threads::words::VmStore;

mod bulk;
pub mod bytes;
pub mod floats;

#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod imp;

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod imp;

mod labels;
mod probe;

pub use bulk::bulk_routines;
pub use imp::*;
pub use labels::{
    enter_return, fixed_code_offset, is_landing, is_past_pending_check, landing_pad, runs_on_wasm_stack, switch_restore,
};
pub use probe::{is_probe, probe_end, readable_down_to};

/// The images of all argument or result registers of the `Tail` convention, in the order of `epsilon_abi::call`.
/// On aarch64 `ints[6]` is `x8`, the address of the area for further results.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct RegFile {
    /// Integer registers.
    pub ints: [u64; 8],
    /// Float and vector registers.
    pub floats: [[u8; 16]; 8],
}

impl RegFile {
    /// All zero.
    pub const ZERO: Self = Self { ints: [0; 8], floats: [[0; 16]; 8] };
}

/// Where `enter` finds what it needs and leaves what came back.
#[repr(C, align(16))]
pub struct EntryFrame {
    /// Arguments on the way in, results on the way out.
    pub regs: RegFile,
    /// The anchor to run under.
    pub anchor: usize,
    /// The code to call.
    pub code: usize,
    /// Stack arguments.
    pub stack_args: *const u64,
    /// Size of the stack arguments in bytes, a multiple of 16.
    pub stack_args_bytes: usize,
    /// Where on the wasm stack to start; a multiple of 16.
    pub stack_top: usize,
    /// [`flag`] bits.
    pub flags: u32,
}

/// Bits that tell fixed code which registers it may skip.
pub mod flag {
    /// Some arguments are in float registers.
    pub const FLOAT_PARAMS: u32 = 1;
    /// Some results are in float registers.
    pub const FLOAT_RESULTS: u32 = 2;
    /// More than one result is in integer registers.
    pub const MANY_RESULTS: u32 = 4;
}

/// How a host function or a libcall ended, as fixed code tests it.
pub mod status {
    /// It returned.
    pub const RETURNED: u32 = 0;
    /// The activation is to be landed.
    pub const LANDED: u32 = 1;
    /// Wasm goes on where the store's `Landing` says: it catches an exception.
    pub const CAUGHT: u32 = 2;
}

/// What a thunk slot reads. The layout is known to the assembly.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ThunkData {
    /// `host_common` or `switch_common`; of an unused slot, neither.
    pub common: usize,
    /// `host_common`: the Rust function to call. `switch_common`: the code to call.
    pub target: usize,
    /// `host_common`: for the Rust function. `switch_common`: the anchor to run under.
    pub context: usize,
    /// Size of the stack arguments in bytes.
    pub stack_args_bytes: u32,
    /// [`flag`] bits.
    pub flags: u32,
}

/// A Rust function behind `host_common`: thunk data, argument registers (results go there too), the caller's anchor,
/// stack arguments. The result is a [`status`].
pub type HostTarget = unsafe extern "C" fn(*const ThunkData, *mut RegFile, usize, *mut u64) -> u32;

/// What a libcall returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LibcallReturn {
    /// The result.
    pub value: u64,
    /// A [`status`].
    pub failed: u64,
}

/// The store's words of an anchor.
///
/// # Safety
/// `anchor` must be the end of a live `VmContext`: while wasm runs, the pinned register holds nothing else (invariant 4).
pub unsafe fn store_of_anchor(anchor: usize) -> *const VmStore {
    let vmctx = epsilon_abi::vm::VmContext::of_anchor(anchor);
    // SAFETY: the caller promises a live `VmContext`, whose `store` is set before any code can run under it (invariants 11 and
    // 13).
    unsafe { (*vmctx).store.cast_const().cast() }
}

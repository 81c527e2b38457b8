//! Where arguments and results travel: Cranelift's `Tail` convention, computed from a function type alone, so that the
//! runtime can enter wasm, leave it and switch instances with fixed code and no compiled trampoline.
//!
//! | | x86_64 | aarch64 |
//! |---|---|---|
//! | integer arguments | rdi rsi rdx rcx r8 r9 | x2 x3 x4 x5 x6 x7 |
//! | integer results | rax rcx rdx rsi rdi r8 r9 r10 | x2 x3 x4 x5 x6 x7 |
//! | float and vector arguments and results | xmm0-7 | v0-7 |
//! | pointer to the area for further results | takes the first integer argument | x8 |
//! | stack arguments | 8-byte slots, vectors 16; total rounded to 16; popped by the callee | the same |
//!
//! The source is `compute_arg_locs` of cranelift-codegen 0.135 (`isa/x64/abi.rs`, `isa/aarch64/abi.rs`).

use crate::{FuncType, ValType};

/// A target architecture.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum Arch {
    X86_64,
    Aarch64,
}

impl Arch {
    /// The architecture that this program was built for; `None` if Epsilon does not run there.
    pub const HOST: Option<Self> = if cfg!(target_arch = "x86_64") {
        Some(Self::X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Self::Aarch64)
    } else {
        None
    };

    const fn int_results(self) -> u8 {
        match self {
            Self::X86_64 => 8,
            Self::Aarch64 => 6,
        }
    }
}

/// Integer argument registers, on both architectures.
const INT_ARGS: u8 = 6;
/// Float and vector argument and result registers, on both architectures.
const FLOATS: u8 = 8;

/// Where one argument or result is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// The integer register with this position in the table above.
    Int(u8),
    /// The float or vector register with this number.
    Float(u8),
    /// Bytes from the start of the stack arguments, or of the area for further results.
    Stack(u32),
}

/// Where all arguments and results of a function type travel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallLayout {
    /// A place for each parameter.
    pub params: Box<[Slot]>,
    /// A place for each result.
    pub results: Box<[Slot]>,
    /// Size of the stack arguments, a multiple of 16.
    pub stack_args_bytes: u32,
    /// Size of the area for further results, a multiple of 16; 0 if all results travel in registers.
    pub ret_area_bytes: u32,
    /// The integer argument position that holds the address of that area; on aarch64 it is `x8`, not one of them.
    pub ret_area_in_int: Option<u8>,
}

impl CallLayout {
    /// The layout of a function type on an architecture.
    pub fn new(ty: &FuncType, arch: Arch) -> Self {
        let (results, ret_area_bytes) = assign(&ty.results, 0, arch.int_results());
        let ret_area_in_int = (ret_area_bytes > 0 && arch == Arch::X86_64).then_some(0);
        let first_int = u8::from(ret_area_in_int.is_some());
        let (params, stack_args_bytes) = assign(&ty.params, first_int, INT_ARGS);
        Self { params, results, stack_args_bytes, ret_area_bytes, ret_area_in_int }
    }

    /// Whether any argument travels in a float register.
    pub fn has_float_params(&self) -> bool {
        self.params.iter().any(|slot| matches!(slot, Slot::Float(_)))
    }

    /// Whether any result travels in a float register.
    pub fn has_float_results(&self) -> bool {
        self.results.iter().any(|slot| matches!(slot, Slot::Float(_)))
    }
}

fn assign(types: &[ValType], first_int: u8, ints: u8) -> (Box<[Slot]>, u32) {
    let (mut next_int, mut next_float, mut stack) = (first_int, 0, 0u32);
    let mut place = |ty: &ValType| {
        let (next, limit, slot): (&mut u8, u8, fn(u8) -> Slot) =
            if ty.is_float_class() { (&mut next_float, FLOATS, Slot::Float) } else { (&mut next_int, ints, Slot::Int) };
        if *next < limit {
            *next += 1;
            return slot(*next - 1);
        }
        stack = stack.next_multiple_of(ty.slot_bytes());
        stack += ty.slot_bytes();
        Slot::Stack(stack - ty.slot_bytes())
    };
    let slots = types.iter().map(&mut place).collect();
    (slots, stack.next_multiple_of(16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValType::{F64, I32, I64, V128};

    #[test]
    fn registers_first_then_aligned_stack() {
        let ty = FuncType::new([I32, F64, I64, I32, I32, I32, I32, I32, V128], [I32]);
        let layout = CallLayout::new(&ty, Arch::X86_64);
        assert_eq!(layout.params[0], Slot::Int(0));
        assert_eq!(layout.params[1], Slot::Float(0));
        assert_eq!(layout.params[7], Slot::Stack(0));
        assert_eq!(layout.params[8], Slot::Float(1));
        assert_eq!(layout.stack_args_bytes, 16);
        assert_eq!(layout.ret_area_bytes, 0);
    }

    #[test]
    fn further_results_take_an_argument_register_on_x86_64_only() {
        let ty = FuncType::new([I32], [I64; 9]);
        let x64 = CallLayout::new(&ty, Arch::X86_64);
        assert_eq!((x64.ret_area_in_int, x64.params[0], x64.ret_area_bytes), (Some(0), Slot::Int(1), 16));
        assert_eq!(x64.results[8], Slot::Stack(0));
        let arm = CallLayout::new(&ty, Arch::Aarch64);
        assert_eq!((arm.ret_area_in_int, arm.params[0], arm.ret_area_bytes), (None, Slot::Int(0), 32));
        assert_eq!(arm.results[6], Slot::Stack(0));
    }
}

//! Our trap codes as Cranelift's, and back. Cranelift keeps five codes for itself, for the traps that its own
//! instructions raise; ours go there where they mean the same, and by their number everywhere else.

use cranelift_codegen::ir;
use epsilon_abi::TrapCode;

const RESERVED: [(TrapCode, ir::TrapCode); 5] = [
    (TrapCode::StackOverflow, ir::TrapCode::STACK_OVERFLOW),
    (TrapCode::IntegerOverflow, ir::TrapCode::INTEGER_OVERFLOW),
    (TrapCode::MemoryOutOfBounds, ir::TrapCode::HEAP_OUT_OF_BOUNDS),
    (TrapCode::IntegerDivisionByZero, ir::TrapCode::INTEGER_DIVISION_BY_ZERO),
    (TrapCode::BadConversionToInteger, ir::TrapCode::BAD_CONVERSION_TO_INTEGER),
];

/// Cranelift's code for one of ours.
pub(crate) fn clif_trap(code: TrapCode) -> ir::TrapCode {
    match RESERVED.iter().find(|(ours, _)| *ours == code) {
        Some((_, theirs)) => *theirs,
        None => ir::TrapCode::unwrap_user(code as u8),
    }
}

/// Our code for one of Cranelift's; `None` if generated code cannot raise it.
pub(crate) fn our_trap(code: ir::TrapCode) -> Option<TrapCode> {
    match RESERVED.iter().find(|(_, theirs)| *theirs == code) {
        Some((ours, _)) => Some(*ours),
        None => TrapCode::from_u8(code.as_raw().get()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip() {
        for code in TrapCode::ALL {
            assert_eq!(our_trap(clif_trap(*code)), Some(*code));
        }
    }
}

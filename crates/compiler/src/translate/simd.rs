//! The 128-bit vector instructions of the specification, and the relaxed ones: one row per operator, naming the shape
//! that translates it. Rows are grouped by shape; an operator without a row is a compile error.
//!
//! A shape takes the lanes that it works on and the CLIF instruction that does the work. On the operand stack every
//! vector is an `I8X16`; [`lanes`] has the two functions that go from there to lanes and back, which costs no code.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@self`] | the table |
//! | [`lanes`] | the shapes that work on lanes |
//! | `access` | the shapes that touch memory |
//! | [`relaxed`] | the relaxed operators, and what they do on which target |
//!
//! Every instruction named here must be lowered for every target without a call into a library; the tests compile all
//! of them for all targets, with as few features as we accept and with many.

mod access;
mod lanes;
pub(crate) mod relaxed;

#[cfg(test)]
mod tests;

use super::{FuncTranslator, Translated};
use cranelift_codegen::ir::Opcode;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use lanes::Widen;
use wasmparser::{MemArg, V128, VisitSimdOperator};

/// Turns rows `visit_operator(immediates) = shape(arguments);` into the methods of [`VisitSimdOperator`].
macro_rules! rows {
    ($($visit:ident $(($($arg:ident: $argty:ty),*))? = $shape:ident($($given:expr),*);)*) => {$(
        fn $visit(&mut self $($(, $arg: $argty)*)?) -> Translated {
            self.$shape($($given),*)
        }
    )*};
}

#[rustfmt::skip] // a row is a line
impl<'a> VisitSimdOperator<'a> for FuncTranslator<'_> {
    rows! {
        // Loads and stores.
        visit_v128_load(memarg: MemArg) = load_v128(&memarg);
        visit_v128_store(memarg: MemArg) = store_v128(&memarg);
        visit_v128_load8x8_s(memarg: MemArg) = load_extend(&memarg, Opcode::Sload8x8);
        visit_v128_load8x8_u(memarg: MemArg) = load_extend(&memarg, Opcode::Uload8x8);
        visit_v128_load16x4_s(memarg: MemArg) = load_extend(&memarg, Opcode::Sload16x4);
        visit_v128_load16x4_u(memarg: MemArg) = load_extend(&memarg, Opcode::Uload16x4);
        visit_v128_load32x2_s(memarg: MemArg) = load_extend(&memarg, Opcode::Sload32x2);
        visit_v128_load32x2_u(memarg: MemArg) = load_extend(&memarg, Opcode::Uload32x2);
        visit_v128_load8_splat(memarg: MemArg) = load_splat(I8X16, &memarg);
        visit_v128_load16_splat(memarg: MemArg) = load_splat(I16X8, &memarg);
        visit_v128_load32_splat(memarg: MemArg) = load_splat(I32X4, &memarg);
        visit_v128_load64_splat(memarg: MemArg) = load_splat(I64X2, &memarg);
        visit_v128_load32_zero(memarg: MemArg) = load_zero(I32X4, &memarg);
        visit_v128_load64_zero(memarg: MemArg) = load_zero(I64X2, &memarg);
        visit_v128_load8_lane(memarg: MemArg, lane: u8) = load_lane(I8X16, &memarg, lane);
        visit_v128_load16_lane(memarg: MemArg, lane: u8) = load_lane(I16X8, &memarg, lane);
        visit_v128_load32_lane(memarg: MemArg, lane: u8) = load_lane(I32X4, &memarg, lane);
        visit_v128_load64_lane(memarg: MemArg, lane: u8) = load_lane(I64X2, &memarg, lane);
        visit_v128_store8_lane(memarg: MemArg, lane: u8) = store_lane(I8X16, &memarg, lane);
        visit_v128_store16_lane(memarg: MemArg, lane: u8) = store_lane(I16X8, &memarg, lane);
        visit_v128_store32_lane(memarg: MemArg, lane: u8) = store_lane(I32X4, &memarg, lane);
        visit_v128_store64_lane(memarg: MemArg, lane: u8) = store_lane(I64X2, &memarg, lane);

        // Constants, and lanes that move.
        visit_v128_const(value: V128) = constant(value);
        visit_i8x16_shuffle(lanes: [u8; 16]) = shuffle(lanes);
        visit_i8x16_swizzle = binary_lanes(I8X16, Opcode::Swizzle);
        visit_i8x16_splat = splat(I8X16);
        visit_i16x8_splat = splat(I16X8);
        visit_i32x4_splat = splat(I32X4);
        visit_i64x2_splat = splat(I64X2);
        visit_f32x4_splat = splat(F32X4);
        visit_f64x2_splat = splat(F64X2);
        visit_i8x16_extract_lane_s(lane: u8) = extract_narrow_lane(I8X16, lane, Opcode::Sextend);
        visit_i8x16_extract_lane_u(lane: u8) = extract_narrow_lane(I8X16, lane, Opcode::Uextend);
        visit_i16x8_extract_lane_s(lane: u8) = extract_narrow_lane(I16X8, lane, Opcode::Sextend);
        visit_i16x8_extract_lane_u(lane: u8) = extract_narrow_lane(I16X8, lane, Opcode::Uextend);
        visit_i32x4_extract_lane(lane: u8) = extract_lane(I32X4, lane);
        visit_i64x2_extract_lane(lane: u8) = extract_lane(I64X2, lane);
        visit_f32x4_extract_lane(lane: u8) = extract_lane(F32X4, lane);
        visit_f64x2_extract_lane(lane: u8) = extract_lane(F64X2, lane);
        visit_i8x16_replace_lane(lane: u8) = replace_lane(I8X16, lane);
        visit_i16x8_replace_lane(lane: u8) = replace_lane(I16X8, lane);
        visit_i32x4_replace_lane(lane: u8) = replace_lane(I32X4, lane);
        visit_i64x2_replace_lane(lane: u8) = replace_lane(I64X2, lane);
        visit_f32x4_replace_lane(lane: u8) = replace_lane(F32X4, lane);
        visit_f64x2_replace_lane(lane: u8) = replace_lane(F64X2, lane);

        // Comparisons.
        visit_i8x16_eq = compare_lanes(I8X16, IntCC::Equal);
        visit_i8x16_ne = compare_lanes(I8X16, IntCC::NotEqual);
        visit_i8x16_lt_s = compare_lanes(I8X16, IntCC::SignedLessThan);
        visit_i8x16_lt_u = compare_lanes(I8X16, IntCC::UnsignedLessThan);
        visit_i8x16_gt_s = compare_lanes(I8X16, IntCC::SignedGreaterThan);
        visit_i8x16_gt_u = compare_lanes(I8X16, IntCC::UnsignedGreaterThan);
        visit_i8x16_le_s = compare_lanes(I8X16, IntCC::SignedLessThanOrEqual);
        visit_i8x16_le_u = compare_lanes(I8X16, IntCC::UnsignedLessThanOrEqual);
        visit_i8x16_ge_s = compare_lanes(I8X16, IntCC::SignedGreaterThanOrEqual);
        visit_i8x16_ge_u = compare_lanes(I8X16, IntCC::UnsignedGreaterThanOrEqual);
        visit_i16x8_eq = compare_lanes(I16X8, IntCC::Equal);
        visit_i16x8_ne = compare_lanes(I16X8, IntCC::NotEqual);
        visit_i16x8_lt_s = compare_lanes(I16X8, IntCC::SignedLessThan);
        visit_i16x8_lt_u = compare_lanes(I16X8, IntCC::UnsignedLessThan);
        visit_i16x8_gt_s = compare_lanes(I16X8, IntCC::SignedGreaterThan);
        visit_i16x8_gt_u = compare_lanes(I16X8, IntCC::UnsignedGreaterThan);
        visit_i16x8_le_s = compare_lanes(I16X8, IntCC::SignedLessThanOrEqual);
        visit_i16x8_le_u = compare_lanes(I16X8, IntCC::UnsignedLessThanOrEqual);
        visit_i16x8_ge_s = compare_lanes(I16X8, IntCC::SignedGreaterThanOrEqual);
        visit_i16x8_ge_u = compare_lanes(I16X8, IntCC::UnsignedGreaterThanOrEqual);
        visit_i32x4_eq = compare_lanes(I32X4, IntCC::Equal);
        visit_i32x4_ne = compare_lanes(I32X4, IntCC::NotEqual);
        visit_i32x4_lt_s = compare_lanes(I32X4, IntCC::SignedLessThan);
        visit_i32x4_lt_u = compare_lanes(I32X4, IntCC::UnsignedLessThan);
        visit_i32x4_gt_s = compare_lanes(I32X4, IntCC::SignedGreaterThan);
        visit_i32x4_gt_u = compare_lanes(I32X4, IntCC::UnsignedGreaterThan);
        visit_i32x4_le_s = compare_lanes(I32X4, IntCC::SignedLessThanOrEqual);
        visit_i32x4_le_u = compare_lanes(I32X4, IntCC::UnsignedLessThanOrEqual);
        visit_i32x4_ge_s = compare_lanes(I32X4, IntCC::SignedGreaterThanOrEqual);
        visit_i32x4_ge_u = compare_lanes(I32X4, IntCC::UnsignedGreaterThanOrEqual);
        visit_i64x2_eq = compare_lanes(I64X2, IntCC::Equal);
        visit_i64x2_ne = compare_lanes(I64X2, IntCC::NotEqual);
        visit_i64x2_lt_s = compare_lanes(I64X2, IntCC::SignedLessThan);
        visit_i64x2_gt_s = compare_lanes(I64X2, IntCC::SignedGreaterThan);
        visit_i64x2_le_s = compare_lanes(I64X2, IntCC::SignedLessThanOrEqual);
        visit_i64x2_ge_s = compare_lanes(I64X2, IntCC::SignedGreaterThanOrEqual);
        visit_f32x4_eq = compare_float_lanes(F32X4, FloatCC::Equal);
        visit_f32x4_ne = compare_float_lanes(F32X4, FloatCC::NotEqual);
        visit_f32x4_lt = compare_float_lanes(F32X4, FloatCC::LessThan);
        visit_f32x4_gt = compare_float_lanes(F32X4, FloatCC::GreaterThan);
        visit_f32x4_le = compare_float_lanes(F32X4, FloatCC::LessThanOrEqual);
        visit_f32x4_ge = compare_float_lanes(F32X4, FloatCC::GreaterThanOrEqual);
        visit_f64x2_eq = compare_float_lanes(F64X2, FloatCC::Equal);
        visit_f64x2_ne = compare_float_lanes(F64X2, FloatCC::NotEqual);
        visit_f64x2_lt = compare_float_lanes(F64X2, FloatCC::LessThan);
        visit_f64x2_gt = compare_float_lanes(F64X2, FloatCC::GreaterThan);
        visit_f64x2_le = compare_float_lanes(F64X2, FloatCC::LessThanOrEqual);
        visit_f64x2_ge = compare_float_lanes(F64X2, FloatCC::GreaterThanOrEqual);

        // Bits.
        visit_v128_not = unary_lanes(I8X16, Opcode::Bnot);
        visit_v128_and = binary_lanes(I8X16, Opcode::Band);
        visit_v128_or = binary_lanes(I8X16, Opcode::Bor);
        visit_v128_xor = binary_lanes(I8X16, Opcode::Bxor);
        visit_v128_andnot = and_not();
        visit_v128_bitselect = select_bits();
        visit_v128_any_true = any_true();
        visit_i8x16_all_true = test_lanes(I8X16, Opcode::VallTrue);
        visit_i16x8_all_true = test_lanes(I16X8, Opcode::VallTrue);
        visit_i32x4_all_true = test_lanes(I32X4, Opcode::VallTrue);
        visit_i64x2_all_true = test_lanes(I64X2, Opcode::VallTrue);
        visit_i8x16_bitmask = bitmask(I8X16);
        visit_i16x8_bitmask = bitmask(I16X8);
        visit_i32x4_bitmask = bitmask(I32X4);
        visit_i64x2_bitmask = bitmask(I64X2);

        // Integers.
        visit_i8x16_abs = unary_lanes(I8X16, Opcode::Iabs);
        visit_i16x8_abs = unary_lanes(I16X8, Opcode::Iabs);
        visit_i32x4_abs = unary_lanes(I32X4, Opcode::Iabs);
        visit_i64x2_abs = unary_lanes(I64X2, Opcode::Iabs);
        visit_i8x16_neg = unary_lanes(I8X16, Opcode::Ineg);
        visit_i16x8_neg = unary_lanes(I16X8, Opcode::Ineg);
        visit_i32x4_neg = unary_lanes(I32X4, Opcode::Ineg);
        visit_i64x2_neg = unary_lanes(I64X2, Opcode::Ineg);
        visit_i8x16_popcnt = unary_lanes(I8X16, Opcode::Popcnt);
        visit_i8x16_add = binary_lanes(I8X16, Opcode::Iadd);
        visit_i16x8_add = binary_lanes(I16X8, Opcode::Iadd);
        visit_i32x4_add = binary_lanes(I32X4, Opcode::Iadd);
        visit_i64x2_add = binary_lanes(I64X2, Opcode::Iadd);
        visit_i8x16_sub = binary_lanes(I8X16, Opcode::Isub);
        visit_i16x8_sub = binary_lanes(I16X8, Opcode::Isub);
        visit_i32x4_sub = binary_lanes(I32X4, Opcode::Isub);
        visit_i64x2_sub = binary_lanes(I64X2, Opcode::Isub);
        visit_i16x8_mul = binary_lanes(I16X8, Opcode::Imul);
        visit_i32x4_mul = binary_lanes(I32X4, Opcode::Imul);
        visit_i64x2_mul = binary_lanes(I64X2, Opcode::Imul);
        visit_i8x16_add_sat_s = binary_lanes(I8X16, Opcode::SaddSat);
        visit_i16x8_add_sat_s = binary_lanes(I16X8, Opcode::SaddSat);
        visit_i8x16_add_sat_u = binary_lanes(I8X16, Opcode::UaddSat);
        visit_i16x8_add_sat_u = binary_lanes(I16X8, Opcode::UaddSat);
        visit_i8x16_sub_sat_s = binary_lanes(I8X16, Opcode::SsubSat);
        visit_i16x8_sub_sat_s = binary_lanes(I16X8, Opcode::SsubSat);
        visit_i8x16_sub_sat_u = binary_lanes(I8X16, Opcode::UsubSat);
        visit_i16x8_sub_sat_u = binary_lanes(I16X8, Opcode::UsubSat);
        visit_i8x16_min_s = binary_lanes(I8X16, Opcode::Smin);
        visit_i16x8_min_s = binary_lanes(I16X8, Opcode::Smin);
        visit_i32x4_min_s = binary_lanes(I32X4, Opcode::Smin);
        visit_i8x16_min_u = binary_lanes(I8X16, Opcode::Umin);
        visit_i16x8_min_u = binary_lanes(I16X8, Opcode::Umin);
        visit_i32x4_min_u = binary_lanes(I32X4, Opcode::Umin);
        visit_i8x16_max_s = binary_lanes(I8X16, Opcode::Smax);
        visit_i16x8_max_s = binary_lanes(I16X8, Opcode::Smax);
        visit_i32x4_max_s = binary_lanes(I32X4, Opcode::Smax);
        visit_i8x16_max_u = binary_lanes(I8X16, Opcode::Umax);
        visit_i16x8_max_u = binary_lanes(I16X8, Opcode::Umax);
        visit_i32x4_max_u = binary_lanes(I32X4, Opcode::Umax);
        visit_i8x16_avgr_u = binary_lanes(I8X16, Opcode::AvgRound);
        visit_i16x8_avgr_u = binary_lanes(I16X8, Opcode::AvgRound);
        visit_i16x8_q15mulr_sat_s = binary_lanes(I16X8, Opcode::SqmulRoundSat);
        visit_i8x16_shl = shift_lanes(I8X16, Opcode::Ishl);
        visit_i16x8_shl = shift_lanes(I16X8, Opcode::Ishl);
        visit_i32x4_shl = shift_lanes(I32X4, Opcode::Ishl);
        visit_i64x2_shl = shift_lanes(I64X2, Opcode::Ishl);
        visit_i8x16_shr_s = shift_lanes(I8X16, Opcode::Sshr);
        visit_i16x8_shr_s = shift_lanes(I16X8, Opcode::Sshr);
        visit_i32x4_shr_s = shift_lanes(I32X4, Opcode::Sshr);
        visit_i64x2_shr_s = shift_lanes(I64X2, Opcode::Sshr);
        visit_i8x16_shr_u = shift_lanes(I8X16, Opcode::Ushr);
        visit_i16x8_shr_u = shift_lanes(I16X8, Opcode::Ushr);
        visit_i32x4_shr_u = shift_lanes(I32X4, Opcode::Ushr);
        visit_i64x2_shr_u = shift_lanes(I64X2, Opcode::Ushr);

        // Integers to other widths.
        visit_i8x16_narrow_i16x8_s = binary_lanes(I16X8, Opcode::Snarrow);
        visit_i16x8_narrow_i32x4_s = binary_lanes(I32X4, Opcode::Snarrow);
        visit_i8x16_narrow_i16x8_u = binary_lanes(I16X8, Opcode::Unarrow);
        visit_i16x8_narrow_i32x4_u = binary_lanes(I32X4, Opcode::Unarrow);
        visit_i16x8_extend_low_i8x16_s = unary_lanes(I8X16, Opcode::SwidenLow);
        visit_i16x8_extend_low_i8x16_u = unary_lanes(I8X16, Opcode::UwidenLow);
        visit_i16x8_extend_high_i8x16_s = unary_lanes(I8X16, Opcode::SwidenHigh);
        visit_i16x8_extend_high_i8x16_u = unary_lanes(I8X16, Opcode::UwidenHigh);
        visit_i32x4_extend_low_i16x8_s = unary_lanes(I16X8, Opcode::SwidenLow);
        visit_i32x4_extend_low_i16x8_u = unary_lanes(I16X8, Opcode::UwidenLow);
        visit_i32x4_extend_high_i16x8_s = unary_lanes(I16X8, Opcode::SwidenHigh);
        visit_i32x4_extend_high_i16x8_u = unary_lanes(I16X8, Opcode::UwidenHigh);
        visit_i64x2_extend_low_i32x4_s = unary_lanes(I32X4, Opcode::SwidenLow);
        visit_i64x2_extend_low_i32x4_u = unary_lanes(I32X4, Opcode::UwidenLow);
        visit_i64x2_extend_high_i32x4_s = unary_lanes(I32X4, Opcode::SwidenHigh);
        visit_i64x2_extend_high_i32x4_u = unary_lanes(I32X4, Opcode::UwidenHigh);
        visit_i16x8_extmul_low_i8x16_s = multiply_wide(I8X16, Opcode::SwidenLow);
        visit_i16x8_extmul_low_i8x16_u = multiply_wide(I8X16, Opcode::UwidenLow);
        visit_i16x8_extmul_high_i8x16_s = multiply_wide(I8X16, Opcode::SwidenHigh);
        visit_i16x8_extmul_high_i8x16_u = multiply_wide(I8X16, Opcode::UwidenHigh);
        visit_i32x4_extmul_low_i16x8_s = multiply_wide(I16X8, Opcode::SwidenLow);
        visit_i32x4_extmul_low_i16x8_u = multiply_wide(I16X8, Opcode::UwidenLow);
        visit_i32x4_extmul_high_i16x8_s = multiply_wide(I16X8, Opcode::SwidenHigh);
        visit_i32x4_extmul_high_i16x8_u = multiply_wide(I16X8, Opcode::UwidenHigh);
        visit_i64x2_extmul_low_i32x4_s = multiply_wide(I32X4, Opcode::SwidenLow);
        visit_i64x2_extmul_low_i32x4_u = multiply_wide(I32X4, Opcode::UwidenLow);
        visit_i64x2_extmul_high_i32x4_s = multiply_wide(I32X4, Opcode::SwidenHigh);
        visit_i64x2_extmul_high_i32x4_u = multiply_wide(I32X4, Opcode::UwidenHigh);
        visit_i16x8_extadd_pairwise_i8x16_s = add_pairs(I8X16, Widen::SIGNED);
        visit_i16x8_extadd_pairwise_i8x16_u = add_pairs(I8X16, Widen::UNSIGNED);
        visit_i32x4_extadd_pairwise_i16x8_s = add_pairs(I16X8, Widen::SIGNED);
        visit_i32x4_extadd_pairwise_i16x8_u = add_pairs(I16X8, Widen::UNSIGNED);
        visit_i32x4_dot_i16x8_s = dot(I16X8);

        // Floats.
        visit_f32x4_ceil = unary_lanes(F32X4, Opcode::Ceil);
        visit_f64x2_ceil = unary_lanes(F64X2, Opcode::Ceil);
        visit_f32x4_floor = unary_lanes(F32X4, Opcode::Floor);
        visit_f64x2_floor = unary_lanes(F64X2, Opcode::Floor);
        visit_f32x4_trunc = unary_lanes(F32X4, Opcode::Trunc);
        visit_f64x2_trunc = unary_lanes(F64X2, Opcode::Trunc);
        visit_f32x4_nearest = unary_lanes(F32X4, Opcode::Nearest);
        visit_f64x2_nearest = unary_lanes(F64X2, Opcode::Nearest);
        visit_f32x4_abs = unary_lanes(F32X4, Opcode::Fabs);
        visit_f64x2_abs = unary_lanes(F64X2, Opcode::Fabs);
        visit_f32x4_neg = unary_lanes(F32X4, Opcode::Fneg);
        visit_f64x2_neg = unary_lanes(F64X2, Opcode::Fneg);
        visit_f32x4_sqrt = unary_lanes(F32X4, Opcode::Sqrt);
        visit_f64x2_sqrt = unary_lanes(F64X2, Opcode::Sqrt);
        visit_f32x4_add = binary_lanes(F32X4, Opcode::Fadd);
        visit_f64x2_add = binary_lanes(F64X2, Opcode::Fadd);
        visit_f32x4_sub = binary_lanes(F32X4, Opcode::Fsub);
        visit_f64x2_sub = binary_lanes(F64X2, Opcode::Fsub);
        visit_f32x4_mul = binary_lanes(F32X4, Opcode::Fmul);
        visit_f64x2_mul = binary_lanes(F64X2, Opcode::Fmul);
        visit_f32x4_div = binary_lanes(F32X4, Opcode::Fdiv);
        visit_f64x2_div = binary_lanes(F64X2, Opcode::Fdiv);
        visit_f32x4_min = binary_lanes(F32X4, Opcode::Fmin);
        visit_f64x2_min = binary_lanes(F64X2, Opcode::Fmin);
        visit_f32x4_max = binary_lanes(F32X4, Opcode::Fmax);
        visit_f64x2_max = binary_lanes(F64X2, Opcode::Fmax);
        visit_f32x4_pmin = pmin(F32X4);
        visit_f64x2_pmin = pmin(F64X2);
        visit_f32x4_pmax = pmax(F32X4);
        visit_f64x2_pmax = pmax(F64X2);

        // Between integers and floats.
        visit_f32x4_convert_i32x4_s = convert_lanes(I32X4, F32X4, Opcode::FcvtFromSint);
        visit_f32x4_convert_i32x4_u = convert_lanes(I32X4, F32X4, Opcode::FcvtFromUint);
        visit_f64x2_convert_low_i32x4_s = convert_low(Opcode::SwidenLow, Opcode::FcvtFromSint);
        visit_f64x2_convert_low_i32x4_u = convert_low(Opcode::UwidenLow, Opcode::FcvtFromUint);
        visit_i32x4_trunc_sat_f32x4_s = convert_lanes(F32X4, I32X4, Opcode::FcvtToSintSat);
        visit_i32x4_trunc_sat_f32x4_u = convert_lanes(F32X4, I32X4, Opcode::FcvtToUintSat);
        visit_i32x4_trunc_sat_f64x2_s_zero = convert_and_narrow(Opcode::FcvtToSintSat, Opcode::Snarrow);
        visit_i32x4_trunc_sat_f64x2_u_zero = convert_and_narrow(Opcode::FcvtToUintSat, Opcode::Uunarrow);
        visit_f32x4_demote_f64x2_zero = unary_lanes(F64X2, Opcode::Fvdemote);
        visit_f64x2_promote_low_f32x4 = unary_lanes(F32X4, Opcode::FvpromoteLow);

        // Relaxed operators: what a target may choose.
        visit_i8x16_relaxed_swizzle = relaxed_swizzle();
        visit_i32x4_relaxed_trunc_f32x4_s = relaxed_trunc();
        visit_i32x4_relaxed_trunc_f32x4_u = convert_lanes(F32X4, I32X4, Opcode::FcvtToUintSat);
        visit_i32x4_relaxed_trunc_f64x2_s_zero = relaxed_trunc_zero();
        visit_i32x4_relaxed_trunc_f64x2_u_zero = convert_and_narrow(Opcode::FcvtToUintSat, Opcode::Uunarrow);
        visit_f32x4_relaxed_madd = relaxed_madd(F32X4);
        visit_f64x2_relaxed_madd = relaxed_madd(F64X2);
        visit_f32x4_relaxed_nmadd = relaxed_nmadd(F32X4);
        visit_f64x2_relaxed_nmadd = relaxed_nmadd(F64X2);
        visit_i8x16_relaxed_laneselect = relaxed_select(I8X16);
        visit_i16x8_relaxed_laneselect = relaxed_select(I16X8);
        visit_i32x4_relaxed_laneselect = relaxed_select(I32X4);
        visit_i64x2_relaxed_laneselect = relaxed_select(I64X2);
        visit_f32x4_relaxed_min = relaxed_min(F32X4);
        visit_f64x2_relaxed_min = relaxed_min(F64X2);
        visit_f32x4_relaxed_max = relaxed_max(F32X4);
        visit_f64x2_relaxed_max = relaxed_max(F64X2);
        visit_i16x8_relaxed_q15mulr_s = relaxed_q15mulr();
        visit_i16x8_relaxed_dot_i8x16_i7x16_s = relaxed_dot();
        visit_i32x4_relaxed_dot_i8x16_i7x16_add_s = relaxed_dot_add();
    }
}

//! The instruction set: one row per operator. To read this file is to read what this tier translates.
//!
//! ```text
//! code  name(immediates) = shape(arguments), calls;
//! ```
//!
//! A shape is a method of [`Translator`]: it is given the arguments of the row, then the immediates. A row that ends in
//! `calls` may call out, so that no register but the preserved ones is the same behind it. One that ends in `rarely` calls from
//! behind the body, which puts all registers back, but references in them, which may have moved. The operators of vectors
//! have their rows in [`vectors`](super::machine::vectors), since nearly each of them is an instruction of the machine.

use super::Calls;
use super::Ty::{F32, F64, I32, I64};
use super::heap::Extend;
use super::machine::{Alu, Cond, FloatCompare, FloatOp, Rounding, Shift, vectors};
use super::memory::{Load, Store};
use super::reader::Reader;
use super::translator::Translator;
use epsilon_abi::Libcall;

/// Rows to a function that translates an operator, one that reads over it and tells whether it calls, and a list.
macro_rules! operators {
    ($translate:ident, $skip:ident, $rows:ident;
     $($code:literal $name:ident $(($($arg:ident: $kind:ident),*))? = $shape:ident $(($($with:expr),*))? $(, $calls:ident)?;)*) => {
        impl Translator<'_> {
            #[allow(clippy::redundant_pub_crate)]
            pub(in crate::quick) fn $translate(&mut self, code: u32) {
                match code {
                    $($code => {
                        $($(let $arg = self.reader.$kind();)*)?
                        self.$shape($($($with,)*)? $($($arg),*)?);
                    })*
                    _ => unreachable!("operator {code:#x} of {} has no row", stringify!($translate)),
                }
            }
        }

        /// Reads over the immediates of an operator, and tells whether it calls.
        pub(in crate::quick) fn $skip(code: u32, reader: &mut Reader<'_>) -> $crate::quick::Calls {
            match code {
                $($code => {
                    $($(reader.$kind();)*)?
                    const { $crate::quick::Calls::of(stringify!($($calls)?)) }
                })*
                _ => unreachable!("operator {code:#x} of {} has no row", stringify!($skip)),
            }
        }

        /// All rows, by name.
        #[cfg(test)]
        pub(in crate::quick) const $rows: &[&str] = &[$(stringify!($name)),*];
    };
}

pub(in crate::quick) use operators;

/// The prefixes of operators with a second code.
const PREFIX_HEAP: u8 = 0xfb;
const PREFIX_MISC: u8 = 0xfc;
const PREFIX_VECTOR: u8 = 0xfd;
const PREFIX_ATOMIC: u8 = 0xfe;

impl Translator<'_> {
    /// Translates an operator whose first byte has been read.
    #[inline]
    pub fn operator(&mut self, code: u8) {
        match code {
            PREFIX_HEAP => {
                let code = self.reader.u32();
                self.heap_operator(code);
            }
            PREFIX_MISC => {
                let code = self.reader.u32();
                self.misc_operator(code);
            }
            PREFIX_VECTOR => {
                let code = self.reader.u32();
                self.vector_operator(code);
            }
            PREFIX_ATOMIC => {
                let code = self.reader.u32();
                self.atomic_operator(code);
            }
            _ => self.plain_operator(u32::from(code)),
        }
    }
}

/// Reads over an operator whose first byte has been read, and tells whether it calls.
#[inline]
pub(in crate::quick) fn skip(code: u8, reader: &mut Reader<'_>) -> Calls {
    match code {
        PREFIX_HEAP => skip_heap(reader.u32(), reader),
        PREFIX_MISC => skip_misc(reader.u32(), reader),
        PREFIX_VECTOR => vectors::skip_vector(reader.u32(), reader),
        PREFIX_ATOMIC => skip_atomic(reader.u32(), reader),
        _ => skip_plain(u32::from(code), reader),
    }
}

/// Whether an operator looks itself after an operand that is a condition of the flags; before all others it is moved
/// to a register.
#[inline]
pub(in crate::quick) const fn keeps_flags(code: u8) -> bool {
    // if, br_if, select, local.get, constants, i32.eqz
    matches!(code, 0x04 | 0x0d | 0x1b | 0x1c | 0x20 | 0x41..=0x44 | 0x45)
}

operators! {
    plain_operator, skip_plain, PLAIN;

    // Control.
    0x00 unreachable = unreachable;
    0x01 nop = nop;
    0x02 block(ty: block) = block;
    0x03 loop(ty: block) = loop_;
    0x04 if(ty: block) = if_;
    0x05 else = else_;
    0x06 try(ty: block) = try_;
    0x07 catch(tag: u32) = catch;
    0x08 throw(tag: u32) = throw, calls;
    0x09 rethrow(depth: u32) = rethrow, calls;
    0x0a throw_ref = throw_ref, calls;
    0x0b end = end;
    0x0c br(depth: u32) = br;
    0x0d br_if(depth: u32) = br_if;
    0x0e br_table(targets: targets) = br_table;
    0x0f return = return_;
    0x10 call(func: u32) = call, calls;
    0x11 call_indirect(ty: u32, table: u32) = call_indirect, calls;
    0x12 return_call(func: u32) = return_call;
    0x13 return_call_indirect(ty: u32, table: u32) = return_call_indirect, calls;
    0x14 call_ref(ty: u32) = call_ref, calls;
    0x15 return_call_ref(ty: u32) = return_call_ref;
    0x18 delegate(depth: u32) = delegate;
    0x19 catch_all = catch_all;
    0x1f try_table(ty: block, catches: catches) = try_table;
    0xd5 br_on_null(depth: u32) = br_on_null;
    0xd6 br_on_non_null(depth: u32) = br_on_non_null;

    // Operands and variables.
    0x1a drop = drop_operand;
    0x1b select = select;
    0x1c typed_select(ty: types) = select_typed;
    0x20 local_get(local: u32) = local_get;
    0x21 local_set(local: u32) = local_set;
    0x22 local_tee(local: u32) = local_tee;
    0x23 global_get(global: u32) = global_get;
    0x24 global_set(global: u32) = global_set;

    // References and tables.
    0x25 table_get(table: u32) = table_get, calls;
    0x26 table_set(table: u32) = table_set, calls;
    0xd0 ref_null(heap: heap) = ref_null;
    0xd1 ref_is_null = ref_is_null;
    0xd2 ref_func(func: u32) = ref_func, calls;
    0xd3 ref_eq = compare(I32, Cond::Equal);
    0xd4 ref_as_non_null = ref_as_non_null;

    // Memory.
    0x28 i32_load(at: memarg) = load(I32, Load::Whole32);
    0x29 i64_load(at: memarg) = load(I64, Load::Whole64);
    0x2a f32_load(at: memarg) = load(F32, Load::Single);
    0x2b f64_load(at: memarg) = load(F64, Load::Double);
    0x2c i32_load8_s(at: memarg) = load(I32, Load::Signed8);
    0x2d i32_load8_u(at: memarg) = load(I32, Load::Unsigned8);
    0x2e i32_load16_s(at: memarg) = load(I32, Load::Signed16);
    0x2f i32_load16_u(at: memarg) = load(I32, Load::Unsigned16);
    0x30 i64_load8_s(at: memarg) = load(I64, Load::Signed8);
    0x31 i64_load8_u(at: memarg) = load(I64, Load::Unsigned8);
    0x32 i64_load16_s(at: memarg) = load(I64, Load::Signed16);
    0x33 i64_load16_u(at: memarg) = load(I64, Load::Unsigned16);
    0x34 i64_load32_s(at: memarg) = load(I64, Load::Signed32);
    0x35 i64_load32_u(at: memarg) = load(I64, Load::Whole32);
    0x36 i32_store(at: memarg) = store(Store::Bits32);
    0x37 i64_store(at: memarg) = store(Store::Bits64);
    0x38 f32_store(at: memarg) = store(Store::Single);
    0x39 f64_store(at: memarg) = store(Store::Double);
    0x3a i32_store8(at: memarg) = store(Store::Bits8);
    0x3b i32_store16(at: memarg) = store(Store::Bits16);
    0x3c i64_store8(at: memarg) = store(Store::Bits8);
    0x3d i64_store16(at: memarg) = store(Store::Bits16);
    0x3e i64_store32(at: memarg) = store(Store::Bits32);
    0x3f memory_size(memory: u32) = memory_size;
    0x40 memory_grow(memory: u32) = memory_grow, calls;

    // Constants.
    0x41 i32_const(value: i32) = i32_const;
    0x42 i64_const(value: i64) = i64_const;
    0x43 f32_const(bits: f32) = f32_const;
    0x44 f64_const(bits: f64) = f64_const;

    // Comparisons.
    0x45 i32_eqz = is_zero;
    0x46 i32_eq = compare(I32, Cond::Equal);
    0x47 i32_ne = compare(I32, Cond::NotEqual);
    0x48 i32_lt_s = compare(I32, Cond::Less);
    0x49 i32_lt_u = compare(I32, Cond::Below);
    0x4a i32_gt_s = compare(I32, Cond::Greater);
    0x4b i32_gt_u = compare(I32, Cond::Above);
    0x4c i32_le_s = compare(I32, Cond::LessOrEqual);
    0x4d i32_le_u = compare(I32, Cond::BelowOrEqual);
    0x4e i32_ge_s = compare(I32, Cond::GreaterOrEqual);
    0x4f i32_ge_u = compare(I32, Cond::AboveOrEqual);
    0x50 i64_eqz = is_zero;
    0x51 i64_eq = compare(I64, Cond::Equal);
    0x52 i64_ne = compare(I64, Cond::NotEqual);
    0x53 i64_lt_s = compare(I64, Cond::Less);
    0x54 i64_lt_u = compare(I64, Cond::Below);
    0x55 i64_gt_s = compare(I64, Cond::Greater);
    0x56 i64_gt_u = compare(I64, Cond::Above);
    0x57 i64_le_s = compare(I64, Cond::LessOrEqual);
    0x58 i64_le_u = compare(I64, Cond::BelowOrEqual);
    0x59 i64_ge_s = compare(I64, Cond::GreaterOrEqual);
    0x5a i64_ge_u = compare(I64, Cond::AboveOrEqual);
    0x5b f32_eq = compare_floats(F32, FloatCompare::Equal);
    0x5c f32_ne = compare_floats(F32, FloatCompare::NotEqual);
    0x5d f32_lt = compare_floats(F32, FloatCompare::Less);
    0x5e f32_gt = compare_floats(F32, FloatCompare::Greater);
    0x5f f32_le = compare_floats(F32, FloatCompare::LessOrEqual);
    0x60 f32_ge = compare_floats(F32, FloatCompare::GreaterOrEqual);
    0x61 f64_eq = compare_floats(F64, FloatCompare::Equal);
    0x62 f64_ne = compare_floats(F64, FloatCompare::NotEqual);
    0x63 f64_lt = compare_floats(F64, FloatCompare::Less);
    0x64 f64_gt = compare_floats(F64, FloatCompare::Greater);
    0x65 f64_le = compare_floats(F64, FloatCompare::LessOrEqual);
    0x66 f64_ge = compare_floats(F64, FloatCompare::GreaterOrEqual);

    // Integers.
    0x67 i32_clz = count_leading_zeros(I32);
    0x68 i32_ctz = count_trailing_zeros(I32);
    0x69 i32_popcnt = count_ones(I32);
    0x6a i32_add = alu(I32, Alu::Add);
    0x6b i32_sub = alu(I32, Alu::Sub);
    0x6c i32_mul = multiply(I32);
    0x6d i32_div_s = divide_signed(I32);
    0x6e i32_div_u = divide_unsigned(I32);
    0x6f i32_rem_s = remainder_signed(I32);
    0x70 i32_rem_u = remainder_unsigned(I32);
    0x71 i32_and = alu(I32, Alu::And);
    0x72 i32_or = alu(I32, Alu::Or);
    0x73 i32_xor = alu(I32, Alu::Xor);
    0x74 i32_shl = shift(I32, Shift::Left);
    0x75 i32_shr_s = shift(I32, Shift::RightSigned);
    0x76 i32_shr_u = shift(I32, Shift::RightUnsigned);
    0x77 i32_rotl = shift(I32, Shift::RotateLeft);
    0x78 i32_rotr = shift(I32, Shift::RotateRight);
    0x79 i64_clz = count_leading_zeros(I64);
    0x7a i64_ctz = count_trailing_zeros(I64);
    0x7b i64_popcnt = count_ones(I64);
    0x7c i64_add = alu(I64, Alu::Add);
    0x7d i64_sub = alu(I64, Alu::Sub);
    0x7e i64_mul = multiply(I64);
    0x7f i64_div_s = divide_signed(I64);
    0x80 i64_div_u = divide_unsigned(I64);
    0x81 i64_rem_s = remainder_signed(I64);
    0x82 i64_rem_u = remainder_unsigned(I64);
    0x83 i64_and = alu(I64, Alu::And);
    0x84 i64_or = alu(I64, Alu::Or);
    0x85 i64_xor = alu(I64, Alu::Xor);
    0x86 i64_shl = shift(I64, Shift::Left);
    0x87 i64_shr_s = shift(I64, Shift::RightSigned);
    0x88 i64_shr_u = shift(I64, Shift::RightUnsigned);
    0x89 i64_rotl = shift(I64, Shift::RotateLeft);
    0x8a i64_rotr = shift(I64, Shift::RotateRight);

    // Floats.
    0x8b f32_abs = float_abs(F32);
    0x8c f32_neg = float_neg(F32);
    0x8d f32_ceil = round(F32, Rounding::Up);
    0x8e f32_floor = round(F32, Rounding::Down);
    0x8f f32_trunc = round(F32, Rounding::ToZero);
    0x90 f32_nearest = round(F32, Rounding::Nearest);
    0x91 f32_sqrt = float_sqrt(F32);
    0x92 f32_add = float_binary(F32, FloatOp::Add);
    0x93 f32_sub = float_binary(F32, FloatOp::Sub);
    0x94 f32_mul = float_binary(F32, FloatOp::Mul);
    0x95 f32_div = float_binary(F32, FloatOp::Div);
    0x96 f32_min = float_min(F32);
    0x97 f32_max = float_max(F32);
    0x98 f32_copysign = copysign(F32);
    0x99 f64_abs = float_abs(F64);
    0x9a f64_neg = float_neg(F64);
    0x9b f64_ceil = round(F64, Rounding::Up);
    0x9c f64_floor = round(F64, Rounding::Down);
    0x9d f64_trunc = round(F64, Rounding::ToZero);
    0x9e f64_nearest = round(F64, Rounding::Nearest);
    0x9f f64_sqrt = float_sqrt(F64);
    0xa0 f64_add = float_binary(F64, FloatOp::Add);
    0xa1 f64_sub = float_binary(F64, FloatOp::Sub);
    0xa2 f64_mul = float_binary(F64, FloatOp::Mul);
    0xa3 f64_div = float_binary(F64, FloatOp::Div);
    0xa4 f64_min = float_min(F64);
    0xa5 f64_max = float_max(F64);
    0xa6 f64_copysign = copysign(F64);

    // Conversions.
    0xa7 i32_wrap_i64 = wrap;
    0xa8 i32_trunc_f32_s = truncate_to_i32(F32, true);
    0xa9 i32_trunc_f32_u = truncate_to_i32(F32, false);
    0xaa i32_trunc_f64_s = truncate_to_i32(F64, true);
    0xab i32_trunc_f64_u = truncate_to_i32(F64, false);
    0xac i64_extend_i32_s = extend(I64, 32);
    0xad i64_extend_i32_u = extend_unsigned;
    0xae i64_trunc_f32_s = truncate_to_i64_signed(F32);
    0xaf i64_trunc_f32_u = truncate_to_i64_unsigned(F32);
    0xb0 i64_trunc_f64_s = truncate_to_i64_signed(F64);
    0xb1 i64_trunc_f64_u = truncate_to_i64_unsigned(F64);
    0xb2 f32_convert_i32_s = convert(F32, I32, true);
    0xb3 f32_convert_i32_u = convert(F32, I32, false);
    0xb4 f32_convert_i64_s = convert(F32, I64, true);
    0xb5 f32_convert_i64_u = convert_u64(F32);
    0xb6 f32_demote_f64 = demote;
    0xb7 f64_convert_i32_s = convert(F64, I32, true);
    0xb8 f64_convert_i32_u = convert(F64, I32, false);
    0xb9 f64_convert_i64_s = convert(F64, I64, true);
    0xba f64_convert_i64_u = convert_u64(F64);
    0xbb f64_promote_f32 = promote;
    0xbc i32_reinterpret_f32 = reinterpret(I32);
    0xbd i64_reinterpret_f64 = reinterpret(I64);
    0xbe f32_reinterpret_i32 = reinterpret(F32);
    0xbf f64_reinterpret_i64 = reinterpret(F64);
    0xc0 i32_extend8_s = extend(I32, 8);
    0xc1 i32_extend16_s = extend(I32, 16);
    0xc2 i64_extend8_s = extend(I64, 8);
    0xc3 i64_extend16_s = extend(I64, 16);
    0xc4 i64_extend32_s = extend(I64, 32);
}

operators! {
    heap_operator, skip_heap, HEAP;

    // Structures.
    0 struct_new(ty: u32) = struct_new, rarely;
    1 struct_new_default(ty: u32) = struct_new_default, rarely;
    2 struct_get(ty: u32, field: u32) = struct_get(Extend::No), rarely;
    3 struct_get_s(ty: u32, field: u32) = struct_get(Extend::Signed);
    4 struct_get_u(ty: u32, field: u32) = struct_get(Extend::Unsigned);
    5 struct_set(ty: u32, field: u32) = struct_set;

    // Arrays.
    6 array_new(ty: u32) = array_new, rarely;
    7 array_new_default(ty: u32) = array_new_default, rarely;
    8 array_new_fixed(ty: u32, count: u32) = array_new_fixed, rarely;
    9 array_new_data(ty: u32, segment: u32) = array_new_from(Libcall::GcArrayNewData), calls;
    10 array_new_elem(ty: u32, segment: u32) = array_new_from(Libcall::GcArrayNewElem), calls;
    11 array_get(ty: u32) = array_get(Extend::No), rarely;
    12 array_get_s(ty: u32) = array_get(Extend::Signed);
    13 array_get_u(ty: u32) = array_get(Extend::Unsigned);
    14 array_set(ty: u32) = array_set;
    15 array_len = array_len, rarely;
    16 array_fill(ty: u32) = array_fill, calls;
    17 array_copy(dst: u32, src: u32) = array_copy, calls;
    18 array_init_data(ty: u32, segment: u32) = array_init_from(Libcall::GcArrayInitData), calls;
    19 array_init_elem(ty: u32, segment: u32) = array_init_from(Libcall::GcArrayInitElem), calls;

    // Casts.
    20 ref_test_non_null(to: heap) = ref_test(false), rarely;
    21 ref_test_nullable(to: heap) = ref_test(true), rarely;
    22 ref_cast_non_null(to: heap) = ref_cast(false), rarely;
    23 ref_cast_nullable(to: heap) = ref_cast(true), rarely;
    24 br_on_cast(cast: cast) = br_on_cast(true), rarely;
    25 br_on_cast_fail(cast: cast) = br_on_cast(false), rarely;
    26 any_convert_extern = nop;
    27 extern_convert_any = nop;

    // Small integers.
    28 ref_i31 = ref_i31;
    29 i31_get_s = i31_get(Shift::RightSigned);
    30 i31_get_u = i31_get(Shift::RightUnsigned);
}

operators! {
    misc_operator, skip_misc, MISC;

    // Conversions that saturate.
    0 i32_trunc_sat_f32_s = truncate_saturating(F32, I32, true);
    1 i32_trunc_sat_f32_u = truncate_saturating(F32, I32, false);
    2 i32_trunc_sat_f64_s = truncate_saturating(F64, I32, true);
    3 i32_trunc_sat_f64_u = truncate_saturating(F64, I32, false);
    4 i64_trunc_sat_f32_s = truncate_saturating(F32, I64, true);
    5 i64_trunc_sat_f32_u = truncate_saturating(F32, I64, false);
    6 i64_trunc_sat_f64_s = truncate_saturating(F64, I64, true);
    7 i64_trunc_sat_f64_u = truncate_saturating(F64, I64, false);

    // Bulk operations.
    8 memory_init(segment: u32, memory: u32) = memory_init, calls;
    9 data_drop(segment: u32) = data_drop, calls;
    10 memory_copy(dst: u32, src: u32) = memory_copy, calls;
    11 memory_fill(memory: u32) = memory_fill, calls;
    12 table_init(segment: u32, table: u32) = table_init, calls;
    13 elem_drop(segment: u32) = elem_drop, calls;
    14 table_copy(dst: u32, src: u32) = table_copy, calls;
    15 table_grow(table: u32) = table_grow, calls;
    16 table_size(table: u32) = table_size;
    17 table_fill(table: u32) = table_fill, calls;

    // Wide arithmetic: 128 bits as two operands, the low half first.
    19 i64_add128 = wide(Alu::Add);
    20 i64_sub128 = wide(Alu::Sub);
    21 i64_mul_wide_s = multiply_into_wide(true);
    22 i64_mul_wide_u = multiply_into_wide(false);
}

operators! {
    atomic_operator, skip_atomic, ATOMIC;

    0x00 memory_atomic_notify(at: memarg) = atomic_notify, calls;
    0x01 memory_atomic_wait32(at: memarg) = atomic_wait(Libcall::AtomicWait32, 4), calls;
    0x02 memory_atomic_wait64(at: memarg) = atomic_wait(Libcall::AtomicWait64, 8), calls;
    0x03 atomic_fence(ordering: byte) = atomic_fence;
    0x10 i32_atomic_load(at: memarg) = atomic_load(I32, Load::Whole32);
    0x11 i64_atomic_load(at: memarg) = atomic_load(I64, Load::Whole64);
    0x12 i32_atomic_load8_u(at: memarg) = atomic_load(I32, Load::Unsigned8);
    0x13 i32_atomic_load16_u(at: memarg) = atomic_load(I32, Load::Unsigned16);
    0x14 i64_atomic_load8_u(at: memarg) = atomic_load(I64, Load::Unsigned8);
    0x15 i64_atomic_load16_u(at: memarg) = atomic_load(I64, Load::Unsigned16);
    0x16 i64_atomic_load32_u(at: memarg) = atomic_load(I64, Load::Whole32);
    0x17 i32_atomic_store(at: memarg) = atomic_store(I32, Store::Bits32);
    0x18 i64_atomic_store(at: memarg) = atomic_store(I64, Store::Bits64);
    0x19 i32_atomic_store8(at: memarg) = atomic_store(I32, Store::Bits8);
    0x1a i32_atomic_store16(at: memarg) = atomic_store(I32, Store::Bits16);
    0x1b i64_atomic_store8(at: memarg) = atomic_store(I64, Store::Bits8);
    0x1c i64_atomic_store16(at: memarg) = atomic_store(I64, Store::Bits16);
    0x1d i64_atomic_store32(at: memarg) = atomic_store(I64, Store::Bits32);
    0x1e i32_atomic_rmw_add(at: memarg) = atomic_add(I32, Store::Bits32);
    0x1f i64_atomic_rmw_add(at: memarg) = atomic_add(I64, Store::Bits64);
    0x20 i32_atomic_rmw8_add_u(at: memarg) = atomic_add(I32, Store::Bits8);
    0x21 i32_atomic_rmw16_add_u(at: memarg) = atomic_add(I32, Store::Bits16);
    0x22 i64_atomic_rmw8_add_u(at: memarg) = atomic_add(I64, Store::Bits8);
    0x23 i64_atomic_rmw16_add_u(at: memarg) = atomic_add(I64, Store::Bits16);
    0x24 i64_atomic_rmw32_add_u(at: memarg) = atomic_add(I64, Store::Bits32);
    0x25 i32_atomic_rmw_sub(at: memarg) = atomic_sub(I32, Store::Bits32);
    0x26 i64_atomic_rmw_sub(at: memarg) = atomic_sub(I64, Store::Bits64);
    0x27 i32_atomic_rmw8_sub_u(at: memarg) = atomic_sub(I32, Store::Bits8);
    0x28 i32_atomic_rmw16_sub_u(at: memarg) = atomic_sub(I32, Store::Bits16);
    0x29 i64_atomic_rmw8_sub_u(at: memarg) = atomic_sub(I64, Store::Bits8);
    0x2a i64_atomic_rmw16_sub_u(at: memarg) = atomic_sub(I64, Store::Bits16);
    0x2b i64_atomic_rmw32_sub_u(at: memarg) = atomic_sub(I64, Store::Bits32);
    0x2c i32_atomic_rmw_and(at: memarg) = atomic_loop(I32, Store::Bits32, Alu::And);
    0x2d i64_atomic_rmw_and(at: memarg) = atomic_loop(I64, Store::Bits64, Alu::And);
    0x2e i32_atomic_rmw8_and_u(at: memarg) = atomic_loop(I32, Store::Bits8, Alu::And);
    0x2f i32_atomic_rmw16_and_u(at: memarg) = atomic_loop(I32, Store::Bits16, Alu::And);
    0x30 i64_atomic_rmw8_and_u(at: memarg) = atomic_loop(I64, Store::Bits8, Alu::And);
    0x31 i64_atomic_rmw16_and_u(at: memarg) = atomic_loop(I64, Store::Bits16, Alu::And);
    0x32 i64_atomic_rmw32_and_u(at: memarg) = atomic_loop(I64, Store::Bits32, Alu::And);
    0x33 i32_atomic_rmw_or(at: memarg) = atomic_loop(I32, Store::Bits32, Alu::Or);
    0x34 i64_atomic_rmw_or(at: memarg) = atomic_loop(I64, Store::Bits64, Alu::Or);
    0x35 i32_atomic_rmw8_or_u(at: memarg) = atomic_loop(I32, Store::Bits8, Alu::Or);
    0x36 i32_atomic_rmw16_or_u(at: memarg) = atomic_loop(I32, Store::Bits16, Alu::Or);
    0x37 i64_atomic_rmw8_or_u(at: memarg) = atomic_loop(I64, Store::Bits8, Alu::Or);
    0x38 i64_atomic_rmw16_or_u(at: memarg) = atomic_loop(I64, Store::Bits16, Alu::Or);
    0x39 i64_atomic_rmw32_or_u(at: memarg) = atomic_loop(I64, Store::Bits32, Alu::Or);
    0x3a i32_atomic_rmw_xor(at: memarg) = atomic_loop(I32, Store::Bits32, Alu::Xor);
    0x3b i64_atomic_rmw_xor(at: memarg) = atomic_loop(I64, Store::Bits64, Alu::Xor);
    0x3c i32_atomic_rmw8_xor_u(at: memarg) = atomic_loop(I32, Store::Bits8, Alu::Xor);
    0x3d i32_atomic_rmw16_xor_u(at: memarg) = atomic_loop(I32, Store::Bits16, Alu::Xor);
    0x3e i64_atomic_rmw8_xor_u(at: memarg) = atomic_loop(I64, Store::Bits8, Alu::Xor);
    0x3f i64_atomic_rmw16_xor_u(at: memarg) = atomic_loop(I64, Store::Bits16, Alu::Xor);
    0x40 i64_atomic_rmw32_xor_u(at: memarg) = atomic_loop(I64, Store::Bits32, Alu::Xor);
    0x41 i32_atomic_rmw_xchg(at: memarg) = atomic_exchange(I32, Store::Bits32);
    0x42 i64_atomic_rmw_xchg(at: memarg) = atomic_exchange(I64, Store::Bits64);
    0x43 i32_atomic_rmw8_xchg_u(at: memarg) = atomic_exchange(I32, Store::Bits8);
    0x44 i32_atomic_rmw16_xchg_u(at: memarg) = atomic_exchange(I32, Store::Bits16);
    0x45 i64_atomic_rmw8_xchg_u(at: memarg) = atomic_exchange(I64, Store::Bits8);
    0x46 i64_atomic_rmw16_xchg_u(at: memarg) = atomic_exchange(I64, Store::Bits16);
    0x47 i64_atomic_rmw32_xchg_u(at: memarg) = atomic_exchange(I64, Store::Bits32);
    0x48 i32_atomic_rmw_cmpxchg(at: memarg) = atomic_compare_exchange(I32, Store::Bits32);
    0x49 i64_atomic_rmw_cmpxchg(at: memarg) = atomic_compare_exchange(I64, Store::Bits64);
    0x4a i32_atomic_rmw8_cmpxchg_u(at: memarg) = atomic_compare_exchange(I32, Store::Bits8);
    0x4b i32_atomic_rmw16_cmpxchg_u(at: memarg) = atomic_compare_exchange(I32, Store::Bits16);
    0x4c i64_atomic_rmw8_cmpxchg_u(at: memarg) = atomic_compare_exchange(I64, Store::Bits8);
    0x4d i64_atomic_rmw16_cmpxchg_u(at: memarg) = atomic_compare_exchange(I64, Store::Bits16);
    0x4e i64_atomic_rmw32_cmpxchg_u(at: memarg) = atomic_compare_exchange(I64, Store::Bits32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The proposals whose operators are refused when a module is validated.
    const REFUSED: [&str; 6] = [
        "custom_descriptors",
        "memory_control",
        "shared_everything_threads",
        "stack_switching",
        "acquire_release_atomics",
        "multibyte_array_access",
    ];

    macro_rules! names {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            [$((stringify!($proposal), stringify!($visit))),*]
        };
    }

    #[test]
    fn every_operator_has_a_row() {
        let scalar = wasmparser::for_each_visit_operator!(names);
        let vector = wasmparser::for_each_visit_simd_operator!(names);
        // A `select` of several types has the code of one with a type.
        let all: BTreeSet<&str> = scalar
            .into_iter()
            .chain(vector)
            .filter(|(proposal, _)| !REFUSED.contains(proposal))
            .map(|(_, visit)| visit.trim_start_matches("visit_"))
            .filter(|name| *name != "typed_select_multi")
            .collect();
        let lists = [PLAIN, HEAP, MISC, ATOMIC, vectors::VECTOR].concat();
        let rows: BTreeSet<&str> = lists.iter().copied().collect();
        assert_eq!(lists.len(), rows.len(), "a name stands twice");
        assert_eq!(rows.difference(&all).collect::<Vec<_>>(), Vec::<&&str>::new(), "rows without an operator");
        assert_eq!(all.difference(&rows).collect::<Vec<_>>(), Vec::<&&str>::new(), "operators without a row");
    }
}

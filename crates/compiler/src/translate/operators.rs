//! The instruction set: one row per operator. To read this file is to read what the compiler translates.
//!
//! A row names an operator and either a shape with the CLIF that fills it, or a method of [`FuncTranslator`].
//! [`VisitOperator`] has no default methods: an operator without a row does not compile, unless its proposal is listed
//! as refused below.

use super::atomic::Width;
use super::{FuncTranslator, Translated};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, F64, I8, I16, I32, I64, I128};
use cranelift_codegen::ir::{self, AtomicRmwOp, InstBuilder};
use wasmparser::{
    BlockType, BrTable, HeapType, Ieee32, Ieee64, MemArg, Ordering, RefType, TryTable, ValType, VisitOperator,
    VisitSimdOperator,
};

/// Rows to methods.
macro_rules! rows {
    ($($visit:ident $(($($arg:ident: $ty:ty),*))? = $shape:ident $(($($with:tt)*))?;)*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $ty)*)?) -> Translated {
            shape!(self $shape ($($($with)*)?) ($($($arg),*)?))
        }
    )*};
}

/// What a row does: a shape filled with CLIF, or the method that it names.
macro_rules! shape {
    ($t:ident nothing () ()) => {{
        let _ = $t;
        Ok(())
    }};
    ($t:ident constant ($inst:ident $(: $ty:ident)?) ($value:ident)) => {{
        let value = $t.ins().$inst($($ty,)? immediate::$inst($value));
        Ok($t.push(value))
    }};
    ($t:ident unary ($inst:ident $(: $ty:ident)?) ()) => {
        Ok($t.unary(|ins, x| ins.$inst($($ty,)? x)))
    };
    ($t:ident binary ($inst:ident) ()) => {
        Ok($t.binary(|ins, x, y| ins.$inst(x, y)))
    };
    ($t:ident wide ($inst:ident) ()) => {
        Ok($t.wide(|ins, x, y| ins.$inst(x, y)))
    };
    ($t:ident multiply_into_wide ($extend:ident) ()) => {
        Ok($t.multiply_into_wide(|ins, x| ins.$extend(I128, x)))
    };
    ($t:ident atomic_rmw ($access:ident, $operand:ident, $op:ident) ($memarg:ident)) => {
        Ok($t.atomic_rmw(&$memarg, Width { access: $access, operand: $operand }, AtomicRmwOp::$op))
    };
    ($t:ident $atomic:ident ($access:ident, $operand:ident) ($memarg:ident)) => {
        Ok($t.$atomic(&$memarg, Width { access: $access, operand: $operand }))
    };
    ($t:ident is_zero () ()) => {
        Ok($t.is_zero())
    };
    ($t:ident compare ($condition:ident) ()) => {
        Ok($t.compare(IntCC::$condition))
    };
    ($t:ident compare_floats ($condition:ident) ()) => {
        Ok($t.compare_floats(FloatCC::$condition))
    };
    ($t:ident reinterpret ($ty:ident) ()) => {
        Ok($t.reinterpret($ty))
    };
    ($t:ident sign_extend_from ($ty:ident) ()) => {
        Ok($t.sign_extend_from($ty))
    };
    ($t:ident load ($ty:ident) ($memarg:ident)) => {
        Ok($t.load(&$memarg, $ty))
    };
    ($t:ident load_extending ($inst:ident: $ty:ident, $bytes:literal) ($memarg:ident)) => {
        Ok($t.load_extending(&$memarg, $bytes, |t, flags, at, offset| t.ins().$inst($ty, flags, at, offset)))
    };
    ($t:ident load_extending ($inst:ident, $bytes:literal) ($memarg:ident)) => {
        Ok($t.load_extending(&$memarg, $bytes, |t, flags, at, offset| t.ins().$inst(flags, at, offset)))
    };
    ($t:ident store () ($memarg:ident)) => {
        Ok($t.store(&$memarg))
    };
    ($t:ident store_low ($ty:ident) ($memarg:ident)) => {
        Ok($t.store_low(&$memarg, $ty))
    };
    ($t:ident $method:ident () ($($arg:ident),*)) => {
        $t.$method($($arg),*)
    };
}

/// Refuses the operators of the proposals listed here, and leaves those of all others to the rows.
macro_rules! refuse {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(refuse!(@$proposal $visit ($($($arg: $argty),*)?));)*
    };
    (@mvp $($row:tt)*) => {};
    (@sign_extension $($row:tt)*) => {};
    (@saturating_float_to_int $($row:tt)*) => {};
    (@bulk_memory $($row:tt)*) => {};
    (@reference_types $($row:tt)*) => {};
    (@tail_call $($row:tt)*) => {};
    (@function_references $($row:tt)*) => {};
    (@exceptions $($row:tt)*) => {};
    (@legacy_exceptions $($row:tt)*) => {};
    (@threads $($row:tt)*) => {};
    (@wide_arithmetic $($row:tt)*) => {};
    (@gc $($row:tt)*) => {};
    (@custom_descriptors $($row:tt)*) => { refuse!(refused "custom-descriptors" $($row)*); };
    (@memory_control $($row:tt)*) => { refuse!(refused "memory-control" $($row)*); };
    (@shared_everything_threads $($row:tt)*) => { refuse!(refused "shared-everything-threads" $($row)*); };
    (@stack_switching $($row:tt)*) => { refuse!(refused "stack-switching" $($row)*); };
    (@acquire_release_atomics $($row:tt)*) => { refuse!(refused "acquire-release-atomics" $($row)*); };
    (refused $proposal:literal $visit:ident ($($arg:ident: $argty:ty),*)) => {
        #[cold]
        fn $visit(&mut self $(, $arg: $argty)*) -> Translated {
            let _ = ($($arg,)*);
            Err(self.unsupported($proposal, stringify!($visit)))
        }
    };
}

#[allow(clippy::unit_arg)] // shapes give `()`, rows give a result
impl<'a> VisitOperator<'a> for FuncTranslator<'_> {
    type Output = Translated;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Translated>> {
        Some(self)
    }

    // Control.
    rows! {
        visit_nop = nothing;
        visit_unreachable = unreachable;
        visit_block(ty: BlockType) = block;
        visit_loop(ty: BlockType) = loop_;
        visit_if(ty: BlockType) = if_;
        visit_else = else_;
        visit_end = end;
        visit_br(depth: u32) = br;
        visit_br_if(depth: u32) = br_if;
        visit_br_table(table: BrTable<'a>) = br_table;
        visit_return = return_;
        visit_call(func: u32) = call;
        visit_call_indirect(ty: u32, table: u32) = call_indirect;
        visit_call_ref(ty: u32) = call_ref;
        visit_return_call(func: u32) = return_call;
        visit_return_call_indirect(ty: u32, table: u32) = return_call_indirect;
        visit_return_call_ref(ty: u32) = return_call_ref;
        visit_try_table(table: TryTable) = try_table;
        visit_throw(tag: u32) = throw;
        visit_throw_ref = throw_ref;
        visit_try(ty: BlockType) = try_;
        visit_catch(tag: u32) = catch;
        visit_catch_all = catch_all;
        visit_delegate(depth: u32) = delegate;
        visit_rethrow(depth: u32) = rethrow;
        visit_br_on_null(depth: u32) = br_on_null;
        visit_br_on_non_null(depth: u32) = br_on_non_null;
    }

    // Operands and variables.
    rows! {
        visit_drop = drop_operand;
        visit_select = select;
        visit_typed_select(ty: ValType) = select_typed;
        visit_typed_select_multi(types: Vec<ValType>) = select_multi;
        visit_local_get(local: u32) = local_get;
        visit_local_set(local: u32) = local_set;
        visit_local_tee(local: u32) = local_tee;
        visit_global_get(global: u32) = global_get;
        visit_global_set(global: u32) = global_set;
    }

    // References and tables.
    rows! {
        visit_ref_null(heap: HeapType) = ref_null;
        visit_ref_is_null = ref_is_null;
        visit_ref_func(func: u32) = ref_func;
        visit_ref_as_non_null = ref_as_non_null;
        visit_table_get(table: u32) = table_get;
        visit_table_set(table: u32) = table_set;
        visit_table_size(table: u32) = table_size;
        visit_table_grow(table: u32) = table_grow;
        visit_table_fill(table: u32) = table_fill;
        visit_table_copy(dst: u32, src: u32) = table_copy;
        visit_table_init(segment: u32, table: u32) = table_init;
        visit_elem_drop(segment: u32) = elem_drop;
    }

    // Objects of the garbage-collected heap.
    rows! {
        visit_struct_new(ty: u32) = struct_new;
        visit_struct_new_default(ty: u32) = struct_new_default;
        visit_struct_get(ty: u32, field: u32) = struct_get;
        visit_struct_get_s(ty: u32, field: u32) = struct_get_s;
        visit_struct_get_u(ty: u32, field: u32) = struct_get_u;
        visit_struct_set(ty: u32, field: u32) = struct_set;
        visit_array_new(ty: u32) = array_new;
        visit_array_new_default(ty: u32) = array_new_default;
        visit_array_new_fixed(ty: u32, count: u32) = array_new_fixed;
        visit_array_new_data(ty: u32, segment: u32) = array_new_data;
        visit_array_new_elem(ty: u32, segment: u32) = array_new_elem;
        visit_array_get(ty: u32) = array_get;
        visit_array_get_s(ty: u32) = array_get_s;
        visit_array_get_u(ty: u32) = array_get_u;
        visit_array_set(ty: u32) = array_set;
        visit_array_len = array_len;
        visit_array_fill(ty: u32) = array_fill;
        visit_array_copy(dst: u32, src: u32) = array_copy;
        visit_array_init_data(ty: u32, segment: u32) = array_init_data;
        visit_array_init_elem(ty: u32, segment: u32) = array_init_elem;
        visit_ref_eq = ref_eq;
        visit_ref_test_non_null(heap: HeapType) = ref_test_non_null;
        visit_ref_test_nullable(heap: HeapType) = ref_test_nullable;
        visit_ref_cast_non_null(heap: HeapType) = ref_cast_non_null;
        visit_ref_cast_nullable(heap: HeapType) = ref_cast_nullable;
        visit_br_on_cast(depth: u32, from: RefType, to: RefType) = br_on_cast;
        visit_br_on_cast_fail(depth: u32, from: RefType, to: RefType) = br_on_cast_fail;
        visit_any_convert_extern = nothing;
        visit_extern_convert_any = nothing;
        visit_ref_i31 = ref_i31;
        visit_i31_get_s = i31_get_s;
        visit_i31_get_u = i31_get_u;
    }

    // Memory.
    rows! {
        visit_i32_load(at: MemArg) = load(I32);
        visit_i64_load(at: MemArg) = load(I64);
        visit_f32_load(at: MemArg) = load(F32);
        visit_f64_load(at: MemArg) = load(F64);
        visit_i32_load8_s(at: MemArg) = load_extending(sload8: I32, 1);
        visit_i32_load8_u(at: MemArg) = load_extending(uload8: I32, 1);
        visit_i32_load16_s(at: MemArg) = load_extending(sload16: I32, 2);
        visit_i32_load16_u(at: MemArg) = load_extending(uload16: I32, 2);
        visit_i64_load8_s(at: MemArg) = load_extending(sload8: I64, 1);
        visit_i64_load8_u(at: MemArg) = load_extending(uload8: I64, 1);
        visit_i64_load16_s(at: MemArg) = load_extending(sload16: I64, 2);
        visit_i64_load16_u(at: MemArg) = load_extending(uload16: I64, 2);
        visit_i64_load32_s(at: MemArg) = load_extending(sload32, 4);
        visit_i64_load32_u(at: MemArg) = load_extending(uload32, 4);
        visit_i32_store(at: MemArg) = store;
        visit_i64_store(at: MemArg) = store;
        visit_f32_store(at: MemArg) = store;
        visit_f64_store(at: MemArg) = store;
        visit_i32_store8(at: MemArg) = store_low(I8);
        visit_i32_store16(at: MemArg) = store_low(I16);
        visit_i64_store8(at: MemArg) = store_low(I8);
        visit_i64_store16(at: MemArg) = store_low(I16);
        visit_i64_store32(at: MemArg) = store_low(I32);
        visit_memory_size(memory: u32) = memory_size;
        visit_memory_grow(memory: u32) = memory_grow;
        visit_memory_fill(memory: u32) = memory_fill;
        visit_memory_copy(dst: u32, src: u32) = memory_copy;
        visit_memory_init(segment: u32, memory: u32) = memory_init;
        visit_data_drop(segment: u32) = data_drop;
    }

    // Constants.
    rows! {
        visit_i32_const(value: i32) = constant(iconst: I32);
        visit_i64_const(value: i64) = constant(iconst: I64);
        visit_f32_const(value: Ieee32) = constant(f32const);
        visit_f64_const(value: Ieee64) = constant(f64const);
    }

    // Comparisons.
    rows! {
        visit_i32_eqz = is_zero;
        visit_i32_eq = compare(Equal);
        visit_i32_ne = compare(NotEqual);
        visit_i32_lt_s = compare(SignedLessThan);
        visit_i32_lt_u = compare(UnsignedLessThan);
        visit_i32_gt_s = compare(SignedGreaterThan);
        visit_i32_gt_u = compare(UnsignedGreaterThan);
        visit_i32_le_s = compare(SignedLessThanOrEqual);
        visit_i32_le_u = compare(UnsignedLessThanOrEqual);
        visit_i32_ge_s = compare(SignedGreaterThanOrEqual);
        visit_i32_ge_u = compare(UnsignedGreaterThanOrEqual);
        visit_i64_eqz = is_zero;
        visit_i64_eq = compare(Equal);
        visit_i64_ne = compare(NotEqual);
        visit_i64_lt_s = compare(SignedLessThan);
        visit_i64_lt_u = compare(UnsignedLessThan);
        visit_i64_gt_s = compare(SignedGreaterThan);
        visit_i64_gt_u = compare(UnsignedGreaterThan);
        visit_i64_le_s = compare(SignedLessThanOrEqual);
        visit_i64_le_u = compare(UnsignedLessThanOrEqual);
        visit_i64_ge_s = compare(SignedGreaterThanOrEqual);
        visit_i64_ge_u = compare(UnsignedGreaterThanOrEqual);
        visit_f32_eq = compare_floats(Equal);
        visit_f32_ne = compare_floats(NotEqual);
        visit_f32_lt = compare_floats(LessThan);
        visit_f32_gt = compare_floats(GreaterThan);
        visit_f32_le = compare_floats(LessThanOrEqual);
        visit_f32_ge = compare_floats(GreaterThanOrEqual);
        visit_f64_eq = compare_floats(Equal);
        visit_f64_ne = compare_floats(NotEqual);
        visit_f64_lt = compare_floats(LessThan);
        visit_f64_gt = compare_floats(GreaterThan);
        visit_f64_le = compare_floats(LessThanOrEqual);
        visit_f64_ge = compare_floats(GreaterThanOrEqual);
    }

    // Integers. Division traps by itself where the specification says so.
    rows! {
        visit_i32_clz = unary(clz);
        visit_i32_ctz = unary(ctz);
        visit_i32_popcnt = unary(popcnt);
        visit_i32_add = binary(iadd);
        visit_i32_sub = binary(isub);
        visit_i32_mul = binary(imul);
        visit_i32_div_s = binary(sdiv);
        visit_i32_div_u = binary(udiv);
        visit_i32_rem_s = binary(srem);
        visit_i32_rem_u = binary(urem);
        visit_i32_and = binary(band);
        visit_i32_or = binary(bor);
        visit_i32_xor = binary(bxor);
        visit_i32_shl = binary(ishl);
        visit_i32_shr_s = binary(sshr);
        visit_i32_shr_u = binary(ushr);
        visit_i32_rotl = binary(rotl);
        visit_i32_rotr = binary(rotr);
        visit_i64_clz = unary(clz);
        visit_i64_ctz = unary(ctz);
        visit_i64_popcnt = unary(popcnt);
        visit_i64_add = binary(iadd);
        visit_i64_sub = binary(isub);
        visit_i64_mul = binary(imul);
        visit_i64_div_s = binary(sdiv);
        visit_i64_div_u = binary(udiv);
        visit_i64_rem_s = binary(srem);
        visit_i64_rem_u = binary(urem);
        visit_i64_and = binary(band);
        visit_i64_or = binary(bor);
        visit_i64_xor = binary(bxor);
        visit_i64_shl = binary(ishl);
        visit_i64_shr_s = binary(sshr);
        visit_i64_shr_u = binary(ushr);
        visit_i64_rotl = binary(rotl);
        visit_i64_rotr = binary(rotr);
        visit_i32_extend8_s = sign_extend_from(I8);
        visit_i32_extend16_s = sign_extend_from(I16);
        visit_i64_extend8_s = sign_extend_from(I8);
        visit_i64_extend16_s = sign_extend_from(I16);
        visit_i64_extend32_s = sign_extend_from(I32);
    }

    // Floats.
    rows! {
        visit_f32_abs = unary(fabs);
        visit_f32_neg = unary(fneg);
        visit_f32_ceil = unary(ceil);
        visit_f32_floor = unary(floor);
        visit_f32_trunc = unary(trunc);
        visit_f32_nearest = unary(nearest);
        visit_f32_sqrt = unary(sqrt);
        visit_f32_add = binary(fadd);
        visit_f32_sub = binary(fsub);
        visit_f32_mul = binary(fmul);
        visit_f32_div = binary(fdiv);
        visit_f32_min = binary(fmin);
        visit_f32_max = binary(fmax);
        visit_f32_copysign = binary(fcopysign);
        visit_f64_abs = unary(fabs);
        visit_f64_neg = unary(fneg);
        visit_f64_ceil = unary(ceil);
        visit_f64_floor = unary(floor);
        visit_f64_trunc = unary(trunc);
        visit_f64_nearest = unary(nearest);
        visit_f64_sqrt = unary(sqrt);
        visit_f64_add = binary(fadd);
        visit_f64_sub = binary(fsub);
        visit_f64_mul = binary(fmul);
        visit_f64_div = binary(fdiv);
        visit_f64_min = binary(fmin);
        visit_f64_max = binary(fmax);
        visit_f64_copysign = binary(fcopysign);
    }

    // Wide arithmetic: 128 bits as two operands, the low half first.
    rows! {
        visit_i64_add128 = wide(iadd);
        visit_i64_sub128 = wide(isub);
        visit_i64_mul_wide_s = multiply_into_wide(sextend);
        visit_i64_mul_wide_u = multiply_into_wide(uextend);
    }

    // Atomic accesses: the type in memory, then that of the operands.
    rows! {
        visit_memory_atomic_notify(memarg: MemArg) = atomic_notify;
        visit_memory_atomic_wait32(memarg: MemArg) = atomic_wait32;
        visit_memory_atomic_wait64(memarg: MemArg) = atomic_wait64;
        visit_atomic_fence(ordering: Ordering) = atomic_fence;
        visit_i32_atomic_load(memarg: MemArg) = atomic_load(I32, I32);
        visit_i32_atomic_load8_u(memarg: MemArg) = atomic_load(I8, I32);
        visit_i32_atomic_load16_u(memarg: MemArg) = atomic_load(I16, I32);
        visit_i32_atomic_store(memarg: MemArg) = atomic_store(I32, I32);
        visit_i32_atomic_store8(memarg: MemArg) = atomic_store(I8, I32);
        visit_i32_atomic_store16(memarg: MemArg) = atomic_store(I16, I32);
        visit_i32_atomic_rmw_add(memarg: MemArg) = atomic_rmw(I32, I32, Add);
        visit_i32_atomic_rmw8_add_u(memarg: MemArg) = atomic_rmw(I8, I32, Add);
        visit_i32_atomic_rmw16_add_u(memarg: MemArg) = atomic_rmw(I16, I32, Add);
        visit_i32_atomic_rmw_sub(memarg: MemArg) = atomic_rmw(I32, I32, Sub);
        visit_i32_atomic_rmw8_sub_u(memarg: MemArg) = atomic_rmw(I8, I32, Sub);
        visit_i32_atomic_rmw16_sub_u(memarg: MemArg) = atomic_rmw(I16, I32, Sub);
        visit_i32_atomic_rmw_and(memarg: MemArg) = atomic_rmw(I32, I32, And);
        visit_i32_atomic_rmw8_and_u(memarg: MemArg) = atomic_rmw(I8, I32, And);
        visit_i32_atomic_rmw16_and_u(memarg: MemArg) = atomic_rmw(I16, I32, And);
        visit_i32_atomic_rmw_or(memarg: MemArg) = atomic_rmw(I32, I32, Or);
        visit_i32_atomic_rmw8_or_u(memarg: MemArg) = atomic_rmw(I8, I32, Or);
        visit_i32_atomic_rmw16_or_u(memarg: MemArg) = atomic_rmw(I16, I32, Or);
        visit_i32_atomic_rmw_xor(memarg: MemArg) = atomic_rmw(I32, I32, Xor);
        visit_i32_atomic_rmw8_xor_u(memarg: MemArg) = atomic_rmw(I8, I32, Xor);
        visit_i32_atomic_rmw16_xor_u(memarg: MemArg) = atomic_rmw(I16, I32, Xor);
        visit_i32_atomic_rmw_xchg(memarg: MemArg) = atomic_rmw(I32, I32, Xchg);
        visit_i32_atomic_rmw8_xchg_u(memarg: MemArg) = atomic_rmw(I8, I32, Xchg);
        visit_i32_atomic_rmw16_xchg_u(memarg: MemArg) = atomic_rmw(I16, I32, Xchg);
        visit_i32_atomic_rmw_cmpxchg(memarg: MemArg) = atomic_cmpxchg(I32, I32);
        visit_i32_atomic_rmw8_cmpxchg_u(memarg: MemArg) = atomic_cmpxchg(I8, I32);
        visit_i32_atomic_rmw16_cmpxchg_u(memarg: MemArg) = atomic_cmpxchg(I16, I32);
        visit_i64_atomic_load(memarg: MemArg) = atomic_load(I64, I64);
        visit_i64_atomic_load8_u(memarg: MemArg) = atomic_load(I8, I64);
        visit_i64_atomic_load16_u(memarg: MemArg) = atomic_load(I16, I64);
        visit_i64_atomic_load32_u(memarg: MemArg) = atomic_load(I32, I64);
        visit_i64_atomic_store(memarg: MemArg) = atomic_store(I64, I64);
        visit_i64_atomic_store8(memarg: MemArg) = atomic_store(I8, I64);
        visit_i64_atomic_store16(memarg: MemArg) = atomic_store(I16, I64);
        visit_i64_atomic_store32(memarg: MemArg) = atomic_store(I32, I64);
        visit_i64_atomic_rmw_add(memarg: MemArg) = atomic_rmw(I64, I64, Add);
        visit_i64_atomic_rmw8_add_u(memarg: MemArg) = atomic_rmw(I8, I64, Add);
        visit_i64_atomic_rmw16_add_u(memarg: MemArg) = atomic_rmw(I16, I64, Add);
        visit_i64_atomic_rmw32_add_u(memarg: MemArg) = atomic_rmw(I32, I64, Add);
        visit_i64_atomic_rmw_sub(memarg: MemArg) = atomic_rmw(I64, I64, Sub);
        visit_i64_atomic_rmw8_sub_u(memarg: MemArg) = atomic_rmw(I8, I64, Sub);
        visit_i64_atomic_rmw16_sub_u(memarg: MemArg) = atomic_rmw(I16, I64, Sub);
        visit_i64_atomic_rmw32_sub_u(memarg: MemArg) = atomic_rmw(I32, I64, Sub);
        visit_i64_atomic_rmw_and(memarg: MemArg) = atomic_rmw(I64, I64, And);
        visit_i64_atomic_rmw8_and_u(memarg: MemArg) = atomic_rmw(I8, I64, And);
        visit_i64_atomic_rmw16_and_u(memarg: MemArg) = atomic_rmw(I16, I64, And);
        visit_i64_atomic_rmw32_and_u(memarg: MemArg) = atomic_rmw(I32, I64, And);
        visit_i64_atomic_rmw_or(memarg: MemArg) = atomic_rmw(I64, I64, Or);
        visit_i64_atomic_rmw8_or_u(memarg: MemArg) = atomic_rmw(I8, I64, Or);
        visit_i64_atomic_rmw16_or_u(memarg: MemArg) = atomic_rmw(I16, I64, Or);
        visit_i64_atomic_rmw32_or_u(memarg: MemArg) = atomic_rmw(I32, I64, Or);
        visit_i64_atomic_rmw_xor(memarg: MemArg) = atomic_rmw(I64, I64, Xor);
        visit_i64_atomic_rmw8_xor_u(memarg: MemArg) = atomic_rmw(I8, I64, Xor);
        visit_i64_atomic_rmw16_xor_u(memarg: MemArg) = atomic_rmw(I16, I64, Xor);
        visit_i64_atomic_rmw32_xor_u(memarg: MemArg) = atomic_rmw(I32, I64, Xor);
        visit_i64_atomic_rmw_xchg(memarg: MemArg) = atomic_rmw(I64, I64, Xchg);
        visit_i64_atomic_rmw8_xchg_u(memarg: MemArg) = atomic_rmw(I8, I64, Xchg);
        visit_i64_atomic_rmw16_xchg_u(memarg: MemArg) = atomic_rmw(I16, I64, Xchg);
        visit_i64_atomic_rmw32_xchg_u(memarg: MemArg) = atomic_rmw(I32, I64, Xchg);
        visit_i64_atomic_rmw_cmpxchg(memarg: MemArg) = atomic_cmpxchg(I64, I64);
        visit_i64_atomic_rmw8_cmpxchg_u(memarg: MemArg) = atomic_cmpxchg(I8, I64);
        visit_i64_atomic_rmw16_cmpxchg_u(memarg: MemArg) = atomic_cmpxchg(I16, I64);
        visit_i64_atomic_rmw32_cmpxchg_u(memarg: MemArg) = atomic_cmpxchg(I32, I64);
    }

    // Conversions. Those to integers trap by themselves, unless they saturate.
    rows! {
        visit_i32_wrap_i64 = unary(ireduce: I32);
        visit_i32_trunc_f32_s = unary(fcvt_to_sint: I32);
        visit_i32_trunc_f32_u = unary(fcvt_to_uint: I32);
        visit_i32_trunc_f64_s = unary(fcvt_to_sint: I32);
        visit_i32_trunc_f64_u = unary(fcvt_to_uint: I32);
        visit_i64_extend_i32_s = unary(sextend: I64);
        visit_i64_extend_i32_u = unary(uextend: I64);
        visit_i64_trunc_f32_s = unary(fcvt_to_sint: I64);
        visit_i64_trunc_f32_u = unary(fcvt_to_uint: I64);
        visit_i64_trunc_f64_s = unary(fcvt_to_sint: I64);
        visit_i64_trunc_f64_u = unary(fcvt_to_uint: I64);
        visit_f32_convert_i32_s = unary(fcvt_from_sint: F32);
        visit_f32_convert_i32_u = unary(fcvt_from_uint: F32);
        visit_f32_convert_i64_s = unary(fcvt_from_sint: F32);
        visit_f32_convert_i64_u = unary(fcvt_from_uint: F32);
        visit_f32_demote_f64 = unary(fdemote: F32);
        visit_f64_convert_i32_s = unary(fcvt_from_sint: F64);
        visit_f64_convert_i32_u = unary(fcvt_from_uint: F64);
        visit_f64_convert_i64_s = unary(fcvt_from_sint: F64);
        visit_f64_convert_i64_u = unary(fcvt_from_uint: F64);
        visit_f64_promote_f32 = unary(fpromote: F64);
        visit_i32_reinterpret_f32 = reinterpret(I32);
        visit_i64_reinterpret_f64 = reinterpret(I64);
        visit_f32_reinterpret_i32 = reinterpret(F32);
        visit_f64_reinterpret_i64 = reinterpret(F64);
        visit_i32_trunc_sat_f32_s = unary(fcvt_to_sint_sat: I32);
        visit_i32_trunc_sat_f32_u = unary(fcvt_to_uint_sat: I32);
        visit_i32_trunc_sat_f64_s = unary(fcvt_to_sint_sat: I32);
        visit_i32_trunc_sat_f64_u = unary(fcvt_to_uint_sat: I32);
        visit_i64_trunc_sat_f32_s = unary(fcvt_to_sint_sat: I64);
        visit_i64_trunc_sat_f32_u = unary(fcvt_to_uint_sat: I64);
        visit_i64_trunc_sat_f64_s = unary(fcvt_to_sint_sat: I64);
        visit_i64_trunc_sat_f64_u = unary(fcvt_to_uint_sat: I64);
    }

    wasmparser::for_each_visit_operator!(refuse);
}

/// Immediates of wasm constants as those of CLIF, named by the instruction that takes them.
mod immediate {
    use super::ir::immediates;

    /// `i32` immediates are kept zero-extended, as CLIF wants constants of its narrow types.
    pub(super) trait Integer {
        fn bits(self) -> i64;
    }

    impl Integer for i32 {
        fn bits(self) -> i64 {
            i64::from(self.cast_unsigned())
        }
    }

    impl Integer for i64 {
        fn bits(self) -> i64 {
            self
        }
    }

    pub(super) fn iconst(value: impl Integer) -> i64 {
        value.bits()
    }

    pub(super) fn f32const(value: wasmparser::Ieee32) -> immediates::Ieee32 {
        immediates::Ieee32::with_bits(value.bits())
    }

    pub(super) fn f64const(value: wasmparser::Ieee64) -> immediates::Ieee64 {
        immediates::Ieee64::with_bits(value.bits())
    }
}

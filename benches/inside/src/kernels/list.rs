//! The kernels: what stands in the module, and what the loop does in each turn.
//!
//! In a body `$i` counts the turns, `$s`, `$d`, `$f` and `$v` are an `i32`, an `i64`, an `f64` and a `v128` whose last
//! values are the result, so that nothing is dropped; `$n`, `$r` and `$x` are further locals: 9, null and null.

/// A counting loop.
pub struct Kernel {
    /// What is measured.
    pub group: &'static str,
    pub name: &'static str,
    /// What the module has beside the function.
    pub items: &'static str,
    /// What a turn does.
    pub body: &'static str,
}

macro_rules! kernels {
    ($($group:literal $name:literal $items:literal $body:literal)*) => {
        /// All of them.
        pub const KERNELS: &[Kernel] = &[$(Kernel { group: $group, name: $name, items: $items, body: $body }),*];
    };
}

kernels! {
    "arithmetic" "i32.add, i32.xor" "" "(local.set $s (i32.xor (i32.add (local.get $s) (local.get $i)) (i32.const 77)))"
    "arithmetic" "i32.mul" "" "(local.set $s (i32.mul (i32.add (local.get $s) (local.get $i)) (i32.const 1103515245)))"
    "arithmetic" "i32.div_u" "" "(local.set $s (i32.add (local.get $s) (i32.div_u (i32.const -1) (i32.add (local.get $i) (i32.const 1)))))"
    "arithmetic" "i32.div_s, by a constant" "" "(local.set $s (i32.add (local.get $s) (i32.div_s (local.get $i) (i32.const 7))))"
    "arithmetic" "i32.rem_s" "" "(local.set $s (i32.add (local.get $s) (i32.rem_s (local.get $i) (local.get $n))))"
    "arithmetic" "i32.rotl, i32.shr_u" "" "(local.set $s (i32.rotl (i32.add (local.get $s) (local.get $i)) (i32.shr_u (local.get $i) (i32.const 3))))"
    "arithmetic" "i32.clz, ctz, popcnt" "" "(local.set $s (i32.add (local.get $s) (i32.add (i32.clz (local.get $i)) (i32.add (i32.ctz (local.get $i)) (i32.popcnt (local.get $i))))))"
    "arithmetic" "i64.mul" "" "(local.set $d (i64.add (i64.mul (local.get $d) (i64.const 6364136223846793005)) (i64.extend_i32_u (local.get $i))))"
    "arithmetic" "i64.div_s" "" "(local.set $d (i64.add (local.get $d) (i64.div_s (i64.const 987654321) (i64.extend_i32_u (i32.or (local.get $i) (i32.const 1))))))"
    "arithmetic" "select" "" "(local.set $s (select (i32.add (local.get $s) (i32.const 3)) (local.get $i) (i32.and (local.get $i) (i32.const 5))))"
    "arithmetic" "f64.add, f64.mul" "" "(local.set $f (f64.add (f64.mul (local.get $f) (f64.const 0.5)) (f64.convert_i32_s (local.get $i))))"
    "arithmetic" "f64.div" "" "(local.set $f (f64.div (f64.convert_i32_s (local.get $i)) (f64.add (local.get $f) (f64.const 3))))"
    "arithmetic" "f64.sqrt" "" "(local.set $f (f64.sqrt (f64.add (local.get $f) (f64.convert_i32_u (local.get $i)))))"
    "arithmetic" "f64.min, f64.max" "" "(local.set $f (f64.max (f64.min (local.get $f) (f64.const 1e6)) (f64.convert_i32_s (local.get $i))))"
    "arithmetic" "f64.nearest, floor" "" "(local.set $f (f64.add (f64.nearest (local.get $f)) (f64.floor (f64.div (f64.convert_i32_s (local.get $i)) (f64.const 3)))))"
    "arithmetic" "f64.copysign" "" "(local.set $f (f64.copysign (f64.add (local.get $f) (f64.const 1)) (f64.convert_i32_s (local.get $i))))"
    "arithmetic" "i32.trunc_f64_s" "" "(local.set $s (i32.add (local.get $s) (i32.trunc_f64_s (f64.convert_i32_s (local.get $i)))))"
    "arithmetic" "i32.trunc_sat_f64_u" "" "(local.set $s (i32.add (local.get $s) (i32.trunc_sat_f64_u (f64.convert_i32_s (local.get $i)))))"
    "arithmetic" "i64.trunc_sat_f64_s" "" "(local.set $d (i64.add (local.get $d) (i64.trunc_sat_f64_s (f64.convert_i32_s (local.get $i)))))"
    "arithmetic" "i64.trunc_sat_f64_u" "" "(local.set $d (i64.add (local.get $d) (i64.trunc_sat_f64_u (f64.convert_i32_s (local.get $i)))))"
    "arithmetic" "f64.convert_i64_u" "" "(local.set $f (f64.add (local.get $f) (f64.convert_i64_u (i64.extend_i32_s (local.get $i)))))"
    "arithmetic" "br_table" "" "(block $a (block $b (block $c (br_table $a $b $c (i32.and (local.get $i) (i32.const 3)))) (local.set $s (i32.add (local.get $s) (i32.const 5)))) (local.set $s (i32.xor (local.get $s) (local.get $i))))"

    "memory" "i32.load" "(memory 1)" "(local.set $s (i32.add (local.get $s) (i32.load (i32.and (local.get $i) (i32.const 0xfff0)))))"
    "memory" "i32.load8_s" "(memory 1)" "(local.set $s (i32.add (local.get $s) (i32.load8_s (i32.and (local.get $i) (i32.const 0xffff)))))"
    "memory" "i64.store" "(memory 1)" "(i64.store (i32.and (local.get $i) (i32.const 0xfff0)) (i64.extend_i32_u (local.get $i)))"
    "memory" "load, add, store" "(memory 1)" "(i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (local.get $i)))"
    "memory" "f64.load, f64.store" "(memory 1)" "(f64.store (i32.and (local.get $i) (i32.const 0xfff0)) (f64.add (f64.load (i32.const 64)) (f64.const 1)))"
    "memory" "i32.load of a second memory" "(memory 1) (memory $m 1)" "(local.set $s (i32.add (local.get $s) (i32.load $m (i32.and (local.get $i) (i32.const 0xfff0)))))"
    "memory" "i32.load of an exported memory" "(memory (export \"m\") 1)" "(local.set $s (i32.add (local.get $s) (i32.load (i32.and (local.get $i) (i32.const 0xfff0)))))"
    "memory" "i32.load, 64-bit index" "(memory i64 1)" "(local.set $s (i32.add (local.get $s) (i32.load (i64.and (i64.extend_i32_u (local.get $i)) (i64.const 0xfff0)))))"
    "memory" "i64.store, 64-bit index" "(memory i64 1)" "(i64.store (i64.and (i64.extend_i32_u (local.get $i)) (i64.const 0xfff0)) (i64.extend_i32_u (local.get $i)))"
    "memory" "memory.size" "(memory 1)" "(local.set $s (i32.add (local.get $s) (memory.size)))"

    "bulk" "memory.copy of 16 bytes" "(memory 1)" "(memory.copy (i32.and (local.get $i) (i32.const 0x7ff0)) (i32.const 0x8000) (i32.const 16))"
    "bulk" "memory.copy of 64 bytes" "(memory 1)" "(memory.copy (i32.and (local.get $i) (i32.const 0x7f00)) (i32.const 0x8000) (i32.const 64))"
    "bulk" "memory.copy of 9 bytes, not a constant" "(memory 1)" "(memory.copy (i32.and (local.get $i) (i32.const 0x7ff0)) (i32.const 0x8000) (local.get $n))"
    "bulk" "memory.copy of 16 bytes, overlapping" "(memory 1)" "(memory.copy (i32.const 1004) (i32.const 1000) (i32.const 16))"
    "bulk" "memory.copy of 64 bytes, overlapping" "(memory 1)" "(memory.copy (i32.const 1004) (i32.const 1000) (i32.const 64))"
    "bulk" "memory.fill of 16 bytes" "(memory 1)" "(memory.fill (i32.and (local.get $i) (i32.const 0x7ff0)) (i32.const 7) (i32.const 16))"
    "bulk" "memory.fill of 9 bytes, not a constant" "(memory 1)" "(memory.fill (i32.and (local.get $i) (i32.const 0x7ff0)) (i32.const 7) (local.get $n))"
    "bulk" "memory.init of 16 bytes" "(memory 1) (data $g \"0123456789abcdef\")" "(memory.init $g (i32.const 0) (i32.const 0) (i32.const 16))"
    "bulk" "memory.init of 9 bytes, not a constant" "(memory 1) (data $g \"0123456789abcdef\")" "(memory.init $g (i32.const 0) (i32.const 0) (local.get $n))"

    "tables" "table.get, null" "(table $t 4 funcref)" "(local.set $s (i32.add (local.get $s) (ref.is_null (table.get $t (i32.and (local.get $i) (i32.const 3))))))"
    "tables" "table.get, a function" "(table $t 4 funcref) (elem (i32.const 0) $a $a $a $a) (func $a)" "(local.set $s (i32.add (local.get $s) (ref.is_null (table.get $t (i32.and (local.get $i) (i32.const 3))))))"
    "tables" "table.set" "(table $t 4 funcref) (elem declare func $a) (func $a)" "(if (ref.is_null (local.get $r)) (then (local.set $r (ref.func $a)))) (table.set $t (i32.and (local.get $i) (i32.const 3)) (local.get $r))"
    "tables" "table.get of an external reference" "(table $t 4 externref)" "(local.set $s (i32.add (local.get $s) (ref.is_null (table.get $t (i32.and (local.get $i) (i32.const 3))))))"
    "tables" "table.set of an external reference" "(table $t 4 externref)" "(table.set $t (i32.and (local.get $i) (i32.const 3)) (local.get $x))"
    "tables" "table.size" "(table $t 4 funcref)" "(local.set $s (i32.add (local.get $s) (table.size $t)))"
    "tables" "table.fill of 1 element" "(table $t 4 funcref)" "(table.fill $t (i32.const 0) (ref.null func) (i32.const 1))"
    "tables" "table.copy of 2 elements" "(table $t 4 funcref)" "(table.copy $t $t (i32.const 0) (i32.const 2) (i32.const 2))"
    "tables" "table.copy of 50 elements" "(table $t 100 funcref)" "(table.copy $t $t (i32.const 0) (i32.const 50) (i32.const 50))"
    "tables" "table.init of 1 element" "(table $t 4 funcref) (elem $e func $a) (func $a)" "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))"

    "calls" "call" "(func $a (param i32) (result i32) (local $k i32) (loop (br_if 0 (i32.eqz (local.tee $k (i32.add (local.get $k) (i32.const 1)))))) (i32.add (local.get 0) (i32.const 1)))" "(local.set $s (call $a (local.get $s)))"
    "calls" "call of a recursive function" "(func $f (param i32) (result i32) (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0)) (else (i32.add (call $f (i32.sub (local.get 0) (i32.const 1))) (call $f (i32.sub (local.get 0) (i32.const 2)))))))" "(local.set $s (i32.add (local.get $s) (call $f (i32.const 4))))"
    "calls" "call_indirect" "(table $t 4 4 funcref) (elem (i32.const 0) $a $b $a $b) (type $y (func (param i32) (result i32))) (func $a (type $y) (i32.add (local.get 0) (i32.const 1))) (func $b (type $y) (i32.xor (local.get 0) (i32.const 3)))" "(local.set $s (call_indirect $t (type $y) (local.get $s) (i32.and (local.get $i) (i32.const 3))))"
    "calls" "call_indirect, a table that may grow" "(table $t 4 funcref) (elem (i32.const 0) $a $b $a $b) (type $y (func (param i32) (result i32))) (func $a (type $y) (i32.add (local.get 0) (i32.const 1))) (func $b (type $y) (i32.xor (local.get 0) (i32.const 3)))" "(local.set $s (call_indirect $t (type $y) (local.get $s) (i32.and (local.get $i) (i32.const 3))))"
    "calls" "call_indirect, an exported table" "(table $t (export \"t\") 4 4 funcref) (elem (i32.const 0) $a $b $a $b) (type $y (func (param i32) (result i32))) (func $a (type $y) (i32.add (local.get 0) (i32.const 1))) (func $b (type $y) (i32.xor (local.get 0) (i32.const 3)))" "(local.set $s (call_indirect $t (type $y) (local.get $s) (i32.and (local.get $i) (i32.const 3))))"
    "calls" "call_ref" "(type $y (func (param i32) (result i32))) (elem declare func $a) (func $a (type $y) (i32.add (local.get 0) (i32.const 1))) (global $g (mut (ref null $y)) (ref.func $a))" "(local.set $s (call_ref $y (local.get $s) (global.get $g)))"
    "calls" "table.get, call_ref" "(type $y (func (param i32) (result i32))) (table $t 4 4 (ref null $y)) (elem (table $t) (i32.const 0) (ref null $y) (ref.func $a) (ref.func $b) (ref.func $a) (ref.func $b)) (func $a (type $y) (i32.add (local.get 0) (i32.const 1))) (func $b (type $y) (i32.xor (local.get 0) (i32.const 3)))" "(local.set $s (call_ref $y (local.get $s) (table.get $t (i32.and (local.get $i) (i32.const 3)))))"
    "calls" "a call with eight arguments" "(func $a (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (local $k i32) (loop (br_if 0 (i32.eqz (local.tee $k (i32.add (local.get $k) (i32.const 1)))))) (i32.add (local.get 0) (local.get 7)))" "(local.set $s (call $a (local.get $s) (local.get $i) (local.get $i) (local.get $i) (local.get $i) (local.get $i) (local.get $i) (local.get $i)))"

    "globals" "global.get" "(global $g (mut i32) (i32.const 5))" "(local.set $s (i32.add (local.get $s) (global.get $g)))"
    "globals" "a global that the loop increments" "(global $g (mut i32) (i32.const 5))" "(global.set $g (i32.add (global.get $g) (i32.const 1)))"
    "globals" "an exported global, 64 bits" "(global $g (export \"g\") (mut i64) (i64.const 5))" "(global.set $g (i64.add (global.get $g) (i64.extend_i32_u (local.get $i))))"
    "globals" "a global that is a float" "(global $g (mut f64) (f64.const 5))" "(global.set $g (f64.add (global.get $g) (f64.const 1)))"

    "SIMD" "i32x4.add" "" "(local.set $v (i32x4.add (local.get $v) (i32x4.splat (local.get $i))))"
    "SIMD" "i32x4.mul" "" "(local.set $v (i32x4.mul (local.get $v) (i32x4.splat (local.get $i))))"
    "SIMD" "i8x16.swizzle" "" "(local.set $v (i8x16.swizzle (v128.const i8x16 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 0) (v128.xor (local.get $v) (i8x16.splat (local.get $i)))))"
    "SIMD" "f32x4.add, f32x4.mul" "" "(local.set $v (f32x4.add (f32x4.mul (local.get $v) (f32x4.splat (f32.const 0.5))) (f32x4.splat (f32.convert_i32_s (local.get $i)))))"
    "SIMD" "v128.load, v128.store" "(memory 1)" "(v128.store (i32.and (local.get $i) (i32.const 0xff00)) (i32x4.add (v128.load (i32.and (local.get $i) (i32.const 0xff00))) (v128.const i32x4 1 2 3 4)))"
    "SIMD" "i32x4.trunc_sat_f32x4_u" "" "(local.set $v (v128.xor (local.get $v) (i32x4.trunc_sat_f32x4_u (f32x4.splat (f32.convert_i32_s (local.get $i))))))"
    "SIMD" "i16x8.extmul, i32x4.dot" "" "(local.set $v (i32x4.add (local.get $v) (i32x4.dot_i16x8_s (i16x8.splat (local.get $i)) (i16x8.extmul_low_i8x16_s (local.get $v) (local.get $v)))))"

    "exceptions" "a call that may throw, and does not" "(tag $e) (func $a (param i32) (result i32) (if (i32.eq (local.get 0) (i32.const -1)) (then (throw $e))) (local.get 0))" "(block $caught (try_table (catch $e $caught) (local.set $s (i32.add (local.get $s) (call $a (local.get $i))))))"

    "references" "ref.func" "(elem declare func $a) (func $a)" "(local.set $s (i32.add (local.get $s) (ref.is_null (ref.func $a))))"
    "references" "ref.is_null" "(global $g (mut funcref) (ref.null func))" "(local.set $s (i32.add (local.get $s) (ref.is_null (global.get $g))))"
    "references" "a global that is a reference" "(global $g (mut externref) (ref.null extern))" "(global.set $g (local.get $x))"
}

;; `throw` under legacy clauses: values of all types, many of them, and functions small enough to be inlined.

(module
  (type $unary (func (param i32) (result i32)))
  (tag $none)
  (tag $i32 (param i32))
  (tag $i64 (param i64))
  (tag $f32 (param f32))
  (tag $f64 (param f64))
  (tag $v128 (param v128))
  (tag $func (param funcref))
  (tag $extern (param externref))
  (tag $typed (param (ref null $unary)))
  (tag $mixed (param i32 f64 v128 externref i64 funcref f32 i32))
  (tag $many (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64))

  (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (elem declare func $double)

  (func (export "i32") (param i32) (result i32)
    try (result i32) (throw $i32 (local.get 0)) catch $i32 end)

  (func (export "i64") (param i64) (result i64)
    try (result i64) (throw $i64 (local.get 0)) catch $i64 end)

  (func (export "f32") (param f32) (result f32)
    try (result f32) (throw $f32 (local.get 0)) catch $f32 end)

  (func (export "f64") (param f64) (result f64)
    try (result f64) (throw $f64 (local.get 0)) catch $f64 end)

  (func (export "v128") (param v128) (result v128)
    try (result v128) (throw $v128 (local.get 0)) catch $v128 end)

  (func (export "funcref") (result i32)
    try (result funcref) (throw $func (ref.func $double)) catch $func end
    (ref.is_null))

  (func (export "null funcref") (result funcref)
    try (result funcref) (throw $func (ref.null func)) catch $func end)

  (func (export "externref") (param externref) (result externref)
    try (result externref) (throw $extern (local.get 0)) catch $extern end)

  (func (export "typed reference") (param i32) (result i32)
    (local.get 0)
    try (result (ref null $unary)) (throw $typed (ref.func $double)) catch $typed end
    (call_ref $unary))

  (func (export "mixed") (param i32 externref) (result i32 f64 v128 externref i64 i32 f32 i32)
    (local $f funcref) (local $y f32) (local $z i32)
    try (result i32 f64 v128 externref i64 funcref f32 i32)
      (throw $mixed (local.get 0) (f64.const 2) (v128.const i32x4 1 2 3 4) (local.get 1) (i64.const -5)
        (ref.func $double) (f32.const 7.5) (i32.const 8))
      catch $mixed end
    (local.set $z) (local.set $y) (local.set $f)
    (ref.is_null (local.get $f)) (local.get $y) (local.get $z))

  (func (export "many") (param i64) (result i64)
    try (result i64)
        (throw $many (local.get 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
          (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11) (i64.const 12) (i64.const 13)
          (i64.const 14) (i64.const 15) (i64.const 16) (i64.const 17) (i64.const 18) (i64.const 19))
      catch $many
        (i64.sub) (i64.add) (i64.sub) (i64.add) (i64.sub) (i64.add) (i64.sub) (i64.add) (i64.sub) (i64.add) (i64.sub)
        (i64.add) (i64.sub) (i64.add) (i64.sub) (i64.add) (i64.sub) (i64.add) (i64.add) end)

  ;; Small functions: where they are inlined, what they throw is thrown in the `try` all the same.
  (func $throw_none (throw $none))
  (func $throw_i32 (param i32) (throw $i32 (i32.add (local.get 0) (i32.const 1))))
  (func $throw_if (param i32) (result i32)
    (if (local.get 0) (then (throw $i32 (local.get 0))))
    (i32.const 5))
  (func $call_throw (param i32) (result i32) (call $throw_if (local.get 0)))
  (func $clause (param i32) (result i32)
    try (result i32) (call $throw_if (local.get 0)) catch $i32 (i32.const 1) (i32.add) end)

  (func (export "inlined") (param i32) (result i32)
    try (result i32)
      (call $throw_i32 (local.get 0)) (i32.const 0)
      catch $none (i32.const -1)
      catch $i32 end)

  (func (export "inlined, deeper") (param i32) (result i32)
    try $t (result i32)
        try (result i32)
          try (result i32) (call $call_throw (local.get 0)) delegate $t
          catch_all (i32.const -1) end
      catch $i32 (i32.add (i32.const 10)) end)

  (func (export "inlined in a clause") (param i32) (result i32)
    try (result i32)
        try (result i32)
          (call $throw_none) (i32.const 0)
          catch $none (call $call_throw (local.get 0))
          catch_all (i32.const -1) end
      catch $i32 (i32.add (i32.const 10)) end)

  (func (export "a try in a small function") (param i32) (result i32)
    (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $clause (local.get 0))))
      (br_if $again (i32.ge_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0))))
    (local.get $sum))

  (func (export "operands around a throw") (param i32) (result i32)
    (i32.const 1) (i64.const 2) (f32.const 3)
    try (i32.const 4) (throw $i32 (local.get 0)) catch $i32 (local.set 0) end
    (drop) (drop) (i32.add (local.get 0)))

  (func (export "uncaught") (throw $none))
  (func (export "uncaught, of another tag") try (throw $none) catch $i32 (drop) end)
)

(assert_return (invoke "i32" (i32.const -7)) (i32.const -7))
(assert_return (invoke "i64" (i64.const 0x1234567890abcdef)) (i64.const 0x1234567890abcdef))
(assert_return (invoke "f32" (f32.const 1.25)) (f32.const 1.25))
(assert_return (invoke "f32" (f32.const -0.0)) (f32.const -0.0))
(assert_return (invoke "f32" (f32.const nan:0x200000)) (f32.const nan:0x200000))
(assert_return (invoke "f64" (f64.const inf)) (f64.const inf))
(assert_return (invoke "f64" (f64.const nan:0x4000000000000)) (f64.const nan:0x4000000000000))
(assert_return (invoke "v128" (v128.const i64x2 1 -2)) (v128.const i64x2 1 -2))
(assert_return (invoke "funcref") (i32.const 0))
(assert_return (invoke "null funcref") (ref.null func))
(assert_return (invoke "externref" (ref.extern 5)) (ref.extern 5))
(assert_return (invoke "externref" (ref.null extern)) (ref.null extern))
(assert_return (invoke "typed reference" (i32.const 21)) (i32.const 42))
(assert_return (invoke "mixed" (i32.const 1) (ref.extern 4)) (i32.const 1) (f64.const 2) (v128.const i32x4 1 2 3 4)
  (ref.extern 4) (i64.const -5) (i32.const 0) (f32.const 7.5) (i32.const 8))
(assert_return (invoke "many" (i64.const 100)) (i64.const 100))
(assert_return (invoke "inlined" (i32.const 4)) (i32.const 5))
(assert_return (invoke "inlined, deeper" (i32.const 0)) (i32.const 5))
(assert_return (invoke "inlined, deeper" (i32.const 4)) (i32.const 14))
(assert_return (invoke "inlined in a clause" (i32.const 0)) (i32.const 5))
(assert_return (invoke "inlined in a clause" (i32.const 4)) (i32.const 14))
(assert_return (invoke "a try in a small function" (i32.const 3)) (i32.const 14))
(assert_return (invoke "operands around a throw" (i32.const 8)) (i32.const 9))
(assert_exception (invoke "uncaught"))
(assert_exception (invoke "uncaught, of another tag"))

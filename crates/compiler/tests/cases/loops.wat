;; A loop whose variables' next values are computed where the present ones are no longer needed has one jump on the way
;; back: the parameters of its head and the arguments for them have the same registers.
(module
  (memory 1)
  (func (export "sum") (param $n i32) (result i32) (local $i i32) (local $s i32)
    (loop $again
      (local.set $s (i32.xor (i32.add (local.get $s) (local.get $i)) (i32.const 77)))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $s))
  ;; invoke sum 10 => 63
  ;; The index is used by a store, which does not move; the next one is computed behind it.
  (func (export "fill") (param $n i32) (local $i i32) (local $f f64)
    (loop $again
      (local.set $f (f64.add (local.get $f) (f64.convert_i32_u (local.get $i))))
      (i32.store (local.get $i) (i32.trunc_sat_f64_u (local.get $f)))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $n)))))
  ;; Each needs the other's present value: one of them has to be moved.
  (func (export "fibonacci") (param $n i32) (result i32) (local $a i32) (local $b i32) (local $c i32)
    (local.set $b (i32.const 1))
    (loop $again
      (local.set $c (i32.add (local.get $a) (local.get $b)))
      (local.set $a (local.get $b))
      (local.set $b (local.get $c))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $a))
  ;; invoke fibonacci 10 => 55
)

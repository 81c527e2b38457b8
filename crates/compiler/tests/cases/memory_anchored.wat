;; Memory 0 at the anchor: no base at all. Memory 1 is reached as ever.
;; plan: anchored
;; invoke sum 8 => 0
(module
  (memory 1)
  (memory $other 1)
  (func (export "sum") (param i32) (result i32)
    (i32.add (i32.load (local.get 0)) (i32.load $other offset=16 (local.get 0))))
  (func (export "far") (param i32) (result i64)
    (i64.load offset=0x7fffffff (local.get 0))))

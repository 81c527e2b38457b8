;; Calls of small functions become their bodies: with branches out of the body, results, and calls of itself.
;; inlining
;; invoke clamped 300 => 255
;; invoke clamped -3 => 0
;; invoke clamped 17 => 17
;; invoke swapped 1 2 => 2 1
;; invoke factorial 5 => 120
;; invoke in_dead_code 1 => 9
(module
  (func $clamp (param i32) (result i32)
    (if (i32.lt_s (local.get 0) (i32.const 0)) (then (return (i32.const 0))))
    (block (br_if 1 (i32.const 255) (i32.gt_s (local.get 0) (i32.const 255))) (drop))
    (local.get 0))
  (func (export "clamped") (param i32) (result i32) (call $clamp (local.get 0)))
  (func $swap (param i32 i32) (result i32 i32) (local.get 1) (local.get 0))
  (func (export "swapped") (param i32 i32) (result i32 i32) (call $swap (local.get 0) (local.get 1)))
  (func $factorial (export "factorial") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.mul (local.get 0) (call $factorial (i32.sub (local.get 0) (i32.const 1)))))
      (else (i32.const 1))))
  (func $never (unreachable))
  (func (export "in_dead_code") (param i32) (result i32)
    (if (local.get 0) (then (return (i32.const 9))))
    (call $never)
    (i32.const 7)))

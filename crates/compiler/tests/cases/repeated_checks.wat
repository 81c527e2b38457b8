;; Checks that an earlier one makes needless: behind it without a call, behind a call, on one way only, of constants.
;; plan: checked
;; invoke pair 65520 => 0
;; invoke pair 65528 => trap: out of bounds memory access
;; invoke less 65500 => 0
;; invoke around 8 => 2
;; invoke one_way 0 1 => 0
;; invoke one_way 65532 0 => trap: out of bounds memory access
;; invoke looped 64 => 0
;; invoke constants => 0
;; invoke far 0 => 0
;; invoke wide 65528 => 0
;; invoke wide 65529 => trap: out of bounds memory access
;; invoke wide -4 => trap: out of bounds memory access
;; invoke moved 65528 => 3
(module
  (memory 1)
  (memory $wide i64 1)
  (memory $small i64 1 3)
  ;; The second and the third go on from the first.
  (func (export "pair") (param i32) (result i32)
    (i32.add
      (i32.add (i32.load offset=12 (local.get 0)) (i32.load offset=8 (local.get 0)))
      (i32.load8_u offset=15 (local.get 0))))
  ;; The second reaches further: both stay.
  (func (export "less") (param i32) (result i32)
    (i32.add (i32.load (local.get 0)) (i32.load offset=16 (local.get 0))))
  ;; Behind a call the base is loaded again, and the comparison masks the address.
  (func (export "around") (param i32) (result i32)
    (i32.store offset=4 (local.get 0) (i32.const 1))
    (drop (memory.grow (i32.const 1)))
    (i32.store (local.get 0) (i32.const 1))
    (i32.add (i32.load (local.get 0)) (i32.load offset=4 (local.get 0))))
  ;; What is checked on one way is not checked on the other.
  (func (export "one_way") (param i32 i32) (result i32)
    (if (local.get 1) (then (drop (i32.load offset=4 (local.get 0)))))
    (i32.load offset=4 (local.get 0)))
  ;; A check in front of a loop holds inside.
  (func (export "looped") (param i32) (result i32) (local $sum i32)
    (i32.store offset=8 (local.get 0) (i32.const 5))
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get 0))))
      (i32.store offset=8 (local.get 0) (i32.sub (i32.load offset=8 (local.get 0)) (i32.const 1)))
      (br_if $again (i32.load offset=8 (local.get 0))))
    (local.get $sum))
  ;; Constant indices count as offsets from zero.
  (func (export "constants") (result i32)
    (i32.add (i32.load (i32.const 1024)) (i32.load offset=1000 (i32.const 8))))
  ;; Too far from the first for the address of one to lead to the other.
  (func (export "far") (param i32) (result i32)
    (i32.add (i32.load offset=50000 (local.get 0)) (i32.load (local.get 0))))
  ;; 64 bits: the sum of the second can no longer overflow.
  (func (export "wide") (param i64) (result i64)
    (i64.add (i64.load $wide (local.get 0)) (i64.load32_u $wide (local.get 0))))
  ;; The memory grows, and moves, between the two.
  (func (export "moved") (param i64) (result i32)
    (i32.store $small offset=4 (local.get 0) (i32.const 3))
    (drop (memory.grow $small (i64.const 2)))
    (i32.load8_u $small offset=4 (local.get 0))))

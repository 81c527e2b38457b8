;; Throwing, catching, and what a call costs in a `try_table` and outside of one: there it is a call like any other.
;; invoke thrown 3 => 3
;; invoke caught 5 => 5
;; invoke caught 0 => -1
;; invoke outside 7 => 7
;; invoke again 4 => 4
(module
  (tag $t (param i32))
  (func $throw_unless_zero (export "thrown") (param i32) (result i32)
    (if (i32.gt_s (local.get 0) (i32.const 3)) (then (throw $t (local.get 0))))
    (local.get 0))
  (func $outside (export "outside") (param i32) (result i32)
    (call $quiet (local.get 0)))
  (func $quiet (param i32) (result i32) (local.get 0))
  (func (export "caught") (param i32) (result i32)
    (block $handler (result i32)
      (try_table (catch $t $handler) (drop (call $throw_unless_zero (local.get 0))))
      (i32.const -1)))
  (func (export "again") (param i32) (result i32)
    (block $outer (result i32)
      (try_table (catch $t $outer)
        (block $inner (result exnref)
          (try_table (catch_all_ref $inner) (drop (call $throw_unless_zero (i32.add (local.get 0) (i32.const 0)))))
          (return (local.get 0)))
        (throw_ref))
      (unreachable))))

;; One load and one store behind guards: no check, one base.
;; invoke sum 8 => 0
(module
  (memory 1)
  (func (export "sum") (param i32) (result i32)
    (i32.add (i32.load (local.get 0)) (i32.load offset=16 (local.get 0))))
  (func (export "put") (param i32 i32)
    (i32.store8 offset=1 (local.get 0) (local.get 1)))
  (func (export "far") (param i32) (result i64)
    (i64.load offset=0x7fffffff (local.get 0))))

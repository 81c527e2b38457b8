;; 64-bit indices: the end of the access must not wrap, and all is checked.
;; invoke load 0 => 0
(module
  (memory i64 1)
  (func (export "load") (param i64) (result i64) (i64.load offset=24 (local.get 0)))
  (func (export "beyond") (param i64) (result i64) (i64.load offset=0xffffffffffffffff (local.get 0)))
  (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0)))
  (func (export "size") (result i64) (memory.size)))

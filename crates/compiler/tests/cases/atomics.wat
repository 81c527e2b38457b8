;; Atomic accesses check their alignment, then their bounds; `memory.size` of a shared memory is an atomic load.
;; invoke load 2 => 0
;; invoke load 1 => trap: unaligned atomic
;; invoke add 1 7 => 0
(module
  (memory 1 2 shared)
  (func (export "load") (param i32) (result i32) (i32.atomic.load offset=6 (local.get 0)))
  (func (param i32 i64) (i64.atomic.store32 (local.get 0) (local.get 1)))
  (func (export "add") (param i32 i32) (result i32) (i32.atomic.rmw8.add_u (local.get 0) (local.get 1)))
  (func (param i32 i64 i64) (result i64)
    (i64.atomic.rmw16.cmpxchg_u offset=4294967294 (local.get 0) (local.get 1) (local.get 2)))
  (func (param i32) (result i32)
    (atomic.fence)
    (drop (memory.atomic.wait32 offset=8 (local.get 0) (i32.const 1) (i64.const -1)))
    (i32.add (memory.size) (memory.atomic.notify (local.get 0) (i32.const 1)))))

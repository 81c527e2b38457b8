;; Growing, filling, copying. Two memories; few bytes are moved in place, many by fixed code.
;; invoke size => 1
;; invoke moved 40 => 10
;; invoke moved 5000 => 10
(module
  (memory 1)
  (memory $b 1)
  (data $d "abc")
  (func (export "size") (result i32) (memory.size $b))
  (func (export "moved") (param i32) (result i32)
    (memory.fill (i32.const 100) (i32.const 5) (local.get 0))
    (memory.copy (i32.const 98) (i32.const 100) (local.get 0))
    (i32.add (i32.load8_u (i32.const 98)) (i32.load8_u (i32.add (i32.const 97) (local.get 0)))))
  (func (export "all") (param i32)
    (drop (memory.grow (local.get 0)))
    (memory.fill (local.get 0) (i32.const 7) (i32.const 3))
    (memory.copy $b 0 (local.get 0) (i32.const 7) (i32.const 3))
    (memory.init $d (local.get 0) (i32.const 0) (i32.const 3))
    (data.drop $d)))

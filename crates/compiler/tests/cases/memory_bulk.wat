;; Growing, filling, copying: the runtime's work. Two memories.
;; invoke size => 1
(module
  (memory 1)
  (memory $b 1)
  (data $d "abc")
  (func (export "size") (result i32) (memory.size $b))
  (func (export "all") (param i32)
    (drop (memory.grow (local.get 0)))
    (memory.fill (local.get 0) (i32.const 7) (i32.const 3))
    (memory.copy $b 0 (local.get 0) (i32.const 7) (i32.const 3))
    (memory.init $d (local.get 0) (i32.const 0) (i32.const 3))
    (data.drop $d)))

;; Casts in a module that declares no structures and no arrays: its instances have no heap to look into, so that the runtime is
;; asked what an object of another module is.
;; invoke kind null => 0
;; invoke length null => trap: null array reference
;; invoke is_i31 5 => 1
(module
  (func (export "kind") (param $r externref) (result i32)
    (local $any anyref)
    (local.set $any (any.convert_extern (local.get $r)))
    (i32.add
      (i32.add
        (ref.test (ref struct) (local.get $any))
        (i32.shl (ref.test (ref array) (local.get $any)) (i32.const 1)))
      (i32.shl (ref.test (ref i31) (local.get $any)) (i32.const 2))))
  (func (export "length") (param $r externref) (result i32)
    (array.len (ref.cast arrayref (any.convert_extern (local.get $r)))))
  (func (export "is_i31") (param $n i32) (result i32)
    (ref.test (ref i31) (ref.i31 (local.get $n)))))

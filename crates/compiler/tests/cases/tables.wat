;; Tables of references that are indices are accessed inline; those of functions through the runtime.
;; invoke size => 4
(module
  (table $e 4 externref)
  (table $f 4 funcref)
  (elem $s func $get)
  (elem declare func $get)
  (func $get (export "get") (param i32) (result externref) (table.get $e (local.get 0)))
  (func (export "set") (param i32 externref) (table.set $e (local.get 0) (local.get 1)))
  (func (export "size") (result i32) (table.size $e))
  (func (export "get_func") (param i32) (result i32) (ref.is_null (table.get $f (local.get 0))))
  (func (export "set_func") (param i32) (table.set $f (local.get 0) (ref.func $get)))
  (func (export "null") (result externref funcref) (ref.null extern) (ref.null func))
  (func (export "bulk") (param i32 externref) (result i32)
    (table.fill $e (local.get 0) (local.get 1) (i32.const 2))
    (table.copy $f $f (local.get 0) (i32.const 0) (i32.const 1))
    (table.init $f $s (local.get 0) (i32.const 0) (i32.const 1))
    (elem.drop $s)
    (table.grow $e (local.get 1) (local.get 0))))

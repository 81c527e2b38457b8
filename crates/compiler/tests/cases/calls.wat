;; A direct call, a call to an import, and one through a table.
;; invoke direct 4 => 5
(module
  (type $unary (func (param i32) (result i32)))
  (import "host" "f" (func $f (type $unary)))
  (table 2 funcref)
  (elem (i32.const 0) $one $f)
  (func $one (type $unary) (i32.add (local.get 0) (i32.const 1)))
  (func (export "direct") (type $unary) (call $one (local.get 0)))
  (func (export "imported") (type $unary) (call $f (local.get 0)))
  (func (export "indirect") (param i32 i32) (result i32)
    (call_indirect (type $unary) (local.get 0) (local.get 1))))

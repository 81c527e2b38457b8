;; References in a heap with less than 4 GiB: each is masked before it becomes an address, and before it finds its card.
;; plan: masked
;; invoke first 7 => 7
;; invoke element 3 => 12
;; invoke none 0 => trap: null structure reference
(module
  (type $node (struct (field $value i32) (field $next (mut (ref null $node)))))
  (type $longs (array (mut i64)))
  (func $link (param $to (ref $node)) (param $next (ref null $node))
    (struct.set $node $next (local.get $to) (local.get $next)))
  (func (export "first") (param $n i32) (result i32)
    (local $node (ref $node))
    (local.set $node (struct.new $node (local.get $n) (ref.null $node)))
    (call $link (local.get $node) (local.get $node))
    (struct.get $node $value (struct.get $node $next (local.get $node))))
  (func $get (param $longs (ref $longs)) (param $n i32) (result i64)
    (array.get $longs (local.get $longs) (local.get $n)))
  (func (export "element") (param $n i32) (result i64)
    (call $get (array.new_fixed $longs 4 (i64.const 9) (i64.const 10) (i64.const 11) (i64.const 12)) (local.get $n)))
  (func (export "none") (param i32) (result i32)
    (struct.get $node $value (ref.null $node))))

;; Globals inline and imported, mutable and not.
;; invoke next => 1
(module
  (import "host" "base" (global $base i64))
  (import "host" "shared" (global $shared (mut i32)))
  (global $count (mut i32) (i32.const 0))
  (global $pi f64 (f64.const 3.14))
  (func (export "next") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (global.get $count))
  (func (export "imported") (result i64)
    (global.set $shared (i32.const 9))
    (global.get $base))
  (func (export "pi") (result f64) (global.get $pi)))

;; Casts: to a type without subtypes one comparison of the header, to others one of an ancestor in the type's record.
;; invoke kinds 0 => 1
;; invoke kinds 1 => 2
;; invoke kinds 2 => 4
;; invoke kinds 3 => 8
;; invoke kinds 4 => 16
;; invoke cast 1 => 7
;; invoke cast 0 => trap: cast failure
;; invoke to_middle 1 => 1
;; invoke to_middle 0 => 0
;; invoke small -3 => -3
;; invoke null_small 1 => trap: null i31 reference
;; invoke same 5 => 1
;; invoke function_type 1 => 1
;; invoke through_extern 6 => 6
;; invoke or_null 1 => 1
(module
  (type $base (sub (struct (field i32))))
  (type $middle (sub $base (struct (field i32) (field i64))))
  (type $leaf (sub final $middle (struct (field i32) (field i64) (field f32))))
  (type $list (array (mut anyref)))
  (type $f (sub (func)))
  (type $g (sub final $f (func)))
  (elem declare func $a $b)
  (func $a (type $f))
  (func $b (type $g))
  (func $make (param i32) (result anyref)
    (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 (local.get 0)))
      (return (ref.null none)))
      (return (ref.i31 (i32.const 1))))
      (return (struct.new $leaf (i32.const 7) (i64.const 8) (f32.const 9))))
      (return (array.new_default $list (i32.const 2))))
    (struct.new $base (i32.const 7)))
  (func (export "kinds") (param i32) (result i32)
    (local $x anyref)
    (local.set $x (call $make (local.get 0)))
    (if (ref.test nullref (local.get $x)) (then (return (i32.const 1))))
    (if (ref.test (ref i31) (local.get $x)) (then (return (i32.const 2))))
    (if (ref.test (ref $leaf) (local.get $x)) (then (return (i32.const 4))))
    (if (ref.test (ref array) (local.get $x)) (then (return (i32.const 8))))
    (if (i32.and (ref.test (ref struct) (local.get $x)) (ref.test (ref eq) (local.get $x)))
      (then (return (i32.const 16))))
    (i32.const 32))
  (func (export "cast") (param i32) (result i32)
    (local $x (ref null $base))
    (if (local.get 0) (then (local.set $x (ref.cast (ref $base) (call $make (i32.const 2))))))
    (struct.get $leaf 0 (ref.cast (ref $leaf) (local.get $x))))
  (func (export "to_middle") (param i32) (result i32)
    (block $is (result (ref $middle))
      (drop
        (br_on_cast $is (ref null $base) (ref $middle)
          (ref.cast (ref null $base) (call $make (select (i32.const 2) (i32.const 4) (local.get 0))))))
      (return (i32.const 0)))
    (drop)
    (i32.const 1))
  (func (export "small") (param i32) (result i32)
    (local $x i31ref)
    (local.set $x (ref.i31 (local.get 0)))
    (i32.and (i31.get_s (local.get $x)) (i32.or (i31.get_u (local.get $x)) (i32.const -2147483648))))
  (func (export "null_small") (param i32) (result i32) (i31.get_s (ref.null i31)))
  (func (export "same") (param i32) (result i32)
    (local $x eqref)
    (local.set $x (struct.new $base (local.get 0)))
    (i32.and
      (ref.eq (local.get $x) (local.get $x))
      (i32.eqz (ref.eq (local.get $x) (struct.new $base (local.get 0))))))
  (func (export "function_type") (param i32) (result i32)
    (local $x funcref)
    (local.set $x (select (result funcref) (ref.func $b) (ref.func $a) (local.get 0)))
    (i32.and (ref.test (ref $f) (local.get $x)) (ref.test (ref $g) (local.get $x))))
  (func (export "through_extern") (param i32) (result i32)
    (local $x externref)
    (local.set $x (extern.convert_any (struct.new $base (local.get 0))))
    (struct.get $base 0 (ref.cast (ref $base) (any.convert_extern (local.get $x)))))
  (func (export "or_null") (param i32) (result i32)
    (block $not (result (ref null $base))
      (drop (br_on_cast_fail $not (ref null $base) (ref null $leaf) (ref.cast (ref null $base) (ref.null none))))
      (return (i32.const 1)))
    (drop)
    (i32.const 0)))

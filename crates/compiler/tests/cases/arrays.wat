;; Arrays: an access loads the length, whose fault is the null check, and compares. Bytes and numbers are moved by fixed code.
;; invoke sum 10 => 45
;; invoke outside 4 => trap: out of bounds array access
;; invoke of_null 1 => trap: null array reference
;; invoke bytes 300 => 43
;; invoke fixed 7 => 24
;; invoke references 5 => 5
;; invoke segments 2 => 103
;; invoke moved 3 => 6
;; invoke long 100000 => 100000
;; invoke too_long -1 => trap: allocation size too large
(module
  (type $i32s (array (mut i32)))
  (type $bytes (array (mut i8)))
  (type $shorts (array (mut i16)))
  (type $i64s (array (mut i64)))
  (type $box (struct (field i32)))
  (type $boxes (array (mut (ref null $box))))
  (type $funcs (array (mut funcref)))
  (data $text "abcdef")
  (elem $some (ref null $box) (struct.new $box (i32.const 5)) (ref.null $box))
  (elem declare func $f)
  (func $f)
  (func (export "sum") (param $n i32) (result i32)
    (local $a (ref $i32s)) (local $i i32) (local $sum i32)
    (local.set $a (array.new_default $i32s (local.get $n)))
    (loop $fill
      (array.set $i32s (local.get $a) (local.get $i) (local.get $i))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $i) (array.len (local.get $a)))))
    (loop $add
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (local.set $sum (i32.add (local.get $sum) (array.get $i32s (local.get $a) (local.get $i))))
      (br_if $add (local.get $i)))
    (local.get $sum))
  (func (export "outside") (param i32) (result i32)
    (array.get $i32s (array.new $i32s (i32.const 1) (i32.const 4)) (local.get 0)))
  (func (export "of_null") (param i32) (result i32) (array.get $i32s (ref.null $i32s) (local.get 0)))
  (func (export "bytes") (param i32) (result i32)
    (local $a (ref $bytes)) (local $s (ref $shorts))
    (local.set $a (array.new $bytes (local.get 0) (i32.const 5)))
    (local.set $s (array.new $shorts (i32.const -1) (i32.const 3)))
    (i32.add
      (i32.sub (array.get_u $bytes (local.get $a) (i32.const 4)) (array.get_s $shorts (local.get $s) (i32.const 2)))
      (i32.add
        (array.get_s $bytes (local.get $a) (i32.const 0))
        (i32.sub (array.get_u $shorts (local.get $s) (i32.const 0)) (i32.const 65581)))))
  (func (export "fixed") (param i32) (result i32)
    (local $a (ref $i64s))
    (local.set $a (array.new_fixed $i64s 3 (i64.const 8) (i64.extend_i32_u (local.get 0)) (i64.const 9)))
    (i32.wrap_i64
      (i64.add
        (array.get $i64s (local.get $a) (i32.const 0))
        (i64.add (array.get $i64s (local.get $a) (i32.const 1)) (array.get $i64s (local.get $a) (i32.const 2))))))
  (func (export "references") (param i32) (result i32)
    (local $a (ref $boxes)) (local $f (ref $funcs))
    (local.set $a (array.new $boxes (struct.new $box (local.get 0)) (i32.const 4)))
    (array.set $boxes (local.get $a) (i32.const 0) (ref.null $box))
    (array.fill $boxes (local.get $a) (i32.const 1) (struct.new $box (i32.const 9)) (i32.const 2))
    (array.copy $boxes $boxes (local.get $a) (i32.const 0) (local.get $a) (i32.const 2) (i32.const 2))
    (local.set $f (array.new $funcs (ref.func $f) (i32.const 2)))
    (array.set $funcs (local.get $f) (i32.const 0) (array.get $funcs (local.get $f) (i32.const 1)))
    (struct.get $box 0 (array.get $boxes (local.get $a) (i32.const 1))))
  (func (export "segments") (param i32) (result i32)
    (local $a (ref $bytes)) (local $b (ref $boxes))
    (local.set $a (array.new_data $bytes $text (i32.const 1) (i32.const 4)))
    (array.init_data $bytes $text (local.get $a) (i32.const 0) (i32.const 0) (i32.const 1))
    (local.set $b (array.new_elem $boxes $some (i32.const 0) (i32.const 2)))
    (array.init_elem $boxes $some (local.get $b) (i32.const 1) (i32.const 0) (i32.const 1))
    (i32.sub
      (i32.add
        (array.get_u $bytes (local.get $a) (local.get 0))
        (struct.get $box 0 (array.get $boxes (local.get $b) (i32.const 1))))
      (i32.add (i32.const 2) (i32.sub (array.get_u $bytes (local.get $a) (i32.const 0)) (i32.const 97)))))
  (func (export "moved") (param i32) (result i32)
    (local $a (ref $i32s)) (local $b (ref $i32s))
    (local.set $a (array.new_fixed $i32s 4 (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)))
    (local.set $b (array.new_default $i32s (i32.const 8)))
    (array.copy $i32s $i32s (local.get $b) (i32.const 2) (local.get $a) (i32.const 0) (i32.const 4))
    (array.fill $i32s (local.get $b) (i32.const 0) (local.get 0) (i32.const 2))
    (i32.add (array.get $i32s (local.get $b) (i32.const 1)) (array.get $i32s (local.get $b) (i32.const 4))))
  (func (export "long") (param i32) (result i32) (array.len (array.new $i64s (i64.const 1) (local.get 0))))
  (func (export "too_long") (param i32) (result i32) (array.len (array.new_default $i64s (local.get 0)))))

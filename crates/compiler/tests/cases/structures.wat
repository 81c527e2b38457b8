;; Structures: a field is one access whose fault is the null check, and a new one is a few stores behind one comparison.
;; invoke sum 20 => 63
;; invoke packed 511 => -1
;; invoke through_null 1 => trap: null structure reference
;; invoke default 3 => 3
;; invoke list 10 => 45
;; invoke calls_field 20 => 21
;; invoke no_function 1 => 1
;; invoke kept_over_calls 100 => 5050
(module
  (type $pair (sub (struct (field $a (mut i32)) (field $b (mut i32)))))
  (type $triple (sub $pair (struct (field $a (mut i32)) (field $b (mut i32)) (field $c (mut i64)))))
  (type $small (struct (field $x (mut i8)) (field $y (mut i16)) (field $z f32) (field $w (mut f64)) (field $v (mut v128))))
  (type $node (struct (field $value i32) (field $next (mut (ref null $node)))))
  (type $unary (func (param i32) (result i32)))
  (type $closure (struct (field $code (ref $unary)) (field $other (mut (ref null $unary)))))
  (elem declare func $one_more)
  (func $one_more (type $unary) (i32.add (local.get 0) (i32.const 1)))
  (func (export "sum") (param i32) (result i32)
    (local $t (ref $triple))
    (local.set $t (struct.new $triple (local.get 0) (i32.const 1) (i64.const 2)))
    (struct.set $pair $b (local.get $t) (i32.add (struct.get $pair $b (local.get $t)) (struct.get $pair $a (local.get $t))))
    (i32.add
      (i32.add (struct.get $triple $a (local.get $t)) (struct.get $triple $b (local.get $t)))
      (i32.add (local.get 0) (i32.wrap_i64 (struct.get $triple $c (local.get $t))))))
  (func (export "packed") (param i32) (result i32)
    (local $s (ref $small))
    (local.set $s
      (struct.new $small (local.get 0) (local.get 0) (f32.const 1) (f64.const 2) (v128.const i64x2 3 4)))
    (struct.set $small $y (local.get $s) (struct.get_u $small $x (local.get $s)))
    (drop (struct.get_s $small $y (local.get $s)))
    (struct.get_s $small $x (local.get $s)))
  (func (export "through_null") (param i32) (result i32) (struct.get $pair $a (ref.null $pair)))
  (func (export "default") (param i32) (result i32)
    (i32.add (local.get 0) (struct.get $pair $b (struct.new_default $pair))))
  (func (export "list") (param $n i32) (result i32)
    (local $head (ref null $node)) (local $sum i32)
    (block $full
      (loop $more
        (br_if $full (i32.eqz (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (local.set $head (struct.new $node (local.get $n) (local.get $head)))
        (br $more)))
    (block $end
      (loop $next
        (local.set $sum (i32.add (local.get $sum) (struct.get $node $value (br_on_null $end (local.get $head)))))
        (local.set $head (struct.get $node $next (local.get $head)))
        (br $next)))
    (local.get $sum))
  (func $link (param $to (ref $node)) (param $next (ref null $node))
    (struct.set $node $next (local.get $to) (local.get $next)))
  (func (export "calls_field") (param i32) (result i32)
    (local $c (ref $closure))
    (local.set $c (struct.new $closure (ref.func $one_more) (ref.null $unary)))
    (call_ref $unary (local.get 0) (struct.get $closure $code (local.get $c))))
  (func (export "no_function") (param i32) (result i32)
    (local $c (ref $closure))
    (local.set $c (struct.new $closure (ref.func $one_more) (ref.func $one_more)))
    (struct.set $closure $other (local.get $c) (ref.null $unary))
    (ref.is_null (struct.get $closure $other (local.get $c))))
  (func $count (param $n i32) (param $node (ref null $node)) (result i32)
    (local $mine (ref $node))
    (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
    (local.set $mine (struct.new $node (local.get $n) (local.get $node)))
    (i32.add
      (call $count (i32.sub (local.get $n) (i32.const 1)) (local.get $mine))
      (struct.get $node $value (local.get $mine))))
  (func (export "kept_over_calls") (param i32) (result i32) (call $count (local.get 0) (ref.null $node))))

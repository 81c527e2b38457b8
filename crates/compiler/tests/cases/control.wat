;; Blocks with parameters and results, loops, tables of labels, code that is never reached.
;; invoke sum 10 => 55
;; invoke pick 0 => 10
;; invoke pick 1 => 20
;; invoke pick 7 => 30
;; invoke swap 1 2 => 2 1
(module
  (func (export "sum") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "pick") (param i32) (result i32)
    (block $c (result i32)
      (block $b (result i32)
        (block $a (result i32)
          (br_table $a $b $c (i32.const 10) (local.get 0)))
        (return))
      (i32.add (i32.const 10))
      (return))
    (i32.add (i32.const 20)))
  (func (export "swap") (param i32 i32) (result i32 i32)
    (local.get 1) (local.get 0)
    (if (param i32) (result i32) (i32.const 1) (then) (else (drop) (i32.const 9))))
  (func (export "without_else") (param i32 i32) (result i32)
    (local.get 0)
    (if (param i32) (result i32) (local.get 1) (then (i32.mul (i32.const 2)))))
  (func (export "dead") (param i32) (result i32)
    (block $out
      (br $out)
      (if (i32.const 1) (then (loop (br 0))) (else (unreachable)))
      (drop (i32.add)))
    (unreachable)
    (block (result i32) (br_if 0 (i32.const 3) (i32.const 1)))))

;; `try` with `catch` and `catch_all`: which clause catches, what it is given, and what it does not cover.

(module $other
  (tag $t (export "t") (param i32))
  (func (export "throw") (param i32) (throw $t (local.get 0))))
(register "other" $other)

(module
  (tag $theirs (import "other" "t") (param i32))
  (func $throw_theirs (import "other" "throw") (param i32))
  (tag $a)
  (tag $b)
  (tag $i32 (param i32))
  (tag $pair (param i32 i64))
  (global $trace (mut i32) (i32.const 0))

  (func $note (param i32)
    (global.set $trace (i32.add (i32.mul (global.get $trace) (i32.const 10)) (local.get 0))))

  (func (export "trace") (result i32) (global.get $trace) (global.set $trace (i32.const 0)))

  ;; 0 throws nothing, 1 $a, 2 $b, 3 $i32 of 33, 4 theirs of 44, all others trap.
  (func $pick (param i32)
    (block $trap (block $theirs (block $i32 (block $b (block $a (block $none
      (br_table $none $a $b $i32 $theirs $trap (local.get 0)))
      (return))
      (throw $a))
      (throw $b))
      (throw $i32 (i32.const 33)))
      (call $throw_theirs (i32.const 44)))
    (unreachable))

  (func (export "no clause") (param i32) (result i32)
    try (result i32) (call $pick (local.get 0)) (i32.const 7) end)

  (func (export "one clause") (param i32) (result i32)
    try (result i32) (call $pick (local.get 0)) (i32.const 7) catch $a (i32.const 8) end)

  (func (export "many clauses") (param i32) (result i32)
    try (result i32)
      (call $pick (local.get 0)) (i32.const 7)
      catch $b (i32.const 9)
      catch $a (i32.const 8)
      catch $i32 (i32.add (i32.const 1))
      catch $theirs (i32.add (i32.const 2)) end)

  (func (export "the first of two equal clauses") (param i32) (result i32)
    try (result i32)
      (call $pick (local.get 0)) (i32.const 7)
      catch $a (i32.const 8)
      catch $a (i32.const 80)
      catch_all (i32.const 800) end)

  (func (export "all") (param i32) (result i32)
    try (result i32) (call $pick (local.get 0)) (i32.const 7) catch_all (i32.const 8) end)

  (func (export "nested") (param i32) (result i32)
    try (result i32)
        try (result i32)
          (call $pick (local.get 0)) (i32.const 7)
          catch $a (i32.const 8)
          catch $i32 end
      catch $b (i32.const 9)
      catch_all (i32.const 10) end)

  (func (export "outside of a try that is over") (param i32) (result i32)
    try (nop) catch_all (return (i32.const -1)) end
    (call $pick (local.get 0))
    (i32.const 7))

  ;; What a clause throws is not caught by itself, nor by one behind or in front of it.
  (func (export "clauses cover no clauses") (param i32 i32) (result i32)
    try (result i32)
        try (result i32)
          (call $pick (local.get 0)) (i32.const 7)
          catch $a (call $pick (local.get 1)) (i32.const 8)
          catch $b (call $pick (local.get 1)) (i32.const 9)
          catch_all (call $pick (local.get 1)) (i32.const 10) end
      catch $a (i32.const 100)
      catch $b (i32.const 101)
      catch_all (i32.const 102) end)

  (func (export "uncaught from a clause") (param i32)
    try (throw $a) catch $a (call $pick (local.get 0)) catch_all (unreachable) end)

  (func (export "a try in a clause") (param i32 i32) (result i32)
    try (result i32)
      (call $pick (local.get 0)) (i32.const 7)
      catch $a
        try (result i32)
          (call $pick (local.get 1)) (i32.const 20)
          catch $a (i32.const 21)
          catch $i32
          catch_all (i32.const 22) end
      catch_all (i32.const 9) end)

  ;; Parameters of the block are there in its body and gone in its clauses; what lies below stays.
  (func (export "parameters") (param i32) (result i32)
    (i32.const 1000)
    (i32.const 20) (i64.const 5)
    try (param i32 i64) (result i32)
      (call $pick (local.get 0)) (i32.wrap_i64) (i32.add)
      catch $a (i32.const 1)
      catch $i32
      catch_all (i32.const 2) end
    (i32.add))

  (func (export "many results") (param i32) (result i32 i64 i32)
    try (result i32 i64 i32)
      (call $pick (local.get 0)) (i32.const 1) (i64.const 2) (i32.const 3)
      catch $a (i32.const 4) (i64.const 5) (i32.const 6)
      catch $i32 (local.set 0) (i32.const 7) (i64.const 8) (local.get 0) end)

  (func (export "no result") (param i32)
    try (call $note (i32.const 1)) (call $pick (local.get 0)) (call $note (i32.const 2))
      catch $a (call $note (i32.const 3))
      catch_all (call $note (i32.const 4)) end
    (call $note (i32.const 5)))

  ;; Locals have the values that they had when the exception was thrown.
  (func (export "locals") (param $which i32) (result i64)
    (local $x i64) (local $y f64) (local $z i32)
    (local.set $x (i64.const 1))
    try
        (local.set $x (i64.const 20))
        (local.set $y (f64.const 300))
        (call $pick (local.get $which))
        (local.set $x (i64.const 4000))
        (local.set $z (i32.const 50000))
      catch $i32 (local.set $z)
      catch_all (local.set $y (f64.add (local.get $y) (f64.const 1))) end
    (i64.add (local.get $x)
      (i64.add (i64.trunc_f64_s (local.get $y)) (i64.extend_i32_s (local.get $z)))))

  (func (export "branch out of the body") (param i32) (result i32)
    (block $out (result i32)
      try $t (result i32)
        (br_if $out (i32.const 5) (i32.eqz (local.get 0))) (drop)
          (br_if $t (i32.const 6) (i32.eq (local.get 0) (i32.const 1))) (drop)
          (throw $i32 (local.get 0))
        catch $i32 (br $out) end
      (drop)
      (i32.const 9)))

  (func (export "branch out of a clause") (param i32) (result i32)
    (loop $again (result i32)
      try (result i32)
        (call $pick (local.get 0)) (i32.const 7)
        catch $i32 (drop) (local.set 0 (i32.const 0)) (br $again)
        catch $b (local.set 0 (i32.const 3)) (br $again)
        catch $a (return (i32.const 99)) end))

  (func (export "a body that ends in a branch") (result i32)
    try $t (result i32) (br $t (i32.const 3)) catch_all (i32.const 4) end)

  (func (export "clauses that nothing reaches") (result i32)
    try (result i32)
      (i32.const 1)
      catch $pair (i32.wrap_i64) (i32.add) (call $pick (i32.const 1)) (drop) (return (i32.const 5))
      catch_all (unreachable) end)

  (func (export "unreachable try") (result i32)
    (block (result i32)
      (br 0 (i32.const 6))
      try (result i32)
        try (throw $a) catch $i32 (drop) catch_all (rethrow 0) end (i32.const 1)
        catch $a try  delegate 0 (i32.const 2)
        catch_all (if (i32.const 1) (then) (else)) (i32.const 3) end))

  (func (export "a clause behind an unreachable end") (param i32) (result i32)
    try (result i32)
      (call $pick (local.get 0)) (return (i32.const 7))
      catch $a (return (i32.const 8))
      catch $b (unreachable)
      catch_all (i32.const 9) end)

  (func (export "a loop around a try") (param $n i32) (result i32)
    (local $sum i32)
    (loop $next
      try
          (if (i32.and (local.get $n) (i32.const 1)) (then (throw $i32 (local.get $n))))
          (local.set $sum (i32.add (local.get $sum) (i32.const 1000000)))
        catch $i32 (local.set $sum (i32.add (local.get $sum))) end
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))

  (func (export "a loop in a try") (param $n i32) (result i32)
    try (result i32)
        (loop $next
          (if (i32.eq (local.get $n) (i32.const 3)) (then (throw $i32 (i32.mul (local.get $n) (i32.const 100)))))
          (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.const -1)
      catch $i32 end)

  (func $deep (param i32)
    (if (i32.eqz (local.get 0)) (then (throw $pair (i32.const 40) (i64.const 2))))
    (call $deep (i32.sub (local.get 0) (i32.const 1)))
    (call $note (i32.const 1)))

  (func (export "through many frames") (param i32) (result i32)
    try (result i32)
      (call $deep (local.get 0)) (i32.const 0)
      catch $a (i32.const 1)
      catch $pair (i32.wrap_i64) (i32.add) end)

  ;; Each frame catches what those inside of it throw, and throws another.
  (func $ladder (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then
        try (result i32)
          (call $ladder (i32.sub (local.get 0) (i32.const 1)))
          catch $i32 (throw $i32 (i32.add (i32.const 1))) end)
      (else (throw $i32 (i32.const 0)))))

  (func (export "a ladder") (param i32) (result i32)
    try (result i32) (call $ladder (local.get 0)) catch $i32 end)
  (func $div (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "traps are not caught") (param i32 i32) (result i32)
    try (result i32)
      try (result i32) (call $div (local.get 0) (local.get 1)) catch $a (i32.const 1) end
      catch_all (i32.const 2) end)

  (func (export "a trap in the body") try (unreachable) catch_all end)
  (func $endless (call $endless) (call $note (i32.const 1)))
  (func (export "an exhausted stack is not caught") try (call $endless) catch_all end)
  (type $none (func))
  (table funcref (elem $throw_a))
  (func $throw_a (throw $a))
  (func (export "a call through a table") (result i32)
    try (result i32) (call_indirect (type $none) (i32.const 0)) (i32.const 1) catch $a (i32.const 2) end)

  (func (export "a tail call leaves the body")
    try (return_call $throw_a) catch_all end)

  (func (export "a tail call through a table leaves the body")
    try (return_call_indirect (type $none) (i32.const 0)) catch_all end)

  (func (export "a tail call, caught by the caller") (result i32)
    try (result i32) (call $tail) (i32.const 1) catch $a (i32.const 2) catch_all (i32.const 3) end)
  (func $tail try (return_call $throw_a) catch_all end)
)

(assert_return (invoke "no clause" (i32.const 0)) (i32.const 7))
(assert_exception (invoke "no clause" (i32.const 1)))
(assert_return (invoke "one clause" (i32.const 0)) (i32.const 7))
(assert_return (invoke "one clause" (i32.const 1)) (i32.const 8))
(assert_exception (invoke "one clause" (i32.const 2)))
(assert_exception (invoke "one clause" (i32.const 4)))
(assert_trap (invoke "one clause" (i32.const 5)) "unreachable")
(assert_return (invoke "many clauses" (i32.const 0)) (i32.const 7))
(assert_return (invoke "many clauses" (i32.const 1)) (i32.const 8))
(assert_return (invoke "many clauses" (i32.const 2)) (i32.const 9))
(assert_return (invoke "many clauses" (i32.const 3)) (i32.const 34))
(assert_return (invoke "many clauses" (i32.const 4)) (i32.const 46))
(assert_return (invoke "the first of two equal clauses" (i32.const 0)) (i32.const 7))
(assert_return (invoke "the first of two equal clauses" (i32.const 1)) (i32.const 8))
(assert_return (invoke "the first of two equal clauses" (i32.const 2)) (i32.const 800))
(assert_return (invoke "all" (i32.const 0)) (i32.const 7))
(assert_return (invoke "all" (i32.const 1)) (i32.const 8))
(assert_return (invoke "all" (i32.const 3)) (i32.const 8))
(assert_return (invoke "all" (i32.const 4)) (i32.const 8))
(assert_trap (invoke "all" (i32.const 5)) "unreachable")
(assert_return (invoke "nested" (i32.const 0)) (i32.const 7))
(assert_return (invoke "nested" (i32.const 1)) (i32.const 8))
(assert_return (invoke "nested" (i32.const 2)) (i32.const 9))
(assert_return (invoke "nested" (i32.const 3)) (i32.const 33))
(assert_return (invoke "nested" (i32.const 4)) (i32.const 10))
(assert_return (invoke "outside of a try that is over" (i32.const 0)) (i32.const 7))
(assert_exception (invoke "outside of a try that is over" (i32.const 1)))

(assert_return (invoke "clauses cover no clauses" (i32.const 0) (i32.const 1)) (i32.const 7))
(assert_return (invoke "clauses cover no clauses" (i32.const 1) (i32.const 0)) (i32.const 8))
(assert_return (invoke "clauses cover no clauses" (i32.const 1) (i32.const 1)) (i32.const 100))
(assert_return (invoke "clauses cover no clauses" (i32.const 1) (i32.const 2)) (i32.const 101))
(assert_return (invoke "clauses cover no clauses" (i32.const 1) (i32.const 3)) (i32.const 102))
(assert_return (invoke "clauses cover no clauses" (i32.const 2) (i32.const 0)) (i32.const 9))
(assert_return (invoke "clauses cover no clauses" (i32.const 2) (i32.const 1)) (i32.const 100))
(assert_return (invoke "clauses cover no clauses" (i32.const 2) (i32.const 2)) (i32.const 101))
(assert_return (invoke "clauses cover no clauses" (i32.const 3) (i32.const 0)) (i32.const 10))
(assert_return (invoke "clauses cover no clauses" (i32.const 3) (i32.const 2)) (i32.const 101))
(assert_return (invoke "clauses cover no clauses" (i32.const 4) (i32.const 4)) (i32.const 102))
(assert_return (invoke "uncaught from a clause" (i32.const 0)))
(assert_exception (invoke "uncaught from a clause" (i32.const 1)))
(assert_exception (invoke "uncaught from a clause" (i32.const 2)))
(assert_return (invoke "a try in a clause" (i32.const 0) (i32.const 1)) (i32.const 7))
(assert_return (invoke "a try in a clause" (i32.const 1) (i32.const 0)) (i32.const 20))
(assert_return (invoke "a try in a clause" (i32.const 1) (i32.const 1)) (i32.const 21))
(assert_return (invoke "a try in a clause" (i32.const 1) (i32.const 3)) (i32.const 33))
(assert_return (invoke "a try in a clause" (i32.const 1) (i32.const 4)) (i32.const 22))
(assert_return (invoke "a try in a clause" (i32.const 2) (i32.const 1)) (i32.const 9))

(assert_return (invoke "parameters" (i32.const 0)) (i32.const 1025))
(assert_return (invoke "parameters" (i32.const 1)) (i32.const 1001))
(assert_return (invoke "parameters" (i32.const 3)) (i32.const 1033))
(assert_return (invoke "parameters" (i32.const 4)) (i32.const 1002))
(assert_return (invoke "many results" (i32.const 0)) (i32.const 1) (i64.const 2) (i32.const 3))
(assert_return (invoke "many results" (i32.const 1)) (i32.const 4) (i64.const 5) (i32.const 6))
(assert_return (invoke "many results" (i32.const 3)) (i32.const 7) (i64.const 8) (i32.const 33))
(assert_exception (invoke "many results" (i32.const 2)))
(assert_return (invoke "no result" (i32.const 0)))
(assert_return (invoke "trace") (i32.const 125))
(assert_return (invoke "no result" (i32.const 1)))
(assert_return (invoke "trace") (i32.const 135))
(assert_return (invoke "no result" (i32.const 4)))
(assert_return (invoke "trace") (i32.const 145))
(assert_return (invoke "locals" (i32.const 0)) (i64.const 54300))
(assert_return (invoke "locals" (i32.const 1)) (i64.const 321))
(assert_return (invoke "locals" (i32.const 3)) (i64.const 353))

(assert_return (invoke "branch out of the body" (i32.const 0)) (i32.const 5))
(assert_return (invoke "branch out of the body" (i32.const 1)) (i32.const 9))
(assert_return (invoke "branch out of the body" (i32.const 77)) (i32.const 77))
(assert_return (invoke "branch out of a clause" (i32.const 0)) (i32.const 7))
(assert_return (invoke "branch out of a clause" (i32.const 1)) (i32.const 99))
(assert_return (invoke "branch out of a clause" (i32.const 2)) (i32.const 7))
(assert_return (invoke "branch out of a clause" (i32.const 3)) (i32.const 7))
(assert_exception (invoke "branch out of a clause" (i32.const 4)))
(assert_return (invoke "a body that ends in a branch") (i32.const 3))
(assert_return (invoke "clauses that nothing reaches") (i32.const 1))
(assert_return (invoke "unreachable try") (i32.const 6))
(assert_return (invoke "a clause behind an unreachable end" (i32.const 0)) (i32.const 7))
(assert_return (invoke "a clause behind an unreachable end" (i32.const 1)) (i32.const 8))
(assert_trap (invoke "a clause behind an unreachable end" (i32.const 2)) "unreachable")
(assert_return (invoke "a clause behind an unreachable end" (i32.const 3)) (i32.const 9))
(assert_return (invoke "a loop around a try" (i32.const 10)) (i32.const 5000025))
(assert_return (invoke "a loop in a try" (i32.const 10)) (i32.const 300))
(assert_return (invoke "a loop in a try" (i32.const 2)) (i32.const -1))
(assert_return (invoke "through many frames" (i32.const 0)) (i32.const 42))
(assert_return (invoke "through many frames" (i32.const 1000)) (i32.const 42))
(assert_return (invoke "trace") (i32.const 0))
(assert_return (invoke "a ladder" (i32.const 0)) (i32.const 0))
(assert_return (invoke "a ladder" (i32.const 200)) (i32.const 200))

(assert_return (invoke "traps are not caught" (i32.const 8) (i32.const 2)) (i32.const 4))
(assert_trap (invoke "traps are not caught" (i32.const 8) (i32.const 0)) "integer divide by zero")
(assert_trap (invoke "a trap in the body") "unreachable")
(assert_exhaustion (invoke "an exhausted stack is not caught") "call stack exhausted")
(assert_return (invoke "a call through a table") (i32.const 2))
(assert_exception (invoke "a tail call leaves the body"))
(assert_exception (invoke "a tail call through a table leaves the body"))
(assert_return (invoke "a tail call, caught by the caller") (i32.const 2))

;; A tag of the same type is another tag.
(module
  (func $throw (import "other" "throw") (param i32))
  (tag $mine (param i32))
  (func (export "another tag") (result i32)
    try (result i32)
      try (result i32) (call $throw (i32.const 1)) (i32.const 2) catch $mine (drop) (i32.const 3) end
      catch_all (i32.const 4) end))
(assert_return (invoke "another tag") (i32.const 4))

(assert_invalid (module (func catch_all)) "catch_all")
(assert_invalid (module (tag $e) (func catch $e)) "catch")
(assert_invalid (module (func try catch_all catch_all end)) "catch_all")
(assert_invalid (module (tag $e) (func try catch_all catch $e end)) "catch")
(assert_invalid (module (func (result i32) try (result i32)  end)) "type mismatch")
(assert_invalid (module (func try (i32.const 1) end)) "type mismatch")
(assert_invalid (module (tag) (func try  catch 0 (i32.const 1) end)) "type mismatch")
(assert_invalid (module (tag (param i32)) (func try  catch 0 end)) "type mismatch")
(assert_invalid (module (func (result i32) try (result i32) (i32.const 1) catch_all end)) "type mismatch")
(assert_invalid (module (tag) (func (param i64) (local.get 0) try (param i64) (drop) catch 0 (drop) end))
  "type mismatch")
(assert_invalid (module (func try  catch 0 end)) "unknown tag")

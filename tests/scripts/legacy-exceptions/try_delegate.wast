;; `try` with `delegate`: where what its body throws is caught.

(module
  (tag $a)
  (tag $b)
  (tag $i32 (param i32))

  ;; 0 throws nothing, 1 $a, 2 $b, all others $i32.
  (func $pick (param i32)
    (block $other (block $b (block $a (block $none
      (br_table $none $a $b $other (local.get 0)))
      (return))
      (throw $a))
      (throw $b))
    (throw $i32 (local.get 0)))

  (func (export "nothing thrown") (result i32)
    try $t (result i32) try (result i32) (i32.const 1) delegate $t catch_all (i32.const 2) end)

  (func (export "to the try around it") (param i32) (result i32)
    try $t (result i32)
      try (result i32) (call $pick (local.get 0)) (i32.const 1) delegate $t
      catch $a (i32.const 2)
      catch $i32 end)

  (func (export "past a try") (param i32) (result i32)
    try $outer (result i32)
        try (result i32)
          try (result i32) (call $pick (local.get 0)) (i32.const 1) delegate $outer
          catch $a (i32.const 2)
          catch $i32 end
      catch $a (i32.const 3)
      catch_all (i32.const 4) end)

  (func (export "to a block") (param i32) (result i32)
    try (result i32)
        (block $b
          try
            (loop $l try (call $pick (local.get 0)) delegate $b)
            catch_all (unreachable) end)
        (i32.const 1)
      catch $a (i32.const 2)
      catch_all (i32.const 3) end)

  (func (export "to a loop") (param i32) (result i32)
    try (result i32)
      (loop $l try (call $pick (local.get 0)) delegate $l) (i32.const 1)
      catch_all (i32.const 3) end)

  (func (export "to either arm of an if") (param i32 i32) (result i32)
    try (result i32)
        (if $if (result i32) (local.get 1)
          (then try (result i32) (call $pick (local.get 0)) (i32.const 1) delegate $if)
          (else try (result i32) (call $pick (local.get 0)) (i32.const 2) delegate $if))
      catch $a (i32.const 3)
      catch_all (i32.const 4) end)

  (func (export "to the caller") (param i32)
    try try (call $pick (local.get 0)) delegate 1 catch_all (unreachable) end)

  (func (export "to the caller, from the outermost try") (param i32)
    try (call $pick (local.get 0)) delegate 0)
  (func $to_caller (param i32)
    try try (call $pick (local.get 0)) delegate 1 catch_all (unreachable) end)

  (func (export "to a caller that catches") (param i32) (result i32)
    try (result i32) (call $to_caller (local.get 0)) (i32.const 1) catch $a (i32.const 2) catch $i32 end)

  ;; From a clause of a `try`, that label means what is outside of the `try`.
  (func (export "to the clause around it") (param i32) (result i32)
    try (result i32)
        try $t (result i32)
          (throw $b)
          catch $a (unreachable)
          catch $b try (result i32) (call $pick (local.get 0)) (i32.const 1) delegate $t
          catch_all (unreachable) end
      catch $a (i32.const 2)
      catch_all (i32.const 3) end)

  (func (export "to a try outside of a clause") (param i32) (result i32)
    try $outer (result i32)
        try (result i32)
            try (result i32)
              (throw $b)
              catch_all try (result i32) (call $pick (local.get 0)) (i32.const 1) delegate $outer end
          catch_all (i32.const 9) end
      catch $a (i32.const 2)
      catch_all (i32.const 3) end)

  ;; Where one `delegate` leads to another, that one decides.
  (func (export "a chain") (param i32) (result i32)
    try $last (result i32)
        try (result i32)
            try $middle (result i32)
                try (result i32)
                  try (result i32) (call $pick (local.get 0)) (i32.const 1) delegate $middle
                  catch_all (i32.const 10) end
              delegate $last
          catch_all (i32.const 11) end
      catch $a (i32.const 2)
      catch_all (i32.const 3) end)

  ;; A `delegate` inside of one that goes further out still reaches what is between.
  (func (export "inside of one that goes further") (param i32) (result i32)
    try $far (result i32)
        try $near (result i32)
            try (result i32)
              try (result i32) (call $pick (local.get 0)) (i32.const 1) delegate $near
              delegate $far
          catch $a (i32.const 2)
          catch $i32 (i32.add (i32.const 1)) end
      catch $a (i32.const 20)
      catch $b (i32.const 30)
      catch_all (i32.const 40) end)

  ;; A `try` that catches, inside of one that delegates.
  (func (export "a clause inside") (param i32) (result i32)
    try $far (result i32)
        try (result i32)
            try (result i32)
                try (result i32)
                  (call $pick (local.get 0)) (i32.const 1)
                  catch $a (i32.const 2)
                  catch $i32 (throw $i32 (i32.add (i32.const 100))) end
              delegate $far
          catch_all (i32.const 10) end
      catch $b (i32.const 3)
      catch $i32 end)

  (func (export "behind it nothing is delegated") (param i32 i32) (result i32)
    try $far (result i32)
        try (result i32)
            try (call $pick (local.get 0)) delegate $far
            (call $pick (local.get 1))
            (i32.const 1)
          catch_all (i32.const 2) end
      catch_all (i32.const 3) end)

  (func (export "parameters and results") (param i32) (result i64 i32)
    try $t (result i64 i32)
        (i64.const 1000) (i32.const 4) (i64.const 5)
        try (param i32 i64) (result i64 i32)
          (call $pick (local.get 0)) (i64.add (i64.const 1)) (local.set 0 (i32.const 3)) (drop) (drop) (i64.const 8)
            (local.get 0)
          delegate $t
        (local.set 0) (i64.add) (local.get 0)
      catch $i32 (local.set 0) (i64.const -1) (local.get 0)
      catch_all (i64.const -2) (i32.const -2) end)

  (func (export "a branch out of it") (param i32) (result i32)
    (block $out (result i32)
      try $t (result i32)
          try $d (result i32)
              (br_if $d (i32.const 1) (i32.eqz (local.get 0)))
              (br_if $out (i32.eq (local.get 0) (i32.const 10)))
              (call $pick (local.get 0))
            delegate $t
        catch_all (i32.const 5) end))

  (func (export "an empty body") (result i32)
    try  delegate 0
    (i32.const 1))

  (func (export "unreachable code") (param i32) (result i32)
    try $t (result i32)
        try (result i32)
            (br $t (i32.const 4))
            try (call $pick (i32.const 1)) delegate $t
            (i32.const 5)
          delegate $t
      catch_all (i32.const 6) end)

  (func (export "a try that ends where nothing is reached") (param i32) (result i32)
    try $t (result i32)
      try (call $pick (local.get 0)) (return (i32.const 1)) delegate $t (unreachable)
      catch_all (i32.const 2) end)

  (func $throw_a (throw $a))
  (func (export "a tail call")
    try $t try (return_call $throw_a) delegate $t catch_all (unreachable) end)
)

(assert_return (invoke "nothing thrown") (i32.const 1))
(assert_return (invoke "to the try around it" (i32.const 0)) (i32.const 1))
(assert_return (invoke "to the try around it" (i32.const 1)) (i32.const 2))
(assert_exception (invoke "to the try around it" (i32.const 2)))
(assert_return (invoke "to the try around it" (i32.const 35)) (i32.const 35))
(assert_return (invoke "past a try" (i32.const 0)) (i32.const 1))
(assert_return (invoke "past a try" (i32.const 1)) (i32.const 3))
(assert_return (invoke "past a try" (i32.const 2)) (i32.const 4))
(assert_return (invoke "past a try" (i32.const 35)) (i32.const 4))
(assert_return (invoke "to a block" (i32.const 0)) (i32.const 1))
(assert_return (invoke "to a block" (i32.const 1)) (i32.const 2))
(assert_return (invoke "to a block" (i32.const 2)) (i32.const 3))
(assert_return (invoke "to a loop" (i32.const 0)) (i32.const 1))
(assert_return (invoke "to a loop" (i32.const 1)) (i32.const 3))
(assert_return (invoke "to either arm of an if" (i32.const 0) (i32.const 1)) (i32.const 1))
(assert_return (invoke "to either arm of an if" (i32.const 0) (i32.const 0)) (i32.const 2))
(assert_return (invoke "to either arm of an if" (i32.const 1) (i32.const 1)) (i32.const 3))
(assert_return (invoke "to either arm of an if" (i32.const 2) (i32.const 0)) (i32.const 4))
(assert_return (invoke "to the caller" (i32.const 0)))
(assert_exception (invoke "to the caller" (i32.const 1)))
(assert_return (invoke "to the caller, from the outermost try" (i32.const 0)))
(assert_exception (invoke "to the caller, from the outermost try" (i32.const 1)))
(assert_return (invoke "to a caller that catches" (i32.const 0)) (i32.const 1))
(assert_return (invoke "to a caller that catches" (i32.const 1)) (i32.const 2))
(assert_exception (invoke "to a caller that catches" (i32.const 2)))
(assert_return (invoke "to a caller that catches" (i32.const 6)) (i32.const 6))
(assert_return (invoke "to the clause around it" (i32.const 0)) (i32.const 1))
(assert_return (invoke "to the clause around it" (i32.const 1)) (i32.const 2))
(assert_return (invoke "to the clause around it" (i32.const 2)) (i32.const 3))
(assert_return (invoke "to a try outside of a clause" (i32.const 0)) (i32.const 1))
(assert_return (invoke "to a try outside of a clause" (i32.const 1)) (i32.const 2))
(assert_return (invoke "to a try outside of a clause" (i32.const 2)) (i32.const 3))
(assert_return (invoke "a chain" (i32.const 0)) (i32.const 1))
(assert_return (invoke "a chain" (i32.const 1)) (i32.const 2))
(assert_return (invoke "a chain" (i32.const 2)) (i32.const 3))
(assert_return (invoke "inside of one that goes further" (i32.const 0)) (i32.const 1))
(assert_return (invoke "inside of one that goes further" (i32.const 1)) (i32.const 2))
(assert_return (invoke "inside of one that goes further" (i32.const 2)) (i32.const 30))
(assert_return (invoke "inside of one that goes further" (i32.const 7)) (i32.const 8))
(assert_return (invoke "a clause inside" (i32.const 0)) (i32.const 1))
(assert_return (invoke "a clause inside" (i32.const 1)) (i32.const 2))
(assert_return (invoke "a clause inside" (i32.const 2)) (i32.const 3))
(assert_return (invoke "a clause inside" (i32.const 7)) (i32.const 107))
(assert_return (invoke "behind it nothing is delegated" (i32.const 0) (i32.const 0)) (i32.const 1))
(assert_return (invoke "behind it nothing is delegated" (i32.const 1) (i32.const 0)) (i32.const 3))
(assert_return (invoke "behind it nothing is delegated" (i32.const 0) (i32.const 1)) (i32.const 2))
(assert_return (invoke "parameters and results" (i32.const 0)) (i64.const 1008) (i32.const 3))
(assert_return (invoke "parameters and results" (i32.const 1)) (i64.const -2) (i32.const -2))
(assert_return (invoke "parameters and results" (i32.const 44)) (i64.const -1) (i32.const 44))
(assert_return (invoke "a branch out of it" (i32.const 0)) (i32.const 1))
(assert_return (invoke "a branch out of it" (i32.const 10)) (i32.const 1))
(assert_return (invoke "a branch out of it" (i32.const 1)) (i32.const 5))
(assert_return (invoke "an empty body") (i32.const 1))
(assert_return (invoke "unreachable code" (i32.const 0)) (i32.const 4))
(assert_return (invoke "a try that ends where nothing is reached" (i32.const 0)) (i32.const 1))
(assert_return (invoke "a try that ends where nothing is reached" (i32.const 1)) (i32.const 2))
(assert_exception (invoke "a tail call"))

(assert_invalid (module (func delegate 0)) "delegate")
(assert_invalid (module (tag $e) (func try catch $e delegate 0)) "delegate")
(assert_invalid (module (func try catch_all delegate 0)) "delegate")
(assert_invalid (module (func block delegate 0)) "delegate")
(assert_invalid (module (func try delegate 0 end)) "operators remaining")
(assert_invalid (module (func try  delegate 1)) "unknown label")
(assert_invalid (module (func (result i32) try (result i32)  delegate 0)) "type mismatch")

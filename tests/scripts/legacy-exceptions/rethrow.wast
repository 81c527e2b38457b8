;; `rethrow`: whose exception is thrown on, and where it is caught.

(module
  (tag $a)
  (tag $i32 (param i32))
  (tag $pair (param i64 f32))

  (func (export "to the caller") try (throw $a) catch $a (rethrow 0) end)
  (func (export "to the caller, of all") try (throw $a) catch_all (rethrow 0) end)
  (func (export "to the try around it") (param i32) (result i32)
    try (result i32)
        try (result i32)
          (throw $i32 (local.get 0))
          catch $i32 (if (i32.eqz) (then (rethrow 1))) (i32.const 1) end
      catch $i32 (i32.add (i32.const 10)) end)

  (func (export "not to its own try") (result i32)
    try (result i32)
      try (result i32) (throw $i32 (i32.const 1)) catch $i32 (drop) (rethrow 0) catch_all (i32.const 2) end
      catch $i32 (i32.add (i32.const 5)) end)

  ;; The label names a clause at any depth.
  (func (export "of an outer clause") (param i32) (result i32)
    try (result i32)
        try $outer (result i32)
          (throw $i32 (i32.const 100))
          catch $i32
            (drop)
            try $inner (result i32)
              (throw $i32 (i32.const 200))
              catch $i32
                (drop)
                (block $deeper (result i32)
                  (loop (result i32)
                    (if (local.get 0) (then (rethrow $outer)) (else (rethrow $inner)))
                    (i32.const 0))) end end
      catch $i32 end)

  ;; In a body inside of the clause, the `try` of the body has the first say.
  (func (export "into the try inside of the clause") (param i32) (result i32)
    try (result i32)
        try $outer (result i32)
          (throw $i32 (i32.const 7))
          catch $i32
            (drop)
            try (result i32)
              (if (local.get 0) (then (rethrow $outer))) (i32.const 1)
              catch $i32 (i32.add (i32.const 1000)) end end
      catch $i32 (i32.add (i32.const 100)) end)

  (func (export "through a delegate") (result i32)
    try $far (result i32)
        try (result i32)
            try $t (result i32)
              (throw $i32 (i32.const 7))
              catch_all try (result i32) (rethrow $t) delegate $far end
          catch_all (i32.const -1) end
      catch $i32 end)

  ;; Fields are those that were thrown, whatever has been done with them.
  (func (export "fields stay") (result i64 f32)
    (local $x i64) (local $y f32)
    try (result i64 f32)
        try (result i64 f32)
          (throw $pair (i64.const 5) (f32.const 1.5))
          catch $pair
            (local.set $y (f32.const 9)) (drop) (local.set $x) (local.set $x (i64.const 8)) (rethrow 0) end
      catch $pair end)

  ;; Calls and other exceptions come between; also one that is not caught by name.
  (func $others (param i32) (result i32)
    try (result i32) (throw $i32 (local.get 0)) catch $i32 end)

  (func (export "after others") (param i32) (result i64 f32)
    try (result i64 f32)
        try (result i64 f32)
          (throw $pair (i64.const 6) (f32.const 2.5))
          catch_all
            (loop $again
              (if (i32.ne (call $others (local.get 0)) (local.get 0)) (then (unreachable)))
              (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (rethrow 0) end
      catch $pair end)

  ;; Up through all clauses, one by one.
  (func $up (param i32)
    (if (i32.eqz (local.get 0)) (then (throw $i32 (i32.const 3))))
    try (call $up (i32.sub (local.get 0) (i32.const 1))) catch_all (rethrow 0) end)

  (func (export "up") (param i32) (result i32)
    try (result i32) (call $up (local.get 0)) (i32.const 0) catch $i32 end)

  ;; A loop comes to the same clause again, with another exception.
  (func (export "in a loop") (param $n i32) (result i32)
    (local $sum i32)
    (loop $again
      try
          try
            (throw $i32 (local.get $n))
            catch $i32 (drop) (rethrow 0) end
        catch $i32 (local.set $sum (i32.add (local.get $sum))) end
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))

  (func (export "where nothing is reached") (result i32)
    try (result i32)
      (throw $a)
      catch $a (br 0 (i32.const 3)) (rethrow 0) end)

  (func (export "with operands below") (result i32)
    try (result i32)
        (i32.const 1) (i64.const 2)
        try (throw $a) catch_all (f32.const 1) (f64.const 2) (rethrow 0) end
        (drop)
      catch $a (i32.const 9) end)
)

(assert_exception (invoke "to the caller"))
(assert_exception (invoke "to the caller, of all"))
(assert_return (invoke "to the try around it" (i32.const 0)) (i32.const 10))
(assert_return (invoke "to the try around it" (i32.const 5)) (i32.const 1))
(assert_return (invoke "not to its own try") (i32.const 6))
(assert_return (invoke "of an outer clause" (i32.const 1)) (i32.const 100))
(assert_return (invoke "of an outer clause" (i32.const 0)) (i32.const 200))
(assert_return (invoke "into the try inside of the clause" (i32.const 0)) (i32.const 1))
(assert_return (invoke "into the try inside of the clause" (i32.const 1)) (i32.const 1007))
(assert_return (invoke "through a delegate") (i32.const 7))
(assert_return (invoke "fields stay") (i64.const 5) (f32.const 1.5))
(assert_return (invoke "after others" (i32.const 1)) (i64.const 6) (f32.const 2.5))
(assert_return (invoke "after others" (i32.const 10000)) (i64.const 6) (f32.const 2.5))
(assert_return (invoke "up" (i32.const 0)) (i32.const 3))
(assert_return (invoke "up" (i32.const 100)) (i32.const 3))
(assert_return (invoke "in a loop" (i32.const 100)) (i32.const 5050))
(assert_return (invoke "where nothing is reached") (i32.const 3))
(assert_return (invoke "with operands below") (i32.const 9))

(assert_invalid (module (func (rethrow 0))) "invalid rethrow label")
(assert_invalid (module (func (block (rethrow 0)))) "invalid rethrow label")
(assert_invalid (module (func try (rethrow 0) delegate 0)) "invalid rethrow label")
(assert_invalid (module (func try (rethrow 0) catch_all end)) "invalid rethrow label")
(assert_invalid (module (func try  catch_all (block (rethrow 0)) end)) "invalid rethrow label")
(assert_invalid (module (func try  catch_all (rethrow 2) end)) "unknown label")

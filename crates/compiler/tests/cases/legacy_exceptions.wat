;; The exception instructions that came before `try_table`: which clauses cover what, and where `delegate` leads.
;; invoke caught 3 => 1
;; invoke caught 5 => 6
;; invoke clauses 0 => 0
;; invoke clauses 5 => 105
;; invoke clauses -5 => -1
;; invoke delegated 5 => 15
;; invoke delegated 2 => 0
;; invoke rethrown 5 => 10
;; invoke rethrown 2 => 0
;; invoke crossed 5 => 5
(module
  (tag $t (param i32))
  (tag $u)
  (func $throw (param i32)
    (if (i32.gt_s (local.get 0) (i32.const 3)) (then (throw $t (local.get 0))))
    (if (i32.lt_s (local.get 0) (i32.const 0)) (then (throw $u))))
  (func (export "caught") (param i32) (result i32)
    try (result i32)
      (call $throw (local.get 0))
      (i32.const 1)
    catch $t
      (i32.add (i32.const 1))
    end)
  ;; What a clause throws goes to the `try` outside.
  (func (export "clauses") (param i32) (result i32)
    try (result i32)
      try (result i32)
        (call $throw (local.get 0))
        (i32.const 0)
      catch $t
        (call $throw (i32.add (i32.const 100)))
        (i32.const -3)
      catch_all
        (i32.const -1)
      end
    catch $t
    catch_all
      (i32.const -2)
    end)
  (func (export "delegated") (param i32) (result i32)
    try $far (result i32)
      try (result i32)
        try
          (call $throw (local.get 0))
        delegate $far
        (i32.const 0)
      catch_all
        (i32.const -1)
      end
    catch $t
      (i32.add (i32.const 10))
    end)
  (func (export "rethrown") (param i32) (result i32)
    try (result i32)
      try $inner
        (call $throw (local.get 0))
      catch_all
        (block (call $throw (i32.const 0)) (rethrow $inner))
      end
      (i32.const 0)
    catch $t
      (i32.mul (i32.const 2))
    end)
  (func (export "crossed") (param i32) (result i32)
    (block $l (result i32)
      (try_table (catch $t $l)
        try (call $throw (local.get 0)) catch_all (rethrow 0) end)
      (i32.const -1))))

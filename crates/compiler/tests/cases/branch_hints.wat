;; A branch that is unlikely leads over a cold edge; one that is likely leaves what follows it cold.
;; invoke unlikely 1 0 => 1
;; invoke br_unlikely 0 => 7
;; invoke br_likely 3 => 7
(module
  (func (export "unlikely") (param i32 i32) (result i32)
    (@metadata.code.branch_hint "\00")
    (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 2))))
  (func (export "br_unlikely") (param i32) (result i32)
    (block (result i32)
      (i32.const 7)
      (local.get 0)
      (@metadata.code.branch_hint "\00")
      (br_if 0)
      (i32.add (local.get 0))))
  (func (export "br_likely") (param i32) (result i32)
    (block (result i32)
      (i32.const 7)
      (local.get 0)
      (@metadata.code.branch_hint "\01")
      (br_if 0)
      (i32.add (local.get 0)))))

;; Typed function references: a call needs no check of a signature, and its null check is its first load.
;; invoke by_reference 20 => 21
;; invoke by_null 1 => trap: null reference
;; invoke tail 20 => 21
;; invoke or_else 5 => 5
(module
  (type $unary (func (param i32) (result i32)))
  (global $add (ref $unary) (ref.func $one_more))
  (global $none (ref null $unary) (ref.null $unary))
  (func $one_more (type $unary) (i32.add (local.get 0) (i32.const 1)))
  (func (export "by_reference") (param i32) (result i32) (call_ref $unary (local.get 0) (global.get $add)))
  (func (export "by_null") (param i32) (result i32) (call_ref $unary (local.get 0) (global.get $none)))
  (func (export "tail") (param i32) (result i32) (return_call_ref $unary (local.get 0) (global.get $add)))
  (func (export "or_else") (param i32) (result i32)
    (block $null
      (return (call_ref $unary (local.get 0) (br_on_null $null (global.get $none)))))
    (local.get 0)))

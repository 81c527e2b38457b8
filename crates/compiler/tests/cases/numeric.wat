;; Some of each shape of arithmetic.
;; invoke div -7 2 => -3
;; invoke extend 255 => -1
(module
  (func (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "rem") (param i64 i64) (result i64) (i64.rem_s (local.get 0) (local.get 1)))
  (func (export "less") (param i32 i32) (result i32) (i32.lt_u (local.get 0) (local.get 1)))
  (func (export "zero") (param i64) (result i32) (i64.eqz (local.get 0)))
  (func (export "extend") (param i32) (result i32) (i32.extend8_s (local.get 0)))
  (func (export "rotate") (param i64 i64) (result i64) (i64.rotl (local.get 0) (local.get 1)))
  (func (export "round") (param f64) (result f64)
    (f64.add (f64.nearest (local.get 0)) (f64.add (f64.ceil (local.get 0)) (f64.floor (local.get 0)))))
  (func (export "trap") (param f32) (result i32) (i32.trunc_f32_u (local.get 0)))
  (func (export "saturate") (param f64) (result i64) (i64.trunc_sat_f64_s (local.get 0)))
  (func (export "convert") (param i64) (result f32) (f32.convert_i64_u (local.get 0)))
  (func (export "bits") (param f32) (result i32) (i32.reinterpret_f32 (f32.copysign (local.get 0) (f32.const -nan))))
  (func (export "choose") (param f64 f64 i32) (result f64) (select (local.get 0) (local.get 1) (local.get 2))))

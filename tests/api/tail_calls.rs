//! Tail calls: any depth in constant stack, between instances too, whatever travels on the stack.

use crate::support::{engines_with, module};
use epsilon::{Config, Engine, Instance, Linker, Store};

/// Far more frames than the wasm stack of these tests has room for.
const DEPTH: i64 = 300_000;

fn small_stack() -> Vec<(&'static str, Engine)> {
    engines_with(|config: &mut Config| config.max_wasm_stack(256 << 10))
}

/// Two instances that tail-call each other: `ping` through the first one's table, `pong` through an import. `pong`
/// takes arguments on the stack and `ping` does not, so that each switch passes a different number of them.
fn ping_pong(engine: &Engine) -> (Store<()>, Instance) {
    let mut store = Store::new(engine, ());
    let mut linker = Linker::new(engine);
    let ping = module(
        engine,
        r#"(module
        (type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 f64 v128) (result i64)))
        (table (export "t") 1 funcref)
        (global $mine (mut i64) (i64.const 100))
        (func $ping (export "ping") (param $n i64) (param $sum i64) (result i64)
            (if (i64.eqz (local.get $n)) (then (return (local.get $sum))))
            (return_call_indirect (type $wide) (local.get $n) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)
                (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (local.get $sum) (f64.const 9)
                (v128.const i64x2 10 11) (i32.const 0)))
        (func (export "run") (param $n i64) (result i64) (local $before i64)
            (local.set $before (i64.const 5))
            (i64.add (i64.add (call $ping (local.get $n) (i64.const 0)) (local.get $before)) (global.get $mine))))"#,
    );
    let ping = linker.instantiate(&mut store, &ping).expect("an instance");
    linker.instance(&mut store, "ping", ping).expect("fresh names");
    let pong = module(
        engine,
        r#"(module
        (type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 f64 v128) (result i64)))
        (import "ping" "ping" (func $ping (param i64 i64) (result i64)))
        (import "ping" "t" (table 1 funcref))
        (global $mine (mut i64) (i64.const 0))
        (elem (i32.const 0) $pong)
        (func $pong (type $wide)
            (global.set $mine (i64.add (global.get $mine) (i64.const 1)))
            (return_call $ping (i64.sub (local.get 0) (i64.const 1))
                (i64.add (local.get 9) (i64.add (local.get 8) (i64x2.extract_lane 1 (local.get 11))))))
        (func (export "count") (result i64) (global.get $mine)))"#,
    );
    let pong = linker.instantiate(&mut store, &pong).expect("an instance");
    linker.instance(&mut store, "pong", pong).expect("fresh names");
    let test = module(
        engine,
        r#"(module (import "ping" "run" (func $run (param i64) (result i64)))
            (import "pong" "count" (func $count (result i64)))
            (func (export "run") (param i64) (result i64 i64) (call $run (local.get 0)) (call $count)))"#,
    );
    let test = linker.instantiate(&mut store, &test).expect("an instance");
    (store, test)
}

#[test]
fn tail_calls_between_instances_take_constant_stack() {
    for (name, engine) in small_stack() {
        let (mut store, test) = ping_pong(&engine);
        let run = test.get_typed_func::<i64, (i64, i64)>(&mut store, "run").expect("exported");
        // Each round adds 8 and 11; 105 come from the caller, whose own anchor and local must be back.
        assert_eq!(run.call(&mut store, 3).expect("no trap"), (3 * 19 + 105, 3), "{name}");
        assert_eq!(run.call(&mut store, DEPTH).expect("no trap"), (DEPTH * 19 + 105, DEPTH + 3), "{name}");
    }
}

#[test]
fn host_functions_can_be_tail_called() {
    for (name, engine) in small_stack() {
        let mut linker = Linker::<()>::new(&engine);
        type Nine = (i64, i64, i64, i64, i64, i64, i64, i64, i64);
        let sum = |a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: i64, i: i64| {
            let all: Nine = (a, b, c, d, e, f, g, h, i);
            all.0 + all.1 + all.2 + all.3 + all.4 + all.5 + all.6 + all.7 + 100 * all.8
        };
        linker.func_wrap("host", "sum", sum).expect("a fresh name");
        let module = module(
            &engine,
            r#"(module (import "host" "sum" (func $sum (param i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
            (func $tail (param i64) (result i64)
                (return_call $sum (local.get 0) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)
                    (i64.const 1) (i64.const 1) (i64.const 2)))
            (func (export "run") (param i64) (result i64)
                (i64.add (call $tail (local.get 0)) (call $tail (i64.const 1000)))))"#,
        );
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).expect("an instance");
        let run = instance.get_typed_func::<i64, i64>(&mut store, "run").expect("exported");
        assert_eq!(run.call(&mut store, 5).expect("no trap"), 5 + 1000 + 2 * 207, "{name}");
    }
}

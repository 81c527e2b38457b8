//! Calls between instances: arguments on the stack, traps and errors in the callee, and everything as before after
//! them.

use crate::names;
use crate::support::{Random, engines, module};
use epsilon::{Engine, Extern, Func, Instance, Store, Trap, TypedFunc};

const TYPES: &str = "i64 f64 i32 v128 i64 f32 i64 i64 i64 i64 f64 f64 f64 f64 f64 f64 f64 f64 v128 i32";

fn gets() -> String {
    (0..20).map(|n| format!("(local.get {n}) ")).collect()
}

/// The callee adds up its arguments, writes its own memory, and traps if the last argument is not zero.
fn callee() -> String {
    format!(
        r#"(module $callee (memory (export "memory") 1) (global $g (export "g") (mut i64) (i64.const 0))
            (type $t (func (param {TYPES}) (result f64 i64)))
            (func $last (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
            (func $add (export "add") (type $t)
                (global.set $g (i64.add (global.get $g) (i64.const 1)))
                (i64.store (i32.const 0) (local.get 9))
                (if (local.get 19) (then (drop (call $last (i32.sub (local.get 19) (i32.const 1))))))
                (f64.add (f64x2.extract_lane 1 (local.get 18)) (f64.add (local.get 1) (local.get 17)))
                (i64.add (i64.load (i32.const 0)) (i64x2.extract_lane 0 (local.get 3)))))"#
    )
}

/// The caller keeps values of its own across the call, in locals, in its memory and in a global.
fn caller(name: &str) -> String {
    format!(
        r#"(module ${name} (type $t (func (param {TYPES}) (result f64 i64)))
            (import "callee" "add" (func $add (type $t)))
            (memory (export "memory") 1) (global $g (export "g") (mut i64) (i64.const 0))
            (func ${name}_outer (export "add") (type $t) (local $f f64) (local $i i64) (local $before i64)
                (i64.store (i32.const 0) (i64.const 77))
                (local.set $before (global.get $g))
                (call $add {gets})
                (local.set $i) (local.set $f)
                (global.set $g (i64.add (local.get $before) (i64.const 1)))
                (local.get $f)
                (i64.add (local.get $i) (i64.mul (i64.const 1000) (i64.load (i32.const 0))))))"#,
        gets = gets()
    )
}

type Params1 = (i64, f64, i32, u128, i64, f32, i64, i64);

/// A chain of instances: each calls the next through its import.
struct Chain {
    store: Store<()>,
    outermost: Func,
    globals: Vec<epsilon::Global>,
}

fn chain(engine: &Engine, callers: &[&str]) -> Chain {
    let mut store = Store::new(engine, ());
    let mut instance = Instance::new(&mut store, &module(engine, &callee()), &[]).expect("an instance");
    let mut globals = Vec::new();
    for name in callers {
        globals.push(instance.get_global(&mut store, "g").expect("exported"));
        let add: Extern = instance.get_func(&mut store, "add").expect("exported").into();
        instance = Instance::new(&mut store, &module(engine, &caller(name)), &[add]).expect("an instance");
    }
    globals.push(instance.get_global(&mut store, "g").expect("exported"));
    let outermost = instance.get_func(&mut store, "add").expect("exported");
    Chain { store, outermost, globals }
}

fn arguments(random: &mut Random, last: i32) -> Vec<epsilon::Val> {
    let mut number = || random.below(1000) as i64;
    let lane = |low: i64, high: f64| u128::from(low as u64) | u128::from(high.to_bits()) << 64;
    let first: Params1 = (
        number(),
        number() as f64,
        number() as i32,
        lane(number(), 0.5),
        number(),
        number() as f32,
        number(),
        number(),
    );
    let mut values = vec![
        first.0.into(),
        first.1.into(),
        first.2.into(),
        first.3.into(),
        first.4.into(),
        first.5.into(),
        first.6.into(),
        first.7.into(),
    ];
    values.extend([number(), number()].map(epsilon::Val::from));
    values.extend((0..8).map(|_| epsilon::Val::from(number() as f64)));
    values.push(lane(number(), number() as f64).into());
    values.push(last.into());
    values
}

fn expected(values: &[epsilon::Val], callers: usize) -> (f64, i64) {
    let lanes = |n: usize| match values[n] {
        epsilon::Val::V128(vector) => {
            let bits = vector.as_u128();
            (bits as u64 as i64, f64::from_bits((bits >> 64) as u64))
        }
        _ => unreachable!("a vector"),
    };
    let float = |n: usize| values[n].f64().expect("an f64");
    let sum = values[9].i64().expect("an i64") + lanes(3).0;
    (lanes(18).1 + (float(1) + float(17)), sum + 77_000 * callers as i64)
}

#[test]
fn values_and_state_survive_calls_and_traps() {
    for (plan, engine) in engines() {
        for callers in [&["one"][..], &["one", "two"], &["one", "two", "three", "four", "five"]] {
            let mut chain = chain(&engine, callers);
            let mut random = Random(99);
            let mut returned = 0;
            for round in 0..2_000i64 {
                let traps = random.below(3) == 0;
                let values = arguments(&mut random, i32::from(traps));
                let mut results = [epsilon::Val::I32(0), epsilon::Val::I32(0)];
                let result = chain.outermost.call(&mut chain.store, &values, &mut results);
                if traps {
                    let error = result.expect_err("a trap");
                    assert_eq!(error.trap(), Some(Trap::IntegerDivisionByZero), "{plan}");
                    let mut frames = vec!["last".to_owned(), "add".to_owned()];
                    frames.extend(callers.iter().map(|name| format!("{name}_outer")));
                    assert_eq!(names(&error), frames, "{plan}");
                    let modules = error.backtrace().expect("wasm was running").frames();
                    assert_eq!(modules[1].module_name(), Some("callee"));
                    assert_eq!(modules[2].module_name(), Some(callers[0]));
                } else {
                    result.expect("no trap");
                    returned += 1;
                    let found = (results[0].f64().expect("an f64"), results[1].i64().expect("an i64"));
                    assert_eq!(found, expected(&values, callers.len()), "{plan}");
                }
                let counts: Vec<_> =
                    chain.globals.iter().map(|global| global.get(&mut chain.store).i64().expect("an i64")).collect();
                assert_eq!(counts[0], round + 1, "{plan}: the callee counts calls");
                assert!(counts[1..].iter().all(|count| *count == returned), "{plan}: the callers count returns");
            }
        }
    }
}

/// Three instances in a ring through one table: each level traps in turn, and the one above goes on undisturbed.
#[test]
fn rings_of_instances_through_a_table() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let text = |slot: i32, next: i32| {
            format!(
                r#"(module (import "" "t" (table 3 funcref)) (memory 1) (global $slot i32 (i32.const {slot}))
                    (type $t (func (param i32 i64 i64 i64 i64 i64 i64 i64) (result i64)))
                    (elem (i32.const {slot}) $go)
                    (func $go (export "go") (type $t)
                        (i64.store (i32.const 8) (i64.extend_i32_u (global.get $slot)))
                        (if (result i64) (local.get 0)
                            (then (i64.add (i64.mul (i64.load (i32.const 8)) (local.get 7))
                                (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (local.get 1)
                                    (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6)
                                    (i64.add (local.get 7) (i64.const 1)) (i32.const {next}))))
                            (else (i64.div_s (local.get 7) (local.get 1))))))"#
            )
        };
        let ty = epsilon::TableType::new(epsilon::RefType::FUNCREF, 3, None);
        let table = epsilon::Table::new(&mut store, ty, epsilon::Ref::Func(None)).expect("a table");
        let instances: Vec<Instance> = [(0, 1), (1, 2), (2, 0)]
            .into_iter()
            .map(|(slot, next)| {
                Instance::new(&mut store, &module(&engine, &text(slot, next)), &[table.into()]).expect("an instance")
            })
            .collect();
        type Eight = (i32, i64, i64, i64, i64, i64, i64, i64);
        let go: Vec<TypedFunc<Eight, i64>> =
            instances.iter().map(|instance| instance.get_typed_func(&mut store, "go").expect("exported")).collect();
        for depth in (0..200i64).chain([5_000]) {
            for (slot, go) in go.iter().enumerate() {
                let sum: i64 = (0..depth).map(|n| (slot as i64 + n) % 3 * n).sum();
                let call = |store: &mut Store<()>, by| go.call(store, (depth as i32, by, 2, 3, 4, 5, 6, 0));
                assert_eq!(call(&mut store, 1).expect("no trap"), sum + depth, "{plan}");
                let error = call(&mut store, 0).expect_err("a division by zero");
                assert_eq!(error.trap(), Some(Trap::IntegerDivisionByZero));
                let backtrace = error.backtrace().expect("wasm was running");
                assert_eq!(backtrace.frames().len() + backtrace.omitted(), depth as usize + 1, "{plan}");
            }
        }
    }
}

/// A function of the host, exported again by an instance and imported by another one.
#[test]
fn host_functions_pass_through_instances() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let host = Func::wrap(&mut store, |a: i64, b: f64, c: i32| (b, a + i64::from(c)));
    let text = r#"(module (import "" "f" (func $f (param i64 f64 i32) (result f64 i64))) (export "f" (func $f)))"#;
    let middle = Instance::new(&mut store, &module(&engine, text), &[host.into()]).expect("an instance");
    let f = middle.get_func(&mut store, "f").expect("exported");
    assert_eq!(f, host);
    let text = r#"(module (import "" "f" (func $f (param i64 f64 i32) (result f64 i64)))
        (func (export "g") (result f64 i64) (call $f (i64.const 1) (f64.const 2.5) (i32.const 3))))"#;
    let last = Instance::new(&mut store, &module(&engine, text), &[f.into()]).expect("an instance");
    let g = last.get_typed_func::<(), (f64, i64)>(&mut store, "g").expect("exported");
    assert_eq!(g.call(&mut store, ()).expect("no trap"), (2.5, 4));
}

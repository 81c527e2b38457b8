//! Calls in both directions: every place that a value can travel in, between host, instances and tables.

use crate::support::{Random, engines, instantiate, module};
use epsilon::{
    AsContext, Caller, Engine, ErrorKind, ExternRef, Func, FuncType, Instance, Linker, Rooted, Store, StoreContextMut,
    Val, ValType,
};

/// What the host function of a test is to be called with, and what it returns.
#[derive(Default)]
struct Expected {
    params: String,
    results: Vec<Val>,
    calls: usize,
}

const TYPES: [ValType; 7] =
    [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128, ValType::FUNCREF, ValType::EXTERNREF];

fn random_types(random: &mut Random, below: usize) -> Vec<ValType> {
    let count = random.below(below);
    // Often all of one kind, so that registers of that kind run out.
    match random.below(3) {
        0 => vec![TYPES[random.below(5)].clone(); count],
        _ => (0..count).map(|_| TYPES[random.below(TYPES.len())].clone()).collect(),
    }
}

fn random_value(random: &mut Random, store: &mut Store<Expected>, func: Func, ty: ValType) -> Val {
    let bits = random.next();
    let is_null = bits.is_multiple_of(3);
    match ty {
        ValType::I32 => Val::I32(bits as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32(bits as u32),
        ValType::F64 => Val::F64(bits),
        ValType::V128 => Val::from(u128::from(bits) << 64 | u128::from(random.next())),
        ValType::FUNCREF => Val::FuncRef((!is_null).then_some(func)),
        _ if is_null => Val::ExternRef(None),
        _ => Val::ExternRef(Some(ExternRef::new(store, bits).expect("room for a reference"))),
    }
}

/// Values as text; of references to the host what they are to.
fn text(store: impl AsContext<Data = Expected>, values: &[Val]) -> String {
    let context = store.as_context();
    let one = |value: &Val| match value {
        Val::ExternRef(Some(reference)) => {
            let data = reference.data(context).expect("of this store").expect("of the host").downcast_ref::<u64>();
            format!("{:x?} ", data.expect("a number"))
        }
        other => format!("{other:x?} "),
    };
    values.iter().map(one).collect()
}

fn expect_call(mut caller: Caller<'_, Expected>, params: &[Val], results: &mut [Val]) -> epsilon::Result<()> {
    let params = text(&caller, params);
    let expected = caller.data_mut();
    expected.calls += 1;
    assert_eq!(params, expected.params);
    results.copy_from_slice(&expected.results);
    Ok(())
}

fn words(types: impl Iterator<Item = ValType>) -> String {
    types.map(|ty| format!("{ty} ")).collect()
}

/// Instances of two modules that pass calls of one type on: to the host, to each other, and through a table.
fn pass_on(engine: &Engine, store: &mut Store<Expected>, ty: &FuncType) -> Vec<(&'static str, Func)> {
    let signature = format!("(type $t (func (param {}) (result {})))", words(ty.params()), words(ty.results()));
    let gets: String = (0..ty.params().len()).map(|n| format!("local.get {n} ")).collect();
    let first = format!(
        r#"(module {signature}
            (import "host" "f" (func $host (type $t)))
            (table (export "table") 2 funcref)
            (elem (i32.const 0) $host $through)
            (func $through (export "through") (type $t) {gets} call $host)
            (func (export "indirect") (type $t) {gets} i32.const 0 call_indirect (type $t)))"#
    );
    let second = format!(
        r#"(module {signature}
            (import "first" "through" (func $through (type $t)))
            (import "first" "table" (table 2 funcref))
            (func $across (export "across") (type $t) {gets} call $through)
            (func (export "twice") (type $t) {gets} call $across)
            (func (export "across_indirect") (type $t) {gets} i32.const 1 call_indirect (type $t)))"#
    );
    let host = Func::new(&mut *store, ty.clone(), expect_call);
    let first = Instance::new(&mut *store, &module(engine, &first), &[host.into()]).expect("an instance");
    let through = first.get_export(&mut *store, "through").expect("exported");
    let table = first.get_export(&mut *store, "table").expect("exported");
    let second = Instance::new(&mut *store, &module(engine, &second), &[through, table]).expect("an instance");
    let mut found = vec![("host", host)];
    for (instance, names) in
        [(first, ["through", "indirect"].as_slice()), (second, &["across", "twice", "across_indirect"])]
    {
        found.extend(names.iter().map(|name| (*name, instance.get_func(&mut *store, name).expect("exported"))));
    }
    found
}

#[test]
fn any_values_travel_any_way() {
    let engine = crate::support::engine();
    let mut random = Random(0x1234_5678_9abc_def1);
    for round in 0..150 {
        let mut store = Store::new(&engine, Expected::default());
        let (params, results) = (random_types(&mut random, 26), random_types(&mut random, 26));
        let ty = FuncType::new(&engine, params, results);
        let functions = pass_on(&engine, &mut store, &ty);
        for (name, func) in functions {
            let mut value = |ty: ValType| random_value(&mut random, &mut store, func, ty);
            let arguments: Vec<Val> = ty.params().map(&mut value).collect();
            let expected: Vec<Val> = ty.results().map(&mut value).collect();
            *store.data_mut() = Expected { params: text(&store, &arguments), results: expected.clone(), calls: 0 };
            let mut results = vec![Val::I32(-1); expected.len()];
            func.call(&mut store, &arguments, &mut results).unwrap_or_else(|error| panic!("{name} {ty}: {error:?}"));
            assert_eq!(text(&store, &results), text(&store, &expected), "round {round}: {name} {ty}");
            assert_eq!(store.data().calls, 1);
        }
    }
}

#[test]
fn a_thousand_parameters_and_results() {
    let engine = crate::support::engine();
    let types: Vec<ValType> = (0..1000).map(|n| TYPES[n % 5].clone()).collect();
    let ty = FuncType::new(&engine, types.clone(), types);
    let mut store = Store::new(&engine, Expected::default());
    let mut random = Random(7);
    for (name, func) in pass_on(&engine, &mut store, &ty) {
        let values: Vec<Val> = ty.params().map(|ty| random_value(&mut random, &mut store, func, ty)).collect();
        *store.data_mut() = Expected { params: text(&store, &values), results: values.clone(), calls: 0 };
        let mut results = vec![Val::I32(0); 1000];
        func.call(&mut store, &values, &mut results).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(text(&store, &results), text(&store, &values), "{name}");
    }
}

type Sixteen = (i32, f32, i64, f64, u128, u32, f64, i64, u64, i32, f32, u128, i64, i32, f64, u128);
const SIXTEEN: Sixteen = (
    -1,
    2.5,
    i64::MIN,
    -0.0,
    u128::MAX - 5,
    u32::MAX,
    f64::INFINITY,
    8,
    u64::MAX,
    10,
    f32::MIN,
    1 << 100,
    13,
    14,
    15.5,
    16,
);
const SIXTEEN_TYPES: &str = "i32 f32 i64 f64 v128 i32 f64 i64 i64 i32 f32 v128 i64 i32 f64 v128";

/// Rust compares and prints tuples of up to twelve.
fn halves(all: Sixteen) -> impl PartialEq + std::fmt::Debug {
    let (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) = all;
    ((a, b, c, d, e, f, g, h), (i, j, k, l, m, n, o, p))
}

/// The ways through `pass_on` again, with types that Rust knows.
#[test]
fn typed_functions_carry_sixteen_values() {
    for (plan, engine) in engines() {
        let gets: String = (0..16).map(|n| format!("local.get {n} ")).collect();
        let text = format!(
            r#"(module
                (type $t (func (param {SIXTEEN_TYPES}) (result {SIXTEEN_TYPES})))
                (func (export "same") (type $t) {gets})
                (func (export "only") (param i32) (result {SIXTEEN_TYPES})
                    i32.const 1 f32.const 2 i64.const 3 f64.const 4 v128.const i64x2 5 0 i32.const 6 f64.const 7
                    i64.const 8 i64.const 9 i32.const 10 f32.const 11 v128.const i64x2 12 0 i64.const 13 local.get 0
                    f64.const 15 v128.const i64x2 16 0))"#
        );
        let (mut store, instance) = instantiate(&engine, &text);
        let same = instance.get_typed_func::<Sixteen, Sixteen>(&mut store, "same").expect("the type fits");
        assert_eq!(halves(same.call(&mut store, SIXTEEN).expect("no trap")), halves(SIXTEEN), "{plan}");
        let only = instance.get_typed_func::<i32, Sixteen>(&mut store, "only").expect("the type fits");
        let counted = (1, 2.0, 3, 4.0, 5, 6, 7.0, 8, 9, 10, 11.0, 12, 13, 14, 15.0, 16);
        assert_eq!(halves(only.call(&mut store, 14).expect("no trap")), halves(counted), "{plan}");
    }
}

#[test]
fn typed_host_functions_carry_fifteen_values() {
    type Fifteen = (i32, f32, i64, f64, u128, u32, f64, i64, u64, i32, f32, u128, i64, i32, f64);
    let engine = crate::support::engine();
    let mut linker = Linker::<usize>::new(&engine);
    let body = |mut caller: Caller<'_, usize>,
                a: i32,
                b: f32,
                c: i64,
                d: f64,
                e: u128,
                f: u32,
                g: f64,
                h: i64,
                i: u64,
                j: i32,
                k: f32,
                l: u128,
                m: i64,
                n: i32,
                o: f64|
     -> Fifteen {
        *caller.data_mut() += 1;
        (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o)
    };
    linker.func_wrap("host", "same", body).expect("a new name");
    let types = SIXTEEN_TYPES.rsplit_once(' ').expect("sixteen words").0;
    let gets: String = (0..15).map(|n| format!("local.get {n} ")).collect();
    let text = format!(
        r#"(module (type $t (func (param {types}) (result {types})))
            (import "host" "same" (func $same (type $t)))
            (func (export "same") (type $t) {gets} call $same))"#
    );
    let mut store = Store::new(&engine, 0);
    let instance = linker.instantiate(&mut store, &module(&engine, &text)).expect("an instance");
    let same = instance.get_typed_func::<Fifteen, Fifteen>(&mut store, "same").expect("the type fits");
    let values: Fifteen = (-1, 2.5, -3, 4.25, 5 << 90, 6, -7.0, 8, 9, i32::MIN, 11.5, u128::MAX, 13, 14, 15.125);
    let last = |all: Fifteen| {
        let (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o) = all;
        halves((a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, 0))
    };
    assert_eq!(last(same.call(&mut store, values).expect("no trap")), last(values));
    assert_eq!(*store.data(), 1);
}

#[test]
fn nan_payloads_pass_unchanged() {
    let (mut store, instance) = instantiate(
        &crate::support::engine(),
        r#"(module (func (export "f") (param f32 f64) (result f64 f32) local.get 1 local.get 0))"#,
    );
    let f = instance.get_func(&mut store, "f").expect("exported");
    let mut results = [Val::I32(0), Val::I32(0)];
    let signalling = [Val::F32(0x7fa0_0001), Val::F64(0xfff4_0000_0000_0001)];
    f.call(&mut store, &signalling, &mut results).expect("no trap");
    assert_eq!(format!("{results:x?}"), format!("{:x?}", [signalling[1], signalling[0]]));
}

#[test]
fn small_integers_arrive_without_dirt_above_them() {
    let engine = crate::support::engine();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("host", "f", |n: u32, m: i32| -> (i64, u32) { (i64::from(n) + i64::from(m), n) }).expect("new");
    let text = r#"(module (import "host" "f" (func $f (param i32 i32) (result i64 i32)))
        (func (export "g") (param i64) (result i64 i32)
            (call $f (i32.wrap_i64 (local.get 0)) (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 8))))))"#;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    let g = instance.get_typed_func::<i64, (i64, u32)>(&mut store, "g").expect("the type fits");
    assert_eq!(g.call(&mut store, -1).expect("no trap"), (i64::from(u32::MAX) - 1, u32::MAX));
}

#[test]
fn wrong_calls_say_what_was_expected() {
    let (mut store, instance) = instantiate(
        &crate::support::engine(),
        r#"(module (func (export "add") (param i32 i64) (result f32) unreachable) (memory (export "memory") 1))"#,
    );
    let add = instance.get_func(&mut store, "add").expect("exported");
    let mut one = [Val::I32(0)];
    let mut message =
        |params: &[Val], results: &mut [Val]| add.call(&mut store, params, results).unwrap_err().to_string();
    let arity = "call of a function: expected (i32, i64) -> (f32), found";
    assert_eq!(message(&[], &mut one), format!("{arity} 0 arguments and room for 1 results"));
    assert_eq!(message(&[1.into(), 2i64.into()], &mut []), format!("{arity} 2 arguments and room for 0 results"));
    assert_eq!(
        message(&[1.into(), 2.into()], &mut one),
        "argument 1 of a function (i32, i64) -> (f32): expected i64, found i32"
    );
    let typed = add.typed::<(i32, i32), f32>(&store).unwrap_err();
    assert_eq!(typed.to_string(), "typed function: expected (i32, i32) -> (f32), found (i32, i64) -> (f32)");
    assert!(matches!(typed.kind(), ErrorKind::Mismatch { .. }));
    assert!(add.typed::<(i32, i64), ()>(&store).is_err() && add.typed::<i32, f32>(&store).is_err());
    let missing = instance.get_typed_func::<(), ()>(&mut store, "sub").unwrap_err();
    assert_eq!(missing.to_string(), "an exported function `sub` does not exist; the module exports `add`");
    let no_func = instance.get_typed_func::<(), ()>(&mut store, "memory").unwrap_err();
    assert!(matches!(no_func.kind(), ErrorKind::Missing { .. }), "{no_func}");
}

#[test]
fn items_of_another_store_are_refused() {
    let engine = crate::support::engine();
    let text = r#"(module (func (export "f") (param funcref externref)))"#;
    let (mut here, instance) = instantiate(&engine, text);
    let (mut there, other) = instantiate(&engine, text);
    let mine = instance.get_func(&mut here, "f").expect("exported");
    let foreign = other.get_func(&mut there, "f").expect("exported");
    let foreign_extern = ExternRef::new(&mut there, 1u8).expect("room");
    let null = [Val::FuncRef(None), Val::ExternRef(None)];
    let is_refused = |result: epsilon::Result<()>, item: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WrongStore { .. }), "{error}");
        let hint = "belongs to another store; use it with the store that it came from";
        assert_eq!(error.to_string(), format!("this {item} {hint}"));
    };
    is_refused(foreign.call(&mut here, &null, &mut []), "function");
    is_refused(mine.call(&mut here, &[foreign.into(), null[1]], &mut []), "function");
    is_refused(mine.call(&mut here, &[null[0], foreign_extern.into()], &mut []), "external reference");
    is_refused(foreign.typed::<(), ()>(&here).map(drop), "function");
    let typed = mine.typed::<(Option<Func>, Option<Rooted<ExternRef>>), ()>(&here).expect("the type fits");
    is_refused(typed.call(&mut there, (None, None)), "function");
    is_refused(typed.call(&mut here, (Some(foreign), None)), "function");
    is_refused(typed.call(&mut here, (None, Some(foreign_extern))), "external reference");
    is_refused(foreign_extern.data(&here).map(drop), "external reference");
    is_refused(other.get_typed_func::<(), ()>(&mut here, "f").map(drop), "instance");
    typed.call(&mut here, (Some(mine), None)).expect("its own function");
}

#[test]
fn host_functions_with_wrong_results_are_errors() {
    let engine = crate::support::engine();
    let (mut there, _) = instantiate(&engine, "(module)");
    let foreign = Func::wrap(&mut there, || {});
    let results: [(&str, Val); 2] = [("i32", Val::I64(1)), ("funcref", Val::FuncRef(Some(foreign)))];
    for (ty, wrong) in results {
        let mut store = Store::new(&engine, ());
        let value = if ty == "i32" { ValType::I32 } else { ValType::FUNCREF };
        let body = move |_: Caller<'_, ()>, _: &[Val], results: &mut [Val]| {
            results[0] = wrong;
            Ok(())
        };
        let host = Func::new(&mut store, FuncType::new(&engine, [], [value]), body);
        let text = format!(r#"(module (import "" "" (func $h (result {ty}))) (func (export "f") (drop (call $h))))"#);
        let instance = Instance::new(&mut store, &module(&engine, &text), &[host.into()]).expect("an instance");
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").expect("exported");
        for _ in 0..2 {
            let error = f.call(&mut store, ()).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Mismatch { .. } | ErrorKind::WrongStore { .. }), "{error}");
        }
    }
}

#[test]
fn callers_see_their_instance_and_data() {
    let engine = crate::support::engine();
    let mut linker = Linker::<Vec<String>>::new(&engine);
    let note = |mut caller: Caller<'_, Vec<String>>, at: i32, len: i32| {
        let (data, memory) = match caller.get_export("memory").and_then(epsilon::Extern::into_memory) {
            Some(memory) => caller.data_and_memory(&memory),
            None => panic!("both modules export a memory"),
        };
        data.push(String::from_utf8_lossy(&memory[at as usize..][..len as usize]).into_owned());
        assert!(caller.get_export("nothing").is_none());
        let (bytes, data) = caller.memory_and_data().expect("both modules export a memory");
        bytes[0] = data.len() as u8;
    };
    linker.func_wrap("host", "note", note).expect("a new name");
    let text = |word: &str| {
        format!(
            r#"(module (import "host" "note" (func $note (param i32 i32)))
                (memory (export "memory") 1) (data (i32.const 8) "{word}")
                (func (export "run") (result i32) (call $note (i32.const 8) (i32.const 3)) (i32.load8_u (i32.const 0))))"#
        )
    };
    let mut store = Store::new(&engine, Vec::new());
    for (n, word) in ["one", "two"].into_iter().enumerate() {
        let instance = linker.instantiate(&mut store, &module(&engine, &text(word))).expect("an instance");
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").expect("exported");
        assert_eq!(run.call(&mut store, ()).expect("no trap"), n as i32 + 1);
    }
    assert_eq!(*store.data(), ["one", "two"]);
    assert_eq!(store.into_data().len(), 2);
}

/// A host function called by the host has no instance: it must say so, not guess.
#[test]
fn host_functions_called_by_the_host_have_no_instance() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, 5);
    let body = |mut caller: Caller<'_, i32>, n: i64| {
        assert!(caller.get_export("memory").is_none() && caller.memory_and_data().is_none());
        n + i64::from(*caller.data())
    };
    let func = Func::wrap(&mut store, body);
    let typed = func.typed::<i64, i64>(&store).expect("the type fits");
    assert_eq!(typed.call(&mut store, 37).expect("no trap"), 42);
    assert_eq!(func.ty(&store), FuncType::new(&engine, [ValType::I64], [ValType::I64]));
}

/// host -> wasm -> host -> wasm ..., with stack arguments at each step.
#[test]
fn calls_nest() {
    let engine = crate::support::engine();
    let text = r#"(module
        (import "host" "down" (func $down (param i64 i64 i64 i64 i64 i64 i64 i64 f64) (result i64 f64)))
        (func (export "up") (param i64 i64 i64 i64 i64 i64 i64 i64 f64) (result i64 f64) (local i64 f64)
            (call $down (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6)
                (local.get 7) (i64.sub (local.get 0) (i64.const 1)) (f64.add (local.get 8) (f64.const 0.5)))
            (local.set 10) (i64.add (local.get 0)) (local.get 10)))"#;
    type Nine = (i64, i64, i64, i64, i64, i64, i64, i64, f64);
    let mut linker = Linker::<Option<epsilon::TypedFunc<Nine, (i64, f64)>>>::new(&engine);
    type Data = Option<epsilon::TypedFunc<Nine, (i64, f64)>>;
    let down =
        |mut caller: Caller<'_, Data>, a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: i64, sum: f64| {
            if h < 0 {
                return Ok((0, sum));
            }
            let up = caller.data().expect("set before the first call");
            up.call(&mut caller, (a, b, c, d, e, f, g, h, sum))
        };
    linker.func_wrap("host", "down", down).expect("a new name");
    let mut store = Store::new(&engine, None);
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    let up = instance.get_typed_func::<Nine, (i64, f64)>(&mut store, "up").expect("the type fits");
    *store.data_mut() = Some(up);
    // Eight counters go round; each step lowers one and adds it to the sum; the first to pass zero ends it.
    let (sum, halves) = up.call(&mut store, (10, 10, 10, 10, 10, 10, 10, 10, 0.0)).expect("no trap");
    assert_eq!((sum, halves), (8 * (1..=10).sum::<i64>(), 0.5 * (8.0 * 10.0 + 1.0)));
}

#[test]
fn contexts_serve_as_stores() {
    let (mut store, instance) = instantiate(
        &crate::support::engine(),
        r#"(module (memory (export "m") 1) (func (export "f") (param i32) (result i32) local.get 0))"#,
    );
    fn through(mut context: StoreContextMut<'_, ()>, instance: Instance) -> i32 {
        let f = instance.get_typed_func::<i32, i32>(&mut context, "f").expect("exported");
        f.call(&mut context, 4).expect("no trap")
    }
    assert_eq!(through((&mut store).into(), instance), 4);
    let memory = instance.get_memory(&mut store, "m").expect("exported");
    assert_eq!(memory.data(&store).len(), 65536);
}

//! Instantiations that fail: the store holds what it held before, and goes on.

use crate::support::{engines, module};
use epsilon::{
    Caller, Engine, Error, Extern, ExternType, Func, Instance, Linker, Ref, RefType, Store, StoreLimits,
    StoreLimitsBuilder, Table, TableType,
};

fn table_type(element: RefType, min: u64) -> TableType {
    let engine = crate::support::engine();
    let text = format!("(module (import \"\" \"\" (table {min} funcref)))");
    let module = module(&engine, &text);
    let ty = module.imports().next().map(|import| import.ty());
    match ty {
        Some(ExternType::Table(ty)) if *ty.element() == element => ty,
        other => panic!("a table of functions, not {other:?}"),
    }
}

fn store(engine: &Engine) -> Store<StoreLimits> {
    let limits =
        StoreLimitsBuilder::new().memory_size(1 << 20).memories(2).tables(2).instances(2).total_memory(4 << 20);
    let mut store = Store::new(engine, limits.build());
    store.limiter(|limits| limits);
    store
}

/// Modules that import nothing but `host.call`, and whose instantiation fails: each in another step.
const FAILING: [(&str, &str); 9] = [
    ("a memory is too large", "(module (memory 1) (memory 100))"),
    ("a table is too large", "(module (memory 1) (table 100 funcref) (table 9000000 funcref))"),
    ("a segment of data does not fit", "(module (memory 1) (data (i32.const 70000) \"x\"))"),
    (
        "a segment of elements does not fit",
        "(module (memory 1) (table (export \"t\") 1 funcref) (func $f) (elem (i32.const 0) $f) (elem (i32.const 1) $f))",
    ),
    ("the start function traps", "(module (memory 1) (table 1 funcref) (func $f unreachable) (start $f))"),
    (
        "the start function traps after references were made",
        "(module (memory 1) (table (export \"t\") 1 funcref) (global (mut funcref) (ref.null func)) (func $g)
            (elem (i32.const 0) $g) (func $f (global.set 0 (ref.func $g)) unreachable) (start $f))",
    ),
    (
        "a host function fails",
        "(module (import \"host\" \"call\" (func $call)) (memory 1) (func $f (call $call)) (start $f))",
    ),
    (
        "the start function is the host's, and fails",
        "(module (import \"host\" \"call\" (func $call)) (memory 1) (start $call))",
    ),
    (
        "the start function catches an exception, and traps",
        "(module (memory 1) (tag $e) (func $f (block (try_table (catch $e 0) (throw $e))) unreachable) (start $f))",
    ),
];

#[test]
fn what_fails_gives_everything_back() {
    for (plan, engine) in engines() {
        let mut linker = Linker::new(&engine);
        linker.func_wrap("host", "call", || -> epsilon::Result<()> { epsilon::bail!("no") }).expect("a name");
        let mut store = store(&engine);
        let modules: Vec<_> = FAILING.iter().map(|(step, text)| (*step, module(&engine, text))).collect();
        let good =
            module(&engine, "(module (memory 1) (table 1 funcref) (func (export \"f\") (result i32) (i32.const 7)))");
        // Once beforehand: what an engine makes once and keeps is there then.
        for (_, module) in &modules {
            assert!(linker.instantiate(&mut store, module).is_err());
        }
        let in_use = engine.memory_in_use();
        for (step, module) in &modules {
            for _ in 0..20 {
                let error = linker.instantiate(&mut store, module).expect_err(step).to_string();
                assert!(!error.contains("the store may hold"), "{plan}, {step}: {error}");
            }
            assert_eq!(engine.memory_in_use(), in_use, "{plan}, {step}");
        }
        for _ in 0..2 {
            let instance = Instance::new(&mut store, &good, &[]).expect("there is still room for two");
            let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
            assert_eq!(f.call(&mut store, ()).expect("no trap"), 7);
        }
        assert!(Instance::new(&mut store, &good, &[]).is_err());
        drop((store, linker, modules, good));
        assert_eq!(engine.memory_in_use(), 0, "{plan}");
    }
}

#[test]
fn what_something_refers_to_stays() {
    for (plan, engine) in engines() {
        let mut store = store(&engine);
        let table = Table::new(&mut store, table_type(RefType::FUNCREF, 4), Ref::Func(None)).expect("a table");
        let failing = [
            "(module (import \"\" \"t\" (table 4 funcref)) (memory 1) (func $f (result i32) (i32.const 5))
                (elem (i32.const 1) $f) (data (i32.const 70000) \"x\"))",
            "(module (import \"\" \"t\" (table 4 funcref)) (memory 1) (func $f (result i32) (i32.const 6))
                (elem declare func $f) (func $s (table.set (i32.const 2) (ref.func $f)) unreachable) (start $s))",
        ];
        for (text, expected) in failing.iter().zip([5, 6]) {
            let module = module(&engine, text);
            assert!(Instance::new(&mut store, &module, &[table.into()]).is_err());
            let Some(Ref::Func(Some(func))) = table.get(&mut store, expected as u64 - 4) else {
                panic!("{plan}: a function")
            };
            let func = func.typed::<(), i32>(&store).expect("its type");
            assert_eq!(func.call(&mut store, ()).expect("no trap"), expected, "{plan}");
        }
        // Both count, because both are there.
        assert!(Instance::new(&mut store, &module(&engine, "(module)"), &[]).is_err());
    }
}

#[test]
fn what_a_host_function_was_given_stays() {
    let engine = crate::support::engine();
    let mut linker: Linker<Option<Extern>> = Linker::new(&engine);
    linker
        .func_wrap("host", "take", |mut caller: Caller<'_, Option<Extern>>| -> Result<(), Error> {
            let export = caller.get_export("f");
            *caller.data_mut() = export;
            Err(Error::misuse("enough"))
        })
        .expect("a name");
    let text = "(module (import \"host\" \"take\" (func $take)) (func (export \"f\") (result i32) (i32.const 9)) (start $take))";
    let mut store = Store::new(&engine, None);
    assert!(linker.instantiate(&mut store, &module(&engine, text)).is_err());
    let func: Func =
        store.data_mut().take().and_then(Extern::into_func).expect("an imported start function has a caller");
    let func = func.typed::<(), i32>(&store).expect("its type");
    for _ in 0..3 {
        let other = "(module (func (export \"f\") (result i32) (i32.const 1)))";
        Instance::new(&mut store, &module(&engine, other), &[]).expect("an instance");
        assert_eq!(func.call(&mut store, ()).expect("no trap"), 9);
    }
}

#[test]
fn an_exception_that_leaves_keeps_its_tag() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let text = "(module (tag $e (param i32)) (export \"e\" (tag $e)) (func $f (throw $e (i32.const 3))) (start $f))";
    let error = Instance::new(&mut store, &module(&engine, text), &[]).expect_err("it throws");
    let exception = error.exception().expect("an exception").clone();
    let (_, other) = ((), "(module (tag $e (param i64)) (export \"e\" (tag $e)))");
    Instance::new(&mut store, &module(&engine, other), &[]).expect("an instance");
    assert_eq!(exception.tag().ty(&store).ty().params().len(), 1);
    assert_eq!(format!("{}", exception.tag().ty(&store).ty()), "(i32) -> ()");
}

#[test]
fn a_host_function_as_start_sees_its_caller() {
    for (plan, engine) in engines() {
        let mut linker: Linker<Vec<String>> = Linker::new(&engine);
        linker
            .func_wrap("host", "start", |mut caller: Caller<'_, Vec<String>>| {
                let kind = caller.get_export("memory").map_or("nothing", |item| item.kind());
                let byte = caller.memory_and_data().map(|(bytes, _)| bytes[3]);
                caller.data_mut().push(format!("{kind}, {byte:?}"));
            })
            .expect("a name");
        let text = "(module (import \"host\" \"start\" (func $start)) (memory (export \"memory\") 1)
            (data (i32.const 3) \"\\05\") (start $start))";
        let mut store = Store::new(&engine, Vec::new());
        let module = module(&engine, text);
        let pre = linker.instantiate_pre(&module).expect("all is defined");
        linker.instantiate(&mut store, &module).expect("an instance");
        pre.instantiate(&mut store).expect("an instance");
        assert_eq!(*store.data(), ["a memory, Some(5)"; 2], "{plan}");
    }
}

/// Objects may have the types of an instance that could not be made: the types stay, and nothing else of its module.
#[test]
fn modules_with_types_of_objects_go_when_their_instances_fail() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let types =
            "(type $node (struct (field i32) (field (ref null $node)))) (type $list (array (mut (ref null $node))))";
        let fails = |store: &mut Store<()>, n: usize| {
            let body = "(drop (i32.mul (i32.const 3) (i32.const 5)))".repeat(500);
            let text = format!(
                "(module {types} (global (mut anyref) (ref.null any)) (func {body} (drop (i32.const {n})))
                    (func $f (global.set 0 (struct.new $node (i32.const {n}) (ref.null $node))) unreachable) (start $f))"
            );
            Instance::new(store, &module(&engine, &text), &[]).expect_err("the start function traps");
        };
        // The first one makes the heap.
        (0..3).for_each(|n| fails(&mut store, n));
        let in_use = engine.memory_in_use();
        (3..40).for_each(|n| fails(&mut store, n));
        let more = engine.memory_in_use().saturating_sub(in_use);
        assert!(more < 64 << 10, "{plan}: {more} bytes more");
        store.gc(None).expect("the heap is whole");
    }
}

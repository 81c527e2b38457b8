//! Limits of bytes: of a store, and of an engine.

use crate::support::{config, engine, engines, module};
use epsilon::{
    Config, Engine, ErrorKind, Exception, ExternRef, Global, Instance, Linker, MemoryType, Module, SharedMemory, Store,
    StoreLimits, StoreLimitsBuilder, Val, ValType,
};

fn store(engine: &Engine, bytes: usize) -> Store<StoreLimits> {
    let mut store = Store::new(engine, StoreLimitsBuilder::new().total_memory(bytes).build());
    store.limiter(|limits| limits);
    store
}

/// An engine that may take so much.
fn small_engine(bytes: usize) -> Engine {
    Engine::new(config().max_memory(bytes)).expect("an engine")
}

fn assert_limit(error: &epsilon::Error, setting: &str) {
    assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(setting) && text.contains("raises the limit"), "{text}");
}

const GROWING: &str = r#"(module (memory (export "memory") 1) (table $t 1 funcref) (table $r 1 externref)
    (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "funcs") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
    (func (export "refs") (param i32) (result i32) (table.grow $r (ref.null extern) (local.get 0))))"#;

fn growing_text() -> String {
    GROWING.replace("(memory (export \"memory\") 1)", "(memory 1)")
}

#[test]
fn growth_beyond_the_limit_gives_minus_one() {
    for (plan, engine) in engines() {
        let module = module(&engine, &growing_text());
        for (export, unit) in [("memory", 64 << 10), ("funcs", 16), ("refs", 4)] {
            let mut store = store(&engine, 8 << 20);
            let instance = Instance::new(&mut store, &module, &[]).expect("it is small");
            let grow = instance.get_typed_func::<i32, i32>(&mut store, export).expect("exported");
            let most = (8 << 20) / unit;
            assert_eq!(grow.call(&mut store, most).expect("no trap"), -1, "{plan}: {export}");
            assert_eq!(grow.call(&mut store, most / 2).expect("no trap"), 1, "{plan}: {export}");
            assert_eq!(grow.call(&mut store, most / 2).expect("no trap"), -1, "{plan}: {export}");
            let mut size = 1 + most / 2;
            while grow.call(&mut store, 1 + most / 100).expect("no trap") >= 0 {
                size += 1 + most / 100;
                assert!(size <= most, "{plan}: {export}");
            }
            assert!(size > most * 8 / 10, "{plan}: {export} ends at {size} of {most}");
            // Another store has the same limit, and room.
            assert!(Instance::new(&mut self::store(&engine, 8 << 20), &module, &[]).is_ok());
        }
        drop(module);
        assert_eq!(engine.memory_in_use(), 0, "{plan}");
    }
}

#[test]
fn all_stores_of_an_engine_share_its_limit() {
    let engine = small_engine(16 << 20);
    let module = module(&engine, "(module (memory (export \"m\") 64))");
    let mut stores: Vec<Store<()>> = Vec::new();
    let error = loop {
        let mut store = Store::new(&engine, ());
        match Instance::new(&mut store, &module, &[]) {
            Ok(_) => stores.push(store),
            Err(error) => break error,
        }
        assert!(stores.len() < 4, "four memories of 4 MiB and what is around them do not fit");
    };
    assert_limit(&error, "max_memory");
    assert_eq!(stores.len(), 3);
    assert!(engine.memory_in_use() <= 16 << 20);
    stores.pop();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("what is dropped is given back");
    let memory = instance.get_memory(&mut store, "m").expect("exported");
    let error = memory.grow(&mut store, 100).expect_err("not so much");
    assert_limit(&error, "max_memory");
    assert_eq!(memory.grow(&mut store, 1).expect("a little"), 64);
    drop((stores, store, module));
    assert_eq!(engine.memory_in_use(), 0);
}

#[test]
fn shared_memories_count_wherever_they_are_made() {
    let engine = small_engine(8 << 20);
    let shared = module(
        &engine,
        "(module (import \"\" \"m\" (memory 1 1000 shared))
        (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))",
    );
    let Some(epsilon::ExternType::Memory(ty)) = shared.imports().next().map(|import| import.ty()) else {
        panic!("a memory")
    };
    let huge = MemoryType::shared(900, 1000);
    assert_limit(&SharedMemory::new(&engine, huge).expect_err("too large"), "max_memory");
    let memory = SharedMemory::new(&engine, ty).expect("a small one");
    assert!(memory.grow(500).is_err());
    let mut small = store(&engine, 1 << 20);
    let instance = Instance::new(&mut small, &shared, &[memory.clone().into()]).expect("an instance");
    let grow = instance.get_typed_func::<i32, i32>(&mut small, "grow").expect("exported");
    assert_eq!(grow.call(&mut small, 17).expect("no trap"), -1, "the store that makes it grow pays");
    assert_eq!(grow.call(&mut small, 10).expect("no trap"), 1);
    let mut large = store(&engine, 100 << 20);
    let instance = Instance::new(&mut large, &shared, &[memory.clone().into()]).expect("an instance");
    let grow = instance.get_typed_func::<i32, i32>(&mut large, "grow").expect("exported");
    assert_eq!(grow.call(&mut large, 200).expect("no trap"), -1, "and its engine");
    assert_eq!(grow.call(&mut large, 50).expect("no trap"), 11);
    drop((small, large, shared));
    assert!(engine.memory_in_use() >= memory.data_size());
    drop(memory);
    assert_eq!(engine.memory_in_use(), 0);
}

/// What a host can be made to put into a store, once each time.
type Put = fn(&mut Store<StoreLimits>) -> epsilon::Result<()>;

#[test]
fn small_things_count() {
    let puts: [(&str, Put); 4] = [
        ("external references", |store| ExternRef::new(store, [0u8; 100]).map(drop)),
        ("globals", |store| Global::new(store, crate::support::variable(ValType::I64), Val::I64(1)).map(drop)),
        ("tags", |store| crate::support::tag(store, [const { ValType::I64 }; 100]).map(drop)),
        ("host functions", |store| epsilon::Func::try_wrap(store, || ()).map(drop)),
    ];
    for (what, put) in puts {
        let engine = engine();
        let mut store = store(&engine, 1 << 20);
        let ended = (0..1_000_000).find_map(|n| put(&mut store).err().map(|error| (n, error)));
        let (count, error) = ended.unwrap_or_else(|| panic!("{what} without end"));
        assert_limit(&error, "total_memory");
        assert!(count > 100, "{what}: only {count}");
        // It stays refused, and what else is asked of the store works.
        assert!(put(&mut store).is_err());
        *store.data_mut() = StoreLimitsBuilder::new().total_memory(2 << 20).build();
        put(&mut store).expect("a limit that was raised");
        let text = "(module (func (export \"f\") (result i32) (i32.const 3)))";
        let instance = Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
        assert_eq!(f.call(&mut store, ()).expect("no trap"), 3);
    }
}

#[test]
fn exceptions_count_and_are_given_back() {
    let engine = engine();
    let text = r#"(module (tag $e (param i64 i64 i64 i64)) (export "e" (tag $e))
        (table $kept 100000 exnref)
        (func (export "keep") (param i32) (result i32) (local $n i32)
            (loop $again
                (table.set $kept (local.get $n) (block $caught (result exnref)
                    (try_table (catch_all_ref $caught)
                        (throw $e (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))
                    unreachable))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $n) (local.get 0))))
            (local.get $n))
        (func (export "forget") (table.fill $kept (i32.const 0) (ref.null exn) (i32.const 100000))))"#;
    let mut store = store(&engine, 4 << 20);
    let instance = Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
    let keep = instance.get_typed_func::<i32, i32>(&mut store, "keep").expect("exported");
    let forget = instance.get_typed_func::<(), ()>(&mut store, "forget").expect("exported");
    for _ in 0..3 {
        assert_limit(&keep.call(&mut store, 100_000).expect_err("too many"), "total_memory");
        forget.call(&mut store, ()).expect("no trap");
        assert_eq!(keep.call(&mut store, 10_000).expect("what nobody holds is gone"), 10_000);
    }
    forget.call(&mut store, ()).expect("no trap");
    let tag = instance.get_tag(&mut store, "e").expect("exported");
    Exception::new(&mut store, tag, &[Val::I64(1); 4]).expect("an exception of the host");
}

#[test]
fn references_to_functions_count() {
    let names: String = (0..20_000).map(|n| format!("(func $f{n})")).collect();
    let list: String = (0..20_000).map(|n| format!(" $f{n}")).collect();
    let exported = format!("(module {names} (table (export \"t\") 20000 funcref) (elem (i32.const 0) {list}))");
    let importing = format!(
        "(module (import \"\" \"x\" (table $x 20000 funcref)) {names} (elem $e func {list})
            (func (export \"init\") (param i32) (table.init $x $e (i32.const 0) (i32.const 0) (local.get 0)))
            (func (export \"is_null\") (param i32) (result i32) (ref.is_null (table.get $x (local.get 0)))))"
    );
    let engine = engine();
    let mut store = store(&engine, 3 << 20);
    let owner = Instance::new(&mut store, &module(&engine, &exported), &[]).expect("only others need references");
    let table = owner.get_export(&mut store, "t").expect("exported");
    let importer = module(&engine, "(module (import \"\" \"t\" (table 20000 funcref)))");
    let error = Instance::new(&mut store, &importer, &[table]).expect_err("too many references");
    assert_limit(&error, "total_memory");

    let mut store = self::store(&engine, 3 << 20);
    let owner = module(&engine, "(module (table (export \"x\") 20000 funcref))");
    let owner = Instance::new(&mut store, &owner, &[]).expect("an empty table");
    let table = owner.get_export(&mut store, "x").expect("exported");
    let instance = Instance::new(&mut store, &module(&engine, &importing), &[table]).expect("no references yet");
    let init = instance.get_typed_func::<i32, ()>(&mut store, "init").expect("exported");
    let is_null = instance.get_typed_func::<i32, i32>(&mut store, "is_null").expect("exported");
    assert_limit(&init.call(&mut store, 20_000).expect_err("too many references"), "total_memory");
    assert_eq!(is_null.call(&mut store, 0).expect("no trap"), 1, "all of the range is written, or nothing");
    init.call(&mut store, 1000).expect("those are there");
    assert_eq!(is_null.call(&mut store, 999).expect("no trap"), 0);
}

#[test]
fn compiled_functions_count() {
    const FUNCTIONS: usize = 2000;
    let step = "(i32.rotl (i32.mul (local.get 0) (i32.const 77)) (i32.const 3)) (local.set 0)";
    let function =
        |n| format!("(func (export \"{n}\") (param i32) (result i32) {} (local.get 0))", step.repeat(20 + n % 7));
    let text: String = ["(module ".into()].into_iter().chain((0..FUNCTIONS).map(function)).collect::<String>() + ")";
    let wasm = wat::parse_str(text).expect("text");
    let before = engine();
    let module = Module::new(&before, &wasm).expect("a module");
    let parsed = before.memory_in_use();
    module.compile_all(|_| ()).expect("no limit");
    let all = before.memory_in_use() - parsed;
    assert!(all > module.code_size(), "{all} bytes are charged for {} of code", module.code_size());
    // Room for half of the functions, and for compiling the next one.
    let engine = small_engine(parsed + all / 2 + (4 << 20));
    let module = Module::new(&engine, &wasm).expect("it is not compiled yet");
    let kept = Module::new(&engine, &wasm).expect("nor is this");
    let mut errors = 0;
    for module in [&module, &kept] {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, module, &[]).expect("it is small");
        for n in 0..FUNCTIONS {
            let f = instance.get_typed_func::<i32, i32>(&mut store, &n.to_string()).expect("exported");
            match f.call(&mut store, 5) {
                Ok(_) => {}
                Err(error) => {
                    assert_limit(&error, "max_memory");
                    errors += 1;
                }
            }
        }
    }
    assert!(errors > 100, "only {errors} of {} functions have no room", 2 * FUNCTIONS);
    assert!(module.compiled_count() > FUNCTIONS / 10, "only {} are compiled", module.compiled_count());
    // What was refused has changed nothing, and there is room once others have gone.
    drop(kept);
    let missing = module.compiled_count();
    module.compile_all(|_| ()).map_or_else(|error| assert_limit(&error, "max_memory"), |()| ());
    assert!(module.compiled_count() >= missing);
    drop(module);
    assert_eq!(engine.memory_in_use(), 0);
}

#[test]
fn types_count_and_go_with_their_last_user() {
    // Types of functions that no other module has.
    let types = |n: usize| -> String {
        let ty = |k: usize| {
            let param = |bit: usize| if (n * 500 + k) >> bit & 1 == 0 { "i32 " } else { "i64 " };
            format!("(type (func (param {})))", (0..24).map(param).collect::<String>())
        };
        format!("(module {})", (0..500).map(ty).collect::<String>())
    };
    let engine = engine();
    let one = module(&engine, &types(0));
    let with_one = engine.memory_in_use();
    for n in 1..50 {
        module(&engine, &types(n));
    }
    assert_eq!(engine.memory_in_use(), with_one, "the types of modules that are gone are gone");
    drop(one);
    assert_eq!(engine.memory_in_use(), 0);
    // A type that a host's function names stays with that.
    let text = "(module (type $t (func (param i32))) (import \"\" \"f\" (func (param (ref null $t)))))";
    let taker = module(&engine, text);
    let Some(epsilon::ExternType::Func(ty)) = taker.imports().next().map(|import| import.ty()) else {
        panic!("a function")
    };
    let mut linker = Linker::<()>::new(&engine);
    linker.func_new("", "f", ty.clone(), |_, _, _| Ok(())).expect("a name");
    drop(taker);
    let taker = module(&engine, text);
    linker.instantiate(&mut Store::new(&engine, ()), &taker).expect("the same type");
    drop((taker, linker));
    Linker::<()>::new(&engine).func_new("", "f", ty.clone(), |_, _, _| Ok(())).expect("the type is there");
    assert!(engine.memory_in_use() > 0, "the handle keeps the type");
    drop(ty);
    assert_eq!(engine.memory_in_use(), 0);
}

#[test]
fn a_config_without_limit_has_none() {
    let engine = Engine::new(Config::new().cache(None)).expect("an engine");
    let (mut store, _) = crate::support::instantiate(&engine, "(module (memory 1))");
    let module = module(&engine, "(module (memory 4000))");
    Instance::new(&mut store, &module, &[]).expect("250 MiB that nobody touches");
    assert!(engine.memory_in_use() > 250 << 20);
}

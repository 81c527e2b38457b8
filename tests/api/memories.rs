//! Memories, tables and globals, made by guests and by the host; and limits on them.

use crate::support::{engines, instantiate, module};
use epsilon::{
    ErrorKind, Extern, Func, Global, Instance, Memory, MemoryType, MemoryTypeBuilder, Ref, RefType, ResourceLimiter,
    Store, StoreLimits, StoreLimitsBuilder, Table, TableType, Val, ValType,
};

const PAGE: usize = 65536;

fn memory_type(min: u32, max: Option<u32>) -> MemoryType {
    MemoryType::new(min, max)
}

fn table_type(element: RefType, min: u32, max: Option<u32>) -> TableType {
    TableType::new(element, min, max)
}

#[test]
fn memories_are_read_and_written() {
    for (plan, engine) in engines() {
        let text = r#"(module (memory (export "memory") 1 3) (data (i32.const 10) "guest")
            (func (export "get") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;
        let (mut store, instance) = instantiate(&engine, text);
        let memory = instance.get_memory(&mut store, "memory").expect("exported");
        let get = instance.get_typed_func::<i32, i32>(&mut store, "get").expect("exported");
        let mut buffer = [0; 5];
        memory.read(&store, 10, &mut buffer).expect("inside");
        assert_eq!(&buffer, b"guest", "{plan}");
        memory.write(&mut store, PAGE - 4, b"host").expect("inside");
        assert_eq!(get.call(&mut store, PAGE as i32 - 1).expect("inside"), i32::from(b't'));
        memory.data_mut(&mut store)[0] = 9;
        assert_eq!((get.call(&mut store, 0).expect("inside"), memory.data(&store)[0]), (9, 9));
        memory.read(&store, PAGE, &mut []).expect("nothing, at the end");
        let read = memory.read(&store, PAGE - 4, &mut buffer).unwrap_err();
        assert_eq!(read.to_string(), "5 bytes at offset 65532 do not lie in a memory of 65536 bytes");
        assert!(memory.write(&mut store, usize::MAX, b"x").is_err());
        assert!(memory.read(&store, PAGE + 1, &mut []).is_err());
        assert_eq!(memory.ty(&store), memory_type(1, Some(3)));
    }
}

#[test]
fn memories_grow_from_both_sides() {
    for (plan, engine) in engines() {
        let text = r#"(module (memory (export "memory") 1 200)
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "size") (result i32) (memory.size))
            (func (export "set") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
            (func (export "get") (param i32) (result i32) (i32.load (local.get 0))))"#;
        let (mut store, instance) = instantiate(&engine, text);
        let memory = instance.get_memory(&mut store, "memory").expect("exported");
        let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").expect("exported");
        let get = instance.get_typed_func::<i32, i32>(&mut store, "get").expect("exported");
        let set = instance.get_typed_func::<(i32, i32), ()>(&mut store, "set").expect("exported");
        let size = instance.get_typed_func::<(), i32>(&mut store, "size").expect("exported");
        set.call(&mut store, (65532, 77)).expect("inside");
        assert!(get.call(&mut store, 65536).is_err());
        assert_eq!(grow.call(&mut store, 2).expect("no trap"), 1, "{plan}");
        assert_eq!(memory.grow(&mut store, 97).expect("below the maximum"), 3);
        assert_eq!((memory.size(&store), size.call(&mut store, ()).expect("no trap")), (100, 100));
        assert_eq!(get.call(&mut store, 65532).expect("inside"), 77);
        assert_eq!(get.call(&mut store, 100 * 65536 - 4).expect("inside"), 0);
        assert!(get.call(&mut store, 100 * 65536 - 3).is_err());
        assert_eq!(grow.call(&mut store, 101).expect("no trap"), -1);
        assert_eq!(memory.data_size(&store), 100 * PAGE);
        let error = memory.grow(&mut store, 101).unwrap_err();
        assert_eq!(error.to_string(), "memory 100..=200 pages cannot grow by 101 pages");
        assert!(memory.grow(&mut store, u64::MAX).is_err());
        assert_eq!(grow.call(&mut store, 0).expect("no trap"), 100);
    }
}

#[test]
fn a_memory_of_the_host_serves_several_instances() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let memory = Memory::new(&mut store, memory_type(1, None)).expect("a memory");
        let text = r#"(module (import "host" "memory" (memory 1))
            (func (export "swap") (param i32 i32) (result i32)
                (i32.load (local.get 0)) (i32.store (local.get 0) (local.get 1)))
            (func (export "grow") (result i32) (memory.grow (i32.const 300))))"#;
        let module = module(&engine, text);
        let instances: Vec<Instance> =
            (0..3).map(|_| Instance::new(&mut store, &module, &[memory.into()]).expect("an instance")).collect();
        for (n, instance) in instances.iter().enumerate() {
            let swap = instance.get_typed_func::<(i32, i32), i32>(&mut store, "swap").expect("exported");
            assert_eq!(swap.call(&mut store, (4, n as i32 + 1)).expect("inside"), n as i32, "{plan}");
        }
        let grow = instances[0].get_typed_func::<(), i32>(&mut store, "grow").expect("exported");
        assert_eq!(grow.call(&mut store, ()).expect("no trap"), 1);
        // Where the memory has moved, the others must have noticed.
        let swap = instances[2].get_typed_func::<(i32, i32), i32>(&mut store, "swap").expect("exported");
        assert_eq!(swap.call(&mut store, (300 * 65536, 8)).expect("inside"), 0);
        assert_eq!(memory.data(&store)[300 * PAGE], 8);
        assert_eq!(swap.call(&mut store, (4, 0)).expect("inside"), 3);
    }
}

#[test]
fn memories_too_large_for_the_machine_are_errors() {
    for (_, engine) in engines() {
        let mut store = Store::new(&engine, ());
        assert!(MemoryTypeBuilder::new().min(1 << 40).build().is_err());
        let ty = MemoryType::new64(1 << 47, None);
        assert!(Memory::new(&mut store, ty).is_err());
        let ty = MemoryType::new64(1, None);
        let memory = Memory::new(&mut store, ty).expect("one page");
        assert!(memory.grow(&mut store, 1 << 47).is_err() && memory.grow(&mut store, u64::MAX - 1).is_err());
        assert_eq!(memory.size(&store), 1);
    }
}

#[test]
fn tables_hold_references() {
    let engine = crate::support::engine();
    let text = r#"(module (table (export "t") 2 5 funcref) (elem (i32.const 0) $one)
        (func $one (result i32) i32.const 1)
        (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))"#;
    let (mut store, instance) = instantiate(&engine, text);
    let table = instance.get_table(&mut store, "t").expect("exported");
    let call = instance.get_typed_func::<i32, i32>(&mut store, "call").expect("exported");
    let host = Func::wrap(&mut store, || 42);
    table.set(&mut store, 1, Ref::Func(Some(host))).expect("inside");
    assert_eq!(call.call(&mut store, 0).expect("a function"), 1);
    assert_eq!(call.call(&mut store, 1).expect("a function"), 42);
    assert!(matches!(table.get(&mut store, 1), Some(Ref::Func(Some(func))) if func == host));
    assert!(table.get(&mut store, 2).is_none() && table.get(&mut store, u64::MAX).is_none());
    assert_eq!(table.grow(&mut store, 2, Ref::Func(Some(host))).expect("room"), 2);
    assert_eq!((call.call(&mut store, 3).expect("a function"), table.size(&store)), (42, 4));
    assert_eq!(table.ty(&store), table_type(RefType::FUNCREF, 4, Some(5)));
    table.set(&mut store, 3, Ref::Func(None)).expect("inside");
    assert!(call.call(&mut store, 3).is_err());
    let outside = table.set(&mut store, 4, Ref::Func(None)).unwrap_err();
    assert_eq!(outside.to_string(), "index 4 does not lie in a table of 4 elements");
    let kind = table.set(&mut store, 0, Ref::Extern(None)).unwrap_err();
    assert_eq!(kind.to_string(), "reference: expected funcref, found a null external reference");
    let full = table.grow(&mut store, 2, Ref::Func(None)).unwrap_err();
    assert_eq!(full.to_string(), "table 4..=5 of funcref cannot grow by 2 elements");
    assert!(table.grow(&mut store, u64::MAX, Ref::Func(None)).is_err());
}

#[test]
fn tables_of_the_host_link_instances() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let table = Table::new(&mut store, table_type(RefType::FUNCREF, 4, None), Ref::Func(None)).expect("a table");
    let text = |slot: i32, value: i32| {
        format!(
            r#"(module (import "" "t" (table 4 funcref)) (global $g (mut i32) (i32.const {value}))
                (elem (i32.const {slot}) $next)
                (func $next (result i32) (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g))
                (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))"#
        )
    };
    let mut calls = Vec::new();
    for (slot, value) in [(0, 100), (1, 200), (3, 300)] {
        let instance = Instance::new(&mut store, &module(&engine, &text(slot, value)), &[table.into()]);
        let instance = instance.expect("an instance");
        calls.push(instance.get_typed_func::<i32, i32>(&mut store, "call").expect("exported"));
    }
    for (round, call) in calls.iter().enumerate() {
        for (slot, value) in [(0, 100), (1, 200), (3, 300)] {
            assert_eq!(call.call(&mut store, slot).expect("a function"), value + round as i32 + 1);
        }
        assert_eq!(call.call(&mut store, 2).unwrap_err().trap(), Some(epsilon::Trap::IndirectCallToNull));
    }
}

#[test]
fn globals_hold_values_of_every_type() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let func = Func::wrap(&mut store, || 7);
    let values: [(ValType, Val, Val); 6] = [
        (ValType::I32, 1.into(), (-1).into()),
        (ValType::I64, i64::MIN.into(), 2i64.into()),
        (ValType::F32, 0.5f32.into(), f32::NAN.into()),
        (ValType::F64, 0.25f64.into(), f64::INFINITY.into()),
        (ValType::V128, (1u128 << 127).into(), 3u128.into()),
        (ValType::FUNCREF, Val::FuncRef(None), func.into()),
    ];
    for (value, first, second) in values {
        let global = Global::new(&mut store, crate::support::variable(value.clone()), first).expect("the type fits");
        let text = format!(
            r#"(module (import "" "g" (global $g (mut {value}))) (global $copy (mut {value}) (global.get 0))
                (export "copy" (global $copy))
                (func (export "swap") (local $t {value})
                    (local.set $t (global.get $g)) (global.set $g (global.get $copy)) (global.set $copy (local.get $t))))"#
        );
        // A constant expression may read immutable imports only, so the copy is set from here.
        let text = text.replace("(global.get 0))\n", &format!("{})\n", zero(&value)));
        let instance = Instance::new(&mut store, &module(&engine, &text), &[global.into()]).expect("an instance");
        let copy = instance.get_global(&mut store, "copy").expect("exported");
        copy.set(&mut store, second).expect("the type fits");
        let swap = instance.get_typed_func::<(), ()>(&mut store, "swap").expect("exported");
        swap.call(&mut store, ()).expect("no trap");
        assert_eq!(format!("{:?}", global.get(&mut store)), format!("{second:?}"));
        assert_eq!(format!("{:?}", copy.get(&mut store)), format!("{first:?}"));
        assert_eq!(copy.ty(&store), crate::support::variable(value));
    }
    let constant = Global::new(&mut store, crate::support::constant(ValType::I32), 5.into()).expect("fits");
    let error = constant.set(&mut store, 6.into()).unwrap_err();
    assert_eq!(error.to_string(), "a global i32 cannot be set: it is immutable");
    let error = Global::new(&mut store, crate::support::constant(ValType::I32), 5i64.into()).unwrap_err();
    assert_eq!(error.to_string(), "initial value of a global: expected i32, found i64");
}

fn zero(ty: &ValType) -> &'static str {
    match ty {
        ValType::I32 => "(i32.const 0)",
        ValType::I64 => "(i64.const 0)",
        ValType::F32 => "(f32.const 0)",
        ValType::F64 => "(f64.const 0)",
        ValType::V128 => "(v128.const i64x2 0 0)",
        ValType::Ref(_) => "(ref.null func)",
    }
}

#[test]
fn items_of_another_store_are_refused_or_panic() {
    let engine = crate::support::engine();
    let text = r#"(module (memory (export "m") 1) (table (export "t") 1 funcref)
        (global (export "g") (mut i32) (i32.const 0)))"#;
    let (mut here, _) = instantiate(&engine, text);
    let (mut there, other) = instantiate(&engine, text);
    let memory = other.get_memory(&mut there, "m").expect("exported");
    let table = other.get_table(&mut there, "t").expect("exported");
    let global = other.get_global(&mut there, "g").expect("exported");
    let refused = [
        memory.read(&here, 0, &mut [0]).unwrap_err(),
        memory.write(&mut here, 0, &[0]).unwrap_err(),
        memory.grow(&mut here, 0).unwrap_err(),
        table.set(&mut here, 0, Ref::Func(None)).unwrap_err(),
        table.grow(&mut here, 0, Ref::Func(None)).unwrap_err(),
        global.set(&mut here, 1.into()).unwrap_err(),
        other.reset(&mut here).unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error.kind(), ErrorKind::WrongStore { .. }), "{error}");
    }
    type Use = fn(&mut Store<()>, Memory, Table, Global, Instance);
    let panics: [Use; 6] = [
        |store, memory, _, _, _| _ = memory.data(&*store).len(),
        |store, memory, _, _, _| _ = memory.size(&*store),
        |store, _, table, _, _| _ = table.get(store, 0),
        |store, _, table, _, _| _ = table.size(&*store),
        |store, _, _, global, _| _ = global.get(store),
        |store, _, _, _, instance| _ = instance.get_export(store, "m"),
    ];
    for panics in panics {
        let call = std::panic::AssertUnwindSafe(|| panics(&mut here, memory, table, global, other));
        let payload = std::panic::catch_unwind(call).expect_err("an item of another store");
        let message = payload.downcast_ref::<String>().expect("a message");
        assert!(message.contains("belongs to another store"), "{message}");
    }
}

#[test]
fn store_limits_hold() {
    for (plan, engine) in engines() {
        let limits = StoreLimitsBuilder::new().memory_size(2 * PAGE).table_elements(10).instances(2).memories(3);
        let mut store = Store::new(&engine, limits.tables(2).build());
        store.limiter(|limits| limits);
        let text = r#"(module (memory (export "memory") 1) (table 5 funcref)
            (func (export "memory_grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "table_grow") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))"#;
        let small = module(&engine, text);
        let instance = Instance::new(&mut store, &small, &[]).expect("within the limits");
        let memory_grow = instance.get_typed_func::<i32, i32>(&mut store, "memory_grow").expect("exported");
        let table_grow = instance.get_typed_func::<i32, i32>(&mut store, "table_grow").expect("exported");
        assert_eq!(memory_grow.call(&mut store, 2).expect("no trap"), -1, "{plan}");
        assert_eq!(memory_grow.call(&mut store, 1).expect("no trap"), 1);
        assert_eq!(memory_grow.call(&mut store, 1).expect("no trap"), -1);
        assert_eq!(table_grow.call(&mut store, 5).expect("no trap"), 5);
        assert_eq!(table_grow.call(&mut store, 1).expect("no trap"), -1);
        let memory = instance.get_memory(&mut store, "memory").expect("exported");
        assert!(matches!(memory.grow(&mut store, 1).unwrap_err().kind(), ErrorKind::Limit(_)));
        let large = module(&engine, "(module (memory 3))");
        let error = Instance::new(&mut store, &large, &[]).unwrap_err();
        assert_eq!(error.to_string(), "the store's limiter refuses memory 3.. pages");
        let error = Instance::new(&mut store, &module(&engine, "(module (table 11 funcref))"), &[]).unwrap_err();
        assert_eq!(error.to_string(), "the store's limiter refuses table 11.. of funcref");
        Instance::new(&mut store, &small, &[]).expect("a second one");
        let error = Instance::new(&mut store, &module(&engine, "(module)"), &[]).unwrap_err();
        assert_eq!(error.to_string(), "the store may hold 2 instances");
        assert!(Table::new(&mut store, table_type(RefType::FUNCREF, 1, None), Ref::Func(None)).is_err());
        Memory::new(&mut store, memory_type(0, None)).expect("a third memory");
        assert!(Memory::new(&mut store, memory_type(0, None)).is_err());
    }
}

/// A limiter that records what it is asked, and fails on demand.
#[derive(Default)]
struct Recorder {
    asked: Vec<(usize, usize, Option<usize>)>,
    fail: bool,
}

impl ResourceLimiter for Recorder {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> epsilon::Result<bool> {
        self.asked.push((current, desired, maximum));
        if self.fail { Err(epsilon::Error::misuse("no more memory today")) } else { Ok(true) }
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> epsilon::Result<bool> {
        self.memory_growing(current, desired, maximum)
    }
}

#[test]
fn limiters_are_asked_and_may_end_the_guest() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, Recorder::default());
    store.limiter(|recorder| recorder);
    let text = r#"(module (memory 1 4) (table 2 6 funcref)
        (func $grow (export "grow") (drop (memory.grow (i32.const 1))) (drop (table.grow (ref.null func) (i32.const 3)))))"#;
    let instance = Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
    let grow = instance.get_typed_func::<(), ()>(&mut store, "grow").expect("exported");
    grow.call(&mut store, ()).expect("allowed");
    let expected = [(0, PAGE, Some(4 * PAGE)), (0, 2, Some(6)), (PAGE, 2 * PAGE, Some(4 * PAGE)), (2, 5, Some(6))];
    assert_eq!(store.data().asked, expected);
    store.data_mut().fail = true;
    for _ in 0..3 {
        let error = grow.call(&mut store, ()).unwrap_err();
        assert_eq!(error.to_string(), "no more memory today");
        let frames = error.backtrace().expect("wasm was running").frames();
        assert_eq!(frames.iter().map(|frame| frame.func_name()).collect::<Vec<_>>(), [Some("grow")]);
    }
    store.data_mut().fail = false;
    grow.call(&mut store, ()).expect("allowed again");
    assert!(StoreLimits::default().memory_growing(0, usize::MAX, None).expect("no limit"));
}

#[test]
fn imports_must_match_in_type() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let func = Func::wrap(&mut store, |n: i64| n);
    let memory = Memory::new(&mut store, memory_type(1, Some(5))).expect("a memory");
    let table = Table::new(&mut store, table_type(RefType::FUNCREF, 3, None), Ref::Func(None)).expect("a table");
    let global = Global::new(&mut store, crate::support::variable(ValType::I32), 0.into()).expect("fits");
    let cases: [(&str, Extern, &str); 8] = [
        ("(func (param i32))", func.into(), "expected a function (i32) -> (), found a function (i64) -> (i64)"),
        ("(func)", memory.into(), "expected a function, found a memory"),
        ("(memory 2)", memory.into(), "expected a memory 2.. pages, found a memory 1..=5 pages"),
        ("(memory 1 4)", memory.into(), "expected a memory 1..=4 pages, found a memory 1..=5 pages"),
        ("(table 3 externref)", table.into(), "expected a table 3.. of externref, found a table 3.. of funcref"),
        ("(table 3 9 funcref)", table.into(), "expected a table 3..=9 of funcref, found a table 3.. of funcref"),
        ("(global i32)", global.into(), "expected a global i32, found a global mut i32"),
        ("(global (mut i64))", global.into(), "expected a global mut i64, found a global mut i32"),
    ];
    for (import, item, problem) in cases {
        let module = module(&engine, &format!(r#"(module (import "a" "b" {import}))"#));
        let error = Instance::new(&mut store, &module, &[item]).unwrap_err();
        assert_eq!(error.to_string(), format!("import `a`.`b`: {problem}"));
        let count = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert_eq!(count.to_string(), "imports of a module: expected 1 items, found 0 items");
    }
    // Present size and present bounds count, not those of the beginning.
    memory.grow(&mut store, 1).expect("room");
    let larger = module(&engine, r#"(module (import "a" "b" (memory 2 5)))"#);
    Instance::new(&mut store, &larger, &[memory.into()]).expect("it is large enough now");
}

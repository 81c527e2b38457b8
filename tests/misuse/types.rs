//! Wrong types: of values, of items, and types that no module could have.

use crate::support::{engines, module};
use epsilon::{
    ErrorKind, Exception, Extern, Func, FuncType, Global, Instance, Linker, Memory, MemoryType, MemoryTypeBuilder,
    ModuleBytes, Ref, RefType, SharedMemory, Store, Table, TableType, Tag, TagType, Trap, Val, ValType,
};

fn numbers() -> [Val; 5] {
    [Val::I32(1), Val::I64(1), Val::F32(1), Val::F64(1), Val::from(1_u128)]
}

const TYPES: [ValType; 5] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];
const NULLS: [Val; 3] = [Val::FuncRef(None), Val::ExternRef(None), Val::ExnRef(None)];
const REFS: [ValType; 3] = [ValType::FUNCREF, ValType::EXTERNREF, ValType::EXNREF];

fn memory_type(min: u32, max: Option<u32>) -> MemoryType {
    MemoryType::new(min, max)
}

/// Every value with every type: accepted where they are the same, else an error; for all ways into a store.
#[test]
fn values_of_another_type_are_refused() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let values = numbers().into_iter().chain(NULLS).zip(TYPES.iter().chain(&REFS));
    for (value, of) in values {
        for ty in TYPES.iter().chain(&REFS) {
            let fits = ty == of;
            let echo =
                Func::new(&mut store, FuncType::new(&engine, [ty.clone()], [ty.clone()]), move |_, params, results| {
                    results[0] = params[0];
                    Ok(())
                });
            let mut results = [Val::I32(0)];
            let called = echo.call(&mut store, &[value], &mut results);
            assert_eq!(called.is_ok(), fits, "Func::call {value:?} as {ty}");
            let gives = Func::new(&mut store, FuncType::new(&engine, [], [ty.clone()]), move |_, _, results| {
                results[0] = value;
                Ok(())
            });
            let called = gives.call(&mut store, &[], &mut results);
            assert_eq!(called.is_ok(), fits, "Func::new gives {value:?} as {ty}");
            let global = Global::new(&mut store, crate::support::variable(ty.clone()), value);
            assert_eq!(global.is_ok(), fits, "Global::new {value:?} as {ty}");
            let zero = Val::default_for_ty(ty).expect("a type with a default");
            let global = Global::new(&mut store, crate::support::variable(ty.clone()), zero).expect("a global");
            assert_eq!(global.set(&mut store, value).is_ok(), fits, "Global::set {value:?} as {ty}");
            let tag = crate::support::tag(&mut store, [ty.clone()]).expect("a tag");
            assert_eq!(Exception::new(&mut store, tag, &[value]).is_ok(), fits, "Exception::new {value:?} as {ty}");
        }
    }
}

#[test]
fn counts_and_rust_types_that_differ_are_refused() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let f = Func::wrap(&mut store, |a: i32, b: i64| (b, a));
    let one = &mut [Val::I32(0)][..];
    f.call(&mut store, &[Val::I32(1)], &mut [Val::I32(0); 2]).expect_err("too few arguments");
    f.call(&mut store, &[Val::I32(1), Val::I64(1), Val::I32(1)], &mut [Val::I32(0); 2]).expect_err("too many");
    f.call(&mut store, &[Val::I32(1), Val::I64(1)], one).expect_err("too little room");
    f.typed::<(i64, i32), (i64, i32)>(&store).expect_err("Func::typed");
    f.typed::<(i32, i64), (i64, i32)>(&store).expect("its type");
    f.typed::<(i32, i64), i64>(&store).expect_err("fewer results");
    let with_result = FuncType::new(&engine, [ValType::I32], [ValType::I32]);
    let tag = Tag::new(&mut store, &TagType::new(with_result)).expect_err("Tag::new");
    assert!(matches!(tag.kind(), ErrorKind::Mismatch { .. }));
    let tag = crate::support::tag(&mut store, [ValType::I32]).expect("a tag");
    Exception::new(&mut store, tag, &[]).expect_err("too few fields");
    Exception::new(&mut store, tag, &[Val::I32(1); 2]).expect_err("too many fields");
}

#[test]
fn items_of_the_wrong_kind_or_type_are_refused_as_imports() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let memory = Memory::new(&mut store, memory_type(1, Some(2))).expect("a memory");
    let functions = TableType::new(RefType::FUNCREF, 1, Some(2));
    let table = Table::new(&mut store, functions, Ref::Func(None)).expect("a table");
    let constant = Global::new(&mut store, crate::support::constant(ValType::I32), Val::I32(1));
    let variable = Global::new(&mut store, crate::support::variable(ValType::I32), Val::I32(1));
    let tag = crate::support::tag(&mut store, [ValType::I32]).expect("a tag");
    let func = Func::wrap(&mut store, |n: i32| n);
    let (constant, variable) = (constant.expect("a global"), variable.expect("a global"));
    let items: [Extern; 6] = [memory.into(), table.into(), constant.into(), variable.into(), tag.into(), func.into()];
    // Which of the items, by their places above, each import takes.
    let imports: [(&str, &[usize]); 20] = [
        ("(memory 1)", &[0]),
        ("(memory 1 2)", &[0]),
        ("(memory 2)", &[]),
        ("(memory 1 1)", &[]),
        ("(memory i64 1)", &[]),
        ("(memory 1 2 shared)", &[]),
        ("(table 1 funcref)", &[1]),
        ("(table 2 funcref)", &[]),
        ("(table 1 1 funcref)", &[]),
        ("(table 1 externref)", &[]),
        ("(table i64 1 funcref)", &[]),
        ("(global i32)", &[2]),
        ("(global (mut i32))", &[3]),
        ("(global i64)", &[]),
        ("(global (mut f32))", &[]),
        ("(tag (param i32))", &[4]),
        ("(tag (param i64))", &[]),
        ("(func (param i32) (result i32))", &[5]),
        ("(func (param i64) (result i32))", &[]),
        ("(func (param i32))", &[]),
    ];
    for (import, takes) in imports {
        let module = module(&engine, &format!(r#"(module (import "" "" {import}))"#));
        for (n, item) in items.iter().enumerate() {
            let result = Instance::new(&mut store, &module, std::slice::from_ref(item));
            assert_eq!(result.is_ok(), takes.contains(&n), "{import} with item {n}: {result:?}");
        }
        Instance::new(&mut store, &module, &[]).expect_err("too few imports");
        Instance::new(&mut store, &module, &[items[0].clone(), items[0].clone()]).expect_err("too many imports");
        Linker::new(&engine).instantiate(&mut store, &module).expect_err("not defined");
    }
}

/// Types that no module could have.
#[test]
fn types_that_make_no_sense_are_refused() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        type Change = fn(&mut MemoryTypeBuilder) -> &mut MemoryTypeBuilder;
        let wrong: [(&str, Change); 8] = [
            ("minimum above maximum", |ty| ty.min(3)),
            ("more than 32 bits address", |ty| ty.min(65537).max(None)),
            ("a maximum beyond 32 bits", |ty| ty.max(Some(65537))),
            ("a page size that is none", |ty| ty.page_size_log2(3)),
            ("a page size that overflows", |ty| ty.page_size_log2(64)),
            ("a page size that overflows more", |ty| ty.page_size_log2(255)),
            ("more than 64 bits address", |ty| ty.memory64(true).min(u64::MAX).max(None)),
            ("too much by one", |ty| ty.memory64(true).min((1 << 48) + 1).max(None)),
        ];
        for (what, change) in wrong {
            for shared in [false, true] {
                let mut builder = MemoryTypeBuilder::new();
                change(builder.min(1).max(Some(2)).shared(shared));
                builder.build().expect_err(&format!("MemoryTypeBuilder::build: {what}, {plan}"));
            }
        }
        Memory::new(&mut store, MemoryType::shared(1, 2)).expect_err("a shared memory of a store");
        SharedMemory::new(&engine, memory_type(1, Some(2))).expect_err("a memory of a store that is shared");
        MemoryTypeBuilder::new().min(1).shared(true).build().expect_err("no maximum");
        let table = |min, max| TableType::new64(RefType::FUNCREF, min, max);
        for ty in [table(3, Some(2)), table(u64::MAX, None), table(1 << 40, None)] {
            Table::new(&mut store, ty, Ref::Func(None)).expect_err("Table::new");
        }
        Table::new(&mut store, table(1, None), Ref::Extern(None)).expect_err("null of another type");
    }
}

#[test]
fn growth_and_accesses_out_of_bounds_are_refused() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let memory = Memory::new(&mut store, memory_type(1, Some(2))).expect("a memory");
        for delta in [2, 65536, 1 << 48, u64::MAX] {
            memory.grow(&mut store, delta).expect_err(plan);
        }
        for (offset, len) in [(65536, 1), (65535, 2), (usize::MAX, 1), (usize::MAX, 0), (1 << 40, 0)] {
            memory.read(&store, offset, &mut vec![0; len]).expect_err("Memory::read");
            memory.write(&mut store, offset, &vec![0; len]).expect_err("Memory::write");
        }
        let functions = TableType::new(RefType::FUNCREF, 1, Some(2));
        let table = Table::new(&mut store, functions, Ref::Func(None)).expect("a table");
        for delta in [2, 1 << 40, u64::MAX] {
            table.grow(&mut store, delta, Ref::Func(None)).expect_err(plan);
        }
        for index in [1, 1 << 40, u64::MAX] {
            table.set(&mut store, index, Ref::Func(None)).expect_err("Table::set");
            assert!(table.get(&mut store, index).is_none(), "Table::get");
        }
        let shared = MemoryType::shared(1, 2);
        let shared = SharedMemory::new(&engine, shared).expect("a memory");
        for address in [1, 65536, u64::MAX - 3] {
            shared.atomic_notify(address, 1).expect_err("SharedMemory::atomic_notify");
            shared.atomic_wait32(address, 0, None).expect_err("SharedMemory::atomic_wait32");
            shared.atomic_wait64(address, 0, None).expect_err("SharedMemory::atomic_wait64");
        }
        shared.read(usize::MAX, &mut [0; 2]).expect_err("SharedMemory::read");
        shared.write(65536, &[0]).expect_err("SharedMemory::write");
        shared.grow(u64::MAX).expect_err("SharedMemory::grow");
    }
}

/// A host function may have more parameters than any module's.
#[test]
fn host_functions_with_very_many_parameters_work_or_are_refused() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    for count in [1_000, 100_000, 4_000_000] {
        let ty = FuncType::new(&engine, vec![ValType::I64; count], [ValType::I64]);
        let sum = Func::try_new(&mut store, ty, |_, params, results| {
            results[0] = Val::I64(params.iter().map(|n| n.i64().expect("an i64")).sum());
            Ok(())
        });
        let Ok(sum) = sum else { continue };
        let mut results = [Val::I64(0)];
        match sum.call(&mut store, &vec![Val::I64(1); count], &mut results) {
            Ok(()) => assert_eq!(results[0].i64(), Some(count as i64)),
            Err(error) => assert_eq!(error.trap(), Some(Trap::StackOverflow), "{count}: {error}"),
        }
    }
}

/// Bytes that are not there: an error of the system, and a part beyond the whole the panic that the method's words name.
#[test]
fn bytes_that_are_not_there() {
    assert!(ModuleBytes::read("/nowhere/at/all.wasm").is_err());
    assert!(ModuleBytes::read(env!("CARGO_MANIFEST_DIR")).is_err(), "a directory has no bytes");
    let whole = std::sync::Arc::new(ModuleBytes::from(vec![1, 2, 3]));
    assert_eq!(&*ModuleBytes::part(&whole, 1..3), [2, 3]);
    for range in [2..4, 4..4, usize::MAX - 1..usize::MAX] {
        let beyond = std::panic::catch_unwind(|| ModuleBytes::part(&whole, range.clone()));
        assert!(beyond.is_err(), "{range:?} does not lie in three bytes");
    }
}

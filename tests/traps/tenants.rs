//! What one tenant of a process uses up, the others do not lack; and what the environment limits is an error or works.
//! Every test runs in a process of its own: limits are those of a process.
#![allow(unsafe_code)] // `setrlimit` takes a pointer

use crate::support::{child_task, pass_in_child};
use epsilon::{
    ArtifactKey, CacheConfig, Config, Engine, Error, ErrorKind, Func, Instance, Linker, MemoryStrategy, Module, Store,
};

fn engine() -> Engine {
    let mut config = Config::new();
    // Without workers: the heaps of threads would count where address space is counted.
    config.cache(None).max_wasm_stack(1 << 20).workers(0);
    Engine::new(&config).expect("an engine")
}

fn set_limit(resource: libc::__rlimit_resource_t, bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is a limit.
    let result = unsafe { libc::setrlimit(resource, &limit) };
    assert_eq!(result, 0, "a limit below the largest");
}

/// A number of kibibytes that the system tells of this process.
fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a known line");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

fn leb(mut n: u32, to: &mut Vec<u8>) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

/// Writes a part of a section.
type Part<'a> = &'a dyn Fn(&mut Vec<u8>);

fn section(module: &mut Vec<u8>, id: u8, parts: &[Part<'_>]) {
    let mut body = Vec::new();
    parts.iter().for_each(|part| part(&mut body));
    module.push(id);
    leb(body.len() as u32, module);
    module.extend(body);
}

/// So many functions in an exported table: each has to be callable from everywhere once another instance imports it.
fn exported(functions: u32) -> Vec<u8> {
    let n = |to: &mut Vec<u8>| leb(functions, to);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &[&|to| to.extend([1, 0x60, 0, 0])]);
    section(&mut module, 3, &[&n, &|to| to.extend((0..functions).map(|_| 0))]);
    section(&mut module, 4, &[&|to| to.extend([1, 0x70, 0]), &n]);
    section(&mut module, 7, &[&|to| to.extend([1, 1, b't', 1, 0])]);
    let all = |to: &mut Vec<u8>| (0..functions).for_each(|function| leb(function, to));
    section(&mut module, 9, &[&|to| to.extend([1, 0, 0x41, 0, 0x0b]), &n, &all]);
    section(&mut module, 10, &[&n, &|to| (0..functions).for_each(|_| to.extend([2, 0, 0x0b]))]);
    module
}

/// A module that imports the table of [`exported`].
fn importer(engine: &Engine, functions: u32) -> Module {
    Module::new(engine, format!(r#"(module (import "" "t" (table {functions} funcref)))"#)).expect("a module")
}

/// An instance whose table another one imports.
fn shared(store: &mut Store<()>, module: &Module, importer: &Module) -> Result<Instance, Error> {
    let instance = Instance::new(&mut *store, module, &[])?;
    let table = instance.get_table(&mut *store, "t").expect("exported");
    Instance::new(store, importer, &[table.into()])?;
    Ok(instance)
}

/// Another tenant's engine defines host functions and runs a guest that calls them.
fn another_tenant() -> Result<(), Error> {
    let engine = engine();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("", "h", |n: i32| n + 1)?;
    let text = r#"(module (import "" "h" (func $h (param i32) (result i32)))
        (func (export "f") (param i32) (result i32) (call $h (call $h (local.get 0)))))"#;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &Module::new(&engine, text)?)?;
    assert_eq!(instance.get_typed_func::<i32, i32>(&mut store, "f")?.call(&mut store, 1)?, 3);
    Ok(())
}

fn call_through_table(store: &mut Store<()>, instance: &Instance, index: u64) {
    let table = instance.get_table(&mut *store, "t").expect("exported");
    let Some(epsilon::Ref::Func(Some(function))) = table.get(&mut *store, index) else { panic!("a function") };
    function.typed::<(), ()>(&*store).expect("its type").call(&mut *store, ()).expect("no trap");
}

/// More functions that all can call than a process once had places for; they come and go, and the process stays small.
#[test]
fn no_tenant_uses_up_the_places_that_functions_are_called_at() {
    if child_task().is_none() {
        return pass_in_child("tenants::no_tenant_uses_up_the_places_that_functions_are_called_at", "run");
    }
    const FUNCTIONS: u32 = 300_000;
    let engine = engine();
    let module = Module::new(&engine, exported(FUNCTIONS)).expect("a module");
    let importer = importer(&engine, FUNCTIONS);
    let mut sizes = Vec::new();
    for _ in 0..6 {
        let mut store = Store::new(&engine, ());
        let instance = shared(&mut store, &module, &importer).expect("two instances");
        call_through_table(&mut store, &instance, 0);
        call_through_table(&mut store, &instance, u64::from(FUNCTIONS) - 1);
        another_tenant().expect("what it needs");
        drop(store);
        another_tenant().expect("what it needs");
        sizes.push(status_kib("VmRSS:"));
    }
    // A round that left its functions behind would add 14 MiB.
    assert!(sizes[5] < sizes[0] + (40 << 10), "{sizes:?} KiB");
}

/// Where memory for them ends, that is an error of the store that asked for too much.
#[test]
fn a_store_without_memory_for_functions_is_told_so() {
    if child_task().is_none() {
        return pass_in_child("tenants::a_store_without_memory_for_functions_is_told_so", "run");
    }
    let engine = engine();
    let module = Module::new(&engine, exported(100_000)).expect("a module");
    let importer = importer(&engine, 100_000);
    another_tenant().expect("what it needs");
    let mut store = Store::new(&engine, ());
    set_limit(libc::RLIMIT_AS, (status_kib("VmSize:") + (100 << 10)) << 10);
    let (mut instances, mut refused) = (Vec::new(), 0);
    for _ in 0..40 {
        match shared(&mut store, &module, &importer) {
            Ok(instance) => instances.push(instance),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Limit(_) | ErrorKind::System { .. }), "{error:?}");
                refused += 1;
                break;
            }
        }
    }
    assert!(refused > 0 && !instances.is_empty(), "{} instances", instances.len());
    // What it has works.
    let last = *instances.last().expect("an instance");
    call_through_table(&mut store, &last, 99_999);
    drop(store);
    another_tenant().expect("what it needs");
    let mut store = Store::new(&engine, ());
    let instance = shared(&mut store, &module, &importer).expect("two instances");
    call_through_table(&mut store, &instance, 99_999);
}

/// A process that may write no files runs guests.
#[test]
fn files_of_no_size_end_no_process() {
    if child_task().is_none() {
        return pass_in_child("tenants::files_of_no_size_end_no_process", "run");
    }
    set_limit(libc::RLIMIT_FSIZE, 0);
    another_tenant().expect("what it needs");
    // So much data that it would be mapped.
    let data = "abcdefgh".repeat(8 << 10);
    let text = format!(
        r#"(module (memory 2) (data (i32.const 0) "{data}")
        (func (export "f") (param i32) (result i32) (i32.load8_u (local.get 0))))"#
    );
    let directory = tempfile::tempdir().expect("a directory");
    let cache = CacheConfig::new().directory(directory.path()).min_code_size(0);
    for cache in [None, Some(cache)] {
        let engine = Engine::new(Config::new().cache(cache)).expect("an engine");
        let module = Module::new(&engine, &text).expect("a module");
        for _ in 0..2 {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
            let f = instance.get_typed_func::<i32, i32>(&mut store, "f").expect("exported");
            assert_eq!(f.call(&mut store, 65533).expect("no trap"), i32::from(b'f'));
        }
        module.save_to_cache();
        let key = ArtifactKey::new(b"sixteen bytes or more of a secret").expect("a key");
        let artifact = engine.precompile_module_with_key(&text, Some(&key)).expect("an artifact");
        Module::write_artifact(directory.path().join("artifact"), &artifact).expect_err("a file of some size");
    }
}

/// Where address space is scarce, code takes what it needs of it, and gives that back.
#[test]
fn code_takes_little_of_a_small_address_space() {
    if child_task().is_none() {
        return pass_in_child("tenants::code_takes_little_of_a_small_address_space", "run");
    }
    let before = status_kib("VmSize:");
    set_limit(libc::RLIMIT_AS, (before + (200 << 10)) << 10);
    another_tenant().expect("what it needs");
    let with_one = status_kib("VmSize:");
    assert!(with_one < before + (60 << 10), "{before} KiB became {with_one} KiB");
    let operators = |count: usize| "(i64.add (i64.const 1))".repeat(count);
    for round in 0..200 {
        let engine = engine();
        let text = format!(
            "(module (func (result i64) (i64.const 0) {}) (func (export \"f\")))",
            operators(50 * (round % 7) + round)
        );
        let module = Module::new(&engine, text).expect("a module");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        instance.get_func(&mut store, "f").expect("exported").call(&mut store, &[], &mut []).expect("no trap");
    }
    let after = status_kib("VmSize:");
    assert!(after < with_one + (60 << 10), "{with_one} KiB became {after} KiB");
}

/// What an artifact holds is known: it has room where bodies say little of the size of their code.
#[test]
fn an_artifact_has_room_for_its_code_where_address_space_is_scarce() {
    if child_task().is_none() {
        return pass_in_child("tenants::an_artifact_has_room_for_its_code_where_address_space_is_scarce", "run");
    }
    let thousand = "i32 ".repeat(1000);
    let text = format!(
        r#"(module (type $g (func (result {thousand}))) (type $s (func (param {thousand})))
        (global $x (mut i32) (i32.const 0))
        (func $gen (type $g) {})
        (func $sink (type $s) (global.set $x (i32.add (local.get 0) (i32.const 1))))
        (func (export "big") (result i32) {} (global.get $x)))"#,
        "(global.get $x) ".repeat(1000),
        "call $gen call $sink ".repeat(150)
    );
    let mut config = Config::new();
    config.cache(None).max_wasm_stack(1 << 20).workers(0).memory_strategy(MemoryStrategy::Checked);
    let engine = Engine::new(&config).expect("an engine");
    let key = ArtifactKey::new(b"sixteen bytes or more of a secret").expect("a key");
    let artifact = engine.precompile_module_with_key(&text, Some(&key)).expect("an artifact");
    assert!(artifact.len() > 2 << 20, "more than the bodies let expect: {} bytes", artifact.len());
    set_limit(libc::RLIMIT_AS, (status_kib("VmSize:") + (300 << 10)) << 10);
    let module = Module::deserialize_with_key(&engine, &artifact, &key).expect("room for all of it");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
    let big = instance.get_typed_func::<(), i32>(&mut store, "big").expect("exported");
    assert_eq!(big.call(&mut store, ()).expect("code"), 150);
}

/// Functions of the host come and go without end.
#[test]
fn host_functions_leave_nothing_behind() {
    if child_task().is_none() {
        return pass_in_child("tenants::host_functions_leave_nothing_behind", "run");
    }
    let engine = engine();
    let mut sizes = Vec::new();
    for _ in 0..20 {
        let mut store = Store::new(&engine, ());
        for n in 0..20_000 {
            let f = Func::wrap(&mut store, move || n);
            if n % 5_000 == 0 {
                assert_eq!(f.typed::<(), i32>(&store).expect("its type").call(&mut store, ()).expect("no trap"), n);
            }
        }
        drop(store);
        sizes.push(status_kib("VmRSS:"));
    }
    assert!(sizes[19] < sizes[1] + (8 << 10), "{sizes:?} KiB");
}

//! Engines whose instances have the sizes of a pool.

use crate::support::module;
use epsilon::{
    Config, Enabled, Engine, Instance, Memory, MemoryType, Module, PoolConcurrencyLimitError, PoolingAllocationConfig,
    Ref, Store,
};

fn engine(set: impl FnOnce(&mut PoolingAllocationConfig)) -> Engine {
    let mut pool = PoolingAllocationConfig::new();
    set(&mut pool);
    Engine::new(Config::new().allocation_strategy(pool)).expect("an engine")
}

#[test]
fn modules_that_do_not_fit_are_refused_when_they_are_made() {
    let engine = engine(|pool| {
        pool.max_memory_size(3 << 16).table_elements(10).max_core_instance_size(1000);
    });
    let mut many_globals = "(module".to_owned();
    (0..100).for_each(|_| many_globals.push_str("(global (mut i64) (i64.const 0))"));
    for (text, said) in [
        ("(module (memory 1) (memory 1))", "2 memories in a module"),
        ("(module (memory 4))", "262144 bytes of a memory"),
        ("(module (memory 1 1 shared))", "no shared memories"),
        ("(module (table 1 funcref) (table 1 funcref))", "2 tables in a module"),
        ("(module (table 11 funcref))", "11 elements of a table"),
        (&format!("{many_globals})"), "bytes of an instance"),
    ] {
        let error = Module::new(&engine, text).expect_err(text).to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
    Module::new(&engine, "(module (import \"\" \"m\" (memory 4)) (memory 3) (table 10 funcref))").expect("it fits");
}

#[test]
fn what_instances_define_grows_no_further() {
    let engine = engine(|pool| {
        pool.max_memory_size(2 << 16).table_elements(2);
    });
    let text = r#"(module (memory (export "m") 1) (table (export "t") 1 funcref)
        (func (export "grow") (result i32 i32)
            (memory.grow (i32.const 1)) (table.grow (ref.null func) (i32.const 1))))"#;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
    let grow = instance.get_typed_func::<(), (i32, i32)>(&mut store, "grow").expect("exported");
    assert_eq!([(); 2].map(|()| grow.call(&mut store, ()).expect("no trap")), [(1, 1), (-1, -1)]);
    instance.get_memory(&mut store, "m").expect("exported").grow(&mut store, 1).expect_err("it is full");
    let table = instance.get_table(&mut store, "t").expect("exported");
    table.grow(&mut store, 1, Ref::Func(None)).expect_err("it is full");
    // The host's own are not in the pool.
    let own = Memory::new(&mut store, MemoryType::new(4, None)).expect("room");
    own.grow(&mut store, 1).expect("room");
}

#[test]
fn places_are_shared_by_all_stores_and_given_back() {
    let engine = engine(|pool| {
        pool.total_core_instances(3).total_memories(2).total_tables(2).total_gc_heaps(1);
    });
    let (memory, table) = (module(&engine, "(module (memory 1))"), module(&engine, "(module (table 1 funcref))"));
    let nothing = module(&engine, "(module)");
    let objects = module(&engine, "(module (type $t (struct)) (global (ref $t) (struct.new $t)))");
    let metrics = engine.pooling_allocator_metrics().expect("there is a pool");
    let refused = |store: &mut Store<()>, module: &Module| {
        Instance::new(store, module, &[]).expect_err("no place").is::<PoolConcurrencyLimitError>()
    };
    for _ in 0..3 {
        let mut stores = [(); 2].map(|()| Store::new(&engine, ()));
        for store in &mut stores {
            Instance::new(store, &memory, &[]).expect("a place");
        }
        assert!(refused(&mut stores[0], &memory), "two memories are in use");
        Instance::new(&mut stores[1], &table, &[]).expect("a place");
        assert!(refused(&mut stores[0], &nothing), "three instances are in use");
        assert_eq!((metrics.core_instances(), metrics.memories(), metrics.tables()), (3, 2, 1));
        drop(stores);
        let mut stores = [(); 2].map(|()| Store::new(&engine, ()));
        Instance::new(&mut stores[0], &objects, &[]).expect("a place");
        assert!(refused(&mut stores[1], &objects) && metrics.gc_heaps() == 1, "one heap is in use");
    }
    assert_eq!((metrics.core_instances(), metrics.memories(), metrics.tables(), metrics.gc_heaps()), (0, 0, 0, 0));
    // What fails half-way gives its place back.
    let traps = module(&engine, "(module (memory 1) (func $f unreachable) (start $f))");
    let mut store = Store::new(&engine, ());
    for _ in 0..5 {
        assert!(!Instance::new(&mut store, &traps, &[]).expect_err("a trap").is::<PoolConcurrencyLimitError>());
    }
    assert_eq!(metrics.memories(), 0);
}

#[test]
fn what_a_pool_cannot_do_is_said() {
    for set in [
        PoolingAllocationConfig::memory_protection_keys as fn(&mut PoolingAllocationConfig, Enabled) -> &mut _,
        PoolingAllocationConfig::pagemap_scan,
    ] {
        for (enabled, is_fine) in [(Enabled::No, true), (Enabled::Auto, true), (Enabled::Yes, false)] {
            let mut pool = PoolingAllocationConfig::new();
            set(&mut pool, enabled);
            assert_eq!(Engine::new(Config::new().allocation_strategy(pool)).is_ok(), is_fine);
        }
    }
    assert!(!PoolingAllocationConfig::are_memory_protection_keys_available());
    assert!(Engine::default().pooling_allocator_metrics().is_none());
}

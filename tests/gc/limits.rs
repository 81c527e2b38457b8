//! Full heaps, heaps that are never full, and guests that are stopped while they allocate.

use crate::engines;
use crate::support::{engine, instantiate, module};
use epsilon::{Caller, ExternRef, Instance, Linker, Rooted, Store, StoreLimits, StoreLimitsBuilder, Trap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const LISTS: &str = r#"(module
    (type $node (struct (field (ref null $node)) (field i64)))
    (type $bytes (array (mut i8)))
    (type $longs (array (mut i64)))
    (type $wide (struct (field i64) (field i64) (field i64) (field i64) (field i64) (field i64) (field i64) (field i64)
        (field i64) (field i64) (field i64) (field i64) (field i64) (field i64) (field i64) (field i64)))
    (global $list (export "list") (mut (ref null $node)) (ref.null $node))
    (func (export "grow") (loop $more
        (global.set $list (struct.new $node (global.get $list) (i64.const -1))) (br $more)))
    (func (export "drop") (global.set $list (ref.null $node)))
    (func (export "trash") (param $n i32) (loop $more
        (drop (struct.new $node (ref.null $node) (i64.const -1)))
        (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "trash_arrays") (param $n i32) (loop $more
        (drop (array.new $bytes (i32.const -1) (local.get $n)))
        (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "huge") (drop (array.new_default $longs (i32.const 0x7fffffff))))
    (func (export "large") (param i32) (drop (array.new_default $bytes (local.get 0))))
    (func (export "for_ever") (loop $more
        (drop (struct.new $wide (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1)
            (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1)
            (i64.const -1) (i64.const -1) (i64.const -1)))
        (br $more)))
    (func (export "is_zero") (param $n i32) (result i32) (local $a (ref null $longs)) (local $i i32) (local $s i64)
        (loop $more
            (local.set $a (array.new_default $longs (i32.const 16)))
            (local.set $i (i32.const 0))
            (loop $next
                (local.set $s (i64.or (local.get $s) (array.get $longs (local.get $a) (local.get $i))))
                (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
            (local.set $s (i64.or (local.get $s) (struct.get $node 1 (struct.new_default $node))))
            (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i64.eqz (local.get $s))))"#;

fn limited(bytes: usize) -> (Store<StoreLimits>, Instance) {
    let engine = engine();
    let mut store = Store::new(&engine, StoreLimitsBuilder::new().total_memory(bytes).build());
    store.limiter(|limits| limits);
    let instance = Instance::new(&mut store, &module(&engine, LISTS), &[]).expect("an instance");
    (store, instance)
}

#[test]
fn a_full_heap_is_a_trap_and_can_be_used_again() {
    let (mut store, instance) = limited(16 << 20);
    let engine = store.engine().clone();
    let [grow, drop] = ["grow", "drop"].map(|f| instance.get_typed_func::<(), ()>(&mut store, f).expect("exported"));
    let trash = instance.get_typed_func::<i32, ()>(&mut store, "trash").expect("exported");
    for _ in 0..3 {
        let error = grow.call(&mut store, ()).expect_err("the list has no end");
        assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::OutOfHeap), "{error:?}");
        assert!(engine.memory_in_use() < 20 << 20, "{}", engine.memory_in_use());
        let used = store.gc_stats().used_bytes;
        assert!(used > 4 << 20, "full of {used} bytes");
        drop.call(&mut store, ()).expect("no trap");
        trash.call(&mut store, 1_000_000).expect("there is room again");
    }
}

#[test]
fn garbage_does_not_fill_the_heap() {
    let (mut store, instance) = limited(8 << 20);
    let trash = instance.get_typed_func::<i32, ()>(&mut store, "trash").expect("exported");
    trash.call(&mut store, 5_000_000).expect("all is garbage");
    let arrays = instance.get_typed_func::<i32, ()>(&mut store, "trash_arrays").expect("exported");
    arrays.call(&mut store, 20_000).expect("all is garbage");
    let large = instance.get_typed_func::<i32, ()>(&mut store, "large").expect("exported");
    for _ in 0..100 {
        large.call(&mut store, 1 << 20).expect("all is garbage");
    }
    let stats = store.gc_stats();
    assert!(stats.minor_collections > 10 && stats.used_bytes < 8 << 20, "{stats:?}");
}

#[test]
fn what_no_heap_holds_is_a_trap_of_its_own() {
    let (mut store, instance) = instantiate(&engine(), LISTS);
    let huge = instance.get_typed_func::<(), ()>(&mut store, "huge").expect("exported");
    let error = huge.call(&mut store, ()).expect_err("16 GiB");
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::AllocationTooLarge), "{error:?}");
    let (mut store, instance) = limited(4 << 20);
    let large = instance.get_typed_func::<i32, ()>(&mut store, "large").expect("exported");
    let error = large.call(&mut store, 1 << 30).expect_err("beyond the limit");
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::OutOfHeap), "{error:?}");
    large.call(&mut store, 1 << 20).expect("within it");
}

#[test]
fn new_objects_are_zero_after_a_guest_was_stopped_while_it_allocated() {
    for (name, engine) in engines() {
        let (mut store, instance) = instantiate(&engine, LISTS);
        let for_ever = instance.get_typed_func::<(), ()>(&mut store, "for_ever").expect("exported");
        let is_zero = instance.get_typed_func::<i32, i32>(&mut store, "is_zero").expect("exported");
        is_zero.call(&mut store, 1).expect("no trap");
        for n in 0..40 {
            let handle = store.interrupt_handle();
            let stop = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(500 + 13 * n));
                handle.interrupt();
            });
            let error = for_ever.call(&mut store, ()).expect_err("it is stopped");
            assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt), "{name}: {error:?}");
            stop.join().expect("no panic");
            assert_eq!(is_zero.call(&mut store, 20).expect("no trap"), 1, "{name}: round {n}");
        }
    }
}

/// Counts how many are alive.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn values_of_the_host_go_when_nothing_refers_to_them() {
    let text = r#"(module (import "" "make" (func $make (result externref)))
        (table $kept 100 externref)
        (func (export "run") (param $n i32)
            (loop $more
                (table.set $kept (i32.rem_u (local.get $n) (i32.const 100)) (call $make))
                (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    for (name, engine) in engines() {
        let alive = Arc::new(AtomicUsize::new(0));
        let mut linker = Linker::new(&engine);
        let count = alive.clone();
        let make = move |mut caller: Caller<'_, ()>| -> epsilon::Result<Option<Rooted<ExternRef>>> {
            count.fetch_add(1, Ordering::Relaxed);
            ExternRef::new(&mut caller, Counted(count.clone())).map(Some)
        };
        linker.func_wrap("", "make", make).expect("a new name");
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
        let run = instance.get_typed_func::<i32, ()>(&mut store, "run").expect("exported");
        run.call(&mut store, 50_000).expect("no trap");
        let in_use = engine.memory_in_use();
        for _ in 0..4 {
            run.call(&mut store, 50_000).expect("no trap");
        }
        assert!(engine.memory_in_use() <= in_use + (64 << 10), "{name}: {} after {in_use}", engine.memory_in_use());
        assert!(alive.load(Ordering::Relaxed) < 20_000, "{name}: {} are alive", alive.load(Ordering::Relaxed));
        store.gc(None).expect("room");
        assert_eq!((alive.load(Ordering::Relaxed), store.gc_stats().host_values), (100, 100), "{name}");
        drop(store);
        assert_eq!(alive.load(Ordering::Relaxed), 0, "{name}");
    }
}

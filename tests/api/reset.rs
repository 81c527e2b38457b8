//! `Instance::reset`: back to the state after instantiation, however far from it the instance has come.

use crate::support::{engines, instantiate, module};
use epsilon::{Caller, Instance, Linker, Memory, MemoryType, Store, Trap};

const STATE: &str = r#"(module
    (memory $m (export "memory") 2 100) (memory $n 1)
    (table $t (export "table") 3 20 funcref)
    (table $e 2 externref)
    (global $g (export "g") (mut i64) (i64.const 5))
    (global $v (mut v128) (v128.const i64x2 1 2))
    (data (memory $m) (i32.const 65530) "start")
    (data (memory $n) (i32.const 0) "other")
    (data $passive "passive")
    (elem (table $t) (i32.const 1) func $one)
    (elem $late func $two)
    (func $one (result i32) i32.const 1)
    (func $two (result i32) i32.const 2)
    (func $start (i32.store8 $m (i32.const 100) (i32.add (i32.load8_u $m (i32.const 100)) (i32.const 1))))
    (start $start)
    (func (export "change")
        (drop (memory.grow $m (i32.const 50)))
        (memory.fill $m (i32.const 0) (i32.const 7) (i32.const 3000000))
        (memory.init $m $passive (i32.const 0) (i32.const 0) (i32.const 7))
        (data.drop $passive)
        (i64.store $n (i32.const 0) (i64.const -1))
        (drop (table.grow $t (ref.func $two) (i32.const 9)))
        (table.init $t $late (i32.const 0) (i32.const 0) (i32.const 1))
        (table.set $t (i32.const 1) (ref.null func))
        (elem.drop $late)
        (global.set $g (i64.const 99))
        (global.set $v (v128.const i64x2 8 9)))
    (func (export "sum") (result i64)
        (i64.add (global.get $g)
            (i64.add (i64x2.extract_lane 1 (global.get $v))
                (i64.add (i64.load8_u $n (i32.const 1)) (i64.extend_i32_u (memory.size $m))))))
    (func (export "call") (param i32) (result i32) (call_indirect $t (result i32) (local.get 0)))
    (elem declare func $two))"#;

fn state(store: &mut Store<()>, instance: Instance) -> (i64, Vec<u8>, u64, Vec<Option<i32>>) {
    let sum = instance.get_typed_func::<(), i64>(&mut *store, "sum").expect("exported");
    let call = instance.get_typed_func::<i32, i32>(&mut *store, "call").expect("exported");
    let memory = instance.get_memory(&mut *store, "memory").expect("exported");
    let table = instance.get_table(&mut *store, "table").expect("exported");
    let elements = (0..3).map(|n| call.call(&mut *store, n).ok()).collect();
    (sum.call(&mut *store, ()).expect("no trap"), memory.data(&*store).to_vec(), table.size(&*store), elements)
}

#[test]
fn everything_that_an_instance_defines_is_reset() {
    for (plan, engine) in engines() {
        let (mut store, instance) = instantiate(&engine, STATE);
        let fresh = state(&mut store, instance);
        assert_eq!((fresh.1[100], &fresh.1[65530..65535], fresh.2), (1, b"start".as_slice(), 3));
        assert_eq!(fresh.3, [None, Some(1), None]);
        let change = instance.get_typed_func::<(), ()>(&mut store, "change").expect("exported");
        for round in 0..5 {
            change.call(&mut store, ()).unwrap_or_else(|error| panic!("{plan} {round}: {error:?}"));
            let changed = state(&mut store, instance);
            assert_eq!((changed.1.len(), changed.1[2_999_999], changed.2), (52 * 65536, 7, 12));
            assert_eq!(changed.3, [Some(2), None, None]);
            instance.reset(&mut store).expect("nothing runs");
            assert!(state(&mut store, instance) == fresh, "{plan}, round {round}");
        }
    }
}

#[test]
fn large_images_come_back() {
    for (plan, engine) in engines() {
        let pattern: String = (0..200_000).map(|n: u32| char::from(b'a' + (n % 23) as u8)).collect();
        let text = format!(
            r#"(module (memory (export "memory") 8 64) (data (i32.const 5000) "{pattern}")
                (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#
        );
        let (mut store, instance) = instantiate(&engine, &text);
        let memory = instance.get_memory(&mut store, "memory").expect("exported");
        let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").expect("exported");
        let fresh = memory.data(&store).to_vec();
        for pages in [0, 1, 40, 3] {
            assert_eq!(grow.call(&mut store, pages).expect("no trap"), 8);
            memory.data_mut(&mut store).fill(0xee);
            instance.reset(&mut store).expect("nothing runs");
            assert!(memory.data(&store) == fresh, "{plan}, grown by {pages}");
            assert_eq!(grow.call(&mut store, 1).expect("no trap"), 8);
            assert!(memory.data(&store)[8 * 65536..].iter().all(|byte| *byte == 0), "{plan}: new pages are zero");
            instance.reset(&mut store).expect("nothing runs");
        }
    }
}

#[test]
fn access_beyond_the_reset_size_traps_again() {
    for (plan, engine) in engines() {
        let text = r#"(module (memory (export "memory") 1 64)
            (func (export "grow") (drop (memory.grow (i32.const 20))))
            (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))"#;
        let (mut store, instance) = instantiate(&engine, text);
        let grow = instance.get_typed_func::<(), ()>(&mut store, "grow").expect("exported");
        let load = instance.get_typed_func::<i32, i32>(&mut store, "load").expect("exported");
        grow.call(&mut store, ()).expect("no trap");
        assert_eq!(load.call(&mut store, 900_000).expect("inside"), 0);
        instance.reset(&mut store).expect("nothing runs");
        assert_eq!(load.call(&mut store, 900_000).unwrap_err().trap(), Some(Trap::MemoryOutOfBounds), "{plan}");
        assert_eq!(load.call(&mut store, 65532).expect("inside"), 0);
    }
}

#[test]
fn imported_items_are_not_touched() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let ty = MemoryType::new(1, None);
    let memory = Memory::new(&mut store, ty).expect("a memory");
    let text = r#"(module (import "" "m" (memory 1)) (data (i32.const 0) "ab"))"#;
    let instance = Instance::new(&mut store, &module(&engine, text), &[memory.into()]).expect("an instance");
    memory.write(&mut store, 0, b"xyz").expect("inside");
    instance.reset(&mut store).expect("nothing runs");
    // Active segments are written again, as at instantiation; the rest stays.
    assert_eq!(&memory.data(&store)[..4], b"abz\0");
}

#[test]
fn a_running_store_is_not_reset() {
    let engine = crate::support::engine();
    let mut linker = Linker::<Option<Instance>>::new(&engine);
    let reset = |mut caller: Caller<'_, Option<Instance>>| {
        let instance = caller.data().expect("set before the call");
        instance.reset(&mut caller)
    };
    linker.func_wrap("host", "reset", reset).expect("new");
    let text = r#"(module (import "host" "reset" (func $reset)) (func (export "run") call $reset))"#;
    let mut store = Store::new(&engine, None);
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    *store.data_mut() = Some(instance);
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").expect("exported");
    let error = run.call(&mut store, ()).unwrap_err();
    assert!(error.to_string().contains("cannot be reset from a host function"), "{error}");
    instance.reset(&mut store).expect("nothing runs now");
}

#[test]
fn a_start_function_that_traps_is_an_error_each_time() {
    let engine = crate::support::engine();
    let mut linker = Linker::<i32>::new(&engine);
    let fail = |mut caller: Caller<'_, i32>| {
        *caller.data_mut() += 1;
        if *caller.data() > 1 { Err(epsilon::Error::msg("not again")) } else { Ok(()) }
    };
    linker.func_wrap("host", "fail", fail).expect("new");
    let text =
        r#"(module (import "host" "fail" (func $fail)) (start $fail) (func (export "f") (result i32) i32.const 3))"#;
    let mut store = Store::new(&engine, 0);
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
    for _ in 0..3 {
        assert!(instance.reset(&mut store).is_err());
        assert_eq!(f.call(&mut store, ()).expect("no trap"), 3);
    }
    *store.data_mut() = 0;
    instance.reset(&mut store).expect("allowed again");
}

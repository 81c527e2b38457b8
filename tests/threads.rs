//! Shared memories on several threads: atomics that race, waiting, waking, growth, and interruption of those who wait.

mod support;

use epsilon::{
    Engine, Error, Extern, Instance, Memory, MemoryStrategy, MemoryType, Module, SharedMemory, Store, Trap, WaitResult,
};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const THREADS: usize = 4;

/// One page, to grow to so many.
fn shared_type(max: u32) -> MemoryType {
    MemoryType::shared(1, max)
}

/// An engine of each kind of memory.
fn engines() -> [Engine; 2] {
    [MemoryStrategy::Guarded, MemoryStrategy::Checked].map(|strategy| {
        let mut config = crate::support::config();
        config.memory_strategy(strategy);
        Engine::new(&config).expect("an engine")
    })
}

/// An instance of `module`, which imports one shared memory, in a store of its own.
fn instantiate(module: &Module, memory: &SharedMemory) -> (Store<()>, Instance) {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[memory.clone().into()]).expect("instantiates");
    (store, instance)
}

fn module(engine: &Engine, body: &str) -> Module {
    Module::new(engine, format!("(module (import \"env\" \"memory\" (memory 1 64 shared)) {body})")).expect("valid")
}

/// Calls `name(n, argument)` on threads n = 0, 1, … at once, each with an instance of its own; gives the results.
fn race(module: &Module, memory: &SharedMemory, threads: usize, name: &str, argument: i32) -> Vec<i32> {
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let run = |n: usize| {
            let barrier = &barrier;
            scope.spawn(move || {
                let (mut store, instance) = instantiate(module, memory);
                let func = instance.get_typed_func::<(i32, i32), i32>(&mut store, name).expect("exported");
                barrier.wait();
                func.call(&mut store, (n as i32, argument)).expect("returns")
            })
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn word(memory: &SharedMemory, at: usize) -> u32 {
    let mut bytes = [0; 4];
    memory.read(at, &mut bytes).expect("inside");
    u32::from_le_bytes(bytes)
}

#[test]
fn no_increment_is_lost() {
    let text = r#"
        (func (export "add") (param i32 i32) (result i32)
            (loop $again
                (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
                (drop (i64.atomic.rmw32.add_u offset=4 (i32.const 0) (i64.const 1)))
                (drop (i32.atomic.rmw16.sub_u offset=8 (i32.const 0) (i32.const 1)))
                (drop (i32.atomic.rmw8.xor_u offset=12 (i32.const 0) (i32.const 1)))
                (drop (i64.atomic.rmw.add offset=16 (i32.const 0) (i64.const 0x100000001)))
                (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
                (br_if $again (local.get 1)))
            (i32.const 0))"#;
    for engine in engines() {
        let memory = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
        race(&module(&engine, text), &memory, THREADS, "add", 10_001);
        let all = 10_001 * THREADS as u32;
        assert_eq!((word(&memory, 0), word(&memory, 4)), (all, all));
        assert_eq!(word(&memory, 8), u32::from((all as u16).wrapping_neg()));
        assert_eq!(word(&memory, 12), all & 1);
        assert_eq!((word(&memory, 16), word(&memory, 20)), (all, all));
    }
}

/// The operators of every width: the prefix of their names, the suffix, and the bits that they change.
const WIDTHS: [(&str, &str, u32); 7] = [
    ("i32.atomic.rmw8", "_u", 8),
    ("i32.atomic.rmw16", "_u", 16),
    ("i32.atomic.rmw", "", 32),
    ("i64.atomic.rmw8", "_u", 8),
    ("i64.atomic.rmw16", "_u", 16),
    ("i64.atomic.rmw32", "_u", 32),
    ("i64.atomic.rmw", "", 64),
];

/// A function that does each operator of a width `$n` times on words 0, 16, … 96 bytes behind 128.
fn of_every_operator(prefix: &str, suffix: &str) -> String {
    let ty = &prefix[..3];
    let rmw =
        |op: &str, at: u32, value: &str| format!("(drop ({prefix}.{op}{suffix} offset={at} (i32.const 128) {value}))");
    let (one, bit) = (format!("({ty}.const 1)"), format!("({ty}.shl ({ty}.const 1) (local.get $bit))"));
    let inverse = format!("({ty}.xor {bit} ({ty}.const -1))");
    // Thread n owns bit n: setting, clearing and toggling must not disturb the others' bits.
    let simple = [
        rmw("add", 0, &one),
        rmw("sub", 16, &one),
        rmw("xor", 32, &bit),
        rmw("or", 48, &bit),
        rmw("and", 48, &inverse),
        rmw("or", 48, &bit),
    ];
    format!(
        r#"(func (export "{prefix}") (param $n i32) (param $times i32) (result i32)
            (local $bit {ty}) (local $seen {ty}) (local $token {ty})
            (local.set $bit ({}))
            (local.set $token ({ty}.const 1))
            (loop $again
                {}
                ;; A token is exchanged: none is lost, none is doubled.
                (local.set $token ({prefix}.xchg{suffix} offset=64 (i32.const 128) (local.get $token)))
                ;; An increment by comparing and exchanging.
                (loop $retry
                    (local.set $seen ({prefix}.add{suffix} offset=80 (i32.const 128) ({ty}.const 0)))
                    (br_if $retry ({ty}.ne (local.get $seen)
                        ({prefix}.cmpxchg{suffix} offset=80 (i32.const 128)
                            (local.get $seen) ({ty}.add (local.get $seen) ({ty}.const 1))))))
                (local.set $times (i32.sub (local.get $times) (i32.const 1)))
                (br_if $again (local.get $times)))
            ({}))"#,
        if ty == "i32" { "local.get $n" } else { "i64.extend_i32_u (local.get $n)" },
        simple.concat(),
        if ty == "i32" { "local.get $token" } else { "i32.wrap_i64 (local.get $token)" },
    )
}

#[test]
fn every_operator_of_every_width_is_one_step() {
    let text: String = WIDTHS.iter().map(|(prefix, suffix, _)| of_every_operator(prefix, suffix)).collect();
    let times = 3_001;
    for engine in engines() {
        let module = module(&engine, &text);
        for (prefix, _, bits) in WIDTHS {
            let memory = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
            let value = |at: usize| {
                let mut bytes = [0; 16];
                memory.read(128 + at, &mut bytes).expect("inside");
                u128::from_le_bytes(bytes)
            };
            let tokens = race(&module, &memory, THREADS, prefix, times);
            let all = u128::from(times as u32) * THREADS as u128;
            let mask = (1u128 << bits) - 1;
            assert_eq!(value(0), all & mask, "{prefix}.add");
            assert_eq!(value(16), all.wrapping_neg() & mask, "{prefix}.sub");
            assert_eq!(value(32), (1 << THREADS) - 1, "{prefix}.xor: an odd number of times");
            assert_eq!(value(48), (1 << THREADS) - 1, "{prefix}.or and .and");
            let kept: i32 = tokens.iter().sum();
            assert_eq!(value(64) + kept as u128, THREADS as u128, "{prefix}.xchg");
            assert_eq!(value(80), all & mask, "{prefix}.cmpxchg");
        }
    }
}

#[test]
fn a_lock_of_cmpxchg_wait_and_notify_excludes() {
    // The mutex of the proposal's overview, around an increment that is not atomic.
    let text = r#"
        (func $lock (loop $retry
            (if (i32.atomic.rmw.cmpxchg (i32.const 0) (i32.const 0) (i32.const 1)) (then
                (drop (memory.atomic.wait32 (i32.const 0) (i32.const 1) (i64.const -1)))
                (br $retry)))))
        (func $unlock
            (i32.atomic.store (i32.const 0) (i32.const 0))
            (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))
        (func (export "run") (param i32 i32) (result i32)
            (loop $again
                (call $lock)
                (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
                (call $unlock)
                (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
                (br_if $again (local.get 1)))
            (i32.const 0))"#;
    for engine in engines() {
        let memory = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
        race(&module(&engine, text), &memory, THREADS, "run", 2_000);
        assert_eq!(word(&memory, 64), 2_000 * THREADS as u32);
    }
}

#[test]
fn a_message_is_whole_when_its_flag_is_seen() {
    // Thread 0 writes plainly and then raises a flag; thread 1 waits for the flag and then reads plainly.
    let text = r#"
        (func (export "pass") (param i32 i32) (result i32)
            (local $n i32) (local $wrong i32)
            (loop $again
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (if (i32.eqz (local.get 0))
                    (then
                        (i32.store (i32.const 128) (local.get $n))
                        (i32.atomic.store (i32.const 0) (local.get $n))
                        (loop $taken (br_if $taken (i32.ne (i32.atomic.load (i32.const 64)) (local.get $n)))))
                    (else
                        (loop $sent (br_if $sent (i32.ne (i32.atomic.load (i32.const 0)) (local.get $n))))
                        (local.set $wrong (i32.add (local.get $wrong)
                            (i32.ne (i32.load (i32.const 128)) (local.get $n))))
                        (i32.atomic.store (i32.const 64) (local.get $n))))
                (br_if $again (i32.lt_u (local.get $n) (local.get 1))))
            (local.get $wrong))"#;
    for engine in engines() {
        let memory = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
        assert_eq!(race(&module(&engine, text), &memory, 2, "pass", 3_000), [0, 0]);
    }
}

#[test]
fn no_two_threads_both_miss_the_others_store() {
    // Store buffering: sequential consistency forbids that both see the other's flag down.
    let text = r#"
        (func (export "try") (param i32 i32) (result i32)
            (i32.atomic.store (i32.shl (local.get 0) (i32.const 6)) (i32.const 1))
            (i32.atomic.load (i32.shl (i32.xor (local.get 0) (i32.const 1)) (i32.const 6))))"#;
    for engine in engines() {
        let module = module(&engine, text);
        for _ in 0..200 {
            let memory = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
            assert_ne!(race(&module, &memory, 2, "try", 0), [0, 0]);
        }
    }
}

#[test]
fn growth_is_seen_by_all_and_loses_nothing() {
    let text = r#"
        (func (export "grow") (param i32 i32) (result i32)
            (local $grown i32) (local $at i32)
            (loop $again
                (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1))
                    (then (local.set $grown (i32.add (local.get $grown) (i32.const 1)))))
                (local.set $at (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)))
                (drop (i32.atomic.rmw.add (local.get $at) (i32.const 1)))
                (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
                (br_if $again (local.get 1)))
            (local.get $grown))
        (func (export "await") (param i32 i32) (result i32)
            ;; Thread 0 grows; the others spin until they see it, and touch what is new.
            (if (i32.eqz (local.get 0)) (then (drop (memory.grow (i32.const 1)))))
            (loop $again (br_if $again (i32.lt_u (memory.size) (local.get 1))))
            (i32.load (i32.sub (i32.shl (local.get 1) (i32.const 16)) (i32.const 4))))"#;
    for engine in engines() {
        let module = module(&engine, text);
        let memory = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
        let grown: i32 = race(&module, &memory, THREADS, "grow", 40).iter().sum();
        assert_eq!((grown, memory.size()), (63, 64));
        assert!(memory.grow(1).is_err() && memory.grow(0).is_ok_and(|pages| pages == 64));
        let memory = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
        assert_eq!(race(&module, &memory, THREADS, "await", 2), [0; THREADS]);
    }
}

#[test]
fn bulk_operators_work_on_shared_memories() {
    let text = r#"
        (data $d "abcdef")
        (func (export "bulk") (param i32 i32) (result i32)
            (memory.fill (i32.const 100) (i32.const 7) (i32.const 8))
            (memory.init $d (i32.const 200) (i32.const 1) (i32.const 4))
            (memory.copy (i32.const 201) (i32.const 200) (i32.const 4))
            (memory.copy (i32.const 99) (i32.const 100) (i32.const 8))
            (i32.load (i32.const 99)))"#;
    for engine in engines() {
        let memory = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
        assert_eq!(race(&module(&engine, text), &memory, 1, "bulk", 0), [0x0707_0707]);
        let mut bytes = [0; 6];
        memory.read(200, &mut bytes).expect("inside");
        assert_eq!(&bytes, b"bbcde\0");
    }
}

const WAITING: &str = r#"
    (func (export "wait") (param i32 i32) (result i32)
        (i32.atomic.store (i32.const 64) (i32.const 1))
        (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.extend_i32_s (local.get 1))))
    (func (export "wait64") (param i32 i32) (result i32)
        (memory.atomic.wait64 offset=8 (i32.const 0) (i64.const 0) (i64.extend_i32_s (local.get 1))))
    (func (export "notify") (param i32 i32) (result i32)
        (memory.atomic.notify (local.get 0) (local.get 1)))"#;

/// Waits until so many threads could be woken at an address, and wakes them.
fn wake(memory: &SharedMemory, address: u64, count: u32) {
    let mut woken = 0;
    while woken < count {
        woken += memory.atomic_notify(address, count - woken).expect("inside");
        thread::yield_now();
    }
}

#[test]
fn waits_end_by_time_value_and_notification() {
    for engine in engines() {
        let module = module(&engine, WAITING);
        let memory = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
        let begin = Instant::now();
        assert_eq!(race(&module, &memory, THREADS, "wait", 30_000_000), [2; THREADS]);
        assert!(begin.elapsed() >= Duration::from_millis(30));
        assert_eq!(race(&module, &memory, 1, "notify", 9), [0], "nobody waits any more");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| race(&module, &memory, THREADS, "wait", -1));
            wake(&memory, 0, THREADS as u32);
            assert_eq!(waiting.join().expect("no panic"), [0; THREADS]);
            let waiting = scope.spawn(|| race(&module, &memory, 2, "wait64", -1));
            wake(&memory, 8, 2);
            assert_eq!(waiting.join().expect("no panic"), [0; 2]);
        });
        memory.write(0, &[1]).expect("inside");
        assert_eq!(race(&module, &memory, 1, "wait", -1), [1]);
    }
}

#[test]
fn the_host_waits_and_wakes_too() {
    for engine in engines() {
        let module = module(&engine, WAITING);
        let memory = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
        let short = Some(Duration::from_millis(1));
        assert_eq!(memory.atomic_wait32(0, 1, None).expect("inside"), WaitResult::Mismatch);
        assert_eq!(memory.atomic_wait64(8, 0, short).expect("inside"), WaitResult::TimedOut);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| memory.atomic_wait32(0, 0, None));
            while race(&module, &memory, 1, "notify", 1) == [0] {}
            assert_eq!(waiting.join().expect("no panic").expect("inside"), WaitResult::Ok);
        });
        let trap = |result: Result<WaitResult, Trap>| result.err();
        assert_eq!(trap(memory.atomic_wait32(2, 0, None)), Some(Trap::HeapMisaligned));
        assert_eq!(trap(memory.atomic_wait64(65536, 0, None)), Some(Trap::MemoryOutOfBounds));
        assert!(memory.read(65533, &mut [0; 4]).is_err() && memory.write(usize::MAX, &[0; 4]).is_err());
    }
}

#[test]
fn the_longest_waiting_is_woken_first() {
    let engine = crate::support::engine();
    let memory = SharedMemory::new(&engine, shared_type(1)).expect("a memory");
    let order = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for n in 0..3 {
            let (memory, order) = (&memory, &order);
            scope.spawn(move || {
                memory.atomic_wait32(0, 0, None).expect("inside");
                order.lock().expect("no panic").push(n);
                memory.atomic_notify(4, 1).expect("inside");
            });
            thread::sleep(Duration::from_millis(50));
        }
        for n in 0..3 {
            wake(&memory, 0, 1);
            while order.lock().expect("no panic").len() <= n {
                thread::yield_now();
            }
        }
    });
    assert_eq!(order.into_inner().expect("no panic"), [0, 1, 2]);
}

#[test]
fn an_interruption_ends_a_wait_and_its_store_only() {
    for engine in engines() {
        let module = module(&engine, WAITING);
        let memory = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
        for _ in 0..50 {
            memory.write(64, &[0; 4]).expect("inside");
            let (mut store, instance) = instantiate(&module, &memory);
            let handle = store.interrupt_handle();
            let wait = instance.get_typed_func::<(i32, i32), i32>(&mut store, "wait").expect("exported");
            thread::scope(|scope| {
                let waiting = scope.spawn(|| wait.call(&mut store, (0, -1)).expect_err("interrupted").trap());
                while word(&memory, 64) == 0 {}
                handle.interrupt();
                assert_eq!(waiting.join().expect("no panic"), Some(Trap::Interrupt));
            });
            assert_eq!(memory.atomic_notify(0, 9).expect("inside"), 0, "it has left the queue");
            assert_eq!(wait.call(&mut store, (0, 1_000)).expect("runs again"), 2);
            // One that came before ends the wait as soon as it begins.
            handle.interrupt();
            assert_eq!(wait.call(&mut store, (0, -1)).expect_err("interrupted").trap(), Some(Trap::Interrupt));
        }
    }
}

#[test]
fn what_is_not_shared_cannot_be_waited_on() {
    for engine in engines() {
        let text = format!("(module (memory 1) {WAITING})");
        let module = Module::new(&engine, text).expect("valid");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("instantiates");
        let call = |store: &mut Store<()>, name: &str, arguments: (i32, i32)| {
            instance.get_typed_func::<(i32, i32), i32>(&mut *store, name).expect("exported").call(store, arguments)
        };
        let error = call(&mut store, "wait", (0, 0)).expect_err("a trap");
        assert_eq!(error.trap(), Some(Trap::AtomicWaitNonSharedMemory));
        assert_eq!(call(&mut store, "notify", (0, 1)).expect("nobody waits"), 0);
        let trap = |result: Result<i32, Error>| result.expect_err("a trap").trap();
        assert_eq!(trap(call(&mut store, "notify", (2, 1))), Some(Trap::HeapMisaligned));
        assert_eq!(trap(call(&mut store, "notify", (65536, 1))), Some(Trap::MemoryOutOfBounds));
    }
}

#[test]
fn atomics_outside_trap_whatever_becomes_of_their_results() {
    let mut text = String::new();
    for (op, operands) in [
        ("i32.atomic.load", ""),
        ("i64.atomic.load16_u", ""),
        ("i32.atomic.rmw.add", "(i32.const 1)"),
        ("i64.atomic.rmw32.sub_u", "(i64.const 1)"),
        ("i32.atomic.rmw8.or_u", "(i32.const 1)"),
        ("i64.atomic.rmw.xchg", "(i64.const 1)"),
        ("i32.atomic.rmw16.and_u", "(i32.const 1)"),
        ("i64.atomic.rmw.cmpxchg", "(i64.const 1) (i64.const 1)"),
        ("i32.atomic.rmw8.cmpxchg_u", "(i32.const 1) (i32.const 1)"),
    ] {
        let wide = if op.starts_with("i64") { "i64" } else { "i32" };
        text += &format!(
            r#"
            (func (export "{op}") (param i32) (drop ({op} (local.get 0) {operands})))
            (func (export "{op} used") (param i32) (result {wide}) ({op} (local.get 0) {operands}))"#
        );
    }
    text += r#"
        (func (export "store") (param i32) (i32.atomic.store (local.get 0) (i32.const 1)))
        (func (export "store8") (param i32) (i64.atomic.store8 (local.get 0) (i64.const 1)))
        (func (export "far") (param i32) (i64.atomic.store offset=0xfffffff8 (local.get 0) (i64.const 1)))"#;
    for engine in engines() {
        let shared = SharedMemory::new(&engine, shared_type(64)).expect("a memory");
        let imported = module(&engine, &text);
        let own = Module::new(&engine, format!("(module (memory 1) {text})")).expect("valid");
        for (module, imports) in [(&imported, vec![shared.into()]), (&own, Vec::new())] {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, module, &imports).expect("instantiates");
            let exports: Vec<_> =
                instance.exports(&mut store).map(|export| (export.name().to_owned(), export.into_extern())).collect();
            for (name, item) in exports {
                let func = item.into_func().expect("a function");
                let mut results = vec![epsilon::Val::I32(0); func.ty(&store).results().len()];
                for at in [65536u32, 0x8000_0000, 0xffff_fff8] {
                    let end = func.call(&mut store, &[epsilon::Val::I32(at.cast_signed())], &mut results);
                    assert_eq!(end.expect_err("a trap").trap(), Some(Trap::MemoryOutOfBounds), "{name} at {at:#x}");
                }
                if name != "far" {
                    func.call(&mut store, &[epsilon::Val::I32(65528)], &mut results).expect("inside");
                }
            }
        }
    }
}

#[test]
fn a_shared_memory_is_an_item_of_its_engine() {
    let (engine, other) = (crate::support::engine(), crate::support::engine());
    let text = r#"(module (memory (export "memory") 1 2 shared) (data (i32.const 8) "shared"))"#;
    let defining = Module::new(&engine, text).expect("valid");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &defining, &[]).expect("instantiates");
    let export = instance.get_export(&mut store, "memory").and_then(Extern::into_shared_memory).expect("shared");
    assert!(instance.get_memory(&mut store, "memory").is_none(), "its bytes cannot be lent");
    let mut bytes = [0; 6];
    export.read(8, &mut bytes).expect("inside");
    assert_eq!(&bytes, b"shared");
    assert!(instance.reset(&mut store).is_err(), "others may use the memory");
    drop(store);
    assert_eq!((export.size(), export.ty().maximum()), (1, Some(2)), "it outlives the store");

    let narrow = module(&engine, "");
    let wide = Module::new(&engine, r#"(module (import "" "" (memory 2 64 shared)))"#).expect("valid");
    let mut store = Store::new(&engine, ());
    assert!(Instance::new(&mut store, &narrow, &[export.clone().into()]).is_ok());
    assert!(Instance::new(&mut store, &wide, &[export.clone().into()]).is_err(), "too small");
    let foreign = SharedMemory::new(&other, shared_type(2)).expect("a memory");
    assert!(Instance::new(&mut store, &narrow, &[foreign.into()]).is_err(), "of another engine");
    let plain = MemoryType::new(1, Some(2));
    assert!(SharedMemory::new(&engine, plain.clone()).is_err() && Memory::new(&mut store, shared_type(2)).is_err());
    let own = Memory::new(&mut store, plain).expect("a memory");
    assert!(Instance::new(&mut store, &narrow, &[own.into()]).is_err(), "not shared");
}

#[test]
fn scripts_have_threads() {
    let text = r#"
        (module $Mem (memory (export "shared") 1 1 shared))
        (thread $T1 (shared (module $Mem))
            (register "mem" $Mem)
            (module
                (memory (import "mem" "shared") 1 10 shared)
                (func (export "run") (result i32)
                    (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
            (assert_return (invoke "run") (i32.const 0)))
        (thread $T2 (shared (module $Mem))
            (register "mem" $Mem)
            (module
                (memory (import "mem" "shared") 1 1 shared)
                (func (export "notify") (loop $again
                    (br_if $again (i32.eqz (memory.atomic.notify (i32.const 0) (i32.const 1)))))))
            (invoke "notify"))
        (wait $T1)
        (wait $T2)
        (thread $T3 (module (func (export "f"))) (assert_return (invoke "f") (i32.const 1)))
        (wait $T3)"#;
    let summary = epsilon_wast::run(&crate::support::engine(), text).expect("a script");
    assert_eq!(summary.failures.len(), 1, "{:?}", summary.failures);
    assert_eq!(summary.failures[0].line, 20, "{:?}", summary.failures);
}

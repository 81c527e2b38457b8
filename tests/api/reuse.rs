//! Memories are made of address space that dropped ones have left: nothing of those may be seen in them.

use crate::support::engines;
use epsilon::{Instance, Module, Store};

const PAGE_BYTES: usize = 64 << 10;

/// A module with `pages` of memory, and `data_bytes` of 7 at `offset`.
fn module_text(pages: usize, offset: usize, data_bytes: usize) -> String {
    let data = "\\07".repeat(data_bytes);
    format!(
        r#"(module (memory (export "memory") {pages} 100) (data (i32.const {offset}) "{data}")
            (global $calls (mut i32) (i32.const 0)) (global (mut v128) (v128.const i32x4 1 2 3 4))
            (func (export "calls") (result i32)
                (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                (global.get $calls)))"#
    )
}

/// Makes an instance, checks that it is pristine, and leaves it with all of its memory written and more of it than
/// before.
fn use_and_drop(engine: &epsilon::Engine, module: &Module, shape: (usize, usize, usize), grow: u64) {
    let (pages, offset, data_bytes) = shape;
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[]).expect("an instance");
    let calls = instance.get_typed_func::<(), i32>(&mut store, "calls").expect("the export");
    assert_eq!(calls.call(&mut store, ()).expect("a result"), 1);
    let memory = instance.get_memory(&mut store, "memory").expect("the export");
    let bytes = memory.data(&store);
    assert_eq!(bytes.len(), pages * PAGE_BYTES);
    let expected = |at: usize| if (offset..offset + data_bytes).contains(&at) { 7 } else { 0 };
    let wrong = bytes.iter().enumerate().find(|(at, byte)| **byte != expected(*at));
    assert_eq!(wrong, None, "{shape:?}");
    memory.grow(&mut store, grow).expect("the type allows it");
    assert_eq!(memory.data(&store)[pages * PAGE_BYTES..].iter().find(|byte| **byte != 0), None, "{shape:?}");
    memory.data_mut(&mut store).fill(0xaa);
}

#[test]
fn nothing_of_a_dropped_memory_is_seen_in_the_next_one() {
    // Copied images, mapped ones, none; of several sizes, so that each follows each.
    let shapes = [(1, 1000, 24), (3, 70_000, 100_000), (1, 0, 0), (2, 4096, 8192), (1, 60_000, 5536), (2, 0, 131_072)];
    for (_, engine) in engines() {
        let module =
            |(pages, offset, bytes)| Module::new(&engine, module_text(pages, offset, bytes)).expect("a module");
        let modules: Vec<(_, Module)> = shapes.into_iter().map(|shape| (shape, module(shape))).collect();
        for step in 0..40_usize {
            let (shape, module) = &modules[step * step % 7 % modules.len()];
            use_and_drop(&engine, module, *shape, (step % 3) as u64);
        }
        // Two at once, and modules that are gone before their images are.
        for (shape, module) in modules {
            let mut store = Store::new(&engine, ());
            Instance::new(&mut store, &module, &[]).expect("an instance");
            use_and_drop(&engine, &module, shape, 1);
            drop(module);
            drop(store);
        }
        use_and_drop(&engine, &module(shapes[0]), shapes[0], 2);
    }
}

#[test]
fn more_memories_than_are_kept_come_and_go() {
    for (_, engine) in engines() {
        let module = Module::new(&engine, module_text(1, 8, 8)).expect("a module");
        for _ in 0..3 {
            let stores: Vec<Store<()>> = (0..150)
                .map(|_| {
                    let mut store = Store::new(&engine, ());
                    let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
                    let memory = instance.get_memory(&mut store, "memory").expect("the export");
                    assert_eq!(memory.data(&store)[..20], [0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0]);
                    memory.data_mut(&mut store).fill(1);
                    store
                })
                .collect();
            drop(stores);
        }
    }
}

/// A segment without bytes may lie below all others, far away from where an image begins.
#[test]
fn segments_without_bytes_are_no_part_of_an_image() {
    let data = "\\07".repeat(20_000);
    let text =
        format!(r#"(module (memory (export "memory") 2) (data (i32.const 65536) "{data}") (data (i32.const 3) ""))"#);
    for (plan, engine) in engines() {
        let module = Module::new(&engine, &text).expect(plan);
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect(plan);
        let memory = instance.get_memory(&mut store, "memory").expect("the export");
        let bytes = memory.data(&store);
        assert!(bytes[..65_536].iter().all(|byte| *byte == 0), "{plan}");
        assert!(bytes[65_536..][..20_000].iter().all(|byte| *byte == 7), "{plan}");
    }
}

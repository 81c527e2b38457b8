//! Programs of API calls over several engines, stores and threads. Nothing may panic but what says so, which is left out:
//! what takes an item of another store by a signature without room for an error.

#![no_main]

mod common;

use arbitrary::Arbitrary;
use epsilon::{Engine, Extern, ExternType, Func, Instance, Linker, Module, SharedMemory, Store, StoreLimits, Val};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use std::thread;

/// What the modules import and export: a memory, a table, calls out and in, traps, growth, waiting on a shared memory.
const MODULES: [&str; 3] = [
    r#"(module (import "host" "call" (func $call (param i32) (result i32)))
        (memory (export "m") 1 4) (table (export "t") 2 10 funcref) (elem (i32.const 0) $f)
        (func $f (export "f") (param i32) (result i32) (call $call (local.get 0)))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "trap") (param i32) (result i32) unreachable)
        (func $deep (export "deep") (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))
        (func (export "loop") (param i32) (result i32) (loop $l (br $l)) unreachable)
        (func (export "indirect") (param i32) (result i32)
            (call_indirect (param i32) (result i32) (local.get 0) (local.get 0))))"#,
    r#"(module (import "host" "shared" (memory 1 2 shared))
        (func (export "wait") (param i32) (result i32)
            (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 1000000)))
        (func (export "wake") (param i32) (result i32) (memory.atomic.notify (i32.const 0) (local.get 0)))
        (func (export "add") (param i32) (result i32) (i32.atomic.rmw.add (i32.const 8) (local.get 0))))"#,
    r#"(module (import "host" "call" (func (param i32) (result i32))) (start 1) (func unreachable))"#,
];

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    NewStore { engine: u8 },
    DropStore { store: u8 },
    Instantiate { store: u8, module: u8, engine: u8 },
    Call { store: u8, instance: u8, function: u8, argument: i32, of_store: u8 },
    Grow { store: u8, instance: u8, pages: u8 },
    SetElement { store: u8, instance: u8, at: u8, of_store: u8 },
    Define { engine: u8, store: u8, instance: u8, name: u8 },
    Interrupt { store: u8 },
    Reset { store: u8, instance: u8 },
    Shared { engine: u8, offset: u16, byte: u8 },
}

/// What every program begins with, so that the first steps of the others have something to work on.
const BEGINNING: [Step; 4] = [
    Step::NewStore { engine: 0 },
    Step::Instantiate { store: 0, module: 0, engine: 0 },
    Step::NewStore { engine: 2 },
    Step::Instantiate { store: 1, module: 1, engine: 2 },
];

#[derive(Arbitrary, Debug)]
struct Program {
    main: Vec<Step>,
    other: Vec<Step>,
}

/// A store with its instances, and which engine it is of.
struct Place {
    engine: usize,
    store: Store<StoreLimits>,
    instances: Vec<Instance>,
}

/// What each engine has: its modules, and what they import.
struct Shop {
    engine: Engine,
    modules: Vec<Module>,
    linker: Linker<StoreLimits>,
    shared: SharedMemory,
}

fn shops() -> &'static [Shop; 4] {
    static SHOPS: OnceLock<[Shop; 4]> = OnceLock::new();
    SHOPS.get_or_init(|| {
        common::engines().each_ref().map(|engine| {
            let modules: Vec<Module> =
                MODULES.iter().map(|text| Module::new(engine, text).expect("a module")).collect();
            let Some(ExternType::Memory(ty)) = modules[1].imports().next().map(|import| import.ty().clone()) else {
                panic!("it imports a memory")
            };
            let shared = SharedMemory::new(engine, ty).expect("a memory");
            let mut linker = Linker::new(engine);
            linker.func_wrap("host", "call", |n: i32| n.wrapping_mul(3)).expect("new");
            linker.define(Store::new(engine, StoreLimits::default()), "host", "shared", shared.clone()).expect("new");
            linker.allow_shadowing(true);
            Shop { engine: engine.clone(), modules, linker, shared }
        })
    })
}

fn pick<T>(items: &[T], n: u8) -> Option<usize> {
    (!items.is_empty()).then(|| usize::from(n) % items.len())
}

fn function(place: &mut Place, instance: u8, function: u8) -> Option<Func> {
    let names = ["f", "grow", "trap", "deep", "loop", "indirect", "wait", "wake", "add"];
    let instance = place.instances[pick(&place.instances, instance)?];
    instance.get_func(&mut place.store, names[usize::from(function) % names.len()])
}

fn perform(steps: &[Step], places: &mut Vec<Place>, linkers: &mut [Linker<StoreLimits>]) {
    for step in steps.iter().take(60) {
        let _ = one(*step, places, linkers);
    }
}

/// Errors are what is expected of most steps; `None` where there is nothing to do it with.
fn one(step: Step, places: &mut Vec<Place>, linkers: &mut [Linker<StoreLimits>]) -> Option<()> {
    let shops = shops();
    match step {
        Step::NewStore { engine } if places.len() < 5 => {
            let engine = pick(shops, engine)?;
            places.push(Place { engine, store: common::store(&shops[engine].engine), instances: Vec::new() });
        }
        Step::NewStore { .. } => {}
        Step::DropStore { store } => drop(places.swap_remove(pick(places, store)?)),
        Step::Instantiate { store, module, engine } => {
            let (at, engine) = (pick(places, store)?, pick(shops, engine)?);
            let module = &shops[engine].modules[pick(&shops[engine].modules, module)?];
            let place = &mut places[at];
            let made = linkers[engine].instantiate(&mut place.store, module);
            assert!(made.is_err() || place.engine == engine, "a module of another engine");
            place.instances.extend(made.ok().filter(|_| place.instances.len() < 20));
        }
        Step::Call { store, instance, function: name, argument, of_store } => {
            let (at, of) = (pick(places, store)?, pick(places, of_store)?);
            let func = function(&mut places[of], instance, name)?;
            let mut results = [Val::I32(0)];
            let called = common::for_a_time(&mut places[at].store, |store| {
                func.call(store, &[Val::I32(argument)], &mut results)
            });
            assert!(called.is_err() || at == of, "a function of another store");
        }
        Step::Grow { store, instance, pages } => {
            let at_store = pick(places, store)?;
            let place = &mut places[at_store];
            let instance = place.instances[pick(&place.instances, instance)?];
            let memory = instance.get_memory(&mut place.store, "m")?;
            drop(memory.grow(&mut place.store, pages.into()));
        }
        Step::SetElement { store, instance, at, of_store } => {
            let (of, to) = (pick(places, of_store)?, pick(places, store)?);
            let func = function(&mut places[of], instance, 0);
            let place = &mut places[to];
            let instance = place.instances[pick(&place.instances, instance)?];
            let table = instance.get_table(&mut place.store, "t")?;
            let set = table.set(&mut place.store, at.into(), epsilon::Ref::Func(func));
            assert!(set.is_err() || of == to || func.is_none(), "an element of another store");
        }
        Step::Define { engine, store, instance, name } => {
            let engine = pick(shops, engine)?;
            let at_store = pick(places, store)?;
            let place = &mut places[at_store];
            let instance = place.instances[pick(&place.instances, instance)?];
            let item: Extern = instance.get_export(&mut place.store, ["f", "m", "t"][usize::from(name) % 3])?;
            drop(linkers[engine].define(&place.store, "host", ["call", "shared"][usize::from(name) % 2], item).map(drop));
        }
        Step::Interrupt { store } => places[pick(places, store)?].store.interrupt_handle().interrupt(),
        Step::Reset { store, instance } => {
            let at_store = pick(places, store)?;
            let place = &mut places[at_store];
            let instance = place.instances[pick(&place.instances, instance)?];
            drop(instance.reset(&mut place.store));
        }
        Step::Shared { engine, offset, byte } => {
            drop(shops[pick(shops, engine)?].shared.write(offset.into(), &[byte]));
        }
    }
    Some(())
}

fn linkers() -> Vec<Linker<StoreLimits>> {
    shops().iter().map(|shop| shop.linker.clone()).collect()
}

fuzz_target!(|program: Program| {
    let mut places = Vec::new();
    perform(&BEGINNING, &mut places, &mut linkers());
    perform(&program.main, &mut places, &mut linkers());
    // Half of the stores go to another thread, and both go on.
    let mut moved = places.split_off(places.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| perform(&program.other, &mut moved, &mut linkers()));
        perform(&program.main, &mut places, &mut linkers());
    });
});

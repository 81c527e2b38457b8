//! What the runtime takes of the host's stack, on each way: far less than what has to be left when a guest is called.
#![allow(unsafe_code)] // the stack is written to, to see what changes

use crate::support::{config, module};
use epsilon::{Engine, Func, Instance, Linker, Store, Trap, TypedFunc, Val};
use epsilon_wasi::{Access, OutputStream, WasiCtx, add_to_linker};

/// What must be left of a small stack when a guest is called.
const MUST_BE_LEFT_BYTES: usize = 16 << 10;

/// So much is looked at.
const LOOKED_AT_BYTES: usize = 400 << 10;
const PATTERN: u8 = 0xa5;

/// How many bytes of the stack below this call a function takes.
#[inline(never)]
fn stack_taken(body: &mut dyn FnMut()) -> usize {
    let here = 0u8;
    // Below what the compiler keeps of this function, and what the loops take.
    let top = (&raw const here as usize - 2_048) as *mut u8;
    let low = top.wrapping_sub(LOOKED_AT_BYTES);
    for n in 0..LOOKED_AT_BYTES {
        // SAFETY: the thread has a larger stack, of which nothing is used there now.
        unsafe { low.add(n).write_volatile(PATTERN) };
    }
    body();
    // SAFETY: as above.
    let untouched = (0..LOOKED_AT_BYTES).take_while(|n| unsafe { low.add(*n).read_volatile() } == PATTERN).count();
    LOOKED_AT_BYTES - untouched
}

const GUEST: &str = r#"(module (import "" "h" (func $h (param i32) (result i32))) (memory 1) (table 1 funcref)
    (func (export "host") (param i32) (result i32) (call $h (local.get 0)))
    (func (export "lazy") (param i32) (result i32) (call $lazy (local.get 0)))
    (func $lazy (param i32) (result i32) (loop (br_if 0 (local.tee 0 (i32.shr_u (local.get 0) (i32.const 1))))) (i32.const 1))
    (func (export "libcalls") (param i32) (result i32) (drop (table.grow (ref.null func) (i32.const 9)))
        (table.fill (i32.const 0) (ref.func $lazy) (i32.const 5))
        (memory.fill (i32.const 0) (i32.const 1) (local.get 0)) (memory.grow (i32.const 1)))
    (elem declare func $lazy)
    (func $deep (export "deep") (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))
    (func (export "trap") (param i32) (result i32) (i32.div_s (local.get 0) (i32.const 0))))"#;

fn measure() -> Vec<(&'static str, usize)> {
    let mut taken = Vec::new();
    let mut note = |what, body: &mut dyn FnMut()| taken.push((what, stack_taken(body)));
    let (mut engine, mut compiled) = (None, None);
    note("an engine", &mut || engine = Some(Engine::new(&config()).expect("an engine")));
    let engine = engine.expect("made");
    note("a module", &mut || compiled = Some(module(&engine, GUEST)));
    let compiled = compiled.expect("made");
    let mut store = Store::new(&engine, ());
    let h = Func::wrap(&mut store, |n: i32| n);
    let mut instance = None;
    note("an instance", &mut || {
        instance = Some(Instance::new(&mut store, &compiled, &[h.into()]).expect("an instance"))
    });
    let instance = instance.expect("made");
    let ways: [(&'static str, &str, Option<Trap>); 6] = [
        ("a host function, compiled at its call", "host", None),
        ("compiling at a call from wasm", "lazy", None),
        ("libcalls", "libcalls", None),
        ("a trap", "trap", Some(Trap::IntegerDivisionByZero)),
        ("an overflow", "deep", Some(Trap::StackOverflow)),
        ("a host function again", "host", None),
    ];
    for (what, name, trap) in ways {
        let f: TypedFunc<i32, i32> = instance.get_typed_func(&mut store, name).expect("exported");
        let mut ended = None;
        note(what, &mut || ended = Some(f.call(&mut store, 100)));
        let ended = ended.expect("called");
        assert_eq!(ended.as_ref().err().and_then(|error| error.trap()), trap, "{what}");
        if let Err(error) = ended {
            note("the text of its error", &mut || assert!(format!("{error:?}").contains("wasm")));
        }
    }
    let f = instance.get_func(&mut store, "host").expect("exported");
    note("a call of a type that is not known", &mut || {
        f.call(&mut store, &[Val::I32(1)], &mut [Val::I32(0)]).expect("no trap");
    });
    measure_wasi(&engine, &mut note);
    taken
}

/// Every call that has something to do with files, streams and time, as one function each.
const WASI: &[(&str, &str, &str)] = &[
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32", "3 1 0 1 1 64 64 0 200"),
    ("fd_write", "i32 i32 i32 i32", "4 16 8 200"),
    ("fd_seek", "i32 i64 i32 i32", "4 0 0 208"),
    ("fd_filestat_get", "i32 i32", "4 300"),
    ("fd_readdir", "i32 i32 i32 i64 i32", "3 1024 4096 0 200"),
    ("path_filestat_get", "i32 i32 i32 i32 i32", "3 1 0 1 300"),
    ("path_create_directory", "i32 i32 i32", "3 1 1"),
    ("path_rename", "i32 i32 i32 i32 i32 i32", "3 0 1 3 1 1"),
    ("path_symlink", "i32 i32 i32 i32 i32", "0 1 3 1 1"),
    ("poll_oneoff", "i32 i32 i32 i32", "400 600 1 200"),
    ("random_get", "i32 i32", "1024 60000"),
    ("clock_time_get", "i32 i64 i32", "0 0 208"),
];

/// `n` lists of buffers at 16, each of 8 KiB; names at 0.
fn measure_wasi(engine: &Engine, note: &mut impl FnMut(&'static str, &mut dyn FnMut())) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut linker = Linker::new(engine);
    add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).expect("new names");
    let mut builder = WasiCtx::builder();
    builder.directory(directory.path(), "/", Access::ReadWrite).expect("a directory");
    let mut store = Store::new(engine, builder.stdout(OutputStream::discard()).build());
    let imports: String = WASI
        .iter()
        .map(|(name, params, _)| {
            format!(r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {params}) (result i32)))"#)
        })
        .collect();
    let functions: String = WASI
        .iter()
        .map(|(name, params, arguments)| {
            let types = params.split(' ').zip(arguments.split(' '));
            let arguments: String = types.map(|(ty, argument)| format!("({ty}.const {argument})")).collect();
            format!(r#"(func (export "{name}") (result i32) (call ${name} {arguments}))"#)
        })
        .collect();
    let list = r"\00\10\00\00\00\20\00\00".repeat(8);
    let text = format!(
        r#"(module {imports} (memory (export "memory") 2) (data (i32.const 0) "ab") (data (i32.const 16) "{list}") {functions})"#
    );
    let instance = linker.instantiate(&mut store, &module(engine, &text)).expect("an instance");
    for (name, _, _) in WASI {
        let f = instance.get_typed_func::<(), i32>(&mut store, name).expect("exported");
        f.call(&mut store, ()).expect("compiled");
        note(name, &mut || _ = f.call(&mut store, ()).expect("no trap"));
    }
}

#[test]
fn the_runtime_takes_little_of_the_hosts_stack() {
    // On a coroutine, as where there is little: what takes much goes to another thread.
    let stack = corosensei::stack::DefaultStack::new(1 << 20).expect("a stack");
    let taken = corosensei::on_stack(stack, measure);
    for (what, bytes) in &taken {
        println!("{bytes:>8} bytes: {what}");
    }
    // Engines and modules are not made by guests.
    let of_guests = taken.iter().filter(|(what, _)| !["an engine", "a module"].contains(what));
    let too_much: Vec<_> = of_guests.filter(|(_, bytes)| *bytes > MUST_BE_LEFT_BYTES * 3 / 4).collect();
    assert!(too_much.is_empty(), "{too_much:?} take more than three quarters of what must be left");
}

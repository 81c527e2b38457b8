//! Every trap that wasm can raise, 10,000 times in every memory plan: the right code, the right offset, the right
//! frames, and no memory kept.

use crate::support::{PLANS, Random, child_task, engines_with, module, pass_in_child};
use epsilon::{Engine, Error, Instance, Linker, Module, Store, Trap, TypedFunc, UnknownImportError};
use wasmparser::{Operator, Parser, Payload};

/// Each: a name, what the trapping function does, the operator that traps, and the code. `$zero` and the like are
/// globals, so that nothing can be computed before the guest runs; `const` cases are the opposite.
const CASES: &[(&str, &str, &str, Trap)] = &[
    ("load", "(drop (i32.load (global.get $page)))", "I32Load ", Trap::MemoryOutOfBounds),
    ("load_const", "(drop (i64.load (i32.const 65529)))", "I64Load ", Trap::MemoryOutOfBounds),
    ("load_far", "(drop (i32.load offset=0xfffffffc (global.get $minus)))", "I32Load ", Trap::MemoryOutOfBounds),
    ("load_vector", "(drop (v128.load offset=65530 (global.get $zero)))", "V128Load ", Trap::MemoryOutOfBounds),
    ("load_second", "(drop (f64.load $second (global.get $page)))", "F64Load ", Trap::MemoryOutOfBounds),
    ("store", "(i32.store8 (global.get $minus) (i32.const 1))", "I32Store8 ", Trap::MemoryOutOfBounds),
    (
        "store_edge",
        "(i64.store (i32.sub (global.get $page) (i32.const 4)) (i64.const 1))",
        "I64Store ",
        Trap::MemoryOutOfBounds,
    ),
    ("load_64", "(drop (i32.load $wide offset=0xffffffffffff (i64.const -1)))", "I32Load ", Trap::MemoryOutOfBounds),
    ("fill", "(memory.fill (i32.const 65535) (i32.const 0) (i32.const 2))", "MemoryFill ", Trap::MemoryOutOfBounds),
    ("copy", "(memory.copy (i32.const 0) (global.get $minus) (i32.const 1))", "MemoryCopy ", Trap::MemoryOutOfBounds),
    ("init", "(memory.init $data (i32.const 0) (i32.const 2) (i32.const 2))", "MemoryInit ", Trap::MemoryOutOfBounds),
    ("table_get", "(drop (table.get $externs (i32.const 3)))", "TableGet ", Trap::TableOutOfBounds),
    ("table_set", "(table.set $externs (global.get $minus) (ref.null extern))", "TableSet ", Trap::TableOutOfBounds),
    ("table_get_func", "(drop (table.get $funcs (global.get $page)))", "TableGet ", Trap::TableOutOfBounds),
    (
        "table_init",
        "(table.init $funcs $elem (i32.const 0) (i32.const 1) (i32.const 1))",
        "TableInit ",
        Trap::TableOutOfBounds,
    ),
    (
        "table_fill",
        "(table.fill $externs (i32.const 2) (ref.null extern) (i32.const 2))",
        "TableFill ",
        Trap::TableOutOfBounds,
    ),
    (
        "table_copy",
        "(table.copy $funcs $funcs (i32.const 3) (i32.const 0) (i32.const 1))",
        "TableCopy ",
        Trap::TableOutOfBounds,
    ),
    ("undefined", "(call_indirect $funcs (global.get $page))", "CallIndirect ", Trap::TableOutOfBounds),
    ("undefined_const", "(call_indirect $funcs (i32.const 3))", "CallIndirect ", Trap::TableOutOfBounds),
    ("null", "(call_indirect $funcs (global.get $zero))", "CallIndirect ", Trap::IndirectCallToNull),
    ("signature", "(drop (call_indirect $funcs (result i64) (i32.const 1)))", "CallIndirect ", Trap::BadSignature),
    ("overflow", "(drop (i32.div_s (global.get $least) (global.get $minus)))", "I32DivS", Trap::IntegerOverflow),
    (
        "overflow_64",
        "(drop (i64.div_s (i64.const 0x8000000000000000) (i64.extend_i32_s (global.get $minus))))",
        "I64DivS",
        Trap::IntegerOverflow,
    ),
    ("divide", "(drop (i32.div_u (i32.const 7) (global.get $zero)))", "I32DivU", Trap::IntegerDivisionByZero),
    ("divide_const", "(drop (i64.div_s (i64.const 7) (i64.const 0)))", "I64DivS", Trap::IntegerDivisionByZero),
    (
        "remainder",
        "(drop (i64.rem_s (i64.const 7) (i64.extend_i32_s (global.get $zero))))",
        "I64RemS",
        Trap::IntegerDivisionByZero,
    ),
    ("convert_nan", "(drop (i32.trunc_f32_s (global.get $nan)))", "I32TruncF32S", Trap::BadConversionToInteger),
    (
        "convert_large",
        "(drop (i64.trunc_f64_u (f64.mul (f64.const 1e300) (f64.promote_f32 (global.get $one)))))",
        "I64TruncF64U",
        Trap::IntegerOverflow,
    ),
    ("convert_const", "(drop (i32.trunc_f64_u (f64.const -1)))", "I32TruncF64U", Trap::IntegerOverflow),
    ("unreachable", "(unreachable)", "Unreachable", Trap::UnreachableCodeReached),
    ("null_struct", "(drop (struct.get $box 0 (global.get $no_box)))", "StructGet ", Trap::NullStruct),
    ("null_struct_set", "(struct.set $box 1 (global.get $no_box) (ref.null any))", "StructSet ", Trap::NullStruct),
    ("null_array", "(drop (array.len (global.get $no_list)))", "ArrayLen ", Trap::NullArray),
    (
        "null_array_copy",
        "(array.copy $list $list (array.new_default $list (i32.const 1)) (i32.const 0) (global.get $no_list) (i32.const 0) (i32.const 0))",
        "ArrayCopy ",
        Trap::NullArray,
    ),
    (
        "array_get",
        "(drop (array.get $list (array.new_default $list (i32.const 3)) (i32.const 3)))",
        "ArrayGet ",
        Trap::ArrayOutOfBounds,
    ),
    (
        "array_fill",
        "(array.fill $list (array.new_default $list (i32.const 3)) (global.get $minus) (i64.const 1) (i32.const 1))",
        "ArrayFill ",
        Trap::ArrayOutOfBounds,
    ),
    ("cast", "(drop (ref.cast (ref $box) (global.get $any)))", "RefCastNonNull ", Trap::CastFailure),
    ("cast_of_null", "(drop (ref.cast (ref $box) (global.get $no_box)))", "RefCastNonNull ", Trap::CastFailure),
    ("null_i31", "(drop (i31.get_u (global.get $no_i31)))", "I31GetU", Trap::NullI31),
    ("too_large", "(drop (array.new_default $list (global.get $minus)))", "ArrayNewDefault ", Trap::AllocationTooLarge),
];

/// Each case is a chain of three functions, `outer.x` -> `middle.x` -> `x`, with something to do after the call.
fn text() -> String {
    let chain = |(name, body, _, _): &(&str, &str, &str, Trap)| {
        format!(
            "(func ${name} {body})
             (func $middle.{name} (param i32) (result i32) (call ${name}) (i32.add (local.get 0) (i32.const 1)))
             (func $outer.{name} (export \"{name}\") (result i32) (i32.mul (call $middle.{name} (i32.const 4)) (i32.const 3)))\n"
        )
    };
    let chains: String = CASES.iter().map(chain).collect();
    format!(
        "(module $traps (type $box (struct (field i32) (field (mut anyref)))) (type $list (array (mut i64)))
            (global $no_box (mut (ref null $box)) (ref.null $box)) (global $no_list (mut (ref null $list)) (ref.null $list))
            (global $any (mut anyref) (ref.i31 (i32.const 1))) (global $no_i31 (mut i31ref) (ref.null i31))
            (memory 1) (memory $second 1) (memory $wide i64 1)
            (table $funcs (export \"table\") 3 funcref) (table $externs 3 externref)
            (elem (table $funcs) (i32.const 1) func $nothing) (elem $elem func $nothing) (data $data \"abc\")
            (global $zero (mut i32) (i32.const 0)) (global $minus (mut i32) (i32.const -1))
            (global $page (mut i32) (i32.const 65536)) (global $least (mut i32) (i32.const 0x80000000))
            (global $nan (mut f32) (f32.const nan)) (global $one (mut f32) (f32.const 1))
            (func $nothing)
            {chains})"
    )
}

/// Offsets of operators that can be told apart by the start of their name, function by function: found by reading the
/// binary, not by asking Epsilon.
struct Offsets(Vec<Vec<(String, usize)>>);

impl Offsets {
    fn read(wasm: &[u8]) -> Self {
        let mut functions = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            let Payload::CodeSectionEntry(body) = payload.expect("valid") else { continue };
            let operators = body.get_operators_reader().expect("valid").into_iter_with_offsets();
            let named =
                operators.map(|found| found.map(|(operator, at)| (name_of(&operator), at as usize)).expect("valid"));
            functions.push(named.collect());
        }
        Self(functions)
    }

    fn of(&self, function: usize, operator: &str) -> usize {
        let found = self.0[function].iter().find(|(name, _)| name.starts_with(operator));
        found.unwrap_or_else(|| panic!("no {operator} in function {function}: {:?}", self.0[function])).1
    }
}

fn name_of(operator: &Operator<'_>) -> String {
    format!("{operator:?} ")
}

/// One case, ready to be called, and what must come of it.
struct Case {
    name: &'static str,
    func: TypedFunc<(), i32>,
    trap: Trap,
    /// Index and offset of every frame, innermost first.
    frames: [(u32, usize); 3],
}

fn cases(store: &mut Store<()>, instance: Instance, offsets: &Offsets) -> Vec<Case> {
    let case = |(n, (name, _, operator, trap)): (usize, &(&'static str, &str, &str, Trap))| {
        let first = 1 + 3 * n;
        let frame = |at: usize, operator: &str| (at as u32, offsets.of(at, operator));
        Case {
            name,
            func: instance.get_typed_func(&mut *store, name).expect("exported"),
            trap: *trap,
            frames: [frame(first, operator), frame(first + 1, "Call "), frame(first + 2, "Call ")],
        }
    };
    CASES.iter().enumerate().map(case).collect()
}

fn check(case: &Case, error: &Error) {
    assert_eq!(error.trap(), Some(case.trap), "{}: {error:?}", case.name);
    let frames = error.backtrace().expect("wasm was running").frames();
    let found = frames.iter().map(|frame| (frame.func_index(), frame.module_offset().unwrap_or(0)));
    assert!(found.eq(case.frames), "{}: expected {:x?}, found {error:?}", case.name, case.frames);
    let names = frames.iter().map(|frame| frame.func_name().unwrap_or("?"));
    assert!(names.eq([case.name, &format!("middle.{}", case.name), &format!("outer.{}", case.name)]), "{error:?}");
    assert!(frames.iter().all(|frame| frame.module_name() == Some("traps")), "{error:?}");
}

/// Resident memory in bytes, from the kernel.
pub fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux");
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().expect("a number") * 1024
}

/// Runs `round` some times to warm up and 2,500 times more (`EPSILON_TRAPS` says another number), and checks that no memory
/// was kept. What a worker takes that optimises meanwhile, it takes once.
fn keeps_no_memory(what: &str, mut round: impl FnMut()) {
    let rounds = std::env::var("EPSILON_TRAPS").map_or(2_500, |count| count.parse().expect("a number of traps"));
    (0..rounds / 5).for_each(|_| round());
    let mut grown_in_all = || {
        let before = resident_bytes();
        (0..rounds).for_each(|_| round());
        resident_bytes().saturating_sub(before)
    };
    // Less than the allocator and workers take and give back at other times.
    let allowed = 1 << 20;
    let grown = grown_in_all();
    assert!(grown < allowed || grown_in_all() < allowed, "{what}: {grown} bytes more, and again");
}

fn engine_of(plan: &str, max_wasm_stack: usize) -> Engine {
    let mut engines = engines_with(|config| config.max_wasm_stack(max_wasm_stack));
    let at = engines.iter().position(|(name, _)| *name == plan).expect("a plan");
    engines.swap_remove(at).1
}

fn in_every_plan(test: &str, body: fn(&str)) {
    match child_task() {
        Some(plan) => body(&plan),
        None => PLANS.iter().for_each(|(plan, _)| pass_in_child(test, plan)),
    }
}

#[test]
fn traps_keep_no_memory() {
    in_every_plan("codes::traps_keep_no_memory", |plan| {
        let wasm = wat::parse_str(text()).expect("valid text");
        let engine = engine_of(plan, 1 << 20);
        let module = Module::from_binary(&engine, &wasm).expect("valid");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        for case in cases(&mut store, instance, &Offsets::read(&wasm)) {
            keeps_no_memory(case.name, || check(&case, &case.func.call(&mut store, ()).expect_err("a trap")));
        }
    });
}

/// As above, in an order that nobody chose, from several threads with one module.
#[test]
fn traps_do_not_meet_across_threads() {
    let wasm = wat::parse_str(text()).expect("valid text");
    let offsets = Offsets::read(&wasm);
    for (_, engine) in crate::support::engines() {
        let module = Module::from_binary(&engine, &wasm).expect("valid");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (engine, module, offsets) = (&engine, &module, &offsets);
                scope.spawn(move || {
                    let mut store = Store::new(engine, ());
                    let instance = Instance::new(&mut store, module, &[]).expect("an instance");
                    let cases = cases(&mut store, instance, offsets);
                    let mut random = Random(thread + 1);
                    for _ in 0..3_000 {
                        let case = &cases[random.below(cases.len())];
                        check(case, &case.func.call(&mut store, ()).expect_err("a trap"));
                    }
                });
            }
        });
    }
}

#[test]
fn overflows_keep_no_memory() {
    in_every_plan("codes::overflows_keep_no_memory", |plan| {
        let text = r#"(module (memory 1) (global $depth (export "depth") (mut i32) (i32.const 0))
            (func $down (param i64 f64) (result f64)
                (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
                (f64.add (local.get 1) (call $down (i64.add (local.get 0) (i64.const 1)) (f64.const 2))))
            (func $start (export "start") (global.set $depth (i32.const 0)) (drop (call $down (i64.const 0) (f64.const 0)))))"#;
        let wasm = wat::parse_str(text).expect("valid text");
        let offsets = Offsets::read(&wasm);
        let engine = engine_of(plan, 32 << 10);
        let mut store = Store::new(&engine, ());
        let module = Module::from_binary(&engine, &wasm).expect("valid");
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let start = instance.get_typed_func::<(), ()>(&mut store, "start").expect("exported");
        let depth = instance.get_global(&mut store, "depth").expect("exported");
        let calls = (offsets.of(0, "Call "), offsets.of(1, "Call "));
        keeps_no_memory("overflow", || {
            let error = start.call(&mut store, ()).expect_err("a trap");
            assert_eq!(error.trap(), Some(Trap::StackOverflow));
            let backtrace = error.backtrace().expect("wasm was running");
            let (outermost, rest) = backtrace.frames().split_last().expect("many frames");
            assert_eq!((outermost.func_name(), outermost.module_offset()), (Some("start"), Some(calls.1)));
            assert!(rest[1..].iter().all(|frame| frame.func_index() == 0 && frame.module_offset() == Some(calls.0)));
            // The innermost one may or may not have counted itself.
            let all = backtrace.frames().len() + backtrace.omitted();
            let counted = depth.get(&mut store).i32().expect("an i32") as usize;
            assert!((counted + 1..=counted + 2).contains(&all) && counted > 100, "{all} frames, {counted} counted");
        });
    });
}

#[test]
fn unknown_imports_keep_no_memory() {
    in_every_plan("codes::unknown_imports_keep_no_memory", |plan| {
        let engine = engine_of(plan, 1 << 20);
        let text = r#"(module (import "no" "where" (func $no)) (func $f call $no) (func $g (export "g") call $f))"#;
        let module = module(&engine, text);
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&module).expect("functions only");
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).expect("an instance");
        let g = instance.get_typed_func::<(), ()>(&mut store, "g").expect("exported");
        keeps_no_memory("unknown import", || {
            let error = g.call(&mut store, ()).expect_err("an error");
            assert_eq!((error.trap(), crate::names(&error)), (None, vec!["f", "g"]));
            assert_eq!(error.to_string(), "call to an unknown import: `no`.`where`");
            let unknown: UnknownImportError = error.downcast().expect("its type");
            assert_eq!((unknown.module(), unknown.name()), ("no", "where"));
        });
    });
}

#[test]
fn interruptions_before_the_call_keep_no_memory() {
    in_every_plan("codes::interruptions_before_the_call_keep_no_memory", |plan| {
        let engine = engine_of(plan, 1 << 20);
        let mut store = Store::new(&engine, ());
        let module = module(&engine, r#"(module (func (export "f") (result i32) i32.const 1))"#);
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
        let handle = store.interrupt_handle();
        keeps_no_memory("interruption", || {
            handle.interrupt();
            let error = f.call(&mut store, ()).expect_err("an interruption");
            assert_eq!((error.trap(), crate::names(&error)), (Some(Trap::Interrupt), Vec::new()));
            assert_eq!(f.call(&mut store, ()).expect("once only"), 1);
        });
    });
}

/// With every code that there is, this list or the reasons below must be extended.
#[test]
fn no_code_is_forgotten() {
    let elsewhere = [
        (Trap::UndefinedElement, "code alone has it: for embedders it is TableOutOfBounds"),
        (Trap::StackOverflow, "overflows_keep_no_memory"),
        (Trap::Interrupt, "interrupts.rs"),
        (Trap::UnknownImport, "unknown_imports_keep_no_memory"),
        (Trap::OutOfHeap, "the heap's own tests"),
        (Trap::NullReference, "no operator of the proposals that are there raises it"),
        (Trap::HeapMisaligned, "atomics are not there yet"),
        (Trap::AtomicWaitNonSharedMemory, "atomics are not there yet"),
        (Trap::OutOfFuel, "fuel is not there yet"),
    ];
    for code in Trap::ALL {
        let here = CASES.iter().any(|(_, _, _, found)| found == code);
        assert!(here != elsewhere.iter().any(|(found, _)| found == code), "{code:?}");
    }
}

#[test]
fn backtraces_can_be_switched_off() {
    for (_, engine) in engines_with(|config| config.wasm_backtrace(false)) {
        let mut store = Store::new(&engine, ());
        let module = module(&engine, r#"(module (func (export "f") unreachable))"#);
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").expect("exported");
        let error = f.call(&mut store, ()).expect_err("a trap");
        assert_eq!(error.trap(), Some(Trap::UnreachableCodeReached));
        assert!(error.backtrace().is_none());
    }
}

#[test]
fn backtraces_are_printed_for_people() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let text = r#"(module $shop (func $"_ZN4core9panicking5panic17h0123456789abcdefE" unreachable)
        (func $sell (export "sell") call 0) (func $f (export "f") call $sell) (func (param i32) local.get 0 drop))"#;
    let instance = Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").expect("exported");
    let error = f.call(&mut store, ()).expect_err("a trap");
    let lines: Vec<String> = format!("{error:?}").lines().map(|line| line.trim().to_owned()).collect();
    assert_eq!(lines[..2], ["wasm trap: unreachable", "wasm backtrace, innermost first:"]);
    assert!(lines[2].starts_with("0:") && lines[2].ends_with(" - core::panicking::panic in shop"), "{lines:?}");
    assert!(lines[3].starts_with("1:") && lines[3].ends_with(" - sell in shop"), "{lines:?}");
    assert!(lines[4].starts_with("2:") && lines[4].ends_with(" - f in shop"), "{lines:?}");
    assert_eq!(lines.len(), 5);
}

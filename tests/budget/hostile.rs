//! Guests that each try to use up one resource of their host, and how each ends where its engine may take 64 MiB.

use crate::wasi;
use epsilon::{Engine, Error, ExternRef, Instance, Linker, Module, SharedMemory, Store, Val};

/// What the engine of a guest may take.
pub const LIMIT_BYTES: usize = 64 << 20;

/// How a guest ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By the limit.
    Limit,
    /// By itself: what it wants more is refused in the way of the instruction set, or given back in time.
    Itself,
}

use End::{Itself, Limit};

/// Its name, how it ends, and what it does.
pub type Guest = (&'static str, End, fn(&Engine) -> Result<(), Error>);

pub const GUESTS: [Guest; GUEST_COUNT] = [
    ("a memory", Limit, |engine| {
        run(
            engine,
            "(module (memory 2000) (func (export \"run\") (memory.fill (i32.const 0) (i32.const 1) (i32.const 131072000))))",
        )
    }),
    ("many memories", Limit, |engine| run(engine, &format!("(module {})", "(memory 20)".repeat(100)))),
    ("memory.grow", Itself, |engine| run(engine, &growing("(memory 1)", "memory.size", "i32"))),
    ("memory.grow of 64 bits", Itself, |engine| run(engine, &growing("(memory i64 1)", "memory.size", "i64"))),
    ("memory.grow of a shared memory", Itself, |engine| {
        run(engine, &growing("(memory 1 65536 shared)", "memory.size", "i32"))
    }),
    ("shared memories", Limit, |engine| many_instances(engine, &touching("(memory 16 16 shared)"))),
    ("shared memories of the host", Limit, shared_memories),
    ("memories of instances", Limit, |engine| many_instances(engine, &touching("(memory 16)"))),
    ("memories of stores", Limit, |engine| many_stores(engine, &touching("(memory 16)"))),
    ("memories of stores that are gone", Itself, gone_stores),
    ("a table", Limit, |engine| run(engine, "(module (table 10000000 funcref))")),
    ("many tables", Limit, |engine| run(engine, &format!("(module {})", "(table 1000000 externref)".repeat(100)))),
    ("table.grow", Itself, |engine| run(engine, &growing_table("funcref", "func"))),
    ("table.grow of external references", Itself, |engine| run(engine, &growing_table("externref", "extern"))),
    ("globals", Limit, |engine| {
        many_instances(engine, &format!("(module {})", "(global (mut v128) (v128.const i64x2 1 2))".repeat(1_000)))
    }),
    ("exported globals", Limit, exported_globals),
    ("exceptions", Limit, |engine| run(engine, &exceptions("i64 i64"))),
    ("large exceptions", Limit, |engine| run(engine, &exceptions(&"i64 ".repeat(900)))),
    ("exceptions that nobody keeps", Itself, |engine| run(engine, &forgotten_exceptions())),
    ("external references", Limit, |engine| external_references(engine, "(local.get $n)", 10_000_000)),
    ("external references that nobody keeps", Itself, |engine| external_references(engine, "(i32.const 0)", 500_000)),
    ("objects that nobody keeps", Itself, |engine| run(engine, FORGOTTEN_OBJECTS)),
    ("references to functions", Limit, |engine| many_instances(engine, &references(20_000))),
    ("functions in exported tables", Limit, |engine| many_instances(engine, &functions_in_tables(20_000))),
    ("types", Limit, |engine| many_modules(engine, types)),
    ("types of modules that are gone", Itself, |engine| {
        (0..20).try_for_each(|n| Module::new(engine, types(n)).map(drop))
    }),
    ("a type section", Limit, |engine| many_modules(engine, |_| crate::modules::types(100))),
    ("a recursion group", Limit, |engine| many_modules(engine, |_| crate::modules::recursion_group(10))),
    ("tags", Limit, |engine| many_instances(engine, &format!("(module {})", "(tag (param i32))".repeat(10_000)))),
    ("segments", Limit, |engine| many_modules(engine, |_| crate::modules::segments(10))),
    ("segments of elements", Limit, |engine| many_modules(engine, |_| crate::modules::elements(10))),
    ("constant expressions", Limit, |engine| many_modules(engine, |_| crate::modules::constant_expressions(20))),
    ("element expressions", Limit, |engine| many_modules(engine, |_| element_expressions(100_000))),
    ("a segment of data", Limit, |engine| many_modules(engine, |_| data(1 << 20))),
    ("images of memories", Limit, |engine| many_modules(engine, |_| images())),
    ("imports and exports", Limit, |engine| many_modules(engine, |_| crate::modules::imports_and_exports(10))),
    ("functions", Limit, |engine| many_modules(engine, |_| crate::modules::empty_functions(10))),
    ("instances", Limit, |engine| many_instances(engine, "(module)")),
    ("instances of many functions", Limit, |engine| {
        many_instances(engine, &format!("(module {})", "(func)".repeat(1000)))
    }),
    ("instantiations that fail", Itself, failed_instantiations),
    ("names", Limit, |engine| many_modules(engine, |_| names(100_000))),
    ("long names", Limit, |engine| many_modules(engine, |_| crate::modules::long_names(20))),
    ("custom sections", Limit, |engine| many_modules(engine, |_| custom_sections(1, 1 << 20))),
    ("many custom sections", Limit, |engine| many_modules(engine, |_| custom_sections(50_000, 0))),
    ("compiled code", Limit, |engine| many_modules_compiled(engine, |_| crate::modules::small_functions(40))),
    ("code of large functions", Limit, |engine| many_modules_compiled(engine, |_| crate::functions::straight_line(20))),
    ("compiling a function", Limit, |engine| compile(engine, &crate::functions::nested_ifs(1))),
    ("compiling values that branches pass", Limit, |engine| {
        compile(engine, &crate::functions::loops_that_pass_values(4))
    }),
    ("compiling on all threads", Itself, |engine| compile(engine, &crate::functions::locals_in_every_function(100))),
    ("a large type section", Limit, |engine| parse(engine, &crate::modules::types(1))),
    ("a large recursion group", Limit, |engine| parse(engine, &crate::modules::recursion_group(1))),
    ("a million functions", Limit, |engine| parse(engine, &crate::modules::empty_functions(1))),
    ("a million names", Limit, |engine| parse(engine, &names(1_000_000))),
    ("a million element expressions", Limit, |engine| parse(engine, &element_expressions(1_000_000))),
    ("a large expression", Limit, |engine| parse(engine, &crate::modules::constant_expressions(1))),
    ("validation", Limit, |engine| {
        Module::validate(engine, crate::modules::empty_functions(1))
            .and_then(|()| Module::validate(engine, crate::modules::types(1)))
    }),
    ("a module in the text format", Limit, |engine| {
        Module::new(engine, format!("(module {})", "(func (nop))".repeat(1_000_000))).map(drop)
    }),
    ("text as long as may be", Itself, |engine| {
        Module::new(engine, format!("(module {})", "(func)".repeat(108_000))).map(drop)
    }),
    ("operators in the text format", Itself, |engine| {
        Module::new(engine, format!("(module (func {}))", "nop ".repeat(160_000))).map(drop)
    }),
    ("types in the text format", Itself, |engine| {
        Module::new(engine, format!("(module {})", "(type(func))".repeat(40_000))).map(drop)
    }),
    ("nested blocks", Limit, |engine| Module::validate(engine, nested_blocks(7 << 20))),
    ("recursion", Itself, recursion),
    ("threads of WASI", Itself, wasi::threads),
    ("deep threads of WASI", Itself, wasi::deep_threads),
    ("descriptors of WASI", Itself, wasi::descriptors),
    ("buffers of WASI", Itself, wasi::buffers),
];

pub const GUEST_COUNT: usize = 66;

/// A function that touches each page of a memory of 16 pages.
pub fn touching(memory: &str) -> String {
    format!("(module {memory} (func (export \"run\") (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576))))")
}

/// Grows a memory by ever less until it grows no more, and writes to all of it.
fn growing(memory: &str, size: &str, ty: &str) -> String {
    let (fill_from, fill_len) = (format!("({ty}.const 0)"), format!("({ty}.mul ({size}) ({ty}.const 65536))"));
    format!(
        r#"(module {memory} (func (export "run") (local $step {ty})
            (local.set $step ({ty}.const 256))
            (loop $again
                (br_if $again ({ty}.ne (memory.grow (local.get $step)) ({ty}.const -1)))
                (local.set $step ({ty}.div_u (local.get $step) ({ty}.const 2)))
                (br_if $again ({ty}.ne (local.get $step) ({ty}.const 0))))
            (memory.fill {fill_from} (i32.const 1) {fill_len})))"#
    )
}

fn growing_table(ty: &str, null: &str) -> String {
    format!(
        r#"(module (table 1 {ty}) (func (export "run") (local $step i32)
            (local.set $step (i32.const 100000))
            (loop $again
                (br_if $again (i32.ne (table.grow (ref.null {null}) (local.get $step)) (i32.const -1)))
                (local.set $step (i32.div_u (local.get $step) (i32.const 2)))
                (br_if $again (local.get $step)))
            (table.fill (i32.const 0) (ref.null {null}) (table.size))))"#
    )
}

fn exceptions(fields: &str) -> String {
    let values: String = fields.split_whitespace().map(|_| "(i64.const 1)").collect();
    format!(
        r#"(module (tag $e (param {fields})) (table $kept 1000000 exnref) (func (export "run") (local $n i32)
            (loop $again
                (table.set $kept (local.get $n) (block $caught (result exnref)
                    (try_table (catch_all_ref $caught) (throw $e {values})) unreachable))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $n) (i32.const 1000000))))))"#
    )
}

fn forgotten_exceptions() -> String {
    exceptions(&"i64 ".repeat(50))
        .replace("(table.set $kept (local.get $n)", "(table.set $kept (i32.const 0)")
        .replace("i32.const 1000000", "i32.const 300000")
        .replace("$kept 1000000", "$kept 1")
}

fn references(count: usize) -> String {
    let functions: String = (0..count).map(|n| format!("(func $f{n})")).collect();
    let list: String = (0..count).map(|n| format!(" $f{n}")).collect();
    format!(
        r#"(module {functions} (table $t {count} funcref) (elem $e func {list}) (export "t" (table $t))
            (func (export "run") (local $n i32)
                (table.init $t $e (i32.const 0) (i32.const 0) (i32.const {count}))
                (loop $again
                    (drop (table.get $t (local.get $n)))
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $n) (i32.const {count}))))))"#
    )
}

fn functions_in_tables(count: usize) -> String {
    let functions: String = (0..count).map(|n| format!("(func $f{n})")).collect();
    let list: String = (0..count).map(|n| format!(" $f{n}")).collect();
    format!(r#"(module {functions} (table (export "t") {count} funcref) (elem (i32.const 0) {list}))"#)
}

/// 2,000 types that no other module has.
fn types(n: usize) -> Vec<u8> {
    use wasm_encoder::ValType;
    let mut types = wasm_encoder::TypeSection::new();
    for k in n * 2_000..(n + 1) * 2_000 {
        let param = |bit: u32| if k >> bit & 1 == 0 { ValType::I32 } else { ValType::I64 };
        types.ty().function((0..24).map(param), []);
    }
    let mut module = wasm_encoder::Module::new();
    module.section(&types);
    module.finish()
}

fn element_expressions(count: u32) -> Vec<u8> {
    use wasm_encoder::{ConstExpr, ElementSection, Elements, Module, RefType};
    let mut elements = ElementSection::new();
    let null = ConstExpr::ref_null(wasm_encoder::HeapType::FUNC);
    elements.passive(Elements::Expressions(RefType::FUNCREF, vec![null; count as usize].into()));
    let mut module = Module::new();
    module.section(&elements);
    module.finish()
}

/// A function of so many bytes, of blocks inside each other.
fn nested_blocks(bytes: usize) -> Vec<u8> {
    let (mut functions, mut body) = (crate::wasm::Functions::new(), crate::wasm::Body::default());
    body.repeat(&[0x02, 0x40], bytes / 3).repeat(&[0x0b], bytes / 3);
    functions.function(0, &[], &body);
    functions.module()
}

fn data(bytes: usize) -> Vec<u8> {
    let mut data = wasm_encoder::DataSection::new();
    data.passive(vec![7; bytes]);
    let mut module = wasm_encoder::Module::new();
    module.section(&data);
    module.finish()
}

/// A memory of a few pages whose contents are a small segment at either end of a mebibyte.
fn images() -> Vec<u8> {
    let text = "(module (memory 16) (data (i32.const 0) \"a\") (data (i32.const 1040000) \"b\"))";
    wat::parse_str(text).expect("text")
}

fn names(count: u32) -> Vec<u8> {
    use wasm_encoder::{Module, NameMap, NameSection};
    let mut functions = NameMap::new();
    (0..count).for_each(|n| functions.append(n, ""));
    let mut names = NameSection::new();
    names.functions(&functions);
    let mut module = Module::new();
    module.section(&names);
    module.finish()
}

fn custom_sections(count: usize, bytes: usize) -> Vec<u8> {
    let data = vec![1; bytes];
    let mut module = wasm_encoder::Module::new();
    for _ in 0..count {
        module.section(&wasm_encoder::CustomSection { name: "c".into(), data: (&data[..]).into() });
    }
    module.finish()
}

/// Instantiates a module and calls its `run`, if it has one.
pub fn run(engine: &Engine, text: &str) -> Result<(), Error> {
    let module = Module::new(engine, text)?;
    let mut store = Store::new(engine, ());
    instantiate_in(&mut store, &module)
}

fn instantiate_in(store: &mut Store<()>, module: &Module) -> Result<(), Error> {
    let instance = Instance::new(&mut *store, module, &[])?;
    match instance.get_func(&mut *store, "run") {
        Some(run) => run.call(&mut *store, &[], &mut []),
        None => Ok(()),
    }
}

/// More than any limit may let happen.
const ENDLESS: usize = 2_000_000;

fn many_instances(engine: &Engine, text: &str) -> Result<(), Error> {
    let module = Module::new(engine, text)?;
    let mut store = Store::new(engine, ());
    (0..ENDLESS).try_for_each(|_| instantiate_in(&mut store, &module))
}

fn many_stores(engine: &Engine, text: &str) -> Result<(), Error> {
    let module = Module::new(engine, text)?;
    let mut stores = Vec::new();
    for _ in 0..ENDLESS {
        let mut store = Store::new(engine, ());
        instantiate_in(&mut store, &module)?;
        stores.push(store);
    }
    Ok(())
}

fn gone_stores(engine: &Engine) -> Result<(), Error> {
    let module = Module::new(engine, touching("(memory 16)"))?;
    (0..500).try_for_each(|_| instantiate_in(&mut Store::new(engine, ()), &module))
}

fn many_modules(engine: &Engine, make: impl Fn(usize) -> Vec<u8>) -> Result<(), Error> {
    let mut kept = Vec::new();
    for n in 0..ENDLESS {
        kept.push(Module::from_bytes(engine, make(n))?);
    }
    Ok(())
}

fn many_modules_compiled(engine: &Engine, make: impl Fn(usize) -> Vec<u8>) -> Result<(), Error> {
    let mut kept = Vec::new();
    for n in 0..ENDLESS {
        kept.push(Module::from_bytes(engine, make(n))?);
        kept[n].compile_all(|_| ())?;
    }
    Ok(())
}

fn parse(engine: &Engine, wasm: &[u8]) -> Result<(), Error> {
    Module::from_binary(engine, wasm).map(drop)
}

fn compile(engine: &Engine, wasm: &[u8]) -> Result<(), Error> {
    Module::from_binary(engine, wasm)?.compile_all(|_| ())
}

fn shared_memories(engine: &Engine) -> Result<(), Error> {
    let importing = Module::new(engine, "(module (import \"\" \"m\" (memory 16 16 shared)))")?;
    let Some(epsilon::ExternType::Memory(ty)) = importing.imports().next().map(|import| import.ty()) else {
        panic!("a memory")
    };
    let mut kept = Vec::new();
    for _ in 0..ENDLESS {
        let memory = SharedMemory::new(engine, ty.clone())?;
        memory.write(0, &vec![1; 1 << 20])?;
        kept.push(memory);
    }
    Ok(())
}

/// Handles of exports are the store's as well.
fn exported_globals(engine: &Engine) -> Result<(), Error> {
    let globals: String = (0..1000).map(|n| format!("(global (export \"{n}\") (mut i64) (i64.const 1))")).collect();
    let module = Module::new(engine, format!("(module {globals})"))?;
    let mut store = Store::new(engine, ());
    for _ in 0..ENDLESS {
        let instance = Instance::new(&mut store, &module, &[])?;
        let exports = instance.exports(&mut store);
        assert_eq!(exports.len(), 1000);
    }
    Ok(())
}

/// Lists of a hundred structures and an array, ten thousand times.
const FORGOTTEN_OBJECTS: &str = r#"(module (type $node (struct (field (ref null $node)) (field i64)))
    (type $bytes (array (mut i8)))
    (func $list (param $n i32) (result (ref null $node)) (local $list (ref null $node))
        (loop $more
            (local.set $list (struct.new $node (local.get $list) (i64.const 1)))
            (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $list))
    (func (export "run") (local $n i32) (local.set $n (i32.const 10000))
        (loop $again
            (drop (call $list (i32.const 100)))
            (drop (array.new_default $bytes (i32.mul (local.get $n) (i32.const 10))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;

fn external_references(engine: &Engine, place: &str, count: u32) -> Result<(), Error> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("host", "make", |mut caller: epsilon::Caller<'_, ()>| {
        ExternRef::new(&mut caller, [0u8; 24]).map(Some)
    })?;
    let text = format!(
        r#"(module (import "host" "make" (func $make (result externref))) (table $kept {count} externref)
            (func (export "run") (local $n i32) (loop $again
                (table.set $kept {place} (call $make))
                (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {count}))))))"#
    );
    let module = Module::new(engine, text)?;
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())
}

/// Each fails for its own reason, and none for the limit.
fn failed_instantiations(engine: &Engine) -> Result<(), Error> {
    let text = r#"(module (memory 16) (table 10000 funcref) (func $f)
        (func $start (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576)) unreachable) (start $start))"#;
    let module = Module::new(engine, text)?;
    let mut store = Store::new(engine, ());
    for _ in 0..1000 {
        let error = Instance::new(&mut store, &module, &[]).expect_err("its start function traps");
        if error.trap().is_none() {
            return Err(error);
        }
    }
    Ok(())
}

fn recursion(engine: &Engine) -> Result<(), Error> {
    let text = "(module (func $f (export \"f\") (param i64 i64 i64 i64) (result i64) (i64.add (local.get 0)
        (call $f (local.get 1) (local.get 2) (local.get 3) (i64.add (local.get 0) (i64.const 1))))))";
    let module = Module::new(engine, text)?;
    for _ in 0..3 {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[])?;
        let f = instance.get_func(&mut store, "f").expect("exported");
        let error = f.call(&mut store, &[Val::I64(1); 4], &mut [Val::I64(0)]).expect_err("it has no end");
        if error.trap().is_none() {
            return Err(error);
        }
    }
    Ok(())
}

//! Bombs outside of bodies: modules with very much of one thing.

use crate::wasm::{Body, Functions, I32, op};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection, MemoryType,
    Module, NameMap, NameSection, RefType, TableSection, TableType, TypeSection,
};

fn memory_type(minimum: u64) -> MemoryType {
    MemoryType { minimum, maximum: None, memory64: false, shared: false, page_size_log2: None }
}

fn table_type(minimum: u64) -> TableType {
    TableType { element_type: RefType::FUNCREF, table64: false, minimum, maximum: None, shared: false }
}

/// A million functions without an operator.
pub fn empty_functions(scale: usize) -> Vec<u8> {
    let (mut functions, body) = (Functions::new(), Body::default());
    (0..1_000_000 / scale).for_each(|_| {
        functions.function(0, &[], &body);
    });
    functions.module()
}

/// 200,000 small functions that call each other.
pub fn small_functions(scale: usize) -> Vec<u8> {
    let (mut functions, count) = (Functions::new(), 200_000 / scale);
    functions.ty(2, 1);
    for n in 0..count {
        let mut body = Body::default();
        body.raw(&[op::LOCAL_GET, 0, op::IF, op::EMPTY]);
        body.raw(&[op::LOCAL_GET, 0]).i32_const(n).raw(&[op::I32_ADD, op::LOCAL_GET, 1]);
        body.with(op::CALL, n * 7919 % count).raw(&[op::LOCAL_SET, 0, op::END, op::LOCAL_GET, 0]);
        functions.function(1, &[], &body);
    }
    functions.module()
}

/// As many segments of data and of elements as validation allows.
pub fn segments(scale: usize) -> Vec<u8> {
    let mut module = Module::new();
    let (mut memories, mut tables) = (MemorySection::new(), TableSection::new());
    memories.memory(memory_type(2));
    tables.table(table_type(10));
    let (mut elements, mut data, count) = (ElementSection::new(), DataSection::new(), 100_000 / scale);
    for n in 0..count {
        let at = ConstExpr::i32_const(n as i32);
        elements.active(None, &ConstExpr::i32_const((n % 9) as i32), Elements::Functions((&[0u32]).into()));
        data.active(0, &at, [n as u8, 1, 2]);
    }
    let (mut types, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([], []);
    functions.function(0);
    let mut body = Function::new([]);
    body.raw([op::END]);
    code.function(&body);
    module.section(&types).section(&functions).section(&tables).section(&memories).section(&elements);
    module.section(&DataCountSection { count: count as u32 }).section(&code).section(&data);
    module.finish()
}

/// One segment with ten million elements.
pub fn elements(scale: usize) -> Vec<u8> {
    let (mut functions, body) = (Functions::new(), Body::default());
    functions.function(0, &[], &body);
    functions.finish(|module| {
        let count = 10_000_000 / scale;
        let mut tables = TableSection::new();
        tables.table(table_type(count as u64));
        let mut elements = ElementSection::new();
        elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(vec![0u32; count].into()));
        module.section(&tables).section(&elements);
    })
}

/// A table of ten million elements that starts with what is not null, and memory of 4 GiB with data at its end.
pub fn large_initial_state(scale: usize) -> Vec<u8> {
    let mut module = Module::new();
    let (mut memories, mut tables, mut data) = (MemorySection::new(), TableSection::new(), DataSection::new());
    memories.memory(memory_type(65_536));
    tables.table(table_type(10_000_000 / scale as u64));
    for n in 0..5_000 / scale as u64 {
        data.active(0, &ConstExpr::i32_const((n * 850_000) as u32 as i32), [n as u8; 16]);
    }
    module.section(&tables).section(&memories).section(&data);
    module.finish()
}

/// As many memories as validation allows, 50,000 tables, and half a million globals, all exported.
pub fn memories_tables_globals(scale: usize) -> Vec<u8> {
    let mut module = Module::new();
    let (mut memories, mut tables, mut globals) = (MemorySection::new(), TableSection::new(), GlobalSection::new());
    let mut exports = ExportSection::new();
    (0..100).for_each(|_| {
        memories.memory(memory_type(1));
    });
    for n in 0..50_000 / scale as u32 {
        tables.table(table_type(1));
        exports.export(&format!("t{n}"), ExportKind::Table, n);
    }
    for n in 0..500_000 / scale as u32 {
        let ty = GlobalType { val_type: I32, mutable: n % 2 == 0, shared: false };
        globals.global(ty, &ConstExpr::i32_const(n as i32));
        exports.export(&format!("g{n}"), ExportKind::Global, n);
    }
    module.section(&tables).section(&memories).section(&globals).section(&exports);
    module.finish()
}

/// 150,000 imports, and as many exports of them.
pub fn imports_and_exports(scale: usize) -> Vec<u8> {
    let mut module = Module::new();
    let (mut types, mut imports, mut exports) = (TypeSection::new(), ImportSection::new(), ExportSection::new());
    types.ty().function([I32], []);
    for n in 0..150_000 / scale as u32 {
        imports.import("module", &format!("f{n}"), EntityType::Function(0));
        exports.export(&format!("e{n}"), ExportKind::Func, n);
    }
    module.section(&types).section(&imports).section(&exports);
    module.finish()
}

/// 900,000 types, no two of them the same.
pub fn types(scale: usize) -> Vec<u8> {
    let mut types = TypeSection::new();
    let kinds = [wasm_encoder::ValType::I32, wasm_encoder::ValType::I64, wasm_encoder::ValType::F32];
    for mut n in 0..900_000 / scale {
        let mut params = Vec::new();
        while n > 0 {
            params.push(kinds[n % 3]);
            n /= 3;
        }
        types.ty().function(params, [I32]);
    }
    let mut module = Module::new();
    module.section(&types);
    module.finish()
}

/// One recursion group of 100,000 types that all refer to the next.
pub fn recursion_group(scale: usize) -> Vec<u8> {
    let (count, mut types) = (100_000 / scale as u32, TypeSection::new());
    let function = |n: u32| {
        let heap_type = wasm_encoder::HeapType::Concrete((n + 1) % count);
        let param = wasm_encoder::ValType::Ref(RefType { nullable: true, heap_type });
        wasm_encoder::SubType {
            is_final: true,
            supertype_idxs: Vec::new(),
            composite_type: wasm_encoder::CompositeType {
                inner: wasm_encoder::CompositeInnerType::Func(wasm_encoder::FuncType::new([param], [])),
                shared: false,
                describes: None,
                descriptor: None,
            },
        }
    };
    types.ty().rec((0..count).map(function).collect::<Vec<_>>());
    let mut module = Module::new();
    module.section(&types);
    module.finish()
}

/// Names as long as validation allows: of exports, of functions, and of the module.
pub fn long_names(scale: usize) -> Vec<u8> {
    let (mut functions, body, count) = (Functions::new(), Body::default(), 300 / scale.min(100) as u32);
    (0..count).for_each(|_| {
        functions.function(0, &[], &body);
    });
    let mut bytes = functions.finish(|module| {
        let mut exports = ExportSection::new();
        for n in 0..count {
            exports.export(&format!("{n}{}", "x".repeat(90_000)), ExportKind::Func, n);
        }
        module.section(&exports);
    });
    let (mut names, mut map) = (NameSection::new(), NameMap::new());
    names.module(&"m".repeat(90_000));
    (0..count).for_each(|n| map.append(n, &"\u{202e}".repeat(30_000)));
    names.functions(&map);
    use wasm_encoder::{Encode as _, Section as _};
    bytes.push(names.id());
    names.encode(&mut bytes);
    bytes
}

/// Constant expressions of half a million operators.
pub fn constant_expressions(scale: usize) -> Vec<u8> {
    let mut globals = GlobalSection::new();
    for _ in 0..10 {
        let mut expression = Body::default();
        expression.i32_const(1);
        (0..100_000 / scale).for_each(|n| {
            expression.i32_const(n).raw(&[op::I32_ADD]);
        });
        let ty = GlobalType { val_type: I32, mutable: false, shared: false };
        globals.global(ty, &ConstExpr::raw(expression.0));
    }
    let mut module = Module::new();
    module.section(&globals);
    module.finish()
}

//! Bombs in one function, or in each of many: what a body can make a code generator do. Every function takes how many
//! times smaller than full size the bomb is to be.

use crate::wasm::{Body, Functions, I32, V128, op};
use wasm_encoder::{ElementSection, Elements, Module, RefType, TableSection, TableType, TagKind, TagSection, TagType};

fn one(locals: &[(u32, wasm_encoder::ValType)], body: &Body) -> Vec<u8> {
    let mut functions = Functions::new();
    functions.function(0, locals, body);
    functions.module()
}

/// 20,000 locals, each of them live through 10,000 conditions.
pub fn locals_times_ifs(scale: usize) -> Vec<u8> {
    let locals = 20_000 / scale;
    let mut body = Body::default();
    for n in 0..10_000 / scale {
        body.with(op::LOCAL_GET, n).raw(&[op::IF, op::EMPTY]);
        body.with(op::LOCAL_GET, n + 1).with(op::LOCAL_SET, (n * 2 + 1) % locals).raw(&[op::END]);
    }
    for n in 0..locals {
        body.with(op::LOCAL_GET, n).raw(&[op::DROP]);
    }
    one(&[(locals as u32, I32)], &body)
}

/// 16,000 references to objects, each of them live over 16,000 calls.
pub fn references_over_calls(scale: usize) -> Vec<u8> {
    let count = 16_000 / scale;
    let mut body = Body::default();
    // The operands of `table.set`, of which the second comes from `table.get`.
    body.repeat(&[op::I32_CONST, 0, op::I32_CONST, 0, op::TABLE_GET, 0], count);
    body.repeat(&[op::CALL, 0], count).repeat(&[op::TABLE_SET, 0], count);
    let mut functions = Functions::new();
    functions.function(0, &[], &body);
    functions.finish(|module| {
        let element_type = RefType::EXTERNREF;
        let mut tables = TableSection::new();
        tables.table(TableType { element_type, table64: false, minimum: 1, maximum: None, shared: false });
        module.section(&tables);
    })
}

/// More locals than validation allows.
pub fn too_many_locals(scale: usize) -> Vec<u8> {
    one(&[(100_000 / scale as u32, I32)], &Body::default())
}

/// As many locals as validation allows, all used, with a loop around every hundred of them.
pub fn all_locals(scale: usize) -> Vec<u8> {
    let locals = 50_000 / scale;
    let mut body = Body::default();
    for n in 0..locals {
        if n % 100 == 0 {
            body.raw(&[op::LOOP, op::EMPTY]);
        }
        body.with(op::LOCAL_GET, (n * 7919) % locals).with(op::LOCAL_SET, n);
    }
    for n in 0..locals.div_ceil(100) {
        body.with(op::LOCAL_GET, n).with(op::BR_IF, 0).raw(&[op::END]);
    }
    one(&[(locals as u32, I32)], &body)
}

/// Many functions of a few bytes that each declare all the locals that validation allows.
pub fn locals_in_every_function(scale: usize) -> Vec<u8> {
    let mut functions = Functions::new();
    let mut body = Body::default();
    // Enough blocks for the locals to be suspect.
    body.repeat(&[op::LOCAL_GET, 1, op::IF, op::EMPTY], 100).repeat(&[op::END], 100);
    for _ in 0..10_000 / scale {
        functions.function(0, &[(49_000, I32)], &body);
    }
    functions.module()
}

fn nested(open: &[u8], close: &[u8], count: usize) -> Vec<u8> {
    let mut body = Body::default();
    body.repeat(open, count).repeat(close, count);
    one(&[(1, I32)], &body)
}

/// 50,000 blocks in each other.
pub fn nested_blocks(scale: usize) -> Vec<u8> {
    nested(&[op::BLOCK, op::EMPTY], &[op::LOCAL_GET, 0, op::BR_IF, 0, op::END], 50_000 / scale)
}

/// 50,000 conditions in each other.
pub fn nested_ifs(scale: usize) -> Vec<u8> {
    nested(&[op::LOCAL_GET, 0, op::IF, op::EMPTY], &[op::END], 50_000 / scale)
}

/// 80,000 conditions in each other, each with a result that is passed on all the way.
pub fn nested_ifs_with_results(scale: usize) -> Vec<u8> {
    let count = 80_000 / scale;
    let mut body = Body::default();
    body.repeat(&[op::LOCAL_GET, 0, op::IF, 0x7f], count).raw(&[op::LOCAL_GET, 0]);
    body.repeat(&[op::ELSE, op::LOCAL_GET, 0, op::END], count).raw(&[op::DROP]);
    one(&[(1, I32)], &body)
}

/// 80,000 loops one after the other, each of which changes two locals that the next one starts with.
pub fn loops_that_pass_values(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    for _ in 0..80_000 / scale {
        body.raw(&[op::LOOP, op::EMPTY, op::LOCAL_GET, 0, op::LOCAL_GET, 1, op::LOCAL_SET, 0, op::LOCAL_SET, 1]);
        body.raw(&[op::LOCAL_GET, 0, op::BR_IF, 0, op::END]);
    }
    one(&[(2, I32)], &body)
}

/// As many loops in each other as are compiled, each with a way out of all of them.
pub fn nested_loops(scale: usize) -> Vec<u8> {
    let count = 16_000 / scale;
    let mut body = Body::default();
    body.raw(&[op::BLOCK, op::EMPTY]);
    for n in 0..count {
        body.raw(&[op::LOOP, op::EMPTY, op::LOCAL_GET, 0]).with(op::BR_IF, n + 1);
    }
    body.repeat(&[op::LOCAL_GET, 0, op::BR_IF, 0, op::END], count).raw(&[op::END]);
    one(&[(1, I32)], &body)
}

/// More loops in each other than are compiled.
pub fn too_many_nested_loops(scale: usize) -> Vec<u8> {
    nested(&[op::LOOP, op::EMPTY], &[op::END], 50_000 / scale)
}

/// 200,000 loops one after the other, each over the same twenty locals.
pub fn loops_in_a_row(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    for n in 0..200_000 / scale {
        body.raw(&[op::LOOP, op::EMPTY]).with(op::LOCAL_GET, n % 20).with(op::LOCAL_SET, (n + 7) % 20);
        body.with(op::LOCAL_GET, n % 13).with(op::BR_IF, 0).raw(&[op::END]);
    }
    one(&[(20, I32)], &body)
}

/// The longest function that validation allows, without a branch.
pub fn straight_line(scale: usize) -> Vec<u8> {
    let mut functions = Functions::new();
    let mut body = Body::default();
    while body.0.len() < 7_600_000 / scale {
        let n = body.0.len();
        body.with(op::LOCAL_GET, n % 50).raw(&[op::I32_LOAD, 2, 16]).with(op::LOCAL_GET, n / 3 % 50);
        body.raw(&[op::I32_ADD]).with(op::LOCAL_TEE, n / 7 % 50).i32_const(n).raw(&[op::I32_XOR]);
        body.with(op::LOCAL_SET, n / 11 % 50).with(op::LOCAL_GET, n % 48);
        body.with(op::LOCAL_GET, n / 5 % 50).raw(&[op::I32_STORE, 2, 32]);
    }
    functions.function(0, &[(50, I32)], &body);
    functions.finish(memory)
}

fn memory(module: &mut Module) {
    let mut memories = wasm_encoder::MemorySection::new();
    memories.memory(wasm_encoder::MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
}

/// One expression as deep as the longest function allows: all operands first, then all operators.
pub fn deep_expression(scale: usize) -> Vec<u8> {
    let count = 2_500_000 / scale;
    let mut body = Body::default();
    body.repeat(&[op::LOCAL_GET, 0], count).repeat(&[op::I32_ADD], count - 1).raw(&[op::DROP]);
    one(&[(1, I32)], &body)
}

/// A chain of operators that depend on each other, with the same value used at every link.
pub fn long_chain(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    body.raw(&[op::LOCAL_GET, 0]);
    for n in 0..1_000_000 / scale {
        body.raw(&[op::LOCAL_TEE, 0, op::LOCAL_GET, 0, if n % 3 == 0 { op::I32_MUL } else { op::I32_ADD }]);
    }
    body.with(op::LOCAL_SET, 0).raw(&[op::LOCAL_GET, 0, op::I32_CONST, 1, op::I32_STORE, 2, 0]);
    let mut functions = Functions::new();
    functions.function(0, &[(1, I32)], &body);
    functions.finish(memory)
}

/// One jump table with a million targets.
pub fn br_table(scale: usize) -> Vec<u8> {
    let count = 1_000_000 / scale;
    let mut body = Body::default();
    body.repeat(&[op::BLOCK, op::EMPTY], 100).raw(&[op::LOCAL_GET, 0]).with(op::BR_TABLE, count);
    for n in 0..=count {
        body.leb(n % 100);
    }
    body.repeat(&[op::END], 100);
    one(&[(1, I32)], &body)
}

/// Ten thousand blocks in each other, and in each of the first hundred a jump table to all of them.
pub fn br_tables_to_many_blocks(scale: usize) -> Vec<u8> {
    let (blocks, tables) = (10_000 / scale, 100);
    let mut body = Body::default();
    body.repeat(&[op::BLOCK, op::EMPTY], blocks);
    for _ in 0..tables.min(blocks) {
        body.raw(&[op::LOCAL_GET, 0]).with(op::BR_TABLE, blocks - 100);
        (0..=blocks - 100).for_each(|n| {
            body.leb(n);
        });
        body.raw(&[op::END]);
    }
    body.repeat(&[op::END], blocks - tables.min(blocks));
    one(&[(1, I32)], &body)
}

/// Blocks with a thousand results, and branches to them.
pub fn block_results(scale: usize) -> Vec<u8> {
    let mut functions = Functions::new();
    functions.ty(0, 1000).ty(1000, 0);
    functions.import(1).import(2);
    let mut body = Body::default();
    for _ in 0..2_000 / scale {
        body.block_type(op::BLOCK, 1).with(op::CALL, 0).raw(&[op::LOCAL_GET, 0]).with(op::BR_IF, 0);
        body.raw(&[op::END]).with(op::CALL, 1);
    }
    functions.function(0, &[(1, I32)], &body);
    functions.module()
}

/// Loops in each other that all take a thousand parameters.
pub fn loop_parameters(scale: usize) -> Vec<u8> {
    let count = 1_000 / scale;
    let mut functions = Functions::new();
    functions.ty(0, 1000).ty(1000, 0).ty(1000, 1000);
    functions.import(1).import(2);
    let mut body = Body::default();
    body.with(op::CALL, 0);
    (0..count).for_each(|_| {
        body.block_type(op::LOOP, 3);
    });
    for _ in 0..count {
        body.raw(&[op::LOCAL_GET, 0]).with(op::BR_IF, 0).raw(&[op::END]);
    }
    body.with(op::CALL, 1);
    functions.function(0, &[(1, I32)], &body);
    functions.module()
}

/// Functions of a few bytes with a thousand parameters and a thousand results each.
pub fn signatures(scale: usize) -> Vec<u8> {
    let mut functions = Functions::new();
    functions.ty(1000, 1000);
    let mut body = Body::default();
    body.raw(&[op::UNREACHABLE]);
    (0..100_000 / scale).for_each(|_| {
        functions.function(1, &[], &body);
    });
    functions.module()
}

/// A type with more parameters than validation allows.
pub fn too_many_params(scale: usize) -> Vec<u8> {
    let mut functions = Functions::new();
    functions.ty(100_000 / scale, 0);
    functions.module()
}

/// As many calls with a thousand arguments as fit one function.
pub fn calls_with_arguments(scale: usize) -> Vec<u8> {
    let mut functions = Functions::new();
    functions.ty(1000, 1);
    functions.import(1);
    let mut body = Body::default();
    for n in 0..3_600 / scale {
        (0..1000).for_each(|k| {
            body.with(op::LOCAL_GET, (n + k) % 100);
        });
        body.with(op::CALL, 0).with(op::LOCAL_SET, n % 100);
    }
    functions.function(0, &[(100, I32)], &body);
    functions.module()
}

/// Half a million calls through a table.
pub fn indirect_calls(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    for n in 0..500_000 / scale {
        body.with(op::LOCAL_GET, n % 30).raw(&[op::CALL_INDIRECT, 1, 0]).with(op::LOCAL_SET, (n + 1) % 30);
    }
    let mut functions = Functions::new();
    functions.ty(0, 1).function(0, &[(30, I32)], &body);
    functions.finish(|module| {
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: 1,
            maximum: None,
            shared: false,
        });
        let mut elements = ElementSection::new();
        elements.active(None, &wasm_encoder::ConstExpr::i32_const(0), Elements::Functions((&[0u32]).into()));
        module.section(&tables).section(&elements);
    })
}

/// Selections of selections, each used twice by the next.
pub fn selects(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    for n in 0..700_000 / scale {
        body.with(op::LOCAL_GET, n % 7).with(op::LOCAL_GET, n / 3 % 7).with(op::LOCAL_GET, n / 5 % 7);
        body.raw(&[op::SELECT]).with(op::LOCAL_SET, n / 7 % 7);
    }
    one(&[(7, I32)], &body)
}

/// Three hundred locals that change places in every one of five thousand loops and conditions.
pub fn phis(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    for n in 0..5_000 / scale {
        body.raw(&[op::LOOP, op::EMPTY]).with(op::LOCAL_GET, n % 300).raw(&[op::IF, op::EMPTY]);
        for k in 0..60 {
            body.with(op::LOCAL_GET, (n * 31 + k * 5) % 300).with(op::LOCAL_SET, (n * 17 + k * 7) % 300);
        }
        body.raw(&[op::ELSE]).with(op::LOCAL_GET, (n * 3) % 300).with(op::LOCAL_SET, (n * 13) % 300);
        body.raw(&[op::END]).with(op::LOCAL_GET, (n * 11) % 300).with(op::BR_IF, 0).raw(&[op::END]);
    }
    one(&[(300, I32)], &body)
}

/// A machine of five thousand states: a loop around a jump table, as compilers make of control flow that has no
/// structure, over two hundred locals.
pub fn states(scale: usize) -> Vec<u8> {
    let count = 5_000 / scale;
    let mut body = Body::default();
    body.raw(&[op::LOOP, op::EMPTY]).repeat(&[op::BLOCK, op::EMPTY], count);
    body.with(op::LOCAL_GET, 0).with(op::BR_TABLE, count - 1);
    (0..count).for_each(|n| {
        body.leb(n);
    });
    for n in 0..count {
        body.raw(&[op::END]).with(op::LOCAL_GET, 1 + n % 199).with(op::LOCAL_GET, 1 + n * 7 % 199).raw(&[op::I32_ADD]);
        body.with(op::LOCAL_SET, 1 + n * 13 % 199).i32_const(n * 31 % count).with(op::LOCAL_SET, 0);
        body.with(op::LOCAL_GET, 1 + n * 3 % 199).with(op::BR_IF, count - 1 - n);
    }
    body.raw(&[op::END]);
    one(&[(200, I32)], &body)
}

/// Half a million branches out of one block.
pub fn branches_out(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    body.raw(&[op::BLOCK, op::EMPTY]);
    for n in 0..500_000 / scale {
        body.with(op::LOCAL_GET, n % 100)
            .with(op::BR_IF, 0)
            .with(op::LOCAL_GET, n / 3 % 100)
            .with(op::LOCAL_SET, n % 97);
    }
    body.raw(&[op::END]);
    one(&[(100, I32)], &body)
}

/// A million divisions, each of which may trap.
pub fn trap_sites(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    for n in 0..900_000 / scale {
        body.with(op::LOCAL_GET, n % 40).with(op::LOCAL_GET, n / 3 % 40).raw(&[op::I32_DIV_S]);
        body.with(op::LOCAL_SET, n / 5 % 40);
    }
    one(&[(40, I32)], &body)
}

/// As many different vectors as fit one function.
pub fn vector_constants(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    for n in 0..330_000 / scale {
        body.raw(&[0xfd, 0x0c]).raw(&(n as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_le_bytes());
        body.with(op::LOCAL_SET, n % 20);
    }
    one(&[(20, V128)], &body)
}

/// As many different floating-point constants as fit one function, added up.
pub fn float_constants(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    body.raw(&[op::F64_CONST]).raw(&[0; 8]);
    for n in 0..750_000 / scale {
        body.raw(&[op::F64_CONST]).raw(&(n as f64).sqrt().to_le_bytes()).raw(&[op::F64_ADD]);
    }
    body.raw(&[op::DROP]);
    one(&[], &body)
}

fn tag(module: &mut Module) {
    let mut tags = TagSection::new();
    tags.tag(TagType { kind: TagKind::Exception, func_type_idx: 0 });
    module.section(&tags);
}

/// Twenty thousand `try_table`s one after the other, with calls and live locals in them.
pub fn try_tables(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    for n in 0..20_000 / scale {
        // catch tag 0 label 0; catch_all label 0
        body.raw(&[op::BLOCK, op::EMPTY, op::TRY_TABLE, op::EMPTY, 2, 0, 0, 0, 2, 0]).with(op::CALL, 0);
        body.with(op::LOCAL_GET, n % 90).with(op::LOCAL_SET, n * 7 % 100).with(op::CALL, 0).raw(&[op::END, op::END]);
    }
    let mut functions = Functions::new();
    functions.import(0).function(0, &[(100, I32)], &body);
    functions.finish(tag)
}

/// Two thousand `try_table`s in each other: a call in the innermost has the clauses of all of them.
pub fn nested_try_tables(scale: usize) -> Vec<u8> {
    let count = 2_000 / scale;
    let mut body = Body::default();
    body.repeat(&[op::TRY_TABLE, op::EMPTY, 1, 0, 0, 0], count).repeat(&[op::CALL, 0], 2_000 / scale);
    body.repeat(&[op::END], count);
    let mut functions = Functions::new();
    functions.import(0).function(0, &[], &body);
    functions.finish(tag)
}

/// The same with the older instructions: first so many `try`s that hold nothing, then some with calls and clauses.
pub fn legacy_tries(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    body.repeat(&[op::TRY, op::EMPTY, op::END, op::TRY, op::EMPTY, op::DELEGATE, 0], 200_000 / scale);
    for n in 0..10_000 / scale {
        body.raw(&[op::TRY, op::EMPTY]).with(op::CALL, 0).with(op::LOCAL_GET, n % 90);
        body.with(op::LOCAL_SET, n * 7 % 100).raw(&[op::CATCH, 0]).with(op::CALL, 0).raw(&[op::CATCH_ALL, op::END]);
    }
    let mut functions = Functions::new();
    functions.import(0).function(0, &[(100, I32)], &body);
    functions.finish(tag)
}

/// `try`s in each other. Half of them delegate, the innermost with calls to the outermost, past all others.
pub fn nested_legacy_tries(scale: usize) -> Vec<u8> {
    let count = 10_000 / scale;
    let mut body = Body::default();
    body.repeat(&[op::TRY, op::EMPTY, op::TRY, op::EMPTY], count).repeat(&[op::CALL, 0], 10_000 / scale);
    body.repeat(&[op::DELEGATE, 0, op::CATCH, 0, op::END], count);
    let mut functions = Functions::new();
    functions.import(0).function(0, &[], &body);
    functions.finish(tag)
}

/// Three megabytes that cannot be reached.
pub fn unreachable_code(scale: usize) -> Vec<u8> {
    let mut body = Body::default();
    body.raw(&[op::UNREACHABLE]);
    body.repeat(
        &[
            op::BLOCK,
            op::EMPTY,
            op::UNREACHABLE,
            op::I32_ADD,
            op::DROP,
            op::LOOP,
            op::EMPTY,
            op::BR,
            1,
            op::END,
            op::END,
        ],
        300_000 / scale,
    );
    one(&[], &body)
}

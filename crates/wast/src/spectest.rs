//! The host module `spectest` that scripts import (the test suite's `README.md`).

use epsilon::{
    AsContextMut, Global, GlobalType, Linker, Memory, MemoryType, Mutability, Ref, RefType, Result, SharedMemory,
    Table, TableType, Val, ValType,
};

/// Defines `spectest`. What its functions are given is not printed: scripts assert nothing about it.
pub fn define(linker: &mut Linker<()>, mut store: impl AsContextMut<Data = ()>) -> Result<()> {
    let name = "spectest";
    linker.func_wrap(name, "print", || {})?;
    linker.func_wrap(name, "print_i32", |_: i32| {})?;
    linker.func_wrap(name, "print_i64", |_: i64| {})?;
    linker.func_wrap(name, "print_f32", |_: f32| {})?;
    linker.func_wrap(name, "print_f64", |_: f64| {})?;
    linker.func_wrap(name, "print_i32_f32", |_: i32, _: f32| {})?;
    linker.func_wrap(name, "print_f64_f64", |_: f64, _: f64| {})?;
    let globals = [
        ("global_i32", ValType::I32, Val::I32(666)),
        ("global_i64", ValType::I64, Val::I64(666)),
        ("global_f32", ValType::F32, Val::from(666.6f32)),
        ("global_f64", ValType::F64, Val::from(666.6f64)),
    ];
    for (global, value, init) in globals {
        let ty = GlobalType::new(value, Mutability::Const);
        let global_item = Global::new(&mut store, ty, init)?;
        linker.define(&store, name, global, global_item)?;
    }
    let tables = [
        ("table", TableType::new(RefType::FUNCREF, 10, Some(20))),
        ("table64", TableType::new64(RefType::FUNCREF, 10, Some(20))),
    ];
    for (table, ty) in tables {
        let item = Table::new(&mut store, ty, Ref::Func(None))?;
        linker.define(&store, name, table, item)?;
    }
    let memory = Memory::new(&mut store, MemoryType::new(1, Some(2)))?;
    linker.define(&store, name, "memory", memory)?;
    let shared = SharedMemory::new(linker.engine(), MemoryType::shared(1, 2))?;
    linker.define(&store, name, "shared_memory", shared)?;
    Ok(())
}

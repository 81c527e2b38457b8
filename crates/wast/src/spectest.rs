//! The host module `spectest` that scripts import (the test suite's `README.md`).

use epsilon::{
    AsContextMut, Global, GlobalType, Limits, Linker, Memory, MemoryType, Ref, RefType, Result, SharedMemory, Table,
    TableType, Val, ValType,
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
        let ty = GlobalType { value, mutable: false };
        let global_item = Global::new(&mut store, ty, init)?;
        linker.define(&store, name, global, global_item)?;
    }
    for (table, is_64) in [("table", false), ("table64", true)] {
        let ty = TableType { element: RefType::FUNCREF, limits: Limits { min: 10, max: Some(20) }, is_64 };
        let item = Table::new(&mut store, ty, Ref::Func(None))?;
        linker.define(&store, name, table, item)?;
    }
    let limits = Limits { min: 1, max: Some(2) };
    let ty = MemoryType { limits, is_64: false, shared: false, page_size_log2: 16 };
    let memory = Memory::new(&mut store, ty)?;
    linker.define(&store, name, "memory", memory)?;
    let shared = SharedMemory::new(linker.engine(), MemoryType { shared: true, ..ty })?;
    linker.define(&store, name, "shared_memory", shared)?;
    Ok(())
}

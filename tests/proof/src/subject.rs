//! Runs modules in Epsilon.

use crate::case::Rng;
use crate::outcome::{Outcome, Refusal, Type, Value, random_value};
use crate::setup::Setup;
use epsilon::{
    Caller, ExportType, Extern, ExternRef, ExternType, Func, Global, HeapType, Instance, Memory, Module, Ref, Store,
    Table, Val, ValType,
};

/// What host functions share.
pub struct Host {
    seed: u64,
    calls: u64,
    log: Vec<String>,
}

fn type_of(ty: ValType) -> Type {
    match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ValType::Ref(ty) if matches!(ty.heap_type(), HeapType::Func | HeapType::NoFunc) => Type::Func,
        ValType::Ref(_) => Type::Extern,
    }
}

fn show(val: &Val) -> Value {
    match val {
        Val::I32(n) => Value::I32(*n),
        Val::I64(n) => Value::I64(*n),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::V128(bits) => Value::V128(bits.as_u128()),
        Val::FuncRef(func) => Value::Func(func.is_none()),
        Val::ExternRef(reference) => Value::Extern(reference.is_none()),
        Val::ExnRef(_) => unreachable!("modules are generated without exceptions, which the judge does not have"),
        Val::AnyRef(_) => {
            unreachable!("modules are generated without garbage collection, which the judge does not have")
        }
    }
}

fn show_all(vals: &[Val]) -> Vec<Value> {
    vals.iter().map(show).collect()
}

fn make(store: impl epsilon::AsContextMut, value: Value) -> Val {
    match value {
        Value::I32(n) => Val::I32(n),
        Value::I64(n) => Val::I64(n),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
        Value::V128(bits) => Val::from(bits),
        Value::Func(_) => Val::FuncRef(None),
        Value::Extern(true) => Val::ExternRef(None),
        Value::Extern(false) => Val::ExternRef(Some(ExternRef::new(store, 7u32).expect("room for a reference"))),
    }
}

fn host_function(mut caller: Caller<'_, Host>, name: &str, types: &[Type], params: &[Val], results: &mut [Val]) {
    let host = caller.data_mut();
    host.calls += 1;
    let mut rng = Rng::new(host.seed ^ (host.calls << 32));
    host.log.push(format!("host {name} {:?}", show_all(params)));
    for (result, ty) in results.iter_mut().zip(types) {
        let value = random_value(*ty, &mut rng);
        *result = make(&mut caller, value);
    }
}

/// Gives a module what it imports, in order.
fn imports(store: &mut Store<Host>, module: &Module, rng: &mut Rng) -> epsilon::Result<Vec<Extern>> {
    let mut items = Vec::new();
    for import in module.imports() {
        let name = format!("{}.{}", import.module(), import.name());
        items.push(match import.ty() {
            ExternType::Func(ty) => {
                let types: Vec<Type> = ty.results().map(type_of).collect();
                Extern::Func(Func::new(&mut *store, ty, move |caller, params, results| {
                    host_function(caller, &name, &types, params, results);
                    Ok(())
                }))
            }
            ExternType::Global(ty) => {
                let value = make(&mut *store, random_value(type_of(ty.content().clone()), rng));
                Extern::Global(Global::new(&mut *store, ty, value)?)
            }
            ExternType::Memory(ty) => Extern::Memory(Memory::new(&mut *store, ty)?),
            ExternType::Table(ty) => {
                let null = match type_of(ValType::Ref(ty.element().clone())) {
                    Type::Func => Ref::Func(None),
                    _ => Ref::Extern(None),
                };
                Extern::Table(Table::new(&mut *store, ty, null)?)
            }
            ExternType::Tag(_) => return Err(epsilon::Error::msg("tags are not made")),
        });
    }
    Ok(items)
}

/// The names of a trap on which engines agree.
fn trap_name(error: &epsilon::Error) -> String {
    match error.trap() {
        Some(trap) => format!("trap: {}", trap.message()),
        None => format!("error: {error}"),
    }
}

/// Exports by name: not every engine keeps their order.
fn sorted(module: &Module) -> impl Iterator<Item = ExportType<'_>> {
    let mut exports: Vec<_> = module.exports().collect();
    exports.sort_by(|a, b| a.name().cmp(b.name()));
    exports.into_iter()
}

/// Calls every exported function.
fn call_all(store: &mut Store<Host>, module: &Module, instance: Instance, rng: &mut Rng) {
    for export in sorted(module) {
        let ExternType::Func(ty) = export.ty() else { continue };
        let Some(func) = instance.get_func(&mut *store, export.name()) else { continue };
        let values: Vec<Value> = ty.params().map(|ty| random_value(type_of(ty), rng)).collect();
        let params: Vec<Val> = values.iter().map(|value| make(&mut *store, *value)).collect();
        let mut results = vec![Val::I32(0); ty.results().len()];
        store.data_mut().log.push(format!("call {:?} {values:?}", export.name()));
        let event = match func.call(&mut *store, &params, &mut results) {
            Ok(()) => format!("returned {:?}", show_all(&results)),
            Err(error) => trap_name(&error),
        };
        store.data_mut().log.push(event);
    }
}

fn look(store: &mut Store<Host>, module: &Module, instance: Instance) -> Outcome {
    let mut outcome = Outcome { log: std::mem::take(&mut store.data_mut().log), ..Outcome::default() };
    for export in sorted(module) {
        match instance.get_export(&mut *store, export.name()) {
            Some(Extern::Global(global)) => {
                let value = show(&global.get(&mut *store));
                outcome.log.push(format!("global {:?} {value:?}", export.name()));
            }
            Some(Extern::Table(table)) => {
                let len = table.size(&*store);
                let is_null = |element| matches!(element, Some(Ref::Func(None) | Ref::Extern(None)));
                let nulls = (0..len).filter(|index| is_null(table.get(&mut *store, *index))).count();
                outcome.log.push(format!("table {:?} {len} with {nulls} null", export.name()));
            }
            Some(Extern::Memory(memory)) => {
                outcome.memories.push((export.name().to_owned(), memory.data(&*store).to_vec()));
            }
            _ => {}
        }
    }
    outcome
}

/// Runs a module as a seed says.
///
/// # Errors
/// If it is refused.
pub fn run(setup: &Setup, wasm: &[u8], seed: u64) -> Result<Outcome, Refusal> {
    let refused = |error: epsilon::Error| Refusal::Module(format!("{error:?}"));
    let module = setup.module(wasm).map_err(refused)?;
    let mut store = Store::new(&setup.engine, Host { seed, calls: 0, log: Vec::new() });
    let mut rng = Rng::new(seed);
    let items = imports(&mut store, &module, &mut rng).map_err(refused)?;
    let instance = Instance::new(&mut store, &module, &items);
    let instance = instance.map_err(|error| Refusal::Instance(trap_name(&error)))?;
    call_all(&mut store, &module, instance, &mut rng);
    let mut outcome = look(&mut store, &module, instance);
    // Without imports nothing outlives a reset, and what was done can be done again.
    if items.is_empty() {
        instance.reset(&mut store).map_err(refused)?;
        call_all(&mut store, &module, instance, &mut Rng::new(seed));
        let again = look(&mut store, &module, instance);
        outcome.log.extend(again.difference(&outcome).map(|what| format!("after a reset: {what}")));
    }
    Ok(outcome)
}

/// The function `00000` of a module without imports, from an `i32` to an `i32`.
///
/// # Errors
/// If the module is refused.
pub fn callable(setup: &Setup, wasm: &[u8]) -> epsilon::Result<impl FnMut(i32) -> epsilon::Result<i32> + use<>> {
    let module = Module::new(&setup.engine, wasm)?;
    let mut store = Store::new(&setup.engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let function = instance.get_typed_func::<i32, i32>(&mut store, "00000")?;
    Ok(move |param| function.call(&mut store, param))
}

//! Runs modules in wasmi, an interpreter that shares no code with us but the parser, and that in an older version.

use crate::case::{Rng, Tally};
use crate::count::{self, Counted};
use crate::outcome::{Outcome, Refusal, Type, Value, random_value};
use wasmi::{
    Caller, Config, Engine, ExportType, Extern, ExternRef, ExternType, Func, Global, Instance, Memory, Module,
    Nullable, Ref, RefType, Store, Table, TrapCode, Val, ValType,
};
use wasmparser::Operator;

/// What host functions share.
struct Host {
    seed: u64,
    calls: u64,
    log: Vec<String>,
}

/// An engine with the proposals that Epsilon has.
pub fn engine() -> Engine {
    let mut config = Config::default();
    config.wasm_multi_memory(true).wasm_memory64(true).wasm_extended_const(true).wasm_simd(true);
    config.wasm_tail_call(true).wasm_relaxed_simd(true).wasm_custom_page_sizes(false).wasm_wide_arithmetic(true);
    config.set_max_recursion_depth(100_000).set_max_stack_height(64 << 20);
    Engine::new(&config)
}

fn type_of(ty: ValType) -> Type {
    match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ValType::FuncRef => Type::Func,
        ValType::ExternRef => Type::Extern,
    }
}

fn show(val: &Val) -> Value {
    match val {
        Val::I32(n) => Value::I32(*n),
        Val::I64(n) => Value::I64(*n),
        Val::F32(n) => Value::F32(n.to_bits()),
        Val::F64(n) => Value::F64(n.to_bits()),
        Val::V128(n) => Value::V128(n.as_u128()),
        Val::FuncRef(func) => Value::Func(func.is_null()),
        Val::ExternRef(reference) => Value::Extern(reference.is_null()),
    }
}

fn show_all(vals: &[Val]) -> Vec<Value> {
    vals.iter().map(show).collect()
}

fn make(store: impl wasmi::AsContextMut, value: Value) -> Val {
    match value {
        Value::I32(n) => Val::I32(n),
        Value::I64(n) => Val::I64(n),
        Value::F32(bits) => Val::F32(wasmi::F32::from_bits(bits)),
        Value::F64(bits) => Val::F64(wasmi::F64::from_bits(bits)),
        Value::V128(bits) => Val::V128(bits.into()),
        Value::Func(_) => Val::FuncRef(Nullable::Null),
        Value::Extern(true) => Val::ExternRef(Nullable::Null),
        Value::Extern(false) => Val::ExternRef(Nullable::Val(ExternRef::new(store, 7u32))),
    }
}

fn host_function(mut caller: Caller<'_, Host>, name: &str, params: &[Val], results: &mut [Val]) {
    let host = caller.data_mut();
    host.calls += 1;
    let mut rng = Rng::new(host.seed ^ (host.calls << 32));
    host.log.push(format!("host {name} {:?}", show_all(params)));
    for result in results {
        let value = random_value(type_of(result.ty()), &mut rng);
        *result = make(&mut caller, value);
    }
}

fn imports(store: &mut Store<Host>, module: &Module, rng: &mut Rng) -> Result<Vec<Extern>, wasmi::Error> {
    let mut items = Vec::new();
    for import in module.imports() {
        let name = format!("{}.{}", import.module(), import.name());
        items.push(match import.ty() {
            ExternType::Func(ty) => Extern::Func(Func::new(&mut *store, ty.clone(), move |caller, params, results| {
                host_function(caller, &name, params, results);
                Ok(())
            })),
            ExternType::Global(ty) => {
                let value = make(&mut *store, random_value(type_of(ty.content()), rng));
                Extern::Global(Global::new(&mut *store, value, ty.mutability()))
            }
            ExternType::Memory(ty) => Extern::Memory(Memory::new(&mut *store, *ty)?),
            ExternType::Table(ty) => {
                let null = match ty.element() {
                    RefType::Func => Ref::Func(Nullable::Null),
                    RefType::Extern => Ref::Extern(Nullable::Null),
                };
                Extern::Table(Table::new(&mut *store, *ty, null)?)
            }
        });
    }
    Ok(items)
}

/// The names of a trap on which engines agree; `None` if it is a limit of this engine's own.
fn trap_name(error: &wasmi::Error) -> Option<String> {
    Some(
        match error.as_trap_code() {
            Some(TrapCode::UnreachableCodeReached) => "trap: unreachable",
            Some(TrapCode::MemoryOutOfBounds) => "trap: out of bounds memory access",
            Some(TrapCode::TableOutOfBounds) => "trap: out of bounds table access",
            Some(TrapCode::IndirectCallToNull) => "trap: uninitialized element",
            Some(TrapCode::IntegerDivisionByZero) => "trap: integer divide by zero",
            Some(TrapCode::IntegerOverflow) => "trap: integer overflow",
            Some(TrapCode::BadConversionToInteger) => "trap: invalid conversion to integer",
            Some(TrapCode::BadSignature) => "trap: indirect call type mismatch",
            Some(TrapCode::StackOverflow | TrapCode::OutOfFuel) => return None,
            Some(TrapCode::GrowthOperationLimited | TrapCode::OutOfSystemMemory) => return None,
            None => return Some(format!("error: {error}")),
        }
        .to_owned(),
    )
}

/// Exports by name: not every engine keeps their order. The memory of counts is not the module's own.
fn sorted(module: &Module) -> impl Iterator<Item = ExportType<'_>> {
    let mut exports: Vec<_> = module.exports().filter(|export| export.name() != count::EXPORT).collect();
    exports.sort_by(|a, b| a.name().cmp(b.name()));
    exports.into_iter()
}

/// Calls every exported function; returns whether a limit of this engine's own ended that.
fn call_all(store: &mut Store<Host>, module: &Module, instance: Instance, rng: &mut Rng) -> bool {
    for export in sorted(module) {
        let ExternType::Func(ty) = export.ty() else { continue };
        let Some(func) = instance.get_func(&*store, export.name()) else { continue };
        let values: Vec<Value> = ty.params().iter().map(|ty| random_value(type_of(*ty), rng)).collect();
        let params: Vec<Val> = values.iter().map(|value| make(&mut *store, *value)).collect();
        let mut results: Vec<Val> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        store.data_mut().log.push(format!("call {:?} {values:?}", export.name()));
        let event = match func.call(&mut *store, &params, &mut results) {
            Ok(()) => format!("returned {:?}", show_all(&results)),
            Err(error) => match trap_name(&error) {
                Some(name) => name,
                None => return true,
            },
        };
        store.data_mut().log.push(event);
    }
    false
}

fn look(store: &mut Store<Host>, module: &Module, instance: Instance) -> Outcome {
    let mut outcome = Outcome { log: std::mem::take(&mut store.data_mut().log), ..Outcome::default() };
    for export in sorted(module) {
        match instance.get_export(&*store, export.name()) {
            Some(Extern::Global(global)) => {
                let value = show(&global.get(&*store));
                outcome.log.push(format!("global {:?} {value:?}", export.name()));
            }
            Some(Extern::Table(table)) => {
                let len = table.size(&*store);
                let is_null = |element: Option<Ref>| element.is_some_and(|element| element.is_null());
                let nulls = (0..len).filter(|index| is_null(table.get(&*store, *index))).count();
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

/// What goes before operators that wasmi 2.0.0 confuses: a `select` right behind a comparison of a local with 0 or null
/// reads a wrong register there (`tests/peers.rs` has the case of an integer,
/// `regressions/differential-266901.wasm` that of a reference). The meaning stays.
fn sidestep(before: Option<&Operator<'_>>, operator: &Operator<'_>) -> &'static [u8] {
    let compares = matches!(before, Some(Operator::I32Eqz | Operator::I32Eq | Operator::I32Ne | Operator::RefIsNull));
    if compares && matches!(operator, Operator::Select | Operator::TypedSelect { .. }) {
        // i32.const 1, i32.and
        return &[0x41, 0x01, 0x71];
    }
    &[]
}

/// Runs a copy of a module as a seed says, and counts the operators that it executes.
///
/// # Errors
/// If it is refused.
pub fn run(engine: &Engine, wasm: &[u8], seed: u64, tally: &mut Tally) -> Result<Outcome, Refusal> {
    let refused = |error: wasmi::Error| Refusal::Module(error.to_string());
    let counted = Counted::new(wasm, sidestep).ok_or_else(|| Refusal::Module("not valid".into()))?;
    let module = Module::new(engine, &counted.wasm).map_err(refused)?;
    let mut store = Store::new(engine, Host { seed, calls: 0, log: Vec::new() });
    let mut rng = Rng::new(seed);
    let items = imports(&mut store, &module, &mut rng).map_err(refused)?;
    let instance = Instance::new(&mut store, &module, &items).map_err(|error| match trap_name(&error) {
        Some(name) => Refusal::Instance(name),
        None => Refusal::Module("a limit of the judge's".into()),
    })?;
    let stopped = call_all(&mut store, &module, instance, &mut rng);
    if let Some(memory) = instance.get_memory(&store, count::EXPORT) {
        counted.add_to(memory.data(&store), tally);
    }
    let outcome = look(&mut store, &module, instance);
    if stopped {
        let calls = outcome.log.into_iter().take_while(|event| !event.starts_with("global"));
        return Ok(Outcome { log: calls.collect(), memories: Vec::new(), stopped });
    }
    Ok(outcome)
}

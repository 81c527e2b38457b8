//! Runs wrapped modules in Epsilon, and writes down what they do in the lines that `v8.js` writes.

use crate::case::Tally;
use crate::count::{self, Counted};
use crate::setup::Setup;
use crate::{v8, wrap};
use epsilon::{Caller, Error, Extern, ExternType, Func, Instance, Memory, Module, Ref, Store, Trap, Val};

struct Host {
    seed: i32,
    calls: i32,
    log: Vec<String>,
}

/// The kinds of traps that V8's messages tell apart.
fn kind(error: &Error) -> String {
    if error.exception().is_some() {
        return "exception".into();
    }
    let kind = match error.trap() {
        Some(Trap::UnreachableCodeReached) => "unreachable",
        Some(Trap::HeapMisaligned) => "unaligned",
        Some(Trap::MemoryOutOfBounds) => "memory",
        Some(Trap::BadSignature | Trap::IndirectCallToNull) => "indirect call",
        Some(Trap::TableOutOfBounds) => "table",
        Some(Trap::IntegerDivisionByZero) => "division by zero",
        Some(Trap::IntegerOverflow | Trap::BadConversionToInteger) => "overflow or conversion",
        Some(Trap::NullReference) => "null",
        Some(Trap::AtomicWaitNonSharedMemory) => "not shared",
        Some(Trap::StackOverflow) => "limit",
        _ => return format!("{error:?}"),
    };
    kind.into()
}

fn show(val: &Val) -> String {
    let number = |n: f64| if n.is_nan() { "nan".into() } else { format!("{:x}", n.to_bits()) };
    match val {
        Val::I32(n) => number((*n).into()),
        Val::I64(n) => format!("i{n:x}"),
        Val::F32(bits) => number(f32::from_bits(*bits).into()),
        Val::F64(bits) => number(f64::from_bits(*bits)),
        Val::V128(bits) => format!("v{:x}", bits.as_u128()),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None) | Val::AnyRef(None) => "null".into(),
        Val::FuncRef(_) | Val::ExternRef(_) | Val::ExnRef(_) | Val::AnyRef(_) => "reference".into(),
    }
}

/// A result by its letter: `result` in `v8.js` is the same.
fn result(letter: char, calls: i32, seed: i32) -> Val {
    let n = calls.wrapping_mul(0x9e37_79b1_u32 as i32) ^ seed;
    let small = f64::from(n % 1000) / 4.0;
    match letter {
        'i' => Val::I32(n),
        'l' => Val::I64(i64::from(calls).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) ^ i64::from(seed)),
        'f' => Val::F32((small as f32).to_bits()),
        'd' => Val::F64(small.to_bits()),
        'r' => Val::FuncRef(None),
        _ => Val::ExternRef(None),
    }
}

fn host_function(mut caller: Caller<'_, Host>, name: &str, params: &[Val], results: &mut [Val]) {
    let host = caller.data_mut();
    host.calls += 1;
    let shown: Vec<String> = params.iter().map(show).collect();
    host.log.push(format!("host {name} {}", shown.join(" ")));
    let letters = name.rsplit('.').next().unwrap_or_default();
    for (result_, letter) in results.iter_mut().zip(letters.chars()) {
        *result_ = result(letter, host.calls, host.seed);
    }
}

fn imports(store: &mut Store<Host>, module: &Module) -> epsilon::Result<Vec<Extern>> {
    let mut items = Vec::new();
    for import in module.imports() {
        let name = import.name().to_owned();
        let ExternType::Func(ty) = import.ty().clone() else {
            return Err(Error::msg(format!("imports `{name}`, which is not a function")));
        };
        items.push(Extern::Func(Func::new(&mut *store, ty, move |caller, params, results| {
            host_function(caller, &name, params, results);
            Ok(())
        })));
    }
    Ok(items)
}

/// CRC-32 as zlib has it.
fn crc32(bytes: &[u8]) -> u32 {
    static TABLE: std::sync::OnceLock<[u32; 256]> = std::sync::OnceLock::new();
    let table = TABLE.get_or_init(|| {
        std::array::from_fn(|n| {
            (0..8).fold(n as u32, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    });
    !bytes.iter().fold(!0, |crc, byte| crc >> 8 ^ table[usize::from(crc as u8 ^ byte)])
}

fn contents(store: &mut Store<Host>, item: &Extern) -> Option<Vec<u8>> {
    match item {
        Extern::Memory(memory) => Some(Memory::data(memory, &*store).to_vec()),
        Extern::SharedMemory(memory) => {
            let mut bytes = vec![0; memory.data_size()];
            memory.read(0, &mut bytes).ok()?;
            Some(bytes)
        }
        _ => None,
    }
}

/// One line for what is exported under a name, if it is of the kind that is asked for.
fn line(store: &mut Store<Host>, instance: Instance, name: &str) -> Option<String> {
    let item = instance.get_export(&mut *store, name)?;
    match &item {
        Extern::Global(global) => match global.get(&mut *store) {
            Val::I32(n) => Some(format!("{name}: {:x}", i64::from(n))),
            Val::I64(n) => Some(format!("{name}: {n:x}")),
            _ => None,
        },
        Extern::Table(table) => {
            let len = table.size(&*store);
            let is_null = |element| matches!(element, Some(Ref::Func(None) | Ref::Extern(None)));
            let nulls = (0..len).filter(|index| is_null(table.get(&mut *store, *index))).count();
            Some(format!("{name}: {len} with {nulls} null"))
        }
        _ => contents(store, &item).map(|bytes| format!("{name}: {} {:x}", bytes.len(), crc32(&bytes))),
    }
}

/// Runs a wrapped module. If it counts operators, adds what it counted.
pub fn run(setup: &Setup, wasm: &[u8], seed: u64, counts: Option<(&Counted, &mut Tally)>) -> Vec<String> {
    let refused = |error: &Error| vec![format!("refused: {error:?}")];
    let module = match setup.module(wasm) {
        Ok(module) => module,
        Err(error) => return refused(&error),
    };
    let mut store = Store::new(&setup.engine, Host { seed: v8::host_seed(seed), calls: 0, log: Vec::new() });
    let items = match imports(&mut store, &module) {
        Ok(items) => items,
        Err(error) => return refused(&error),
    };
    let instance = match Instance::new(&mut store, &module, &items) {
        Ok(instance) => instance,
        Err(error) => {
            let mut log = std::mem::take(&mut store.data_mut().log);
            log.push(format!("not instantiated: {}", kind(&error)));
            return log;
        }
    };
    let mut names: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    names.sort();
    if call_all(&mut store, instance, &names) {
        for prefix in [wrap::VALUE, wrap::MEMORY, wrap::TABLE] {
            for name in names.iter().filter(|name| name.starts_with(prefix)) {
                let line = line(&mut store, instance, name);
                store.data_mut().log.extend(line);
            }
        }
    }
    if let Some((counted, tally)) = counts
        && let Some(memory) = instance.get_memory(&mut store, count::EXPORT)
    {
        counted.add_to(memory.data(&store), tally);
    }
    std::mem::take(&mut store.data_mut().log)
}

/// Calls every caller; returns whether no limit ended that.
fn call_all(store: &mut Store<Host>, instance: Instance, names: &[String]) -> bool {
    for name in names.iter().filter(|name| name.starts_with(wrap::CALL)) {
        let Some(func) = instance.get_func(&mut *store, name) else { continue };
        store.data_mut().log.push(name.clone());
        let Err(error) = func.call(&mut *store, &[], &mut []) else { continue };
        let kind = kind(&error);
        let ends = kind == "limit";
        store.data_mut().log.push(format!("trap: {kind}"));
        if ends {
            return false;
        }
    }
    true
}

/// Whether two lines say the same. Of an atomic access that is both unaligned and out of bounds, engines may say either.
fn agree(ours: &str, theirs: &str) -> bool {
    const PLACES: [&str; 2] = ["trap", "not instantiated"];
    let place = |line: &str| {
        let (place, fault) = line.rsplit_once(": ")?;
        (matches!(fault, "unaligned" | "memory")).then(|| PLACES.iter().position(|known| *known == place))?
    };
    ours == theirs || place(ours).is_some_and(|at| place(theirs) == Some(at))
}

/// The first difference between two logs, if there is one. What comes behind a limit of either engine's own is not
/// looked at.
pub fn difference(ours: &[String], theirs: &[String]) -> Option<String> {
    const LIMIT: &str = "trap: limit";
    let differs = |(ours, theirs): &(&String, &String)| !agree(ours, theirs);
    match ours.iter().zip(theirs).find(differs) {
        Some((ours, theirs)) if [ours, theirs].iter().any(|event| *event == LIMIT || event.ends_with(": limit")) => {
            None
        }
        Some((ours, theirs)) => Some(format!("{ours:?}, expected {theirs:?}")),
        None if ours.len() == theirs.len() => None,
        None if ours.last().or(theirs.last()).is_some_and(|event| event == LIMIT) => None,
        None => Some(format!("{} lines, expected {}", ours.len(), theirs.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}

//! What the compiler's cases return: lines `;; invoke f 1 2 => 3` of `crates/compiler/tests/cases/*.wat` are carried out, in
//! every memory plan, whatever plan the case's snapshots are of. After `=>` stand the results, or `trap:` and a trap's message.
//! Cases are added as files.

mod support;

use epsilon::{Engine, Global, GlobalType, Linker, Module, Mutability, Store, Val, ValType};
use std::path::{Path, PathBuf};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/compiler/tests/cases");

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(CASES).expect("the cases are there");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    cases.retain(|path| path.extension().is_some_and(|ext| ext == "wat"));
    cases.sort();
    cases
}

/// What a line asks for.
struct Invocation<'a> {
    function: &'a str,
    arguments: Vec<&'a str>,
    expected: &'a str,
}

fn invocations(text: &str) -> impl Iterator<Item = Invocation<'_>> {
    text.lines().filter_map(|line| line.strip_prefix(";; invoke ")).map(|line| {
        let (call, expected) = line.split_once("=>").unwrap_or_else(|| panic!("no `=>` in `{line}`"));
        let mut words = call.split_whitespace();
        let function = words.next().unwrap_or_else(|| panic!("no function in `{line}`"));
        Invocation { function, arguments: words.collect(), expected: expected.trim() }
    })
}

fn value(ty: ValType, word: &str) -> Option<Val> {
    Some(match ty {
        ValType::I32 => Val::I32(word.parse::<i32>().ok()?),
        ValType::I64 => Val::I64(word.parse::<i64>().ok()?),
        ValType::F32 => Val::from(word.parse::<f32>().ok()?),
        ValType::F64 => Val::from(word.parse::<f64>().ok()?),
        ValType::V128 => Val::from(word.parse::<u128>().ok()?),
        ValType::Ref(_) => (word == "null").then(|| Val::default_for_ty(&ty))??,
    })
}

fn values(types: impl Iterator<Item = ValType>, words: &[&str]) -> Vec<Val> {
    let types: Vec<ValType> = types.collect();
    assert_eq!(types.len(), words.len(), "{words:?} for {types:?}");
    let value =
        |(ty, word): (&ValType, &&str)| value(ty.clone(), word).unwrap_or_else(|| panic!("`{word}` is no {ty}"));
    types.iter().zip(words).map(value).collect()
}

/// What cases import from `host`.
fn host(engine: &Engine, store: &mut Store<()>) -> Linker<()> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("host", "f", |n: i32| n * 2).expect("a new name");
    for (name, mutable, value) in [("base", false, Val::I64(7)), ("shared", true, Val::I32(0))] {
        let mutability = if mutable { Mutability::Var } else { Mutability::Const };
        let ty = GlobalType::new(value.ty(&*store).expect("a number"), mutability);
        let global = Global::new(&mut *store, ty, value).expect("the type fits");
        linker.define(&*store, "host", name, global).expect("a new name");
    }
    linker
}

fn run(engine: &Engine, case: &Path, call: &Invocation<'_>) {
    let module = Module::from_file(engine, case).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    let mut store = Store::new(engine, ());
    let linker = host(engine, &mut store);
    let instance =
        linker.instantiate(&mut store, &module).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    let func = instance.get_func(&mut store, call.function).expect("an exported function");
    let ty = func.ty(&store);
    let mut results = vec![Val::I32(0); ty.results().len()];
    let outcome = func.call(&mut store, &values(ty.params(), &call.arguments), &mut results);
    match (call.expected.strip_prefix("trap:"), outcome) {
        (Some(message), Err(error)) => {
            assert_eq!(error.trap().map(|trap| trap.message()), Some(message.trim()), "{error:?}");
        }
        (None, Ok(())) => {
            let words: Vec<&str> = call.expected.split_whitespace().collect();
            let expected = values(ty.results(), &words);
            assert_eq!(format!("{results:?}"), format!("{expected:?}"));
        }
        (_, outcome) => panic!("expected {}, got {outcome:?} {results:?}", call.expected),
    }
}

#[test]
fn cases_return_what_they_say() {
    let mut count = 0;
    for case in cases() {
        let text = std::fs::read_to_string(&case).expect("a readable case");
        for call in invocations(&text) {
            for (plan, engine) in support::engines_with(|config| config.wasm_wide_arithmetic(true)) {
                println!("{} {plan}: {} {:?} => {}", case.display(), call.function, call.arguments, call.expected);
                run(&engine, &case, &call);
            }
            count += 1;
        }
        assert!(text.contains(";; invoke "), "{} names no result", case.display());
    }
    assert!(count >= 10, "{count} invocations");
}

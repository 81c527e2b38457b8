//! Errors: made, given context, taken apart; traps and backtraces.

use epsilon as wasmtime;
use wasmtime::error::Context as _;
use wasmtime::*;

#[derive(Debug, PartialEq)]
struct Full(u32);

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "full at {}", self.0)
    }
}

impl std::error::Error for Full {}

#[test]
fn any_error_becomes_one_and_is_found_again() -> Result<()> {
    let parsed: Result<u32> = "x".parse::<u32>().context("reading a number");
    let error = parsed.unwrap_err();
    assert!(error.is::<std::num::ParseIntError>() && error.downcast_ref::<&str>() == Some(&"reading a number"));
    assert_eq!(error.chain().count(), 2);
    assert!(error.root_cause().is::<std::num::ParseIntError>());
    assert_eq!(format!("{error:#}"), "reading a number: invalid digit found in string");
    assert_eq!(error.downcast::<std::num::ParseIntError>().unwrap().to_string(), "invalid digit found in string");

    let mut error = Error::from(Full(1)).context("a").context("b");
    error.downcast_mut::<Full>().unwrap().0 = 2;
    assert_eq!(error.downcast_ref::<Full>(), Some(&Full(2)));
    let error = error.downcast::<std::io::Error>().unwrap_err();
    assert_eq!(error.to_string(), "b");
    assert_eq!(error.downcast::<Full>()?, Full(2));

    assert_eq!(Error::msg("plain").downcast_ref::<&str>(), Some(&"plain"));
    assert_eq!(Error::new(Full(3)).downcast::<Full>()?, Full(3));
    assert_eq!(format_err!("{} and {}", 1, 2).to_string(), "1 and 2");
    assert!(format_err!(Full(4)).is::<Full>());
    let boxed = Error::new(Full(5)).into_boxed_dyn_error();
    assert!(Error::from_boxed(boxed).is::<Full>());
    let nothing: Option<()> = None;
    assert_eq!(nothing.with_context(|| "missing").unwrap_err().to_string(), "missing");
    Ok(())
}

fn small(n: u32) -> Result<u32> {
    ensure!(n != 0);
    ensure!(n < 10, "{n} is too large");
    if n == 7 {
        bail!("not seven");
    }
    if n == 8 {
        bail!(Full(8));
    }
    Ok(n)
}

#[test]
fn macros_return_errors() {
    assert_eq!(small(3).unwrap(), 3);
    assert_eq!(small(0).unwrap_err().to_string(), "condition failed: `n != 0`");
    assert_eq!(small(12).unwrap_err().to_string(), "12 is too large");
    assert_eq!(small(7).unwrap_err().to_string(), "not seven");
    assert!(small(8).unwrap_err().is::<Full>());
}

#[test]
fn traps_have_codes_and_frames() -> Result<()> {
    let mut store = Store::<()>::default();
    let wat = r#"(module $hello (func (export "run") (call $inner)) (func $inner unreachable))"#;
    let module = Module::new(store.engine(), wat)?;
    let instance = Instance::new(&mut store, &module, &[])?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    let error = run.call(&mut store, ()).unwrap_err();
    let trace = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
    assert_eq!(trace.len(), 2);
    assert_eq!(trace[0].module().name(), Some("hello"));
    assert_eq!((trace[0].func_index(), trace[0].func_name()), (1, Some("inner")));
    assert_eq!((trace[1].func_index(), trace[1].func_name()), (0, None));
    assert!(trace[0].module_offset().unwrap() > trace[1].module_offset().unwrap());
    assert_eq!(trace[0].func_offset(), Some(1));
    assert_eq!(trace[0].symbols().len(), 0);
    assert!(error.to_string().contains("unreachable") && format!("{error:?}").contains("inner"));
    assert_eq!(error.downcast::<Trap>()?, Trap::UnreachableCodeReached);
    Ok(())
}

#[test]
fn traps_are_told_apart() -> Result<()> {
    let engine = Engine::default();
    let wat = r#"(module (memory 1 1) (table 1 funcref) (type $t (func))
        (func (export "memory") (drop (i32.load (i32.const 65536))))
        (func (export "table") (drop (table.get 0 (i32.const 9))))
        (func (export "element") (call_indirect (type $t) (i32.const 9)))
        (func (export "null") (call_indirect (type $t) (i32.const 0)))
        (func (export "zero") (drop (i32.div_u (i32.const 1) (i32.const 0))))
        (func (export "overflow") (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))
        (func (export "nan") (drop (i32.trunc_f32_s (f32.const nan))))
        (func $deep (export "deep") (call $deep)))"#;
    let module = Module::new(&engine, wat)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    for (name, trap) in [
        ("memory", Trap::MemoryOutOfBounds),
        ("table", Trap::TableOutOfBounds),
        ("element", Trap::TableOutOfBounds),
        ("null", Trap::IndirectCallToNull),
        ("zero", Trap::IntegerDivisionByZero),
        ("overflow", Trap::IntegerOverflow),
        ("nan", Trap::BadConversionToInteger),
        ("deep", Trap::StackOverflow),
    ] {
        let error = instance.get_func(&mut store, name).unwrap().call(&mut store, &[], &mut []).unwrap_err();
        assert_eq!(*error.downcast_ref::<Trap>().unwrap(), trap, "{name}");
    }
    Ok(())
}

#[test]
fn host_errors_pass_through_guests() -> Result<()> {
    let mut store = Store::<()>::default();
    let module = Module::new(store.engine(), r#"(module (import "" "" (func $f)) (func (export "run") (call $f)))"#)?;
    let host = Func::wrap(&mut store, || -> Result<()> { Err(Full(6).into()) });
    let instance = Instance::new(&mut store, &module, &[host.into()])?;
    let error = instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref::<WasmBacktrace>().unwrap().frames().len(), 1);
    assert_eq!(error.downcast::<Full>()?, Full(6));
    Ok(())
}

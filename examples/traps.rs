//! Traps, handled: each ends its call with an error that says what happened and where. The store goes on.

use epsilon::{Engine, Error, Linker, Module, Result, Store, Trap};

const GUEST: &str = r#"
    (module $shop
        (import "host" "ask_bank" (func $ask_bank (param i32)))
        (memory 1)
        (func $unit_price (param $total i32) (param $count i32) (result i32)
            (i32.div_s (local.get $total) (local.get $count)))
        (func $look_up (param $article i32) (result i32)
            (i32.load (i32.mul (local.get $article) (i32.const 4))))
        (func $count_down (param $n i32) (result i32)
            (i32.add (i32.const 1) (call $count_down (i32.sub (local.get $n) (i32.const 1)))))
        (func $pay (param $amount i32)
            (call $ask_bank (local.get $amount)))

        (func $price (export "price") (param $count i32) (result i32)
            (call $unit_price (i32.const 120) (local.get $count)))
        (func $stock (export "stock") (param $article i32) (result i32)
            (call $look_up (local.get $article)))
        (func $close (export "close") (param i32) (result i32)
            (call $count_down (local.get 0)))
        (func $sell (export "sell") (param $amount i32) (result i32)
            (call $pay (local.get $amount))
            (i32.const 0)))
"#;

/// An error of the host's own. It comes back out of the guest as it went in.
#[derive(Debug)]
struct NoCredit {
    missing: i32,
}

impl std::fmt::Display for NoCredit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} short", self.missing)
    }
}

impl std::error::Error for NoCredit {}

fn explain(error: &Error) {
    match error.trap() {
        Some(Trap::IntegerDivisionByZero) => println!("  The guest divided by zero."),
        Some(Trap::MemoryOutOfBounds) => println!("  The guest looked outside of its memory."),
        Some(Trap::StackOverflow) => println!("  The guest recursed without end."),
        Some(other) => println!("  The guest trapped: {other}."),
        None => match error.downcast_ref::<NoCredit>() {
            Some(NoCredit { missing }) => println!("  Our own host function refused: {missing} short."),
            None => println!("  Something else: {error}"),
        },
    }
    let Some(backtrace) = error.backtrace() else { return };
    for frame in backtrace.frames().iter().take(3) {
        let name = frame.func_name().unwrap_or("?");
        println!("    in {name}, at offset {:#x} of the module", frame.module_offset().unwrap_or(0));
    }
    if backtrace.frames().len() > 3 {
        println!("    and more");
    }
}

pub fn main() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, GUEST)?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "ask_bank", |amount: i32| match amount {
        0..100 => Ok(()),
        _ => Err(NoCredit { missing: amount - 99 }.into()),
    })?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;

    let calls =
        [("price", 3), ("price", 0), ("stock", 9), ("stock", 1 << 20), ("close", 1), ("sell", 50), ("sell", 500)];
    for (name, argument) in calls {
        let func = instance.get_typed_func::<i32, i32>(&mut store, name)?;
        match func.call(&mut store, argument) {
            Ok(result) => println!("{name}({argument}) = {result}"),
            Err(error) => {
                println!("{name}({argument}):");
                explain(&error);
            }
        }
    }

    // `{:?}` of an error prints all there is.
    let price = instance.get_typed_func::<i32, i32>(&mut store, "price")?;
    println!("\n{:?}", price.call(&mut store, 0).expect_err("a division by zero"));
    Ok(())
}

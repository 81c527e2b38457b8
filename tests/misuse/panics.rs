//! Panics of the embedder's code, at every border that it is called over: they come out where the embedder called in,
//! and leave everything usable.

use crate::support::{engines, module};
use epsilon::{Caller, Func, FuncType, Instance, Ref, ResourceLimiter, Result, Store, Val, ValType};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

/// What is thrown: no message, so that nothing else is taken for it.
#[derive(Debug, PartialEq)]
struct Thrown(u32);

fn thrown<R>(call: impl FnOnce() -> R) -> u32 {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else { panic!("no panic came out") };
    payload.downcast_ref::<Thrown>().expect("the embedder's own payload").0
}

const CHAIN: &str = r#"(module (import "" "down" (func $down (param i32) (result i32))) (memory 1)
    (func (export "f") (param i32) (result i32) (i64.store (i32.const 0) (i64.const 77))
        (i32.add (call $down (local.get 0)) (i32.const 1)))
    (func (export "caught") (param i32) (result i32)
        (block $all (try_table (catch_all $all) (return (call $down (local.get 0))))) (i32.const -1))
    (func (export "sum") (result i32) (i32.wrap_i64 (i64.load (i32.const 0)))))"#;

/// Host, guest, host, guest and so on, as deep as asked; the innermost panics, and every level in between may catch it.
#[test]
fn panics_pass_through_nested_activations() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, None::<Instance>);
        let down = Func::wrap(&mut store, |mut caller: Caller<'_, Option<Instance>>, n: i32| -> Result<i32> {
            match n {
                0 => panic_any(Thrown(7)),
                -1 => Ok(0),
                // Even levels catch what comes from below, and go on.
                _ => {
                    let instance = caller.data().expect("set");
                    let f = instance.get_typed_func::<i32, i32>(&mut caller, "f")?;
                    match n {
                        100 => Ok(thrown(|| f.call(&mut caller, 3)) as i32),
                        _ => f.call(&mut caller, n - 1),
                    }
                }
            }
        });
        let instance = Instance::new(&mut store, &module(&engine, CHAIN), &[down.into()]).expect("an instance");
        *store.data_mut() = Some(instance);
        let f = instance.get_typed_func::<i32, i32>(&mut store, "f").expect("exported");
        let caught = instance.get_typed_func::<i32, i32>(&mut store, "caught").expect("exported");
        for depth in 0..20 {
            assert_eq!(thrown(|| f.call(&mut store, depth)), 7, "{plan} {depth}");
            assert_eq!(thrown(|| caught.call(&mut store, depth)), 7, "{plan} {depth}: guests catch no panics");
            assert_eq!(f.call(&mut store, -1).expect("usable"), 1, "{plan}");
        }
        assert_eq!(f.call(&mut store, 100).expect("caught in the middle"), 8, "{plan}");
        let sum = instance.get_typed_func::<(), i32>(&mut store, "sum").expect("exported");
        assert_eq!(sum.call(&mut store, ()).expect("usable"), 77);
    }
}

#[test]
fn panics_of_start_functions_and_of_resets_come_out() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, 1);
        let start = Func::wrap(&mut store, |caller: Caller<'_, u32>| {
            if *caller.data() != 0 {
                panic_any(Thrown(*caller.data()));
            }
        });
        let text = r#"(module (import "" "s" (func $s)) (func (export "f") (result i32) i32.const 4) (start $s))"#;
        let module = module(&engine, text);
        assert_eq!(thrown(|| Instance::new(&mut store, &module, &[start.into()])), 1, "{plan}");
        *store.data_mut() = 0;
        let instance = Instance::new(&mut store, &module, &[start.into()]).expect("an instance");
        *store.data_mut() = 9;
        assert_eq!(thrown(|| instance.reset(&mut store)), 9, "{plan}");
        *store.data_mut() = 0;
        instance.reset(&mut store).expect("no panic");
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
        assert_eq!(f.call(&mut store, ()).expect("usable"), 4);
    }
}

/// Panics whenever it is asked, while it is told to.
struct Limiter {
    panics: bool,
}

impl Limiter {
    fn ask(&self) -> Result<bool> {
        if self.panics { panic_any(Thrown(3)) } else { Ok(true) }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        self.ask()
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        self.ask()
    }
}

#[test]
fn panics_of_limiters_come_out() {
    let text = r#"(module (memory (export "m") 1) (memory (export "s") 1 9 shared) (table (export "t") 1 funcref)
        (func (export "memory") (result i32) (memory.grow (i32.const 1)))
        (func (export "shared") (result i32) (memory.grow 1 (i32.const 1)))
        (func (export "table") (result i32) (table.grow (ref.null func) (i32.const 1))))"#;
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, Limiter { panics: false });
        store.limiter(|data| data);
        let module = module(&engine, text);
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let (memory, table) = (instance.get_memory(&mut store, "m"), instance.get_table(&mut store, "t"));
        let (memory, table) = (memory.expect("exported"), table.expect("exported"));
        store.data_mut().panics = true;
        for name in ["memory", "shared", "table"] {
            let grow = instance.get_typed_func::<(), i32>(&mut store, name).expect("exported");
            assert_eq!(thrown(|| grow.call(&mut store, ())), 3, "{plan} {name}");
        }
        assert_eq!(thrown(|| memory.grow(&mut store, 1)), 3, "{plan}");
        assert_eq!(thrown(|| table.grow(&mut store, 1, Ref::Func(None))), 3, "{plan}");
        assert_eq!(thrown(|| Instance::new(&mut store, &module, &[])), 3, "{plan}");
        store.data_mut().panics = false;
        for name in ["memory", "shared", "table"] {
            let grow = instance.get_typed_func::<(), i32>(&mut store, name).expect("exported");
            assert_eq!(grow.call(&mut store, ()).expect("usable"), 1, "{plan} {name}");
        }
        Instance::new(&mut store, &module, &[]).expect("usable");
    }
}

/// An error whose destructor panics, and one that panics when it is shown.
#[derive(Debug)]
struct Nasty {
    when_dropped: bool,
}

impl std::fmt::Display for Nasty {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.when_dropped { Ok(()) } else { panic_any(Thrown(5)) }
    }
}

impl std::error::Error for Nasty {}

impl Drop for Nasty {
    fn drop(&mut self) {
        if self.when_dropped {
            panic_any(Thrown(6));
        }
    }
}

#[test]
fn errors_that_panic_do_so_in_the_hands_of_the_embedder() {
    for (plan, engine) in engines() {
        for when_dropped in [false, true] {
            let mut store = Store::new(&engine, ());
            let fails =
                Func::wrap(&mut store, move |_: i32| -> epsilon::Result<i32> { Err(Nasty { when_dropped }.into()) });
            let instance = Instance::new(&mut store, &module(&engine, CHAIN), &[fails.into()]).expect("an instance");
            for name in ["f", "caught"] {
                let f = instance.get_typed_func::<i32, i32>(&mut store, name).expect("exported");
                let error = f.call(&mut store, 1).expect_err("the host function's");
                match when_dropped {
                    true => assert_eq!(thrown(|| drop(error)), 6, "{plan}"),
                    false => assert_eq!(thrown(|| format!("{error:?}")), 5, "{plan}"),
                }
            }
        }
    }
}

/// A dynamic host function that leaves results of a wrong type fails where it was called, like any other error.
#[test]
fn results_of_a_wrong_type_end_the_call_and_no_more() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let ty = FuncType::new(&engine, [ValType::I32], [ValType::I32]);
        let wrong = Func::new(&mut store, ty, |_, params, results| {
            results[0] = if params[0].i32() == Some(1) { Val::F64(0) } else { params[0] };
            Ok(())
        });
        let instance = Instance::new(&mut store, &module(&engine, CHAIN), &[wrong.into()]).expect("an instance");
        let f = instance.get_typed_func::<i32, i32>(&mut store, "f").expect("exported");
        f.call(&mut store, 1).expect_err(plan);
        assert_eq!(f.call(&mut store, 2).expect("usable"), 3);
    }
}

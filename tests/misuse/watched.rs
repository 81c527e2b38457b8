//! Compilations that are watched: cancelled before, halfway and after, and by a watcher that panics.

use epsilon::{CancelToken, Compilation, Config, Engine, Instance, Module, Store, Watch};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

const FUNCTIONS: usize = 60;

fn engine() -> Engine {
    let mut config = Config::new();
    config.compilation(Compilation::Eager).cache(None);
    Engine::new(&config).expect("an engine")
}

fn text() -> String {
    let functions: String =
        (0..FUNCTIONS).map(|n| format!(r#"(func (export "f{n}") (result i32) (i32.const {n}))"#)).collect();
    format!("(module {functions})")
}

fn runs(engine: &Engine, module: &Module) {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[]).expect("no imports");
    let last = instance.get_typed_func::<(), i32>(&mut store, "f59").expect("exported");
    assert_eq!(last.call(&mut store, ()).expect("no trap"), 59);
}

#[test]
fn cancelled_before_halfway_and_after() {
    let (engine, text) = (engine(), text());
    for at in [0, 1, FUNCTIONS / 2, FUNCTIONS + 1] {
        let (token, compiled) = (CancelToken::new(), AtomicUsize::new(0));
        let cancel_in_time = |_| {
            if compiled.fetch_add(1, Ordering::Relaxed) + 1 == at {
                token.cancel();
            }
        };
        if at == 0 {
            token.cancel();
        }
        let watch = Watch::new().cancelled_by(&token).progress(&cancel_in_time);
        let result = Module::new_watched(&engine, &text, watch);
        assert_eq!(token.is_cancelled(), at <= FUNCTIONS);
        match result {
            Ok(module) => {
                assert!(at > FUNCTIONS, "cancelled at {at}");
                token.cancel();
                runs(&engine, &module);
            }
            Err(error) => {
                assert!(at <= FUNCTIONS && error.to_string().contains("cancelled"), "{at}: {error}");
                assert!(compiled.load(Ordering::Relaxed) < FUNCTIONS, "some functions were spared");
            }
        }
        // Nothing of it is left in the engine.
        runs(&engine, &Module::new(&engine, &text).expect("valid"));
    }
}

#[test]
fn a_watcher_that_panics() {
    let (engine, text) = (engine(), text());
    let watch = Watch::new().progress(&|_| panic!("a watcher's own"));
    let panicked = catch_unwind(AssertUnwindSafe(|| Module::new_watched(&engine, &text, watch)));
    assert!(panicked.is_err(), "the panic comes out where the compilation was asked for");
    runs(&engine, &Module::new(&engine, &text).expect("valid"));
}

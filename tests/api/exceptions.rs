//! Exceptions: thrown and caught by guests and by the host, across instances and host functions.

use crate::support::{engines, instantiate, module};
use epsilon::{Caller, Engine, Error, Exception, Extern, Func, FuncType, Linker, Store, Tag, Val, ValType};

#[test]
fn what_nobody_catches_is_an_error_with_tag_fields_and_frames() {
    for (name, engine) in engines() {
        let text = r#"(module $m (tag $t (export "t") (param i32 f64 i64)) (tag $other)
            (func $inner (throw $t (i32.const 7) (f64.const 2.5) (i64.const -1)))
            (func $middle (block $l (try_table (catch $other $l) (call $inner))))
            (func $outer (export "run") (call $middle)))"#;
        let (mut store, instance) = instantiate(&engine, text);
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").expect("exported");
        let tag = instance.get_tag(&mut store, "t").expect("exported");
        for _ in 0..3 {
            let error = run.call(&mut store, ()).unwrap_err();
            let exception = error.exception().unwrap_or_else(|| panic!("{name}: {error:?}"));
            assert_eq!(exception.tag(), tag);
            let fields = exception.fields();
            assert!(
                matches!(fields, [Val::I32(7), Val::F64(bits), Val::I64(-1)] if *bits == 2.5f64.to_bits()),
                "{fields:?}"
            );
            let text = error.to_string();
            let wanted = "an uncaught exception: tag `t`, payload (i32 7) (f64 2.5) (i64 -1)";
            assert!(text.contains(wanted), "{text}");
            let frames = error.backtrace().expect("switched on").frames();
            let names: Vec<_> = frames.iter().map(|frame| frame.func_name()).collect();
            assert_eq!(names, [Some("inner"), Some("middle"), Some("outer")], "{name}");
        }
    }
}

/// A thrower behind one instance, a catcher in another one, both with state of their own.
#[test]
fn exceptions_cross_instances_and_the_anchor_comes_back() {
    for (name, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        let thrower = module(
            &engine,
            r#"(module (tag $t (export "t") (param i64 v128 f32)) (memory 1)
            (global $depth (mut i64) (i64.const 0))
            (func $throw (export "throw") (param i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
                (global.set $depth (i64.add (global.get $depth) (i64.const 1)))
                (if (i64.eqz (local.get 0)) (then
                    (i64.store (i32.const 0) (local.get 8))
                    (throw $t (i64.load (i32.const 0)) (v128.const i64x2 3 4) (f32.const 0.5))))
                (call $throw (i64.sub (local.get 0) (i64.const 1)) (local.get 1) (local.get 2) (local.get 3)
                    (local.get 4) (local.get 5) (local.get 6) (local.get 7) (local.get 8)))
            (func (export "depth") (result i64) (global.get $depth)))"#,
        );
        let thrower = linker.instantiate(&mut store, &thrower).expect("an instance");
        linker.instance(&mut store, "thrower", thrower).expect("fresh names");
        let catcher = module(
            &engine,
            r#"(module (import "thrower" "t" (tag $t (param i64 v128 f32)))
            (import "thrower" "throw" (func $throw (param i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
            (tag $mine (param i64 v128 f32)) (memory 1) (global $g (mut i64) (i64.const 1000))
            (func $guard (param i64 i64) (result i64)
                (block $l (result i64 v128 f32)
                    (try_table (catch $mine $l)
                        (return (call $throw (local.get 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)
                            (i64.const 5) (i64.const 6) (i64.const 7) (local.get 1))))
                    (unreachable))
                (drop) (drop) (drop) (i64.const -1))
            (func (export "run") (param $n i64) (param $x i64) (result i64) (local $before i64)
                (local.set $before (i64.mul (local.get $x) (i64.const 3)))
                (block $caught (result i64 v128 f32)
                    (try_table (catch $t $caught) (return (call $guard (local.get $n) (local.get $x))))
                    (unreachable))
                (f32.ne (f32.const 0.5)) (if (then (unreachable)))
                (i64x2.extract_lane 1)
                (i64.add) (i64.add (local.get $before)) (i64.add (global.get $g))
                (i64.store (i32.const 8) (i64.const 5)) (i64.add (i64.load (i32.const 8)))))"#,
        );
        let catcher = linker.instantiate(&mut store, &catcher).expect("an instance");
        let run = catcher.get_typed_func::<(i64, i64), i64>(&mut store, "run").expect("exported");
        for depth in [0, 1, 10, 1000] {
            let result = run.call(&mut store, (depth, 11)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(result, 11 + 4 + 33 + 1000 + 5, "{name}");
        }
        let depth = thrower.get_typed_func::<(), i64>(&mut store, "depth").expect("exported");
        assert_eq!(depth.call(&mut store, ()).expect("no trap"), 1 + 2 + 11 + 1001);
    }
}

/// `run` catches what the host function throws; the host function throws on what its own call of the guest threw.
const THROUGH_HOST: &str = r#"(module (import "host" "tag" (tag $t (param i32)))
    (import "host" "call" (func $call (param funcref i32) (result i32)))
    (elem declare func $throw $give)
    (func $throw (param i32) (result i32) (throw $t (local.get 0)))
    (func $give (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "run") (param $throws i32) (param i32) (result i32)
        (block $caught (result i32)
            (try_table (catch $t $caught)
                (return (call $call (if (result funcref) (local.get $throws)
                    (then (ref.func $throw)) (else (ref.func $give))) (local.get 1))))
            (unreachable))
        (i32.add (i32.const 100))))"#;

fn through_host(engine: &Engine) -> (Store<u32>, epsilon::Instance, Tag) {
    let mut store = Store::new(engine, 0);
    let mut linker = Linker::new(engine);
    let tag = crate::support::tag(&mut store, [ValType::I32]).expect("no results");
    linker.define(&store, "host", "tag", tag).expect("a fresh name");
    let call = |mut caller: Caller<'_, u32>, func: Option<Func>, n: i32| -> Result<i32, Error> {
        *caller.data_mut() += 1;
        let mut results = [Val::I32(0)];
        func.expect("not null").call(&mut caller, &[Val::I32(n)], &mut results)?;
        Ok(results[0].i32().expect("an i32"))
    };
    linker.func_wrap("host", "call", call).expect("a fresh name");
    let instance = linker.instantiate(&mut store, &module(engine, THROUGH_HOST)).expect("an instance");
    (store, instance, tag)
}

#[test]
fn exceptions_pass_through_host_functions() {
    for (name, engine) in engines() {
        let (mut store, instance, _) = through_host(&engine);
        let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run").expect("exported");
        assert_eq!(run.call(&mut store, (0, 4)).expect("no trap"), 8, "{name}");
        for n in 0..50 {
            assert_eq!(run.call(&mut store, (1, n)).unwrap_or_else(|error| panic!("{name}: {error:?}")), n + 100);
        }
        assert_eq!(*store.data(), 51);
    }
}

#[test]
fn the_host_throws_and_catches() {
    for (name, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let tag = crate::support::tag(&mut store, [ValType::I64]).expect("no results");
        let host = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, n: i64| -> Result<i64, Error> {
            match n {
                0..10 => Err(Exception::new(&mut caller, tag, &[Val::I64(n)])?.into()),
                _ => Ok(n),
            }
        });
        let text = r#"(module (import "h" "t" (tag $t (param i64))) (import "h" "f" (func $f (param i64) (result i64)))
            (func (export "run") (param i64) (result i64)
                (block $l (result i64) (try_table (result i64) (catch $t $l) (call $f (local.get 0))) (return))
                (i64.add (i64.const 50)))
            (func (export "bare") (param i64) (result i64) (call $f (local.get 0))))"#;
        let module = module(&engine, text);
        let instance = epsilon::Instance::new(&mut store, &module, &[Extern::Tag(tag), host.into()]).expect("linked");
        let run = instance.get_typed_func::<i64, i64>(&mut store, "run").expect("exported");
        assert_eq!(run.call(&mut store, 3).expect("caught"), 53, "{name}");
        assert_eq!(run.call(&mut store, 30).expect("not thrown"), 30);
        let bare = instance.get_typed_func::<i64, i64>(&mut store, "bare").expect("exported");
        let error = bare.call(&mut store, 5).unwrap_err();
        assert!(matches!(error.exception().map(Exception::fields), Some([Val::I64(5)])), "{error:?}");
        assert_eq!(error.backtrace().expect("switched on").frames().len(), 1);
        assert!(Exception::new(&mut store, tag, &[]).is_err());
        assert!(Exception::new(&mut store, tag, &[Val::I32(1)]).is_err());
        assert!(Tag::new(&mut store, &epsilon::TagType::new(FuncType::new(&engine, [], [ValType::I32]))).is_err());
    }
}

#[test]
fn exceptions_that_guests_hold_stay_and_others_make_room() {
    for (name, engine) in engines() {
        let text = r#"(module (tag $t (param i32)) (tag $chain (param exnref i32))
            (global $kept (mut exnref) (ref.null exn)) (table $kept 1 exnref)
            (func $make (param i32) (result exnref) (local exnref)
                (block $l (result i32 exnref) (try_table (catch_ref $t $l) (throw $t (local.get 0))) (unreachable))
                (local.set 1) (drop) (local.get 1))
            (func $pair (param exnref i32) (result exnref)
                (block $l (result exnref)
                    (try_table (catch_all_ref $l) (throw $chain (local.get 0) (local.get 1))) (unreachable)))
            (func $value (param exnref) (result i32)
                (block $l (result i32) (try_table (catch $t $l) (throw_ref (local.get 0))) (unreachable)))
            (func $first (param exnref) (result exnref)
                (block $l (result exnref i32) (try_table (catch $chain $l) (throw_ref (local.get 0))) (unreachable))
                (drop))
            ;; A destructor: catches everything and throws it on.
            (func $cleanup (param i32)
                (block $l (result exnref) (try_table (catch_all_ref $l) (throw $t (local.get 0))) (unreachable))
                (throw_ref))
            (func $churn (param $n i32)
                (loop $next
                    (block $l (result i32)
                        (try_table (catch $t $l) (call $cleanup (local.get $n))) (unreachable))
                    (if (i32.ne (local.get $n)) (then (unreachable)))
                    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
            (func (export "run") (param $n i32) (result i32) (local $held exnref)
                (global.set $kept (call $make (i32.const 1)))
                (table.set $kept (i32.const 0) (call $pair (call $make (i32.const 20)) (i32.const 5)))
                (local.set $held (call $make (i32.const 300)))
                (call $churn (local.get $n))
                (i32.add (call $value (local.get $held)) (i32.add (call $value (global.get $kept))
                    (call $value (call $first (table.get $kept (i32.const 0)))))))
            (func (export "make") (param i32) (result exnref) (call $make (local.get 0)))
            (func (export "value") (param exnref) (result i32) (call $value (local.get 0))))"#;
        let (mut store, instance) = instantiate(&engine, text);
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
        let make = instance.get_func(&mut store, "make").expect("exported");
        let mut held = [Val::I32(0)];
        make.call(&mut store, &[Val::I32(77)], &mut held).expect("no trap");
        assert_eq!(run.call(&mut store, 20_000).unwrap_or_else(|error| panic!("{name}: {error:?}")), 321, "{name}");
        let value = instance.get_func(&mut store, "value").expect("exported");
        let mut result = [Val::I32(0)];
        value.call(&mut store, &held, &mut result).expect("the host holds it");
        assert_eq!(result[0].i32(), Some(77));
        let Val::ExnRef(Some(reference)) = held[0] else { panic!("{:?}", held[0]) };
        let exception = reference.exception(&mut store);
        assert!(matches!(exception.fields(), [Val::I32(77)]));
        let again = exception.to_exnref(&mut store).expect("room");
        value.call(&mut store, &[again.into()], &mut result).expect("thrown and caught");
        assert_eq!(result[0].i32(), Some(77));
    }
}

#[test]
fn many_results_and_arguments_travel_past_handlers() {
    for (name, engine) in engines() {
        let text = r#"(module (tag $t)
            (func $many (param i64 i64 i64 i64 i64 i64 i64 i64 i64)
                (result i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 f64)
                (if (i64.eqz (local.get 0)) (then (throw $t)))
                (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6)
                (local.get 7) (local.get 8) (i64.const 10) (i64.const 11) (f64.const 12))
            (func (export "run") (param $n i64) (param $x i64) (result i64)
                (block $l (try_table (catch_all $l)
                    (call $many (local.get $n) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
                        (i64.const 7) (i64.const 8) (i64.const 9))
                    (i64.trunc_f64_s) (i64.add) (i64.add) (i64.add) (i64.add) (i64.add) (i64.add) (i64.add) (i64.add)
                    (i64.add) (i64.add) (i64.add) (local.set $x)))
                (local.get $x)))"#;
        let (mut store, instance) = instantiate(&engine, text);
        let run = instance.get_typed_func::<(i64, i64), i64>(&mut store, "run").expect("exported");
        assert_eq!(run.call(&mut store, (1, 5)).expect("no trap"), 78, "{name}");
        assert_eq!(run.call(&mut store, (0, 5)).expect("caught"), 5, "{name}");
    }
}

#[test]
fn traps_are_not_caught() {
    let text = r#"(module (func $trap (unreachable))
        (func (export "run") (block $l (try_table (catch_all $l) (call $trap)))))"#;
    let (mut store, instance) = instantiate(&crate::support::engine(), text);
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").expect("exported");
    assert_eq!(run.call(&mut store, ()).unwrap_err().trap(), Some(epsilon::Trap::UnreachableCodeReached));
}

/// `run` catches with legacy clauses what the host function throws; `on` throws it on.
const LEGACY: &str = r#"(module (import "host" "tag" (tag $t (param i64))) (tag $mine (param i64))
    (import "host" "f" (func $f (param i64) (result i64)))
    (func (export "run") (param i64) (result i64)
        try (result i64) (call $f (local.get 0)) catch $mine catch $t (i64.add (i64.const 50)) end)
    (func (export "all") (param i64) (result i64)
        try (result i64) (call $f (local.get 0)) catch_all (i64.const -1) end)
    (func $on (export "on") (param i64) (result i64)
        try (result i64) (call $f (local.get 0)) catch_all (rethrow 0) end)
    (func (export "far") (param i64) (result i64)
        try $far (result i64)
            try (result i64)
                try (result i64) (call $on (local.get 0)) delegate $far
            catch_all (i64.const -2) end
        catch $t end))"#;

#[test]
fn legacy_clauses_catch_what_the_host_throws_and_nothing_else() {
    for (name, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        let tag = crate::support::tag(&mut store, [ValType::I64]).expect("no results");
        linker.define(&store, "host", "tag", tag).expect("a fresh name");
        let host = move |mut caller: Caller<'_, ()>, n: i64| -> Result<i64, Error> {
            match n {
                0..10 => Err(Exception::new(&mut caller, tag, &[Val::I64(n)])?.into()),
                10..20 => Err(Error::msg("a failure of the host")),
                20..30 => Err(epsilon::Trap::IntegerOverflow.into()),
                _ => Ok(n),
            }
        };
        linker.func_wrap("host", "f", host).expect("a fresh name");
        let instance = linker.instantiate(&mut store, &module(&engine, LEGACY)).expect("an instance");
        let mut call = |function: &str, n: i64| {
            let function = instance.get_typed_func::<i64, i64>(&mut store, function).expect("exported");
            function.call(&mut store, n)
        };
        for (function, caught) in [("run", 53), ("all", -1), ("far", 3)] {
            assert_eq!(call(function, 3).expect("caught"), caught, "{name}");
            assert_eq!(call(function, 30).expect("not thrown"), 30, "{name}");
        }
        assert!(matches!(call("on", 4).unwrap_err().exception().map(Exception::fields), Some([Val::I64(4)])), "{name}");
        for function in ["run", "all", "on", "far"] {
            let error = call(function, 10).unwrap_err();
            assert!(error.to_string().contains("a failure of the host"), "{name}: {error}");
            assert_eq!(call(function, 20).unwrap_err().trap(), Some(epsilon::Trap::IntegerOverflow), "{name}");
        }
    }
}

#[test]
fn what_a_legacy_clause_has_caught_is_kept_for_its_rethrow() {
    for (name, engine) in engines() {
        // So many others are made meanwhile that the store looks for those that nothing refers to.
        let text = r#"(module (tag $t (param i32)) (tag $other (param i64 i64 i64))
            (func $churn (param $n i32)
                (loop $next
                    try (throw $other (i64.const 1) (i64.const 2) (i64.const 3)) catch_all end
                    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
            (func (export "run") (param $n i32) (result i32)
                try (result i32)
                    try (result i32)
                        (throw $t (i32.const 77))
                    catch $t
                        (drop)
                        (call $churn (local.get $n))
                        (rethrow 0)
                    end
                catch $t
                end))"#;
        let (mut store, instance) = instantiate(&engine, text);
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
        assert_eq!(run.call(&mut store, 20_000).unwrap_or_else(|error| panic!("{name}: {error:?}")), 77);
    }
}

#[test]
fn legacy_clauses_do_not_catch_interruptions() {
    let mut config = crate::support::config();
    config.wasm_legacy_exceptions(true);
    let engine = Engine::new(&config).expect("an engine");
    let text = r#"(module (func $spin (loop (br 0))) (func (export "run") try (call $spin) catch_all end))"#;
    let (mut store, instance) = instantiate(&engine, text);
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").expect("exported");
    let handle = store.interrupt_handle();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            handle.interrupt();
        });
        assert_eq!(run.call(&mut store, ()).unwrap_err().trap(), Some(epsilon::Trap::Interrupt));
    });
}

#[test]
fn the_legacy_instructions_have_a_switch() {
    let mut config = crate::support::config();
    config.wasm_legacy_exceptions(false);
    let engine = Engine::new(&config).expect("an engine");
    let wasm = wat::parse_str("(module (tag) (func try catch_all end))").expect("text");
    let error = epsilon::Module::new(&engine, &wasm).unwrap_err();
    assert!(error.to_string().contains("enable `legacy-exceptions` to use it"), "{error}");
}

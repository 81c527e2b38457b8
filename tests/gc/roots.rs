//! Each place that keeps an object, in a guest that collects while the object is nowhere else.

use crate::engines;
use crate::support::module;
use epsilon::{AnyRef, Caller, ExternRef, Func, Instance, Rooted, Store, Val};

/// Each exported function puts an object with its argument in it somewhere, has the host collect and allocate, and reads the
/// argument from there.
const GUEST: &str = r#"(module
    (type $box (struct (field $value (mut i32))))
    (type $pair (struct (field $one (mut (ref null $box))) (field $other (mut anyref)) (field $none (mut exnref))))
    (type $boxes (array (mut (ref null $box))))
    (import "" "collect" (func $collect))
    (import "" "keep" (func $keep (param anyref) (result anyref)))
    (import "" "keep_external" (func $keep_external (param externref) (result externref)))
    (tag $tag (param (ref $box) i64))
    (table $table 4 (ref null $box))
    (table $any 1 anyref)
    (global $global (mut (ref null $box)) (ref.null $box))
    (global $constant (ref $box) (struct.new $box (i32.const 77)))
    (elem $segment (ref null $box) (item (struct.new $box (i32.const 5))) (item (global.get $constant)))
    (table $filled 3 (ref null $box) (struct.new $box (i32.const 6)))
    (func $garbage (param $n i32)
        (loop $more
            (drop (struct.new $box (local.get $n)))
            (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $trash (call $garbage (i32.const 5)) (call $collect) (call $garbage (i32.const 5)))
    (func (export "local") (param $n i32) (result i32) (local $b (ref null $box))
        (local.set $b (struct.new $box (local.get $n)))
        (call $trash)
        (struct.get $box $value (local.get $b)))
    (func (export "operand") (param $n i32) (result i32)
        (struct.get $box $value (call $after_trash (struct.new $box (local.get $n)) (i32.const 1))))
    (func $after_trash (param (ref $box) i32) (result (ref $box)) (call $trash) (local.get 0))
    (func $deep (param $b (ref $box)) (param $depth i32) (result i32)
        (if (result i32) (i32.eqz (local.get $depth))
            (then (call $trash) (i32.const 0))
            (else (i32.add
                (call $deep (struct.new $box (local.get $depth)) (i32.sub (local.get $depth) (i32.const 1)))
                (struct.get $box $value (local.get $b))))))
    (func (export "frames") (param $n i32) (result i32)
        (i32.sub (call $deep (struct.new $box (local.get $n)) (i32.const 20)) (i32.const 209)))
    (func (export "table") (param $n i32) (result i32)
        (table.set $table (i32.const 2) (struct.new $box (local.get $n)))
        (call $trash)
        (struct.get $box $value (table.get $table (i32.const 2))))
    (func (export "table_of_any") (param $n i32) (result i32)
        (table.set $any (i32.const 0) (struct.new $box (local.get $n)))
        (call $trash)
        (struct.get $box $value (ref.cast (ref $box) (table.get $any (i32.const 0)))))
    (func (export "global") (param $n i32) (result i32)
        (global.set $global (struct.new $box (local.get $n)))
        (call $trash)
        (struct.get $box $value (global.get $global)))
    (func (export "field") (param $n i32) (result i32) (local $p (ref null $pair))
        (local.set $p (struct.new_default $pair))
        (call $trash)
        (struct.set $pair $one (local.get $p) (struct.new $box (local.get $n)))
        (call $trash)
        (struct.set $pair $other (local.get $p) (struct.new $box (i32.const 1)))
        (call $trash)
        (struct.get $box $value (struct.get $pair $one (local.get $p))))
    (func (export "element") (param $n i32) (result i32) (local $a (ref null $boxes)) (local $i i32)
        (local.set $a (array.new_default $boxes (i32.const 3000)))
        (call $trash)
        (loop $more
            (array.set $boxes (local.get $a) (local.get $i) (struct.new $box (local.get $n)))
            (local.set $i (i32.add (local.get $i) (i32.const 300)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 3000))))
        (call $trash)
        (struct.get $box $value (array.get $boxes (local.get $a) (i32.const 2700))))
    (func (export "new_elements") (param $n i32) (result i32) (local $a (ref null $boxes))
        (local.set $a (array.new $boxes (struct.new $box (local.get $n)) (i32.const 20)))
        (call $trash)
        (struct.get $box $value (array.get $boxes (local.get $a) (i32.const 19))))
    (func (export "new_large") (param $n i32) (result i32) (local $a (ref null $boxes))
        (local.set $a (array.new $boxes (struct.new $box (local.get $n)) (i32.const 5000)))
        (call $trash)
        (struct.get $box $value (array.get $boxes (local.get $a) (i32.const 4999))))
    (func (export "exception") (param $n i32) (result i32) (local $e exnref)
        (block $caught (result (ref $box) i64 exnref)
            (try_table (catch_ref $tag $caught)
                (throw $tag (struct.new $box (local.get $n)) (i64.const 3)))
            (unreachable))
        (local.set $e) (drop) (drop)
        (call $trash)
        (block $again (result (ref $box) i64)
            (try_table (catch $tag $again) (throw_ref (local.get $e)))
            (unreachable))
        (drop)
        (struct.get $box $value))
    (func $throws (param $b (ref $box)) (call $trash) (throw $tag (local.get $b) (i64.const 3)))
    (func (export "caught") (param $n i32) (result i32) (local $kept (ref null $box))
        (local.set $kept (struct.new $box (local.get $n)))
        (block $caught (result (ref $box) i64)
            (try_table (catch $tag $caught) (call $throws (struct.new $box (i32.const 9))))
            (unreachable))
        (drop)
        (call $trash)
        (i32.sub (i32.add (struct.get $box $value) (struct.get $box $value (local.get $kept))) (i32.const 9)))
    (func (export "segment") (param $n i32) (result i32) (local $a (ref null $boxes))
        (call $trash)
        (local.set $a (array.new_elem $boxes $segment (i32.const 0) (i32.const 2)))
        (call $trash)
        (table.init $table $segment (i32.const 0) (i32.const 0) (i32.const 2))
        (call $trash)
        (if (i32.eqz (ref.eq (table.get $table (i32.const 1)) (global.get $constant))) (then (unreachable)))
        (if (i32.eqz (ref.eq (table.get $table (i32.const 0)) (array.get $boxes (local.get $a) (i32.const 0))))
            (then (unreachable)))
        (if (i32.ne (struct.get $box $value (table.get $filled (i32.const 2))) (i32.const 6)) (then (unreachable)))
        (i32.add (local.get $n)
            (i32.sub (struct.get $box $value (table.get $table (i32.const 0)))
                (i32.sub (struct.get $box $value (global.get $constant)) (i32.const 72)))))
    (func (export "host") (param $n i32) (result i32)
        (struct.get $box $value (ref.cast (ref $box) (call $keep (struct.new $box (local.get $n))))))
    (func (export "external") (param $n i32) (result i32)
        (struct.get $box $value (ref.cast (ref $box) (any.convert_extern
            (call $keep_external (extern.convert_any (struct.new $box (local.get $n))))))))
    (func (export "function_in_a_field") (param $n i32) (result i32) (local $c (ref null $closure))
        (local.set $c (struct.new $closure (ref.func $double) (struct.new $box (local.get $n))))
        (call $trash)
        (i32.div_s (call_ref $of_box
            (ref.as_non_null (struct.get $closure 1 (local.get $c))) (struct.get $closure 0 (local.get $c)))
            (i32.const 2)))
    (type $of_box (func (param (ref $box)) (result i32)))
    (type $closure (struct (field (ref $of_box)) (field (ref null $box))))
    (elem declare func $double)
    (func $double (type $of_box)
        (call $trash)
        (i32.mul (struct.get $box $value (local.get 0)) (i32.const 2))))"#;

const EXPORTS: [&str; 16] = [
    "local",
    "operand",
    "frames",
    "table",
    "table_of_any",
    "global",
    "field",
    "element",
    "new_elements",
    "new_large",
    "exception",
    "caught",
    "segment",
    "host",
    "external",
    "function_in_a_field",
];

fn instance(store: &mut Store<()>) -> Instance {
    let module = module(&store.engine().clone(), GUEST);
    let collect = Func::wrap(&mut *store, |mut caller: Caller<'_, ()>| caller.gc(None));
    let keep = |mut caller: Caller<'_, ()>, params: &[Val], results: &mut [Val]| {
        caller.gc(None).expect("room");
        // What is made meanwhile is forgotten when this returns.
        let _ = ExternRef::new(&mut caller, "something")?;
        caller.gc(None).expect("room");
        results[0] = params[0];
        Ok(())
    };
    let ty = |name: &str| {
        let import = module.imports().find(|import| import.name() == name).expect("imported");
        import.ty().func().expect("a function").clone()
    };
    let (any, external) = (ty("keep"), ty("keep_external"));
    let imports = [collect, Func::new(&mut *store, any, keep), Func::new(&mut *store, external, keep)].map(Into::into);
    Instance::new(&mut *store, &module, &imports).expect("an instance")
}

#[test]
fn objects_live_as_long_as_something_refers_to_them() {
    for (name, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let instance = instance(&mut store);
        for round in 0..3 {
            for export in EXPORTS {
                let f = instance.get_typed_func::<i32, i32>(&mut store, export).expect("exported");
                let n = 1000 + round;
                let found = f.call(&mut store, n).unwrap_or_else(|error| panic!("{name}: {export}: {error:?}"));
                assert_eq!(found, n, "{name}: {export}");
            }
            instance.reset(&mut store).expect("an instance as it was");
        }
        assert!(store.gc_stats().full_collections > 3, "{name}: {:?}", store.gc_stats());
    }
}

#[test]
fn what_the_host_holds_lives_until_its_scope_ends() {
    for (name, engine) in engines() {
        let text = r#"(module (type $box (struct (field (mut i32))))
            (import "" "f" (func $f (param anyref)))
            (func (export "make") (param i32) (result anyref) (struct.new $box (local.get 0)))
            (func (export "get") (param anyref) (result i32)
                (struct.get $box 0 (ref.cast (ref $box) (local.get 0))))
            (func (export "pass") (param i32) (call $f (struct.new $box (local.get 0)))))"#;
        let module = module(&engine, text);
        let mut store = Store::new(&engine, None::<Rooted<AnyRef>>);
        let ty = module.imports().next().expect("imported").ty().func().expect("a function").clone();
        let f = Func::new(&mut store, ty, |mut caller: Caller<'_, Option<Rooted<AnyRef>>>, params, _| {
            *caller.data_mut() = params[0].unwrap_anyref().copied();
            Ok(())
        });
        let instance = Instance::new(&mut store, &module, &[f.into()]).expect("an instance");
        let [make, get, pass] = ["make", "get", "pass"].map(|f| instance.get_func(&mut store, f).expect("exported"));
        let mut held = Vec::new();
        for n in 0..50 {
            let mut made = [Val::null_any_ref()];
            make.call(&mut store, &[Val::I32(n)], &mut made).expect("no trap");
            held.push(made[0]);
        }
        store.gc(None).expect("room");
        for (n, value) in (0..).zip(&held) {
            let mut found = [Val::I32(-1)];
            get.call(&mut store, &[*value], &mut found).expect("no trap");
            assert_eq!(found[0].unwrap_i32(), n, "{name}");
        }
        pass.call(&mut store, &[Val::I32(7)], &mut []).expect("no trap");
        let gone = store.data().expect("given");
        let error = gone.is_struct(&store).expect_err("its scope has ended");
        assert!(error.to_string().contains("no longer held"), "{error}");
        get.call(&mut store, &[gone.into()], &mut [Val::I32(0)]).expect_err("its scope has ended");
    }
}

#[test]
fn uncaught_exceptions_hold_what_they_carry() {
    for (name, engine) in engines() {
        let text = r#"(module (type $box (struct (field (mut i32))))
            (import "" "again" (func $again))
            (tag $tag (export "tag") (param anyref))
            (func (export "throw") (param i32) (throw $tag (struct.new $box (local.get 0))))
            (func (export "get") (param anyref) (result i32)
                (struct.get $box 0 (ref.cast (ref $box) (local.get 0))))
            (func (export "catch") (result i32)
                (block $caught (result anyref)
                    (try_table (catch $tag $caught) (call $again))
                    (unreachable))
                (struct.get $box 0 (ref.cast (ref $box)))))"#;
        let module = module(&engine, text);
        let mut store = Store::new(&engine, None::<Func>);
        let again = Func::wrap(&mut store, |mut caller: Caller<'_, Option<Func>>| -> epsilon::Result<()> {
            let throw = caller.data().expect("set");
            let error = throw.call(&mut caller, &[Val::I32(33)], &mut []).expect_err("it throws");
            caller.gc(None).expect("room");
            Err(error)
        });
        let instance = Instance::new(&mut store, &module, &[again.into()]).expect("an instance");
        let throw = instance.get_func(&mut store, "throw").expect("exported");
        *store.data_mut() = Some(throw);
        let catch = instance.get_typed_func::<(), i32>(&mut store, "catch").expect("exported");
        assert_eq!(catch.call(&mut store, ()).expect("caught"), 33, "{name}");
        let error = throw.call(&mut store, &[Val::I32(44)], &mut []).expect_err("it throws");
        store.gc(None).expect("room");
        let exception = error.exception().expect("an exception").clone();
        let get = instance.get_func(&mut store, "get").expect("exported");
        let mut found = [Val::I32(0)];
        get.call(&mut store, exception.fields(), &mut found).expect("no trap");
        assert_eq!(found[0].unwrap_i32(), 44, "{name}");
    }
}

/// What the embedder does when it is told of a call may collect: arguments and results are found, whichever way they travel.
#[test]
fn a_collection_before_and_after_a_call_finds_what_is_passed() {
    let text = r#"(module
        (type $box (struct (field i32)))
        (import "" "typed" (func $typed (param anyref) (result anyref)))
        (import "" "dynamic" (func $dynamic (param anyref) (result anyref)))
        (import "" "raw" (func $raw (param anyref) (result anyref)))
        (func (export "new") (param $n i32) (result anyref) (struct.new $box (local.get $n)))
        (func (export "read") (param $b anyref) (result i32) (struct.get $box 0 (ref.cast (ref $box) (local.get $b))))
        (func (export "same") (param $b anyref) (result anyref)
            (drop (struct.new $box (i32.const 1)))
            (call $typed (call $dynamic (call $raw
                (struct.new $box (struct.get $box 0 (ref.cast (ref $box) (local.get $b)))))))))"#;
    for (name, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let through = |value: Option<Rooted<AnyRef>>| value;
        let ty = Func::wrap(&mut store, through).ty(&store);
        let typed = Func::wrap(&mut store, through);
        let dynamic = Func::new(&mut store, ty.clone(), |_, params, results| {
            results.clone_from_slice(params);
            Ok(())
        });
        // SAFETY: the result is the argument, which is of the same type (invariant 17).
        #[allow(unsafe_code)] // there is no safe function over such values
        let raw = unsafe { Func::new_unchecked(&mut store, ty, |_, _| Ok(())) };
        let imports = [typed.into(), dynamic.into(), raw.into()];
        let instance = Instance::new(&mut store, &module(&engine, text), &imports).expect("an instance");
        store.call_hook(|mut store, _| store.gc(None));
        let new = instance.get_typed_func::<i32, Option<Rooted<AnyRef>>>(&mut store, "new").expect("exported");
        let read = instance.get_typed_func::<Option<Rooted<AnyRef>>, i32>(&mut store, "read").expect("exported");
        let same = instance.get_func(&mut store, "same").expect("exported");
        for n in [7, 8, 9] {
            let object = new.call(&mut store, n).expect("no trap");
            let mut results = [Val::I32(0)];
            same.call(&mut store, &[Val::AnyRef(object)], &mut results).expect("no trap");
            for value in [object, results[0].any_ref().expect("the type").copied()] {
                assert_eq!(read.call(&mut store, value).expect("no trap"), n, "{name}");
            }
        }
    }
}

//! Objects of guests as embedders read, write and make them.

use crate::engines;
use crate::support::module;
use epsilon::{
    AnyRef, ArrayRef, ArrayRefPre, ArrayType, ExternRef, FieldType, Func, I31, Instance, Mutability, Rooted,
    StorageType, Store, StructRef, StructRefPre, StructType, Val, ValType,
};

const GUEST: &str = r#"(module
    (type $point (struct (field (mut i32)) (field (mut i8)) (field (mut f64)) (field (mut anyref)) (field (mut funcref))))
    (type $text (array (mut i8)))
    (func $f (export "f") (result i32) (i32.const 42))
    (func (export "point") (result anyref)
        (struct.new $point (i32.const 1) (i32.const -1) (f64.const 2.5) (ref.i31 (i32.const -7)) (ref.func $f)))
    (func (export "text") (result anyref) (array.new $text (i32.const 97) (i32.const 20)))
    (func (export "sum") (param anyref) (result i32) (local $p (ref null $point))
        (local.set $p (ref.cast (ref $point) (local.get 0)))
        (i32.add (struct.get $point 0 (local.get $p))
            (i32.add (struct.get_u $point 1 (local.get $p))
                (i31.get_s (ref.cast (ref i31) (struct.get $point 3 (local.get $p))))))))"#;

fn call(store: &mut Store<()>, instance: &Instance, name: &str, params: &[Val]) -> Val {
    let f: Func = instance.get_func(&mut *store, name).expect("exported");
    let mut results = [Val::null_any_ref()];
    f.call(store, params, &mut results).expect("no trap");
    results[0]
}

fn any(value: Val) -> Rooted<AnyRef> {
    *value.unwrap_anyref().expect("not null")
}

#[test]
fn structures_are_read_written_and_made() {
    for (name, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module(&engine, GUEST), &[]).expect("an instance");
        let point = any(call(&mut store, &instance, "point", &[]));
        let point = point.as_struct(&store).expect("held").expect("a structure");
        assert_eq!(point.field(&mut store, 0).expect("there").unwrap_i32(), 1, "{name}");
        assert_eq!(point.field(&mut store, 1).expect("there").unwrap_i32(), 255, "{name}");
        assert_eq!(point.field(&mut store, 2).expect("there").unwrap_f64().to_bits(), 2.5f64.to_bits(), "{name}");
        let i31 = any(point.field(&mut store, 3).expect("there")).as_i31(&store).expect("held");
        assert_eq!(i31.map(I31::get_i32), Some(-7), "{name}");
        let f = *point.field(&mut store, 4).expect("there").unwrap_funcref().expect("not null");
        let mut found = [Val::I32(0)];
        f.call(&mut store, &[], &mut found).expect("no trap");
        assert_eq!(found[0].unwrap_i32(), 42, "{name}");
        point.field(&mut store, 5).expect_err("there are five");
        point.set_field(&mut store, 0, Val::F32(0)).expect_err("of another type");
        point.set_field(&mut store, 0, Val::I32(30)).expect("mutable");
        point.set_field(&mut store, 1, Val::I32(0x102)).expect("mutable");
        store.gc(None).expect("room");
        assert_eq!(call(&mut store, &instance, "sum", &[point.to_anyref().into()]).unwrap_i32(), 25, "{name}");
        // An equal type that the host has made is the same one.
        let field = |storage: StorageType| FieldType::new(Mutability::Var, storage);
        let types = [ValType::I32.into(), StorageType::I8, ValType::F64.into(), ValType::ANYREF.into()];
        let fields = types.into_iter().chain([ValType::FUNCREF.into()]).map(field);
        let ty = StructType::with_finality_and_supertype(&engine, epsilon::Finality::Final, None, fields);
        let ty = ty.expect("a type");
        let number = AnyRef::from_i31(&mut store, I31::wrapping_i32(3));
        let values = [Val::I32(1), Val::I32(2), Val::F64(0), number.into(), Val::FuncRef(None)];
        let pre = StructRefPre::new(&mut store, ty);
        let made = StructRef::new(&mut store, &pre, &values).expect("room");
        store.gc(None).expect("room");
        assert_eq!(call(&mut store, &instance, "sum", &[made.to_anyref().into()]).unwrap_i32(), 6, "{name}");
        StructRef::new(&mut store, &pre, &values[1..]).expect_err("too few");
    }
}

#[test]
fn arrays_are_read_written_and_made() {
    for (name, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module(&engine, GUEST), &[]).expect("an instance");
        let text = any(call(&mut store, &instance, "text", &[])).as_array(&store).expect("held").expect("an array");
        assert_eq!(text.len(&store).expect("held"), 20, "{name}");
        text.copy_from_slice(&mut store, 3, b"hello").expect("inside");
        text.set(&mut store, 0, Val::I32(i32::from(b'!'))).expect("inside");
        store.gc(None).expect("room");
        let mut bytes = [0; 9];
        text.copy_to_slice(&store, 0, &mut bytes).expect("inside");
        assert_eq!(&bytes, b"!aahelloa", "{name}");
        assert_eq!(text.get(&mut store, 4).expect("inside").unwrap_i32(), i32::from(b'e'), "{name}");
        text.get(&mut store, 20).expect_err("outside");
        text.copy_to_slice(&store, 12, &mut bytes).expect_err("outside");
        let ty = ArrayType::new(&engine, FieldType::new(Mutability::Const, ValType::ANYREF.into()));
        let elements: Vec<Val> = (0..5000).map(|n| AnyRef::from_i31(&mut store, I31::wrapping_i32(n)).into()).collect();
        let pre = ArrayRefPre::new(&mut store, ty);
        let array = ArrayRef::new_fixed(&mut store, &pre, &elements).expect("room");
        store.gc(None).expect("room");
        let last = any(array.get(&mut store, 4999).expect("inside"));
        assert_eq!(last.as_i31(&store).expect("held").map(I31::get_i32), Some(4999), "{name}");
        array.set(&mut store, 0, elements[1]).expect_err("immutable");
        array.copy_to_slice(&store, 0, &mut bytes).expect_err("references have no bytes");
    }
}

#[test]
fn both_families_hold_the_same_references() {
    for (name, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module(&engine, GUEST), &[]).expect("an instance");
        let external = ExternRef::new(&mut store, String::from("of the host")).expect("room");
        let converted = AnyRef::convert_extern(&mut store, external).expect("held");
        store.gc(None).expect("room");
        assert!(!converted.is_eqref(&store).expect("held") && !converted.is_i31(&store).expect("held"), "{name}");
        let back = ExternRef::convert_any(&mut store, converted).expect("held");
        assert!(Rooted::ref_eq(&store, &external, &back).expect("held"), "{name}");
        let data = back.data(&store).expect("of this store").expect("of the host").downcast_ref::<String>();
        assert_eq!(data.map(String::as_str), Some("of the host"), "{name}");
        let point = any(call(&mut store, &instance, "point", &[]));
        let external = ExternRef::convert_any(&mut store, point).expect("held");
        assert!(external.data(&store).expect("held").is_none(), "{name}: an object of guests has no data");
        store.gc(None).expect("room");
        let again = AnyRef::convert_extern(&mut store, external).expect("held");
        assert!(Rooted::ref_eq(&store, &again, &point).expect("held"), "{name}");
    }
}

/// Code of a module without types of objects asks the runtime what an object is, and needs no heap of its own.
#[test]
fn objects_of_other_modules_are_known_where_no_type_is_declared() {
    const KNOWS: &str = r#"(module
        (func (export "kind") (param $any anyref) (result i32)
            (i32.add (ref.test (ref struct) (local.get $any))
                (i32.add (i32.shl (ref.test (ref array) (local.get $any)) (i32.const 1))
                    (i32.shl (ref.test (ref eq) (local.get $any)) (i32.const 2)))))
        (func (export "branches") (param $any anyref) (result i32)
            (block $array (result (ref array))
                (drop (br_on_cast $array anyref (ref array) (local.get $any)))
                (return (i32.const -1)))
            array.len)
        (func (export "length") (param $any anyref) (result i32) (array.len (ref.cast arrayref (local.get $any)))))"#;
    for (name, engine) in engines() {
        let mut store = Store::new(&engine, ());
        // The first instance, when there is no heap yet.
        let knows = Instance::new(&mut store, &module(&engine, KNOWS), &[]).expect("an instance");
        let ask = |store: &mut Store<()>, f: &str, value: Val| {
            let f = knows.get_func(&mut *store, f).expect("exported");
            let mut results = [Val::I32(0)];
            f.call(store, &[value], &mut results).map(|()| results[0].unwrap_i32())
        };
        let null = Val::null_any_ref();
        assert_eq!(ask(&mut store, "kind", null).expect("no trap"), 0, "{name}");
        let error = ask(&mut store, "length", null).expect_err("null");
        assert_eq!(error.downcast_ref::<epsilon::Trap>(), Some(&epsilon::Trap::NullArray), "{name}: {error:?}");
        let instance = Instance::new(&mut store, &module(&engine, GUEST), &[]).expect("an instance");
        let point = call(&mut store, &instance, "point", &[]);
        let text = call(&mut store, &instance, "text", &[]);
        for (value, kind, branches) in [(point, 5, -1), (text, 6, 20)] {
            assert_eq!(ask(&mut store, "kind", value).expect("no trap"), kind, "{name}");
            assert_eq!(ask(&mut store, "branches", value).expect("no trap"), branches, "{name}");
        }
        assert_eq!(ask(&mut store, "length", text).expect("no trap"), 20, "{name}");
        let error = ask(&mut store, "length", point).expect_err("a structure");
        assert_eq!(error.downcast_ref::<epsilon::Trap>(), Some(&epsilon::Trap::CastFailure), "{name}: {error:?}");
    }
}

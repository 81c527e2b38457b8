//! Null in modules that declare no type whose values lie on a heap: they have none, and so no page that null leads to.

use crate::engines;
use crate::support::module;
use epsilon::{Instance, Store, Trap};

/// None of these modules declares a type of references but that of a local or an operand.
const EXPRESSIONS: [(&str, Result<i32, Trap>); 10] = [
    ("(array.len (ref.null array))", Err(Trap::NullArray)),
    ("(local arrayref) (array.len (local.get 0))", Err(Trap::NullArray)),
    ("(array.len (ref.cast (ref null array) (ref.null any)))", Err(Trap::NullArray)),
    ("(array.len (ref.as_non_null (ref.null array)))", Err(Trap::NullReference)),
    ("(array.len (ref.cast (ref array) (any.convert_extern (ref.null extern))))", Err(Trap::CastFailure)),
    ("(array.len (ref.cast (ref array) (ref.i31 (i32.const 1))))", Err(Trap::CastFailure)),
    ("(ref.test (ref struct) (any.convert_extern (ref.null extern)))", Ok(0)),
    ("(ref.test (ref eq) (ref.i31 (i32.const 1)))", Ok(1)),
    ("(i31.get_s (ref.null i31))", Err(Trap::NullI31)),
    ("(ref.eq (ref.null eq) (ref.null i31))", Ok(1)),
];

#[test]
fn modules_without_heap_meet_null() {
    for (name, engine) in engines() {
        let mut store = Store::new(&engine, ());
        for (expression, expected) in &EXPRESSIONS {
            let text = format!(r#"(module (func (export "f") (result i32) {expression}))"#);
            let instance = Instance::new(&mut store, &module(&engine, &text), &[]).expect("an instance");
            let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
            let found = f.call(&mut store, ()).map_err(|error| error.downcast::<Trap>().expect("a trap"));
            assert_eq!(found, *expected, "{name}: {expression}");
        }
    }
}

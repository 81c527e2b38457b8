//! Rows of function tables between instances: whichever way a row is written, and from whichever table, who calls it
//! runs under the instance that the function is of.

use crate::support::{engines, module};
use epsilon::{Caller, Error, Instance, Linker, Ref, Store};

/// A function counts in a global and adds what lies in memory. `shared` is seen by others, `private` is not.
fn owner(write: &str) -> String {
    format!(
        r#"(module (type $t (func (result i64)))
            (memory 1) (data (i32.const 8) "\05\00\00\00\00\00\00\00")
            (global $count (mut i64) (i64.const 1000))
            (table $shared (export "shared") 4 8 funcref)
            (table $private 4 funcref)
            (elem (table $private) (i32.const 0) func $count_up $count_up)
            (elem (table $shared) (i32.const 3) func $count_up)
            (elem $segment func $count_up)
            (func $count_up (export "count_up") (type $t)
                (global.set $count (i64.add (global.get $count) (i64.const 1)))
                (i64.add (global.get $count) (i64.load (i32.const 8))))
            (func (export "write") {write})
            (func (export "call") (param i32) (result i64) (call_indirect $shared (type $t) (local.get 0))))"#
    )
}

/// Words, memory and table of the same shape, with other contents.
const OTHER: &str = r#"(module (type $t (func (result i64)))
    (import "owner" "shared" (table $shared 4 8 funcref))
    (memory 1) (data (i32.const 8) "\07\00\00\00\00\00\00\00")
    (global $count (export "count") (mut i64) (i64.const 2000))
    (table $private 4 funcref)
    (func (export "call") (param i32) (result i64) (call_indirect $shared (type $t) (local.get 0)))
    (func (export "call_a_copy") (param i32) (result i64)
        (table.copy $private $shared (i32.const 1) (local.get 0) (i32.const 1))
        (call_indirect $private (type $t) (i32.const 1)))
    (func (export "call_what_was_set") (param i32) (result i64)
        (table.set $private (i32.const 2) (table.get $shared (local.get 0)))
        (call_indirect $private (type $t) (i32.const 2)))
    (func (export "call_what_came_back") (param i32) (result i64)
        (table.copy $private $shared (i32.const 1) (local.get 0) (i32.const 1))
        (table.copy $shared $private (i32.const 0) (i32.const 1) (i32.const 1))
        (call_indirect $shared (type $t) (i32.const 0))))"#;

/// Ways to write, and the element that is written.
const WRITES: [(&str, i32); 10] = [
    ("nop", 3),
    ("(table.copy $shared $private (i32.const 2) (i32.const 0) (i32.const 1))", 2),
    ("(table.copy $shared $private (i32.const 1) (i32.const 0) (i32.const 2))", 2),
    ("(table.copy $shared $shared (i32.const 1) (i32.const 3) (i32.const 1))", 1),
    ("(table.init $shared $segment (i32.const 2) (i32.const 0) (i32.const 1))", 2),
    ("(table.set $shared (i32.const 2) (ref.func $count_up))", 2),
    ("(table.set $shared (i32.const 2) (table.get $private (i32.const 1)))", 2),
    ("(table.fill $shared (i32.const 1) (table.get $private (i32.const 1)) (i32.const 2))", 2),
    ("(drop (table.grow $shared (table.get $private (i32.const 0)) (i32.const 2)))", 5),
    (
        "(table.copy $private $shared (i32.const 2) (i32.const 3) (i32.const 1))
         (table.copy $shared $private (i32.const 1) (i32.const 2) (i32.const 1))",
        1,
    ),
];

#[test]
fn rows_bring_their_instance_along_however_they_were_written() {
    for (plan, engine) in engines() {
        for (write, element) in WRITES {
            let mut store = Store::new(&engine, ());
            let owner = Instance::new(&mut store, &module(&engine, &owner(write)), &[]).expect("an instance");
            let shared = owner.get_export(&mut store, "shared").expect("exported");
            let other = Instance::new(&mut store, &module(&engine, OTHER), &[shared]).expect("an instance");
            let write_it = owner.get_typed_func::<(), ()>(&mut store, "write").expect("exported");
            write_it.call(&mut store, ()).expect("no trap");
            let calls = [
                (owner, "call"),
                (other, "call"),
                (other, "call_a_copy"),
                (other, "call_what_was_set"),
                (other, "call_what_came_back"),
                (owner, "call"),
            ];
            for (n, (instance, name)) in calls.into_iter().enumerate() {
                let call = instance.get_typed_func::<i32, i64>(&mut store, name).expect("exported");
                let found = call.call(&mut store, element).expect("no trap");
                assert_eq!(found, 1006 + n as i64, "{plan}, {write}, {name}");
            }
            let count = other.get_global(&mut store, "count").expect("exported");
            assert_eq!(count.get(&mut store).i64(), Some(2000), "{plan}, {write}");
        }
    }
}

#[test]
fn a_table_may_be_imported_after_its_owner_has_called_through_it() {
    for (plan, engine) in engines() {
        for (write, element) in WRITES {
            let mut store = Store::new(&engine, ());
            let owner = Instance::new(&mut store, &module(&engine, &owner(write)), &[]).expect("an instance");
            let write_it = owner.get_typed_func::<(), ()>(&mut store, "write").expect("exported");
            write_it.call(&mut store, ()).expect("no trap");
            let own = owner.get_typed_func::<i32, i64>(&mut store, "call").expect("exported");
            assert_eq!(own.call(&mut store, element).expect("no trap"), 1006, "{plan}, {write}, before");
            let shared = owner.get_export(&mut store, "shared").expect("exported");
            let other = Instance::new(&mut store, &module(&engine, OTHER), &[shared]).expect("an instance");
            let call = other.get_typed_func::<i32, i64>(&mut store, "call").expect("exported");
            assert_eq!(call.call(&mut store, element).expect("no trap"), 1007, "{plan}, {write}, imported");
            assert_eq!(own.call(&mut store, element).expect("no trap"), 1008, "{plan}, {write}, still its own");
            // The rows that it begins with are written anew, and are for both as well.
            owner.reset(&mut store).expect("nothing runs");
            assert_eq!(call.call(&mut store, 3).expect("no trap"), 1006, "{plan}, {write}, after a reset");
            write_it.call(&mut store, ()).expect("no trap");
            assert_eq!(call.call(&mut store, element).expect("no trap"), 1007, "{plan}, {write}, written anew");
        }
    }
}

/// The owner calls a host function that makes the importer, which calls through the table in turn.
#[test]
fn a_table_may_be_imported_while_its_owner_calls_through_it() {
    for (plan, engine) in engines() {
        let text = owner("(call $import) (drop (call_indirect $shared (type $t) (i32.const 3)))").replacen(
            "(memory 1)",
            r#"(import "host" "import" (func $import)) (memory 1)"#,
            1,
        );
        let importer = module(&engine, OTHER);
        let mut linker = Linker::new(&engine);
        linker
            .func_wrap("host", "import", move |mut caller: Caller<'_, ()>| -> Result<(), Error> {
                let shared = caller.get_export("shared").expect("exported");
                let other = Instance::new(&mut caller, &importer, &[shared])?;
                let call = other.get_typed_func::<i32, i64>(&mut caller, "call")?;
                assert_eq!(call.call(&mut caller, 3)?, 1006);
                Ok(())
            })
            .expect("a name");
        let mut store = Store::new(&engine, ());
        let owner = linker.instantiate(&mut store, &module(&engine, &text)).expect("an instance");
        let write_it = owner.get_typed_func::<(), ()>(&mut store, "write").expect("exported");
        write_it.call(&mut store, ()).expect("no trap");
        let own = owner.get_typed_func::<i32, i64>(&mut store, "call").expect("exported");
        assert_eq!(own.call(&mut store, 3).expect("no trap"), 1008, "{plan}");
    }
}

#[test]
fn rows_that_the_host_writes_do_too() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let owner = Instance::new(&mut store, &module(&engine, &owner("nop")), &[]).expect("an instance");
        let shared = owner.get_table(&mut store, "shared").expect("exported");
        let other = Instance::new(&mut store, &module(&engine, OTHER), &[shared.into()]).expect("an instance");
        let count_up = owner.get_func(&mut store, "count_up").expect("exported");
        shared.set(&mut store, 1, Ref::Func(Some(count_up))).expect("inside");
        shared.grow(&mut store, 1, Ref::Func(Some(count_up))).expect("room");
        for (n, (element, name)) in
            [(1, "call"), (4, "call"), (1, "call_a_copy"), (4, "call_a_copy")].iter().enumerate()
        {
            let call = other.get_typed_func::<i32, i64>(&mut store, name).expect("exported");
            assert_eq!(call.call(&mut store, *element).expect("no trap"), 1006 + n as i64, "{plan}, {name}");
        }
    }
}

//! Rows of function tables between instances: whichever way a row is written, and from whichever table, a call of it
//! runs under the instance that the function belongs to.

use crate::support::{engines, engines_with, module};
use epsilon::{Caller, Error, Instance, Linker, Ref, Store, Tier, Trap};

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

/// More functions than machine code finds references of without the runtime's help.
const MANY: usize = 1_300;

#[test]
fn table_get_gives_the_reference_of_each_function_however_many_there_are() {
    let functions: String = (0..MANY).map(|n| format!("(func $f{n} (type $t) (i32.const {}))", n * 3)).collect();
    let names: String = (0..MANY).map(|n| format!("$f{n} ")).collect();
    let text = format!(
        r#"(module (type $t (func (result i32))) (table $t {} (ref null $t)) (elem (table $t) (i32.const 1) (ref null $t)
            {}) {functions}
            (func (export "call") (param i32) (result i32) (call_ref $t (table.get $t (local.get 0))))
            (func (export "is_null") (param i32) (result i32) (ref.is_null (table.get $t (local.get 0))))
            (func (export "is_same") (param i32 i32) (result i32)
                (table.set $t (local.get 0) (table.get $t (local.get 1)))
                (call_ref $t (table.get $t (local.get 0)))))"#,
        MANY + 2,
        names.split_whitespace().map(|name| format!("(ref.func {name})")).collect::<String>()
    );
    for (plan, engine) in
        [Tier::Optimised, Tier::Quick].into_iter().flat_map(|tier| engines_with(move |config| config.tier(tier)))
    {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module(&engine, &text), &[]).expect("an instance");
        let call = instance.get_typed_func::<i32, i32>(&mut store, "call").expect("exported");
        let is_null = instance.get_typed_func::<i32, i32>(&mut store, "is_null").expect("exported");
        // Forwards and backwards, so that each takes the place of another.
        for n in (0..MANY).chain((0..MANY).rev()).chain([5, 517, 5, 517, 1029]) {
            let place = n as i32 + 1;
            assert_eq!(call.call(&mut store, place).expect("no trap"), n as i32 * 3, "{plan}: {n}");
            assert_eq!(is_null.call(&mut store, place).expect("no trap"), 0, "{plan}: {n}");
            assert_eq!(is_null.call(&mut store, 0).expect("no trap"), 1, "{plan}: {n}");
        }
        let error = is_null.call(&mut store, MANY as i32 + 2).expect_err("out of bounds");
        assert_eq!(error.trap(), Some(Trap::TableOutOfBounds), "{plan}");
        assert!(call.call(&mut store, 0).expect_err("null").trap().is_some(), "{plan}");
        let copy = instance.get_typed_func::<(i32, i32), i32>(&mut store, "is_same").expect("exported");
        assert_eq!(copy.call(&mut store, (0, 700)).expect("no trap"), 699 * 3, "{plan}");
    }
}

#[test]
fn table_get_knows_nothing_of_instances_that_were_not_made() {
    // The start function makes references and fails: the next instance takes the numbers of its functions.
    let text = |result: i32, start: &str| {
        format!(
            r#"(module (type $t (func (result i32))) (table $from 1 funcref) (table $to 1 funcref)
                (elem (table $from) (i32.const 0) func $f)
                (func $f (type $t) (i32.const {result}))
                (func $call (export "call") (result i32)
                    (table.set $to (i32.const 0) (table.get $from (i32.const 0)))
                    (call_indirect $to (type $t) (i32.const 0)))
                (func $start (drop (call $call)) {start})
                (start $start))"#
        )
    };
    for (plan, engine) in
        [Tier::Optimised, Tier::Quick].into_iter().flat_map(|tier| engines_with(move |config| config.tier(tier)))
    {
        let mut store = Store::new(&engine, ());
        for n in 0..20 {
            let failing = module(&engine, &text(n, "unreachable"));
            Instance::new(&mut store, &failing, &[]).expect_err("its start function traps");
            let whole = module(&engine, &text(100 + n, ""));
            let instance = Instance::new(&mut store, &whole, &[]).expect("an instance");
            let call = instance.get_typed_func::<(), i32>(&mut store, "call").expect("exported");
            assert_eq!(call.call(&mut store, ()).expect("no trap"), 100 + n, "{plan}");
        }
    }
}

//! `wasi_unstable`, the older interface: the records and numbers in which it differs, and that the rest is the same.

use epsilon::{Module, Store};
use epsilon_wasi::Captured;

use crate::world::World;
use crate::{engine, linker};

/// Every function returns what its case must find, or traps.
const TEXT: &str = r#"(module
  (import "wasi_unstable" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "path_filestat_get" (func $path_filestat (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_filestat_get" (func $filestat (param i32 i32) (result i32)))
  (import "wasi_unstable" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_tell" (func $tell (param i32 i32) (result i32)))
  (import "wasi_unstable" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
  (import "wasi_unstable" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0x100) "digits")
  (data (i32.const 0x400) "\00\05\00\00\05\00\00\00")
  (data (i32.const 0x500) "bytes")
  (func $must (param i32) (if (local.get 0) (then (unreachable))))
  (func $digits (result i32)
    (call $must (call $path_open (i32.const 3) (i32.const 0) (i32.const 0x100) (i32.const 6) (i32.const 0)
      (i64.const 0x46) (i64.const 0) (i32.const 0) (i32.const 0x800)))
    (i32.load (i32.const 0x800)))
  (func (export "filestat_size_at_24") (result i32)
    (call $must (call $filestat (call $digits) (i32.const 0xa00))) (i32.load (i32.const 0xa18)))
  (func (export "filestat_nlink_at_20") (result i32)
    (call $must (call $filestat (call $digits) (i32.const 0xa00))) (i32.load (i32.const 0xa14)))
  (func (export "filestat_has_56_bytes") (result i32)
    (i32.store (i32.const 0xa38) (i32.const 7))
    (call $must (call $filestat (call $digits) (i32.const 0xa00))) (i32.load (i32.const 0xa38)))
  (func (export "path_filestat_size_at_24") (result i32)
    (call $must (call $path_filestat (i32.const 3) (i32.const 0) (i32.const 0x100) (i32.const 6) (i32.const 0xa00)))
    (i32.load (i32.const 0xa18)))
  (func $sought (param $offset i64) (param $whence i32) (result i32) (local $fd i32)
    (local.set $fd (call $digits))
    (call $must (call $seek (local.get $fd) (i64.const 4) (i32.const 2) (i32.const 0x800)))
    (call $must (call $seek (local.get $fd) (local.get $offset) (local.get $whence) (i32.const 0x800)))
    (call $must (call $tell (local.get $fd) (i32.const 0x808)))
    (i32.load (i32.const 0x808)))
  (func (export "whence_0_is_here") (result i32) (call $sought (i64.const 1) (i32.const 0)))
  (func (export "whence_1_is_the_end") (result i32) (call $sought (i64.const -3) (i32.const 1)))
  (func (export "whence_2_is_the_start") (result i32) (call $sought (i64.const 2) (i32.const 2)))
  (func (export "whence_3_is_nothing") (result i32)
    (call $seek (call $digits) (i64.const 0) (i32.const 3) (i32.const 0x800)))
  ;; Subscriptions of 56 bytes: two clocks that have passed, the second with its flags at 48.
  (func (export "subscriptions_have_56_bytes") (result i32)
    (i32.store (i32.const 0x1018) (i32.const 1))
    (i64.store (i32.const 0x1038) (i64.const 9))
    (i64.store (i32.const 0x1058) (i64.const 1))
    (i32.store16 (i32.const 0x1068) (i32.const 1))
    (call $must (call $poll (i32.const 0x1000) (i32.const 0x2000) (i32.const 2) (i32.const 0x800)))
    (i32.add (i32.mul (i32.load (i32.const 0x800)) (i32.const 10)) (i32.load (i32.const 0x2020))))
  (func (export "the_rest_is_the_same") (result i32)
    (call $write (call $digits) (i32.const 0x400) (i32.const 1) (i32.const 0x800)))
  (func (export "names_are_removed") (result i32)
    (call $unlink (i32.const 3) (i32.const 0x100) (i32.const 6)))
  (func (export "numbers_are_moved") (result i32) (call $renumber (call $digits) (i32.const 99))))"#;

/// Name, result, and what the host must see afterwards. The passages are those of `wasi_unstable.witx`.
const CASES: [(&str, i32, &str); 12] = [
    // filestat: "st_nlink (field $linkcount u32)", hence 20, 24 and 56.
    ("filestat_size_at_24", 10, ""),
    ("filestat_nlink_at_20", 1, ""),
    ("filestat_has_56_bytes", 7, ""),
    ("path_filestat_size_at_24", 10, ""),
    // whence: cur, end, set.
    ("whence_0_is_here", 5, ""),
    ("whence_1_is_the_end", 7, ""),
    ("whence_2_is_the_start", 2, ""),
    ("whence_3_is_nothing", 28, ""),
    // subscription_clock begins with an identifier of 8 bytes.
    ("subscriptions_have_56_bytes", 29, ""),
    ("the_rest_is_the_same", 0, "host file digits bytes56789"),
    ("names_are_removed", 0, "host none digits"),
    ("numbers_are_moved", 8, ""),
];

#[test]
fn cases_of_the_older_interface() {
    let engine = engine();
    let (module, linker) = (Module::new(&engine, TEXT).expect("a module"), linker(&engine));
    for (name, expected, host) in CASES {
        let (world, output) = (World::new(), Captured::new());
        let mut store = Store::new(&engine, world.context(&["unstable"], &output, &output));
        let instance = linker.instantiate(&mut store, &module).expect("an instance");
        let case = instance.get_typed_func::<(), i32>(&mut store, name).expect("a case");
        assert_eq!(case.call(&mut store, ()).ok(), Some(expected), "{name}");
        assert_eq!(world.complaints(host), Vec::<String>::new(), "{name}");
    }
}

/// The older interface has no `sock_accept`.
#[test]
fn accept_is_newer() {
    let engine = engine();
    let text = r#"(module (import "wasi_unstable" "sock_accept" (func (param i32 i32 i32) (result i32))))"#;
    let module = Module::new(&engine, text).expect("a module");
    let (world, output) = (World::new(), Captured::new());
    let mut store = Store::new(&engine, world.context(&[], &output, &output));
    assert!(linker(&engine).instantiate(&mut store, &module).is_err());
}

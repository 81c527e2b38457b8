//! `-W`: how much a guest may take.

use crate::command::epsilon;

#[test]
fn memory_grows_up_to_the_limit() {
    epsilon("-W max-memory-size=192K --invoke grow library.wat 2").exits(0).prints("1\n");
    epsilon("-W max-memory-size=191K --invoke grow library.wat 2").exits(0).prints("-1\n");
    epsilon("-W max-memory-size=191K,trap-on-grow-failure --invoke grow library.wat 2").exits(134).says(&[
        "a memory cannot grow to 196608",
        "`max-memory-size` is 195584",
        "wasm backtrace",
    ]);
}

#[test]
fn a_module_that_begins_beyond_a_limit_is_refused() {
    epsilon("-W max-memory-size=1000 hello.wat").exits(1).says(&["cannot instantiate `hello.wat`", "memory 1", "-W"]);
    epsilon("-W max-table-elements=1 --unknown-imports-trap --preload env=everything.wat hello.wat").exits(1);
}

#[test]
fn the_stack_is_as_large_as_told() {
    epsilon("-W max-wasm-stack=1M --invoke depth library.wat 1000").exits(0).prints("1000\n");
    epsilon("-W max-wasm-stack=64K --invoke depth library.wat 100000").exits(134).says(&[
        "call stack exhausted",
        "more frames",
        "-W max-wasm-stack=64M",
    ]);
    epsilon("-W max-wasm-stack=64M --invoke depth library.wat 1000000").exits(0).prints("1000000\n");
}

//! Signals that are not ours reach the handler that was there before: in children, because they end the process.
#![allow(unsafe_code)] // a handler of an embedder's cannot be installed without

use crate::support::{child_task, module, run_child};
use epsilon::{Instance, Store, Trap, TypedFunc};

/// What the child's own handler ends it with.
const REACHED: i32 = 42;

fn trapping() -> (Store<()>, TypedFunc<(), ()>) {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let module = module(&engine, r#"(module (memory 1) (func (export "f") (drop (i32.load (i32.const -1)))))"#);
    let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").expect("exported");
    (store, f)
}

fn trap(store: &mut Store<()>, f: TypedFunc<(), ()>) {
    assert_eq!(f.call(store, ()).expect_err("a trap").trap(), Some(Trap::MemoryOutOfBounds));
}

extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid `siginfo_t`; `_exit` may be called in a handler.
    unsafe {
        let expected = signal == libc::SIGSEGV && ((*info).si_addr() as usize == FORBIDDEN || (*info).si_code <= 0);
        libc::_exit(if expected { REACHED } else { 43 })
    }
}

/// An address that nothing is ever mapped at.
const FORBIDDEN: usize = 16;

fn install_handler() {
    // SAFETY: the action is a valid one, and its handler calls nothing but `_exit`.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut()), 0);
    }
}

fn fault() -> u8 {
    // SAFETY: none. The fault is the point; this process ends by it.
    unsafe { std::ptr::without_provenance::<u8>(FORBIDDEN).read_volatile() }
}

fn recurse(n: u64) -> u64 {
    if std::hint::black_box(n) == 0 { 0 } else { 1 + std::hint::black_box(recurse(n + 1)) }
}

fn be_child(task: &str) {
    if task.starts_with("handler") {
        install_handler();
    }
    let (mut store, f) = trapping();
    trap(&mut store, f);
    match task {
        "handler, host fault" | "host fault" => _ = fault(),
        "handler, fault in a host function" => {
            let engine = crate::support::engine();
            let mut store = Store::new(&engine, ());
            let host = epsilon::Func::wrap(&mut store, || i32::from(fault()));
            let module = module(
                &engine,
                r#"(module (import "" "" (func $h (result i32))) (func (export "f") (drop (call $h))))"#,
            );
            let instance = Instance::new(&mut store, &module, &[host.into()]).expect("an instance");
            let f = instance.get_typed_func::<(), ()>(&mut store, "f").expect("exported");
            drop(f.call(&mut store, ()));
        }
        "handler, sent by a process" => {
            // SAFETY: sends a signal to this process.
            unsafe { libc::raise(libc::SIGSEGV) };
        }
        "overflow of the host's stack" => drop(
            std::thread::spawn(|| {
                let (mut store, f) = trapping();
                trap(&mut store, f);
                recurse(1)
            })
            .join(),
        ),
        _ => unreachable!("no such task: {task}"),
    }
    trap(&mut store, f);
    println!("survived");
}

fn run(task: &str) -> std::process::Output {
    run_child("signals::faults_outside_of_wasm_reach_the_previous_handler", task)
}

#[test]
fn faults_outside_of_wasm_reach_the_previous_handler() {
    use std::os::unix::process::ExitStatusExt;
    if let Some(task) = child_task() {
        return be_child(&task);
    }
    for task in ["handler, host fault", "handler, fault in a host function", "handler, sent by a process"] {
        let output = run(task);
        assert_eq!(output.status.code(), Some(REACHED), "{task}: {output:?}");
    }
    let output = run("host fault");
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
    // Rust's own handler knows its guard pages: the message is its own.
    let output = run("overflow of the host's stack");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("has overflowed its stack"), "{output:?}");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
}

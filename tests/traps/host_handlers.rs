//! Signals of the host around guests: handlers that run on a guest's stack, because they were installed without
//! `SA_ONSTACK`, and threads that have the signals blocked which guests need. In children, as handlers and masks are.
#![allow(unsafe_code)] // handlers and masks cannot be set without

use crate::support::{child_task, module, pass_in_child, run_child};
use epsilon::{Engine, Instance, Store, Trap, TypedFunc};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::hint::black_box;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::sync::atomic::{AtomicUsize, Ordering};

static HANDLED: AtomicUsize = AtomicUsize::new(0);

/// Uses so much of the stack that it runs on.
fn use_stack<const BYTES: usize>() {
    let mut used = black_box([0u8; BYTES]);
    used.iter_mut().step_by(512).for_each(|byte| *byte = byte.wrapping_add(1));
    black_box(&mut used);
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn small(_: i32) {
    use_stack::<64>();
}

/// More than the guest's stack has room for near its end, and less than what there is behind that. Code that is not
/// optimised keeps up to three copies.
extern "C" fn large(_: i32) {
    use_stack::<{ 12 << 10 }>();
}

extern "C" fn huge(_: i32) {
    use_stack::<{ 400 << 10 }>();
}

/// Installs a handler without SA_ONSTACK.
fn install(signal: i32, handler: extern "C" fn(i32)) {
    // SAFETY: the action is a valid one; the handlers touch their own frame and an atomic.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

fn flags_of(signal: i32) -> i32 {
    // SAFETY: it is asked for the present action alone.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        assert_eq!(libc::sigaction(signal, std::ptr::null(), &mut action), 0);
        action.sa_flags
    }
}

/// Sends this thread a signal all the time, as long as the process lives.
fn start_signals() {
    // SAFETY: it names this thread.
    let this = unsafe { libc::pthread_self() };
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(std::time::Duration::from_micros(50));
            // SAFETY: the thread runs guests until the process ends.
            unsafe { libc::pthread_kill(this, libc::SIGALRM) };
        }
    });
}

type Recursive = TypedFunc<i32, i32>;

fn recursive(engine: &Engine) -> (Store<()>, Recursive) {
    let text = r#"(module (func $f (export "f") (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add (call $f (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
            (else (i32.const 0)))))"#;
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module(engine, text), &[]).expect("an instance");
    let f = instance.get_typed_func::<i32, i32>(&mut store, "f").expect("exported");
    (store, f)
}

/// Recurses without end, and down to somewhere, until the handler has run so often.
fn recurse(store: &mut Store<()>, f: Recursive, times: usize) {
    let before = HANDLED.load(Ordering::Relaxed);
    let mut round = 0;
    while HANDLED.load(Ordering::Relaxed) < before + times {
        let error = f.call(&mut *store, -1).expect_err("endless recursion");
        assert_eq!(error.trap(), Some(Trap::StackOverflow), "{error}");
        assert!(error.backtrace().is_some_and(|backtrace| backtrace.omitted() > 1_000), "{error:?}");
        round += 1;
        // Far from it.
        assert_eq!(f.call(&mut *store, round % 100).expect("no trap"), round % 100);
    }
}

fn handlers(task: &str) {
    // Little stack, so that many signals find the guest near its end.
    let mut config = crate::support::config();
    config.max_wasm_stack(128 << 10);
    let engine = Engine::new(&config).expect("an engine");
    let handler = match task {
        "before the first guest" | "small" => small,
        "large" => large,
        _ => huge,
    };
    if task == "before the first guest" {
        install(libc::SIGALRM, handler);
    }
    let (mut store, f) = recursive(&engine);
    assert!(f.call(&mut store, -1).is_err());
    if task == "before the first guest" {
        assert_ne!(flags_of(libc::SIGALRM) & libc::SA_ONSTACK, 0, "the host's handler has a stack of its own now");
        assert_ne!(flags_of(libc::SIGALRM) & libc::SA_RESTART, 0, "its other flags are what they were");
    } else {
        install(libc::SIGALRM, handler);
    }
    start_signals();
    recurse(&mut store, f, 2_000);
    // With the thread still there that gets the signals.
    println!("\ntest result: ok. 1 passed");
    std::process::exit(0);
}

#[test]
fn handlers_without_a_stack_of_their_own() {
    const NAME: &str = "host_handlers::handlers_without_a_stack_of_their_own";
    if let Some(task) = child_task() {
        return handlers(&task);
    }
    for task in ["before the first guest", "small", "large"] {
        pass_in_child(NAME, task);
    }
    // One that needs more than anybody can give it ends the process, as it would on any other stack, but is named.
    let output = run_child(NAME, "huge");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.signal().is_some(), "{output:?}");
    assert!(stderr.contains("install it with SA_ONSTACK") && !stderr.contains("bug"), "{stderr}");
}

const NEEDED: [i32; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGURG];

fn block_signals() {
    // SAFETY: the set is made before it is used; blocking signals touches no memory.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut set);
        assert_eq!(libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut()), 0);
    }
}

fn is_blocked(signal: i32) -> bool {
    // SAFETY: the present mask is asked for.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut set), 0);
        libc::sigismember(&set, signal) == 1
    }
}

/// Traps by each kind of fault, and an interruption.
fn trap_in_all_ways() {
    let engine = crate::support::engine();
    let text = r#"(module (memory 1)
        (func (export "memory") (drop (i32.load (i32.const -1))))
        (func (export "unreachable") (unreachable))
        (func (export "div") (drop (i32.div_s (i32.const 1) (i32.load (i32.const 0)))))
        (func $deep (export "deep") (call $deep) (i32.store (i32.const 0) (i32.const 0)))
        (func (export "endless") (loop (br 0))))"#;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
    let handle = store.interrupt_handle();
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        handle.interrupt();
    });
    let ends = [
        ("memory", Trap::MemoryOutOfBounds),
        ("unreachable", Trap::UnreachableCodeReached),
        ("div", Trap::IntegerDivisionByZero),
        ("deep", Trap::StackOverflow),
        ("endless", Trap::Interrupt),
    ];
    for (name, expected) in ends {
        let f = instance.get_typed_func::<(), ()>(&mut store, name).expect("exported");
        assert_eq!(f.call(&mut store, ()).expect_err("a trap").trap(), Some(expected), "{name}");
    }
}

#[test]
fn signals_that_guests_need_may_be_blocked_at_first() {
    const NAME: &str = "host_handlers::signals_that_guests_need_may_be_blocked_at_first";
    match child_task().as_deref() {
        None => {
            pass_in_child(NAME, "by the thread");
            let mut child = std::process::Command::new(std::env::current_exe().expect("the path of this binary"));
            child.args(["--exact", NAME, "--nocapture"]).env(crate::support::CHILD, "by the parent");
            // SAFETY: the function makes two calls that may be made between `fork` and `exec`.
            unsafe {
                child.pre_exec(|| {
                    block_signals();
                    Ok(())
                })
            };
            let output = child.output().expect("a child");
            assert!(output.status.success(), "{output:?}");
        }
        Some(task) => {
            if task == "by the thread" {
                block_signals();
            }
            assert!(NEEDED.iter().all(|signal| is_blocked(*signal)));
            trap_in_all_ways();
            assert!(!NEEDED.iter().any(|signal| is_blocked(*signal)));
            assert!(is_blocked(libc::SIGTERM) && is_blocked(libc::SIGALRM), "others stay as they were");
        }
    }
}

/// Makes a system call of this thread fail from now on, if its second argument is this one; whether that can be.
fn refuse(number: i64, second: Option<u64>) -> bool {
    let condition = |value| SeccompCondition::new(1, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value);
    let rule = second.map(|value| SeccompRule::new(vec![condition(value).expect("a condition")]).expect("a rule"));
    let rules = [(number, rule.into_iter().collect())].into_iter().collect();
    let arch = std::env::consts::ARCH.try_into().expect("an architecture of seccomp");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOMEM as u32), arch);
    let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
    seccompiler::apply_filter(&program).is_ok()
}

/// A thread that gets no signal stack: an error of its call. The store goes on to be used elsewhere.
#[test]
fn a_signal_stack_that_is_refused_is_an_error() {
    let engine = crate::support::engine();
    let (mut store, f) = recursive(&engine);
    let stack_and_guard_bytes = (64 << 10) + 4096;
    let refusals = [
        (libc::SYS_sigaltstack, None),
        (libc::SYS_mmap, Some(stack_and_guard_bytes)),
        (libc::SYS_rt_sigprocmask, None),
    ];
    for (number, second) in refusals {
        std::thread::scope(|scope| {
            let store = &mut store;
            scope.spawn(move || {
                if !refuse(number, second) {
                    return println!("skipped: no system call can be made to fail");
                }
                for _ in 0..3 {
                    let error = f.call(&mut *store, 1).expect_err("no signal stack");
                    assert!(matches!(error.kind(), epsilon::ErrorKind::System { .. }), "{number}: {error:?}");
                    assert!(error.to_string().contains("signal stack"), "{number}: {error:?}");
                }
            });
        });
        assert_eq!(f.call(&mut store, 7).expect("no trap"), 7);
        assert!(f.call(&mut store, -1).is_err());
    }
}

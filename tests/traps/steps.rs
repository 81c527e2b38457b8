//! An interruption at every single instruction between the host and a guest: the processor's trap flag stops the thread
//! behind each, and one of them is where the signal arrives. None may be lost.
#![cfg(target_arch = "x86_64")]
#![allow(unsafe_code)] // single steps are made of signals and flags

use crate::support::{child_task, module, pass_in_child};
use epsilon::{Engine, Error, InterruptHandle, Linker, Store, Trap, TypedFunc};
use std::arch::asm;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// More steps than a call takes until its guest spins.
const MOST_STEPS: usize = 1 << 17;
/// So many steps in a row inside of compiled code are the guest's last loop.
const SPINNING_STEPS: usize = 60;
/// How far from compiled code the fixed code around it reaches, in steps.
const NEAR_STEPS: usize = 24;
const TRAP_FLAG: i64 = 1 << 8;
/// More than fixed code uses of the stack that compiled code runs on.
const FRAME_BYTES: usize = 4 << 10;
/// Processor time of one run.
const TIME_LIMIT_S: i64 = 5;

static HANDLE: OnceLock<InterruptHandle> = OnceLock::new();
static TEXT: (AtomicUsize, AtomicUsize) = (AtomicUsize::new(0), AtomicUsize::new(0));
static STEPS: AtomicUsize = AtomicUsize::new(0);
static STEPS_IN_TEXT: AtomicUsize = AtomicUsize::new(0);
/// The step at which the interruption comes.
static COMES_AT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Where the stack pointer was in compiled code: the lowest and the highest place.
static STACK: (AtomicUsize, AtomicUsize) = (AtomicUsize::new(usize::MAX), AtomicUsize::new(0));
/// Which steps were on the stack that compiled code runs on.
static ON_STACK: [AtomicBool; MOST_STEPS] = [const { AtomicBool::new(false) }; MOST_STEPS];
/// Which steps were in compiled code.
static IN_TEXT: [AtomicBool; MOST_STEPS] = [const { AtomicBool::new(false) }; MOST_STEPS];

extern "C" fn on_step(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let step = STEPS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the kernel passes the registers of the stopped thread, which nobody else looks at.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let pc = registers[libc::REG_RIP as usize] as usize;
    let in_text = (TEXT.0.load(Ordering::Relaxed)..TEXT.1.load(Ordering::Relaxed)).contains(&pc);
    let run = if in_text { STEPS_IN_TEXT.load(Ordering::Relaxed) + 1 } else { 0 };
    STEPS_IN_TEXT.store(run, Ordering::Relaxed);
    IN_TEXT[step.min(MOST_STEPS - 1)].store(in_text, Ordering::Relaxed);
    let sp = registers[libc::REG_RSP as usize] as usize;
    if in_text {
        STACK.0.fetch_min(sp, Ordering::Relaxed);
        STACK.1.fetch_max(sp, Ordering::Relaxed);
    }
    let (low, high) = (STACK.0.load(Ordering::Relaxed), STACK.1.load(Ordering::Relaxed));
    let on_stack = (low.saturating_sub(FRAME_BYTES)..high.saturating_add(1)).contains(&sp);
    ON_STACK[step.min(MOST_STEPS - 1)].store(on_stack, Ordering::Relaxed);
    if step == COMES_AT.load(Ordering::Relaxed) || run == SPINNING_STEPS || step == MOST_STEPS {
        registers[libc::REG_EFL as usize] &= !TRAP_FLAG;
        // Blocked in this handler: the signal arrives where the thread goes on, at the instruction that comes next.
        HANDLE.get().expect("set before the first step").interrupt();
    }
}

fn install() {
    // SAFETY: the action is a valid one; the handler touches atomics, the registers, and the interrupt handle.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = on_step as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaddset(&mut action.sa_mask, libc::SIGURG);
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut()), 0);
    }
}

/// Where the one module's code lies.
fn text_range() -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the mappings");
    let range = |line: &str| {
        let (start, rest) = line.split_once('-').expect("a range");
        let end = rest.split(' ').next().expect("its end");
        let address = |text| usize::from_str_radix(text, 16).expect("an address");
        (address(start), address(end))
    };
    // Thunks are shared pages as well, a mebibyte of them at a time.
    let mut shared = maps.lines().filter(|line| line.contains(" r-xs ")).map(range);
    shared.find(|(start, end)| end - start != 1 << 20).expect("code is mapped")
}

/// Behind the last step between host and guest of each kind, nothing looks at the pending flag again.
const GUEST: &str = r#"(module (import "" "h" (func $h (param i64) (result i64))) (memory 1)
    (func (export "enter") (param i32) (loop (br_if 0 (local.get 0))))
    (func (export "host") (param i32) (drop (call $h (i64.const 5))) (loop (br_if 0 (local.get 0))))
    (func (export "libcall") (param i32) (drop (memory.grow (i32.const 0))) (loop (br_if 0 (local.get 0)))))"#;

/// Without workers: the ticks of a timer, which they want, would make steps differ from call to call.
fn engine() -> Engine {
    Engine::new(crate::support::config().workers(0)).expect("an engine")
}

/// A guest that is not interrupted would spin for ever: then the process ends.
fn limit_time() {
    let limit = libc::timeval { tv_sec: TIME_LIMIT_S, tv_usec: 0 };
    let timer = libc::itimerval { it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 }, it_value: limit };
    // SAFETY: the timer is a valid one.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_PROF, &timer, std::ptr::null_mut()) }, 0);
}

/// Calls a function, stopped behind each step, and interrupts it behind one of them, or when it spins; returns the number
/// of steps.
fn run(f: &TypedFunc<i32, ()>, store: &mut Store<()>, comes_at: usize) -> usize {
    STEPS.store(0, Ordering::Relaxed);
    STEPS_IN_TEXT.store(0, Ordering::Relaxed);
    COMES_AT.store(comes_at, Ordering::Relaxed);
    limit_time();
    // SAFETY: from here on every instruction is followed by the handler above, until that takes the flag back.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
    let ended = f.call(store, 1);
    assert_eq!(ended.expect_err("interrupted").trap(), Some(Trap::Interrupt), "at step {comes_at}");
    STEPS.load(Ordering::Relaxed)
}

#[test]
fn an_interruption_at_any_instruction_ends_the_guest() {
    if child_task().is_none() {
        return pass_in_child("steps::an_interruption_at_any_instruction_ends_the_guest", "run");
    }
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("", "h", |n: i64| n + 1).expect("a new name");
    let instance = linker.instantiate(&mut store, &module(&engine, GUEST)).expect("an instance");
    let functions = ["enter", "host", "libcall"].map(|name| {
        let f = instance.get_typed_func::<i32, ()>(&mut store, name).expect("exported");
        f.call(&mut store, 0).expect("no trap");
        (name, f)
    });
    let (start, end) = text_range();
    TEXT.0.store(start, Ordering::Relaxed);
    TEXT.1.store(end, Ordering::Relaxed);
    HANDLE.set(store.interrupt_handle()).expect("set once");
    install();
    for (name, f) in &functions {
        // Twice: what is done once only is done in the first run.
        run(f, &mut store, usize::MAX);
        let steps = run(f, &mut store, usize::MAX);
        let in_text: Vec<bool> = IN_TEXT[..steps].iter().map(|flag| flag.load(Ordering::Relaxed)).collect();
        let is_near = |step: usize| {
            in_text[step.saturating_sub(NEAR_STEPS)..(step + NEAR_STEPS).min(steps)].iter().any(|in_text| *in_text)
        };
        let wanted: Vec<usize> = (0..steps).filter(|step| is_near(*step)).collect();
        assert!(steps < MOST_STEPS && wanted.len() > SPINNING_STEPS, "{name}: {} of {steps} steps", wanted.len());
        for step in wanted {
            run(f, &mut store, step);
        }
    }
}

/// Whether the host function of the next test has failed.
static HAS_FAILED: AtomicBool = AtomicBool::new(false);

/// Calls a function that fails by its host function, interrupts it behind a step, and returns the number of steps and
/// what the call ended by.
fn run_failing(f: &TypedFunc<(), ()>, store: &mut Store<()>, comes_at: usize) -> (usize, Error) {
    STEPS.store(0, Ordering::Relaxed);
    COMES_AT.store(comes_at, Ordering::Relaxed);
    HAS_FAILED.store(false, Ordering::Relaxed);
    limit_time();
    // SAFETY: as in `run`; the flag is taken back below if no step has done so.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
    let ended = f.call(&mut *store, ());
    // SAFETY: it takes the flag back.
    unsafe { asm!("pushfq", "and qword ptr [rsp], 0xfffffffffffffeff", "popfq") };
    (STEPS.load(Ordering::Relaxed), ended.expect_err("it fails"))
}

/// What a host function has failed with is never lost to an interruption that comes right behind it.
#[test]
fn an_interruption_at_any_instruction_keeps_the_error_of_a_host_function() {
    if child_task().is_none() {
        return pass_in_child("steps::an_interruption_at_any_instruction_keeps_the_error_of_a_host_function", "run");
    }
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let fail = || -> Result<(), Error> {
        HAS_FAILED.store(true, Ordering::Relaxed);
        Err(Error::msg("the host's"))
    };
    linker.func_wrap("", "e", fail).expect("a new name");
    let text = r#"(module (import "" "e" (func $e)) (func (export "f") (call $e)))"#;
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").expect("exported");
    assert!(f.call(&mut store, ()).is_err());
    let (start, end) = text_range();
    TEXT.0.store(start, Ordering::Relaxed);
    TEXT.1.store(end, Ordering::Relaxed);
    HANDLE.set(store.interrupt_handle()).expect("set once");
    install();
    for _ in 0..2 {
        run_failing(&f, &mut store, usize::MAX);
    }
    let (steps, _) = run_failing(&f, &mut store, usize::MAX);
    let wanted: Vec<usize> = (0..steps).filter(|step| ON_STACK[*step].load(Ordering::Relaxed)).collect();
    assert!(steps < MOST_STEPS && wanted.len() > 10, "{} of {steps} steps", wanted.len());
    let (mut kept, mut interrupted) = (0, 0);
    for step in wanted {
        let (_, error) = run_failing(&f, &mut store, step);
        match HAS_FAILED.load(Ordering::Relaxed) {
            true => kept += usize::from(matches!(error.kind(), epsilon::ErrorKind::Host(_))),
            false => interrupted += usize::from(error.trap() == Some(Trap::Interrupt)),
        }
        let all_kept = error.trap().is_none() || !HAS_FAILED.load(Ordering::Relaxed);
        assert!(all_kept, "at step {step}: {error:?}");
        // An interruption that has not ended this call ends the next one, if it has come.
        if f.call(&mut store, ()).expect_err("it fails").trap().is_some() {
            assert!(f.call(&mut store, ()).expect_err("it fails").trap().is_none(), "at step {step}");
        }
    }
    assert!(kept > 0 && interrupted > 0, "{kept} kept, {interrupted} interrupted");
}

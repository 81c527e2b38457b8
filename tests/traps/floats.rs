//! The host's floating-point environment: guests compute as the specification says whatever it is, and the host gets it
//! back however a call ends.
#![allow(unsafe_code)] // the environment is a register

use crate::support::{engine, engines, module};
use epsilon::ResourceLimiter;
use epsilon::{Caller, Error, Exception, Func, Instance, InterruptHandle, Linker, Store, Trap, TypedFunc, Val};
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(target_arch = "x86_64")]
mod environment {
    /// Environments of a host, by name: none is that of guests.
    pub const ALL: [(&str, u64); 5] = [
        ("flush to zero", 0x1f80 | 1 << 15 | 1 << 6),
        ("towards zero", 0x1f80 | 3 << 13),
        ("up", 0x1f80 | 2 << 13),
        ("division, overflow and invalid operations trap", 0x1f80 & !(1 << 9 | 1 << 10 | 1 << 7)),
        ("everything traps", 0),
    ];
    pub const GUESTS: u64 = 0x1f80;

    /// The bits that control something.
    pub fn get() -> u64 {
        let mut all = 0u32;
        // SAFETY: it writes a register to a variable.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut all) };
        u64::from(all & !0x3f)
    }

    pub fn set(control: u64) {
        let control = control as u32;
        // SAFETY: no reserved bit is set; what is computed with it is computed by guests.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const control) };
    }
}

#[cfg(target_arch = "aarch64")]
mod environment {
    /// Environments of a host, by name: none is that of guests. Not every processor has exceptions that trap.
    pub const ALL: [(&str, u64); 3] = [("flush to zero", 1 << 24), ("towards zero", 3 << 22), ("up", 1 << 22)];
    pub const GUESTS: u64 = 0;

    pub fn get() -> u64 {
        let control;
        // SAFETY: it reads a register.
        unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) control) };
        control
    }

    pub fn set(control: u64) {
        // SAFETY: no reserved bit is set; what is computed with it is computed by guests.
        unsafe { std::arch::asm!("msr fpcr, {}", in(reg) control) };
    }
}

/// Sets an environment for as long as `body` runs, and checks that it is the same afterwards.
fn under<R>((name, control): (&str, u64), body: impl FnOnce() -> R) -> R {
    environment::set(control);
    let result = body();
    let after = environment::get();
    environment::set(environment::GUESTS);
    assert_eq!(after, control, "{name}: the environment has changed");
    result
}

const GUEST: &str = r#"(module (import "" "h" (func $h (param f64) (result f64))) (memory 1) (tag $tag)
    (func (export "half") (param f64) (result f64) (f64.mul (local.get 0) (f64.const 0.5)))
    (func (export "half32") (param f32) (result f32) (f32.mul (local.get 0) (f32.const 0.5)))
    (func (export "add") (param f64) (result f64) (f64.add (local.get 0) (f64.const 0.2)))
    (func (export "div") (param f64) (result f64) (f64.div (f64.const 1) (local.get 0)))
    (func (export "sqrt") (param f64) (result f64) (f64.sqrt (local.get 0)))
    (func (export "sat") (param f64) (result f64) (f64.convert_i32_s (i32.trunc_sat_f64_s (local.get 0))))
    (func (export "demote") (param f64) (result f64) (f64.promote_f32 (f32.demote_f64 (local.get 0))))
    (func (export "folded") (param f64) (result f64) (f64.add (f64.const 0.1) (f64.const 0.2)))
    (func (export "vector") (param f64) (result f64)
        (f64x2.extract_lane 1 (f64x2.add (f64x2.splat (local.get 0)) (v128.const f64x2 0.2 0.2))))
    (func (export "host") (param f64) (result f64) (f64.add (call $h (local.get 0)) (f64.const 0.2)))
    (func (export "libcall") (param f64) (result f64)
        (drop (memory.grow (i32.const 1))) (f64.add (local.get 0) (f64.const 0.2)))
    (func (export "trunc") (param f64) (result f64) (f64.convert_i32_s (i32.trunc_f64_s (local.get 0))))
    (func (export "unreachable") (param f64) (result f64) (unreachable))
    (func $deep (export "deep") (param f64) (result f64) (f64.add (call $deep (local.get 0)) (f64.const 1)))
    (func (export "throw") (param f64) (result f64) (throw $tag))
    (func (export "catch") (param f64) (result f64)
        (block $caught (try_table (catch $tag $caught) (throw $tag))) (f64.add (local.get 0) (f64.const 0.2)))
    (func (export "endless") (param f64) (result f64) (loop (br 0)) (unreachable)))"#;

/// What the functions give, by the specification.
const EXPECTED: [(&str, f64, f64); 9] = [
    ("half", f64::MIN_POSITIVE, 1.1125369292536007e-308),
    ("add", 0.1, 0.30000000000000004),
    ("div", 0.0, f64::INFINITY),
    ("sat", 1e300, 2147483647.0),
    ("demote", 1e-40, 9.99994610111476e-41),
    ("folded", 0.0, 0.30000000000000004),
    ("vector", 0.1, 0.30000000000000004),
    ("libcall", 0.1, 0.30000000000000004),
    ("catch", 0.1, 0.30000000000000004),
];

type Guest = (Store<()>, Instance);

/// A guest whose host function is `h`, made in the present environment.
fn guest(engine: &epsilon::Engine, h: impl Fn(f64) -> Result<f64, Error> + Send + Sync + 'static) -> Guest {
    let mut store = Store::new(engine, ());
    let h = Func::wrap(&mut store, h);
    let instance = Instance::new(&mut store, &module(engine, GUEST), &[h.into()]).expect("an instance");
    (store, instance)
}

fn get((store, instance): &mut Guest, name: &str) -> TypedFunc<f64, f64> {
    instance.get_typed_func(store, name).expect("exported")
}

#[test]
fn guests_compute_as_the_specification_says() {
    for (plan, engine) in engines() {
        for host in environment::ALL {
            // Compiled in that environment as well, constants folded and all.
            let results = under(host, || {
                let mut guest = guest(&engine, Ok);
                let mut twice = || {
                    EXPECTED
                        .map(|(name, argument, _)| get(&mut guest, name).call(&mut guest.0, argument).map(f64::to_bits))
                };
                [twice(), twice()]
            });
            for (result, (name, argument, expected)) in results.iter().flat_map(|results| results.iter().zip(EXPECTED))
            {
                let result = result.as_ref().expect("no trap");
                assert_eq!(*result, expected.to_bits(), "{plan}, {host:?}: {name}({argument})");
            }
            let nan = under(host, || {
                let mut guest = guest(&engine, Ok);
                get(&mut guest, "sqrt").call(&mut guest.0, -1.0).map(f64::to_bits)
            });
            assert!(f64::from_bits(nan.expect("no trap")).is_nan(), "{plan}, {host:?}");
        }
    }
}

/// However a call ends, the host's environment is what it was.
#[test]
fn the_host_gets_its_environment_back() {
    let engine = engine();
    for host in environment::ALL {
        let mut failing = guest(&engine, |_| Err(Error::msg("no")));
        let mut panicking = guest(&engine, |_| panic!("the host's"));
        let names = ["trunc", "unreachable", "deep", "throw"];
        for (name, f) in names.map(|name| (name, get(&mut failing, name))) {
            let ended = under(host, || f.call(&mut failing.0, 1e300));
            let error = ended.expect_err("an end that is not a return");
            assert_eq!(error.trap().is_none(), name == "throw", "{host:?}: {error}");
        }
        let f = get(&mut failing, "host");
        let ended = under(host, || f.call(&mut failing.0, 1.0));
        assert!(matches!(ended.expect_err("an error").kind(), epsilon::ErrorKind::Host(_)), "{host:?}");
        let f = get(&mut panicking, "host");
        let store = std::panic::AssertUnwindSafe(&mut panicking.0);
        let ended = under(host, || std::panic::catch_unwind(|| f.call({ store }.0, 1.0).is_ok()));
        assert_eq!(ended.expect_err("a panic").downcast_ref(), Some(&"the host's"), "{host:?}");
        // Interrupted before it begins, and while it runs.
        let f = get(&mut failing, "endless");
        let handle: InterruptHandle = failing.0.interrupt_handle();
        handle.interrupt();
        for _ in 0..2 {
            let ended = under(host, || f.call(&mut failing.0, 1.0));
            assert_eq!(ended.expect_err("interrupted").trap(), Some(Trap::Interrupt), "{host:?}");
            let handle = handle.clone();
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(5));
                handle.interrupt();
            });
        }
        let ended = under(host, || f.call(&mut failing.0, 1.0));
        assert_eq!(ended.expect_err("interrupted").trap(), Some(Trap::Interrupt), "{host:?}");
    }
}

/// Host functions run in the host's environment. What they make of it is the host's from then on, and no guest's.
#[test]
fn host_functions_have_the_environment_of_the_host() {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let engine = engine();
    let mut guest = guest(&engine, |n| {
        SEEN.store(environment::get(), Ordering::Relaxed);
        environment::set(NEXT.load(Ordering::Relaxed));
        Ok(n)
    });
    let f = get(&mut guest, "host");
    let environments = environment::ALL.map(|(_, control)| control);
    let around = environments.iter().chain([&environment::GUESTS]);
    for before in around.clone() {
        for after in around.clone() {
            NEXT.store(*after, Ordering::Relaxed);
            environment::set(*before);
            let result = f.call(&mut guest.0, 0.1).map(f64::to_bits);
            let left = environment::get();
            environment::set(environment::GUESTS);
            assert_eq!(result.expect("no trap"), 0.30000000000000004f64.to_bits(), "{before:x} {after:x}");
            assert_eq!((SEEN.load(Ordering::Relaxed), left), (*before, *after));
        }
    }
}

struct Watching(u64);

impl ResourceLimiter for Watching {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> epsilon::Result<bool> {
        self.0 = environment::get();
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> epsilon::Result<bool> {
        Ok(true)
    }
}

/// A limiter is the host's as well; so is what it throws, and a guest that it calls has its own.
#[test]
fn limiters_and_nested_guests() {
    let engine = engine();
    for host in environment::ALL {
        let mut linker = Linker::<Watching>::new(&engine);
        let nested = |mut caller: Caller<'_, Watching>, n: f64| -> Result<f64, Error> {
            let before = environment::get();
            let add = caller.get_export("add").and_then(|add| add.into_func()).expect("exported");
            let mut results = [Val::F64(0)];
            add.call(&mut caller, &[Val::F64(n.to_bits())], &mut results)?;
            assert_eq!(environment::get(), before);
            let tag = crate::support::tag(&mut caller, [])?;
            let Val::F64(bits) = results[0] else { unreachable!("its type") };
            if bits == 0 { Err(Exception::new(&mut caller, tag, &[])?.into()) } else { Ok(f64::from_bits(bits)) }
        };
        linker.func_wrap("", "h", nested).expect("new");
        let mut store = Store::new(&engine, Watching(0));
        store.limiter(|watching| watching);
        let instance = linker.instantiate(&mut store, &module(&engine, GUEST)).expect("an instance");
        let libcall = instance.get_typed_func::<f64, f64>(&mut store, "libcall").expect("exported");
        let nested = instance.get_typed_func::<f64, f64>(&mut store, "host").expect("exported");
        store.data_mut().0 = 0;
        let results = under(host, || [libcall.call(&mut store, 0.1), nested.call(&mut store, 0.1)]);
        let [libcall, nested] = results.map(|result| result.expect("no trap").to_bits());
        assert_eq!((libcall, nested), ((0.1f64 + 0.2).to_bits(), (0.1f64 + 0.2 + 0.2).to_bits()), "{host:?}");
        assert_eq!(store.data().0, host.1, "{host:?}: what the limiter has seen");
    }
}

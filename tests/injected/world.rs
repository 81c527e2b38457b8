//! An engine, a module of it, a store and an instance, with what is known of their state: what calls give must agree.

use crate::support::Random;
use epsilon::{
    CacheConfig, Caller, Compilation, Config, Engine, Error, Instance, Linker, MemoryStrategy, Module, Result, Store,
};
use std::fmt::Write as _;
use std::path::Path;

/// Functions of the guest that are compiled one by one.
const FUNCTIONS: i32 = 24;
/// What the guest's memory may grow to, in pages.
const MOST_PAGES: i32 = 40;
/// What its exported table may grow to.
const MOST_ELEMENTS: i32 = 3_000;

/// What a host function panics with.
pub const HOST_PANIC: &str = "the host panics because it was told to";
/// What a host function gives as its error.
pub const HOST_ERROR: &str = "the host fails because it was told to";

/// The guest.
fn text(salt: i32) -> String {
    let mut text = String::from(
        r#"(module
        (import "host" "next" (func $next (param i32) (result i32)))
        (import "host" "fail" (func $fail (param i32)))
        (type $f (func (param i32) (result i32)))
        (tag $thrown (param i32))
        (memory (export "memory") 1 40)
        (table $seen (export "table") 4 3000 funcref)
        (global $count (export "count of calls") (mut i32) (i32.const 0))
        (data (i32.const 16) "sixteen") (data (i32.const 40000) "far away") (data $passive "passive")
        (elem (table $seen) (i32.const 0) func $f0 $f1 $f2 $f3)
        (func (export "pages") (result i32) (memory.size))
        (func (export "elements") (result i32) (table.size $seen))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "grow table") (param i32) (result i32) (table.grow $seen (ref.null func) (local.get 0)))
        (func (export "count") (result i32)
            (global.set $count (i32.add (global.get $count) (i32.const 1))) (global.get $count))
        (func (export "bytes") (result i32)
            (memory.init $passive (i32.const 60000) (i32.const 0) (i32.const 7))
            (i32.add (i32.load8_u (i32.const 16)) (i32.add (i32.load8_u (i32.const 40000)) (i32.load8_u (i32.const 60000)))))
        (func (export "next") (param i32) (result i32) (call $next (local.get 0)))
        (func (export "fail") (param i32) (result i32) (call $fail (local.get 0)) (local.get 0))
        (func (export "catch") (param i32) (result i32)
            (block $caught (result i32) (try_table (catch $thrown $caught) (throw $thrown (local.get 0))) (unreachable)))
        (func (export "trap") (result i32) (i32.load (i32.const -4)))
        (func $deep (export "deep") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
                (else (i32.const 0))))
        (func (export "seen") (param i32 i32) (result i32)
            (call_indirect $seen (type $f) (local.get 1) (local.get 0)))
        "#,
    );
    for n in 0..FUNCTIONS {
        // Too long to be taken in by its callers.
        let rounds =
            "(local.set 0 (i32.xor (i32.mul (local.get 0) (i32.const 3)) (i32.shr_u (local.get 0) (i32.const 7))))";
        let next = if n + 1 < FUNCTIONS {
            format!("(if (i32.and (local.get 0) (i32.const 1)) (then (local.set 0 (call $f{} (local.get 0)))))", n + 1)
        } else {
            String::new()
        };
        let _ = write!(
            text,
            "(func $f{n} (export \"f{n}\") (type $f) {} (local.set 0 (i32.add (local.get 0) (i32.const {}))) {next} (local.get 0))",
            rounds.repeat(8),
            n + salt
        );
    }
    text + ")"
}

fn expected(n: i32, salt: i32, mut x: i32) -> i32 {
    for _ in 0..8 {
        x = x.wrapping_mul(3) ^ ((x as u32 >> 7) as i32);
    }
    x = x.wrapping_add(n + salt);
    if n + 1 < FUNCTIONS && x & 1 == 1 { expected(n + 1, salt, x) } else { x }
}

/// What has been made, and what is known of it.
#[derive(Default)]
pub struct World {
    engine: Option<Engine>,
    module: Option<(Module, i32)>,
    running: Option<Running>,
}

struct Running {
    store: Store<()>,
    instance: Instance,
    salt: i32,
    pages: i32,
    elements: i32,
    count: i32,
}

/// How an operation went.
#[derive(Debug)]
pub enum Ended {
    /// As it should.
    Well,
    /// With an error, for which the failure answers.
    Failed(Error),
    /// A growth was refused.
    Refused,
}

impl World {
    /// Makes what is missing, or does something with what is there. Asserts that whatever it gives is right.
    pub fn step(&mut self, random: &mut Random, cache: &Path) -> Ended {
        let done = match (&self.engine, &self.module, &self.running) {
            (None, ..) => make_engine(random, cache).map(|engine| self.engine = Some(engine)),
            (Some(engine), None, _) => {
                let salt = random.below(1_000) as i32;
                Module::new(engine, text(salt)).map(|module| self.module = Some((module, salt)))
            }
            (Some(engine), Some((module, salt)), None) => {
                Running::new(engine, module, *salt).map(|running| self.running = Some(running))
            }
            (Some(_), Some((module, _)), Some(_)) if random.below(12) == 0 => module.compile_all(|_| ()),
            _ => return self.running.as_mut().expect("as just seen").step(random),
        };
        done.map_or_else(Ended::Failed, |()| Ended::Well)
    }

    /// Checks what is there.
    pub fn check(&mut self) -> Result<()> {
        self.running.as_mut().map_or(Ok(()), Running::check)
    }

    /// Calls of the system that the next step makes, about.
    pub fn next_calls(&self) -> usize {
        if self.running.is_some() { 3 } else { 20 }
    }

    /// Drops something, so that all is made anew from time to time.
    pub fn forget(&mut self, random: &mut Random) {
        match random.below(40) {
            0..3 => *self = Self::default(),
            3..8 => (self.module, self.running) = (None, None),
            8..24 => self.running = None,
            _ => {}
        }
    }

    /// Drops what says that it is broken.
    pub fn forget_broken(&mut self) {
        (self.module, self.running) = (None, None);
    }
}

fn make_engine(random: &mut Random, cache: &Path) -> Result<Engine> {
    let mut config = Config::new();
    config.cache(match random.below(3) {
        0 => Some(CacheConfig::new().directory(cache).min_code_size(0)),
        _ => None,
    });
    config.compilation(if random.below(3) == 0 { Compilation::Eager } else { Compilation::Lazy });
    config.memory_strategy([MemoryStrategy::Auto, MemoryStrategy::Guarded, MemoryStrategy::Checked][random.below(3)]);
    Engine::new(&config)
}

fn fail(_: Caller<'_, ()>, how: i32) -> Result<()> {
    match how {
        0 => Ok(()),
        1 => Err(Error::msg(HOST_ERROR)),
        _ => panic!("{HOST_PANIC}"),
    }
}

impl Running {
    fn new(engine: &Engine, module: &Module, salt: i32) -> Result<Self> {
        let mut linker = Linker::new(engine);
        linker.func_wrap("host", "next", |n: i32| n.wrapping_add(1))?;
        linker.func_wrap("host", "fail", fail)?;
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, module)?;
        Ok(Self { store, instance, salt, pages: 1, elements: 4, count: 0 })
    }

    fn call(&mut self, name: &str, x: i32) -> Result<i32> {
        self.instance.get_typed_func::<i32, i32>(&mut self.store, name)?.call(&mut self.store, x)
    }

    fn get(&mut self, name: &str) -> Result<i32> {
        self.instance.get_typed_func::<(), i32>(&mut self.store, name)?.call(&mut self.store, ())
    }

    fn check(&mut self) -> Result<()> {
        assert_eq!(self.get("pages")?, self.pages, "pages");
        assert_eq!(self.get("elements")?, self.elements, "elements");
        assert_eq!(self.get("bytes")?, 0x73 + 0x66 + 0x70, "contents of the memory");
        Ok(())
    }

    fn step(&mut self, random: &mut Random) -> Ended {
        match self.try_step(random) {
            Ok(true) => Ended::Well,
            Ok(false) => Ended::Refused,
            Err(error) => Ended::Failed(error),
        }
    }

    /// Whether it was done, or refused as growth may be.
    fn try_step(&mut self, random: &mut Random) -> Result<bool> {
        let x = random.next() as i32;
        match random.below(12) {
            0 => return self.grow("grow", random.below(6) as i32, MOST_PAGES, |world| &mut world.pages),
            1 => return self.grow("grow table", random.below(400) as i32, MOST_ELEMENTS, |world| &mut world.elements),
            2 => {
                let count = self.get("count");
                // The call either began or it did not.
                if count.is_ok() {
                    self.count += 1;
                }
                assert!(
                    count.as_ref().is_ok_and(|n| *n == self.count) || count.is_err(),
                    "{count:?} of {}",
                    self.count
                );
                count?;
            }
            3 => assert_eq!(self.call("next", x)?, x.wrapping_add(1)),
            4 => assert_eq!(self.call("catch", x)?, x),
            5 => {
                let trap = self.get("trap").expect_err("an address outside of the memory");
                trap.trap().map(drop).ok_or(trap)?;
            }
            6 => assert_eq!(self.call("deep", 1_000)?, 1_000),
            7 => {
                let error = self.call("fail", 1).expect_err("an error of the host");
                if !error.to_string().contains(HOST_ERROR) {
                    return Err(error);
                }
            }
            8 => drop(self.call("fail", 2)?),
            9 => {
                let n = random.below(4) as i32;
                let seen = self.instance.get_typed_func::<(i32, i32), i32>(&mut self.store, "seen")?;
                assert_eq!(seen.call(&mut self.store, (n, x))?, expected(n, self.salt, x));
            }
            _ => {
                let n = random.below(FUNCTIONS as usize) as i32;
                assert_eq!(self.call(&format!("f{n}"), x)?, expected(n, self.salt, x), "f{n} of {x}");
            }
        }
        Ok(true)
    }

    /// Grows what `size` counts. Whether that worked, or was refused as it must be.
    fn grow(&mut self, export: &str, by: i32, most: i32, size: impl Fn(&mut Self) -> &mut i32) -> Result<bool> {
        let before = self.call(export, by)?;
        let size = size(self);
        if before == -1 {
            return Ok(*size + by > most);
        }
        assert_eq!(before, *size, "before `{export}`");
        *size += by;
        Ok(true)
    }
}

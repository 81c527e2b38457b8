//! What the tests of the cache and of artifacts share: a module of some size whose result is known, and faults.

#![allow(dead_code)] // every target uses a part

use epsilon::{Engine, Instance, Module, Store};
use std::fmt::Write as _;

/// Functions of a module beside `run`.
const FUNCTIONS: u32 = 72;

/// A module in the text format: `run` calls a third of its functions, which trap sites, constants, calls and loops make
/// a few hundred bytes of machine code each. `salt` makes modules differ.
pub fn module_text(salt: u32) -> String {
    module_text_of(FUNCTIONS, salt)
}

/// The same with another number of functions.
pub fn module_text_of(functions: u32, salt: u32) -> String {
    let mut text = String::from("(module (memory (export \"memory\") 1)\n");
    for n in 0..functions {
        let (next, constant) = ((n + 7) % functions, n.wrapping_mul(2_654_435_761).wrapping_add(salt));
        let call = if n >= 7 { format!("(call $f{} (local.get $x))", n - 7) } else { "(local.get $x)".into() };
        let _ = write!(
            text,
            "(func $f{n} (param $x i32) (result i32) (local $i i32)
                (loop $again
                    (i32.store (i32.mul (local.get $i) (i32.const 4)) (i32.xor (local.get $x) (i32.const {constant})))
                    (local.set $x (i32.add (i32.rotl (local.get $x) (i32.const {rotation}))
                        (i32.load offset={offset} (i32.mul (local.get $i) (i32.const 4)))))
                    (local.set $x (i32.add (local.get $x) (i32.rem_u (local.get $x) (i32.const {divisor}))))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $i) (i32.const 20))))
                {call})\n",
            rotation = n % 31,
            offset = (next * 4) % 64,
            divisor = n + 3,
        );
    }
    let calls: String = (0..functions).step_by(3).fold("(local.get 0)".into(), |x, n| format!("(call $f{n} {x})"));
    let _ = write!(text, "(func (export \"run\") (param i32) (result i32) {calls}))");
    text
}

/// What `run` of a module returns.
pub fn result_of(engine: &Engine, module: &Module) -> epsilon::Result<i32> {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[])?;
    instance.get_typed_func::<i32, i32>(&mut store, "run")?.call(&mut store, 12345)
}

/// A generator of test cases that is the same everywhere (xorshift64*).
pub struct Random(pub u64);

impl Random {
    /// The next number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// Damages bytes in one of the ways that files get damaged; says how.
pub fn damage(bytes: &mut Vec<u8>, random: &mut Random) -> &'static str {
    let at = random.below(bytes.len());
    match random.below(6) {
        0..=2 => {
            bytes[at] ^= 1 << random.below(8);
            "a bit flipped"
        }
        3 => {
            bytes.truncate(at);
            "truncated"
        }
        4 => {
            let end = (at + 512).min(bytes.len());
            bytes[at..end].fill(0);
            "a block of zeroes"
        }
        _ => {
            let from = random.below(bytes.len());
            let len = 64.min(bytes.len() - at).min(bytes.len() - from);
            bytes.copy_within(from..from + len, at);
            "a block from elsewhere"
        }
    }
}

/// How many faults to inject: `EPSILON_FAULTS`, or what a run of all tests has time for.
pub fn fault_count(default: usize) -> usize {
    std::env::var("EPSILON_FAULTS").ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

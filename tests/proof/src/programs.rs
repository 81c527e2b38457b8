//! Modules of our own with the shape of programs, where wasm-smith is weak: deep call graphs over small leaves,
//! recursion, indirect calls through tables that are fixed, written, or shown to the host, with few or many elements;
//! several memories, 32 and 64 bits wide; bulk operations. For V8 also exceptions, function references and tail calls.
//! Everything ends: functions that call others, and loops, use up a global.

use crate::case::Rng;
use crate::source::Judge;
use std::fmt::Write;

mod expressions;

/// Calls and turns of loops that one export may cause.
const FUEL: [u32; 3] = [40, 300, 1500];
/// The same where exceptions may cross all the frames that there are, each time.
const FUEL_WITH_EXCEPTIONS: [u32; 3] = [20, 60, 200];
/// Elements of the tables of functions: powers of two, so that an index can be masked.
const TABLE_SIZES: [u32; 5] = [1, 2, 8, 64, 512];

/// A module in the making.
struct Program {
    rng: Rng,
    judge: Judge,
    /// Functions `$f0` to this one, all of type `$t`; the first ones are leaves.
    functions: usize,
    leaves: usize,
    /// The function that is being written: leaves call nothing.
    current: usize,
    /// How many memories there are, and which have 64-bit addresses.
    memories: Vec<bool>,
    fixed_size: u32,
    written_size: u32,
    /// For labels.
    labels: u32,
    host: bool,
}

/// The module of a seed; `None` if its text is not well formed, which the test below excludes.
pub fn module(seed: u64, judge: Judge) -> Option<Vec<u8>> {
    wat::parse_str(Program::new(seed, judge).text()).ok()
}

impl Program {
    fn new(seed: u64, judge: Judge) -> Self {
        let mut rng = Rng::new(seed ^ 0x9409);
        let leaves = 2 + rng.below(6);
        let functions = leaves + 3 + rng.below(12);
        let memories = (0..1 + rng.below(3)).map(|_| rng.one_in(4)).collect();
        let (fixed_size, written_size) = (*rng.pick(&TABLE_SIZES), *rng.pick(&TABLE_SIZES[2..]));
        let host = rng.one_in(3);
        let current = 0;
        Self { rng, judge, functions, leaves, current, memories, fixed_size, written_size, labels: 0, host }
    }

    fn v8(&self) -> bool {
        self.judge == Judge::V8
    }

    fn text(mut self) -> String {
        let mut text = String::from("(module\n(type $t (func (param i32 i32) (result i32)))\n");
        text += "(type $u (func (param i64) (result i64)))\n";
        if self.host {
            text += "(import \"host\" \"f.i\" (func $host (param i32) (result i32)))\n";
        }
        for (n, wide) in self.memories.clone().into_iter().enumerate() {
            let index = if wide { "i64" } else { "i32" };
            let _ = writeln!(text, "(memory $m{n} (export \"m{n}\") {index} {} 4)", 1 + self.rng.below(2));
        }
        text += "(data $passive \"passive bytes, sixty-four of them, so that a part can be copied..\")\n";
        text += "(global $fuel (mut i32) (i32.const 0))\n";
        text += "(global $g (export \"g\") (mut i32) (i32.const 7)) (global $h (mut i64) (i64.const -9))\n";
        if self.v8() {
            text += "(tag $e (param i32)) (tag $other (param i64 i32))\n(table $typed 8 (ref null $t))\n";
        }
        self.tables(&mut text);
        for n in 0..self.functions {
            self.current = n;
            self.function(n, &mut text);
        }
        self.current = self.functions;
        self.wide_functions(&mut text);
        for n in 0..6 {
            let fuels = if self.v8() { FUEL_WITH_EXCEPTIONS } else { FUEL };
            let fuel = *self.rng.pick(&fuels);
            let target = self.rng.below(self.functions);
            let _ = writeln!(
                text,
                "(func (export \"run{n}\") (type $t) (global.set $fuel (i32.const {fuel}))
                (call $f{target} (local.get 0) (local.get 1)))"
            );
        }
        text.push(')');
        text
    }

    fn tables(&mut self, text: &mut String) {
        let (fixed, written) = (self.fixed_size, self.written_size);
        let _ = writeln!(text, "(table $fixed {fixed} funcref)\n(table $written {written} {} funcref)", written + 8);
        let _ = writeln!(text, "(table $shown (export \"shown\") 16 funcref)\n(table $refs 8 externref)");
        // Of a table that is never written, an index may lead to one function, to a few, or to any.
        let different = *self.rng.pick(&[1, 2, 3, self.functions]);
        let first = self.rng.below(self.functions);
        let fixed_functions: Vec<String> =
            (0..fixed as usize).map(|n| format!("$f{}", (first + n % different) % self.functions)).collect();
        // Sometimes the last elements stay null, or one is of another type.
        let len = if self.rng.one_in(3) { fixed_functions.len() / 2 } else { fixed_functions.len() };
        let mut elements = fixed_functions[..len].to_vec();
        if len > 2 && self.rng.one_in(3) {
            elements[1] = "$u0".into();
        }
        let some: Vec<String> = (0..8).map(|_| format!("$f{}", self.rng.below(self.functions))).collect();
        let (elements, some) = (elements.join(" "), some.join(" "));
        let _ = writeln!(text, "(elem (table $fixed) (i32.const 0) func {elements})");
        let _ = writeln!(text, "(elem (table $written) (i32.const 0) func {some})");
        let _ = writeln!(text, "(elem (table $shown) (i32.const 3) func {some})\n(elem $passive func {some})");
        if self.v8() {
            let refs: Vec<String> =
                (0..6).map(|_| format!("(ref.func $f{})", self.rng.below(self.functions))).collect();
            let _ = writeln!(text, "(elem (table $typed) (i32.const 0) (ref null $t) {})", refs.join(" "));
        }
        let all: Vec<String> = (0..self.functions).map(|n| format!("$f{n}")).collect();
        let _ = writeln!(text, "(elem declare func {})", all.join(" "));
    }

    fn function(&mut self, n: usize, text: &mut String) {
        let exception = if self.v8() { "(local $x exnref)" } else { "" };
        let _ = writeln!(text, "(func $f{n} (type $t) (local i32 i32) {exception}");
        if n < self.leaves {
            // Small enough to be worth inlining.
            let depth = self.rng.below(4) as u32;
            let body = self.expression(depth);
            let _ = writeln!(text, "{body})");
            return;
        }
        let _ = writeln!(
            text,
            "(if (i32.eqz (global.get $fuel)) (then (return (i32.const {n}))))
            (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))"
        );
        for _ in 0..1 + self.rng.below(4) {
            let statement = self.statement(3);
            let _ = writeln!(text, "{statement}");
        }
        let last = self.last();
        let _ = writeln!(text, "{last})");
    }

    /// What a function ends with: a value or, where the judge has them, a tail call.
    fn last(&mut self) -> String {
        let (a, b) = (self.expression(2), self.expression(2));
        let callee = self.rng.below(self.functions);
        match self.rng.below(6) {
            0 => format!("(return_call $f{callee} {a} {b})"),
            1 => format!("(return_call_indirect {} (type $t) {a} {b} {})", self.table(), self.index(1)),
            2 if self.v8() => format!("(return_call_ref $t {a} {b} (ref.func $f{callee}))"),
            _ => self.expression(4),
        }
    }

    /// Functions of other types: 64 bits, and more parameters and results than there are registers.
    fn wide_functions(&mut self, text: &mut String) {
        let leaf = self.rng.below(self.leaves);
        let _ = writeln!(
            text,
            "(func $u0 (type $u) (i64.add (i64.rotl (local.get 0) (i64.const 5)) (global.get $h)))
            (func $u1 (type $u) (global.set $h (i64.xor (global.get $h) (local.get 0)))
                (i64.mul (call $u0 (local.get 0)) (i64.extend_i32_u (call $f{leaf} (i32.wrap_i64 (local.get 0)) (i32.const 3)))))
            (func $w (param i32 i32 i64 i64 f64 f64 i32 i32 i32 i32 f32 i64) (result i32 i64 f64)
                (i32.add (i32.sub (local.get 0) (local.get 9)) (i32.mul (local.get 7) (local.get 8)))
                (i64.xor (i64.add (local.get 2) (local.get 11)) (i64.rotl (local.get 3) (i64.extend_i32_u (local.get 6))))
                (f64.add (f64.promote_f32 (local.get 10)) (f64.mul (local.get 4) (f64.add (local.get 5) (f64.convert_i32_s (local.get 1))))))"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;
    use crate::operators;
    use std::collections::BTreeSet;

    #[test]
    fn modules_are_valid_and_with_the_other_sources_have_every_operator() {
        let mut names = BTreeSet::new();
        for (seed, judge) in (1..400).flat_map(|seed| [(seed, Judge::Wasmi), (seed, Judge::V8)]) {
            let text = Program::new(seed, judge).text();
            let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let features = wasmparser::WasmFeatures::WASM3;
            wasmparser::Validator::new_with_features(features)
                .validate_all(&wasm)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
            generate::operators(&wasm, &mut names);
        }
        for (seed, judge) in (1..200).flat_map(|seed| [(seed, Judge::Wasmi), (seed, Judge::V8)]) {
            generate::operators(&crate::directed::module(seed, judge), &mut names);
        }
        for wasm in (1..200).filter_map(crate::legacy::module) {
            generate::operators(&wasm, &mut names);
        }
        let missing: Vec<_> = operators::claimed().filter(|name| !names.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

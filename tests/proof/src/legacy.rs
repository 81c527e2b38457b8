//! Modules of our own with the exception instructions that came before `try_table`: clauses in each other, `delegate` to
//! labels of every kind, `rethrow` of every clause around it, and throws, calls and branches in all places. Nothing in
//! them needs more than exceptions and tail calls, so that an older V8 can judge them too.
//!
//! Everything that happens is noted in an exported global. Everything ends: calls and turns of loops use up another one.

use crate::case::Rng;
use std::fmt::Write;

/// Calls and turns of loops that one export may cause.
const FUEL: [u32; 3] = [15, 60, 200];
/// Tags, by what they carry.
const TAGS: [&[&str]; 5] = [&[], &["i32"], &["i64", "f64"], &["i32", "v128", "f32", "i64"], &["i32"]];
/// What blocks and `try`s give.
const RESULTS: [&[&str]; 5] = [&[], &[], &["i32"], &["i64", "i32"], &["f64"]];

/// What a label names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    /// A body of a `try`, or an arm of an `if`.
    Body,
    /// A clause of a `try`.
    Clause,
}

/// An open label.
#[derive(Clone, Copy)]
struct Label {
    number: u32,
    kind: Kind,
    results: &'static [&'static str],
}

/// A module in the making.
struct Program {
    rng: Rng,
    /// Functions `$f0` to this one, all of one type.
    functions: usize,
    /// The labels around the current place, outermost first.
    open: Vec<Label>,
    labels: u32,
    text: String,
}

/// The module of a seed; `None` if its text is not well formed, which the test below excludes.
pub fn module(seed: u64) -> Option<Vec<u8>> {
    wat::parse_str(text(seed)).ok()
}

fn text(seed: u64) -> String {
    let mut rng = Rng::new(seed ^ 0x1e9ac7);
    let functions = 2 + rng.below(5);
    Program { rng, functions, open: Vec::new(), labels: 0, text: String::new() }.finish()
}

impl Program {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn finish(mut self) -> String {
        self.line("(module (type $t (func (param i32 i32) (result i32)))");
        self.line("(import \"host\" \"f.i\" (func $host (param i32) (result i32)))");
        for (n, fields) in TAGS.iter().enumerate() {
            let _ = writeln!(self.text, "(tag $t{n} (param {}))", fields.join(" "));
        }
        self.line(
            "(global $fuel (mut i32) (i32.const 0)) (global $seen (export \"seen\") (mut i64) (i64.const 0))
            (func $note (param i64)
                (global.set $seen (i64.xor (i64.rotl (global.get $seen) (i64.const 7))
                    (i64.mul (local.get 0) (i64.const 0x9e3779b97f4a7c15)))))
            (func $burn (result i32)
                (if (result i32) (global.get $fuel)
                    (then (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1))) (i32.const 1))
                    (else (i32.const 0))))
            (func $throw (param i32) (throw $t1 (local.get 0)))
            (func $throw_if (param i32) (result i32)
                (if (i32.and (local.get 0) (i32.const 1)) (then (throw $t1 (local.get 0))))
                (if (i32.and (local.get 0) (i32.const 2)) (then (throw $t0)))
                (i32.shr_u (local.get 0) (i32.const 2)))
            (func $pass (param i32) (result i32) (call $throw_if (i32.add (local.get 0) (i32.const 1))))",
        );
        let all: Vec<String> = (0..self.functions).map(|n| format!("$f{n}")).collect();
        let _ = writeln!(self.text, "(table funcref (elem {}))", all.join(" "));
        (0..self.functions).for_each(|n| self.function(n));
        for n in 0..5 {
            let fuel = *self.rng.pick(&FUEL);
            let target = self.rng.below(self.functions);
            let _ = writeln!(
                self.text,
                "(func (export \"run{n}\") (type $t) (global.set $fuel (i32.const {fuel}))
                (call $f{target} (local.get 0) (local.get 1)))"
            );
        }
        self.line(")");
        self.text
    }

    fn function(&mut self, n: usize) {
        let _ = writeln!(
            self.text,
            "(func $f{n} (type $t)
            (local $i32 i32) (local $i64 i64) (local $f32 f32) (local $f64 f64) (local $v128 v128)
            (if (i32.eqz (call $burn)) (then (return (i32.const {n}))))"
        );
        self.statements(5);
        if self.rng.one_in(5) {
            let (a, b, callee) = (self.value("i32"), self.value("i32"), self.rng.below(self.functions));
            let _ = writeln!(self.text, "(return_call $f{callee} {a} {b})");
        } else {
            let value = self.value("i32");
            self.line(&value);
        }
        self.line(")");
    }

    /// A number, mostly a local's.
    fn value(&mut self, ty: &str) -> String {
        match (ty, self.rng.below(5)) {
            ("i32", n @ 0..=1) => format!("(local.get {n})"),
            ("i32", 2) => format!("(i32.const {})", self.rng.below(9)),
            ("i32", 3) => "(i32.add (local.get $i32) (local.get 0))".into(),
            ("i64", 0) => format!("(i64.const {})", self.rng.next() as i64),
            ("i64", 1) => "(i64.extend_i32_s (local.get 1))".into(),
            ("f32", 0) => "(f32.convert_i32_s (local.get $i32))".into(),
            ("f64", 0) => "(f64.convert_i32_s (local.get 0))".into(),
            ("v128", 0) => "(i64x2.splat (local.get $i64))".into(),
            _ => format!("(local.get ${ty})"),
        }
    }

    fn values(&mut self, types: &[&str]) {
        for ty in types {
            let value = self.value(ty);
            self.line(&value);
        }
    }

    /// Pops operands into locals, and notes what they were.
    fn keep(&mut self, types: &[&str]) {
        for ty in types.iter().rev() {
            let number = match *ty {
                "i32" => "(i64.extend_i32_u (local.get $i32))",
                "i64" => "(local.get $i64)",
                "f32" => "(i64.extend_i32_u (i32.reinterpret_f32 (local.get $f32)))",
                "f64" => "(i64.reinterpret_f64 (local.get $f64))",
                _ => "(i64.xor (i64x2.extract_lane 0 (local.get $v128)) (i64x2.extract_lane 1 (local.get $v128)))",
            };
            let _ = writeln!(self.text, "(local.set ${ty}) (call $note {number})");
        }
    }

    fn note(&mut self) {
        let number = self.rng.below(1000);
        let _ = writeln!(self.text, "(call $note (i64.const {number}))");
    }

    fn statements(&mut self, depth: u32) {
        for _ in 0..1 + self.rng.below(3) {
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: u32) {
        match self.rng.below(if depth == 0 { 12 } else { 20 }) {
            0 => self.note(),
            1 => self.assign(),
            2..=4 => self.call(),
            5 => self.rarely(Self::throw),
            6 => self.rarely(Self::rethrow),
            7 => self.rarely(Self::branch),
            8 => self.throwing_call(),
            9 => self.rarely(Self::ending),
            10 => self.rarely(Self::throw),
            11 => self.rarely(Self::rethrow),
            12..=16 => self.legacy_try(depth - 1),
            17 => self.block(depth - 1),
            18 => self.repeat(depth - 1),
            _ => self.condition(depth - 1),
        }
    }

    fn assign(&mut self) {
        let ty = *self.rng.pick(&["i32", "i64", "f32", "f64", "v128"]);
        let value = self.value(ty);
        let _ = match ty {
            "i32" => writeln!(self.text, "(local.set $i32 (i32.xor {value} (i32.const {})))", self.rng.below(99)),
            "i64" => writeln!(self.text, "(local.set $i64 (i64.add {value} (i64.const {})))", self.rng.below(99)),
            _ => writeln!(self.text, "(local.set ${ty} {value})"),
        };
    }

    fn call(&mut self) {
        let (a, b, callee) = (self.value("i32"), self.value("i32"), self.rng.below(self.functions));
        let call = match self.rng.below(4) {
            0 => format!("(call_indirect (type $t) {a} {b} (i32.const {callee}))"),
            1 => format!("(call $host {a})"),
            _ => format!("(call $f{callee} {a} {b})"),
        };
        let local = *self.rng.pick(&["0", "1", "$i32"]);
        let _ = writeln!(self.text, "(local.set {local} {call})");
        self.note();
    }

    /// Functions that are small enough to be inlined.
    fn throwing_call(&mut self) {
        let value = self.value("i32");
        let callee = *self.rng.pick(&["throw_if", "pass", "throw_if", "pass", "throw"]);
        let set = if callee == "throw" { "" } else { "local.set $i32" };
        let _ = writeln!(self.text, "{value} call ${callee} {set}");
    }

    /// What ends the path stands under a condition, but one time in eight.
    fn rarely(&mut self, statement: fn(&mut Self)) {
        if self.rng.one_in(8) {
            return statement(self);
        }
        let value = self.value("i32");
        let bit = 1 << self.rng.below(3);
        let _ = writeln!(self.text, "(i32.and {value} (i32.const {bit})) if");
        // A label that nothing names, but that is counted.
        self.open.push(Label { number: 0, kind: Kind::Body, results: &[] });
        statement(self);
        self.open.pop();
        self.line("end");
    }

    fn throw(&mut self) {
        let tag = self.rng.below(TAGS.len());
        self.values(TAGS[tag]);
        let _ = writeln!(self.text, "throw $t{tag}");
    }

    /// Throws on what a clause around it has caught, or something else if there is none.
    fn rethrow(&mut self) {
        let clauses: Vec<u32> =
            self.open.iter().filter(|label| label.kind == Kind::Clause).map(|label| label.number).collect();
        if clauses.is_empty() {
            return self.throw();
        }
        let number = *self.rng.pick(&clauses);
        let _ = writeln!(self.text, "rethrow $l{number}");
    }

    /// Leaves for a label around it.
    fn branch(&mut self) {
        let named: Vec<Label> = self.open.iter().filter(|label| label.number > 0).copied().collect();
        if named.is_empty() {
            return self.ending();
        }
        let Label { number, kind, results } = *self.rng.pick(&named);
        if kind == Kind::Loop {
            let _ = writeln!(self.text, "(br_if $l{number} (call $burn))");
            return;
        }
        self.values(results);
        let index = self.value("i32");
        let _ = match self.rng.below(4) {
            0 => writeln!(self.text, "{index} br_table $l{number} $l{number}"),
            1 => writeln!(self.text, "{index} br_if $l{number} {}", "drop ".repeat(results.len())),
            _ => writeln!(self.text, "br $l{number}"),
        };
    }

    fn ending(&mut self) {
        let (a, b, callee) = (self.value("i32"), self.value("i32"), self.rng.below(self.functions));
        let _ = match self.rng.below(6) {
            0 => writeln!(self.text, "unreachable"),
            1 => writeln!(self.text, "(return_call $f{callee} {a} {b})"),
            2 => writeln!(self.text, "(drop (i32.div_u {a} (i32.and {b} (i32.const 1))))"),
            _ => writeln!(self.text, "(return {a})"),
        };
    }

    fn push(&mut self, kind: Kind, results: &'static [&'static str]) -> u32 {
        self.labels += 1;
        self.open.push(Label { number: self.labels, kind, results });
        self.labels
    }

    fn legacy_try(&mut self, depth: u32) {
        let results = *self.rng.pick(&RESULTS);
        // What lies below the `try` is there afterwards, and parameters are gone in its clauses.
        let below: &[&str] = if self.rng.one_in(3) { &["i64", "f64"] } else { &[] };
        let params: &[&str] = if self.rng.one_in(4) { &["i32", "f32"] } else { &[] };
        self.values(below);
        self.values(params);
        let number = self.push(Kind::Body, results);
        let _ = writeln!(self.text, "try $l{number} (param {}) (result {})", params.join(" "), results.join(" "));
        self.keep(params);
        self.statements(depth);
        self.values(results);
        if self.rng.one_in(3) {
            self.open.pop();
            // Any block around it, or the function as a whole.
            let depth = self.rng.below(self.open.len() + 1);
            let _ = writeln!(self.text, "delegate {depth}");
        } else {
            self.clauses(depth, results);
            self.open.pop();
            self.line("end");
        }
        self.keep(results);
        self.keep(below);
    }

    fn clauses(&mut self, depth: u32, results: &'static [&'static str]) {
        let label = self.open.len() - 1;
        self.open[label].kind = Kind::Clause;
        for _ in 0..self.rng.below(4) {
            let tag = self.rng.below(TAGS.len());
            let _ = writeln!(self.text, "catch $t{tag}");
            self.keep(TAGS[tag]);
            self.statements(depth);
            self.values(results);
        }
        if self.rng.one_in(3) {
            self.line("catch_all");
            self.note();
            self.statements(depth);
            self.values(results);
        }
    }

    fn block(&mut self, depth: u32) {
        let results = *self.rng.pick(&RESULTS);
        let number = self.push(Kind::Block, results);
        let _ = writeln!(self.text, "block $l{number} (result {})", results.join(" "));
        self.statements(depth);
        self.values(results);
        self.open.pop();
        self.line("end");
        self.keep(results);
    }

    fn repeat(&mut self, depth: u32) {
        let number = self.push(Kind::Loop, &[]);
        let _ = writeln!(self.text, "loop $l{number}");
        self.statements(depth);
        let value = self.value("i32");
        let _ = writeln!(self.text, "(br_if $l{number} (i32.and (call $burn) {value}))");
        self.open.pop();
        self.line("end");
    }

    fn condition(&mut self, depth: u32) {
        let value = self.value("i32");
        let number = self.push(Kind::Body, &[]);
        let _ = writeln!(self.text, "{value} if $l{number}");
        self.statements(depth);
        if self.rng.one_in(2) {
            self.line("else");
            self.statements(depth);
        }
        self.open.pop();
        self.line("end");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;
    use std::collections::BTreeSet;

    #[test]
    fn modules_are_valid_and_have_all_of_the_legacy_operators() {
        let mut names = BTreeSet::new();
        let features = wasmparser::WasmFeatures::WASM3 | wasmparser::WasmFeatures::LEGACY_EXCEPTIONS;
        for seed in 1..400 {
            let text = text(seed);
            let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            wasmparser::Validator::new_with_features(features)
                .validate_all(&wasm)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
            generate::operators(&wasm, &mut names);
        }
        for name in ["Try", "Catch", "CatchAll", "Delegate", "Rethrow", "Throw"] {
            assert!(names.contains(name), "{name}");
        }
        assert!(!names.contains("TryTable"), "V8 refuses modules with both kinds");
    }
}

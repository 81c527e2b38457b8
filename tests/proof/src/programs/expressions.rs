//! Expressions of type `i32`, and statements, as text. Locals 0 and 1 are parameters, 2 counts turns, 3 is free.

use super::Program;

const BINARY: [&str; 18] = [
    "add", "sub", "mul", "and", "or", "xor", "shl", "shr_s", "shr_u", "rotl", "rotr", "eq", "ne", "lt_s", "lt_u",
    "gt_s", "ge_u", "le_s",
];
const LOADS: [&str; 5] = ["load", "load8_s", "load8_u", "load16_s", "load16_u"];
const STORES: [&str; 3] = ["store", "store8", "store16"];

impl Program {
    fn label(&mut self) -> u32 {
        self.labels += 1;
        self.labels
    }

    fn leaf(&mut self) -> String {
        match self.rng.below(5) {
            0 => format!("(i32.const {})", self.rng.next() as i32 >> self.rng.below(32)),
            1 => "(global.get $g)".into(),
            n => format!("(local.get {})", n - 2),
        }
    }

    /// An expression of about this depth.
    pub fn expression(&mut self, depth: u32) -> String {
        if depth == 0 || self.rng.one_in(7) {
            return self.leaf();
        }
        let calls = self.current >= self.leaves;
        match self.rng.below(14) {
            0..=3 => self.arithmetic(depth - 1),
            4 => self.access(depth - 1),
            5 | 6 => self.control(depth - 1),
            7..=9 if calls => self.call(depth - 1),
            10 if calls => self.table_expression(depth - 1),
            11 if calls && self.v8() => self.reference(depth - 1),
            12 if calls && self.v8() => self.exception(depth - 1),
            _ => self.arithmetic(depth - 1),
        }
    }

    fn arithmetic(&mut self, depth: u32) -> String {
        let (a, b) = (self.expression(depth), self.expression(depth));
        match self.rng.below(8) {
            0 => format!("(i32.wrap_i64 (i64.mul (i64.extend_i32_s {a}) (i64.extend_i32_u {b})))"),
            1 => format!("(i32.trunc_sat_f64_s (f64.mul (f64.convert_i32_s {a}) (f64.sqrt (f64.convert_i32_u {b}))))"),
            2 => format!("(i32.div_s {a} (i32.or {b} (i32.const 1)))"),
            3 => format!("(i32.eqz {a})"),
            _ => format!("(i32.{} {a} {b})", self.rng.pick(&BINARY)),
        }
    }

    /// An address in a memory, nearly always within its first page.
    fn address(&mut self, memory: usize, depth: u32) -> String {
        let index = self.expression(depth);
        let masked = if self.rng.one_in(60) { index } else { format!("(i32.and {index} (i32.const 0xfff0))") };
        if self.memories[memory] { format!("(i64.extend_i32_u {masked})") } else { masked }
    }

    fn memory(&mut self) -> usize {
        self.rng.below(self.memories.len())
    }

    fn access(&mut self, depth: u32) -> String {
        let memory = self.memory();
        let address = self.address(memory, depth);
        let offset = self.rng.below(12);
        match self.rng.below(6) {
            0 => format!("(i32.wrap_i64 (i64.load $m{memory} offset={offset} {address}))"),
            1 if self.memories[memory] => format!("(i32.wrap_i64 (memory.size $m{memory}))"),
            1 => format!("(memory.size $m{memory})"),
            _ => format!("(i32.{} $m{memory} offset={offset} {address})", self.rng.pick(&LOADS)),
        }
    }

    fn control(&mut self, depth: u32) -> String {
        let (a, b, c) = (self.expression(depth), self.expression(depth), self.expression(depth));
        let label = self.label();
        match self.rng.below(5) {
            0 => format!("(select {a} {b} {c})"),
            1 => format!("(select (result i32) {a} {b} {c})"),
            2 => format!("(if (result i32) {a} (then {b}) (else {c}))"),
            3 => format!("(block $l{label} (result i32) (drop (br_if $l{label} {a} {b})) {c})"),
            _ => format!("(block (result i32) (local.tee 3 {a}) (i32.xor {b}))"),
        }
    }

    /// A table that functions are called through.
    pub fn table(&mut self) -> &'static str {
        ["$fixed", "$fixed", "$written", "$shown"][self.rng.below(4)]
    }

    /// An index into any of them, at times out of bounds.
    pub fn index(&mut self, depth: u32) -> String {
        let index = self.expression(depth);
        let mask = match self.rng.below(20) {
            0 => self.fixed_size * 2 - 1,
            1 => 0xff,
            2..=9 => self.fixed_size - 1,
            _ => 0,
        };
        match (mask, self.rng.below(4)) {
            // A constant, that an optimiser may look at.
            (0, n) => format!("(i32.const {n})"),
            _ => format!("(i32.and {index} (i32.const {}))", mask.min(0xff)),
        }
    }

    fn call(&mut self, depth: u32) -> String {
        let (a, b) = (self.expression(depth), self.expression(depth));
        let callee = self.rng.below(self.functions);
        let leaf = self.rng.below(self.leaves);
        match self.rng.below(9) {
            0 | 1 => format!("(call $f{callee} {a} {b})"),
            2 | 3 => format!("(call $f{leaf} {a} {b})"),
            4 | 5 => format!("(call_indirect {} (type $t) {a} {b} {})", self.table(), self.index(depth)),
            6 if self.host => format!("(call $host {a})"),
            7 => format!(
                "(block (result i32) (call $w {a} {b} (i64.const 5) (i64.extend_i32_s {b}) (f64.const 0.5)
                (f64.convert_i32_s {a}) {b} {a} (i32.const 9) {b} (f32.const 1.5) (i64.extend_i32_u {a}))
                i32.trunc_sat_f64_u i64.extend_i32_u i64.add i32.wrap_i64 i32.xor)"
            ),
            _ => format!("(i32.wrap_i64 (call $u{} (i64.extend_i32_s {a})))", self.rng.below(2)),
        }
    }

    fn table_expression(&mut self, depth: u32) -> String {
        let index = self.expression(depth);
        match self.rng.below(5) {
            0 => "(table.size $written)".into(),
            1 => format!("(ref.is_null (table.get $written (i32.and {index} (i32.const 7))))"),
            2 => "(table.grow $written (ref.null func) (i32.const 1))".into(),
            3 => format!("(ref.is_null (table.get $refs (i32.and {index} (i32.const 7))))"),
            _ => "(ref.is_null (ref.func $f0))".into(),
        }
    }

    fn reference(&mut self, depth: u32) -> String {
        let (a, b, index) = (self.expression(depth), self.expression(depth), self.expression(depth));
        let (callee, n) = (self.rng.below(self.functions), self.label());
        // Two of the eight elements are null.
        let element = format!("(table.get $typed (i32.and {index} (i32.const 7)))");
        match self.rng.below(5) {
            0 => format!("(call_ref $t {a} {b} (ref.func $f{callee}))"),
            1 => format!("(call_ref $t {a} {b} (ref.as_non_null (table.get $typed (i32.const {}))))", callee % 6),
            2 => format!(
                "(block $n{n} (result i32) (block $k{n} (br $n{n} (call_ref $t {a} {b} (br_on_null $k{n} {element}))))
                (i32.const -1))"
            ),
            3 => format!(
                "(call_ref $t {a} {b} (block $n{n} (result (ref $t)) (br_on_non_null $n{n} {element})
                (ref.func $f{callee})))"
            ),
            _ => format!("(ref.is_null {element})"),
        }
    }

    fn exception(&mut self, depth: u32) -> String {
        let (a, b) = (self.expression(depth), self.expression(depth));
        let n = self.label();
        // What is caught is thrown here, or further down.
        let body = format!("(if (i32.and {b} (i32.const 1)) (then (throw $e {b}))) {a}");
        match self.rng.below(5) {
            0 => format!("(block $c{n} (result i32) (try_table (result i32) (catch $e $c{n}) {body}))"),
            1 => format!(
                "(block $c{n} (result i32) (block $d{n} (br $c{n} (try_table (result i32) (catch_all $d{n}) {body})))
                (i32.const 5))"
            ),
            2 => format!(
                "(block $c{n} (result i32) (block $d{n} (result i32 exnref)
                    (br $c{n} (try_table (result i32) (catch_ref $e $d{n}) {body})))
                (local.set $x) (if (i32.eq (i32.const 3) (i32.and {b} (i32.const 3))) (then (throw_ref (local.get $x)))))"
            ),
            3 => format!(
                "(block $c{n} (result i32) (block $d{n} (result exnref)
                    (br $c{n} (try_table (result i32) (catch_all_ref $d{n}) {body})))
                (local.set $x) (ref.is_null (local.get $x)))"
            ),
            _ => format!(
                "(block $c{n} (result i32) (block $d{n} (result i64 i32)
                    (br $c{n} (try_table (result i32) (catch $other $d{n}) (catch $e $c{n})
                        (if {b} (then (throw $other (i64.const 77) {b}))) {a})))
                (i32.xor (i32.wrap_i64)))"
            )
            .replace("(i32.xor (i32.wrap_i64))", "(local.set 3) (i32.wrap_i64) (i32.xor (local.get 3))"),
        }
    }

    /// A statement of about this depth.
    pub fn statement(&mut self, depth: u32) -> String {
        let a = self.expression(depth.min(3));
        match self.rng.below(16) {
            0 | 1 => format!("(local.set {} {a})", [0, 1, 3][self.rng.below(3)]),
            2 => format!("(global.set $g {a})"),
            3 => self.store(&a),
            4 if depth > 0 => {
                let (then, other) = (self.statement(depth - 1), self.statement(depth - 1));
                format!("(if {a} (then {then}) (else {other}))")
            }
            5 if depth > 0 => {
                let (body, n, turns) = (self.statement(depth - 1), self.label(), 2 + self.rng.below(5));
                format!(
                    "(local.set 2 (i32.const 0)) (loop $l{n} {body}
                    (if (global.get $fuel) (then (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))))
                    (br_if $l{n} (i32.and (i32.ne (global.get $fuel) (i32.const 0))
                        (i32.lt_u (local.tee 2 (i32.add (local.get 2) (i32.const 1))) (i32.const {turns})))))"
                )
            }
            6 if depth > 0 => self.branches(&a, depth - 1),
            7 | 8 => self.bulk(&a),
            9 | 10 => self.table_statement(&a),
            11 => format!("(if (i32.eq {a} (i32.const 0x1234567)) (then unreachable))"),
            12 => format!("(if (i32.gt_u {a} (i32.const 0xffff0000)) (then (return {a})))"),
            13 if self.v8() => format!("(atomic.fence) (if (i32.eq (i32.const 77) {a}) (then (throw $e {a})))"),
            14 => "nop".into(),
            _ => format!("(drop {a})"),
        }
    }

    fn store(&mut self, value: &str) -> String {
        let memory = self.memory();
        let address = self.address(memory, 1);
        let offset = self.rng.below(12);
        match self.rng.below(4) {
            0 => format!("(i64.store $m{memory} offset={offset} {address} (i64.extend_i32_s {value}))"),
            _ => format!("(i32.{} $m{memory} offset={offset} {address} {value})", self.rng.pick(&STORES)),
        }
    }

    fn branches(&mut self, index: &str, depth: u32) -> String {
        let (one, two, n) = (self.statement(depth), self.statement(depth), self.label());
        format!(
            "(block $a{n} (block $b{n} (block $c{n} (br_table $a{n} $b{n} $c{n} $b{n} (i32.and {index} (i32.const 7))))
            {one} (br $a{n})) {two})"
        )
    }

    /// A number as an address or length of a memory.
    fn number(&self, memory: usize, n: usize) -> String {
        format!("({}.const {n})", if self.memories[memory] { "i64" } else { "i32" })
    }

    fn bulk(&mut self, value: &str) -> String {
        let (memory, from) = (self.memory(), self.memory());
        let (to_at, from_at) = (self.address(memory, 0), self.address(from, 0));
        let len = self.rng.below(90);
        let short = if self.memories[memory] && self.memories[from] { "i64" } else { "i32" };
        match self.rng.below(5) {
            0 => format!("(memory.fill $m{memory} {to_at} {value} {})", self.number(memory, len)),
            1 => format!("(memory.copy $m{memory} $m{from} {to_at} {from_at} ({short}.const {len}))"),
            2 => format!("(memory.init $m{memory} $passive {to_at} (i32.const 7) (i32.const {}))", len % 50),
            3 => format!("(drop (memory.grow $m{memory} {}))", self.number(memory, len % 2)),
            // Later copies out of it trap; so only at the end of a run, if at all.
            _ => {
                "(if (i32.eq (global.get $fuel) (i32.const 3)) (then (data.drop $passive) (elem.drop $passive)))".into()
            }
        }
    }

    fn table_statement(&mut self, index: &str) -> String {
        let (callee, len) = (self.rng.below(self.functions), self.rng.below(5));
        let masked = format!("(i32.and {index} (i32.const 3))");
        let table = *self.rng.pick(&["$written", "$shown"]);
        match self.rng.below(7) {
            0 | 1 => format!("(table.set {table} {masked} (ref.func $f{callee}))"),
            2 => format!("(table.fill {table} {masked} (ref.func $f{callee}) (i32.const {len}))"),
            3 => format!("(table.copy {table} $fixed {masked} (i32.const 0) (i32.const {}))", len.min(1)),
            4 => format!("(table.init {table} $passive {masked} (i32.const 1) (i32.const {len}))"),
            5 => format!("(table.set $shown (i32.and {index} (i32.const 15)) (ref.null func))"),
            _ => format!("(table.set $refs {masked} (table.get $refs (i32.const 1)))"),
        }
    }
}

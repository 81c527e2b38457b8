//! Programs made at random that allocate, link, cast and drop objects, with references in locals, operands, arguments,
//! results and exceptions while the collector runs: all tiers compute the same, with a collection at every allocation and
//! without.

use crate::support::{config, module};
use epsilon::{Engine, Instance, Store, Tier};
use std::fmt::Write as _;

/// How many programs; `EPSILON_PROGRAMS` says otherwise.
const PROGRAMS: u64 = 15;

/// What all programs share: types, a table of functions, and a checksum of what can be reached from a reference.
const HEAD: &str = r#"
    (type $f (func (param anyref i32) (result anyref)))
    (type $many (func (param i32 anyref f64 eqref i64 anyref anyref anyref anyref f64 anyref)
        (result anyref i32 anyref f64 anyref i64 anyref anyref anyref anyref anyref)))
    (type $box (sub (struct (field (mut i32)))))
    (type $node (sub $box (struct (field (mut i32)) (field (mut anyref)) (field (mut i64)))))
    (type $leaf (sub final $node (struct (field (mut i32)) (field (mut anyref)) (field (mut i64))
        (field (mut f64)) (field (mut i8)) (field (mut i16)) (field (mut (ref null $f))) (field (mut v128)))))
    (type $refs (array (mut anyref)))
    (type $bytes (array (mut i8)))
    (type $longs (array (mut i64)))
    (type $functions (array (mut (ref null $f))))
    (tag $tag (param anyref i32))
    (global $fuel (mut i32) (i32.const 0))
    (global $kept (mut anyref) (ref.null any))
    (table $table 8 anyref)
    (func $spend (result i32)
        (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
        (i32.lt_s (global.get $fuel) (i32.const 0)))
    (func $mix (param i32 i32) (result i32)
        (i32.add (i32.mul (i32.rotl (local.get 0) (i32.const 5)) (i32.const 31)) (local.get 1)))
    (func $sum (param $x anyref) (param $depth i32) (result i32) (local $s i32) (local $i i32)
        (if (i32.or (i32.eqz (local.get $depth)) (ref.is_null (local.get $x))) (then (return (i32.const 1))))
        (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
        (block $no (result anyref)
            (return (i32.add (i32.const 2)
                (i31.get_u (br_on_cast_fail $no anyref (ref i31) (local.get $x))))))
        (drop)
        (block $no (result anyref)
            (local.set $s (struct.get $box 0 (br_on_cast_fail $no anyref (ref $box) (local.get $x))))
            (if (ref.test (ref $node) (local.get $x))
                (then (local.set $s (call $mix (local.get $s) (call $mix
                    (i32.wrap_i64 (struct.get $node 2 (ref.cast (ref $node) (local.get $x))))
                    (call $sum (struct.get $node 1 (ref.cast (ref $node) (local.get $x))) (local.get $depth)))))))
            (if (ref.test (ref $leaf) (local.get $x))
                (then (local.set $s (call $mix (local.get $s) (i32.add
                    (i32.reinterpret_f32 (f32.demote_f64 (struct.get $leaf 3 (ref.cast (ref $leaf) (local.get $x)))))
                    (i32.add (struct.get_s $leaf 4 (ref.cast (ref $leaf) (local.get $x)))
                        (i32.add (struct.get_u $leaf 5 (ref.cast (ref $leaf) (local.get $x)))
                            (i32x4.extract_lane 2 (struct.get $leaf 7 (ref.cast (ref $leaf) (local.get $x)))))))))))
            (return (local.get $s)))
        (drop)
        (if (ref.test (ref $refs) (local.get $x)) (then
            (loop $more
                (local.set $s (call $mix (local.get $s) (call $sum
                    (array.get $refs (ref.cast (ref $refs) (local.get $x)) (local.get $i)) (local.get $depth))))
                (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))))
        (if (ref.test (ref $bytes) (local.get $x)) (then
            (loop $more
                (local.set $s (call $mix (local.get $s)
                    (array.get_s $bytes (ref.cast (ref $bytes) (local.get $x)) (local.get $i))))
                (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))))
        (if (ref.test (ref $longs) (local.get $x)) (then
            (loop $more
                (local.set $s (call $mix (local.get $s) (i32.wrap_i64
                    (array.get $longs (ref.cast (ref $longs) (local.get $x)) (local.get $i)))))
                (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))))
        (call $mix (local.get $s) (array.len (block $no (result (ref array))
            (br_on_cast $no anyref (ref array) (local.get $x)) (drop) (array.new $bytes (i32.const 0) (i32.const 3))))))
"#;

/// Kinds of locals of each function, so many of each; the parameters are the first reference and the first `i32`.
const REFERENCES: u64 = 7;
const INTEGERS: u64 = 6;
const WIDE: u64 = 3;
const FLOATS: u64 = 3;

struct Generator {
    state: u64,
    /// How many functions may be called: those made before.
    functions: u64,
    /// Loops around what is made now, each of which has a counter.
    loops: u64,
    labels: u64,
}

impl Generator {
    fn below(&mut self, n: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }

    fn label(&mut self) -> u64 {
        self.labels += 1;
        self.labels
    }

    fn structure(&mut self) -> &'static str {
        ["$box", "$node", "$leaf"][self.below(3) as usize]
    }

    fn heap_type(&mut self) -> &'static str {
        let all = ["$box", "$node", "$leaf", "$refs", "$bytes", "struct", "array", "i31", "eq", "any", "none"];
        all[self.below(all.len() as u64) as usize]
    }

    fn integer(&mut self, depth: u64) -> String {
        let d = depth.saturating_sub(1);
        match if depth == 0 { self.below(2) } else { self.below(11) } {
            0 => format!("(i32.const {})", self.below(1000)),
            1 => format!("(local.get $i{})", self.below(INTEGERS)),
            2 => format!("(i32.add {} {})", self.integer(d), self.integer(d)),
            3 => {
                let (l, s) = (self.label(), self.structure());
                format!(
                    "(block $o{l} (result i32) (drop (block $n{l} (result anyref) (br $o{l} (struct.get {s} 0 \
                     (br_on_cast_fail $n{l} anyref (ref {s}) {})))))  {})",
                    self.any(d),
                    self.integer(d)
                )
            }
            4 => {
                let null = ["", "null "][self.below(2) as usize];
                format!("(ref.test (ref {null}{}) {})", self.heap_type(), self.any(d))
            }
            5 => format!("(ref.eq (ref.cast (ref null eq) {}) (ref.cast (ref null eq) {}))", self.any(d), self.any(d)),
            6 => format!("(i31.get_s (ref.i31 {}))", self.integer(d)),
            7 => format!("(call $sum {} (i32.const 2))", self.any(d)),
            8 => format!("(ref.is_null {})", self.any(d)),
            9 => format!("(if (result i32) {} (then {}) (else {}))", self.integer(d), self.integer(d), self.integer(d)),
            _ => format!("(i32.wrap_i64 {})", self.wide(d)),
        }
    }

    fn wide(&mut self, depth: u64) -> String {
        let d = depth.saturating_sub(1);
        match if depth == 0 { self.below(2) } else { self.below(4) } {
            0 => format!("(i64.const {})", self.below(1 << 30)),
            1 => format!("(local.get $l{})", self.below(WIDE)),
            2 => format!("(i64.xor {} (i64.rotl {} (i64.const 7)))", self.wide(d), self.wide(d)),
            _ => format!("(i64.extend_i32_s {})", self.integer(d)),
        }
    }

    fn float(&mut self, depth: u64) -> String {
        let d = depth.saturating_sub(1);
        match if depth == 0 { self.below(2) } else { self.below(4) } {
            0 => format!("(f64.const {}.5)", self.below(100)),
            1 => format!("(local.get $d{})", self.below(FLOATS)),
            2 => format!("(f64.add {} {})", self.float(d), self.float(d)),
            _ => format!("(f64.convert_i32_s {})", self.integer(d)),
        }
    }

    fn function(&mut self) -> String {
        match self.below(4) {
            0 => "(ref.null $f)".into(),
            _ => format!("(ref.func $f{})", self.below(self.functions)),
        }
    }

    fn new_object(&mut self, d: u64) -> String {
        match self.below(9) {
            0 => format!("(struct.new $box {})", self.integer(d)),
            1 => format!("(struct.new $node {} {} {})", self.integer(d), self.any(d), self.wide(d)),
            2 => format!(
                "(struct.new $leaf {} {} {} {} {} {} {} (i32x4.splat {}))",
                self.integer(d),
                self.any(d),
                self.wide(d),
                self.float(d),
                self.integer(d),
                self.integer(d),
                self.function(),
                self.integer(d)
            ),
            3 => format!("(struct.new_default {})", self.structure()),
            4 => {
                let elements: Vec<_> = (0..8).map(|_| self.any(d / 2)).collect();
                format!("(array.new_fixed $refs 8 {})", elements.join(" "))
            }
            5 => format!(
                "(array.new $refs {} (i32.add (i32.const 8) (i32.and {} (i32.const 15))))",
                self.any(d),
                self.integer(d)
            ),
            6 => format!("(array.new $bytes {} (i32.const 9))", self.integer(d)),
            7 => format!("(array.new $longs {} (i32.const {}))", self.wide(d), [8, 8, 3000][self.below(3) as usize]),
            _ => format!("(array.new_default {} (i32.const 8))", ["$refs", "$bytes", "$longs"][self.below(3) as usize]),
        }
    }

    fn any(&mut self, depth: u64) -> String {
        let d = depth.saturating_sub(1);
        match if depth == 0 { self.below(4) } else { self.below(15) } {
            0 => "(ref.null any)".into(),
            1..=2 => format!("(local.get $r{})", self.below(REFERENCES)),
            3 => format!("(ref.i31 {})", self.integer(d)),
            4..=7 => self.new_object(d),
            8 => format!("(call $f{} {} {})", self.below(self.functions), self.any(d), self.integer(d)),
            9 => {
                let l = self.label();
                format!(
                    "(block $o{l} (result anyref) (drop (block $n{l} (result anyref) (br $o{l} (struct.get $node 1 \
                     (br_on_cast_fail $n{l} anyref (ref $node) {})))))  {})",
                    self.any(d),
                    self.any(d)
                )
            }
            10 => {
                let l = self.label();
                format!(
                    "(block $o{l} (result anyref) (drop (block $n{l} (result anyref) (br $o{l} (array.get $refs \
                     (br_on_cast_fail $n{l} anyref (ref $refs) {}) (i32.and {} (i32.const 7)))))) {})",
                    self.any(d),
                    self.integer(d),
                    self.any(d)
                )
            }
            11 => format!("(select (result anyref) {} {} {})", self.any(d), self.any(d), self.integer(d)),
            12 => format!("(if (result anyref) {} (then {}) (else {}))", self.integer(d), self.any(d), self.any(d)),
            13 => {
                let l = self.label();
                format!(
                    "(block $c{l} (result anyref i32) (try_table (result anyref i32) (catch $tag $c{l}) \
                     (if {} (then (throw $tag {} {}))) {} {})) (call $with)",
                    self.integer(d),
                    self.any(d),
                    self.integer(d),
                    self.any(d),
                    self.integer(d)
                )
            }
            _ => {
                let l = self.label();
                format!(
                    "(block $o{l} (result anyref) (br_on_non_null $o{l} (call_ref $f {} {} (block $k{l} (result (ref $f)) \
                     (br_on_non_null $k{l} {}) (ref.func $f0)))) {})",
                    self.any(d),
                    self.integer(d),
                    self.function(),
                    self.any(d)
                )
            }
        }
    }

    fn set(&mut self, d: u64) -> String {
        match self.below(6) {
            0..=2 => format!("(local.set $r{} {})", self.below(REFERENCES), self.any(d)),
            // The last ones count rounds.
            3 => format!("(local.set $i{} {})", self.below(INTEGERS), self.integer(d)),
            4 => format!("(local.set $l{} {})", self.below(WIDE), self.wide(d)),
            _ => format!("(local.set $d{} {})", self.below(FLOATS), self.float(d)),
        }
    }

    /// Does something with a reference if it is of a type.
    fn on(&mut self, ty: &str, d: u64, done: impl FnOnce(&mut Self, &str) -> String) -> String {
        let l = self.label();
        let reference = format!("(br_on_cast_fail $n{l} anyref (ref {ty}) {})", self.any(d));
        let done = done(self, &reference);
        format!("(block $e{l} (drop (block $n{l} (result anyref) {done} (br $e{l}))))")
    }

    fn statement(&mut self, depth: u64) -> String {
        let d = depth.saturating_sub(1);
        match if depth == 0 { 0 } else { self.below(14) } {
            0..=3 => self.set(depth),
            4 => self.on("$node", d, |this, r| format!("(struct.set $node 1 {r} {})", this.any(d))),
            5 => self.on("$leaf", d, |this, r| match this.below(4) {
                0 => format!("(struct.set $leaf 3 {r} {})", this.float(d)),
                1 => format!("(struct.set $leaf 4 {r} {})", this.integer(d)),
                2 => format!("(struct.set $leaf 6 {r} {})", this.function()),
                _ => format!("(struct.set $leaf 7 {r} (i32x4.splat {}))", this.integer(d)),
            }),
            6 => self.on("$refs", d, |this, r| {
                format!("(array.set $refs {r} (i32.and {} (i32.const 7)) {})", this.integer(d), this.any(d))
            }),
            7 => self.on("$refs", d, |this, r| {
                format!(
                    "(array.fill $refs {r} (i32.and {} (i32.const 3)) {} (i32.const 4))",
                    this.integer(d),
                    this.any(d)
                )
            }),
            8 => self.on("$bytes", d, |this, r| {
                format!(
                    "(array.fill $bytes {r} (i32.and {} (i32.const 3)) {} (i32.const 5))",
                    this.integer(d),
                    this.integer(d)
                )
            }),
            9 => self.on("$longs", d, |this, r| {
                format!(
                    "(array.copy $longs $longs {r} (i32.and {} (i32.const 3)) (array.new_fixed $longs 4 {} {} {} {}) \
                     (i32.const 1) (i32.const 3))",
                    this.integer(d),
                    this.wide(d),
                    this.wide(d),
                    this.wide(d),
                    this.wide(d)
                )
            }),
            10 if self.loops < 2 => self.rounds(d),
            10 => self.set(depth),
            11 => self.call_with_many(d),
            12 => format!("(global.set $kept {})", self.any(d)),
            _ => format!(
                "(table.set $table (i32.and {} (i32.const 7)) {}) (local.set $r0 (table.get $table (i32.and {} (i32.const 7))))",
                self.integer(d),
                self.any(d),
                self.integer(d)
            ),
        }
    }

    /// A loop of a few rounds.
    fn rounds(&mut self, d: u64) -> String {
        let at = self.loops;
        self.loops += 1;
        let body: String = (0..3).map(|_| self.statement(d)).collect();
        self.loops -= 1;
        format!(
            "(local.set $n{at} (i32.const {})) (loop $more{at} {body} (br_if $more{at} (local.tee $n{at} \
             (i32.sub (local.get $n{at}) (i32.const 1)))))",
            1 + self.below(3)
        )
    }

    /// A call whose arguments and results do not fit registers.
    fn call_with_many(&mut self, d: u64) -> String {
        let values: Vec<_> = "i r d e l r r r r d r"
            .split(' ')
            .map(|kind| match kind {
                "i" => self.integer(d),
                "r" => self.any(d),
                "d" => self.float(d),
                "l" => self.wide(d),
                _ => format!("(ref.cast (ref null eq) {})", self.any(d)),
            })
            .collect();
        // The last result is on top.
        let sets: Vec<_> = "r r r r r l r d r i r"
            .split(' ')
            .enumerate()
            .map(|(n, kind)| format!("(local.set ${kind}{})", if kind == "r" { n as u64 % REFERENCES } else { 1 }))
            .collect();
        format!("(call $many{} {}) {}", self.below(2), values.join(" "), sets.join(" "))
    }

    fn locals(params: bool) -> String {
        let mut text = String::new();
        for (kind, ty, count) in
            [("r", "anyref", REFERENCES), ("i", "i32", INTEGERS), ("l", "i64", WIDE), ("d", "f64", FLOATS)]
        {
            for n in 0..count {
                if !(params && n == 0 && matches!(kind, "r" | "i")) {
                    write!(text, "(local ${kind}{n} {ty})").expect("a string");
                }
            }
        }
        text + "(local $n0 i32) (local $n1 i32)"
    }

    fn program(seed: u64) -> String {
        let mut this = Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, functions: 1, loops: 0, labels: 0 };
        let mut text = String::from("(module ");
        text += HEAD;
        text += "(func $with (param anyref i32) (result anyref) (struct.new $node (local.get 1) (local.get 0) (i64.const 9)))";
        text += "(func $f0 (type $f) (struct.new $node (local.get 1) (local.get 0) (i64.const 3)))";
        for n in 0..2 {
            let d = 1 + n;
            write!(
                text,
                "(func $many{n} (type $many) {}
                    (local.set $r0 (local.get 1)) (local.set $i0 (local.get 0)) (local.set $r1 (local.get 10))
                    {} {}
                    (local.get 5) (local.get 0) (local.get $r0) (local.get 2) (local.get 3) (local.get 4) {} (local.get 10)
                    (local.get 1) (local.get 7) (struct.new $node (local.get $i0) (local.get 6) (local.get 4)))",
                Self::locals(false),
                this.set(d),
                this.set(d),
                this.new_object(d),
            )
            .expect("a string");
        }
        for n in 1..6 {
            this.functions = n;
            let body: String = (0..5).map(|_| this.statement(3)).collect();
            let result = match this.below(3) {
                0 => format!("(return_call $f{} {} {})", this.below(n), this.any(1), this.integer(1)),
                _ => this.any(2),
            };
            write!(
                text,
                "(func $f{n} (type $f) (param $r0 anyref) (param $i0 i32) (result anyref) {}
                    (if (call $spend) (then (return (local.get $r0)))) {body} {result})",
                Self::locals(true)
            )
            .expect("a string");
        }
        text += r#"(elem declare func $f0 $f1 $f2 $f3 $f4 $f5)
            (func (export "run") (param $n i32) (result i32) (local $r anyref)
                (global.set $fuel (i32.const 60))
                (local.set $r (call $f5 (array.new_default $refs (i32.const 8)) (local.get $n)))
                (call $mix (call $sum (local.get $r) (i32.const 6)) (call $mix (call $sum (global.get $kept) (i32.const 5))
                    (call $sum (table.get $table (i32.const 3)) (i32.const 4))))))"#;
        text
    }
}

#[test]
fn programs_compute_the_same_in_all_tiers_wherever_the_collector_runs() {
    let plans = [
        (Tier::Optimised, 0, false),
        (Tier::Quick, 0, false),
        (Tier::Quick, 1, false),
        (Tier::Quick, 3, false),
        (Tier::Quick, 1, true),
        (Tier::Optimised, 1, true),
        (Tier::Auto, 0, false),
        (Tier::Auto, 1, false),
    ];
    let engines = plans.map(|(tier, stress, is_masked)| {
        let mut config = config();
        config.tier(tier).gc_stress(stress);
        if tier == Tier::Auto {
            config.workers(1).replace_all_code(true);
        }
        if is_masked {
            config.gc_heap_reservation(0);
        }
        (format!("{tier:?}, stress {stress}, masked: {is_masked}"), Engine::new(&config).expect("an engine"))
    });
    let number = |name| std::env::var(name).ok().and_then(|number: String| number.parse::<u64>().ok());
    let first = number("EPSILON_SEED").unwrap_or(1);
    let programs = number("EPSILON_PROGRAMS").unwrap_or(PROGRAMS);
    let (mut ends, mut traps) = (0, 0);
    for seed in first..first + programs {
        let text = Generator::program(seed);
        let mut expected: Option<Vec<String>> = None;
        for (name, engine) in &engines {
            let module = module(engine, &text);
            let mut store = Store::new(engine, ());
            let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
            let results: Vec<String> = [1, -7, 1000]
                .into_iter()
                .map(|n| match run.call(&mut store, n) {
                    Ok(sum) => sum.to_string(),
                    Err(error) => format!("{:?}", error.downcast_ref::<epsilon::Trap>()),
                })
                .collect();
            ends += results.iter().filter(|result| result.parse::<i32>().is_ok()).count();
            traps += results.iter().filter(|result| result.starts_with("Some")).count();
            match &expected {
                None => expected = Some(results),
                Some(expected) => assert_eq!(expected, &results, "seed {seed}: {name}"),
            }
        }
    }
    // All that is done is guarded, but for host values.
    assert!(ends > 0 && traps * 20 <= ends, "{ends} runs ended, {traps} trapped");
}

//! A script in an interpreter of syntax trees: `rhai`. `script [ROUNDS]`

use bench_guests::size;
use rhai::{Engine, Scope};

const SCRIPT: &str = r#"
fn fib(n) { if n < 2 { n } else { fib(n - 1) + fib(n - 2) } }

fn primes(limit) {
    let sieve = [];
    sieve.pad(limit, true);
    let count = 0;
    for i in 2..limit {
        if sieve[i] {
            count += 1;
            let j = i * i;
            while j < limit { sieve[j] = false; j += i; }
        }
    }
    count
}

fn words(rounds) {
    let counts = #{};
    let text = "the quick brown fox jumps over the lazy dog and the dog sleeps";
    for round in 0..rounds {
        for word in text.split(" ") {
            let key = word + (round % 7);
            counts[key] = (counts[key] ?? 0) + word.len();
        }
    }
    let total = 0;
    for value in counts.values() { total += value; }
    total
}

let sum = 0.0;
for i in 1..=rounds * 100 { sum += 1.0 / (i * i).to_float(); }
[fib(10 + rounds / 2), primes(rounds * 1000), words(rounds * 10), (sum * 1000000.0).to_int()]
"#;

fn main() {
    let mut engine = Engine::new();
    engine.set_max_expr_depths(0, 0);
    let mut scope = Scope::new();
    scope.push("rounds", size(20) as i64);
    let result: rhai::Array = engine.eval_with_scope(&mut scope, SCRIPT).expect("the script runs");
    println!("{result:?}");
}

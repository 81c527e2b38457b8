//! Names of functions that mean harm.

use super::wasm::{Random, leb};

/// The contents of a `name` section with names of functions.
pub fn section(names: &[(u32, &str)]) -> Vec<u8> {
    let mut map = leb(names.len() as u64);
    for (index, name) in names {
        map.extend(leb((*index).into()));
        map.extend(leb(name.len() as u64));
        map.extend(name.as_bytes());
    }
    [&[1][..], &leb(map.len() as u64), &map].concat()
}

/// What `S_`, `S0_` and so on are numbered by.
fn substitution(n: usize) -> String {
    match n {
        0 => "S_".into(),
        n => {
            let digit = |n: usize| char::from_digit(n as u32, 36).expect("a digit").to_ascii_uppercase();
            match n - 1 {
                n if n < 36 => format!("S{}_", digit(n)),
                n => format!("S{}{}_", digit(n / 36), digit(n % 36)),
            }
        }
    }
}

/// A C++ name that stands for a text of `2^depth` parts.
fn doubled(depth: usize) -> String {
    let doubled: String = (1..depth).map(|n| format!("S_I{0}{0}E", substitution(n))).collect();
    format!("_Z1f1bI1aS0_E{doubled}")
}

/// A name of Rust's newer scheme whose types each refer to the one before it twice.
fn referring(depth: usize) -> String {
    let (mut name, mut last) = (String::from("_RINvC1a1b"), None);
    for _ in 0..depth {
        let at = name.len() - 2;
        match last {
            None => name += "TuuE",
            Some(to) => {
                let reference = format!("B{}_", base_62(to));
                name += &format!("T{reference}{reference}E");
            }
        }
        last = Some(at);
    }
    name + "E"
}

/// The digits of a reference; that to the first byte has none.
fn base_62(n: usize) -> String {
    let digits: Vec<char> = ('0'..='9').chain('a'..='z').chain('A'..='Z').collect();
    let Some(mut n) = n.checked_sub(1) else { return String::new() };
    let mut out = String::new();
    loop {
        out.insert(0, digits[n % 62]);
        n /= 62;
        if n == 0 {
            return out;
        }
    }
}

/// Each a kind.
pub fn hostile() -> Vec<(&'static str, String)> {
    let many = |part: &str, count: usize| part.repeat(count);
    vec![
        ("doubled", doubled(20)),
        ("doubled, long", doubled(400)),
        ("referring", referring(40)),
        ("referring, long", referring(900)),
        ("pointers", format!("_Z1f{}i", many("P", 3000))),
        ("nested names", format!("_Z{}1a{}v", many("N1aI", 500), many("EE", 500))),
        ("local names", format!("_Z{}1fv{}", many("Z", 500), many("E1g", 500))),
        ("expressions", format!("_Z1fIX{}1aEEvv", many("cl", 200))),
        ("tried again", format!("_Z2dclC1Sa{}", many("1clC1I2SsclcvC1I2Ss", 20))),
        ("qualifiers", format!("_ZZ1f{}", many("MU1xU1xRT0_S0_", 30))),
        ("lists in lists", format!("_Z1atltln1v{}", many("tlvPvC1vtlgsvPv", 25))),
        ("Rust, nested", format!("_R{}C1a", many("Nv", 5000))),
        ("Rust, tuples", format!("_RINvC1a1b{}", many("T", 5000))),
        ("Rust, punycode", format!("_RNvC1au500_{}", many("a", 500))),
        ("Rust, older", format!("_ZN{}E", many("10aaaaaaaaaa", 3000))),
        ("ten megabytes", many("x", 10 << 20)),
        ("ten megabytes, mangled", format!("_Z1f{}", many("i", 10 << 20))),
        ("control characters", many("\u{1b}]0;\u{7}\u{9b}\r\n\u{202e}\u{200b}", 1000)),
        ("empty", String::new()),
        ("not mangled", "_Z".into()),
    ]
}

/// Parts of mangled names, in any order.
pub fn random(random: &mut Random) -> String {
    const PARTS: [&str; 44] = [
        "Z", "N", "E", "I", "J", "1f", "1a", "S_", "S0_", "S1_", "T_", "X", "L", "L_Z", "st", "cl", "sr", "Dp", "DT",
        "F", "P", "K", "v", "i", "M", "A", "_", "0", "Ul", "C1", "D0", "B1x", "cv", "on", "U1x", "tl", "Nv", "C1a",
        "B2_", "T", "u", "INv", "\u{1b}", "\n",
    ];
    let mut name = String::from(["_Z", "_R", "", "_ZN"][random.below(4)]);
    (0..random.below(200)).for_each(|_| name += PARTS[random.below(PARTS.len())]);
    name
}

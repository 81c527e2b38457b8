//! Formatting and parsing of numbers, and work on strings. Floats come from
//! `+ - * /` and `sqrt` alone, which every target rounds alike.

use std::borrow::Cow;
use std::fmt;
use std::hint::black_box;
use std::num::{IntErrorKind, ParseIntError};

use crate::heading;

pub fn run() {
    heading("text");
    integers();
    floats();
    parsing();
    alignment();
    unicode();
    pieces();
    bytes();
}

fn integers() {
    println!("{} {} {} {}", i8::MIN, u16::MAX, i32::MIN, u64::MAX);
    println!("{} {}", i128::MIN, u128::MAX);
    println!(
        "{:x} {:#X} {:#o} {:#010b} {:+} {:08}",
        48879, 48879, 493, 37, 5, -42
    );
    println!(
        "{:?} {:?}",
        250u8.checked_add(10),
        250u8.overflowing_add(10)
    );
    println!(
        "{} {} {}",
        250u8.saturating_add(10),
        250u8.wrapping_add(10),
        (-7i32).rem_euclid(3)
    );
    println!(
        "{} {} {}",
        40u32.leading_zeros(),
        40u32.trailing_zeros(),
        0xf0f0u32.count_ones()
    );
    println!(
        "{} {:#x}",
        0x1234_5678u32.swap_bytes(),
        0x1234_5678u32.rotate_left(8)
    );
    let factorial = (1..=33u128).product::<u128>();
    println!(
        "33! = {factorial}, / 10^9 = {}, % 10^9 = {}",
        factorial / 1_000_000_000,
        factorial % 1_000_000_000
    );
    println!("{}", (u64::MAX as f64) as u64 == u64::MAX);
    let saturated =
        black_box([300.7, -5.5, f64::NAN, 1e300]).map(|float| (float as u8, float as i64));
    println!("{saturated:?}");
}

fn floats() {
    println!("{} {} {} {}", 0.1 + 0.2, 1.0 / 3.0, 1e21, 1.5e-7);
    println!("{:?} {:?} {:?} {:?}", 1.0, -0.0, 1e16, 0.1f32);
    println!(
        "{:.3} {:.0} {:.0} {:.0} {:.10}",
        2.0f64.sqrt(),
        0.5,
        1.5,
        2.5,
        0.1
    );
    println!("{:e} {:E} {:.2e}", 123456.0, 0.00012, 98765.4321);
    println!(
        "{:>12.4}|{:<12.4}|{:^12.4}|{:+012.4}",
        1.25, -1.25, 1.25, 1.25
    );
    println!("{} {} {}", f64::NAN, f64::INFINITY, f64::NEG_INFINITY);
    println!("{} {}", f64::MAX, f64::MIN_POSITIVE);
    println!("{:?} {:?}", f64::from_bits(1), f32::MAX);
    println!(
        "{} {} {} {}",
        2.5f64.floor(),
        (-2.5f64).ceil(),
        2.5f64.round(),
        (-2.7f64).trunc()
    );
    println!(
        "{} {} {}",
        1.0f64.copysign(-2.0),
        3.0f64.min(f64::NAN),
        7.5f64 % 2.0
    );

    let mut harmonic = 0.0f64;
    let mut leibniz = 0.0f64;
    for n in 1..=100_000 {
        harmonic += 1.0 / f64::from(n);
        leibniz += (if n % 2 == 1 { 4.0 } else { -4.0 }) / f64::from(2 * n - 1);
    }
    println!("{harmonic} {leibniz}");
    println!("{}", (0..1000).map(|n| (n as f32).sqrt()).sum::<f32>());
}

fn parsing() {
    let numbers: Result<Vec<i32>, ParseIntError> =
        "3 -1 +4 0 15".split(' ').map(str::parse).collect();
    println!("{numbers:?}");
    for bad in ["", "12a", "99999999999", "-129"] {
        match bad.parse::<i8>() {
            Ok(value) => println!("{bad:?} is {value}"),
            Err(error) => println!(
                "{bad:?}: {error} ({})",
                *error.kind() == IntErrorKind::InvalidDigit
            ),
        }
    }
    for float in [
        "1e308",
        "1e309",
        "-.5",
        "4.9e-324",
        "0x1",
        "inf",
        "1.7976931348623157e308",
    ] {
        println!("{float} -> {:?}", float.parse::<f64>().ok());
    }
    println!(
        "{:?} {:?}",
        "true".parse::<bool>(),
        i64::from_str_radix("-zz", 36)
    );
}

/// A value with a `Display` of its own that honours width and precision.
struct Money(i64);

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        f.pad(&format!(
            "{sign}{}.{:02}",
            self.0.abs() / 100,
            self.0.abs() % 100
        ))
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Recipe {
    name: String,
    minutes: Option<u32>,
    steps: Vec<(u8, &'static str)>,
}

fn alignment() {
    println!(
        "[{:>10}] [{:<10}] [{:*^10}] [{}]",
        Money(12345),
        Money(-5),
        Money(700),
        Money(0)
    );
    let width = 7;
    println!("[{:>width$}] [{:>1$}] [{:.*}]", "right", 9, 3, "truncated");
    let soup = Recipe {
        name: "soup".into(),
        minutes: Some(40),
        steps: vec![(1, "chop"), (2, "boil")],
    };
    println!("{soup:?}");
    println!("{soup:#?}");
    println!(
        "{}",
        Recipe::default()
            == Recipe {
                minutes: None,
                ..soup.clone()
            }
    );
}

fn unicode() {
    let text = "Grüße, κόσμε! 今日は 🦀";
    println!("{} bytes, {} chars", text.len(), text.chars().count());
    println!("{} | {}", text.to_uppercase(), text.to_lowercase());
    println!("{}", text.chars().rev().collect::<String>());
    println!(
        "{:?}",
        text.char_indices()
            .filter(|(_, c)| c.len_utf8() > 2)
            .collect::<Vec<_>>()
    );
    println!("{}", text.escape_unicode().take(24).collect::<String>());
    println!(
        "{:?} {}",
        "tab\t\"quote\" \u{7f}\u{e9}",
        "é\n".escape_default()
    );
    let utf16: Vec<u16> = "a🦀".encode_utf16().collect();
    println!("{utf16:04x?} {:?}", String::from_utf16(&utf16));
    let numeric: Vec<bool> = ['7', '⅚', 'x', '٣']
        .iter()
        .map(|c| c.is_numeric())
        .collect();
    println!(
        "{numeric:?} {:?} {:?}",
        'f'.to_digit(16),
        char::from_digit(11, 16)
    );
    println!("{:?}", "ΑΣ ΟΔΟΣ ıİ".to_lowercase());
}

fn pieces() {
    let line = "  name = epsilon ; kind=machine;;size = 42 ";
    let pairs: Vec<(&str, &str)> = line
        .split(';')
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect();
    println!("{pairs:?}");
    println!("{:?}", "a,b,,c,".split(',').collect::<Vec<_>>());
    println!(
        "{:?}",
        "one  two\tthree\n"
            .split_whitespace()
            .rev()
            .collect::<Vec<_>>()
    );
    println!(
        "{:?}",
        "mississippi".rmatch_indices("ss").collect::<Vec<_>>()
    );
    println!("{}", "a-b-c".replace('-', "++").replacen("++", "=", 1));
    println!(
        "{:?} {:?}",
        "prefix.rest".strip_prefix("prefix."),
        "x".strip_suffix("y")
    );
    let caesar: String = "Hello, Zoo".chars().map(|c| shift(c, 13)).collect();
    println!("{caesar} {}", "ab".repeat(5));

    let mut poem = String::with_capacity(16);
    for (index, word) in ["roses", "are", "red"].iter().enumerate() {
        poem.insert_str(0, word);
        poem.push(char::from(b'0' + index as u8));
    }
    poem.truncate(10);
    let last = poem.pop();
    println!("{poem} {:?} {last:?}", poem.find("red"));
}

fn shift(c: char, by: u8) -> char {
    match c {
        'a'..='z' => char::from((c as u8 - b'a' + by) % 26 + b'a'),
        'A'..='Z' => char::from((c as u8 - b'A' + by) % 26 + b'A'),
        other => other,
    }
}

fn bytes() {
    let broken = [b'o', b'k', 0xff, 0xe2, 0x82, b'!'];
    let lossy = String::from_utf8_lossy(&broken);
    println!("{lossy} {}", matches!(lossy, Cow::Owned(_)));
    let error =
        String::from_utf8(broken.to_vec()).map_err(|error| error.utf8_error().valid_up_to());
    println!("{error:?}");
    println!(
        "{:?} {:?}",
        0xdead_beefu32.to_be_bytes(),
        1.5f32.to_le_bytes()
    );
    println!("{}", b"escaped\x00\xff\n".escape_ascii());
}

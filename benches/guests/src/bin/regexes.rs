//! Regular expressions over so many kibibytes of prose: the crate `regex`. `regexes [KIBIBYTES]`

use bench_guests::{prose, size};
use regex::Regex;

const PATTERNS: [&str; 7] = [
    r"\b\d{4}-(0[1-9]|1[0-2])-\d{2}\b",
    r"[a-z]+@[a-z]+\.example",
    r"(?i)\b(kami|loter|minan|duris)\w*",
    r"(\w+)[ ,.\n]+(\w+)er\b",
    r"(?:ka|lo|min){3,}",
    r"[A-Z][a-z]+ [A-Z][a-z]+",
    r"(?m)^.*shi.*ber.*$",
];

fn main() {
    let text = prose(size(1024) << 10);
    println!("{} bytes", text.len());
    for pattern in PATTERNS {
        let regex = Regex::new(pattern).expect("a regular expression");
        let (mut count, mut groups, mut total) = (0, 0, 0);
        for captures in regex.captures_iter(&text) {
            count += 1;
            total += captures[0].len();
            groups += captures.iter().skip(1).flatten().map(|group| group.start() % 7).sum::<usize>();
        }
        println!("{pattern}: {count} times, {total} bytes, {groups}");
    }
    let swapped = Regex::new(r"(\d{4})-(\d\d)-(\d\d)").expect("a regular expression").replace_all(&text, "$3.$2.$1");
    println!("{:016x}", bench_guests::checksum(swapped.as_bytes()));
}

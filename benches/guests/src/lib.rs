//! What the programs share: a generator of numbers, text made with it, checksums, and the size of the work.

use std::fmt::Write;

/// The first argument as a number; how much work that is, is the program's affair.
pub fn size(default: usize) -> usize {
    match std::env::args().nth(1) {
        Some(word) => word.parse().expect("the argument is a number"),
        None => default,
    }
}

/// A generator that is the same everywhere (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() >> 11) as usize % limit
    }

    /// A number from -1 to 1.
    pub fn signed_unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// FNV-1a.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

const SYLLABLES: [&str; 24] = [
    "ka", "lo", "min", "ter", "an", "sel", "or", "vi", "dun", "pe", "ris", "mo", "ta", "en", "gul", "fa", "shi", "ber",
    "no", "wal", "ci", "ur", "hem", "jo",
];

/// Prose of nonsense, with numbers, addresses and dates among the words.
pub fn prose(bytes: usize) -> String {
    let mut random = Random(2026);
    let mut text = String::with_capacity(bytes + 64);
    let mut words = 0;
    while text.len() < bytes {
        match random.below(40) {
            0 => write!(text, "{}", random.below(100_000)).expect("strings take all"),
            1 => write!(text, "{}-{:02}-{:02}", 1900 + random.below(130), 1 + random.below(12), 1 + random.below(28))
                .expect("strings take all"),
            2 => {
                word(&mut random, &mut text);
                text.push('@');
                word(&mut random, &mut text);
                text.push_str(".example");
            }
            _ => word(&mut random, &mut text),
        }
        words += 1;
        text.push_str(match (random.below(12), words % 11) {
            (0, _) => ", ",
            (1, _) => ". ",
            (_, 0) => "\n",
            _ => " ",
        });
    }
    text
}

fn word(random: &mut Random, text: &mut String) {
    let start = text.len();
    for _ in 0..=random.below(4) {
        // Those that come first are more frequent, as in languages.
        let end = 1 + random.below(SYLLABLES.len());
        text.push_str(SYLLABLES[random.below(end)]);
    }
    if random.below(8) == 0 {
        text[start..].get_mut(..1).expect("words begin with ASCII").make_ascii_uppercase();
    }
}

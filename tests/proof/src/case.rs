//! What every check is: a function from a seed to nothing, or to a finding. Knows no engine.

use std::collections::BTreeMap;

/// A check, with whatever it keeps from case to case.
pub trait Check {
    /// Runs the case of a seed.
    ///
    /// # Errors
    /// What is wrong.
    fn run(&mut self, seed: u64, tally: &mut Tally) -> Result<(), Finding>;

    /// Runs a module that once failed.
    ///
    /// # Errors
    /// What is still wrong.
    fn replay(&mut self, _wasm: &[u8], seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        self.run(seed, tally)
    }
}

/// Something that is wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What, for people.
    pub what: String,
    /// The module that shows it.
    pub wasm: Vec<u8>,
}

impl Finding {
    /// A finding in a module.
    pub fn new(what: impl Into<String>, wasm: &[u8]) -> Self {
        Self { what: what.into(), wasm: wasm.to_vec() }
    }
}

/// Counts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(pub BTreeMap<String, u64>);

impl Tally {
    /// Counts one.
    pub fn count(&mut self, name: &str) {
        self.add(name, 1);
    }

    /// Counts several.
    pub fn add(&mut self, name: &str, n: u64) {
        match self.0.get_mut(name) {
            Some(sum) => *sum += n,
            None => drop(self.0.insert(name.to_owned(), n)),
        }
    }

    /// One count a line; the inverse of [`Self::from_text`].
    pub fn to_text(&self) -> String {
        self.0.iter().map(|(name, n)| format!("{n}\t{name}\n")).collect()
    }

    /// Reads what [`Self::to_text`] wrote; other lines are passed over.
    pub fn from_text(text: &str) -> Self {
        let line = |line: &str| {
            let (n, name) = line.split_once('\t')?;
            Some((name.to_owned(), n.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// Adds all of another tally.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, n)| self.add(name, *n));
    }
}

/// The generator of all random choices (SplitMix64): small, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// So many random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_le_bytes()).flatten().take(len).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_survive_being_written() {
        let mut tally = Tally::default();
        tally.add("a b", 3);
        tally.count("c");
        assert_eq!(Tally::from_text(&tally.to_text()), tally);
        tally.merge(&tally.clone());
        assert_eq!(tally.0["a b"], 6);
    }
}

//! Where random numbers come from.

use std::fmt;

use crate::wire::errno::Errno;

/// A source of random bytes. Replace it for runs that must repeat.
pub trait Random: Send + fmt::Debug {
    /// Fills the buffer.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno>;
}

/// The host's source, fit for keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        getrandom::fill(buffer).map_err(|_| Errno::Io)
    }
}

/// The same bytes for the same seed, on every host. Not for keys.
#[derive(Debug, Clone, Copy)]
pub struct SeededRandom {
    state: u64,
    rest: u64,
    rest_bytes: u32,
}

impl SeededRandom {
    /// Starts from a seed.
    pub fn new(seed: u64) -> SeededRandom {
        SeededRandom { state: seed, rest: 0, rest_bytes: 0 }
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

impl Random for SeededRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        for byte in buffer {
            if self.rest_bytes == 0 {
                self.rest = self.next();
                self.rest_bytes = 8;
            }
            *byte = self.rest as u8;
            self.rest >>= 8;
            self.rest_bytes -= 1;
        }
        Ok(())
    }
}

//! What a store remembers of return addresses, for the walks over its frames.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What a walk found at a return address, kept for the next one: programs throw along the same ways again and again.
#[derive(Clone, Copy, Default)]
pub struct Known {
    /// The return address; 0 where nothing is kept.
    pub pc: usize,
    /// Of the frame's instance: another one of the same module has other tags.
    pub anchor: usize,
    /// Of the exception.
    pub tag: u32,
    /// Of the handler's frame.
    pub frame_bytes: u32,
    /// The handler's address; 0 if the frame catches nothing of this tag.
    pub handler: usize,
}

/// A power of two.
const KNOWN_FRAMES: usize = 128;

/// What is known of return addresses. What is in it stays true as long as the store lives: so do its instances, with
/// their tags and their code, and code stays where it is.
#[derive(Default)]
pub struct KnownFrames(Option<Box<[Known; KNOWN_FRAMES]>>);

impl KnownFrames {
    /// What is kept of a return address, or of another one in its place.
    pub fn at(&mut self, pc: usize) -> &mut Known {
        let known = self.0.get_or_insert_with(|| Box::new([Known::default(); KNOWN_FRAMES]));
        &mut known[(pc ^ (pc >> 7)) % KNOWN_FRAMES]
    }
}

/// How many return addresses are remembered at most.
pub const MAX_KNOWN: usize = 1 << 16;

/// Slots of the frames that calls return to, by return address. What is in it stays true as long as the store's instances
/// live: code stays where it is.
#[derive(Default)]
pub struct KnownMaps(pub HashMap<usize, Box<[i32]>, BuildHasherDefault<AddressHasher>>);

/// Spreads addresses.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize((*byte).into()));
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = (self.0 ^ address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

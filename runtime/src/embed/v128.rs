//! Vectors of 128 bits as embedders see them.

use std::fmt;

/// A vector of 128 bits: the lanes follow each other from the lowest bits on.
///
/// ```
/// let vector = epsilon::V128::from(1 | 2 << 32 | 3 << 64);
/// assert_eq!((vector.as_u128() >> 32) as u32, 2);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct V128(u128);

impl V128 {
    /// The bits.
    pub fn as_u128(&self) -> u128 {
        self.0
    }
}

impl From<u128> for V128 {
    fn from(bits: u128) -> Self {
        Self(bits)
    }
}

impl From<V128> for u128 {
    fn from(vector: V128) -> Self {
        vector.0
    }
}

impl fmt::Debug for V128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for V128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#034x}", self.0)
    }
}

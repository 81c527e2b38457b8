//! The pieces in which few bytes are moved, for code of both tiers.

/// Up to this many bytes are moved by instructions where they stand.
pub(crate) const MAX_INLINE_BYTES: u64 = 64;

/// The most pieces that so many bytes are moved in.
pub(crate) const MAX_PIECES: usize = 4;

/// Bytes that are moved at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// Where they begin.
    pub at: i32,
    /// How many they are: a power of two, at most 16.
    pub bytes: u64,
}

impl Piece {
    pub const fn is_vector(self) -> bool {
        self.bytes == 16
    }
}

/// The widest pieces that `len` bytes are made of. The last one may overlap the one before.
pub(crate) fn pieces(len: u64) -> impl Iterator<Item = Piece> + Clone {
    let bytes = [16, 8, 4, 2, 1].into_iter().find(|bytes| *bytes <= len).unwrap_or(1);
    let last = (!len.is_multiple_of(bytes)).then(|| (len - bytes) as i32);
    (0..len / bytes).map(move |n| (n * bytes) as i32).chain(last).map(move |at| Piece { at, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_all_bytes_and_no_others() {
        assert_eq!(pieces(0).count(), 0);
        for len in 1..=MAX_INLINE_BYTES {
            let mut covered = vec![false; len as usize];
            for piece in pieces(len) {
                covered[piece.at as usize..piece.at as usize + piece.bytes as usize].fill(true);
            }
            assert!(covered.iter().all(|covered| *covered), "{len} bytes");
            assert!(pieces(len).count() <= MAX_PIECES, "{len} bytes");
        }
    }
}

//! Hashes of so many mebibytes: `sha2` (integers) and `blake3` (SIMD). `hashes [MEBIBYTES]`

use bench_guests::{Random, size};
use sha2::{Digest, Sha256, Sha512};

fn main() {
    let mut random = Random(1);
    let mut piece = vec![0; 1 << 20];
    let (mut sha256, mut sha512, mut blake3) = (Sha256::new(), Sha512::new(), blake3::Hasher::new());
    for _ in 0..size(32) {
        piece.chunks_exact_mut(4096).for_each(|page| page[..8].copy_from_slice(&random.bits().to_le_bytes()));
        sha256.update(&piece);
        sha512.update(&piece);
        for _ in 0..4 {
            blake3.update(&piece);
        }
    }
    println!("sha256 {:x}\nsha512 {:x}\nblake3 {}", sha256.finalize(), sha512.finalize(), blake3.finalize());
}

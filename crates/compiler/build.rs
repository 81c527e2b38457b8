//! Gives the compiler a fingerprint of all that decides what code it makes: its sources, the contract's, and the lock
//! file that pins Cranelift. It is part of every cache key, so that no build runs what another one compiled otherwise.

use std::path::{Path, PathBuf};

fn main() {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for root in ["src", "../abi/src", "Cargo.toml", "../../Cargo.lock"] {
        println!("cargo:rerun-if-changed={root}");
        let mut files = Vec::new();
        collect(Path::new(root), &mut files);
        files.sort();
        for file in files {
            hash = fnv1a(hash, file.to_string_lossy().as_bytes());
            hash = fnv1a(hash, &std::fs::read(&file).unwrap_or_default());
        }
    }
    println!("cargo:rustc-env=EPSILON_COMPILER_FINGERPRINT={hash:016x}");
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| collect(&entry.path(), files)),
        Err(_) => files.push(path.to_owned()),
    }
}

fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

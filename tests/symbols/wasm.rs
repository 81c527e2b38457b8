//! The module around the sections: one function, `_start`, that traps at offset 3 of the code section.

use wasm_encoder::Encode as _;

/// A number in the variable-length encoding.
pub fn leb(n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    n.encode(&mut out);
    out
}

fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(contents.len() as u64), contents].concat()
}

fn custom(name: &str, contents: &[u8]) -> Vec<u8> {
    section(0, &[&leb(name.len() as u64)[..], name.as_bytes(), contents].concat())
}

/// The module, with these sections of debug information, and this contents of the `name` section.
pub fn module(sections: &[(&str, Vec<u8>)], names: &[u8]) -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    wasm.extend(section(1, b"\x01\x60\0\0"));
    wasm.extend(section(3, b"\x01\0"));
    wasm.extend(section(7, b"\x01\x06_start\0\0"));
    wasm.extend(section(10, b"\x01\x03\0\0\x0b"));
    for (name, contents) in sections {
        wasm.extend(custom(name, contents));
    }
    wasm.extend(custom("name", names));
    wasm
}

/// Numbers that look random, and are the same for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }
}

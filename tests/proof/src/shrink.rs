//! Makes the module of a finding smaller for as long as it is worth it.

use std::time::{Duration, Instant};
use wasm_shrink::WasmShrink;

/// How hard a finding is shrunk.
const ATTEMPTS: u32 = 300;
/// And how long, so that it is not taken for a hang.
const TIME: Duration = Duration::from_secs(4);

/// The smallest module found of which `fails` still holds.
pub fn smallest(wasm: &[u8], seed: u64, mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let started = Instant::now();
    let still = |wasm: &[u8]| Ok(started.elapsed() < TIME && fails(wasm));
    let shrink = WasmShrink::default().attempts(ATTEMPTS).seed(seed);
    shrink.run(wasm.to_vec(), still).map_or_else(|_| wasm.to_vec(), |info| info.output)
}

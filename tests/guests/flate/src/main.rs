//! Compresses standard input to standard output, or the other way round.
//!
//! ```text
//! flate [LEVEL]     gzip, level 6 unless given
//! flate -d          back again
//! flate -t BYTES    makes so many bytes of text itself, compresses and expands them, and prints sizes and sums
//! ```

use flate2::read::{GzDecoder, GzEncoder};
use flate2::{Compression, Crc};
use std::io::{self, Read, Write};
use std::process::ExitCode;

const BLOCK_BYTES: usize = 64 * 1024;

/// Moves everything, in blocks.
fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<u64> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut total = 0;
    loop {
        let count = from.read(&mut block)?;
        if count == 0 {
            to.flush()?;
            return Ok(total);
        }
        to.write_all(&block[..count])?;
        total += count as u64;
    }
}

fn text(bytes: usize) -> Vec<u8> {
    let words = ["tide", "gull", "harbour", "net", "salt", "rope", "lantern", "keel", "foam", "anchor"];
    let (mut text, mut state) = (Vec::with_capacity(bytes + 16), 12345u32);
    while text.len() < bytes {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
        text.extend_from_slice(words[(state >> 16) as usize % words.len()].as_bytes());
        text.push(if state >> 28 == 0 { b'\n' } else { b' ' });
    }
    text.truncate(bytes);
    text
}

fn sum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn there_and_back(bytes: usize) -> io::Result<()> {
    let plain = text(bytes);
    println!("plain    {:>8} {:08x}", plain.len(), sum(&plain));
    for level in [1, 6, 9] {
        let (mut packed, mut again) = (Vec::new(), Vec::new());
        copy(GzEncoder::new(&plain[..], Compression::new(level)), &mut packed)?;
        copy(GzDecoder::new(&packed[..]), &mut again)?;
        println!("level {level}  {:>8} {:08x} {}", packed.len(), sum(&packed), again == plain);
    }
    Ok(())
}

fn run() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (stdin, stdout) = (io::stdin().lock(), io::stdout().lock());
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "usage: flate [LEVEL | -d | -t BYTES]");
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => copy(GzEncoder::new(stdin, Compression::default()), stdout).map(drop),
        ["-d"] => copy(GzDecoder::new(stdin), stdout).map(drop),
        ["-t", bytes] => {
            drop(stdout);
            there_and_back(bytes.parse().map_err(|_| usage())?)
        }
        [level] => {
            let level = level.parse().ok().filter(|level| *level <= 9).ok_or_else(usage)?;
            copy(GzEncoder::new(stdin, Compression::new(level)), stdout).map(drop)
        }
        _ => Err(usage()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flate: {error}");
            ExitCode::FAILURE
        }
    }
}

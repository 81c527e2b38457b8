//! Every call with arguments that no honest program would pass: no panic, no hang, no growth.

use std::time::{Duration, Instant};

use epsilon_wasi::{Access, InputStream, Limits, Param, Random, SeededRandom, Version, VirtualClocks, calls};

use crate::guest::*;

const TUPLES: usize = 60_000;

struct Dice(SeededRandom);

impl Dice {
    fn word(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.word() % limit
    }

    /// Extremes, things that are likely to mean something, and anything.
    fn argument(&mut self, param: Param) -> u64 {
        let end = MEMORY_BYTES as u64;
        let extremes = [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 64, 0xff, 0xffff, end - 8, end - 1, end, end + 1];
        let word = match self.below(8) {
            0..=2 => self.below(8),
            3 => extremes[self.below(extremes.len() as u64) as usize],
            4 => [1 << 31, (1 << 31) - 1, u64::from(u32::MAX), 1 << 63, i64::MAX as u64, u64::MAX]
                [self.below(6) as usize],
            5 => self.below(end),
            6 => self.below(4096),
            _ => self.word(),
        };
        if param == Param::I32 { word & u64::from(u32::MAX) } else { word }
    }
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("VmRSS: 0 kB");
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn guest(version: Version) -> Guest {
    let guest = Guest::built(version, Access::ReadWrite, |builder| {
        builder.args(["program", "argument"]).env("NAME", "value");
        builder.stdin(InputStream::bytes("some input"));
        builder.clocks(VirtualClocks::new(1, 1)).random(SeededRandom::new(1));
        builder.limits(Limits { descriptors: 64, subscriptions: 64, ..Limits::default() });
    });
    guest.host_mkdir("dir/nested");
    guest.host_write("file", "contents");
    guest.host_symlink("file", "link");
    guest.host_symlink("../../..", "out");
    guest
}

/// Names, lists of buffers and subscriptions at the addresses that are tried most.
fn sow(guest: &mut Guest, dice: &mut Dice) {
    let names = ["file", "dir", "link", "dir/nested", "out", ".", "..", "x", "/", "dir/../file"];
    for at in (0..4096).step_by(64) {
        let name = names[dice.below(names.len() as u64) as usize].as_bytes();
        match dice.below(3) {
            0 => guest.memory[at..at + name.len()].copy_from_slice(name),
            1 => {
                for word in 0..16 {
                    let value = dice.argument(Param::I32) as u32;
                    guest.memory[at + 4 * word..at + 4 * word + 4].copy_from_slice(&value.to_le_bytes());
                }
            }
            _ => guest.memory[at..at + 64].fill(0),
        }
    }
}

#[test]
fn no_call_can_be_made_to_fail_badly() {
    for version in [Version::Preview1, Version::Unstable] {
        let (mut dice, table) = (Dice(SeededRandom::new(4711)), calls(version));
        let mut guest = guest(version);
        let start = Instant::now();
        let (mut slowest, mut before_bytes) = (Duration::ZERO, 0);
        let mut made = vec![0; table.len()];
        for i in 0..TUPLES {
            if i % 64 == 0 {
                sow(&mut guest, &mut dice);
            }
            if i % 1000 == 0 {
                // A fresh world, so that no mistake of the guest's makes the rest of the test easy.
                guest = self::guest(version);
            }
            if i == TUPLES / 4 {
                before_bytes = resident_bytes();
            }
            let number = dice.below(table.len() as u64) as usize;
            let call = &table[number];
            let args: Vec<u64> = call.params.iter().map(|param| dice.argument(*param)).collect();
            if call.name == "fd_allocate" && args[1].saturating_add(args[2]) > 1 << 24 && args[2] < 1 << 63 {
                continue; // The host's disk is not what is tested.
            }
            let began = Instant::now();
            let _ = guest.call_or_exit(call.name, &args);
            slowest = slowest.max(began.elapsed());
            made[number] += 1;
        }
        assert!(made.iter().all(|count| *count > TUPLES / 100) && made.iter().sum::<usize>() > 50_000, "{made:?}");
        let growth_bytes = resident_bytes().saturating_sub(before_bytes);
        assert!(growth_bytes < 64 << 20, "{growth_bytes} bytes more");
        assert!(slowest < Duration::from_secs(5), "one call took {slowest:?}");
        assert!(start.elapsed() < Duration::from_secs(120));
    }
}

/// A memory of no size: everything that needs an address fails, and nothing else happens.
#[test]
fn a_guest_without_memory_does_no_harm() {
    let mut dice = Dice(SeededRandom::new(42));
    let table = calls(Version::Preview1);
    let mut guest = guest(Version::Preview1);
    guest.memory = Vec::new();
    for _ in 0..5_000 {
        let call = &table[dice.below(table.len() as u64) as usize];
        let args: Vec<u64> = call.params.iter().map(|param| dice.argument(*param)).collect();
        let _ = guest.call_or_exit(call.name, &args);
    }
    assert_eq!(guest.host_read("file"), b"contents");
}

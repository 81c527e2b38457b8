//! Clocks and random numbers, of the host and replaced.

use epsilon_wasi::{Errno, SeededRandom, VirtualClocks};

use crate::guest::Guest;

fn time(guest: &mut Guest, id: u64) -> Result<u64, Errno> {
    let out = guest.room(8);
    guest.call("clock_time_get", &[id, 1, out])?;
    Ok(guest.u64_at(out))
}

/// witx `clock_res_get`: "Implementations are required to provide a non-zero value for supported clocks. For
/// unsupported clocks, return `errno::inval`."
#[test]
fn every_clock_has_a_resolution() {
    let mut guest = Guest::new();
    for id in 0..4 {
        let out = guest.room(8);
        assert_eq!(guest.call("clock_res_get", &[id, out]), Ok(()));
        assert!((1..=1_000_000_000).contains(&guest.u64_at(out)));
    }
    for id in [4, 5, u32::MAX.into()] {
        let out = guest.room(8);
        assert_eq!(guest.call("clock_res_get", &[id, out]), Err(Errno::Inval));
        assert_eq!(time(&mut guest, id), Err(Errno::Inval));
    }
}

/// witx `clockid`: "realtime: The clock measuring real time. Time value zero corresponds with 1970-01-01T00:00:00Z."
#[test]
fn the_clock_of_the_day_is_the_hosts() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seen = time(&mut Guest::new(), 0).unwrap();
    assert!(seen >= now && seen - now < 60_000_000_000);
}

/// witx `clockid`: "monotonic: The store-wide monotonic clock, [...] which cannot be adjusted and which cannot have
/// negative clock jumps."
#[test]
fn clocks_do_not_go_back() {
    let mut guest = Guest::new();
    for id in [1, 2, 3] {
        let mut last = time(&mut guest, id).unwrap();
        for _ in 0..1000 {
            let now = time(&mut guest, id).unwrap();
            assert!(now >= last);
            last = now;
        }
    }
}

#[test]
fn replaced_clocks_repeat() {
    let run = || {
        let mut guest = Guest::with(|builder| {
            builder.clocks(VirtualClocks::new(1_000_000, 10));
        });
        [0, 0, 1, 2].map(|id| time(&mut guest, id).unwrap())
    };
    assert_eq!(run(), [1_000_000, 1_000_010, 20, 30]);
    assert_eq!(run(), run());
}

/// witx `random_get`: "Write high-quality random data into a buffer."
#[test]
fn random_bytes_fill_any_buffer() {
    let mut guest = Guest::new();
    for len in [0, 1, 255, 256, 257, 70_000, 900_000] {
        guest.memory.fill(0);
        assert_eq!(guest.call("random_get", &[64, len]), Ok(()));
        assert!(guest.slice(0, 64).iter().all(|byte| *byte == 0));
        assert!(guest.memory[64 + len as usize..].iter().all(|byte| *byte == 0));
        let zeros = guest.slice(64, len).iter().filter(|byte| **byte == 0).count();
        // Every 256th byte is zero by chance: more than 22 of 257 never are.
        assert!(zeros <= len as usize / 100 + 20, "{zeros} zero bytes of {len}");
    }
}

#[test]
fn random_buffers_are_checked() {
    let mut guest = Guest::new();
    let end = guest.memory.len() as u64;
    assert_eq!(guest.call("random_get", &[end, 0]), Ok(()));
    assert_eq!(guest.call("random_get", &[end, 1]), Err(Errno::Fault));
    assert_eq!(guest.call("random_get", &[1, u32::MAX.into()]), Err(Errno::Fault));
}

#[test]
fn replaced_random_numbers_repeat() {
    let run = |seed, chunks: &[u64]| {
        let mut guest = Guest::with(|builder| {
            builder.random(SeededRandom::new(seed));
        });
        let mut at = 0;
        for chunk in chunks {
            guest.call("random_get", &[at, *chunk]).unwrap();
            at += chunk;
        }
        guest.slice(0, 100).to_vec()
    };
    assert_eq!(run(7, &[100]), run(7, &[1, 2, 3, 94]), "cuts do not matter");
    assert_ne!(run(7, &[100]), run(8, &[100]));
}

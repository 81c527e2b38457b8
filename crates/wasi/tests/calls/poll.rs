//! `poll_oneoff`.

use std::io::Write;
use std::time::{Duration, Instant};

use epsilon_wasi::{Errno, InputStream, Interrupt, Limits, VirtualClocks};

use crate::guest::*;

#[derive(Debug, Clone, Copy)]
enum On {
    Clock { id: u32, timeout: u64, flags: u16 },
    Read(u32),
    Write(u32),
    Tag(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Event {
    userdata: u64,
    error: u16,
    tag: u8,
    nbytes: u64,
    flags: u16,
}

fn ms(ms: u64) -> On {
    On::Clock { id: 1, timeout: ms * 1_000_000, flags: 0 }
}

/// witx `subscription` and `event`, by their layouts. User data counts from 100.
fn poll(guest: &mut Guest, wishes: &[On]) -> Result<Vec<Event>> {
    let list = guest.room(wishes.len() * 48);
    for (i, wish) in wishes.iter().enumerate() {
        let mut record = [0; 48];
        record[0] = 100 + i as u8;
        let (tag, id) = match *wish {
            On::Clock { id, timeout, flags } => {
                record[24..32].copy_from_slice(&timeout.to_le_bytes());
                record[40..42].copy_from_slice(&flags.to_le_bytes());
                (0, id)
            }
            On::Read(fd) => (1, fd),
            On::Write(fd) => (2, fd),
            On::Tag(tag) => (tag, 0),
        };
        record[8] = tag;
        record[16..20].copy_from_slice(&id.to_le_bytes());
        let at = list as usize + i * 48;
        guest.memory[at..at + 48].copy_from_slice(&record);
    }
    let (events, count) = (guest.room(wishes.len() * 32), guest.room(4));
    guest.call("poll_oneoff", &[list, events, wishes.len() as u64, count])?;
    let count = u64::from(guest.u32_at(count));
    Ok((0..count)
        .map(|i| {
            let at = events + 32 * i;
            Event {
                userdata: guest.u64_at(at),
                error: guest.u16_at(at + 8),
                tag: guest.memory[at as usize + 10],
                nbytes: guest.u64_at(at + 16),
                flags: guest.u16_at(at + 24),
            }
        })
        .collect())
}

fn event(userdata: u64, tag: u8) -> Event {
    Event { userdata, error: 0, tag, nbytes: 0, flags: 0 }
}

/// witx `poll_oneoff`: "If `nsubscriptions` is 0, returns `errno::inval`."
#[test]
fn waiting_for_nothing_is_invalid() {
    assert_eq!(poll(&mut Guest::new(), &[]), Err(Errno::Inval));
}

#[test]
fn the_number_of_wishes_is_bounded() {
    let mut guest = Guest::with(|builder| {
        builder.limits(Limits { subscriptions: 10, ..Limits::default() });
    });
    assert_eq!(poll(&mut guest, &[ms(0); 10]).unwrap().len(), 10);
    assert_eq!(poll(&mut guest, &[ms(0); 11]), Err(Errno::Inval));
    assert_eq!(guest.call("poll_oneoff", &[0, 0, u32::MAX.into(), 0]), Err(Errno::Inval));
}

/// witx `subscription_clock`: "timeout: The absolute or relative timestamp."
#[test]
fn sleeping_takes_as_long_as_asked() {
    let mut guest = Guest::new();
    for id in [0, 1] {
        let start = Instant::now();
        let wish = On::Clock { id, timeout: 30_000_000, flags: 0 };
        assert_eq!(poll(&mut guest, &[wish]), Ok(vec![event(100, 0)]));
        assert!((30..20_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    }
    assert_eq!(poll(&mut guest, &[ms(0)]), Ok(vec![event(100, 0)]));
}

#[test]
fn the_first_time_counts() {
    let mut guest = Guest::new();
    let start = Instant::now();
    assert_eq!(poll(&mut guest, &[ms(60_000), ms(20), ms(90_000)]), Ok(vec![event(101, 0)]));
    assert!(start.elapsed() < Duration::from_secs(10));
    let both = poll(&mut guest, &[ms(0), ms(60_000), ms(0)]).unwrap();
    assert_eq!(both, [event(100, 0), event(102, 0)]);
}

/// witx `subclockflags`: "subscription_clock_abstime: If set, treat the timestamp provided in
/// `subscription_clock::timeout` as an absolute timestamp of clock `subscription_clock::id`."
#[test]
fn absolute_times_are_of_their_clock() {
    let mut guest = Guest::new();
    for id in [0, 1] {
        let out = guest.room(8);
        guest.call("clock_time_get", &[id, 1, out]).unwrap();
        let now = guest.u64_at(out);
        let start = Instant::now();
        let wish = On::Clock { id: id as u32, timeout: now + 30_000_000, flags: 1 };
        assert_eq!(poll(&mut guest, &[wish]), Ok(vec![event(100, 0)]));
        assert!((15..20_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
        let past = On::Clock { id: id as u32, timeout: now - 1, flags: 1 };
        assert_eq!(poll(&mut guest, &[past]), Ok(vec![event(100, 0)]));
    }
}

/// What is wrong with one wish is the error of its event.
#[test]
fn wrong_wishes_are_told_by_event() {
    let mut guest = Guest::new();
    let cases = [
        (On::Clock { id: 9, timeout: 0, flags: 0 }, 0, Errno::Inval),
        (On::Clock { id: 1, timeout: 0, flags: 2 }, 0, Errno::Inval),
        (On::Clock { id: 2, timeout: 0, flags: 0 }, 0, Errno::NotSup),
        (On::Read(99), 1, Errno::Badf),
        (On::Write(99), 2, Errno::Badf),
        (On::Write(0), 2, Errno::Badf),
        (On::Read(1), 1, Errno::Badf),
        (On::Read(ROOT), 1, Errno::Badf),
    ];
    for (wish, tag, errno) in cases {
        let events = poll(&mut guest, &[ms(60_000), wish]).unwrap();
        assert_eq!(events, [Event { error: errno as u16, ..event(101, tag) }], "{wish:?}");
    }
    assert_eq!(poll(&mut guest, &[On::Tag(3)]), Err(Errno::Inval), "an unknown kind of wish spoils the list");
}

/// POSIX `poll`: "Regular files shall always poll TRUE for reading and writing."
#[test]
fn files_are_always_ready() {
    let mut guest = Guest::new();
    guest.host_write("file", "0123456789");
    let fd = guest.open("file", 0, RW).unwrap();
    guest.seek(fd, 4, SET).unwrap();
    let events = poll(&mut guest, &[On::Read(fd), On::Write(fd), ms(60_000)]).unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], Event { nbytes: 6, ..event(100, 1) });
    assert_eq!((events[1].userdata, events[1].error, events[1].tag), (101, 0, 2));
    let reader = guest.open("file", 0, READ).unwrap();
    assert_eq!(poll(&mut guest, &[On::Write(reader)]).unwrap()[0].error, Errno::Badf as u16);
}

#[test]
fn standard_streams_are_ready_when_they_are() {
    let mut guest = Guest::with(|builder| {
        builder.stdin(InputStream::bytes("12345"));
    });
    let events = poll(&mut guest, &[On::Read(0), On::Write(1), On::Write(2), ms(60_000)]).unwrap();
    let tags: Vec<_> = events.iter().map(|event| (event.userdata, event.error, event.tag)).collect();
    assert_eq!(tags, [(100, 0, 1), (101, 0, 2), (102, 0, 2)]);
    assert_eq!(events[0].nbytes, 5);
}

fn connected() -> (Guest, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let own = listener.accept().unwrap().0;
    let guest = Guest::with(|builder| {
        builder.connection(own);
    });
    (guest, peer)
}

#[test]
fn connections_wake_the_guest() {
    let (mut guest, mut peer) = connected();
    assert_eq!(poll(&mut guest, &[On::Read(4), ms(20)]), Ok(vec![event(101, 0)]), "nothing there yet");
    assert_eq!(poll(&mut guest, &[On::Write(4), ms(60_000)]).unwrap()[0].tag, 2);
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        peer.write_all(b"hello").unwrap();
        peer
    });
    let events = poll(&mut guest, &[ms(60_000), On::Read(4)]).unwrap();
    assert_eq!(events, [Event { nbytes: 5, ..event(101, 1) }]);
    drop(writer.join().unwrap());
    assert_eq!(guest.read(4, 100), Ok(b"hello".to_vec()));
    let events = poll(&mut guest, &[On::Read(4), ms(60_000)]).unwrap();
    assert_eq!((events[0].tag, events[0].nbytes), (1, 0), "the end is something to read");
}

#[test]
fn replaced_clocks_do_not_wait() {
    let mut guest = Guest::with(|builder| {
        builder.clocks(VirtualClocks::new(0, 0));
    });
    let start = Instant::now();
    let hour = On::Clock { id: 1, timeout: 3_600_000_000_000, flags: 0 };
    assert_eq!(poll(&mut guest, &[hour]), Ok(vec![event(100, 0)]));
    assert!(start.elapsed() < Duration::from_secs(10));
    let out = guest.room(8);
    guest.call("clock_time_get", &[1, 1, out]).unwrap();
    assert_eq!(guest.u64_at(out), 3_600_000_000_000);
}

#[test]
fn a_sleeping_guest_can_be_woken_for_good() {
    let interrupt = Interrupt::new();
    let mut guest = Guest::with(|builder| {
        builder.interrupt(interrupt.clone());
    });
    let start = Instant::now();
    let waker = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        interrupt.set();
    });
    assert_eq!(poll(&mut guest, &[ms(60_000)]), Err(Errno::Intr));
    assert!(start.elapsed() < Duration::from_secs(10));
    waker.join().unwrap();
    assert_eq!(guest.call("random_get", &[0, 8]), Err(Errno::Intr));
    guest.ctx.interrupt().clear();
    assert_eq!(guest.call("random_get", &[0, 8]), Ok(()));
}

#[test]
fn results_that_do_not_fit_are_not_waited_for() {
    let mut guest = Guest::new();
    let end = guest.memory.len() as u64;
    assert_eq!(guest.call("poll_oneoff", &[end - 47, 0, 1, 0]), Err(Errno::Fault));
    assert_eq!(guest.call("poll_oneoff", &[0, end - 31, 1, 0]), Err(Errno::Fault));
    assert_eq!(guest.call("poll_oneoff", &[0, 0, 1, end - 3]), Err(Errno::Fault));
}

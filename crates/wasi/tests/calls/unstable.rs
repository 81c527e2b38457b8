//! What differs in `wasi_unstable`: the file record, the order of origins, and the subscription to a clock.

use epsilon_wasi::{Access, Errno, Version};

use crate::guest::*;

fn unstable() -> Guest {
    Guest::built(Version::Unstable, Access::ReadWrite, |_| {})
}

#[test]
fn modules_have_their_names() {
    assert_eq!(Version::Preview1.module(), "wasi_snapshot_preview1");
    assert_eq!(Version::Unstable.module(), "wasi_unstable");
}

/// witx of the unstable version, `whence`: cur, end, set.
#[test]
fn origins_have_another_order() {
    let mut guest = unstable();
    guest.host_write("file", "0123456789");
    let fd = guest.open("file", 0, READ).unwrap();
    for (offset, whence, result) in
        [(4, 2, Ok(4)), (3, 0, Ok(7)), (-1, 1, Ok(9)), (-1, 2, Err(Errno::Inval)), (0, 3, Err(Errno::Inval))]
    {
        assert_eq!(guest.seek(fd, offset, whence), result);
    }
}

/// witx of the unstable version, `filestat`: `linkcount` has 32 bits, and the record 56 bytes.
#[test]
fn the_file_record_is_shorter() {
    let mut guest = unstable();
    guest.host_write("file", "12345");
    guest.link("file", 0, "second").unwrap();
    let fd = guest.open("file", 0, READ).unwrap();
    let stat = guest.stat(fd).unwrap();
    assert_eq!((stat.filetype, stat.nlink, stat.size), (4, 2, 5));
    assert_eq!(stat, guest.path_stat("second", 0).unwrap());
    let end = guest.memory.len() as u64;
    guest.memory.fill(0xaa);
    assert_eq!(guest.call("fd_filestat_get", &[fd.into(), end - 56]), Ok(()));
    assert_eq!(guest.slice(end - 57, 1), [0xaa]);
    assert_eq!(guest.call("fd_filestat_get", &[fd.into(), end - 55]), Err(Errno::Fault));
}

/// witx of the unstable version, `subscription_clock`: an `identifier` before the clock, and 56 bytes in all.
#[test]
fn the_subscription_is_longer() {
    let mut guest = unstable();
    let (list, events, count) = (guest.room(112), guest.room(64), guest.room(4));
    let mut records = [0; 112];
    records[0] = 1; // user data of the first: a clock that is late
    records[24] = 1; // monotonic
    records[32..40].copy_from_slice(&60_000_000_000u64.to_le_bytes());
    records[56] = 2; // user data of the second: a clock that is due
    records[56 + 24] = 1;
    guest.memory[list as usize..list as usize + 112].copy_from_slice(&records);
    assert_eq!(guest.call("poll_oneoff", &[list, events, 2, count]), Ok(()));
    assert_eq!(guest.u32_at(count), 1);
    assert_eq!((guest.u64_at(events), guest.u16_at(events + 8)), (2, 0));
}

#[test]
fn the_rest_is_the_same() {
    let mut guest = unstable();
    guest.create("file", b"data");
    assert_eq!(guest.host_read("file"), b"data");
    assert_eq!(guest.names(ROOT), [".", "..", "file"]);
    guest.write(1, b"out").unwrap();
    assert_eq!(guest.out.contents(), b"out");
}

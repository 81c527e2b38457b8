//! Reading, writing and positions of files.

use epsilon_wasi::Errno;

use crate::guest::*;

#[test]
fn what_is_written_is_read() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    assert_eq!(guest.write(fd, b"hello world"), Ok(11));
    assert_eq!(guest.host_read("file"), b"hello world");
    assert_eq!(guest.read(fd, 10), Ok(vec![]), "the position is at the end");
    assert_eq!(guest.seek(fd, 6, SET), Ok(6));
    assert_eq!(guest.read(fd, 100), Ok(b"world".to_vec()));
}

/// POSIX `writev`: "shall gather output data from the [...] buffers", in order; `readv` scatters likewise.
#[test]
fn lists_of_buffers_are_served_in_order() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    let parts = [guest.bytes(b"one"), guest.bytes(b""), guest.bytes(b"two"), guest.bytes(b"three")];
    let (iovs, count) = guest.iovs(&parts);
    let out = guest.room(4);
    guest.call("fd_write", &[fd.into(), iovs, count, out]).unwrap();
    assert_eq!(guest.u32_at(out), 11);
    assert_eq!(guest.host_read("file"), b"onetwothree");

    let (a, b) = (guest.room(4), guest.room(100));
    let (iovs, count) = guest.iovs(&[(a, 4), (0, 0), (b, 100)]);
    let out = guest.room(4);
    guest.call("fd_pread", &[fd.into(), iovs, count, 0, out]).unwrap();
    assert_eq!(guest.u32_at(out), 11);
    assert_eq!((guest.slice(a, 4), guest.slice(b, 7)), (&b"onet"[..], &b"wothree"[..]));
}

#[test]
fn buffers_may_overlap() {
    let mut guest = Guest::new();
    guest.host_write("file", "abcdef");
    let fd = guest.open("file", 0, READ).unwrap();
    let at = guest.room(8);
    let (iovs, count) = guest.iovs(&[(at, 4), (at + 2, 2)]);
    let out = guest.room(4);
    guest.call("fd_read", &[fd.into(), iovs, count, out]).unwrap();
    assert_eq!((guest.u32_at(out), guest.slice(at, 4)), (6, &b"abef"[..]));
}

#[test]
fn more_buffers_than_a_host_takes_are_served_partly() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    let byte = guest.bytes(b"x");
    let (iovs, count) = guest.iovs(&vec![byte; 3000]);
    let out = guest.room(4);
    guest.call("fd_write", &[fd.into(), iovs, count, out]).unwrap();
    assert_eq!(guest.u32_at(out), 1024);
    assert_eq!(guest.host_read("file").len(), 1024);
}

/// Addresses are checked before anything is done: a bad one among good ones is `fault`, and nothing is written.
#[test]
fn one_bad_buffer_spoils_the_list() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    let end = guest.memory.len() as u64;
    let good = guest.bytes(b"good");
    for bad in [(end - 1, 2), (end + 1, 0), (u32::MAX.into(), 1), (0, u32::MAX.into())] {
        let (iovs, count) = guest.iovs(&[good, bad]);
        let out = guest.room(4);
        assert_eq!(guest.call("fd_write", &[fd.into(), iovs, count, out]), Err(Errno::Fault));
        guest.iovs(&[]);
    }
    let (iovs, count) = guest.iovs(&[good]);
    assert_eq!(guest.call("fd_write", &[fd.into(), iovs, count, end - 3]), Err(Errno::Fault));
    assert_eq!(guest.call("fd_write", &[fd.into(), end - 7, 1, 0]), Err(Errno::Fault));
    assert_eq!(guest.call("fd_write", &[fd.into(), 0, u32::MAX.into(), 0]), Err(Errno::Fault));
    assert!(guest.host_read("file").is_empty());
}

/// witx `fd_pread`: "without using and updating the file descriptor's offset."
#[test]
fn positioned_calls_leave_the_position() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    guest.write(fd, b"0123456789").unwrap();
    guest.seek(fd, 3, SET).unwrap();
    assert_eq!(guest.pread(fd, 4, 6), Ok(b"6789".to_vec()));
    assert_eq!(guest.pread(fd, 4, 8), Ok(b"89".to_vec()));
    assert_eq!(guest.pread(fd, 4, 100), Ok(vec![]));
    assert_eq!(guest.pwrite(fd, b"ab", 1), Ok(2));
    assert_eq!(guest.tell(fd), Ok(3));
    assert_eq!(guest.host_read("file"), b"0ab3456789");
}

#[test]
fn offsets_beyond_the_hosts_are_invalid() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    for offset in [1 << 63, u64::MAX] {
        assert_eq!(guest.pread(fd, 4, offset), Err(Errno::Inval));
        assert_eq!(guest.pwrite(fd, b"x", offset), Err(Errno::Inval));
    }
}

/// POSIX `lseek`: positions from the start, the current one, and the end; a negative result is `inval`.
#[test]
fn seeking_from_each_origin() {
    let mut guest = Guest::new();
    guest.host_write("file", "0123456789");
    let fd = guest.open("file", 0, READ).unwrap();
    let cases = [
        (4, SET, Ok(4)),
        (3, CUR, Ok(7)),
        (-2, CUR, Ok(5)),
        (0, CUR, Ok(5)),
        (-1, END, Ok(9)),
        (5, END, Ok(15)),
        (-1, SET, Err(Errno::Inval)),
        (-100, CUR, Err(Errno::Inval)),
        (-11, END, Err(Errno::Inval)),
        (i64::MIN, CUR, Err(Errno::Inval)),
        (0, 3, Err(Errno::Inval)),
        (0, u32::MAX.into(), Err(Errno::Inval)),
    ];
    for (offset, whence, result) in cases {
        assert_eq!(guest.seek(fd, offset, whence), result, "{offset} from {whence}");
    }
    assert_eq!(guest.tell(fd), Ok(15), "what failed has moved nothing");
}

/// POSIX `lseek`: "shall allow the file offset to be set beyond the end of the existing data [...] subsequent reads of
/// data in the gap shall return bytes with the value 0."
#[test]
fn writing_past_the_end_leaves_a_hole() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    guest.write(fd, b"start").unwrap();
    guest.seek(fd, 1 << 20, SET).unwrap();
    guest.write(fd, b"end").unwrap();
    assert_eq!(guest.stat(fd).unwrap().size, (1 << 20) + 3);
    assert_eq!(guest.pread(fd, 8, (1 << 20) - 5), Ok(b"\0\0\0\0\0end".to_vec()));
    assert_eq!(guest.pread(fd, 8, 3), Ok(b"rt\0\0\0\0\0\0".to_vec()));
}

/// POSIX `read`: "[EBADF] The fildes argument is not a valid file descriptor open for reading"; `write` likewise.
#[test]
fn files_are_used_only_as_they_were_opened() {
    let mut guest = Guest::new();
    guest.host_write("file", "data");
    let reader = guest.open("file", 0, READ).unwrap();
    assert_eq!(guest.write(reader, b"x"), Err(Errno::Badf));
    assert_eq!(guest.pwrite(reader, b"x", 0), Err(Errno::Badf));
    assert_eq!(guest.call("fd_allocate", &[reader.into(), 0, 1]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_filestat_set_size", &[reader.into(), 0]), Err(Errno::Inval));
    let writer = guest.open("file", 0, WRITE).unwrap();
    assert_eq!(guest.read(writer, 1), Err(Errno::Badf));
    assert_eq!(guest.pread(writer, 1, 0), Err(Errno::Badf));
    let neither = guest.open("file", 0, 0).unwrap();
    assert_eq!(guest.read(neither, 1), Err(Errno::Badf));
    assert_eq!(guest.write(neither, b"x"), Err(Errno::Badf));
    assert_eq!(guest.stat(neither).unwrap().size, 4);
    assert_eq!(guest.host_read("file"), b"data");
}

#[test]
fn numbers_that_stand_for_nothing_are_bad() {
    let mut guest = Guest::new();
    for fd in [4, 100, u64::from(u32::MAX)] {
        for (call, args) in [
            ("fd_advise", &[fd, 0, 0, 0][..]),
            ("fd_allocate", &[fd, 0, 1]),
            ("fd_close", &[fd]),
            ("fd_datasync", &[fd]),
            ("fd_fdstat_get", &[fd, 0]),
            ("fd_fdstat_set_flags", &[fd, 0]),
            ("fd_fdstat_set_rights", &[fd, 0, 0]),
            ("fd_filestat_get", &[fd, 0]),
            ("fd_filestat_set_size", &[fd, 0]),
            ("fd_filestat_set_times", &[fd, 0, 0, 0]),
            ("fd_pread", &[fd, 0, 0, 0, 0]),
            ("fd_prestat_get", &[fd, 0]),
            ("fd_prestat_dir_name", &[fd, 0, 0]),
            ("fd_pwrite", &[fd, 0, 0, 0, 0]),
            ("fd_read", &[fd, 0, 0, 0]),
            ("fd_readdir", &[fd, 0, 0, 0, 0]),
            ("fd_renumber", &[fd, 3]),
            ("fd_renumber", &[3, fd]),
            ("fd_seek", &[fd, 0, 0, 0]),
            ("fd_sync", &[fd]),
            ("fd_tell", &[fd, 0]),
            ("fd_write", &[fd, 0, 0, 0]),
            ("sock_accept", &[fd, 0, 0]),
            ("sock_recv", &[fd, 0, 0, 0, 0, 0]),
            ("sock_send", &[fd, 0, 0, 0, 0]),
            ("sock_shutdown", &[fd, 1]),
        ] {
            assert_eq!(guest.call(call, args), Err(Errno::Badf), "{call} on {fd}");
        }
    }
}

#[test]
fn closing_ends_a_descriptor() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    assert_eq!(guest.close(fd), Ok(()));
    assert_eq!(guest.close(fd), Err(Errno::Badf));
    assert_eq!(guest.write(fd, b"x"), Err(Errno::Badf));
    assert_eq!(guest.open("file", 0, READ), Ok(fd), "the lowest free number is used again");
}

/// witx `fd_advise`: "Provide file advisory information on a file descriptor. Note: This is similar to
/// `posix_fadvise` in POSIX."
#[test]
fn advice_is_taken() {
    let mut guest = Guest::new();
    guest.host_write("file", "data");
    let fd = u64::from(guest.open("file", 0, RW).unwrap());
    for advice in 0..6 {
        assert_eq!(guest.call("fd_advise", &[fd, 0, 4, advice]), Ok(()));
        assert_eq!(guest.call("fd_advise", &[fd, 1 << 40, 0, advice]), Ok(()));
    }
    assert_eq!(guest.call("fd_advise", &[fd, 0, 0, 6]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_advise", &[fd, u64::MAX, 0, 0]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_advise", &[fd, 0, 1 << 63, 0]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_advise", &[0, 0, 0, 0]), Err(Errno::Spipe));
    assert_eq!(guest.call("fd_advise", &[ROOT.into(), 0, 0, 0]), Err(Errno::Badf));
}

/// witx `fd_allocate`: "Force the allocation of space in a file. Note: This is similar to `posix_fallocate` in POSIX."
/// POSIX: the file grows if the range ends past its end, and never shrinks.
#[test]
fn allocation_grows_and_never_shrinks() {
    let mut guest = Guest::new();
    let fd = u64::from(guest.open("file", CREAT, RW).unwrap());
    if guest.call("fd_allocate", &[fd, 0, 100]) == Err(Errno::NotSup) {
        return; // The file system of this host cannot.
    }
    for (offset, len, size) in [(0, 100, 100), (10, 10, 100), (90, 20, 110), (200, 56, 256)] {
        assert_eq!(guest.call("fd_allocate", &[fd, offset, len]), Ok(()));
        assert_eq!(guest.stat(fd as u32).unwrap().size, size);
    }
    assert_eq!(guest.call("fd_allocate", &[fd, 0, 0]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_allocate", &[fd, u64::MAX, 1]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_allocate", &[fd, i64::MAX as u64, 1]), Err(Errno::Fbig));
    assert_eq!(guest.host_read("file"), vec![0; 256]);
}

#[test]
fn synchronising_succeeds_on_files_and_directories() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    guest.write(fd, b"x").unwrap();
    for fd in [1, 2, ROOT, fd] {
        assert_eq!(guest.call("fd_sync", &[fd.into()]), Ok(()));
        assert_eq!(guest.call("fd_datasync", &[fd.into()]), Ok(()));
    }
}

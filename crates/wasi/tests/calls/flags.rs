//! `fd_fdstat_get` and `fd_fdstat_set_flags`.

use epsilon_wasi::Errno;

use crate::guest::*;

/// witx `fdstat`: the file type, the flags, and both sets of rights.
#[test]
fn files_and_directories_describe_themselves() {
    let mut guest = Guest::new();
    let fd = guest.open_flags("file", CREAT, RW, APPEND | NONBLOCK).unwrap();
    let stat = guest.fdstat(fd).unwrap();
    assert_eq!((stat.filetype, u64::from(stat.flags)), (4, APPEND | NONBLOCK));
    assert_eq!(stat.base & RW, RW);
    assert_eq!(stat.inheriting, 0);
    let stat = guest.fdstat(ROOT).unwrap();
    assert_eq!((stat.filetype, stat.flags), (3, 0));
    assert_eq!(stat.inheriting & RW, RW, "libraries mask what they ask for with this");
    assert_eq!(stat.base & (1 << 2 | 1 << 5 | 1 << 22), 0, "directories have no position and no size to set");
}

#[test]
fn reading_and_writing_show_in_the_rights() {
    let mut guest = Guest::new();
    guest.host_write("file", "");
    for rights in [0, READ, WRITE, RW] {
        let fd = guest.open("file", 0, rights).unwrap();
        assert_eq!(guest.fdstat(fd).unwrap().base & RW, rights);
    }
}

/// witx `fdflags`: "append: Append mode: Data written to the file is always appended to the file's end."
#[test]
fn appending_ignores_the_position() {
    let mut guest = Guest::new();
    guest.host_write("file", "start ");
    let fd = guest.open_flags("file", 0, RW, APPEND).unwrap();
    guest.write(fd, b"one ").unwrap();
    guest.seek(fd, 0, SET).unwrap();
    guest.write(fd, b"two").unwrap();
    assert_eq!(guest.host_read("file"), b"start one two");
    assert_eq!(guest.tell(fd), Ok(13));
}

/// witx `fd_fdstat_set_flags`: "Adjust the flags associated with a file descriptor."
#[test]
fn flags_can_be_set_and_cleared() {
    let mut guest = Guest::new();
    let fd = guest.open_flags("file", CREAT, RW, APPEND).unwrap();
    guest.write(fd, b"abc").unwrap();
    for flags in 0..32 {
        assert_eq!(guest.set_flags(fd, flags), Ok(()));
        assert_eq!(u64::from(guest.fdstat(fd).unwrap().flags), flags);
    }
    guest.set_flags(fd, 0).unwrap();
    guest.seek(fd, 0, SET).unwrap();
    guest.write(fd, b"x").unwrap();
    assert_eq!(guest.host_read("file"), b"xbc");
    guest.set_flags(fd, APPEND).unwrap();
    guest.seek(fd, 0, SET).unwrap();
    guest.write(fd, b"y").unwrap();
    assert_eq!(guest.host_read("file"), b"xbcy");
}

#[test]
fn synchronised_writing_writes() {
    let mut guest = Guest::new();
    for flags in [2, 8, 16, 31] {
        let fd = guest.open_flags("file", CREAT | TRUNC, RW, flags).unwrap();
        assert_eq!(guest.write(fd, b"data"), Ok(4));
        assert_eq!(guest.pwrite(fd, b"data", 4), Ok(4));
        assert_eq!(guest.host_read("file"), b"datadata");
    }
}

#[test]
fn unknown_flags_are_invalid() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    for flags in [32, 0x8000, 0x10000, u64::from(u32::MAX)] {
        assert_eq!(guest.set_flags(fd, flags), Err(Errno::Inval));
        assert_eq!(guest.open_flags("file", 0, RW, flags), Err(Errno::Inval));
    }
    assert_eq!(guest.open_at(ROOT, 2, "file", 0, RW, 0), Err(Errno::Inval), "and of looking up");
}

#[test]
fn flags_can_be_set_on_streams() {
    let mut guest = Guest::new();
    for fd in 0..=2 {
        assert_eq!(guest.set_flags(fd, NONBLOCK), Ok(()));
        assert_eq!(u64::from(guest.fdstat(fd).unwrap().flags), NONBLOCK);
    }
}

/// Directories have no position, and nothing is read or written: flags would mean nothing there.
#[test]
fn directories_have_no_flags() {
    let mut guest = Guest::new();
    for flags in [0, APPEND, NONBLOCK] {
        assert_eq!(guest.set_flags(ROOT, flags), Err(Errno::Badf));
    }
    assert_eq!(guest.fdstat(ROOT).unwrap().flags, 0);
}

//! `fd_renumber`, and closing what was given beforehand.

use epsilon_wasi::Errno;

use crate::guest::*;

/// witx `fd_renumber`: "Atomically replace a file descriptor by renumbering another file descriptor."
#[test]
fn a_descriptor_takes_anothers_place() {
    let mut guest = Guest::new();
    let (a, b) = (guest.open("a", CREAT, RW).unwrap(), guest.open("b", CREAT, RW).unwrap());
    assert_eq!(guest.call("fd_renumber", &[a.into(), b.into()]), Ok(()));
    assert_eq!(guest.write(a, b"x"), Err(Errno::Badf));
    assert_eq!(guest.write(b, b"now a"), Ok(5));
    assert_eq!((guest.host_read("a"), guest.host_read("b")), (b"now a".to_vec(), vec![]));
    assert_eq!(guest.open("c", CREAT, RW), Ok(a), "the old number is free again");
}

#[test]
fn renumbering_to_itself_does_nothing() {
    let mut guest = Guest::new();
    let fd = guest.open("a", CREAT, RW).unwrap();
    assert_eq!(guest.call("fd_renumber", &[fd.into(), fd.into()]), Ok(()));
    assert_eq!(guest.write(fd, b"x"), Ok(1));
}

#[test]
fn both_numbers_must_be_open() {
    let mut guest = Guest::new();
    let fd = guest.open("a", CREAT, RW).unwrap();
    for (from, to) in [(fd, 90), (90, fd), (90, 90), (fd, u32::MAX)] {
        assert_eq!(guest.call("fd_renumber", &[from.into(), to.into()]), Err(Errno::Badf));
    }
    assert_eq!(guest.write(fd, b"x"), Ok(1));
}

/// Programs redirect their own output this way.
#[test]
fn standard_streams_can_be_replaced() {
    let mut guest = Guest::new();
    guest.write(1, b"before").unwrap();
    let fd = guest.open("log", CREAT, RW).unwrap();
    assert_eq!(guest.call("fd_renumber", &[fd.into(), 1]), Ok(()));
    guest.write(1, b"after").unwrap();
    assert_eq!(guest.out.contents(), b"before");
    assert_eq!(guest.host_read("log"), b"after");
    assert_eq!(guest.fdstat(1).unwrap().filetype, 4);
}

#[test]
fn given_directories_can_be_replaced_and_closed() {
    let mut guest = Guest::new();
    guest.host_mkdir("dir");
    guest.host_write("dir/file", "x");
    let dir = guest.open("dir", DIRECTORY, 0).unwrap();
    assert_eq!(guest.call("fd_renumber", &[dir.into(), ROOT.into()]), Ok(()));
    assert_eq!(guest.path_stat("file", 0).map(|stat| stat.size), Ok(1));
    assert_eq!(guest.call("fd_prestat_get", &[ROOT.into(), 0]), Err(Errno::Badf), "it was not given beforehand");
    assert_eq!(guest.close(ROOT), Ok(()));
    assert_eq!(guest.open("file", 0, READ), Err(Errno::Badf));
}

#[test]
fn standard_streams_can_be_closed() {
    let mut guest = Guest::new();
    for fd in 0..3 {
        assert_eq!(guest.close(fd), Ok(()));
        assert_eq!(guest.close(fd), Err(Errno::Badf));
    }
    assert_eq!(guest.write(1, b"x"), Err(Errno::Badf));
    assert_eq!(guest.read(0, 1), Err(Errno::Badf));
    assert_eq!(guest.open("file", CREAT, RW), Ok(0));
}

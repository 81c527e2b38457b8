//! Attributes, sizes and times of files.

use std::os::unix::fs::MetadataExt;

use epsilon_wasi::Errno;

use crate::guest::*;

const ATIM: u64 = 1;
const ATIM_NOW: u64 = 2;
const MTIM: u64 = 4;
const MTIM_NOW: u64 = 8;

fn set_path_times(guest: &mut Guest, path: &str, look: u64, atim: u64, mtim: u64, flags: u64) -> Result<()> {
    let (ptr, len) = guest.bytes(path.as_bytes());
    guest.call("path_filestat_set_times", &[ROOT.into(), look, ptr, len, atim, mtim, flags])
}

/// witx `filestat`, against what the host says.
#[test]
fn attributes_are_the_hosts() {
    let mut guest = Guest::new();
    guest.host_write("file", "12345");
    guest.link("file", 0, "second").unwrap();
    let host = std::fs::metadata(guest.host("file")).unwrap();
    let fd = guest.open("file", 0, READ).unwrap();
    let by_fd = guest.stat(fd).unwrap();
    assert_eq!(by_fd, guest.path_stat("file", 0).unwrap());
    assert_eq!((by_fd.dev, by_fd.ino, by_fd.nlink, by_fd.size), (host.dev(), host.ino(), 2, 5));
    assert_eq!(by_fd.filetype, 4);
    assert_eq!(by_fd.mtim, host.mtime() as u64 * 1_000_000_000 + host.mtime_nsec() as u64);
    assert_eq!(by_fd.ctim, host.ctime() as u64 * 1_000_000_000 + host.ctime_nsec() as u64);
    assert_eq!(guest.path_stat("second", 0).unwrap().ino, by_fd.ino);
}

/// witx `filetype`
#[test]
fn types_are_told_apart() {
    let mut guest = Guest::new();
    guest.host_write("file", "");
    guest.host_mkdir("dir");
    guest.host_symlink("file", "link");
    guest.host_symlink("missing", "dangling");
    let socket = std::os::unix::net::UnixListener::bind(guest.host("socket"));
    let cases = [
        ("file", 0, Ok(4)),
        ("dir", 0, Ok(3)),
        (".", 0, Ok(3)),
        ("link", 0, Ok(7)),
        ("link", 1, Ok(4)),
        ("dangling", 0, Ok(7)),
        ("dangling", 1, Err(Errno::Noent)),
        ("file/", 0, Err(Errno::NotDir)),
        ("dir/", 0, Ok(3)),
        ("missing", 0, Err(Errno::Noent)),
        ("file", 2, Err(Errno::Inval)),
    ];
    for (path, look, filetype) in cases {
        assert_eq!(guest.path_stat(path, look).map(|stat| stat.filetype), filetype, "{path} with {look}");
    }
    if socket.is_ok() {
        assert_eq!(guest.path_stat("socket", 0).unwrap().filetype, 6);
        assert_eq!(guest.open("socket", 0, READ), Err(Errno::Nxio));
    }
}

/// witx `fd_filestat_set_size`: "If this increases the file's size, the extra bytes are filled with zeros."
#[test]
fn sizes_can_be_set() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    guest.write(fd, b"0123456789").unwrap();
    for (size, contents) in [(4, &b"0123"[..]), (8, b"0123\0\0\0\0"), (0, b"")] {
        assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), size]), Ok(()));
        assert_eq!(guest.stat(fd).unwrap().size, size);
        assert_eq!(guest.host_read("file"), contents);
    }
    assert_eq!(guest.tell(fd), Ok(10), "the position stays");
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), u64::MAX]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_filestat_set_size", &[ROOT.into(), 0]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_filestat_set_size", &[1, 0]), Err(Errno::Inval));
}

/// witx `fstflags`: "atim: Adjust the last data access timestamp to the value stored in `filestat::atim`", and so on.
#[test]
fn times_can_be_set_one_by_one() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    let times = |guest: &mut Guest| guest.stat(fd).map(|stat| (stat.atim, stat.mtim)).unwrap();
    let set =
        |guest: &mut Guest, atim, mtim, flags| guest.call("fd_filestat_set_times", &[fd.into(), atim, mtim, flags]);
    assert_eq!(set(&mut guest, 1_000_000_007, 2_000_000_009, ATIM | MTIM), Ok(()));
    assert_eq!(times(&mut guest), (1_000_000_007, 2_000_000_009));
    assert_eq!(set(&mut guest, 5, 6, ATIM), Ok(()));
    assert_eq!(times(&mut guest), (5, 2_000_000_009));
    assert_eq!(set(&mut guest, 7, 8, MTIM), Ok(()));
    assert_eq!(times(&mut guest), (5, 8));
    assert_eq!(set(&mut guest, 7, 7, 0), Ok(()));
    assert_eq!(times(&mut guest), (5, 8));
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let long_ago = long_ago.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    assert_eq!(set(&mut guest, 0, 0, ATIM_NOW | MTIM_NOW), Ok(()));
    let (atim, mtim) = times(&mut guest);
    assert!(atim > long_ago && mtim > long_ago);
}

/// witx `fstflags`: a value and now at once contradict each other.
#[test]
fn contradicting_times_are_invalid() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    for flags in [ATIM | ATIM_NOW, MTIM | MTIM_NOW, 16, 0x8000, 0x10000] {
        assert_eq!(guest.call("fd_filestat_set_times", &[fd.into(), 0, 0, flags]), Err(Errno::Inval));
        assert_eq!(set_path_times(&mut guest, "file", 0, 0, 0, flags), Err(Errno::Inval));
    }
}

#[test]
fn times_of_names_follow_links_if_asked() {
    let mut guest = Guest::new();
    guest.host_write("file", "");
    guest.host_symlink("file", "link");
    assert_eq!(set_path_times(&mut guest, "link", 0, 1_000_000_000, 2_000_000_000, ATIM | MTIM), Ok(()));
    assert_eq!(guest.path_stat("link", 0).unwrap().mtim, 2_000_000_000);
    assert_ne!(guest.path_stat("file", 0).unwrap().mtim, 2_000_000_000);
    assert_eq!(set_path_times(&mut guest, "link", 1, 3_000_000_000, 4_000_000_000, ATIM | MTIM), Ok(()));
    assert_eq!(guest.path_stat("link", 0).unwrap().mtim, 2_000_000_000);
    assert_eq!(guest.path_stat("file", 0).unwrap().mtim, 4_000_000_000);
    assert_eq!(set_path_times(&mut guest, "missing", 1, 0, 0, MTIM), Err(Errno::Noent));
    assert_eq!(set_path_times(&mut guest, "..", 1, 0, 0, MTIM), Err(Errno::Perm));
}

#[test]
fn times_of_directories_can_be_set() {
    let mut guest = Guest::new();
    guest.host_mkdir("dir");
    assert_eq!(set_path_times(&mut guest, "dir", 0, 0, 9_000_000_000, MTIM), Ok(()));
    assert_eq!(guest.path_stat("dir", 0).unwrap().mtim, 9_000_000_000);
    let dir = guest.open("dir", DIRECTORY, 0).unwrap();
    assert_eq!(guest.call("fd_filestat_set_times", &[dir.into(), 0, 11_000_000_000, MTIM]), Ok(()));
    assert_eq!(guest.stat(dir).unwrap().mtim, 11_000_000_000);
}

#[test]
fn writing_moves_the_time_of_change() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    guest.call("fd_filestat_set_times", &[fd.into(), 0, 1_000, MTIM]).unwrap();
    guest.write(fd, b"x").unwrap();
    assert!(guest.stat(fd).unwrap().mtim > 1_000_000_000_000);
}

/// WASI counts from 1970 on and has no sign: what is before counts as 1970, never as later.
#[test]
fn times_before_1970_are_1970() {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
    let mut guest = Guest::new();
    guest.host_write("file", "");
    let fd = guest.open("file", 0, READ).unwrap();
    let cases: [(i64, i64, u64); 7] = [
        (-1, 500_000_000, 0),
        (-1, 999_999_999, 0),
        (-1, 0, 0),
        (-1_000_000_000, 1, 0),
        (0, 0, 0),
        (0, 1, 1),
        (1, 999_999_999, 1_999_999_999),
    ];
    for (tv_sec, tv_nsec, ns) in cases {
        let time = Timespec { tv_sec, tv_nsec };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, guest.host("file"), &times, AtFlags::empty()).unwrap();
        for stat in [guest.stat(fd).unwrap(), guest.path_stat("file", 1).unwrap()] {
            assert_eq!((stat.atim, stat.mtim), (ns, ns), "{tv_sec} s and {tv_nsec} ns");
        }
        // Setting what was read, as `cp -p` does, gives the same.
        let stat = guest.stat(fd).unwrap();
        set_path_times(&mut guest, "file", 0, stat.atim, stat.mtim, ATIM | MTIM).unwrap();
        assert_eq!(guest.path_stat("file", 0).unwrap().mtim, ns);
    }
    let latest = u64::MAX / 1_000_000_000;
    assert!(set_path_times(&mut guest, "file", 0, u64::MAX, u64::MAX, ATIM | MTIM).is_ok());
    let host = std::fs::metadata(guest.host("file")).unwrap().mtime();
    assert!(host > 0 && host as u64 <= latest, "the far future is not before 1970: {host}");
}

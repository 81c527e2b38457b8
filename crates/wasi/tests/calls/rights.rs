//! Rights given up.

use epsilon_wasi::{Errno, Rights};

use crate::guest::*;

fn set_rights(guest: &mut Guest, fd: u32, base: u64, inheriting: u64) -> Result<()> {
    guest.call("fd_fdstat_set_rights", &[fd.into(), base, inheriting])
}

/// witx `fd_fdstat_set_rights`: "This can only be used to remove rights, and returns `errno::notcapable` if called in
/// a way that would attempt to add rights."
#[test]
fn rights_can_only_be_given_up() {
    let mut guest = Guest::new();
    let fd = guest.open("file", CREAT, RW).unwrap();
    let had = guest.fdstat(fd).unwrap();
    assert_eq!(set_rights(&mut guest, fd, had.base, had.inheriting), Ok(()));
    assert_eq!(set_rights(&mut guest, fd, had.base & !READ, 0), Ok(()));
    assert_eq!(guest.fdstat(fd).unwrap().base, had.base & !READ);
    assert_eq!(set_rights(&mut guest, fd, had.base, 0), Err(Errno::NotCapable));
    assert_eq!(set_rights(&mut guest, fd, 1 << 40, 0), Err(Errno::NotCapable));
    assert_eq!(set_rights(&mut guest, fd, 0, READ), Err(Errno::NotCapable));
    assert_eq!(guest.fdstat(fd).unwrap().base, had.base & !READ);
    assert_eq!(set_rights(&mut guest, 0, READ | 1 << 2, 0), Err(Errno::NotCapable), "streams too");
}

#[test]
fn what_is_given_up_is_gone() {
    let mut guest = Guest::new();
    guest.host_write("file", "data");
    let cases = [
        (Rights::FD_READ, "fd_read", &[0, 0, 8][..], Errno::Badf),
        (Rights::FD_WRITE, "fd_write", &[0, 0, 8], Errno::Badf),
        (Rights::FD_SEEK, "fd_seek", &[1, 0, 8], Errno::NotCapable),
        (Rights::FD_SEEK, "fd_pread", &[0, 0, 0, 8], Errno::NotCapable),
        (Rights::FD_TELL, "fd_tell", &[8], Errno::NotCapable),
        (Rights::FD_SYNC, "fd_sync", &[], Errno::NotCapable),
        (Rights::FD_DATASYNC, "fd_datasync", &[], Errno::NotCapable),
        (Rights::FD_ADVISE, "fd_advise", &[0, 0, 0], Errno::NotCapable),
        (Rights::FD_ALLOCATE, "fd_allocate", &[0, 1], Errno::NotCapable),
        (Rights::FD_FILESTAT_GET, "fd_filestat_get", &[8], Errno::NotCapable),
        (Rights::FD_FILESTAT_SET_SIZE, "fd_filestat_set_size", &[0], Errno::NotCapable),
        (Rights::FD_FILESTAT_SET_TIMES, "fd_filestat_set_times", &[0, 0, 2], Errno::NotCapable),
        (Rights::FD_FDSTAT_SET_FLAGS, "fd_fdstat_set_flags", &[0], Errno::NotCapable),
    ];
    for (right, call, rest, errno) in cases {
        let fd = guest.open("file", 0, RW).unwrap();
        let args: Vec<u64> = std::iter::once(fd.into()).chain(rest.iter().copied()).collect();
        assert!(guest.call(call, &args).is_ok(), "{call}");
        let base = guest.fdstat(fd).unwrap().base;
        set_rights(&mut guest, fd, base & !right.bits(), 0).unwrap();
        assert_eq!(guest.call(call, &args), Err(errno), "{call}");
        guest.close(fd).unwrap();
    }
}

#[test]
fn directories_lose_their_calls_too() {
    let cases = [
        (Rights::PATH_CREATE_DIRECTORY, "path_create_directory"),
        (Rights::PATH_REMOVE_DIRECTORY, "path_remove_directory"),
        (Rights::PATH_UNLINK_FILE, "path_unlink_file"),
    ];
    for (right, call) in cases {
        let mut guest = Guest::new();
        let base = guest.fdstat(ROOT).unwrap().base;
        set_rights(&mut guest, ROOT, base & !right.bits(), 0).unwrap();
        assert_eq!(guest.on_path(call, "x"), Err(Errno::NotCapable));
    }
    let mut guest = Guest::new();
    let had = guest.fdstat(ROOT).unwrap();
    set_rights(&mut guest, ROOT, had.base & !Rights::PATH_CREATE_FILE.bits(), had.inheriting).unwrap();
    assert_eq!(guest.open("file", CREAT, RW), Err(Errno::NotCapable));
    guest.host_write("full", "data");
    guest.open("full", TRUNC, RW).unwrap();
    guest.host_write("full", "data");
    let base = guest.fdstat(ROOT).unwrap().base & !Rights::PATH_FILESTAT_SET_SIZE.bits();
    set_rights(&mut guest, ROOT, base, had.inheriting).unwrap();
    assert_eq!(guest.open("full", TRUNC, 0), Err(Errno::NotCapable), "witx: path_open with oflags::trunc");
    assert_eq!(guest.host_read("full"), b"data");
    set_rights(&mut guest, ROOT, 0, had.inheriting).unwrap();
    assert_eq!(guest.open("file", 0, RW), Err(Errno::NotCapable));
    assert_eq!(guest.path_stat("file", 0), Err(Errno::NotCapable));
    assert_eq!(guest.readdir(ROOT, 100, 0), Err(Errno::NotCapable));
}

/// What a directory cannot pass on, nothing opened below it has.
#[test]
fn descriptors_inherit_what_is_left() {
    let mut guest = Guest::new();
    guest.host_mkdir("dir");
    guest.host_write("dir/file", "data");
    let had = guest.fdstat(ROOT).unwrap();
    set_rights(&mut guest, ROOT, had.base, had.inheriting & !WRITE).unwrap();
    let fd = guest.open("dir/file", 0, RW).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().base & RW, READ);
    assert_eq!(guest.write(fd, b"x"), Err(Errno::Badf));
    let dir = guest.open("dir", DIRECTORY, 0).unwrap();
    let fd = guest.open_at(dir, 0, "file", 0, RW, 0).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().base & RW, READ, "through a directory in between as well");
    assert_eq!(guest.read(fd, 4), Ok(b"data".to_vec()));
}

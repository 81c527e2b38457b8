//! Directories given for reading only: POSIX "[EROFS]".

use epsilon_wasi::{Access, Errno, Version};

use crate::guest::*;

fn read_only() -> Guest {
    let guest = Guest::built(Version::Preview1, Access::ReadOnly, |_| {});
    guest.host_write("file", "data");
    guest.host_mkdir("dir/nested");
    guest.host_symlink("file", "link");
    guest
}

#[test]
fn reading_works() {
    let mut guest = read_only();
    let fd = guest.open("link", 0, READ).unwrap();
    assert_eq!(guest.read(fd, 10), Ok(b"data".to_vec()));
    assert_eq!(guest.path_stat("file", 0).unwrap().size, 4);
    assert_eq!(guest.readlink("link", 10).as_deref(), Ok("file"));
    assert_eq!(guest.names(ROOT), [".", "..", "dir", "file", "link"]);
    assert_eq!(guest.open("dir", DIRECTORY, 0).map(drop), Ok(()));
}

#[test]
fn nothing_can_be_opened_to_change_it() {
    let mut guest = read_only();
    let cases = [
        ("file", 0, WRITE, Err(Errno::Rofs)),
        ("file", 0, RW, Err(Errno::Rofs)),
        ("file", TRUNC, READ, Err(Errno::Rofs)),
        ("new", CREAT, READ, Err(Errno::Rofs)),
        ("new", CREAT | EXCL, READ, Err(Errno::Rofs)),
        ("file", CREAT, READ, Ok(())),
        ("file", CREAT | EXCL, READ, Err(Errno::Exist)),
    ];
    for (path, oflags, rights, result) in cases {
        assert_eq!(guest.open(path, oflags, rights).map(drop), result, "{path} with {oflags}");
    }
    assert_eq!(guest.host_read("file"), b"data");
    assert!(!guest.host("new").exists());
}

#[test]
fn no_name_can_be_changed() {
    let mut guest = read_only();
    assert_eq!(guest.mkdir("new"), Err(Errno::Rofs));
    assert_eq!(guest.rmdir("dir/nested"), Err(Errno::Rofs));
    assert_eq!(guest.unlink("file"), Err(Errno::Rofs));
    assert_eq!(guest.rename("file", "new"), Err(Errno::Rofs));
    assert_eq!(guest.link("file", 0, "new"), Err(Errno::Rofs));
    assert_eq!(guest.symlink("file", "new"), Err(Errno::Rofs));
    let (ptr, len) = guest.bytes(b"file");
    assert_eq!(guest.call("path_filestat_set_times", &[3, 0, ptr, len, 0, 0, 4]), Err(Errno::Rofs));
    assert_eq!(guest.names(ROOT), [".", "..", "dir", "file", "link"]);
}

#[test]
fn no_descriptor_can_change_anything() {
    let mut guest = read_only();
    let (file, dir) = (guest.open("file", 0, READ).unwrap(), guest.open("dir", DIRECTORY, 0).unwrap());
    for fd in [file, dir, ROOT] {
        assert_eq!(guest.call("fd_filestat_set_times", &[fd.into(), 0, 0, 4]), Err(Errno::Rofs));
    }
    assert_eq!(guest.write(file, b"x"), Err(Errno::Badf));
    assert_eq!(guest.call("fd_allocate", &[file.into(), 0, 100]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_filestat_set_size", &[file.into(), 0]), Err(Errno::Inval));
    assert_eq!(guest.host_read("file"), b"data");
    assert_eq!(guest.open_at(dir, 0, "new", CREAT, RW, 0), Err(Errno::Rofs), "directories below are read-only too");
    assert_eq!(guest.open_at(dir, 0, "nested", DIRECTORY, 0, 0).map(drop), Ok(()));
}

/// A second name in a directory that can be written would be a way to write the file.
#[test]
fn files_cannot_be_carried_out() {
    let writable = tempfile::TempDir::new().unwrap();
    let mut guest = Guest::built(Version::Preview1, Access::ReadOnly, |builder| {
        builder.directory(writable.path(), "/rw", Access::ReadWrite).unwrap();
    });
    guest.host_write("file", "data");
    std::fs::write(writable.path().join("own"), "own").unwrap();
    let ((old, old_len), (new, new_len)) = (guest.bytes(b"file"), guest.bytes(b"copy"));
    assert_eq!(guest.call("path_link", &[3, 0, old, old_len, 4, new, new_len]), Err(Errno::Rofs));
    assert_eq!(guest.call("path_rename", &[3, old, old_len, 4, new, new_len]), Err(Errno::Rofs));
    let ((old, old_len), (new, new_len)) = (guest.bytes(b"own"), guest.bytes(b"copy"));
    assert_eq!(guest.call("path_rename", &[4, old, old_len, 3, new, new_len]), Err(Errno::Rofs));
    assert_eq!(guest.open_at(4, 0, "own", 0, RW, 0).map(drop), Ok(()));
}

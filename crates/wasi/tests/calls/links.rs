//! Hard and symbolic links.

use epsilon_wasi::Errno;

use crate::guest::*;

/// POSIX `link`
#[test]
fn a_second_name_is_the_same_file() {
    let mut guest = Guest::new();
    guest.create("file", b"data");
    assert_eq!(guest.link("file", 0, "second"), Ok(()));
    let fd = guest.open("second", 0, RW).unwrap();
    guest.pwrite(fd, b"DA", 0).unwrap();
    assert_eq!(guest.host_read("file"), b"DAta");
    guest.unlink("file").unwrap();
    assert_eq!(guest.host_read("second"), b"DAta");
}

#[test]
fn hard_links_that_cannot_be() {
    let cases = [
        ("file", 0, "file", Errno::Exist),
        ("file", 0, "dir", Errno::Exist),
        ("missing", 0, "x", Errno::Noent),
        ("dir", 0, "x", Errno::Perm),
        ("file", 0, "missing/x", Errno::Noent),
        ("file", 0, "../x", Errno::Perm),
        ("../file", 0, "x", Errno::Perm),
        ("file", 1, "x", Errno::Inval),
        ("link", 1, "x", Errno::Inval),
        ("file", 2, "x", Errno::Inval),
        ("", 0, "x", Errno::Noent),
        ("file", 0, "", Errno::Noent),
    ];
    let mut guest = Guest::new();
    guest.host_write("file", "");
    guest.host_mkdir("dir");
    guest.host_symlink("file", "link");
    for (old, look, new, errno) in cases {
        assert_eq!(guest.link(old, look, new), Err(errno), "{old:?} as {new:?}");
    }
    assert!(guest.link("file", 0, "x/").is_err());
    assert!(guest.link("file/", 0, "x").is_err());
    assert!(!guest.host("x").exists());
}

/// POSIX `link` on a symbolic link without following: the new name is that of the link itself.
#[test]
fn symbolic_links_can_have_two_names() {
    let mut guest = Guest::new();
    guest.host_symlink("dangling", "link");
    assert_eq!(guest.link("link", 0, "second"), Ok(()));
    assert_eq!(guest.readlink("second", 100).as_deref(), Ok("dangling"));
}

/// witx `path_symlink`: "Create a symbolic link. Note: This is similar to `symlinkat` in POSIX."
#[test]
fn making_symbolic_links() {
    let cases = [
        ("file", "link", Ok(())),
        ("file", "link", Err(Errno::Exist)),
        ("missing", "dangling", Ok(())),
        (".", "dot", Ok(())),
        ("../x", "up", Ok(())),
        ("dir/../file", "round", Ok(())),
        ("/etc/passwd", "absolute", Err(Errno::Perm)),
        ("file", "missing/link", Err(Errno::Noent)),
        ("file", "../link", Err(Errno::Perm)),
        ("", "empty", Err(Errno::Noent)),
        ("file", "", Err(Errno::Noent)),
        ("file", "dir", Err(Errno::Exist)),
    ];
    let mut guest = Guest::new();
    guest.host_write("file", "data");
    guest.host_mkdir("dir");
    for (target, name, result) in cases {
        assert_eq!(guest.symlink(target, name), result, "{name:?} to {target:?}");
    }
    assert!(guest.symlink("file", "slash/").is_err());
    assert_eq!(std::fs::read_link(guest.host("round")).unwrap().to_str(), Some("dir/../file"));
    assert!(!guest.host("absolute").is_symlink());
}

/// witx `path_readlink`: "Read the contents of a symbolic link. Note: This is similar to `readlinkat` in POSIX." POSIX:
/// "If the buffer is not large enough to contain the link content, the first bufsize bytes shall be placed in buf."
#[test]
fn reading_symbolic_links() {
    let mut guest = Guest::new();
    guest.host_symlink("some/target", "link");
    guest.host_write("file", "");
    guest.host_symlink("/etc/passwd", "absolute");
    for (room, read) in [(100, "some/target"), (11, "some/target"), (4, "some"), (0, "")] {
        assert_eq!(guest.readlink("link", room).as_deref(), Ok(read));
    }
    assert_eq!(guest.readlink("file", 100), Err(Errno::Inval));
    assert_eq!(guest.readlink(".", 100), Err(Errno::Inval));
    assert_eq!(guest.readlink("missing", 100), Err(Errno::Noent));
    assert!(guest.readlink("link/", 100).is_err());
    assert_eq!(guest.readlink("absolute", 100), Err(Errno::Perm), "paths of the host stay with the host");
    let (ptr, len) = guest.bytes(b"link");
    let end = guest.memory.len() as u64;
    assert_eq!(guest.call("path_readlink", &[3, ptr, len, end - 5, 6, 0]), Err(Errno::Fault));
    assert_eq!(guest.call("path_readlink", &[3, ptr, len, 0, 6, end - 3]), Err(Errno::Fault));
}

#[test]
fn following_links() {
    let mut guest = Guest::new();
    guest.host_mkdir("dir/nested");
    guest.host_write("dir/file", "data");
    for (target, name) in [
        ("dir/file", "to-file"),
        ("dir", "to-dir"),
        ("to-dir/file", "through"),
        ("../file", "dir/nested/up"),
        ("missing", "dangling"),
        ("self", "self"),
        ("pong", "ping"),
        ("ping", "pong"),
    ] {
        guest.host_symlink(target, name);
    }
    for path in ["to-file", "to-dir/file", "through", "dir/nested/up", "to-dir/nested/up"] {
        let fd = guest.open(path, 0, READ).expect(path);
        assert_eq!(guest.read(fd, 10), Ok(b"data".to_vec()), "{path}");
    }
    assert_eq!(guest.open("dangling", 0, READ), Err(Errno::Noent));
    assert_eq!(guest.open("self", 0, READ), Err(Errno::Loop));
    assert_eq!(guest.open("ping", 0, READ), Err(Errno::Loop));
    assert_eq!(guest.open("ping/x", 0, READ), Err(Errno::Loop));
    assert_eq!(guest.open("dangling", CREAT, RW).map(drop), Ok(()), "what the link names is made");
    assert!(guest.host("missing").exists());
    assert_eq!(guest.open("to-dir", DIRECTORY, 0).map(drop), Ok(()));
}

/// witx `lookupflags`: without `symlink_follow` a link in the last component is not followed. POSIX `open` with
/// O_NOFOLLOW: "[ELOOP]"; with O_DIRECTORY a link is not a directory.
#[test]
fn not_following_links() {
    let mut guest = Guest::new();
    guest.host_mkdir("dir");
    guest.host_write("dir/file", "data");
    guest.host_symlink("dir/file", "to-file");
    guest.host_symlink("dir", "to-dir");
    guest.host_symlink("missing", "dangling");
    assert_eq!(guest.open_nofollow("to-file", 0, READ), Err(Errno::Loop));
    assert_eq!(guest.open_nofollow("dangling", 0, READ), Err(Errno::Loop));
    assert_eq!(guest.open_nofollow("dangling", CREAT | EXCL, RW), Err(Errno::Exist));
    assert!(matches!(guest.open_nofollow("to-dir", DIRECTORY, 0), Err(Errno::Loop | Errno::NotDir)));
    assert_eq!(guest.open_nofollow("to-dir/file", 0, READ).map(drop), Ok(()), "only the last component counts");
    assert!(!guest.host("missing").exists());
}
